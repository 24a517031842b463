"""How clients, users, states and moments are written on the pages.

What a client has sent is escaped and isolated.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..client_names import describe
from ..models import EventKind, Session, SessionStatus


def device_of(row: Any) -> str:
    """What a person would call the client of a session or an event."""
    return getattr(row, "device_name", "") or describe(row.user_agent) or _("unknown device")


def device_cell(row: Any) -> SafeString:
    """The same with the whole user agent behind it; isolated, for it may be written in Arabic."""
    return format_html('<bdi title="{}">{}</bdi>', row.user_agent, device_of(row))


def client_cell(event: Any) -> SafeString | str:
    """The client of an event; nothing where no client had a part in it."""
    return device_cell(event) if event.user_agent else ""


def user_of(row: Any) -> str:
    """The user a session or an event is about."""
    return _("deleted user") if row.user is None else str(row.user)


def name_of(session: Session) -> str:
    """What tells a session from others: whose it is, and of which device."""
    return f"{user_of(session)}: {device_of(session)}"


def ended_at(session: Session, now: datetime) -> datetime | None:
    """When it was ended, alone or with everybody; None where it was not."""
    if session.revoked_at is None and session.status(now) is SessionStatus.ENDED:
        return session.cutoff_at
    return session.revoked_at


def end_text(session: Session, now: datetime) -> str:
    """Why it was ended; empty where it was not."""
    if ended_at(session, now) is None:
        return ""
    # Where everybody was signed out, a row learns of its reason later.
    return str(session.get_revocation_reason_display() or EventKind.EVERYBODY_ENDED.label)


def status_text(session: Session, now: datetime) -> str:
    """What the session is at ``now``; for an ended one also why."""
    status = session.status(now)
    reason = end_text(session, now)
    return f"{status.label}: {reason}" if reason else str(status.label)


def time_cell(at: datetime) -> SafeString:
    """A moment as people here write it, and to the second for whoever has to compare it."""
    local = timezone.localtime(at)
    exact = local.isoformat(sep=" ", timespec="seconds")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', local.isoformat(), exact, localize(local)
    )
