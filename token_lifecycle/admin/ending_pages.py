"""The pages behind the buttons: end one session, the others of its user, or all of a user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext as _

from ..managers import SessionQuerySet
from ..models import Session
from .ending import EndingAdmin
from .links import user_url
from .rows import plain


class EndingPages(EndingAdmin):
    """Pages that ask when they are looked at, and end what they asked about when they are sent."""

    def get_urls(self) -> list[Any]:
        pages: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
            "<uuid:object_id>/end/": ("end", self.end_view),
            "<uuid:object_id>/end-others/": ("end_others", self.end_others_view),
            "<uuid:object_id>/end-all/": ("end_all", self.end_all_view),
            "end-all-of/<path:user_key>/": ("end_all_of", self.end_all_of_view),
        }
        urls = [
            path(route, self.admin_site.admin_view(view), name=self._name(name))
            for route, (name, view) in pages.items()
        ]
        return urls + super().get_urls()

    def end_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """GET asks, POST ends this session."""
        session = self._endable(request, object_id)
        return self._ask_or_end(
            request,
            self.get_queryset(request).filter(pk=session.pk),
            title=_("End this session"),
            back=self._page_of(request, session),
        )

    def end_others_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """GET asks, POST ends all sessions of the user of this one but this one."""
        session = self._endable(request, object_id)
        return self._ask_or_end(
            request,
            self._of_its_user(request, session).except_for(session.pk),
            title=_("End this user's other sessions"),
            back=self._page_of(request, session),
        )

    def end_all_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """GET asks, POST ends all sessions of the user of this one."""
        session = self._endable(request, object_id)
        return self._ask_or_end(
            request,
            self._of_its_user(request, session),
            title=_("End all sessions of this user"),
            back=self._page_of(request, session),
        )

    def end_all_of_view(self, request: HttpRequest, user_key: str) -> HttpResponse:
        """GET asks, POST ends all sessions of this user; from the user's own page."""
        if not (self.has_end_session_permission(request) and self.has_view_permission(request)):
            raise PermissionDenied
        sessions = self.get_queryset(request).filter(user=_key_of_user(user_key))
        # Whoever has no session in there might as well not exist.
        some = plain(sessions).select_related("user").first()
        if some is None:
            raise Http404
        return self._ask_or_end(
            request,
            sessions,
            title=_("End all sessions of this user"),
            back=user_url(self.admin_site, request, some.user)
            or self.url_of(request, "changelist"),
        )

    def _endable(self, request: HttpRequest, object_id: UUID) -> Session:
        if not self.has_end_session_permission(request):
            raise PermissionDenied
        session = self.get_object(request, str(object_id))
        if session is None:
            raise Http404
        if not (
            self.has_view_permission(request, session)
            and self.has_end_session_permission(request, session)
        ):
            raise PermissionDenied
        return session

    def _of_its_user(self, request: HttpRequest, session: Session) -> SessionQuerySet:
        if session.user_id is None:
            raise Http404
        sessions: SessionQuerySet = self.get_queryset(request).filter(user=session.user_id)
        return sessions


def _key_of_user(quoted: str) -> Any:
    """:raises Http404: no user can have this key."""
    field: Any = get_user_model()._meta.pk
    text = unquote(quoted)
    try:
        key = field.clean(field.to_python(text), None)
    except (ValidationError, ValueError, TypeError, OverflowError):
        raise Http404 from None
    # PostgreSQL refuses it in a text.
    if "\0" in text:
        raise Http404
    return key
