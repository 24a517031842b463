"""One session: where it is, how it begins, how it stays alive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from token_lifecycle.client import (
    FileStore,
    LoginRefused,
    MemoryStore,
    Session,
    SessionExpired,
    TokenSet,
)

from .conftest import THREADS, in_threads

# --- an address -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["", "example.com/auth/", "/auth/", "ftp://example.com/", "https://"]
)
def test_a_session_needs_the_address_of_a_server(url):
    with pytest.raises(ValueError, match="not the address"):
        Session(url)


def test_an_address_with_a_password_in_it_is_refused_without_being_repeated():
    with pytest.raises(ValueError, match="password") as caught:
        Session("https://anna:hunter2@example.com/auth/")
    assert "hunter2" not in str(caught.value)


def test_an_address_may_lack_its_last_slash():
    assert repr(Session("https://example.com/auth")) == "<Session at https://example.com/auth/>"


def test_a_session_without_any_http_library_says_what_to_install(monkeypatch):
    monkeypatch.setattr("token_lifecycle.client.transports.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"\[httpx\] or \[requests\]"):
        Session("https://example.com/auth/")


@pytest.mark.parametrize("library", ["httpx", "requests"])
def test_a_session_uses_the_library_that_is_installed(library, stub, monkeypatch):
    monkeypatch.setattr(
        "token_lifecycle.client.transports.find_spec", lambda name: name == library or None
    )
    session = Session(stub.base_url)
    session.login("anna", "correct horse", device_name="laptop")
    assert session.refresh().access == "access-3"
    assert stub.signed_in[0]["device_name"] == "laptop"
    assert stub.calls[0]["headers"]["User-Agent"].startswith("token-lifecycle/")


# --- signing in -------------------------------------------------------------------------------


def test_after_signing_in_the_tokens_are_there_and_in_the_store(new_session, clock):
    store = MemoryStore()
    session = new_session(store=store)
    tokens = session.login("anna", "correct horse")
    assert tokens == session.tokens == store.load() == session.current()
    assert tokens.expires_at == clock.now + 300


def test_a_refused_sign_in_leaves_the_tokens_there_are(session):
    before = session.tokens
    with pytest.raises(LoginRefused) as caught:
        session.login("anna", "wrong")
    assert caught.value.code == "invalid_credentials"
    assert session.tokens == before


def test_tokens_obtained_elsewhere_can_be_taken_over(new_session, stub):
    session = new_session()
    session.adopt(TokenSet(**{key: stub.issue()[key] for key in ("access", "refresh")}))
    assert session.current().access == "access-1"


def test_a_session_finds_the_tokens_an_earlier_run_left(new_session, tmp_path):
    new_session(store=FileStore(tmp_path / "tokens")).login("anna", "correct horse")
    assert new_session(store=FileStore(tmp_path / "tokens")).current().access == "access-2"


def test_without_signing_in_there_is_no_session(new_session):
    for ask in (new_session().current, new_session().refresh):
        with pytest.raises(SessionExpired) as caught:
            ask()
        assert caught.value.code == "not_signed_in"


def test_a_sign_in_that_cannot_be_saved_says_so(new_session, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        new_session(store=FileStore(tmp_path / "file" / "tokens")).login("anna", "correct horse")


# --- refreshing -------------------------------------------------------------------------------


def test_living_tokens_are_not_refreshed(session, stub, clock):
    clock.advance(269)
    assert session.current().access == "access-2"
    assert stub.refreshes == []


def test_tokens_about_to_expire_are_refreshed_before_use(session, stub, clock):
    clock.advance(270)
    assert session.current().access == "access-3"
    assert stub.refreshes == ["refresh-2"]


def test_fifty_threads_with_one_old_token_refresh_once(session, stub):
    used = session.tokens
    outcomes = in_threads(lambda: session.refresh(used).access)
    assert outcomes == ["access-3"] * THREADS
    assert stub.rotations == 1


def test_fifty_threads_without_a_word_about_their_token_refresh_once_too(session, stub):
    stub.hold_refreshes()
    used = session.tokens
    threads = ThreadPoolExecutor(THREADS)
    futures = [threads.submit(session.refresh, used) for _ in range(THREADS)]
    stub.wait_for_refresh()
    stub.gate.set()
    assert {future.result(10).access for future in futures} == {"access-3"}
    threads.shutdown()
    assert stub.rotations == 1


def test_whoever_used_an_older_token_gets_the_newer_one_without_a_refresh(session, stub):
    first = session.tokens
    session.refresh(first)
    assert session.refresh(first).access == "access-3"
    assert stub.rotations == 1


def test_the_newer_one_is_refreshed_if_it_is_about_to_expire_as_well(session, stub, clock):
    first = session.tokens
    session.refresh(first)
    clock.advance(3600)
    assert session.refresh(first).access == "access-4"


def test_two_sessions_on_one_store_refresh_once(new_session, stub):
    store = MemoryStore()
    one, other = new_session(store=store), new_session(store=store)
    used = one.login("anna", "correct horse")
    assert other.tokens == used
    assert one.refresh(used) == other.refresh(used)
    assert stub.rotations == 1


def test_an_old_token_in_the_store_is_refreshed_even_if_another_process_put_it_there(
    new_session, stub, clock
):
    store = MemoryStore()
    one, other = new_session(store=store), new_session(store=store)
    used = one.login("anna", "correct horse")
    other.refresh(used)
    clock.advance(3600)
    assert one.refresh(used).access == "access-4"


def test_a_token_that_a_careless_store_let_another_process_replace_is_found(new_session, stub):
    """The store's lock does not keep the other process out: it wins between load and refresh."""
    store = MemoryStore()
    session = new_session(store=store)
    session.login("anna", "correct horse")
    newer = TokenSet("access-9", "refresh-9")
    stub.faults.append((401, {"detail": "Replaced.", "code": "token_superseded"}))
    stub.hold_refreshes()
    with ThreadPoolExecutor(1) as pool:
        refreshed = pool.submit(session.refresh)
        stub.wait_for_refresh()
        store.save(newer)
        stub.gate.set()
        assert refreshed.result(10) == newer
