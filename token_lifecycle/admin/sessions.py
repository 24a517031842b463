"""The list of sessions, and the page of one with what happened to it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import Session, SessionEvent, SessionStatus
from .columns import client_cell, device_cell
from .deleting import DeletingAdmin
from .filters import StatusFilter

#: How many events the page of a session shows, the newest; ``RECORD_ROTATIONS`` makes thousands.
EVENTS_SHOWN = 50


@admin.register(Session)
class SessionAdmin(DeletingAdmin):
    """Who is signed in, from where, and until when."""

    list_display = (
        "user",
        "device",
        "ip_address",
        "status",
        "created_at",
        "rotated_at",
        "expires_at",
    )
    list_display_links = ("user", "device")
    list_filter = (StatusFilter, "revocation_reason", "created_at", "rotated_at", "revoked_at")
    list_select_related = ("user",)
    # The key is in the order of sign-ins, and indexed.
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "user",
                    ("device_name", "ip_address", "auth_method"),
                    "user_agent",
                )
            },
        ),
        (
            gettext_lazy("Life"),
            {
                "fields": (
                    "status",
                    ("created_at", "rotated_at", "generation"),
                    ("idle_expires_at", "expires_at"),
                    ("revoked_at", "revocation_reason"),
                    "id",
                )
            },
        ),
    )
    readonly_fields = ("id", "status")

    @admin.display(description=gettext_lazy("device"), ordering="device_name")
    def device(self, session: Session) -> SafeString:
        return device_cell(session)

    @admin.display(description=gettext_lazy("status"))
    def status(self, session: Session) -> str:
        """What the session is now; for an ended one also why."""
        status = session.status(timezone.now())
        if status is SessionStatus.ENDED:
            return f"{status.label}: {session.get_revocation_reason_display()}"
        return str(status.label)

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= {"buttons": self._buttons(request, obj), **self._events(request, obj)}
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _buttons(self, request: HttpRequest, session: Session) -> list[dict[str, str]]:
        """What this member of staff may do to this session, as links to the pages that ask."""
        if not (
            self.has_end_session_permission(request)
            and self.has_end_session_permission(request, session)
        ):
            return []
        labels = {}
        if session.is_live(timezone.now()):
            labels["end"] = _("End this session")
        if session.user_id is not None:
            labels["end_all"] = _("End all sessions of this user")
        return [
            {"url": self.url_of(request, name, session.pk), "label": label}
            for name, label in labels.items()
        ]

    def _events(self, request: HttpRequest, session: Session) -> dict[str, Any]:
        """The newest events, where this member of staff may read the trail."""
        if not self.admin_site.is_registered(SessionEvent):
            return {}
        trail = self.admin_site.get_model_admin(SessionEvent)
        if not trail.has_view_permission(request):
            return {}
        events = trail.get_queryset(request).filter(session=session.pk).select_related("actor")
        newest = list(events.order_by("-created_at", "-pk")[: EVENTS_SHOWN + 1])
        return {
            "events": [(event, client_cell(event)) for event in newest[:EVENTS_SHOWN]],
            "all_events_url": self._trail_url(session) if len(newest) > EVENTS_SHOWN else "",
        }

    def _trail_url(self, session: Session) -> str:
        model = SessionEvent._meta
        name = f"admin:{model.app_label}_{model.model_name}_changelist"
        url = reverse(name, current_app=self.admin_site.name)
        return f"{url}?session__id__exact={session.pk}"
