"""Remove what is over for long: sessions, events and notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from . import journal
from .conf import app_settings
from .feed import longest_life
from .models import RevocationNotice, Session, SessionEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """How many rows ``prune`` removed, or would have removed."""

    sessions: int
    events: int


def prune(
    *,
    batch_size: int = 1000,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    now: datetime | None = None,
) -> Pruned:
    """Remove sessions and events that are over for longer than ``RETENTION``.

    In batches, each a short transaction of its own, so that nobody waits for it. ``progress`` is
    called with the number of rows of each batch. Running it twice, or twice at once, is harmless.
    """
    now = now or timezone.now()
    # Ended rows are what tells that an access token is dead: they stay until the last one is.
    before = now - max(app_settings.retention, app_settings.access_token_reach)
    sessions = Session.objects.primary()
    events = SessionEvent.objects.using(journal.database())
    notices = RevocationNotice.objects.using(journal.database())
    remove = partial(_prune, batch_size=batch_size, dry_run=dry_run)
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
    return removed
