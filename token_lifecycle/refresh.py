"""A refresh, door to door: read the session, judge the token, claim its generation, issue the next.

The rule itself is in :mod:`token_lifecycle.rotation`, and what the statements look like in
:mod:`token_lifecycle.managers`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import Error, OperationalError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from . import binding, journal, signals, tokens
from .conf import app_settings
from .database_errors import lost_to_another
from .device import Device
from .discoveries import end_for_inactivity, end_for_password, end_for_reuse
from .exceptions import (
    SessionExpired,
    SessionRevoked,
    TokenExpired,
    TokenInvalid,
    TokenRefused,
    TokenSuperseded,
    Unavailable,
)
from .issuing import IssuedTokens, extra_claims, issue
from .journal import ATTEMPTS
from .models import EventKind, Session
from .rotation import SessionState, Verdict, burst_after, judge
from .tokens import RefreshClaims
from .user_changes import password_matches

logger = logging.getLogger("token_lifecycle")

#: Verdicts that refuse without a write.
REFUSALS: Mapping[Verdict, type[TokenRefused]] = {
    Verdict.REVOKED: SessionRevoked,
    Verdict.SESSION_EXPIRED: SessionExpired,
    Verdict.TOKEN_EXPIRED: TokenExpired,
    Verdict.SUPERSEDED: TokenSuperseded,
}


@sensitive_variables()
def rotate(
    refresh: str | RefreshClaims,
    *,
    device: Device | None = None,
    now: datetime | None = None,
) -> IssuedTokens:
    """Exchange a refresh token: its text, or what ``tokens.parse_refresh`` made of it.

    Two statements, no transaction and no new row; a retry inside the grace period only reads.
    Must not be called inside a transaction, for the refusal of a stolen token has to commit.

    :raises TokenRefused: one of its subclasses says why (:mod:`token_lifecycle.exceptions`).
    :raises Unavailable: the database kept choosing other writers; the token is as good as before.
    """
    _require_autocommit()
    now = now or timezone.now()
    token = tokens.parse_refresh(refresh, now=now) if isinstance(refresh, str) else refresh
    overtaken = False
    for _ in range(ATTEMPTS):
        # Whoever loses a race reads again and is judged again, by the row as the winner left it.
        try:
            match _try_to_rotate(token, device, now, overtaken=overtaken):
                case IssuedTokens() as issued:
                    return issued
                case Lost.CLAIM:
                    overtaken = True
        except OperationalError as error:
            if not lost_to_another(error):
                raise
    raise Unavailable(session_id=token.session_id)


class Lost(Enum):
    """Why one try of a rotation came to nothing, and another one is due."""

    CLAIM = auto()
    BINDING = auto()


def _try_to_rotate(
    token: RefreshClaims, device: Device | None, now: datetime, *, overtaken: bool
) -> IssuedTokens | Lost:
    """One reading, one judgement and what follows from it."""
    session = _session_of(token)
    state = _state(session)
    verdict = judge(
        state,
        generation=token.generation,
        token_expired=token.expired,
        # Whoever was overtaken presented a token that was good when it was read. However long the
        # winner had waited for the database, that was at the same moment.
        now=min(now, session.rotated_at) if overtaken else now,
        grace=app_settings.reuse_grace_period,
    )
    match verdict:
        case Verdict.ROTATE | Verdict.CATCH_UP:
            return _exchange(session, state, token, device, now)
        case Verdict.RETRY:
            return issue(session, secret=token.secret, extra=extra_claims(session), now=now)
        case Verdict.REUSE:
            end_for_reuse(session, token, device, now)
        case Verdict.PASSWORD_CHANGED:
            end_for_password(session, now)
            return Lost.BINDING
        case Verdict.USER_INACTIVE:
            end_for_inactivity(session, now)
        case _:
            raise REFUSALS[verdict](session_id=session.pk)


def _session_of(token: RefreshClaims) -> Session:
    """The session a token names, if the token knows its secret and its user too.

    A wrong secret never ends the session, or anybody who knows its id could.

    :raises TokenInvalid: and TokenExpired for an old token of a session that was removed.
    """
    session = Session.objects.for_refresh(token.session_id, user_columns=_user_columns())
    if session is None:
        raise TokenExpired if token.expired else TokenInvalid
    if not tokens.secret_matches(token.secret, session.secret_digest):
        raise TokenInvalid
    if session.user is not None and tokens.user_id_of(session.user) != token.user_id:
        raise TokenInvalid
    return session


def _state(session: Session) -> SessionState:
    user = session.user
    return SessionState(
        generation=session.generation,
        rotated_at=session.rotated_at,
        burst_generation=session.burst_generation,
        burst_started_at=session.burst_started_at,
        expires_at=session.expires_at,
        idle_expires_at=session.idle_expires_at,
        revoked_at=session.ended_at,
        user_active=user is not None and user.is_active,
        password_matches=password_matches(session, user),
    )


def _exchange(
    session: Session,
    state: SessionState,
    token: RefreshClaims,
    device: Device | None,
    now: datetime,
) -> IssuedTokens | Lost:
    """Claim the token's generation for the tokens of the next one.

    Those are signed before the claim: with a hook that fails, a key that cannot sign or a lifetime
    that is none, the presented token has to stay usable until somebody has put that right.
    """
    extra = extra_claims(session)
    previous_user_agent = session.user_agent
    columns = _refresh_state(session, state, token.generation, device, now)
    for name, value in {"generation": token.generation + 1, **columns}.items():
        setattr(session, name, value)
    issued = issue(session, secret=token.secret, extra=extra, now=now)
    catch_up = token.generation > state.generation
    new_client = previous_user_agent not in ("", session.user_agent)
    events = _events_of_rotation(catch_up=catch_up, new_client=new_client)
    about: dict[str, Any] = {"session": session, "device": device}
    # A transaction only where there is a second row to write.
    with transaction.atomic(using=journal.database()) if events else contextlib.nullcontext():
        if not Session.objects.claim(
            session.pk, generation=token.generation, catch_up=catch_up, now=now, **columns
        ):
            return Lost.CLAIM
        for kind in events:
            journal.record(kind, **about, generation=token.generation, now=now)
    bind_to_newest_key(session)
    journal.announce(signals.token_rotated, **about)
    if catch_up:
        journal.announce(signals.database_caught_up, **about, generation=token.generation)
    if new_client:
        previous = {"previous_user_agent": previous_user_agent}
        journal.announce(signals.new_client_seen, **about, **previous)
    return issued


def bind_to_newest_key(session: Session) -> None:
    """Follow a ``SECRET_KEY`` that is being replaced, so that its fallback can go one day.

    A statement of its own, and only then: it must not undo what a password change wrote meanwhile.
    The generation is claimed by now, and whoever won it gets its tokens: an error of the database
    is logged, and the next refresh tries again.
    """
    if not settings.SECRET_KEY_FALLBACKS:
        return
    newest = binding.auth_hash(session.user)
    if newest in (session.auth_hash, session.auth_hash_next):
        return
    as_read = Session.objects.primary().filter(
        pk=session.pk, auth_hash=session.auth_hash, auth_hash_next=session.auth_hash_next
    )
    try:
        as_read.rebind(newest)
    except Error:
        logger.warning("not bound to the newest SECRET_KEY yet: %s", session.pk, exc_info=True)


def _refresh_state(
    session: Session, state: SessionState, generation: int, device: Device | None, now: datetime
) -> dict[str, Any]:
    """What a rotation writes beside the generation. Never ``expires_at``: nothing outlives it."""
    burst = burst_after(state, consumed=generation, now=now, grace=app_settings.reuse_grace_period)
    columns: dict[str, Any] = {
        "rotated_at": now,
        "idle_expires_at": min(now + app_settings.idle_timeout, state.expires_at),
        "burst_generation": burst.generation,
        "burst_started_at": burst.started_at,
    }
    if device is not None:
        columns["ip_address"] = device.ip_address
        columns["user_agent"] = device.user_agent or session.user_agent
    return columns


def _events_of_rotation(*, catch_up: bool, new_client: bool) -> list[EventKind]:
    happened = {
        EventKind.CAUGHT_UP: catch_up,
        EventKind.NEW_CLIENT: new_client,
        EventKind.ROTATED: app_settings.record_rotations,
    }
    return [kind for kind, did in happened.items() if did]


def _user_columns() -> tuple[str, ...] | None:
    if app_settings.access_claims is not None:
        return None  # the hook may look at everything
    return binding.needed_columns(get_user_model(), tokens.user_id_field())


def _require_autocommit() -> None:
    """Refuse to rotate where a refusal could be rolled back. Tests that roll back are let through.

    :raises RuntimeError: inside a transaction, as ``transaction.atomic(durable=True)`` does, and
        without autocommit, where every statement begins one.
    """
    connection = transaction.get_connection(journal.database())
    blocks = connection.atomic_blocks
    if blocks and not blocks[-1]._from_testcase:
        raise RuntimeError("rotate() must not be called inside a transaction.")
    if not blocks and not connection.get_autocommit():
        raise RuntimeError("rotate() must not be called without autocommit.")
