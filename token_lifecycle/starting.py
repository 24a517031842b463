"""A sign-in: the limit on a user's sessions, the row of the new one, and its first tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from . import binding, journal, signals, tokens
from .conf import app_settings
from .device import Device
from .exceptions import SessionLimitReached, UserInactive
from .issuing import IssuedTokens, extra_claims, issue
from .models import EventKind, RevocationReason, Session
from .user_changes import lock_user


@sensitive_variables()
def start_session(
    user: Any,
    *,
    device: Device | None = None,
    auth_method: str = "password",
    lifetime: timedelta | None = None,
    now: datetime | None = None,
) -> IssuedTokens:
    """Start a session for a user who has just proved their identity, by whatever means.

    ``auth_method`` names the means, for the user and for staff. ``lifetime`` replaces
    ``SESSION_LIFETIME`` for this session (a shared computer, "remember me").

    :raises ValueError: ``lifetime`` is none, or ``auth_method`` longer than its column.
    :raises UserInactive: the user is deactivated.
    :raises SessionLimitReached: the user is at the limit and the policy is ``"refuse"``.
    :raises Unavailable: the database kept choosing other writers; nothing was written.
    """
    now = now or timezone.now()
    if not user.is_active:
        raise UserInactive
    if lifetime is not None and lifetime <= timedelta(0):
        raise ValueError("The lifetime of a session must be more than nothing.")
    longest: Any = Session._meta.get_field("auth_method").max_length
    if len(auth_method) > longest:
        raise ValueError(f"auth_method must have no more than {longest} characters.")
    secret = tokens.new_secret()
    session = _new_session(user, secret, device or Device(), auth_method, lifetime, now)
    # Before the first write: nobody is to give way to a session that gets no tokens.
    issued = issue(session, secret=secret, extra=extra_claims(session), now=now)

    def work() -> bool:
        if not _make_room(user, device, now):
            return False
        session.save(force_insert=True, using=journal.database())
        journal.record(EventKind.STARTED, session=session, device=device, now=now)
        journal.announce(signals.session_started, session=session, user=user, device=device)
        return True

    if not journal.in_transaction(work):
        raise SessionLimitReached
    return issued


def _new_session(
    user: Any,
    secret: str,
    device: Device,
    auth_method: str,
    lifetime: timedelta | None,
    now: datetime,
) -> Session:
    """The row of a sign-in, not saved yet."""
    expires_at = now + (app_settings.session_lifetime if lifetime is None else lifetime)
    return Session(
        user=user,
        secret_digest=tokens.digest(secret),
        # The instance whose password was just checked and not a fresh one: where the password was
        # changed in between, this session must not outlive the change.
        auth_hash=binding.auth_hash(user),
        created_at=now,
        rotated_at=now,
        burst_started_at=now,
        expires_at=expires_at,
        idle_expires_at=min(now + app_settings.idle_timeout, expires_at),
        ip_address=device.ip_address,
        user_agent=device.user_agent,
        device_name=device.name,
        auth_method=auth_method,
    )


def _make_room(user: Any, device: Device | None, now: datetime) -> bool:
    """Apply ``MAX_SESSIONS_PER_USER``; False where the user may have no further session."""
    limit = app_settings.max_sessions_per_user
    if limit is None:
        return True
    # Sign-ins of one user queue up here; a count followed by an insert let 11 of 2 in.
    lock_user(user.pk)
    live = Session.objects.primary().of(user).live(now).order_by("-created_at", "-pk")
    # A locking read, which sees the newest rows under REPEATABLE READ too.
    surplus = list(live.select_for_update().values_list("pk", flat=True)[limit - 1 :])
    if surplus and app_settings.session_limit_policy == "refuse":
        journal.record(EventKind.LIMIT_REACHED, user=user, device=device, now=now)
        journal.announce(signals.session_limit_reached, user=user, limit=limit, device=device)
        return False
    if surplus:
        oldest = Session.objects.primary().filter(pk__in=surplus)
        reason = RevocationReason.SESSION_LIMIT
        journal.end(oldest, reason=reason, now=now, user=user, device=device)
    return True
