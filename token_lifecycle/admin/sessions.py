"""The list of sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from ..models import Session
from .columns import device_cell, status_text
from .everybody import EndingEverybodyAdmin
from .filters import ORDERS, SignedInFilter, StatusFilter
from .session_page import SessionPageAdmin
from .user_panel import attach_to_users


@admin.register(Session)
class SessionAdmin(EndingEverybodyAdmin, SessionPageAdmin):
    """Who is signed in, from where, and until when."""

    list_display = (
        "user",
        "device",
        "ip_address",
        "status",
        "signed_in",
        "rotated_at",
        "expires_at",
    )
    list_display_links = ("user", "device")
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
