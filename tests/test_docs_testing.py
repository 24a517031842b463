"""The examples of the page about a project's own tests are tests that pass."""

from types import SimpleNamespace

import pytest

from token_lifecycle import feed

from .pages import run, the


@pytest.mark.parametrize(
    "name",
    [
        "test_a_signed_in_user_is_known",
        "test_an_ended_session_is_refused",
        "test_the_endpoint_for_signing_in",
    ],
)
def test_the_tests_of_the_page_pass(client, db, name):
    vars(run(the("runs: project tests")))[name](client)


def test_a_frozen_clock_shows_that_a_token_expires(client, db):
    run(the("runs: frozen time")).test_an_access_token_expires(client, db)


def test_a_browser_is_played_by_djangos_client(client, db):
    run(the("runs: browser tests")).test_a_browser_refreshes(client, db)


def test_the_fixture_stops_the_list_in_memory(monkeypatch):
    stopped = []
    monkeypatch.setattr(feed, "feed", SimpleNamespace(stop=lambda: stopped.append(True)))
    fixture = run(the("runs: stop feed")).stop_the_list.__wrapped__
    running = fixture(None)
    next(running)
    assert stopped == []
    assert list(running) == []
    assert stopped == [True]
