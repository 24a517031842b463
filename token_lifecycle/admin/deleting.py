"""Delete sessions from the admin, which for a live one means: end it, and keep the row.

An ended row is what tells that an access token is dead. It stays until the last access token of
its session has expired; then it can be removed here, or ``prune_sessions`` does so in time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import journal
from ..conf import app_settings
from ..exceptions import Unavailable
from ..managers import SessionQuerySet
from ..models import Session
from . import counting
from .confirming import NAMED, Question, ask, is_across, is_confirmed, own_sentence, wish_of
from .ending import AT_ONCE, EndingAdmin
from .permitted import is_overridden, permitted
from .rows import BATCH, SECRETS, log, plain
from .selection import Selection, named
from .wording import (
    beyond_text,
    busy_text,
    ended_text,
    kept_text,
    not_to_end_text,
    removed_text,
    what_goes,
    withheld_text,
)


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What deleting a set of sessions does, or did."""

    ended: int
    """Live: ended, and kept."""
    removed: int
    """Over for longer than an access token lives: removed."""
    kept: int
    """Over for less: kept as they are."""


class DeletingAdmin(EndingAdmin):
    """Django's "delete", by every way that leads to it, with the rule above."""

    actions = [*EndingAdmin.actions, "delete_selected"]

    def has_delete_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        """As usual; for a live session also the permission to end it."""
        if not super().has_delete_permission(request, obj):
            return False
        live = obj is not None and obj.is_live(timezone.now())
        return not live or self.has_end_session_permission(request, obj)

    def _decides_of_each_removal(self) -> bool:
        own_rule = is_overridden(self, DeletingAdmin, "has_delete_permission")
        return own_rule or self._decides_of_each()

    def _deletable_of(self, request: HttpRequest, rows: Sequence[Session]) -> Sequence[Session]:
        """Those of ``rows`` that this member of staff may delete."""
        if not self._decides_of_each_removal():
            return rows
        return permitted(rows, lambda each: self.has_delete_permission(request, each))

    def needed_permissions(self) -> dict[str, tuple[Callable[[HttpRequest], bool], ...]]:
        return {**super().needed_permissions(), "delete_selected": (self.has_delete_permission,)}

    def get_action(self, action: Any, *args: Any, **kwargs: Any) -> Any:
        """Without "delete" where the project took it from the whole site."""
        if action == "delete_selected" and action not in {
            name for name, _ in self.admin_site.actions
        }:
            return None
        return super().get_action(action, *args, **kwargs)

    @admin.action(
        permissions=["delete"], description=gettext_lazy("Delete selected %(verbose_name_plural)s")
    )
    def delete_selected(self, request: HttpRequest, queryset: SessionQuerySet) -> HttpResponse:
        here = request.get_full_path()
        bound = counting.BOUND if self._decides_of_each_removal() else AT_ONCE
        if is_across(request) and (refusal := self._refuse_beyond(request, queryset, bound)):
            return refusal
        if not self.has_end_session_permission(request) and _has_live(queryset):
            self.message_user(request, not_to_end_text(), messages.ERROR)
            return HttpResponseRedirect(here)
        if is_confirmed(request):
            return self._remove_and_tell(request, queryset, then=here)
        hidden = wish_of(request, "delete_selected")
        return self._ask_to_remove(request, queryset, back=here, hidden=hidden)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """GET asks, POST deletes this session."""
        session = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, session):
            raise PermissionDenied
        if session is None:
            raise Http404
        sessions = self.get_queryset(request).filter(pk=session.pk)
        if is_confirmed(request):
            return self._remove_and_tell(request, sessions, then=self._list_or_index(request))
        return self._ask_to_remove(request, sessions, back=self._page_of(request, session))

    def delete_model(self, request: HttpRequest, obj: Session) -> None:
        self.remove_sessions(request, self.get_queryset(request).filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        self.remove_sessions(request, queryset)

    def remove_sessions(self, request: HttpRequest, sessions: SessionQuerySet) -> Removal:
        """End the live ones, remove those that nothing depends on, and log both.

        Where the project decides of each, those of which it says no are left alone.

        :raises PermissionDenied: there are live ones, and the user may not end sessions; or there
            are more than can be decided of one by one.
        """
        now = timezone.now()

        def work() -> Removal:
            rows = self._to_delete(request, sessions)
            plan = removal_of(rows, now)
            over = list(rows.filter(removable(now)).select_related("user").defer(*SECRETS))
            ended = self.end_sessions(request, rows, now=now) if plan.ended else 0
            log(request, over, DELETION)
            removed = _remove([session.pk for session in over], now)
            everything = plan.ended + plan.removed + plan.kept
            return Removal(ended=ended, removed=removed, kept=everything - ended - removed)

        return journal.in_transaction(work)

    def _to_delete(self, request: HttpRequest, sessions: SessionQuerySet) -> SessionQuerySet:
        if not self._decides_of_each_removal():
            return plain(sessions)
        selection = Selection.of(sessions)
        if selection.is_more:
            raise PermissionDenied
        rows = self._deletable_of(request, selection.newest)
        return Session.objects.primary().filter(pk__in=[session.pk for session in rows])

    def _ask_to_remove(
        self, request: HttpRequest, sessions: SessionQuerySet, *, back: str, hidden: Any = ()
    ) -> HttpResponse:
        selection = Selection.of(sessions)
        now = timezone.now()
        rows = self._deletable_of(request, selection.newest)
        plan = removal_of_each(rows, now)
        if plan.ended and not self.has_end_session_permission(request):
            raise PermissionDenied
        rest = beyond_text(len(selection.newest)) if selection.is_more else []
        question = Question(
            title=_("Delete sessions"),
            sessions=named(rows[:NAMED]),
            count=len(rows),
            is_more=selection.is_more,
            sentences=rest
            + what_goes(ended=plan.ended, removed=plan.removed, kept=plan.kept)
            + withheld_text(len(selection.newest) - len(rows))
            + own_sentence(request, selection, [row for row in rows if row.is_live(now)]),
            button=_("Yes, delete") if plan.ended or plan.removed else "",
            back=back,
            hidden=hidden,
        )
        return ask(self, request, question)

    def _remove_and_tell(
        self, request: HttpRequest, sessions: SessionQuerySet, *, then: str
    ) -> HttpResponse:
        try:
            done = self.remove_sessions(request, sessions)
        except Unavailable:
            self.message_user(request, busy_text(), messages.ERROR)
            return HttpResponseRedirect(then)
        if done.removed:
            self.message_user(request, removed_text(done.removed), messages.SUCCESS)
        if done.ended:
            self.message_user(request, ended_text(done.ended), messages.SUCCESS)
        if done.ended or done.kept:
            self.message_user(request, kept_text(done.ended + done.kept), messages.INFO)
        return HttpResponseRedirect(then)

    def _list_or_index(self, request: HttpRequest) -> str:
        if self.has_view_permission(request):
            return self.url_of(request, "changelist")
        return reverse("admin:index", current_app=self.admin_site.name)


def removable(now: datetime) -> Q:
    """Over, and no access token of theirs is alive for which the row would be missed."""
    issued_before = now - app_settings.access_token_reach
    past_a_limit = Q(expires_at__lte=now) | Q(idle_expires_at__lte=now)
    return Q(revoked_at__lte=issued_before) | (Q(revoked_at=None) & past_a_limit)


def _has_live(sessions: SessionQuerySet) -> bool:
    return plain(sessions).live(timezone.now()).exists()


def removal_of(sessions: SessionQuerySet, now: datetime) -> Removal:
    """What deleting these would do at ``now``."""
    rows = plain(sessions)
    live, gone = rows.live(now).count(), rows.filter(removable(now)).count()
    return Removal(ended=live, removed=gone, kept=rows.count() - live - gone)


def removal_of_each(sessions: Sequence[Session], now: datetime) -> Removal:
    """The same, told by rows that have been read."""
    live = sum(session.is_live(now) for session in sessions)
    gone = sum(_is_removable(session, now) for session in sessions)
    return Removal(ended=live, removed=gone, kept=len(sessions) - live - gone)


def _is_removable(session: Session, now: datetime) -> bool:
    """What ``removable`` says of a row."""
    if session.revoked_at is not None:
        return session.revoked_at <= now - app_settings.access_token_reach
    return session.expires_at <= now or session.idle_expires_at <= now


def _remove(keys: list[Any], now: datetime) -> int:
    removed = 0
    for start in range(0, len(keys), BATCH):
        batch = Session.objects.primary().filter(removable(now), pk__in=keys[start : start + BATCH])
        removed += batch.delete()[0]
    return removed
