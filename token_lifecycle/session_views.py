"""The endpoints of signed-in callers: what they see of their sessions, and how they end them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from django.core.paginator import Paginator
from django.utils import timezone
from django.utils.functional import cached_property
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotFound
from rest_framework.generics import get_object_or_404
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from . import lifecycle, tokens
from .authentication import SessionTokenAuthentication
from .base_views import LifecycleView
from .managers import SessionQuerySet
from .models import RevocationReason, Session
from .serializers import (
    SHOWN_COLUMNS,
    LogoutAllSerializer,
    PageSizeSerializer,
    SessionSerializer,
)
from .tokens import AccessClaims


class BearerView(LifecycleView):
    """What the endpoints for signed-in callers share."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (SessionTokenAuthentication,)
    permission_classes: Sequence[type[BasePermission]] = (IsAuthenticated,)

    def sessions(self) -> SessionQuerySet:
        """The caller's live sessions, newest first."""
        live = Session.objects.primary().of(self.request.user).live(timezone.now())
        return live.order_by("-created_at", "-pk").only(*SHOWN_COLUMNS)

    def current_session_id(self) -> UUID:
        session_id: UUID = cast("AccessClaims", self.request.auth).session_id
        return session_id


class LogoutAllView(BearerView):
    """POST: end all of the caller's sessions, or all but the one that asks."""

    def post(self, request: Request) -> Response:
        serializer = LogoutAllSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        current = self.current_session_id()
        keep = current if serializer.validated_data["keep_current"] else None
        user = request.user
        revoked = lifecycle.revoke_sessions_of(user, keep=keep, actor=user, device=self.device())
        response = Response({"revoked": revoked})
        if keep is None:
            self.delivery.forget(response, request, only=current)
        return response


class FewRowsPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs alone
    """Counts in the database only where there are more rows than fit on one page."""

    @cached_property
    def count(self) -> int:
        rows = list(self.object_list[: self.per_page + 1])
        if len(rows) > self.per_page:
            return super().count
        self.object_list = rows
        return len(rows)


class SessionPagination(PageNumberPagination):
    django_paginator_class = FewRowsPaginator
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 100

    def get_page_size(self, request: Request) -> int:
        """As many as asked for, up to the most.

        :raises ValidationError: it is no size. DRF would fall back on its own without a word.
        """
        serializer = PageSizeSerializer(data=request.query_params.dict())
        serializer.is_valid(raise_exception=True)
        wanted: int = serializer.validated_data.get(self.page_size_query_param, self.page_size)
        return min(wanted, self.max_page_size)


class SessionListView(BearerView):
    """GET: the caller's live sessions, a page at a time."""

    pagination_class = SessionPagination

    def get(self, request: Request) -> Response:
        pages = self.pagination_class()
        page = pages.paginate_queryset(self.sessions(), request, view=self)
        context = {"current_session_id": self.current_session_id()}
        return pages.get_paginated_response(
            SessionSerializer(page, many=True, context=context).data
        )


class SessionDetailView(BearerView):
    """GET and DELETE one of the caller's sessions; anybody else's answers like a missing one."""

    def get(self, request: Request, session_id: str) -> Response:
        session = get_object_or_404(self.sessions(), pk=_uuid_or_404(session_id))
        context = {"current_session_id": self.current_session_id()}
        return Response(SessionSerializer(session, context=context).data)

    def delete(self, request: Request, session_id: str) -> Response:
        ended, current, user = _uuid_or_404(session_id), self.current_session_id(), request.user
        reason = RevocationReason.LOGOUT if ended == current else RevocationReason.ENDED_BY_USER
        if not lifecycle.revoke_session(
            ended, user=user, reason=reason, actor=user, device=self.device()
        ):
            raise NotFound
        response = Response(status=status.HTTP_204_NO_CONTENT)
        self.delivery.forget(response, request, only=ended)
        return response


def _uuid_or_404(text: str) -> UUID:
    session_id = tokens.canonical_uuid(text)
    if session_id is None:
        raise NotFound
    return session_id
