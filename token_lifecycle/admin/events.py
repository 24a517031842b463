"""The audit trail in the admin: to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..models import Session, SessionEvent
from .base import ReadOnlyAdmin
from .columns import client_cell


@admin.register(SessionEvent)
class SessionEventAdmin(ReadOnlyAdmin[SessionEvent]):
    """What happened to sessions. Lines leave by ``prune_sessions`` alone."""

    session_field = "session"

    list_display = (
        "created_at",
        "kind",
        "user",
        "reason",
        "actor",
        "ip_address",
        "device",
        "session_id_end",
    )
    list_filter = ("kind", "reason", "created_at")
    list_select_related = ("user", "actor")
    ordering = ("-created_at", "-pk")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "created_at",
                    "kind",
                    "session_link",
                    "user",
                    "reason",
                    "actor",
                    "generation",
                    "ip_address",
                    "user_agent",
                )
            },
        ),
    )
    readonly_fields = ("session_link",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        kept = Session.objects.filter(pk=OuterRef("session_id"))
        return super().get_queryset(request).annotate(session_is_kept=Exists(kept))

    def shown(self, request: HttpRequest) -> list[str]:
        return [*super().shown(request), "session"]

    @admin.display(description=_("device"), ordering="user_agent")
    def device(self, event: SessionEvent) -> SafeString | str:
        return client_cell(event)

    @admin.display(description=_("session"))
    def session_link(self, event: Any) -> SafeString | str:
        """The session, as a link while its row is there: the trail outlives it."""
        return self._link(event, str(event.session_id or ""))

    @admin.display(description=_("session"))
    def session_id_end(self, event: Any) -> SafeString | str:
        """The same in a narrow column; the end of an id is its random part."""
        return self._link(event, f"…{str(event.session_id)[-8:]}" if event.session_id else "")

    def _link(self, event: Any, text: str) -> SafeString | str:
        if not event.session_is_kept:
            return text
        name = f"admin:{Session._meta.app_label}_{Session._meta.model_name}_change"
        url = reverse(name, args=[event.session_id], current_app=self.admin_site.name)
        return format_html('<a href="{}" title="{}">{}</a>', url, event.session_id, text)
