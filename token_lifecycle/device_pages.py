"""The page "Your devices": where a person is signed in, and the buttons that end it.

Plain Django, for people who signed in through ``django.contrib.auth``. Nothing but a POST with a
CSRF token ends anything, and nobody sees or ends what is not theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from . import lifecycle, tokens
from .device_base import SIGN_IN_AGAIN, DevicePage
from .device_rows import SHOWN_COLUMNS, DeviceRow
from .exceptions import Unavailable
from .managers import SessionQuerySet
from .models import RevocationReason, Session

#: Sessions on one page, beside the one that is looking.
PAGE_SIZE = 25


class DeviceList(DevicePage):
    """GET: the sessions, this one first and then the newest; a page at a time, never counted."""

    def get(self, request: HttpRequest, **captured: Any) -> HttpResponse:
        now = timezone.now()
        before = self._before()
        others = self._others(now, before)
        rows = list(others[: PAGE_SIZE + 1])
        shown = rows[:PAGE_SIZE]
        this = [] if before else self._this(now)
        has_more = len(rows) > PAGE_SIZE
        return self.page(
            "list.html",
            devices=list(self._devices([*this, *shown])),
            others_url=self.url("sign-out-others"),
            all_url=self.url("sign-out-all"),
            has_others=bool(shown or before),
            newest_url=self.url("list") if before else "",
            older_url=f"{self.url('list')}?before={shown[-1].pk}" if has_more else "",
        )

    def _before(self) -> UUID | None:
        """Behind which session the page begins; the key is in the order of sign-ins."""
        text = self.request.GET.get("before")
        if text is None:
            return None
        before = tokens.canonical_uuid(text)
        if before is None:
            raise Http404
        return before

    def _others(self, now: datetime, before: UUID | None) -> SessionQuerySet:
        others = self.sessions(now).except_for(self.this_session_id)
        others = others if before is None else others.filter(pk__lt=before)
        return others.order_by("-pk").only(*SHOWN_COLUMNS)

    def _this(self, now: datetime) -> list[Session]:
        if self.this_session_id is None:
            return []
        this = self.sessions(now).filter(pk=self.this_session_id)
        return list(this.only(*SHOWN_COLUMNS))

    def _devices(self, sessions: list[Session]) -> Iterator[DeviceRow]:
        for session in sessions:
            yield DeviceRow(
                session=session,
                is_this=session.pk == self.this_session_id,
                sign_out_url=self.url("sign-out", session_id=session.pk),
            )


class EndDevice(DevicePage):
    """POST: end one session; anybody else's answers like a missing one."""

    def post(self, request: HttpRequest, session_id: UUID, **captured: Any) -> HttpResponse:
        now = timezone.now()
        is_this = session_id == self.this_session_id
        if not is_this and not self.is_recent(now):
            return self.sign_in_again()
        reason = RevocationReason.LOGOUT if is_this else RevocationReason.ENDED_BY_USER
        about = self.about_this_call()
        try:
            ended = lifecycle.revoke_session(
                session_id, user=request.user, reason=reason, now=now, **about
            )
        except Unavailable:
            return self.busy()
        if is_this:
            return self.sign_out_here()
        if ended:
            self.tell(messages.SUCCESS, _("The device is signed out."))
        elif Session.objects.primary().of(request.user).filter(pk=session_id).exists():
            # A second click, or somebody was faster.
            self.tell(messages.INFO, _("The device was signed out already."))
        else:
            raise Http404
        return self.back_to_list()


class EndDevices(DevicePage):
    """GET asks, POST ends all sessions, or all but the one that asks."""

    keeps_this: ClassVar[bool]
    question: ClassVar[Any]
    explanation: ClassVar[Any]

    def get(self, request: HttpRequest, **captured: Any) -> HttpResponse:
        # Nothing but a POST signs anybody out, this browser before a new sign-in included.
        is_recent = self.is_recent(timezone.now())
        return self.page(
            "confirm.html",
            question=self.question,
            explanation=self.explanation if is_recent else SIGN_IN_AGAIN,
            is_recent=is_recent,
        )

    def post(self, request: HttpRequest, **captured: Any) -> HttpResponse:
        now = timezone.now()
        if not self.is_recent(now):
            return self.sign_in_again()
        keep = self.this_session_id if self.keeps_this else None
        about = self.about_this_call()
        try:
            ended = lifecycle.revoke_sessions_of(
                request.user, keep=keep, reason=RevocationReason.LOGOUT_ALL, now=now, **about
            )
        except Unavailable:
            return self.busy()
        if not self.keeps_this:
            return self.sign_out_here()
        text = ngettext(
            "%(count)d device is signed out.", "%(count)d devices are signed out.", ended
        )
        self.tell(messages.SUCCESS, text % {"count": ended})
        return self.back_to_list()


class EndOtherDevices(EndDevices):
    """All but this browser."""

    keeps_this = True
    question = gettext_lazy("Sign out all other devices?")
    explanation = gettext_lazy(
        "This browser stays signed in. Everything else has to sign in again."
    )


class EndAllDevices(EndDevices):
    """All of them, this browser as well."""

    keeps_this = False
    question = gettext_lazy("Sign out everywhere?")
    explanation = gettext_lazy("All your devices have to sign in again, this browser as well.")
