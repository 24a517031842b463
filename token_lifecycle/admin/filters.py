"""What the lists can be narrowed to, each in a way that an index serves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..managers import SessionQuerySet
from ..models import Cutoff, EventKind, RevocationReason, SessionEvent, SessionStatus
from ..statements import NEVER

#: How far the clock of whoever made a key may have been behind the one of whoever wrote the time.
SLACK = timedelta(hours=1)


def first_key(at: datetime) -> UUID:
    """No session that signed in at ``at`` or later has a smaller key.

    Keys are UUIDv7s, made when the row is: hardly before the moment that is written into it. The
    other way round nothing follows: a project may bring in sessions that began long ago.
    """
    since_1970 = max(at - NEVER - SLACK, timedelta(0)) // timedelta(milliseconds=1)
    return UUID(int=since_1970 << 80 | 0x7 << 76 | 0b10 << 62)


def _live(rows: SessionQuerySet, now: datetime) -> SessionQuerySet:
    return _not_cut_off(rows.live(now))


def _idle(rows: SessionQuerySet, now: datetime) -> SessionQuerySet:
    past_the_limit = rows.filter(revoked_at=None, expires_at__gt=now, idle_expires_at__lte=now)
    return _not_cut_off(past_the_limit)


def _expired(rows: SessionQuerySet, now: datetime) -> SessionQuerySet:
    return _not_cut_off(rows.filter(revoked_at=None, expires_at__lte=now))


def _ended(rows: SessionQuerySet, now: datetime) -> SessionQuerySet:
    ended = Q(revoked_at__isnull=False)
    cutoff = _newest_cutoff(rows)
    return rows.filter(ended if cutoff is None else ended | Q(created_at__lte=cutoff))


def _not_cut_off(rows: SessionQuerySet) -> SessionQuerySet:
    cutoff = _newest_cutoff(rows)
    if cutoff is None:
        return rows
    return rows.filter(created_at__gt=cutoff, pk__gte=first_key(cutoff))


def _newest_cutoff(rows: SessionQuerySet) -> datetime | None:
    """Read beforehand: a condition with the moment in it has an index, one with a subquery none."""
    return Cutoff.objects.using(rows.db).order_by("-at").values_list("at", flat=True).first()


#: ``Session.status`` as conditions: the database decides, for no column holds a status.
CONDITIONS: dict[str, Callable[[SessionQuerySet, datetime], SessionQuerySet]] = {
    SessionStatus.LIVE: _live,
    SessionStatus.IDLE: _idle,
    SessionStatus.EXPIRED: _expired,
    SessionStatus.ENDED: _ended,
}

#: Those past a limit in the order of their limit, which has an index: the newest sign-ins are all
#: live, and the list would walk over these to find the first of the others.
ORDERS: dict[str, tuple[str, ...]] = {
    SessionStatus.IDLE: ("expires_at", "-pk"),
    SessionStatus.EXPIRED: ("-expires_at", "-pk"),
}


class StatusFilter(admin.SimpleListFilter):
    """Live, idle, expired or ended.

    What is idle has no index of its own, for every refresh would write it: those that are looked
    at are the sessions before their last limit, from the one that reaches it first.
    """

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(SessionStatus.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if not value:
            return queryset
        if value not in CONDITIONS:
            raise IncorrectLookupParameters("no such status")
        return CONDITIONS[value](queryset, timezone.now())


class SignedInFilter(admin.DateFieldListFilter):
    """By the time of the sign-in, which has no index, and therefore also by the key, which has."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        rows: Any = super().queryset(request, queryset)
        earliest = [_moment(value) for value in self._given(self.lookup_kwarg_since)]
        return rows.filter(pk__gte=first_key(min(earliest))) if earliest else rows

    def _given(self, name: str) -> list[Any]:
        given: Any = self.used_parameters.get(name, [])
        return given if isinstance(given, list) else [given]


def _moment(value: Any) -> datetime:
    """What Django takes ``value`` for; it has been compared already, and so is a moment."""
    moment: datetime = SessionEvent._meta.get_field("created_at").to_python(value)
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


class EventFilter(admin.SimpleListFilter):
    """By what happened, and for what ended also by why: one index has both, in this order."""

    title = _("event")
    parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        kinds = [(str(kind), kind.label) for kind in EventKind if kind != EventKind.REVOKED]
        ended = EventKind.REVOKED
        reasons = [
            (f"{ended}:{reason}", f"{ended.label}: {reason.label}") for reason in RevocationReason
        ]
        return [*kinds, (str(ended), ended.label), *reasons]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        if value not in dict(self.lookup_choices):
            raise IncorrectLookupParameters("no such event")
        kind, _, reason = value.partition(":")
        if kind == EventKind.REVOKED and not reason:
            return queryset.filter(kind=kind)
        # Only what ended has a reason; said here, it lets the index find the newest at once.
        return queryset.filter(kind=kind, reason=reason)
