"""What somebody has selected, looked at as far as a page can look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ..managers import SessionQuerySet
from ..models import Session
from . import counting
from .rows import SECRETS, plain

#: What the state of a session follows from.
COLUMNS = ("user", "created_at", "idle_expires_at", "expires_at", "revoked_at")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The newest of the sessions that an action is about.

    Read in the order in which the list was, and judged here: a database that is asked for the live
    ones among very many that are over looks at them all.
    """

    newest: Sequence[Session]
    all: SessionQuerySet
    is_more: bool
    """Whether there are others."""

    @classmethod
    def of(cls, sessions: SessionQuerySet) -> Selection:
        rows = plain(sessions).with_cutoff().only(*COLUMNS).order_by("-pk")
        found = list(rows[: counting.BOUND + 1])
        is_more = len(found) > counting.BOUND
        return cls(newest=found[: counting.BOUND], all=sessions, is_more=is_more)

    def has_beyond(self, session_id: UUID) -> bool:
        """Whether this session is one of the others."""
        return self.is_more and plain(self.all).filter(pk=session_id).exists()

    def live(self, now: datetime) -> list[Session]:
        """Those that there is something to end of."""
        return [session for session in self.newest if session.is_live(now)]


def named(sessions: Sequence[Session]) -> SessionQuerySet:
    """The same with what a page tells of them."""
    keys = [session.pk for session in sessions]
    return Session.objects.primary().filter(pk__in=keys).defer(*SECRETS)
