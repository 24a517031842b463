"""The benchmark of ended sessions: it counts what it should, and would notice what it must."""

import pytest

from benchmarks import kills
from benchmarks.kills_clients import parsed
from benchmarks.kills_figures import Answer, Delays, Kills, Load, Watched, recovered_after

A, B = 101, 102
"""Two workers."""
BOUND = 1.0


def answer(started, status, worker=A, taken=0.01):
    return Answer(started, started + taken, status, worker)


def watched(*answers, committed=10.0):
    session = Watched("an id", b"a request", bound=BOUND, committed=committed)
    for each in answers:
        session.asked[each.worker] = each.started
        session.take(each)
    return session


def kills_of(*sessions):
    return Kills.of("some", sessions, Load.of([answer(10.0, 200)]))


def test_a_request_let_in_beyond_the_bound_is_wrong():
    found = kills_of(watched(answer(9.0, 200), answer(11.001, 200)))

    assert found.beyond == 1
    assert not found.right


def test_a_request_let_in_within_the_bound_is_right_although_it_is_answered_later():
    found = kills_of(watched(answer(10.999, 200, taken=5.0), answer(11.5, 401)))

    assert (found.beyond, found.asked_beyond) == (0, 1)
    assert found.right


def test_a_worker_that_lets_in_what_it_had_refused_is_wrong():
    session = watched(answer(10.1, 401), answer(10.2, 200))

    assert kills_of(session).wavered == 1
    assert not kills_of(session).right


def test_requests_that_cross_each_other_are_not_held_against_a_worker():
    session = watched(answer(10.1, 401, taken=0.3), answer(10.2, 200))

    assert kills_of(session).wavered == 0


def test_what_one_worker_refuses_another_may_still_let_in():
    session = watched(answer(10.1, 401, A), answer(10.2, 200, B))

    assert kills_of(session).wavered == 0


def test_the_last_request_let_in_is_told_for_each_worker_from_the_commit():
    session = watched(
        answer(9.9, 200, A), answer(10.25, 200, A), answer(9.8, 200, B), answer(10.5, 401, B)
    )

    assert session.last_yes() == {A: 0.25, B: 0.0}
    assert session.first_no() == {B: 0.5}


def test_it_is_over_when_every_worker_has_refused_and_was_asked_beyond_the_bound():
    session = watched(answer(10.1, 401, A), answer(10.1, 401, B), answer(11.2, 401, A))
    assert not session.is_over({A, B}, now=11.3, patience=30)

    session.take(answer(11.2, 401, B))

    assert session.is_over({A, B}, now=11.3, patience=30)
    assert not session.given_up


def test_a_worker_that_never_refuses_is_given_up_and_counted():
    session = watched(answer(10.1, 401, A), answer(11.2, 401, A))

    assert session.is_over({A, B}, now=42.0, patience=30)
    assert not kills_of(session).right


def test_without_any_worker_nothing_is_refused_by_all():
    session = watched(answer(9.0, 200), answer(10.1, 401))

    assert not session.let_in(set())
    assert not session.is_over(set(), now=11.5, patience=30)


def test_a_503_refuses_nothing():
    session = watched(answer(10.1, 503), answer(11.2, 503))

    assert not session.refused_by({A})
    assert session.wants(A, now=11.2)


def test_a_worker_that_has_refused_is_asked_again_beyond_the_bound_and_then_no_more():
    session = watched(answer(10.1, 401))
    assert not session.wants(A, now=10.2)
    assert session.wants(A, now=11.1)

    session.take(answer(11.1, 401))
    session.take(answer(11.4, 401))

    assert not session.wants(A, now=15.0)


def test_delays_are_told_in_milliseconds():
    delays = Delays.of([0.001] * 99 + [0.1])

    assert (delays.p50, delays.max) == (1.0, 100.0)
    assert Delays.of([0.001]) is None


def test_the_load_tells_how_long_refusals_took_and_which_connections_broke():
    load = Load.of([answer(1.0, 200), answer(1.5, 503, B), answer(2.0, 503, B), Answer(3, 3, 0, 0)])

    assert load.statuses == {0: 1, 200: 1, 503: 2}
    assert load.workers == 2
    assert load.per_second == 2.0
    assert load.refused.max == 10.0


def test_recovery_lasts_until_the_last_answer_that_was_bad_or_waited_for_since_before():
    refused, waited = answer(20.1, 503), answer(19.0, 200, taken=1.5)

    assert recovered_after([answer(19.0, 503), answer(20.2, 200)], resumed=20.0) == 0
    assert recovered_after([refused], resumed=20.0) == pytest.approx(0.11)
    assert recovered_after([refused, waited], resumed=20.0) == pytest.approx(0.5)


def test_an_answer_names_its_worker():
    head = b"HTTP/1.1 401 Unauthorized\r\nX-Worker: 7\r\nContent-Length: 12"

    assert parsed(head) == (401, 7, 12)


def test_an_answer_of_something_else_is_an_error():
    with pytest.raises(ValueError, match="not an answer"):
        parsed(b"HTTP/1.1 200 OK\r\nContent-Length: 12")


def test_preload_is_refused_where_nothing_forks(capsys):
    with pytest.raises(SystemExit):
        kills.arguments(["--server", "uvicorn", "--preload"])

    assert "--preload is for gunicorn" in capsys.readouterr().err


def test_what_is_not_installed_is_named(monkeypatch, capsys):
    monkeypatch.setattr(kills, "find_spec", lambda module: None if module == "redis" else module)
    with pytest.raises(SystemExit):
        kills.arguments(["--push"])

    assert "not installed: redis" in capsys.readouterr().err
