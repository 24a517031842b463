"""The row of a Django session: started, looked at, brought up to date and ended.

Nobody can refresh such a row: the tokens that come with its start are thrown away.
"""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from token_lifecycle import journal, lifecycle, signals, tokens
from token_lifecycle.conf import app_settings
from token_lifecycle.device import Device
from token_lifecycle.models import EventKind, RevocationReason, Session
from token_lifecycle.refresh import bind_to_newest_key
from token_lifecycle.user_changes import password_matches

from .memory import memory

#: Where in the data of a Django session the id of its row is. Named like Django's own keys beside
#: it, so that code which empties a session but for ``_auth…`` leaves it there.
SESSION_ID_KEY = "_auth_token_session_id"

#: That the row was made for a Django session from before, and not by a sign-in.
ADOPTED_KEY = "_auth_token_session_adopted"

#: What the row says the person signed in by.
AUTH_METHOD = "browser"

#: "Last used" and the address are written no more often than this.
TOUCH_EVERY = timedelta(minutes=5)


def device_of(request: Any) -> Device:
    """The client that sent ``request``."""
    return Device.from_request(request)


def named_by(django_session: Any) -> UUID | None:
    """The id of the row that a Django session names."""
    text = django_session.get(SESSION_ID_KEY)
    return tokens.canonical_uuid(text) if isinstance(text, str) else None


def start(request: Any, user: Any, *, now: datetime) -> UUID:
    """Start a session for who is signed in by the Django session of ``request``, and name it there.

    :raises SessionLimitReached: the user is at the limit and the policy is ``"refuse"``.
    :raises UserInactive: the user is deactivated.
    """
    issued = lifecycle.start_session(
        user,
        device=device_of(request),
        auth_method=AUTH_METHOD,
        lifetime=_lifetime(request.session),
        now=now,
    )
    session_id: UUID = issued.session.pk
    request.session[SESSION_ID_KEY] = str(session_id)
    return session_id


def _lifetime(django_session: Any) -> timedelta:
    """As long as the Django session, and no longer than any session."""
    longest = app_settings.session_lifetime
    if settings.SESSION_SAVE_EVERY_REQUEST:
        # Its age then counts from the last request, which is an idle timeout and no lifetime.
        return longest
    return min(timedelta(seconds=django_session.get_expiry_age()), longest)


# Looking


def is_known_live(session_id: UUID, *, user_id: Any, now: datetime) -> bool:
    """Whether the list in memory says so, where ``REVOCATION_CHECK`` wants it asked.

    ``"none"`` asks the database all the same: an access token lives for minutes unasked, a Django
    session for weeks.
    """
    if app_settings.revocation_check != "memory":
        return False
    return memory.vouches_for(session_id, user_id=user_id, now=now)


def live_row(session_id: UUID, *, user_id: Any, now: datetime) -> Session | None:
    """The row, if it is live and of this user. One statement, which reads no user again."""
    row = Session.objects.for_refresh(session_id, user_columns=())
    if row is None or row.user_id != user_id or not row.is_live(now):
        return None
    if app_settings.revocation_check == "memory":
        memory.remember(row, now=now, longest=TOUCH_EVERY)
    return row


# Bringing up to date


def is_due(row: Session, *, now: datetime) -> bool:
    """Whether "last used" was written long enough ago."""
    return now - row.rotated_at >= TOUCH_EVERY


def touch(row: Session, user: Any, device: Device, *, now: datetime) -> None:
    """Write that the session was used just now, and from where.

    One UPDATE that touches no indexed column, and nothing that was ended meanwhile. Of several
    requests at once one writes.
    """
    due = Session.objects.primary().live(now).filter(pk=row.pk, rotated_at__lte=now - TOUCH_EVERY)
    columns = {
        "rotated_at": now,
        "idle_expires_at": min(now + app_settings.idle_timeout, row.expires_at),
        "ip_address": device.ip_address,
        "user_agent": device.user_agent or row.user_agent,
    }
    new_client = row.user_agent not in ("", columns["user_agent"])
    # A transaction only where there is a second row to write.
    with transaction.atomic(using=journal.database()) if new_client else nullcontext():
        if due.update(**columns) and new_client:
            _tell_of_new_client(row, device, now)
    row.user = user
    if password_matches(row, user):
        bind_to_newest_key(row)


def _tell_of_new_client(row: Session, device: Device, now: datetime) -> None:
    journal.record(EventKind.NEW_CLIENT, session=row, device=device, now=now)
    journal.announce(
        signals.new_client_seen, session=row, device=device, previous_user_agent=row.user_agent
    )


# Ending


def end(session_id: UUID, *, reason: str, device: Device, now: datetime, actor: Any = None) -> None:
    """End the row, unless it is over already."""
    lifecycle.revoke_session(session_id, reason=reason, device=device, now=now, actor=actor)


def end_abandoned(session_id: UUID, *, device: Device, now: datetime) -> None:
    """End the row of a Django session that was emptied, for the reason that the row shows."""
    row = Session.objects.for_access(session_id)
    if row is not None and row.is_live(now):
        end(session_id, reason=_why_abandoned(row), device=device, now=now)


def _why_abandoned(row: Session) -> RevocationReason:
    user: Any = row.user
    if user is None:
        return RevocationReason.USER_DELETED
    if not user.is_active:
        return RevocationReason.USER_DEACTIVATED
    if not password_matches(row, user):
        return RevocationReason.PASSWORD_CHANGE
    return RevocationReason.LOGOUT
