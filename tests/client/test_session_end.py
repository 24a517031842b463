"""How a session ends, and who hears of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from token_lifecycle.client import (
    MemoryStore,
    RefreshUnavailable,
    SessionExpired,
)

from .conftest import in_threads

# --- refused ----------------------------------------------------------------------------------


def test_a_refused_refresh_ends_the_session_and_drops_the_tokens(new_session, stub):
    store = MemoryStore()
    session = new_session(store=store)
    session.login("anna", "correct horse")
    stub.revoked = "password_changed"
    with pytest.raises(SessionExpired) as caught:
        session.refresh()
    assert (caught.value.code, caught.value.status) == ("password_changed", 401)
    assert session.tokens is store.load() is None


def test_fifty_threads_hear_the_same_reason_and_the_server_is_asked_once(session, stub):
    stub.revoked, used = "session_revoked", session.tokens
    outcomes = in_threads(lambda: session.refresh(used))
    assert {(type(error), error.code) for error in outcomes} == {
        (SessionExpired, "session_revoked")
    }
    assert len(stub.refreshes) == 1


def test_after_signing_in_again_all_is_well(session, stub):
    stub.revoked = "session_expired"
    with pytest.raises(SessionExpired):
        session.refresh()
    session.login("anna", "correct horse")
    assert session.refresh().access == "access-4"


def test_tokens_that_another_process_dropped_are_gone_here_too(new_session):
    store = MemoryStore()
    one, other = new_session(store=store), new_session(store=store)
    used = one.login("anna", "correct horse")
    other.logout()
    with pytest.raises(SessionExpired):
        one.refresh(used)
    assert one.tokens is None


# --- signing out ------------------------------------------------------------------------------


def test_logout_tells_the_server_and_forgets(session, stub):
    session.logout()
    assert stub.ended == ["refresh-2"]
    assert session.tokens is None


def test_logging_out_twice_is_no_error(session, stub):
    session.logout()
    session.logout()
    assert stub.ended == ["refresh-2"]


def test_logout_everywhere_refreshes_an_expired_token_first(session, stub):
    stub.expire()
    session.logout(everywhere=True)
    assert (stub.ended, stub.rotations) == (["all"], 1)
    assert session.tokens is None


def test_logout_everywhere_without_a_session_says_that_nothing_was_ended(session, stub):
    stub.expire()
    stub.revoked = "session_revoked"
    for code in ("session_revoked", "session_revoked"):
        with pytest.raises(SessionExpired) as caught:
            session.logout(everywhere=True)
        assert caught.value.code == code
    assert stub.ended == []


def test_logout_everywhere_gives_up_on_a_server_that_accepts_no_token(session, stub, monkeypatch):
    monkeypatch.setattr(stub, "is_accepted", lambda authorization: False)
    with pytest.raises(RefreshUnavailable, match="fresh"):
        session.logout(everywhere=True)
    assert session.tokens is not None


def test_a_logout_that_did_not_reach_the_server_keeps_the_tokens_until_told_otherwise(
    session, stub, monkeypatch
):
    monkeypatch.setattr("tests.client.stub.Handler.on_auth_logout", lambda handler, body: None)
    with pytest.raises(RefreshUnavailable):
        session.logout()
    assert session.tokens is not None
    session.forget()
    assert session.tokens is None


def test_logout_during_a_refresh_is_not_undone_by_it(session, stub):
    stub.hold_refreshes()
    with ThreadPoolExecutor(2) as pool:
        refreshed = pool.submit(session.refresh)
        stub.wait_for_refresh()
        logged_out = pool.submit(session.logout)
        stub.gate.set()
        assert refreshed.result(10).access == "access-3"
        logged_out.result(10)
    assert stub.ended == ["refresh-3"]
    assert session.tokens is None


# --- on_tokens --------------------------------------------------------------------------------


def test_listeners_hear_of_each_change_once(new_session, stub):
    heard = []
    session = new_session(on_tokens=lambda tokens: heard.append(tokens and tokens.access))
    used = session.login("anna", "correct horse")
    in_threads(lambda: session.refresh(used))
    session.logout()
    session.logout()
    assert heard == ["access-2", "access-3", None]


def test_listeners_hear_that_the_session_ended_and_of_what_others_saved(new_session, stub):
    heard, store = [], MemoryStore()
    one, other = new_session(store=store), new_session(store=store, on_tokens=heard.append)
    used = one.login("anna", "correct horse")
    assert other.tokens == used
    newer = one.refresh(used)
    other.refresh(used)
    stub.revoked = "session_revoked"
    with pytest.raises(SessionExpired):
        other.refresh()
    assert heard == [newer, None]


def test_a_listener_may_use_the_session_and_may_fail(new_session, stub, log):
    def listen(tokens):
        assert session.current() == tokens
        raise LookupError("not my day")

    session = new_session(on_tokens=listen)
    session.login("anna", "correct horse")
    assert session.refresh().access == "access-3"
    assert "on_tokens raised" in log.text
