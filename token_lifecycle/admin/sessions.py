"""The list of sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from ..client_names import sign_in_method
from ..models import Session
from .columns import device_cell, end_text, ended_at, status_text, time_cell, user_of
from .everybody import EndingEverybodyAdmin
from .filters import ORDERS, SignedInFilter, StatusFilter
from .session_page import SessionPageAdmin
from .user_panel import attach_to_users


@admin.register(Session)
class SessionAdmin(EndingEverybodyAdmin, SessionPageAdmin):
    """Who is signed in, from where, and until when."""

    list_display = (
        "who",
        "device",
        "ip_address",
        "status",
        "signed_in",
        "rotated_at",
        "expires_at",
    )
    list_display_links = ("who", "device")
    # Not by last use: every refresh writes it, and so it has no index.
    list_filter = (
        StatusFilter,
        "revocation_reason",
        ("created_at", SignedInFilter),
        "revoked_at",
    )
    sortable_by = ("signed_in", "expires_at")
    list_select_related = ("user",)
    # The key is in the order of sign-ins, and indexed.
    ordering = ("-pk",)
    fieldsets = (
        (
            gettext_lazy("Client"),
            {
                "fields": (
                    "who",
                    ("device_name", "ip_address", "method"),
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
                    ("ended", "why"),
                    "id",
                )
            },
        ),
    )
    readonly_fields = ("id", "who", "method", "status", "ended", "why")

    def shown(self, request: HttpRequest) -> list[str]:
        behind = ["user", "auth_method", "revoked_at", "revocation_reason"]
        return [*super().shown(request), *behind]

    @admin.display(description=gettext_lazy("user"))
    def who(self, session: Session) -> str:
        return user_of(session)

    @admin.display(description=gettext_lazy("signed in by"))
    def method(self, session: Session) -> str:
        return str(sign_in_method(session.auth_method)) or self.get_empty_value_display()

    @admin.display(description=gettext_lazy("ended"))
    def ended(self, session: Session) -> str:
        at = ended_at(session, timezone.now())
        return time_cell(at) if at else self.get_empty_value_display()

    @admin.display(description=gettext_lazy("reason"))
    def why(self, session: Session) -> str:
        return end_text(session, timezone.now()) or self.get_empty_value_display()

    @admin.display(description=gettext_lazy("device"))
    def device(self, session: Session) -> SafeString:
        return device_cell(session)

    @admin.display(description=gettext_lazy("status"))
    def status(self, session: Session) -> str:
        return status_text(session, timezone.now())

    @admin.display(description=gettext_lazy("signed in"), ordering="pk")
    def signed_in(self, session: Session) -> datetime:
        return session.created_at

    def get_ordering(self, request: HttpRequest) -> Any:
        """Of those past a limit, who reached it last or will reach the next one first."""
        status = request.GET.get(StatusFilter.parameter_name, "")
        return ORDERS.get(status) or super().get_ordering(request)

    def get_urls(self) -> list[Any]:
        # By now every admin of the site is registered, that of the users too.
        attach_to_users(self.admin_site)
        return super().get_urls()
