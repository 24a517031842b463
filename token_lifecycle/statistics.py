"""The figures of the overview: how many sessions are live, and what happened of late.

Hours that are over are counted once and remembered (``EventCount``); only what came since is
counted from the trail. So a month costs hardly more than an hour, however long the trail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from . import journal
from .models import Cutoff, EventCount, EventKind, Session, SessionEvent

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

HOUR = timedelta(hours=1)

#: An hour is counted when it has been over for so long: whatever happened in it is committed.
SETTLED = timedelta(minutes=5)
#: How long an hour waits for the ends of everybody that ``sweep`` has yet to write into it.
SWEPT_WITHIN = timedelta(days=2)
#: How far back hours are counted: thirty days anywhere, also where clocks were changed meanwhile.
REACH = timedelta(days=31)

HOURS_SHOWN = 24
DAYS_SHOWN = 30
ALARMS_SHOWN = 10

#: How far live sessions are counted. Each one costs the reading of its row.
LIVE_BOUND = 250_000

#: What the overview tells of, and what people call it.
FIGURES: Mapping[EventKind, StrPromise] = {
    EventKind.STARTED: _("Sign-ins"),
    EventKind.REVOKED: _("Sessions ended"),
    EventKind.REUSE_DETECTED: _("Reuse alarms"),
    EventKind.NEW_CLIENT: _("New clients"),
    EventKind.LIMIT_REACHED: _("Refused at the limit"),
}

#: Rotations are on record only by choice, and then they are millions.
COUNTED = [kind for kind in EventKind if kind is not EventKind.ROTATED]

#: The hour, the kind, the reason, and how many.
Row = tuple[datetime, str, str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """How many sessions are live."""

    count: int
    is_exact: bool
    """False: there are more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """What happened in a row of hours or days, the last of which is not over yet."""

    starts: tuple[datetime, ...]
    """When each of them began."""
    series: Mapping[EventKind, tuple[int, ...]]
    """How often it happened in each of them, for every kind in ``FIGURES``."""
    reasons: Mapping[str, int]
    """The sessions that ended, by reason; the most frequent first."""

    def total(self, kind: EventKind) -> int:
        """How often it happened in all of them."""
        return sum(self.series[kind])


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """The figures of one moment."""

    at: datetime
    live: Live
    hours: Period
    days: Period


def overview(now: datetime) -> Overview:
    """The figures at ``now``, days as in the current time zone; three statements.

    Call ``count_hours`` before, or hours that nobody has counted are counted for this time only.
    """
    hours, days = _hours(now), _days(now)
    rows = _rows(days[0])
    return Overview(
        at=now,
        live=live_sessions(now),
        hours=_period(rows, hours, key=lambda hour: hour),
        # An hour belongs to the day in which it begins, also where days begin at half past.
        days=_period(rows, days, key=lambda hour: timezone.localtime(hour).date()),
    )


def live_sessions(now: datetime, *, bound: int = LIVE_BOUND) -> Live:
    """How many sessions are live, counted no further than ``bound``."""
    count = Session.objects.primary().live(now)[: bound + 1].count()
    return Live(count=min(count, bound), is_exact=count <= bound)


def newest_alarms(events: QuerySet[SessionEvent] | None = None) -> list[SessionEvent]:
    """The last times that a used token came back, in the whole trail or in these ``events``."""
    trail = SessionEvent.objects.using(journal.database()) if events is None else events
    # With the reason, which is none, so that the index gives them in order.
    alarms = trail.filter(kind=EventKind.REUSE_DETECTED, reason="").select_related("user")
    return list(alarms.order_by("-created_at", "-pk")[:ALARMS_SHOWN])


# Counting


def count_hours(now: datetime) -> int:
    """Count the hours that are over and were not counted yet; how many figures were written.

    Every hour up to the newest that is on record has been counted: one without a figure was
    without an event. Running it twice, or twice at once, is harmless.
    """
    counts = EventCount.objects.using(journal.database())
    newest = counts.order_by("-hour").values_list("hour", flat=True).first()
    since = max(_following(newest), _hour_of(now - REACH))
    until = _countable_until(now)
    if since >= until:
        return 0
    figures = [
        EventCount(hour=hour, kind=kind, reason=reason, count=count)
        for hour, kind, reason, count in _by_hour(created_at__gte=since, created_at__lt=until)
    ]
    if figures:
        counts.bulk_create(figures, ignore_conflicts=True)
        counts.filter(hour__lt=_hour_of(now - REACH)).delete()
    return len(figures)


def _countable_until(now: datetime) -> datetime:
    """By when nothing is written into an hour any more."""
    settled = _hour_of(now - SETTLED)
    cutoffs = Cutoff.objects.not_swept().filter(at__gt=now - SWEPT_WITHIN).order_by("at")
    # The ends of everybody carry the time of the cutoff, and are written hours after it.
    oldest = cutoffs.values_list("at", flat=True).first()
    return settled if oldest is None else min(settled, _hour_of(oldest))


def _rows(since: datetime) -> list[Row]:
    """All figures since then: what is on record, and what came after that."""
    counts = EventCount.objects.using(journal.database()).filter(hour__gte=since)
    recorded = list(counts.values_list("hour", "kind", "reason", "count"))
    newest = max((hour for hour, *_ in recorded), default=None)
    return [*recorded, *_by_hour(created_at__gte=max(_following(newest), since))]


def _by_hour(**bounds: datetime) -> list[Row]:
    """Count the events themselves, in one statement."""
    events = SessionEvent.objects.using(journal.database()).filter(kind__in=COUNTED, **bounds)
    hours = events.annotate(hour=TruncHour("created_at", tzinfo=UTC))
    columns = ("hour", "kind", "reason")
    # Sorted here: PostgreSQL would sort the events on disk instead of counting them in memory.
    counted = hours.values(*columns).annotate(count=Count("*")).order_by()
    return sorted(counted.values_list(*columns, "count"))


# Hours and days


def _period(
    rows: Iterable[Row], starts: tuple[datetime, ...], *, key: Callable[[datetime], Hashable]
) -> Period:
    places = {key(start): place for place, start in enumerate(starts)}
    series = {kind: [0] * len(starts) for kind in FIGURES}
    reasons: Counter[str] = Counter()
    for hour, name, reason, count in rows:
        place = places.get(key(hour))
        if place is None or name not in series:
            continue
        kind = EventKind(name)
        series[kind][place] += count
        if kind is EventKind.REVOKED:
            reasons[reason] += count
    return Period(
        starts=starts,
        series={kind: tuple(counts) for kind, counts in series.items()},
        reasons=dict(reasons.most_common()),
    )


def _hours(now: datetime) -> tuple[datetime, ...]:
    running = _hour_of(now)
    return tuple(running - HOUR * back for back in reversed(range(HOURS_SHOWN)))


def _days(now: datetime) -> tuple[datetime, ...]:
    today = timezone.localtime(now)
    dates = (today.date() - timedelta(days=back) for back in reversed(range(DAYS_SHOWN)))
    return tuple(datetime.combine(date, time.min, tzinfo=today.tzinfo) for date in dates)


def _hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _following(hour: datetime | None) -> datetime:
    return datetime.min.replace(tzinfo=UTC) if hour is None else hour + HOUR
