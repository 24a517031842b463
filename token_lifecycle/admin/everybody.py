"""Log everyone out: for superusers, on a page that says what it means and wants it spelt out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import journal, lifecycle, statistics
from ..device import Device
from ..exceptions import Unavailable
from ..models import Cutoff, Session
from ..statistics import Live
from .charts import figure
from .overview import OverviewAdmin
from .rows import language_of_the_log
from .wording import busy_text, effect_text, own_text

TEMPLATE = "admin/token_lifecycle/session/end_everybody.html"

#: How many sessions are written before the answer; it takes about a second.
SWEPT_AT_ONCE = 2000


class PhraseForm(forms.Form):
    """Nobody types a sentence by mistake."""

    phrase = forms.CharField(
        max_length=100,
        widget=forms.TextInput(
            attrs={
                "class": "vTextField",
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        label = _("To log everyone out, type “%(phrase)s”")
        self.fields["phrase"].label = label % {"phrase": phrase()}

    def clean_phrase(self) -> str:
        typed = " ".join(self.cleaned_data["phrase"].split())
        if typed.casefold() != phrase().casefold():
            raise ValidationError(_("This is not the phrase. Nobody was logged out."))
        return typed


class EndingEverybodyAdmin(OverviewAdmin):
    """The button of last resort."""

    def has_end_everybody_permission(self, request: HttpRequest) -> bool:
        """Whether this member of staff may log everyone out."""
        return bool(getattr(request.user, "is_superuser", False))

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.end_everybody_view)
        return [path("end-everybody/", view, name=self._name("end_everybody")), *super().get_urls()]

    def overview_buttons(self, request: HttpRequest) -> list[dict[str, str]]:
        buttons = super().overview_buttons(request)
        if self.has_end_everybody_permission(request):
            url = self.url_of(request, "end_everybody")
            buttons.append({"url": url, "label": _("Log everyone out")})
        return buttons

    def end_everybody_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks; POST logs everyone out, where the phrase is right."""
        if not self.has_end_everybody_permission(request):
            raise PermissionDenied
        now = timezone.now()
        form = PhraseForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            self._end_everybody_and_tell(request, now)
            return HttpResponseRedirect(self._back(request))
        context = {
            **self.page_context(request, title=_("Log everyone out")),
            "form": form,
            "sentences": what_ends_for_everybody(
                statistics.live_sessions(now),
                # Where the middleware of browser_sessions has been, rows are what lets people in.
                ends_sign_ins=hasattr(request, "token_session_id"),
            ),
            "back": self._back(request),
        }
        return TemplateResponse(request, TEMPLATE, context)

    def end_everybody(self, request: HttpRequest, *, now: datetime) -> None:
        """End every session that has begun, with a line in the admin log.

        :raises PermissionDenied: for anybody but those who may, wherever it came from.
        """
        if not self.has_end_everybody_permission(request):
            raise PermissionDenied
        device = Device.from_request(request)

        def work() -> None:
            lifecycle.revoke_everybody(actor=request.user, device=device, now=now)
            _log(request)

        journal.in_transaction(work)

    def _end_everybody_and_tell(self, request: HttpRequest, now: datetime) -> None:
        try:
            self.end_everybody(request, now=now)
        except Unavailable:
            self.message_user(request, busy_text(), messages.ERROR)
            return
        done = _("Everyone is logged out.")
        self.message_user(request, f"{done} {effect_text()}")
        swept = _sweep(now)
        if Cutoff.objects.not_swept().exists():
            self.message_user(request, rest_text(swept), messages.INFO)

    def _back(self, request: HttpRequest) -> str:
        shown = self.has_view_permission(request) and self.has_overview_permission(request)
        return self.url_of(request, "overview" if shown else "changelist")


def phrase() -> str:
    """What has to be typed."""
    return _("log everyone out")


def what_ends_for_everybody(live: Live, *, ends_sign_ins: bool) -> list[str]:
    """What logging everyone out does; ``ends_sign_ins`` to this site itself as well."""
    if live.is_exact:
        text = ngettext(
            "%(number)s live session will end, whoever it belongs to.",
            "%(number)s live sessions will end, whoever they belong to.",
            live.count,
        )
    else:
        text = _("More than %(number)s live sessions will end, whoever they belong to.")
    return [
        text % {"number": figure(live.count)},
        _("Everybody has to sign in again. This cannot be undone."),
        effect_text(),
        own_text()
        if ends_sign_ins
        else _("Sign-ins to this site, such as yours, are kept by Django and go on."),
    ]


def rest_text(swept: int) -> str:
    """That the lists follow."""
    text = ngettext(
        "So far %(number)s session says so in its own row and in the audit trail. "
        "The others follow with the next prune_sessions; they are over already.",
        "So far %(number)s sessions say so in their own rows and in the audit trail. "
        "The others follow with the next prune_sessions; they are over already.",
        swept,
    )
    return text % {"number": figure(swept)}


def _sweep(now: datetime) -> int:
    try:
        return lifecycle.sweep(limit=SWEPT_AT_ONCE, now=now)
    except Unavailable:  # they are over, and prune_sessions goes on from here
        return 0


def _log(request: HttpRequest) -> None:
    actor: Any = request.user
    with language_of_the_log():
        LogEntry.objects.create(
            user=actor,
            content_type=ContentType.objects.get_for_model(Session),
            object_repr=_("everybody"),
            action_flag=CHANGE,
            change_message=_("Logged everyone out."),
        )
