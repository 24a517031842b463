"""The audit trail in the admin: to read, and to take away."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.db.models import Exists, Model, OuterRef, Value
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import Session, SessionEvent
from .columns import client_cell
from .confirming import CRUMBS_ARE_LIST
from .exporting import ExportingAdmin
from .filters import EventFilter
from .links import page_url, session_url


@admin.register(SessionEvent)
class SessionEventAdmin(ExportingAdmin):
    """What happened to sessions. Lines leave by ``prune_sessions`` alone."""

    session_field = "session"

    list_display = (
        "created_at",
        "what",
        "who",
        "done_by",
        "ip_address",
        "device",
        "session_id_end",
    )
    list_filter = (EventFilter, "created_at")
    list_select_related = ("user", "actor")
    ordering = ("-created_at", "-pk")
    sortable_by = ("created_at",)
    fieldsets = (
        (None, {"fields": ("created_at", "what", "who", "done_by")}),
        (gettext_lazy("Client"), {"fields": ("device", "ip_address", "user_agent")}),
        (gettext_lazy("Session"), {"fields": ("session_link", "generation", "others")}),
    )
    readonly_fields = ("what", "who", "done_by", "device", "session_link", "others")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        events: Any = super().get_queryset(request)
        sessions = Session.objects.filter(pk=OuterRef("session_id"))
        return events.annotate(
            session_is_kept=Exists(sessions) if self._may_see(request, Session) else Value(False),
            user_is_shown=Value(self._may_see(request, get_user_model())),
        )

    def shown(self, request: HttpRequest) -> list[str]:
        return [*super().shown(request), "session", "user", "actor", "kind", "reason"]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {
            "subtitle": capfirst(self.what(context["original"])),
            "crumbs_are_list": CRUMBS_ARE_LIST,
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("event"))
    def what(self, event: SessionEvent) -> str:
        """What happened, and why where it was an end."""
        kind = event.get_kind_display()
        return f"{kind}: {event.get_reason_display()}" if event.reason else kind

    @admin.display(description=gettext_lazy("user"))
    def who(self, event: Any) -> SafeString | str:
        if event.user is None:
            return _("deleted user") if event.session_id else self.get_empty_value_display()
        return self._user(event, event.user)

    @admin.display(description=gettext_lazy("done by"))
    def done_by(self, event: Any) -> SafeString | str:
        if event.actor is None:
            return self.get_empty_value_display()
        return self._user(event, event.actor)

    @admin.display(description=gettext_lazy("device"))
    def device(self, event: SessionEvent) -> SafeString | str:
        return client_cell(event) or self.get_empty_value_display()

    @admin.display(description=gettext_lazy("session"))
    def session_link(self, event: Any) -> SafeString | str:
        """The session, as a link while its row is there: the trail outlives it."""
        return self._session(event, str(event.session_id or self.get_empty_value_display()))

    @admin.display(description=gettext_lazy("session"))
    def session_id_end(self, event: Any) -> SafeString | str:
        """The same in a narrow column; the end of an id is its random part."""
        return self._session(event, f"…{str(event.session_id)[-8:]}" if event.session_id else "")

    @admin.display(description=gettext_lazy("more"))
    def others(self, event: SessionEvent) -> SafeString | str:
        """What else happened to the session, whether or not its row is still there."""
        if event.session_id is None:
            return self.get_empty_value_display()
        query = {"session__id__exact": event.session_id}
        url = page_url(self.admin_site, SessionEvent, "changelist", **query)
        return format_html('<a href="{}">{}</a>', url, _("All events of this session"))

    def _user(self, event: Any, user: Any) -> SafeString:
        if not event.user_is_shown:
            return format_html("<bdi>{}</bdi>", user)
        url = page_url(self.admin_site, get_user_model(), "change", quote(user.pk))
        return format_html('<a href="{}"><bdi>{}</bdi></a>', url, user)

    def _session(self, event: Any, text: str) -> SafeString | str:
        if not event.session_is_kept:
            return text
        url = session_url(self.admin_site, event.session_id)
        return format_html('<a href="{}" title="{}">{}</a>', url, event.session_id, text)

    def _may_see(self, request: HttpRequest, model: type[Model]) -> bool:
        """Whether a link to the rows of ``model`` would be of use."""
        site = self.admin_site
        return site.is_registered(model) and site.get_model_admin(
            model
        ).has_view_or_change_permission(request)
