"""Permissions for a project's own views."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from . import lifecycle
from .api_errors import refusing_bearers
from .tokens import AccessClaims


class SignedInRecently(BasePermission):
    """Allow only callers who proved their identity lately; a refresh is no proof (RFC 9470).

    Use ``SignedInRecently.within(timedelta(minutes=5))`` in ``permission_classes``. The refusal
    is 403 with a code and not the 401 of RFC 9470 §3: at a 401 clients refresh, here in vain.
    """

    code = "reauthentication_required"
    # A dict, so that the code reaches the client through any exception handler.
    message: ClassVar = {"detail": _("Sign in again to do this."), "code": code}
    age = timedelta(minutes=15)

    @classmethod
    def within(cls, age: timedelta) -> type[SignedInRecently]:
        """The permission for another age."""
        return type(cls.__name__, (cls,), {"age": age})

    def has_permission(self, request: Request, view: Any) -> bool:
        claims = request.auth
        return isinstance(claims, AccessClaims) and timezone.now() - claims.auth_time <= self.age


class RequireFresh(BasePermission):
    """Ask the database about the session, in a view whose answer no list in memory may give.

    For the few views where a second is too long (payments, deletion), beside ``IsAuthenticated``,
    where ``REVOCATION_CHECK`` is ``"memory"`` or ``"none"`` or the authenticator the stateless one.
    Costs one statement, and none where the authenticator has asked already.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the session may act, this very moment.

        :raises BearerRefused: 401, when it has ended.
        :raises ServiceUnavailable: 503, when the database does not answer.
        """
        if not isinstance(request.auth, AccessClaims):
            return False
        if not getattr(request.successful_authenticator, "asks_database", False):
            with refusing_bearers():
                lifecycle.check_access(request.auth)
        return True
