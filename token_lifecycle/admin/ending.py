"""End sessions from the admin: some, one, or all of a user's; asked first, and written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .. import journal, lifecycle, tokens
from ..device import Device
from ..exceptions import Unavailable
from ..managers import SessionQuerySet
from ..models import RevocationReason, Session
from . import counting
from .base import ReadOnlyAdmin
from .confirming import NAMED, Question, ask, is_across, is_confirmed, own_sentence, wish_of
from .counting import counted
from .permitted import is_overridden, permitted
from .rows import SECRETS, log, plain
from .selection import Selection, named
from .wording import (
    beyond_text,
    busy_text,
    ended_text,
    others_text,
    too_many_text,
    too_many_users_text,
    what_ends,
)

#: More than this are ended, or deleted, by nobody who waits for a page.
AT_ONCE = 50_000


class EndingAdmin(ReadOnlyAdmin[Session]):
    """Two actions of the list, behind a permission of their own and a page that asks.

    Whatever was posted, only sessions of ``get_queryset(request)`` end.
    """

    actions = ["end_selected", "end_all_of_users"]

    def has_end_session_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        """Whether this member of staff may end sessions, or this one."""
        return request.user.has_perm(f"{self.opts.app_label}.end_session")

    def _decides_of_each(self) -> bool:
        """Whether a project has rules of its own about which sessions may be ended."""
        return is_overridden(self, EndingAdmin, "has_end_session_permission")

    def _endable_of(self, request: HttpRequest, live: Sequence[Session]) -> Sequence[Session]:
        """Those of ``live`` that this member of staff may end."""
        if not self._decides_of_each():
            return live
        return permitted(live, lambda each: self.has_end_session_permission(request, each))

    def get_queryset(self, request: HttpRequest) -> Any:
        sessions: Any = super().get_queryset(request)
        return sessions.defer(*SECRETS).with_cutoff()

    # From the list

    @admin.action(permissions=["end_session"], description=gettext_lazy("End selected sessions"))
    def end_selected(self, request: HttpRequest, queryset: SessionQuerySet) -> HttpResponse:
        if is_across(request) and (refusal := self._refuse_beyond(request, queryset, AT_ONCE)):
            return refusal
        return self._ask_or_end(
            request,
            queryset,
            title=_("End the selected sessions"),
            back=request.get_full_path(),
            hidden=wish_of(request, "end_selected"),
        )

    @admin.action(
        permissions=["end_session"], description=gettext_lazy("End all sessions of these users")
    )
    def end_all_of_users(self, request: HttpRequest, queryset: SessionQuerySet) -> HttpResponse:
        # A list and not a subquery: MySQL updates no table that it selects from.
        rows = plain(queryset).exclude(user=None).order_by("-pk")
        if (count := counted(rows)).is_more:
            self.message_user(request, too_many_users_text(count.number), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        users = set(rows.values_list("user", flat=True))
        return self._ask_or_end(
            request,
            self.get_queryset(request).filter(user__in=users),
            title=_("End all sessions of these users"),
            back=request.get_full_path(),
            hidden=wish_of(request, "end_all_of_users"),
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if request.method == "POST":
            self._refuse_without_permission(request)
        return super().changelist_view(request, extra_context)

    def _refuse_without_permission(self, request: HttpRequest) -> None:
        """Answer 403 where Django would go on as if no action had been posted."""
        for name in request.POST.getlist("action"):
            permissions = self.needed_permissions().get(name, ())
            if not all(may(request) for may in permissions):
                raise PermissionDenied

    def needed_permissions(self) -> dict[str, tuple[Callable[[HttpRequest], bool], ...]]:
        """What each action of the list needs beside the permission to look."""
        may_end = (self.has_end_session_permission,)
        return {"end_selected": may_end, "end_all_of_users": may_end}

    def response_action(
        self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Answer 400 to keys that are none, where Django would fail."""
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if any(tokens.canonical_uuid(key) is None for key in keys):
            raise BadRequest("not the id of a session")
        return super().response_action(request, queryset, *args, **kwargs)

    # Addresses

    def _name(self, what: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{what}"

    def url_of(self, request: HttpRequest, what: str, *args: Any) -> str:
        """The address of one of this admin's pages, which remembers the list one came from."""
        url = reverse(f"admin:{self._name(what)}", args=args, current_app=self.admin_site.name)
        filters = self.get_preserved_filters(request)
        return add_preserved_filters({"preserved_filters": filters, "opts": self.opts}, url)

    def _page_of(self, request: HttpRequest, session: Session) -> str:
        return self.url_of(request, "change", session.pk)

    # Ask, end, tell, write down

    def _refuse_beyond(
        self, request: HttpRequest, sessions: SessionQuerySet, bound: int, back: str = ""
    ) -> HttpResponse | None:
        """Back with a message, where these are more than can be done while somebody waits."""
        if not counted(plain(sessions).order_by("-pk"), bound).is_more:
            return None
        self.message_user(request, too_many_text(bound), messages.ERROR)
        return HttpResponseRedirect(back or request.get_full_path())

    def _ask_or_end(
        self,
        request: HttpRequest,
        sessions: SessionQuerySet,
        *,
        title: str,
        back: str,
        hidden: Any = (),
    ) -> HttpResponse:
        if self._decides_of_each() and (
            refusal := self._refuse_beyond(request, sessions, counting.BOUND, back)
        ):
            return refusal
        if is_confirmed(request):
            self._end_and_tell(request, sessions)
            return HttpResponseRedirect(back)
        selection = Selection.of(sessions)
        alive = selection.live(timezone.now())
        live = self._endable_of(request, alive)
        rest = beyond_text(len(selection.newest)) if selection.is_more else []
        question = Question(
            title=title,
            sessions=named(live[:NAMED]),
            count=len(live),
            is_more=selection.is_more,
            sentences=rest
            + what_ends(live, len(selection.newest) - len(alive), len(alive) - len(live))
            + own_sentence(request, selection, live),
            button=ngettext("Yes, end it", "Yes, end them", len(live)),
            back=back,
            hidden=hidden,
        )
        return ask(self, request, question)

    def _end_and_tell(self, request: HttpRequest, sessions: SessionQuerySet) -> None:
        try:
            ended = self.end_sessions(request, sessions)
        except Unavailable:
            self.message_user(request, busy_text(), messages.ERROR)
            return
        if ended:
            self.message_user(request, ended_text(ended), messages.SUCCESS)
            return
        none = _("No session was ended: none of them was live any more.")
        text = others_text() if self._decides_of_each() else none
        self.message_user(request, text, messages.WARNING)

    def end_sessions(
        self, request: HttpRequest, sessions: SessionQuerySet, *, now: datetime | None = None
    ) -> int:
        """End the live ones of ``sessions``; how many. With the admin log in one transaction.

        Where the project decides of each, those of which it says no are left alone.

        :raises PermissionDenied: without the permission to end sessions, wherever it came from;
            and where there are more than can be decided of one by one.
        """
        if not self.has_end_session_permission(request):
            raise PermissionDenied
        moment = now or timezone.now()

        def work() -> int:
            ended = lifecycle.revoke_sessions(
                self._to_end(request, sessions, moment),
                reason=RevocationReason.ADMIN,
                actor=request.user,
                device=Device.from_request(request),
                now=moment,
            )
            if ended:
                rows = Session.objects.primary().ended(at=moment, reason=RevocationReason.ADMIN)
                rows = rows.select_related("user").defer(*SECRETS)
                log(request, rows, CHANGE, gettext_lazy("Ended the session."))
            return ended

        return journal.in_transaction(work)

    def _to_end(
        self, request: HttpRequest, sessions: SessionQuerySet, now: datetime
    ) -> SessionQuerySet:
        if not self._decides_of_each():
            return plain(sessions)
        selection = Selection.of(sessions)
        if selection.is_more:
            raise PermissionDenied
        live = self._endable_of(request, selection.live(now))
        return Session.objects.primary().filter(pk__in=[session.pk for session in live])
