"""Remove what is over for long: sessions, events and notices."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from . import everybody, journal, statistics
from .conf import app_settings
from .feed import longest_life
from .models import RevocationNotice, Session, SessionEvent

#: Rows per transaction.
BATCH_SIZE = 500
#: The share of the time in which rows are removed; for the rest of it the database is left alone.
#: Working without a pause doubles what the slowest refreshes take meanwhile (docs/performance.md).
BUSY = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """How many rows ``prune`` removed, or would have removed."""

    sessions: int
    events: int


class Pace:
    """Works ``busy`` of the time: a pause is as long, in proportion, as what was worked before it.

    So a database that is slow, because others need it, is given longer pauses.
    """

    def __init__(
        self, busy: float, *, sleep: Callable[[float], None], clock: Callable[[], float]
    ) -> None:
        self._share, self._sleep, self._clock = 1 / busy - 1, sleep, clock
        self._since = clock()

    def rest(self) -> None:
        """Take the pause that the work since the last one has earned."""
        if self._share:
            self._sleep((self._clock() - self._since) * self._share)
        self._since = self._clock()


def prune(
    *,
    batch_size: int = BATCH_SIZE,
    busy: float = BUSY,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    now: datetime | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Pruned:
    """Remove sessions and events that are over for longer than ``RETENTION``.

    What ``revoke_everybody`` ended and is not written into the rows yet is written first. In
    batches, each a short transaction of its own, so that nobody waits for it, and with a pause
    between two of them, so that no more than ``busy`` of the time (above 0, up to 1) is worked.
    ``progress`` is called with the number of rows of each batch. Running it twice, or twice at
    once, is harmless.

    :raises ValueError: ``busy`` or ``batch_size`` is out of its bounds.
    """
    if not 0 < busy <= 1:
        raise ValueError("busy is a share of the time: above 0, and 1 at most.")
    if batch_size < 1:
        raise ValueError("A batch has one row at least.")
    now = now or timezone.now()
    # Ended rows are what tells that an access token is dead: they stay until the last one is.
    before = now - max(app_settings.retention, app_settings.access_token_reach)
    sessions = Session.objects.primary()
    events = SessionEvent.objects.using(journal.database())
    notices = RevocationNotice.objects.using(journal.database())
    pace = Pace(busy, sleep=sleep, clock=clock)
    if not dry_run:
        everybody.sweep(batch_size=batch_size, rest=pace.rest, now=now)
        # Before the events go that the figures of a month are made of.
        statistics.count_hours(now)
    remove = partial(_prune, batch_size=batch_size, pace=pace, dry_run=dry_run)
    tell = partial(remove, progress=progress)
    pruned = Pruned(
        # Two sets and not one with OR: each has its index.
        sessions=tell(sessions.filter(revoked_at__lt=before), "revoked_at")
        + tell(sessions.filter(revoked_at=None, expires_at__lt=before), "expires_at"),
        events=tell(events.filter(created_at__lt=before), "created_at"),
    )
    # Of no interest to anybody who counts.
    remove(notices.filter(at__lt=now - longest_life()), "at")
    return pruned


def _prune(
    rows: QuerySet[Any],
    column: str,
    *,
    batch_size: int,
    pace: Pace,
    dry_run: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Remove ``rows``, the oldest by ``column`` first.

    Each batch begins where the last one ended. Looked for from the beginning again, or in no order
    at all, the rows would be found behind more and more dead entries of those removed before.
    """
    if dry_run:
        return rows.count()
    removed, reached, rest = 0, None, rows
    while batch := list(rest.order_by(column).values_list("pk", column)[:batch_size]):
        # rows.filter and not the keys alone: what changed in between is looked at again.
        count, _ = rows.filter(pk__in=[key for key, _ in batch]).delete()
        removed += count
        progress(count)
        latest = batch[-1][1]
        if len(batch) < batch_size or (not count and latest == reached):
            break
        reached, rest = latest, rows.filter(**{f"{column}__gte": latest})
        pace.rest()
    return removed
