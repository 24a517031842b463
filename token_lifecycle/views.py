"""The endpoints that hand tokens out and take them back.

Thin: read what came, call a verb, put the result into an answer.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from . import journal, lifecycle, tokens
from .api_errors import InvalidCredentials
from .authentication import bearer_token
from .base_views import LifecycleView
from .device import Device
from .exceptions import SessionLimitReached, TokenRefused
from .lifecycle import IssuedTokens
from .models import RevocationReason, Session
from .serializers import ObtainSerializer
from .throttling import ObtainAccountThrottle, ObtainAddressThrottle, RefreshSessionThrottle
from .user_changes import adopted_hash_is_of, lock_user

logger = logging.getLogger("token_lifecycle")


class ObtainView(LifecycleView):
    """POST: sign in with a password and start a session."""

    throttle_classes = (ObtainAddressThrottle, ObtainAccountThrottle)

    def post(self, request: Request) -> Response:
        serializer = ObtainSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        credentials = dict(serializer.validated_data)
        device = self.device(credentials.pop("device_name"))
        user = authenticate(request._request, **credentials)
        if (
            user is None
            or not user.is_active
            or not adopted_hash_is_of(user, credentials["password"])
        ):
            # Without the name: people type their password into that field (ASVS 16.2.5).
            logger.warning("sign-in refused: address=%s", device.ip_address)
            raise InvalidCredentials
        # Receivers may refuse. They are heard first, and outside of the transaction: nothing has
        # ended by then, and no lock is held while one of them sends a mail.
        user_logged_in.send(sender=type(user), request=request._request, user=user)
        started = journal.in_transaction(partial(self.start, request, user, device))
        if isinstance(started, SessionLimitReached):
            raise started
        self.delivery.signed_in(request)
        return started

    def start(self, request: Request, user: Any, device: Device) -> Response | SessionLimitReached:
        """Start the session, end the one it replaces and make the answer: all of it or nothing.

        At the limit the refusal is returned and not raised, so that it stays on record.
        """
        # A stale or foreign cookie never decides who signs in; at most it loses its own session,
        # and does so first, to make room where the number of sessions is limited.
        replaced = self.delivery.replaced_token(request)
        ended = replaced is not None and self.end_replaced(replaced, user, device)
        try:
            issued = lifecycle.start_session(user, device=device)
        except SessionLimitReached as refused:
            if ended:
                raise  # and with it goes the end of the session that this browser has
            return refused
        return self.answer(request, issued)

    def end_replaced(self, token: str, user: Any, device: Device) -> bool:
        lock_user(user.pk)  # before a session of theirs
        reason = RevocationReason.REPLACED
        return lifecycle.revoke_by_token(token, user=user, reason=reason, device=device)


class RefreshView(LifecycleView):
    """POST: exchange a refresh token."""

    def post(self, request: Request) -> Response:
        try:
            issued = self.rotate(request)
        except TokenRefused as error:
            response = self.handle_exception(error)
            if error.final:
                self.delivery.forget(response, request)
            return response
        return self.answer(request, issued)

    def rotate(self, request: Request) -> IssuedTokens:
        text = self.delivery.refresh_token(request)
        token = tokens.parse_refresh(text, now=timezone.now())
        self.ask(RefreshSessionThrottle(token.session_id))
        return lifecycle.rotate(token, device=self.device())


class LogoutView(LifecycleView):
    """POST: end the session of the presented token.

    One answer for valid, expired, consumed, revoked and unknown tokens (RFC 7009 §2.2). The token
    that was handed over counts, and the bearer only where there is none.
    """

    def post(self, request: Request) -> Response:
        presented = self.delivery.logout_tokens(request)
        bearer = bearer_token(request)
        if presented:
            for token in presented:
                lifecycle.revoke_by_token(token, device=self.device())
        elif bearer is not None:
            self.end_session_of(bearer)
        elif self.delivery.logout_needs_token:
            raise ValidationError({"refresh": [_("This field is required.")]})
        response = Response(status=status.HTTP_204_NO_CONTENT)
        self.delivery.forget(response, request)
        return response

    def end_session_of(self, bearer: str) -> None:
        try:
            # Of any age: an access token that expired a minute ago still says which session.
            claims = tokens.parse_access(bearer, any_age=True)
        except TokenRefused:
            return
        session = Session.objects.for_access(claims.session_id)
        if session is None or session.user is None:
            return
        if tokens.user_id_of(session.user) == claims.user_id:
            lifecycle.revoke_session(session.pk, device=self.device())


@method_decorator(ensure_csrf_cookie, name="dispatch")
class CsrfView(LifecycleView):
    """GET: give a page that was not rendered by Django its CSRF cookie."""

    def get(self, request: Request) -> Response:
        return Response(status=status.HTTP_204_NO_CONTENT)
