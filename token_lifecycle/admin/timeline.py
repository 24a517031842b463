"""What happened, from the first to the last, as lines that a person can read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..models import EventKind, RevocationReason, SessionEvent
from .columns import client_cell, time_cell
from .links import page_url, session_url

#: How many events are read, the newest. ``RECORD_ROTATIONS`` makes thousands, which are folded.
EVENTS_READ = 500

#: Pauses shorter than this are not worth a word.
NO_PAUSE = timedelta(minutes=1)


class Mark(StrEnum):
    """The shape and the colour in front of a line."""

    START = "start"
    REFRESH = "refresh"
    CLIENT = "client"
    ALARM = "alarm"
    END = "end"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line: an event, or several refreshes of one client in a row."""

    mark: Mark
    title: str
    sentence: SafeString | str
    """What it means, where the title alone does not tell."""
    pause: str
    """How long nothing had happened before."""
    at: SafeString
    until: SafeString | str
    """When the last of several was; else empty."""
    client: SafeString | str
    address: str
    actor: str
    session_url: str
    """The page of the session; empty once its row is gone."""
    session_end: str
    """The end of its id, which is the random part."""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The newest lines, in the order in which they happened."""

    entries: Sequence[Entry]
    older_url: str
    """The whole trail of the session or the user; empty where nothing was left out."""


def timeline_of(
    site: AdminSite,
    request: HttpRequest,
    *,
    lines: int,
    cutoff: datetime | None = None,
    **about: Any,
) -> Timeline | None:
    """The newest ``lines`` about a session or a user; None for whoever may not read the trail.

    ``cutoff`` is when everybody was signed out, where no event of its own tells of that end.
    """
    if not site.is_registered(SessionEvent):
        return None
    trail = site.get_model_admin(SessionEvent)
    if not trail.has_view_permission(request):
        return None
    events = trail.get_queryset(request).filter(**about).select_related("actor")
    newest = list(events.order_by("-created_at", "-pk")[: EVENTS_READ + 1])
    happened = newest[:EVENTS_READ][::-1]
    if cutoff is not None:
        happened.append(SessionEvent(kind=EventKind.EVERYBODY_ENDED, created_at=cutoff))
    folded = _folded(happened)
    is_whole = len(newest) <= EVENTS_READ and len(folded) <= lines
    return Timeline(
        entries=list(_entries(site, folded[-lines:])),
        older_url="" if is_whole else page_url(site, SessionEvent, "changelist", **about),
    )


def _folded(events: Iterable[SessionEvent]) -> list[list[SessionEvent]]:
    """The events of each line."""
    return [list(line) for _, line in groupby(_without_echoes(list(events)), key=_line_of)]


def _line_of(event: SessionEvent) -> tuple[Any, ...]:
    """What the events of one line have in common. A change of address is never folded away."""
    if event.kind == EventKind.ROTATED:
        return event.session_id, event.ip_address, event.user_agent
    return (event.pk,)


def _without_echoes(events: Sequence[SessionEvent]) -> list[SessionEvent]:
    """Without the ends that the alarm of the same moment tells of already."""
    alarms = {
        (event.session_id, event.created_at)
        for event in events
        if event.kind == EventKind.REUSE_DETECTED
    }
    return [
        event
        for event in events
        if not (
            event.kind == EventKind.REVOKED
            and event.reason == RevocationReason.REUSE_DETECTED
            and (event.session_id, event.created_at) in alarms
        )
    ]


def _entries(site: AdminSite, lines: Iterable[Sequence[SessionEvent]]) -> Iterator[Entry]:
    before: datetime | None = None
    for events in lines:
        first, last = events[0], events[-1]
        yield Entry(
            mark=_mark(first),
            title=_title(first, len(events)),
            sentence=_sentence(first),
            pause=_pause(before, first.created_at),
            at=time_cell(first.created_at),
            until=time_cell(last.created_at) if len(events) > 1 else "",
            client=client_cell(first),
            address=first.ip_address or "",
            actor="" if first.actor is None else str(first.actor),
            session_url=_session_url(site, first),
            session_end=str(first.session_id or "")[-8:],
        )
        before = last.created_at


def _session_url(site: AdminSite, event: Any) -> str:
    is_kept = event.session_id is not None and getattr(event, "session_is_kept", True)
    return session_url(site, event.session_id) if is_kept else ""


def _pause(before: datetime | None, now: datetime) -> str:
    if before is None or now - before < NO_PAUSE:
        return ""
    return _("%(time)s later") % {"time": timesince(before, now, depth=1)}


def _mark(event: SessionEvent) -> Mark:
    match event.kind:
        case EventKind.STARTED:
            return Mark.START
        case EventKind.ROTATED:
            return Mark.REFRESH
        case EventKind.NEW_CLIENT:
            return Mark.CLIENT
        case EventKind.REUSE_DETECTED:
            return Mark.ALARM
        case EventKind.REVOKED if event.reason == RevocationReason.REUSE_DETECTED:
            return Mark.ALARM
        case EventKind.REVOKED | EventKind.EVERYBODY_ENDED:
            return Mark.END
        case _:
            return Mark.NOTE


def _title(event: SessionEvent, count: int) -> str:
    if event.kind == EventKind.ROTATED:
        title = ngettext("Refreshed", "Refreshed %(count)d times", count)
        return title % {"count": count} if count > 1 else title
    return capfirst(event.get_kind_display())


def _sentence(event: SessionEvent) -> SafeString | str:
    match event.kind:
        case EventKind.REUSE_DETECTED:
            return _theft(event)
        case EventKind.REVOKED:
            return capfirst(event.get_reason_display())
        case EventKind.NEW_CLIENT:
            return _("From here on the client calls itself something else.")
        case EventKind.CAUGHT_UP:
            return _(
                "The client held a newer token than the database knew of, "
                "as after a failover or a restored backup."
            )
        case _:
            return ""


def _theft(event: SessionEvent) -> SafeString:
    """In words for those who never heard of refresh tokens."""
    return format_html(
        _(
            "A refresh token that had been used already came back from {address}, {client}. "
            "Two parties held it, so the session was ended."
        ),
        address=event.ip_address or _("an unknown address"),
        client=client_cell(event) or _("an unknown client"),
    )
