"""The list in memory: what it says of a session, and when it forgets."""

from datetime import UTC, datetime, timedelta

import pytest

from token_lifecycle import revocation
from token_lifecycle.models import new_session_id
from token_lifecycle.revocation import EVERYBODY, SKEW, Notice, RevocationList, Standing

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
LONG = 1e9


@pytest.fixture
def known():
    return RevocationList()


def standing(known, session_id=None, user_id="7", signed_in_at=NOON):
    return known.standing(
        session_id=session_id or new_session_id(), user_id=user_id, signed_in_at=signed_in_at
    )


def ended(session_id, at=NOON):
    return Notice(at=at, session_id=session_id)


def test_an_empty_list_takes_every_session_for_live(known):
    assert standing(known) is Standing.LIVE


def test_a_session_of_which_there_was_a_notice_is_ended_and_no_other(known):
    session_id = new_session_id()
    known.learn([ended(session_id)], until=LONG)
    assert standing(known, session_id) is Standing.ENDED
    assert standing(known) is Standing.LIVE


@pytest.mark.parametrize(
    ("signed_in_at", "expected"),
    [
        (NOON - timedelta(days=30), Standing.UNKNOWN),
        (NOON, Standing.UNKNOWN),
        (NOON + SKEW, Standing.UNKNOWN),
        (NOON + SKEW + TICK, Standing.LIVE),
    ],
)
def test_of_a_user_whose_sessions_ended_only_later_ones_are_known_to_live(
    known, signed_in_at, expected
):
    known.learn([Notice(at=NOON, user_id="7")], until=LONG)
    assert standing(known, user_id="7", signed_in_at=signed_in_at) is expected
    assert standing(known, user_id="8", signed_in_at=signed_in_at) is Standing.LIVE


def test_when_everybodys_ended_it_concerns_every_user(known):
    known.learn([Notice(at=NOON)], until=LONG)
    assert standing(known, user_id="7") is Standing.UNKNOWN
    assert standing(known, user_id="8") is Standing.UNKNOWN
    assert standing(known, signed_in_at=NOON + SKEW + TICK) is Standing.LIVE


def test_of_several_cutoffs_of_a_user_the_latest_counts_in_whatever_order_they_come(known):
    later = NOON + timedelta(hours=1)
    known.learn([Notice(at=later, user_id="7")], until=LONG)
    known.learn([Notice(at=NOON, user_id="7")], until=LONG)
    assert standing(known, signed_in_at=later) is Standing.UNKNOWN


def test_an_entry_is_kept_until_its_time_and_then_forgotten(known):
    session_id = new_session_id()
    known.learn([ended(session_id), Notice(at=NOON, user_id="8")], until=100.0)
    known.forget(now=99.9)
    assert standing(known, session_id) is Standing.ENDED
    assert len(known) == 2
    known.forget(now=100.0)
    assert standing(known, session_id) is Standing.LIVE
    assert len(known) == 0


def test_a_session_heard_of_again_keeps_the_time_of_the_first_notice(known):
    session_id = new_session_id()
    known.learn([ended(session_id)], until=100.0)
    known.learn([ended(session_id)], until=200.0)
    known.forget(now=100.0)
    assert len(known) == 0


@pytest.mark.parametrize("user_id", ["7", EVERYBODY])
def test_a_cutoff_heard_of_again_keeps_the_time_of_the_first_notice(known, user_id):
    for until in (100.0, 200.0, 300.0):
        known.learn([Notice(at=NOON, user_id=user_id)], until=until)
    known.forget(now=100.0)
    assert len(known) == 0


def test_a_list_that_gives_up_again_leaves_sessions_to_the_database_for_longer(known, monkeypatch):
    monkeypatch.setattr(revocation, "MAX_SESSIONS", 1)
    for until in (100.0, 200.0):
        known.learn([ended(new_session_id()), ended(new_session_id())], until=until)
    known.forget(now=150.0)
    assert standing(known, new_session_id()) is Standing.UNKNOWN


def test_a_later_notice_keeps_a_cutoff_for_longer(known):
    known.learn([Notice(at=NOON, user_id="7")], until=100.0)
    known.learn([Notice(at=NOON - timedelta(hours=1), user_id="7")], until=200.0)
    known.forget(now=150.0)
    assert standing(known) is Standing.UNKNOWN


@pytest.mark.parametrize("order", [1, -1])
def test_too_many_sessions_leave_every_earlier_one_to_the_database(known, monkeypatch, order):
    monkeypatch.setattr(revocation, "MAX_SESSIONS", 10)
    sessions = [new_session_id() for _ in range(11)]
    times = [NOON + timedelta(minutes=n) for n in range(11)][::order]
    known.learn(map(ended, sessions, times), until=LONG)
    for session_id in sessions:
        assert standing(known, session_id, signed_in_at=NOON) is not Standing.LIVE
    latest = max(times)
    assert standing(known, signed_in_at=latest) is Standing.UNKNOWN
    assert standing(known, signed_in_at=latest + SKEW + TICK) is Standing.LIVE
    assert len(known) <= 11


def test_too_many_users_are_everybody(known, monkeypatch):
    monkeypatch.setattr(revocation, "MAX_CUTOFFS", 10)
    known.learn([Notice(at=NOON, user_id=str(n)) for n in range(11)], until=LONG)
    assert standing(known, user_id="99") is Standing.UNKNOWN
    assert len(known) == 1
