"""The page of one session: what it is, what happened to it, and the buttons that end it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..client_names import describe, sign_in_method
from ..models import RevocationReason, Session
from .columns import device_cell, ended_at, name_of, status_text, time_cell, user_of
from .confirming import CRUMBS_ARE_LIST
from .deleting import DeletingAdmin
from .ending_pages import EndingPages
from .links import sessions_url, user_url
from .timeline import timeline_of

#: How many lines the page tells of what happened, the newest.
LINES = 50

#: Goes with the page's media: so it is given a nonce where the page has one.
STYLES = Media(css={"all": ["token_lifecycle/admin.css"]})


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a member of staff wants to know first."""

    user: str
    user_url: str
    sessions_url: str
    device: SafeString
    client: str
    """What runs on a device that has a name of its own; else empty."""
    signed_in: SafeString
    method: str
    """How; empty where nobody knows."""
    last_used: SafeString
    status: str
    look: str
    """How the status is drawn: ``live``, ``over`` or ``alarm``."""


class SessionPageAdmin(EndingPages, DeletingAdmin):
    """Django's page to change a row, which here changes nothing."""

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        now = timezone.now()
        cutoff = ended_at(obj, now) if obj.revoked_at is None else None
        context |= {
            "subtitle": name_of(obj),
            "crumbs_are_list": CRUMBS_ARE_LIST,
            "media": context["media"] + STYLES,
            "buttons": list(self._buttons(request, obj, now)),
            "summary": self._summary(request, obj, now),
            "timeline": timeline_of(
                self.admin_site, request, lines=LINES, cutoff=cutoff, session=obj.pk
            ),
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _summary(self, request: HttpRequest, session: Session, now: datetime) -> Summary:
        site, user_id = self.admin_site, session.user_id
        return Summary(
            user=user_of(session),
            user_url=user_url(site, request, session.user),
            sessions_url="" if user_id is None else sessions_url(site, user_id),
            device=device_cell(session),
            client=describe(session.user_agent) if session.device_name else "",
            signed_in=time_cell(session.created_at),
            method=str(sign_in_method(session.auth_method)),
            last_used=time_cell(session.rotated_at),
            status=status_text(session, now),
            look=_look(session, now),
        )

    def _buttons(
        self, request: HttpRequest, session: Session, now: datetime
    ) -> Iterator[dict[str, str]]:
        """What this member of staff may do, and what would do something."""
        if not (
            self.has_end_session_permission(request)
            and self.has_end_session_permission(request, session)
        ):
            return
        live, others = session.is_live(now), self._has_others(request, session, now)
        offered = {
            "end": (live, _("End this session")),
            "end_others": (live and others, _("End this user's other sessions")),
            "end_all": (others, _("End all sessions of this user")),
        }
        for name, (makes_sense, label) in offered.items():
            if makes_sense:
                yield {"url": self.url_of(request, name, session.pk), "label": label}

    def _has_others(self, request: HttpRequest, session: Session, now: datetime) -> bool:
        if session.user_id is None:
            return False
        theirs = self.get_queryset(request).filter(user=session.user_id)
        return bool(theirs.except_for(session.pk).live(now).exists())


def _look(session: Session, now: datetime) -> str:
    if session.revocation_reason == RevocationReason.REUSE_DETECTED:
        return "alarm"
    return "live" if session.is_live(now) else "over"
