"""The page "Your devices": where a person is signed in, and the buttons that end it.

Plain Django, for people who signed in through ``django.contrib.auth``. Nothing but a POST with a
CSRF token ends anything, and nobody sees or ends what is not theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.generic import View

from . import lifecycle, tokens
from .conf import app_settings
from .device import Device
from .device_rows import SHOWN_COLUMNS, DeviceRow
from .exceptions import Unavailable
from .managers import SessionQuerySet
from .models import RevocationReason, Session

APP_NAME = "token_lifecycle_devices"

#: Sessions on one page, beside the one that is looking.
PAGE_SIZE = 25


@method_decorator([never_cache, csrf_protect], name="dispatch")
class DevicePage(LoginRequiredMixin, View):
    """What the pages share: whose they are, where they are, and how they end something."""

    #: How long ago the person must have signed in, here, to end other sessions (ASVS 7.5.2).
    #: None: any time. Needs ``contrib.browser_sessions``, which knows when that was.
    recent: timedelta | None = None

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        # What the project's own part of the route captured (a tenant, a language).
        self.captured = {name: value for name, value in kwargs.items() if name != "session_id"}

    @property
    def this_session_id(self) -> UUID | None:
        """The session that is looking, where something knows it."""
        return getattr(self.request, "token_session_id", None)

    def sessions(self, now: datetime) -> SessionQuerySet:
        """The person's live sessions."""
        sessions: SessionQuerySet = Session.objects.primary().of(self.request.user).live(now)
        return sessions

    def url(self, name: str, **arguments: Any) -> str:
        """The address of one of these pages, in the mount that is being looked at."""
        match = self.request.resolver_match
        return reverse(
            f"{APP_NAME}:{name}",
            kwargs={**self.captured, **arguments},
            current_app=match.namespace if match else None,
        )

    def handle_no_permission(self) -> HttpResponseRedirect:
        """To the sign-in, and from there to the list: coming back cannot repeat a POST."""
        return redirect_to_login(
            self.url("list"), self.get_login_url(), self.get_redirect_field_name()
        )

    def page(self, template: str, **context: Any) -> HttpResponse:
        context |= {"list_url": self.url("list")}
        return render(self.request, f"token_lifecycle/devices/{template}", context)

    def tell(self, level: int, text: str) -> None:
        """Show a message on the next page, where the project has messages."""
        messages.add_message(self.request, level, text, fail_silently=True)

    def back_to_list(self) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url("list"))

    def is_recent(self, now: datetime) -> bool:
        """Whether the person signed in recently enough to end other sessions.

        :raises ImproperlyConfigured: nothing knows when that was.
        """
        if self.recent is None:
            return True
        if self.this_session_id is None:
            raise ImproperlyConfigured(
                "recent= needs token_lifecycle.contrib.browser_sessions and its middleware."
            )
        since = now - self.recent
        this = self.sessions(now).filter(pk=self.this_session_id, created_at__gte=since)
        return this.exists()

    def sign_in_again(self) -> HttpResponseRedirect:
        self.tell(messages.INFO, _("Please sign in once more before you sign out other devices."))
        return self.handle_no_permission()

    def about_this_call(self) -> dict[str, Any]:
        """Who asks for an end, and from where."""
        proxies = app_settings.trusted_proxies
        device = Device.from_request(self.request, trusted_proxies=proxies)
        return {"actor": self.request.user, "device": device}

    def sign_out_here(self) -> HttpResponseRedirect:
        """Leave this browser as well."""
        auth.logout(self.request)
        self.tell(messages.SUCCESS, _("You are signed out."))
        return HttpResponseRedirect(resolve_url(settings.LOGOUT_REDIRECT_URL or settings.LOGIN_URL))

    def busy(self) -> HttpResponseRedirect:
        text = _("The database was busy, and nothing was changed. Please try again.")
        self.tell(messages.ERROR, text)
        return self.back_to_list()


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
        if not self.is_recent(timezone.now()):
            return self.sign_in_again()
        return self.page("confirm.html", question=self.question, explanation=self.explanation)

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
