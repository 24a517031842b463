"""What ``prune`` removes, what it keeps, and in which pieces."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from token_lifecycle import lifecycle
from token_lifecycle.exceptions import SessionRevoked, TokenReused
from token_lifecycle.lifecycle import Pruned
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import SessionFactory

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
RETENTION = timedelta(days=30)
TICK = timedelta(microseconds=1)
AT_THE_LIMIT = START - RETENTION
TOO_OLD = AT_THE_LIMIT - TICK


@pytest.fixture(autouse=True)
def _clock(time_machine):
    time_machine.move_to(START, tick=False)


def ended(at, **columns):
    return SessionFactory(revoked_at=at, revocation_reason=RevocationReason.LOGOUT, **columns)


def no_pause(seconds):
    """Nobody waits for a test."""


def event(at):
    return SessionEvent.objects.create(kind=EventKind.STARTED, created_at=at)


def test_ended_sessions_go_after_the_retention_and_not_before():
    ended(TOO_OLD)
    kept = ended(AT_THE_LIMIT)
    assert lifecycle.prune() == Pruned(sessions=1, events=0)
    assert Session.objects.get() == kept


def test_expired_sessions_go_after_the_retention_and_not_before():
    SessionFactory(expires_at=TOO_OLD, idle_expires_at=TOO_OLD)
    kept = SessionFactory(expires_at=AT_THE_LIMIT, idle_expires_at=AT_THE_LIMIT)
    assert lifecycle.prune().sessions == 1
    assert Session.objects.get() == kept


def test_an_idle_session_stays_as_long_as_its_lifetime_has_to():
    """Reuse of its old tokens is still found out."""
    idle = SessionFactory(idle_expires_at=TOO_OLD, expires_at=START)
    assert lifecycle.prune().sessions == 0
    assert Session.objects.get() == idle


def test_a_recently_ended_session_stays_though_its_lifetime_was_over_long_ago():
    ended(START, expires_at=TOO_OLD)
    assert lifecycle.prune().sessions == 0


def test_live_sessions_and_their_reuse_detection_survive(user, time_machine):
    issued = lifecycle.start_session(user)
    time_machine.shift(timedelta(days=1))
    rotated = lifecycle.rotate(issued.refresh)
    assert lifecycle.prune().sessions == 0
    time_machine.shift(timedelta(minutes=1))
    with pytest.raises(TokenReused):
        lifecycle.rotate(issued.refresh)
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(rotated.refresh)


def test_events_go_after_the_retention_and_outlive_their_session():
    event(TOO_OLD)
    kept = event(AT_THE_LIMIT)
    kept.session = ended(TOO_OLD)
    kept.save()
    assert lifecycle.prune() == Pruned(sessions=1, events=1)
    survivor = SessionEvent.objects.get()
    assert (survivor, survivor.session_id) == (kept, kept.session_id)


def test_a_retention_shorter_than_an_access_token_keeps_the_ended_until_that_is_dead(settings):
    settings.TOKEN_LIFECYCLE = {"RETENTION": timedelta(0)}
    settings.SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(hours=1)}
    ended(START - timedelta(hours=1))
    assert lifecycle.prune().sessions == 0
    ended(START - timedelta(hours=1) - TICK)
    assert lifecycle.prune().sessions == 1


def test_a_dry_run_counts_what_would_go_and_removes_nothing():
    ended(TOO_OLD)
    SessionFactory(expires_at=TOO_OLD)
    event(TOO_OLD)
    assert lifecycle.prune(dry_run=True) == Pruned(sessions=2, events=1)
    assert (Session.objects.count(), SessionEvent.objects.count()) == (2, 1)
    assert lifecycle.prune() == Pruned(sessions=2, events=1)


def test_it_works_in_batches_and_tells_of_each():
    for _ in range(7):
        ended(TOO_OLD)
    told = []
    assert lifecycle.prune(batch_size=3, sleep=no_pause, progress=told.append).sessions == 7
    assert told == [3, 3, 1]


@pytest.mark.parametrize("rows", [4, 40])
def test_a_batch_costs_one_reading_and_one_removal_however_large(rows):
    for _ in range(rows):
        ended(TOO_OLD)
    with CaptureQueriesContext(connection) as captured:
        lifecycle.prune(batch_size=rows, sleep=no_pause)
    # The cutoffs, three to count hours, and four sets, the first of which is asked once more
    # whether anything is left; one DELETE, savepoints aside.
    statements = [q["sql"].split()[0] for q in captured.captured_queries]
    assert [s for s in statements if "SAVEPOINT" not in s and s != "RELEASE"] == [
        "SELECT",
        *["SELECT"] * 3,
        "SELECT",
        "DELETE",
        "SELECT",
        "SELECT",
        "SELECT",
        "SELECT",
    ]


def test_it_begins_with_the_oldest_and_never_looks_back():
    for days in (3, 1, 2):
        ended(TOO_OLD - timedelta(days=days))
    with CaptureQueriesContext(connection) as captured:
        lifecycle.prune(batch_size=1, sleep=no_pause)
    reads = [q["sql"] for q in captured.captured_queries if q["sql"].startswith("SELECT")]
    assert all("ORDER BY" in read or "GROUP BY" in read for read in reads)
    assert sum('"revoked_at" >=' in read.replace("`", '"') for read in reads) == 3


def test_rows_that_somebody_else_removes_meanwhile_do_not_hold_it_up(monkeypatch):
    for _ in range(4):
        ended(TOO_OLD)
    monkeypatch.setattr(type(Session.objects.primary()), "delete", lambda rows: (0, {}))
    assert lifecycle.prune(batch_size=1, sleep=no_pause).sessions == 0


class Watch:
    """A clock on which each batch takes two seconds, and the pauses that were asked for."""

    def __init__(self):
        self.time = 0.0
        self.pauses = []

    def read(self):
        self.time += 1
        return self.time

    def sleep(self, seconds):
        self.pauses.append(seconds)


@pytest.mark.parametrize(("busy", "pause"), [(0.5, 1.0), (0.25, 3.0), (0.1, 9.0)])
def test_between_two_batches_it_rests_in_proportion_to_what_it_worked(busy, pause):
    for _ in range(3):
        ended(TOO_OLD)
    watch = Watch()
    lifecycle.prune(batch_size=1, busy=busy, sleep=watch.sleep, clock=watch.read)
    assert watch.pauses == [pytest.approx(pause)] * 3


def test_it_rests_three_quarters_of_the_time_unless_told_otherwise():
    for _ in range(2):
        ended(TOO_OLD)
    watch = Watch()
    lifecycle.prune(batch_size=1, sleep=watch.sleep, clock=watch.read)
    assert watch.pauses == [3.0, 3.0]


def test_all_of_the_time_is_worked_without_a_pause():
    for _ in range(2):
        ended(TOO_OLD)
    watch = Watch()
    lifecycle.prune(batch_size=1, busy=1, sleep=watch.sleep, clock=watch.read)
    assert watch.pauses == []


@pytest.mark.parametrize(
    "bad", [{"busy": 0}, {"busy": 1.01}, {"busy": -1}, {"busy": float("nan")}, {"batch_size": 0}]
)
def test_a_pace_that_is_none_is_refused_and_nothing_removed(bad):
    ended(TOO_OLD)
    with pytest.raises(ValueError, match=r"share of the time|one row"):
        lifecycle.prune(**bad)
    assert Session.objects.count() == 1


def test_what_everybody_lost_is_written_down_first_at_the_same_pace(user):
    for _ in range(3):
        lifecycle.start_session(user)
    lifecycle.revoke_everybody()
    watch = Watch()
    lifecycle.prune(batch_size=1, busy=0.5, sleep=watch.sleep, clock=watch.read)
    assert set(Session.objects.values_list("revocation_reason", flat=True)) == {"admin"}
    assert watch.pauses == [1.0, 1.0]


def test_a_dry_run_writes_no_end(user):
    lifecycle.start_session(user)
    lifecycle.revoke_everybody()
    lifecycle.prune(dry_run=True)
    assert Session.objects.get().revoked_at is None


def test_running_it_twice_is_harmless():
    ended(TOO_OLD)
    lifecycle.prune()
    assert lifecycle.prune() == Pruned(sessions=0, events=0)


def test_a_row_that_changed_since_it_was_picked_is_looked_at_again(monkeypatch):
    """Somebody prolongs a session between the reading and the removal of a batch."""
    session = SessionFactory(expires_at=TOO_OLD)
    queryset = type(Session.objects.primary())
    values_list = queryset.values_list

    def prolong_afterwards(self, *args, **kwargs):
        keys = list(values_list(self, *args, **kwargs))
        queryset.filter(Session.objects.all(), pk=session.pk).update(expires_at=START)
        return keys

    monkeypatch.setattr(queryset, "values_list", prolong_afterwards)
    assert lifecycle.prune().sessions == 0
    assert Session.objects.get() == session
