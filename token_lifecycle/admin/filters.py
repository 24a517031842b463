"""The filter by what a session is at this moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..managers import SessionQuerySet, newest_cutoff
from ..models import SessionStatus

#: ``Session.status`` as conditions: the database decides, for no column holds a status.
CONDITIONS: dict[str, Callable[[SessionQuerySet, datetime], SessionQuerySet]] = {
    SessionStatus.LIVE: lambda rows, now: rows.live(now),
    SessionStatus.IDLE: lambda rows, now: _not_ended(rows).filter(
        expires_at__gt=now, idle_expires_at__lte=now
    ),
    SessionStatus.EXPIRED: lambda rows, now: _not_ended(rows).filter(expires_at__lte=now),
    SessionStatus.ENDED: lambda rows, now: rows.filter(
        Q(revoked_at__isnull=False) | Q(created_at__lte=newest_cutoff(rows.model))
    ),
}


def _not_ended(rows: SessionQuerySet) -> SessionQuerySet:
    return rows.filter(revoked_at=None, created_at__gt=newest_cutoff(rows.model))


class StatusFilter(admin.SimpleListFilter):
    """Live, idle, expired or ended."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(SessionStatus.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        condition = CONDITIONS.get(self.value() or "")
        return condition(queryset, timezone.now()) if condition else queryset
