"""The endpoints that hand tokens out and take them back, and what all endpoints share.

Thin: read what came, call a verb, put the result into an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.signals import user_logged_in
from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.common import no_append_slash
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.debug import sensitive_variables
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from . import journal, lifecycle, tokens
from .api_errors import CHALLENGE, InvalidCredentials, exception_handler
from .authentication import bearer_token
from .conf import app_settings
from .delivery import BODY, Delivery, forbid_storing, members
from .device import Device
from .exceptions import SessionLimitReached, TokenRefused
from .lifecycle import IssuedTokens
from .models import RevocationReason, Session
from .parsers import StrictJSONParser, media_type, settle_length
from .serializers import (
    ObtainSerializer,
)
from .throttling import ObtainAccountThrottle, ObtainAddressThrottle, RefreshSessionThrottle
from .user_changes import adopted_hash_is_of

logger = logging.getLogger("token_lifecycle")

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class AlwaysJSON(BaseContentNegotiation):
    """An error page for whoever prefers HTML would be one more thing to get wrong."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next((p for p in parsers if p.media_type == media_type(request)), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class LifecycleView(APIView):
    """What all endpoints share: JSON in and out, no caching, no project-wide default in between.

    The project's DRF defaults (renderers, throttles, exception handler …) are not used: a contract
    that clients program against must not change with a setting made for other views.
    """

    #: Set by the URLconf.
    delivery: ClassVar[Delivery] = BODY

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    permission_classes: Sequence[type[BasePermission]] = (AllowAny,)
    throttle_classes: Sequence[type[BaseThrottle]] = ()
    parser_classes = (StrictJSONParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = AlwaysJSON
    versioning_class = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """A view outside of any request-wide transaction, whatever ``ATOMIC_REQUESTS`` says.

        The revocation that a refusal writes must not be rolled back with the refusal. And no
        ``APPEND_SLASH``.
        """
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        # A redirect would come after the secret has been sent to the wrong place (RFC 9700 §4.12).
        return no_append_slash(view)

    @sensitive_variables()  # passwords and tokens, which an error report would show
    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        # What the project's own part of the route captured (a tenant, a language) stays there.
        ours = {name: value for name, value in kwargs.items() if name == "session_id"}
        return super().dispatch(request, **ours)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method not in self.allowed_methods:
            self.http_method_not_allowed(request)
        if request.method not in SAFE_METHODS:
            settle_length(request._request)
            self.delivery.check(request)
        super().initial(request, *args, **kwargs)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        finished = super().finalize_response(request, response, *args, **kwargs)
        forbid_storing(finished)
        patch_vary_headers(finished, ["Authorization", "Cookie"])
        return finished

    def get_exception_handler(self) -> Any:
        return exception_handler

    def get_authenticate_header(self, request: Request) -> str:
        # Without it DRF turns the 401 of a view that has no authenticators into a 403.
        return super().get_authenticate_header(request) or CHALLENGE

    def check_throttles(self, request: Request) -> None:
        # Who only asks about an endpoint (OPTIONS) uses up no tries: a picture could do that.
        if request.method in SAFE_METHODS:
            return
        # Up to the first refusal: an address over its limit uses up no tries of an account.
        for throttle in self.get_throttles():
            self.ask(throttle)

    def ask(self, throttle: BaseThrottle) -> None:
        if not throttle.allow_request(self.request, self):
            self.throttled(self.request, throttle.wait() or 1)

    def device(self, name: str = "") -> Device:
        """The client that sent this request."""
        return Device.from_request(
            self.request, trusted_proxies=app_settings.trusted_proxies, name=name
        )

    def answer(self, request: Request, issued: IssuedTokens) -> Response:
        """A pair of tokens, the refresh token where the delivery puts it."""
        response = Response(members(issued))
        self.delivery.deliver(response, request, issued)
        return response


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
        # The user's row is locked before rows of sessions, in the order of whoever changes a user;
        # and by an UPDATE, for a transaction on SQLite must not begin with a read.
        users = get_user_model()._base_manager.using(journal.database())
        users.filter(pk=user.pk).update(password=F("password"))
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
