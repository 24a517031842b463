"""The figures of the overview: counted once, remembered, and the same however they are counted."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from token_lifecycle import lifecycle, statistics
from token_lifecycle.exceptions import TokenReused
from token_lifecycle.models import EventCount, EventKind, Session, SessionEvent
from token_lifecycle.statistics import Live
from token_lifecycle.testing import SessionFactory, UserFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)
RUNNING = datetime(2026, 3, 15, 12, tzinfo=UTC)
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)


def happened(kind, *moments, reason=""):
    SessionEvent.objects.bulk_create(
        SessionEvent(kind=kind, created_at=at, reason=reason) for at in moments
    )


def on_record():
    rows = EventCount.objects.order_by("hour", "kind", "reason")
    return list(rows.values_list("hour", "kind", "reason", "count"))


def statements(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    kinds = [query["sql"].split()[0] for query in captured.captured_queries]
    return [kind for kind in kinds if kind not in ("SAVEPOINT", "RELEASE")]


# Counting


def test_an_hour_is_counted_by_kind_and_reason_from_its_first_to_its_last_moment():
    ten = RUNNING - 2 * HOUR
    happened("started", ten, ten + HOUR - TICK, ten + HOUR)
    happened("revoked", ten, ten, reason="logout")
    happened("revoked", ten, reason="admin")
    assert statistics.count_hours(NOW) == 4
    assert on_record() == [
        (ten, "revoked", "admin", 1),
        (ten, "revoked", "logout", 2),
        (ten, "started", "", 2),
        (ten + HOUR, "started", "", 1),
    ]


def test_rotations_are_not_counted():
    happened("rotated", RUNNING - HOUR)
    assert statistics.count_hours(NOW) == 0


@pytest.mark.parametrize(("minutes", "counted"), [(4, 0), (5, 1)])
def test_an_hour_waits_for_transactions_that_commit_late(minutes, counted):
    happened("started", RUNNING - HOUR)
    assert statistics.count_hours(RUNNING + timedelta(minutes=minutes)) == counted


def test_the_hour_that_is_running_is_not_counted():
    happened("started", RUNNING)
    assert statistics.count_hours(NOW) == 0


def test_what_was_counted_is_not_looked_at_again():
    """Hours without any event among them are as good as counted."""
    happened("started", RUNNING - 9 * HOUR, RUNNING - HOUR)
    statistics.count_hours(NOW)
    happened("started", RUNNING - 5 * HOUR)
    assert statistics.count_hours(NOW) == 0
    assert statistics.count_hours(NOW + HOUR) == 0
    assert len(on_record()) == 2


def test_the_next_run_goes_on_where_the_last_one_ended():
    happened("started", RUNNING - HOUR)
    statistics.count_hours(NOW)
    happened("started", RUNNING, RUNNING + HOUR)
    assert statistics.count_hours(NOW + HOUR) == 1
    assert [hour for hour, *_ in on_record()] == [RUNNING - HOUR, RUNNING]


def test_two_at_once_are_harmless(monkeypatch):
    """The other one writes between the reading and the writing of this one."""
    happened("started", RUNNING - HOUR)
    by_hour = statistics._by_hour

    def overtaken(**bounds):
        rows = by_hour(**bounds)
        monkeypatch.setattr(statistics, "_by_hour", by_hour)
        statistics.count_hours(NOW)
        return rows

    monkeypatch.setattr(statistics, "_by_hour", overtaken)
    statistics.count_hours(NOW)
    assert on_record() == [(RUNNING - HOUR, "started", "", 1)]


def test_figures_that_no_page_shows_any_more_are_forgotten():
    happened("started", RUNNING - HOUR)
    statistics.count_hours(NOW)
    happened("started", RUNNING + 31 * DAY)
    statistics.count_hours(NOW + 31 * DAY + HOUR)
    assert [hour for hour, *_ in on_record()] == [RUNNING + 31 * DAY]


@pytest.mark.parametrize("events", [10, 1000])
def test_counting_costs_the_same_statements_however_much_happened(events):
    happened("started", *[RUNNING - n * TICK for n in range(1, events + 1)])
    sent = statements(lambda: statistics.count_hours(NOW))
    assert sent == ["SELECT", "SELECT", "SELECT", "INSERT", "DELETE"]
    # The second time nothing is missing.
    assert statements(lambda: statistics.count_hours(NOW)) == ["SELECT", "SELECT"]


def test_prune_counts_what_it_removes(settings):
    settings.TOKEN_LIFECYCLE = {"RETENTION": 2 * DAY}
    happened("started", NOW - 5 * DAY)
    lifecycle.prune(now=NOW, dry_run=True)
    assert on_record() == []
    assert lifecycle.prune(now=NOW).events == 1
    assert statistics.overview(NOW).days.total(EventKind.STARTED) == 1


def test_ends_of_everybody_that_are_written_late_are_counted_where_they_belong():
    """The cutoff was hours ago; the rows, and the events with its time, follow now."""
    SessionFactory.create_batch(3, created_at=NOW - DAY)
    lifecycle.revoke_everybody(now=NOW)
    later = NOW + 9 * HOUR
    happened("started", NOW - HOUR, NOW + HOUR)
    statistics.count_hours(later)
    assert [hour for hour, *_ in on_record()] == [RUNNING - HOUR]
    lifecycle.sweep(now=later)
    statistics.count_hours(later)
    assert (RUNNING, "revoked", "admin", 3) in on_record()
    assert statistics.overview(later).days.reasons == {"admin": 3}


def test_hours_do_not_wait_for_ever_for_ends_that_nobody_writes():
    SessionFactory(created_at=NOW - DAY)
    lifecycle.revoke_everybody(now=NOW)
    happened("started", NOW + HOUR)
    statistics.count_hours(NOW + 3 * DAY)
    assert (RUNNING + HOUR, "started", "", 1) in on_record()


# The overview


def test_the_last_bar_is_the_hour_and_the_day_that_are_running():
    overview = statistics.overview(NOW)
    assert (len(overview.hours.starts), len(overview.days.starts)) == (24, 30)
    assert overview.hours.starts[-1] == RUNNING
    assert overview.hours.starts[0] == RUNNING - 23 * HOUR
    with timezone.override("UTC"):
        days = statistics.overview(NOW).days.starts
    assert days[-1] == datetime(2026, 3, 15, tzinfo=UTC)
    assert days[0] == datetime(2026, 2, 14, tzinfo=UTC)


@pytest.mark.parametrize("counted", [False, True])
@timezone.override("UTC")
def test_the_figures_are_the_same_whether_hours_were_counted_before_or_not(counted):
    happened("started", NOW, RUNNING, RUNNING - HOUR, NOW - 2 * DAY, NOW - 29 * DAY)
    happened("started", NOW - 31 * DAY, NOW - 30 * DAY)
    happened("revoked", NOW, NOW - DAY, reason="logout")
    happened("revoked", NOW, NOW - 2 * HOUR, reason="password_change")
    happened("revoked", NOW - 5 * DAY, reason="made up by the project")
    happened("reuse_detected", NOW - 3 * HOUR)
    happened("new_client", NOW - 3 * HOUR)
    happened("limit_reached", NOW - 3 * DAY)
    happened("rotated", NOW)
    if counted:
        statistics.count_hours(NOW)
        assert on_record()
    hours, days = statistics.overview(NOW).hours, statistics.overview(NOW).days
    assert hours.series[EventKind.STARTED] == (*[0] * 22, 1, 2)
    assert days.series[EventKind.STARTED] == (1, *[0] * 26, 1, 0, 3)
    totals = [(hours.total(kind), days.total(kind)) for kind in statistics.FIGURES]
    assert totals == [(3, 5), (3, 5), (1, 1), (1, 1), (0, 1)]
    assert hours.reasons == {"password_change": 2, "logout": 1}
    assert days.reasons == {"logout": 2, "password_change": 2, "made up by the project": 1}


def test_what_prune_removed_after_it_was_counted_is_still_shown():
    happened("started", NOW - 3 * DAY)
    statistics.count_hours(NOW)
    SessionEvent.objects.all().delete()
    assert statistics.overview(NOW).days.total(EventKind.STARTED) == 1


@pytest.mark.parametrize(
    ("zone", "day"),
    [("UTC", 14), ("America/New_York", 14), ("Asia/Tokyo", 15), ("Asia/Kolkata", 15)],
)
def test_a_day_is_one_of_the_time_zone_of_whoever_looks(zone, day):
    happened("started", datetime(2026, 3, 14, 20, tzinfo=UTC))
    with timezone.override(zone):
        days = statistics.overview(NOW).days
    counts = dict(zip(days.starts, days.series[EventKind.STARTED], strict=True))
    assert [start.day for start, count in counts.items() if count] == [day]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Pacific/Apia"])
@pytest.mark.parametrize("month", [3, 4, 10, 11])
def test_thirty_days_stay_thirty_where_the_clocks_are_changed(zone, month):
    now = datetime(2026, month, 20, 23, 30, tzinfo=UTC)
    happened("started", *[now - n * HOUR for n in range(31 * 24)])
    statistics.count_hours(now)
    with timezone.override(zone):
        days = statistics.overview(now).days
        dates = {start.date() for start in days.starts}
    assert len(dates) == 30
    assert all(23 <= count <= 25 for count in days.series[EventKind.STARTED][:-1])


@pytest.mark.parametrize("rows", [10, 1000])
def test_the_overview_is_three_statements_however_much_there_is(rows):
    user = UserFactory()
    SessionFactory.create_batch(rows // 10, user=user)
    happened("started", *[NOW - n * timedelta(minutes=30) for n in range(rows)])
    statistics.count_hours(NOW)
    assert statements(lambda: statistics.overview(NOW)) == ["SELECT"] * 3


# Live sessions


def test_the_live_are_counted_and_those_that_are_over_are_not():
    SessionFactory.create_batch(2, created_at=NOW)
    SessionFactory(created_at=NOW, revoked_at=NOW, revocation_reason="logout")
    SessionFactory(created_at=NOW, expires_at=NOW)
    SessionFactory(created_at=NOW, idle_expires_at=NOW)
    assert statistics.live_sessions(NOW) == Live(count=2, is_exact=True)


@pytest.mark.parametrize(
    ("sessions", "expected"), [(2, (2, True)), (3, (3, True)), (4, (3, False))]
)
def test_above_its_bound_a_count_says_that_there_are_more(sessions, expected):
    SessionFactory.create_batch(sessions, created_at=NOW)
    live = statistics.live_sessions(NOW, bound=3)
    assert (live.count, live.is_exact) == expected


def test_nobody_is_live_once_everybody_is_signed_out():
    SessionFactory(created_at=NOW - HOUR)
    lifecycle.revoke_everybody(now=NOW)
    assert Session.objects.filter(revoked_at=None).exists()
    assert statistics.live_sessions(NOW) == Live(count=0, is_exact=True)


# Alarms


def test_the_newest_alarms_come_first_and_are_ten():
    moments = [NOW - n * HOUR for n in range(12)]
    happened("reuse_detected", *reversed(moments))
    happened("new_client", NOW)
    assert [event.created_at for event in statistics.newest_alarms()] == moments[:10]


def test_a_token_that_comes_back_is_an_alarm(user, time_machine):
    time_machine.move_to(NOW, tick=False)
    issued = lifecycle.start_session(user)
    lifecycle.rotate(issued.refresh)
    time_machine.shift(HOUR)
    with pytest.raises(TokenReused):
        lifecycle.rotate(issued.refresh)
    (alarm,) = statistics.newest_alarms()
    assert (alarm.session_id, alarm.user) == (issued.session.pk, user)


def test_alarms_can_be_those_among_some_events_only():
    happened("reuse_detected", NOW, NOW - DAY)
    some = SessionEvent.objects.filter(created_at__lt=NOW)
    assert [event.created_at for event in statistics.newest_alarms(some)] == [NOW - DAY]
