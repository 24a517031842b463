"""What every page of "Your devices" can do: whose it is, where it is, and how it answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.generic import View

from .device import Device
from .exceptions import Unavailable
from .managers import SessionQuerySet
from .models import Session

APP_NAME = "token_lifecycle_devices"

SIGN_IN_AGAIN = gettext_lazy("Please sign in once more before you sign out other devices.")


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

    def tell(self, level: int, text: str | Promise) -> None:
        """Show a message on the next page, where the project has messages."""
        messages.add_message(self.request, level, str(text), fail_silently=True)

    def back_to_list(self) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url("list"))

    def is_recent(self, now: datetime) -> bool:
        """Whether the person signed in recently enough to end other sessions.

        :raises ImproperlyConfigured: nothing knows when that was.
        """
        if self.recent is None:
            return True
        if not hasattr(self.request, "token_session_id"):
            raise ImproperlyConfigured(
                "recent= needs token_lifecycle.contrib.browser_sessions and its middleware."
            )
        if self.this_session_id is None or getattr(self.request, "token_session_adopted", False):
            return False  # a sign-in from before the app, whenever that was
        since = now - self.recent
        this = self.sessions(now).filter(pk=self.this_session_id, created_at__gte=since)
        return this.exists()

    def sign_in_again(self) -> HttpResponseRedirect:
        """To the sign-in, as nobody: many a login view sends back unasked who is signed in."""
        try:
            auth.logout(self.request)
        except Unavailable:
            return self.busy()
        self.tell(messages.INFO, SIGN_IN_AGAIN)
        return self.handle_no_permission()

    def about_this_call(self) -> dict[str, Any]:
        """Who asks for an end, and from where."""
        return {"actor": self.request.user, "device": Device.from_request(self.request)}

    def sign_out_here(self) -> HttpResponseRedirect:
        """Leave this browser as well."""
        auth.logout(self.request)
        self.tell(messages.SUCCESS, _("You are signed out."))
        return HttpResponseRedirect(resolve_url(settings.LOGOUT_REDIRECT_URL or settings.LOGIN_URL))

    def busy(self) -> HttpResponseRedirect:
        text = _("The database was busy, and nothing was changed. Please try again.")
        self.tell(messages.ERROR, text)
        return self.back_to_list()
