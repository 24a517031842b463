"""End the sessions of everybody: at once, however many there are.

One row, the cutoff, ends them all with its commit. ``sweep`` then writes the end into each session
and the audit trail, in batches; until it has been there, the cutoff alone tells.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from . import feed, journal, signals
from .device import Device
from .managers import SessionQuerySet
from .models import Cutoff, EventKind, RevocationReason, Session

#: Sessions per transaction.
BATCH_SIZE = 500


def revoke_everybody(
    *, actor: Any = None, device: Device | None = None, now: datetime | None = None
) -> Cutoff:
    """End every session that has begun; a constant number of statements.

    Sign-ins that are under way are ended with the others. Call ``sweep`` afterwards (``prune`` does
    so, too), so that rows and audit trail say so as well.
    """
    now = now or timezone.now()

    def work() -> Cutoff:
        cutoff = Cutoff.objects.using(journal.database()).create(at=now, actor=actor)
        journal.record(EventKind.EVERYBODY_ENDED, actor=actor, device=device, now=now)
        feed.publish_everybody(at=now)
        journal.announce(signals.everybody_ended, actor=actor, device=device, at=now)
        return cutoff

    return journal.in_transaction(work)


def sweep(
    *,
    batch_size: int = BATCH_SIZE,
    limit: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
    rest: Callable[[], None] = lambda: None,
    now: datetime | None = None,
) -> int:
    """Write the end of everybody into the sessions it ended, with an event each; how many.

    In batches, each a short transaction of its own; ``rest`` is called between two of them and
    ``progress`` with the size of each. After ``limit`` sessions it stops, and goes on when it is
    called again. Running it twice, or twice at once, is harmless.
    """
    now = now or timezone.now()
    swept = 0
    for cutoff in Cutoff.objects.not_swept():
        reached = None
        while batch := _next_of(cutoff, reached, batch_size):
            if limit is not None and swept >= limit:
                return swept
            if reached is not None:
                rest()
            count = _write_end(cutoff, batch)
            swept += count
            progress(count)
            reached = batch[-1]
        Cutoff.objects.using(journal.database()).filter(pk=cutoff.pk).update(swept_at=now)
    return swept


def sessions_left_by(cutoff: Cutoff) -> SessionQuerySet:
    """The sessions that this cutoff has ended and whose rows do not say so yet."""
    return Session.objects.primary().filter(
        revoked_at=None,
        created_at__lte=cutoff.at,
        expires_at__gt=cutoff.at,
        idle_expires_at__gt=cutoff.at,
    )


def _next_of(cutoff: Cutoff, reached: Any, size: int) -> list[Any]:
    rows = sessions_left_by(cutoff)
    # The key is in the order of sign-ins: each batch goes on where the last one ended.
    rows = rows if reached is None else rows.filter(pk__gt=reached)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:size])


def _write_end(cutoff: Cutoff, keys: list[Any]) -> int:
    def work() -> int:
        this = Cutoff.objects.using(journal.database()).filter(pk=cutoff.pk)
        # First, because it locks: two sweeps take turns, and no two batches have one number.
        this.update(batches=F("batches") + 1)
        number = this.values_list("batches", flat=True).get()
        return journal.end(
            Session.objects.primary().filter(pk__in=keys),
            reason=RevocationReason.ADMIN,
            # What ended by one call is found by its moment: a microsecond for each batch.
            now=cutoff.at + timedelta(microseconds=number),
            actor=cutoff.actor,
            published=True,
        )

    return journal.in_transaction(work)
