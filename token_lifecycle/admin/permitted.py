"""What a member of staff may do to each of many sessions, where a project decides of each.

A project that protects some accounts overrides ``has_end_session_permission(request, obj)`` or
``has_delete_permission(request, obj)``. Where it does, every session is asked about; where it does
not, no statement is needed to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from ..models import Session
from .rows import BATCH, SECRETS


def is_overridden(admin: Any, base: type[Any], name: str) -> bool:
    """Whether the method that ``base`` has under this name is another one in ``admin``."""
    return getattr(getattr(admin, name), "__func__", None) is not getattr(base, name)


def permitted(sessions: Iterable[Session], may: Callable[[Session], bool]) -> list[Session]:
    """Those of ``sessions`` of which ``may`` says so. Each is read whole, with its user."""
    rows = list(sessions)
    allowed: set[UUID] = set()
    for start in range(0, len(rows), BATCH):
        keys = [row.pk for row in rows[start : start + BATCH]]
        whole = Session.objects.primary().with_cutoff().filter(pk__in=keys)
        read = whole.select_related("user").defer(*SECRETS)
        allowed.update(session.pk for session in read if may(session))
    return [row for row in rows if row.pk in allowed]
