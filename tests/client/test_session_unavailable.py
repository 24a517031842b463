"""A server, a disk or a lock that is not available costs nobody the session."""

from __future__ import annotations

import pytest

from token_lifecycle.client import (
    FileStore,
    MemoryStore,
    RefreshUnavailable,
    TokenSet,
    TransportFailed,
)

from .conftest import in_threads


@pytest.mark.parametrize("status", [429, 503])
def test_an_overloaded_server_costs_nobody_the_session(session, stub, clock, status):
    before = session.tokens
    stub.faults.append((status, {"detail": "Later."}, {"Retry_After": "20"}))
    with pytest.raises(RefreshUnavailable) as caught:
        session.refresh()
    assert caught.value.retry_after == 20
    assert session.tokens == before
    clock.advance(20)
    assert session.refresh().access == "access-3"


def test_the_server_is_left_alone_for_as_long_as_it_asked(session, stub, clock):
    stub.faults.append((503, b"", {"Retry_After": "20"}))
    in_threads(session.refresh)
    asked = len(stub.calls_to("/auth/refresh/"))
    clock.advance(15)
    with pytest.raises(RefreshUnavailable) as caught:
        session.refresh()
    assert caught.value.retry_after == 5
    assert len(stub.calls_to("/auth/refresh/")) == asked == 1


def test_it_is_never_left_alone_for_longer_than_five_minutes(session, stub, clock):
    stub.faults.append((503, b"", {"Retry_After": "86400"}))
    with pytest.raises(RefreshUnavailable):
        session.refresh()
    clock.advance(300)
    assert session.refresh().access == "access-3"


def test_a_clock_set_back_does_not_make_the_pause_longer(session, stub, clock):
    stub.faults.append((503, b"", {"Retry_After": "20"}))
    with pytest.raises(RefreshUnavailable):
        session.refresh()
    clock.advance(-86400)
    assert session.refresh().access == "access-3"


def test_signing_in_ends_the_pause(session, stub):
    stub.faults.append((503, b"", {"Retry_After": "20"}))
    with pytest.raises(RefreshUnavailable):
        session.refresh()
    session.login("anna", "correct horse")
    assert session.refresh().access == "access-4"


def test_while_the_server_is_unavailable_the_rest_of_the_access_token_is_used(session, stub, clock):
    clock.advance(280)
    stub.faults.append((503, b""))
    assert session.current().access == "access-2"
    clock.advance(20)
    stub.faults.append((503, b""))
    with pytest.raises(RefreshUnavailable):
        session.current()


@pytest.mark.parametrize("fault", ["lost", "drop", (502, b"")])
def test_an_answer_lost_on_the_way_is_recovered_within_the_grace_period(session, stub, fault):
    stub.grace = True
    stub.faults.append(fault)
    assert session.refresh().access == "access-3"
    assert (stub.rotations, len(stub.calls_to("/auth/refresh/"))) == (1, 2)


class Nowhere:
    def post(self, url, body, headers, timeout):
        raise TransportFailed("ConnectError: connection refused")


def test_a_server_that_is_not_there_at_all_costs_nobody_the_session(new_session):
    session = new_session(transport=Nowhere())
    session.adopt(TokenSet("access-1", "refresh-1"))
    with pytest.raises(RefreshUnavailable) as caught:
        session.refresh()
    assert caught.value.status is None
    assert session.tokens is not None


def test_a_store_locked_by_somebody_else_means_later_and_not_signed_out(new_session):
    store = MemoryStore(lock_timeout=0)
    session = new_session(store=store)
    session.login("anna", "correct horse")
    with store.lock(), pytest.raises(RefreshUnavailable, match="locked"):
        session.refresh()
    assert session.refresh().access == "access-3"


def test_a_full_disk_costs_no_refreshed_token(new_session, tmp_path, monkeypatch, log):
    session = new_session(store=FileStore(tmp_path / "tokens"))
    session.login("anna", "correct horse")

    def full(store, tokens):
        raise OSError("no space left on device")

    monkeypatch.setattr(FileStore, "save", full)
    assert session.refresh().access == "access-3"
    assert "could not be saved" in log.text
    # The file still holds the spent token: taking that would end the session.
    assert session.refresh().access == "access-4"
    monkeypatch.undo()
    assert session.refresh().access == "access-5"
    assert FileStore(tmp_path / "tokens").load() == session.tokens
