"""Which rows this process has read to be live, and for how long the list in memory is enough.

The list knows what ended within one access token's lifetime. So a row has to be read from the
database once in that time, and in between nothing is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from token_lifecycle.conf import app_settings
from token_lifecycle.exceptions import Unavailable
from token_lifecycle.feed import feed
from token_lifecycle.models import Session
from token_lifecycle.revocation import Standing

#: About 5 MB. Beyond it everything is forgotten, which costs a statement for each.
MAX_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A row that was live."""

    user_id: Any
    signed_in_at: datetime
    read_at: datetime
    until: datetime


class Memory:
    """Safe to use from any thread: each step is one operation of a dict."""

    def __init__(self) -> None:
        self._seen: dict[UUID, Seen] = {}

    def remember(self, row: Session, *, now: datetime, longest: timedelta) -> None:
        """Note that ``row`` was read ``now`` and was live; for ``longest`` at most."""
        if len(self._seen) >= MAX_ROWS:
            self._seen.clear()
        # Beyond an access token's lifetime the list may have forgotten the end.
        good_for = min(longest, app_settings.access_token_lifetime)
        self._seen[row.pk] = Seen(
            user_id=row.user_id,
            signed_in_at=row.created_at,
            read_at=now,
            until=min(now + good_for, row.expires_at, row.idle_expires_at),
        )

    def vouches_for(self, session_id: UUID, *, user_id: Any, now: datetime) -> bool:
        """Whether the row is live without a doubt. False is no refusal: the database knows."""
        seen = self._seen.get(session_id)
        if seen is None or seen.user_id != user_id or not seen.read_at <= now < seen.until:
            return False
        # A list that is too old says nothing: these requests have read the database anyway, for the
        # user, whatever ``REVOCATION_WHEN_STALE`` wants of those that have not.
        with suppress(Unavailable):
            standing = feed.standing(
                session_id=session_id, user_id=str(user_id), signed_in_at=seen.signed_in_at
            )
            return standing is Standing.LIVE
        return False

    def forget(self) -> None:
        """Forget everything, for tests."""
        self._seen.clear()


memory = Memory()
