"""The sessions of a user on the user's own page, whichever admin a project has for its users.

The panel is an inline, for every template of that page draws those; but one that nothing is posted
from and nothing is saved by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.forms import Media
from django.forms.models import BaseInlineFormSet, inlineformset_factory
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from ..conf import app_settings
from ..models import Session
from .columns import device_cell, time_cell
from .ending_pages import EndingPages
from .links import page_url, session_url, sessions_url
from .session_page import STYLES
from .timeline import Timeline, timeline_of

#: How many sessions the panel names, the newest, and how many lines of what happened.
SESSIONS_SHOWN = 10
LINES = 10

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Inline = InlineModelAdmin[Session, Any]
    FormSet = BaseInlineFormSet[Session, Any, Any]
    Mixin = ModelAdmin[Any]
else:
    Inline, FormSet, Mixin = InlineModelAdmin, BaseInlineFormSet, object


@dataclass(frozen=True, kw_only=True)
class Row:
    """A live session in the panel."""

    url: str
    device: SafeString
    address: str
    signed_in: SafeString
    last_used: SafeString


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What the panel shows."""

    sessions: Sequence[Row]
    is_whole: bool
    """Whether these are all live sessions."""
    all_sessions_url: str
    end_all_url: str
    """Empty where there is nothing to end, or no permission to end it."""
    timeline: Timeline | None
    """None for whoever may not read the trail."""


class NothingToSave(FormSet):
    """A formset without forms, valid whatever was posted."""

    def __init__(self, data: Any = None, files: Any = None, **options: Any) -> None:
        options.pop("save_as_new", None)
        super().__init__(**options)

    @classmethod
    def get_default_prefix(cls) -> str:
        return "token_lifecycle_panel"

    def initial_form_count(self) -> int:
        return 0

    def total_form_count(self) -> int:
        return 0

    def is_valid(self) -> bool:
        return True


class UserPanel(Inline):
    """The panel, for whoever may look at sessions."""

    model = Session
    fk_name = "user"
    template = "admin/token_lifecycle/user_panel.html"

    @property
    def media(self) -> Media:
        return STYLES

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        sessions = sessions_admin(self.admin_site)
        return sessions is not None and sessions.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return []

    def get_queryset(self, request: HttpRequest) -> Any:
        return Session.objects.none()

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        # Read when the template asks, and so never by the POST that saves the user.
        self.panel = partial(panel_of, sessions_admin(self.admin_site), request, obj)
        return inlineformset_factory(
            self.parent_model,
            Session,
            fk_name=self.fk_name,
            formset=NothingToSave,
            fields=(),
            extra=0,
            can_delete=False,
        )


class UserSessionsMixin(Mixin):
    """Adds the panel to an admin of users::

    class MyUserAdmin(UserSessionsMixin, UserAdmin): ...
    """

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return with_panel(super().get_inlines(request, obj), obj)


def attach_to_users(site: AdminSite) -> None:
    """Let the admin of users on this site show the panel, where it does not do so by itself.

    Only this instance is changed, once. ``ADMIN_USER_PANEL`` is asked at each request.
    """
    model = get_user_model()
    if not site.is_registered(model):
        return
    users: Any = site.get_model_admin(model)
    if "get_inlines" in vars(users):
        return
    own = users.get_inlines

    def get_inlines(request: HttpRequest, obj: Any) -> Any:
        inlines = own(request, obj)
        return with_panel(inlines, obj) if app_settings.admin_user_panel else inlines

    users.get_inlines = get_inlines


def with_panel(inlines: Sequence[Any], user: Any) -> list[Any]:
    """With the panel behind what there is already; somebody who is being added has no sessions."""
    if user is None or UserPanel in inlines:
        return list(inlines)
    return [*inlines, UserPanel]


def sessions_admin(site: AdminSite) -> Any:
    """The admin of sessions on this site, if it is one of ours, or None."""
    registered = site.get_model_admin(Session) if site.is_registered(Session) else None
    return registered if isinstance(registered, EndingPages) else None


def panel_of(sessions: EndingPages, request: HttpRequest, user: Any) -> Panel:
    """Read what the panel shows: a bounded number of rows, in two statements."""
    now, site = timezone.now(), sessions.admin_site
    theirs = sessions.get_queryset(request).filter(user=user.pk)
    live = list(theirs.live(now).order_by("-pk")[: SESSIONS_SHOWN + 1])
    may_end = bool(live) and sessions.has_end_session_permission(request)
    return Panel(
        sessions=[_row(site, session) for session in live[:SESSIONS_SHOWN]],
        is_whole=len(live) <= SESSIONS_SHOWN,
        all_sessions_url=sessions_url(site, user.pk),
        end_all_url=page_url(site, Session, "end_all_of", quote(user.pk)) if may_end else "",
        timeline=timeline_of(site, request, lines=LINES, user=user.pk),
    )


def _row(site: AdminSite, session: Session) -> Row:
    return Row(
        url=session_url(site, session.pk),
        device=device_cell(session),
        address=session.ip_address or "",
        signed_in=time_cell(session.created_at),
        last_used=time_cell(session.rotated_at),
    )
