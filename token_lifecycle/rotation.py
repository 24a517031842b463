"""The refresh rule: what a presented refresh token deserves. Pure: no Django, no clock, no I/O.

``judge`` is asked about a token whose signature, type and secret are already known to be right.
The rule is RFC 9700 §4.14.2 (rotation with reuse detection), with a grace period for the clients
that are not thieves: a second tab, a double click, an answer that was lost on the way.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

ZERO = timedelta(0)


class Verdict(enum.Enum):
    """What happens to the presented token."""

    #: It is the current one: consume it and issue the next generation.
    ROTATE = enum.auto()
    #: It was consumed a moment ago: issue the successor that exists already, once more.
    RETRY = enum.auto()
    #: It is newer than the row: the database lost commits. Catch up, then issue the next.
    CATCH_UP = enum.auto()
    #: A straggler of the current burst: refuse, but leave the session alone.
    SUPERSEDED = enum.auto()
    #: A consumed token came back: end the session.
    REUSE = enum.auto()
    #: The password is not the one the session was started with: end the session.
    PASSWORD_CHANGED = enum.auto()
    #: The user may not sign in any more: end the session.
    USER_INACTIVE = enum.auto()
    #: Refused without a write.
    REVOKED = enum.auto()
    SESSION_EXPIRED = enum.auto()
    TOKEN_EXPIRED = enum.auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionState:
    """What the rule needs to know of a session, as one statement read it."""

    generation: int
    rotated_at: datetime
    burst_generation: int
    burst_started_at: datetime
    expires_at: datetime
    idle_expires_at: datetime
    revoked_at: datetime | None
    user_active: bool
    password_matches: bool


@dataclass(frozen=True, slots=True)
class Burst:
    """A run of rotations that began less than one grace period ago."""

    generation: int
    """The generation that the first rotation of the burst consumed."""
    started_at: datetime


def elapsed(since: datetime, now: datetime) -> timedelta:
    """Time since ``since``, never negative: a clock stepped back must not end sessions."""
    return max(now - since, ZERO)


def judge(
    state: SessionState,
    *,
    generation: int,
    token_expired: bool,
    now: datetime,
    grace: timedelta,
) -> Verdict:
    """Decide what a token of ``generation`` deserves.

    The order matters: an ended session is never judged for reuse again, so that repeats of a
    stolen token stay cheap, and a token's own expiry does not hide that it was consumed before.
    """
    if state.revoked_at is not None:
        return Verdict.REVOKED
    if now >= min(state.expires_at, state.idle_expires_at):
        return Verdict.SESSION_EXPIRED
    if not state.user_active:
        return Verdict.USER_INACTIVE
    if not state.password_matches:
        return Verdict.PASSWORD_CHANGED
    behind = state.generation - generation
    if behind > 0:
        return _judge_consumed(state, generation, now=now, grace=grace)
    if token_expired:
        return Verdict.TOKEN_EXPIRED
    return Verdict.ROTATE if behind == 0 else Verdict.CATCH_UP


def _judge_consumed(
    state: SessionState, generation: int, *, now: datetime, grace: timedelta
) -> Verdict:
    if grace <= ZERO:
        return Verdict.REUSE
    if generation == state.generation - 1 and elapsed(state.rotated_at, now) <= grace:
        return Verdict.RETRY
    # The start of the burst, not the last rotation: a thief who rotates every few seconds would
    # otherwise keep the victim's token "superseded" for ever.
    in_burst = generation >= state.burst_generation
    if in_burst and elapsed(state.burst_started_at, now) <= grace:
        return Verdict.SUPERSEDED
    return Verdict.REUSE


def burst_after(state: SessionState, *, consumed: int, now: datetime, grace: timedelta) -> Burst:
    """The burst that a rotation of ``consumed`` at ``now`` belongs to: the running one or a new.

    A burst that seems to start in the future (the clock was stepped back) is over.
    """
    if ZERO <= now - state.burst_started_at <= grace:
        return Burst(state.burst_generation, state.burst_started_at)
    return Burst(consumed, now)
