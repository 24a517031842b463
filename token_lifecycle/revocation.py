"""The list in memory: which access tokens are dead although they have not expired yet.

Knows neither database nor clock. :mod:`token_lifecycle.feed` fills it and says how old it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

#: What two servers' clocks may differ by. A session that began so shortly after its user's sessions
#: were ended may still be one of those.
SKEW = timedelta(minutes=1)

#: About 20 MB. Beyond it the list gives up telling sessions apart, and the database does.
MAX_SESSIONS = 100_000
MAX_CUTOFFS = 10_000

EVERYBODY = ""


class Standing(Enum):
    """What the list knows about the session behind an access token."""

    LIVE = auto()
    ENDED = auto()
    UNKNOWN = auto()
    """Only the database can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """That a session ended, or many of a user's, or many of everybody's."""

    at: datetime
    session_id: UUID | None = None
    """The one session; None where too many ended at once to name each."""
    user_id: str = EVERYBODY
    """Without a session: whose, as the user-id claim has it; empty for everybody's."""


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Sessions that began up to ``at`` may be ended; which of them, the database knows."""

    at: datetime
    until: float


class RevocationList:
    """Safe to read from any thread while another one adds to it.

    ``until`` and ``now`` are seconds of one monotonic clock. An entry is kept until every access
    token that was issued before it was learnt has expired.
    """

    def __init__(self) -> None:
        self._sessions: dict[UUID, float] = {}
        self._cutoffs: dict[str, Cutoff] = {}
        self._latest: datetime | None = None
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions) + len(self._cutoffs)

    def standing(self, *, session_id: UUID, user_id: str, signed_in_at: datetime) -> Standing:
        """What is known about a session, by the claims of its access token."""
        if session_id in self._sessions:
            return Standing.ENDED
        if self._cutoffs:
            for whose in (user_id, EVERYBODY):
                cutoff = self._cutoffs.get(whose)
                if cutoff is not None and signed_in_at <= cutoff.at + SKEW:
                    return Standing.UNKNOWN
        return Standing.LIVE

    def learn(self, notices: Iterable[Notice], *, until: float) -> None:
        """Add what is new; what is known already keeps its time."""
        with self._writing:
            for notice in notices:
                self._latest = notice.at if self._latest is None else max(self._latest, notice.at)
                if notice.session_id is not None:
                    self._sessions.setdefault(notice.session_id, until)
                elif not self._knows(notice):
                    self._cut_off(notice.user_id, notice.at, until)
                if len(self._sessions) > MAX_SESSIONS or len(self._cutoffs) > MAX_CUTOFFS:
                    self._give_up(self._latest, until)

    def forget(self, *, now: float) -> None:
        """Drop what no token can refer to any more."""
        with self._writing:
            # New dicts: a reader in another thread must not meet one that changes its size.
            self._sessions = {key: until for key, until in self._sessions.items() if until > now}
            self._cutoffs = {key: c for key, c in self._cutoffs.items() if c.until > now}

    def _knows(self, notice: Notice) -> bool:
        """Whether this is the last cutoff read again. An older one may be news, committed late."""
        known = self._cutoffs.get(notice.user_id)
        return known is not None and known.at == notice.at

    def _cut_off(self, user_id: str, at: datetime, until: float) -> None:
        known = self._cutoffs.get(user_id, Cutoff(at, until))
        self._cutoffs[user_id] = Cutoff(max(at, known.at), max(until, known.until))

    def _give_up(self, at: datetime, until: float) -> None:
        """Leave every session that began before the last known end to the database.

        First the cutoff and then the clearing, so that no reader finds neither.
        """
        self._cut_off(EVERYBODY, at, until)
        self._cutoffs = {EVERYBODY: self._cutoffs[EVERYBODY]}
        self._sessions = {}
