"""The verbs: start, rotate, revoke, check, prune. What a project calls.

Each verb reads the clock once (``now``; tests pass it in), writes, commits, tells, and only then
raises: DRF rolls an atomic request back when an error is raised, and a revocation that rolls
itself back is none. ``start_session``, ``rotate`` and ``prune`` have rooms of their own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from . import journal, tokens
from .conf import app_settings
from .device import Device
from .everybody import revoke_everybody, sweep
from .exceptions import SessionRevoked, TokenInvalid, TokenRefused, UserInactive
from .feed import feed
from .issuing import IssuedTokens
from .managers import SessionQuerySet
from .models import RevocationReason, Session
from .pruning import Pruned, prune
from .refresh import rotate
from .revocation import Standing
from .starting import start_session
from .tokens import AccessClaims
from .user_changes import keep_session, password_matches

__all__ = [
    "IssuedTokens",
    "Pruned",
    "check_access",
    "is_vouched_for",
    "keep_session",
    "prune",
    "revoke_by_token",
    "revoke_everybody",
    "revoke_session",
    "revoke_sessions",
    "revoke_sessions_of",
    "rotate",
    "start_session",
    "sweep",
]


# Check


def check_access(claims: AccessClaims, *, now: datetime | None = None) -> Session:
    """The session, with its whole user, that a verified access token belongs to. One statement.

    :raises TokenInvalid: the token names another user than the session.
    :raises SessionRevoked: the session is over, for whatever reason.
    :raises UserInactive: the user is deactivated.
    """
    now = now or timezone.now()
    session = Session.objects.for_access(claims.session_id)
    if session is None or session.user is None or not session.is_live(now):
        raise SessionRevoked(session_id=claims.session_id)
    if tokens.user_id_of(session.user) != claims.user_id:
        raise TokenInvalid
    if not session.user.is_active:
        raise UserInactive(session_id=session.pk)
    if not password_matches(session, session.user):
        raise SessionRevoked(session_id=session.pk)
    return session


def is_vouched_for(claims: AccessClaims) -> bool:
    """Whether the list in memory knows a verified access token's session to be live.

    Costs no statement. False is no refusal: only the database can tell (``check_access``). The
    list knows what was ended, and not that a user was deactivated or given a new password by
    ``QuerySet.update``: the session's next refresh finds out.

    :raises SessionRevoked: the session was ended.
    :raises Unavailable: the list is too old, and ``REVOCATION_WHEN_STALE`` is ``"refuse"``.
    """
    lived = timedelta(seconds=claims.claims["exp"] - claims.claims["iat"] - 1)
    if lived > app_settings.access_token_lifetime:
        # From the time of a longer lifetime: the list may have forgotten it before it expires.
        return False
    standing = feed.standing(
        session_id=claims.session_id, user_id=claims.user_id, signed_in_at=claims.auth_time
    )
    if standing is Standing.ENDED:
        raise SessionRevoked(session_id=claims.session_id)
    return standing is Standing.LIVE


# Revoke


def revoke_session(
    session_id: UUID,
    *,
    user: Any = None,
    reason: str = RevocationReason.LOGOUT,
    actor: Any = None,
    device: Device | None = None,
    now: datetime | None = None,
) -> bool:
    """End one live session; False where there is none. ``user`` restricts it to their sessions."""
    sessions = Session.objects.primary().filter(pk=session_id)
    if user is not None:
        sessions = sessions.of(user)
    return bool(revoke_sessions(sessions, reason=reason, actor=actor, device=device, now=now))


def revoke_sessions_of(
    user: Any,
    *,
    keep: UUID | None = None,
    reason: str = RevocationReason.LOGOUT_ALL,
    actor: Any = None,
    device: Device | None = None,
    now: datetime | None = None,
) -> int:
    """End all live sessions of a user, an instance or a key, but for ``keep``; how many.

    A refresh that is in flight loses: whichever commits first, the session is ended afterwards.
    """
    now = now or timezone.now()
    if not hasattr(user, "pk"):
        user = get_user_model()._base_manager.using(journal.database()).filter(pk=user).first()
        if user is None:
            return 0
    sessions = Session.objects.primary().of(user).live(now).except_for(keep)
    return journal.end(sessions, reason=reason, now=now, user=user, actor=actor, device=device)


def revoke_sessions(
    sessions: SessionQuerySet,
    *,
    reason: str = RevocationReason.ADMIN,
    actor: Any = None,
    device: Device | None = None,
    now: datetime | None = None,
) -> int:
    """End all live sessions of a set, for instance ``Session.objects.filter(…)``; how many.

    The number of statements does not depend on the number of sessions.
    """
    now = now or timezone.now()
    return journal.end(sessions.live(now), reason=reason, now=now, actor=actor, device=device)


@sensitive_variables()
def revoke_by_token(
    refresh: str,
    *,
    user: Any = None,
    reason: str = RevocationReason.LOGOUT,
    device: Device | None = None,
    now: datetime | None = None,
) -> bool:
    """End the session of a refresh token, also of an expired or a consumed one (RFC 7009 §2.1).

    Silent: False where the token is not ours (or, with ``user``, not theirs) or the session was
    over. Nothing is read first: the secret is part of the WHERE.
    """
    now = now or timezone.now()
    try:
        token = tokens.parse_refresh(refresh, now=now)
    except TokenRefused:
        return False
    known = Session.objects.primary().filter(
        pk=token.session_id, secret_digest=tokens.digest(token.secret)
    )
    if user is not None:
        known = known.of(user)
    return bool(revoke_sessions(known, reason=reason, device=device, now=now))
