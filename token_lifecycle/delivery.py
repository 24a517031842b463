"""How a refresh token travels: in the JSON body, or in a cookie. What comes in one way leaves so.

The views ask a delivery and do not know which one it is; a token received in a cookie is never
returned in a body.
"""

from __future__ import annotations

import logging
from typing import Any, TypeVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import rotate_token
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import CSRFCheck
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from . import cookies, tokens
from .api_errors import CsrfFailed
from .cookies import CookieAttributes
from .exceptions import TokenInvalid
from .lifecycle import IssuedTokens
from .mounts import attributes, attributes_at
from .parsers import StrictJSONParser, media_type
from .serializers import AnythingSerializer, LogoutSerializer, RefreshSerializer

ResponseT = TypeVar("ResponseT", bound=HttpResponseBase)

logger = logging.getLogger("token_lifecycle")


class BodyDelivery:
    """For API and mobile clients, field-compatible with simplejwt."""

    #: Whether a logout without any token is a mistake of the client.
    logout_needs_token = True

    def check(self, request: Request) -> None:
        """Nothing to check: no browser adds a token to a body by itself."""

    def refresh_token(self, request: Request) -> str:
        """The token to exchange.

        :raises ValidationError: there is none.
        """
        if plain := _plain_token(request):
            return plain
        serializer = RefreshSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        token: str = serializer.validated_data["refresh"]
        return token

    def logout_tokens(self, request: Request) -> list[str]:
        """The token whose session ends, if there is one."""
        if plain := _plain_token(request):
            return [plain]
        serializer = LogoutSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return list(serializer.validated_data.values())

    def replaced_token(self, request: Request) -> str | None:
        """The token of a session that a sign-in replaces: none."""

    def deliver(self, response: Response, request: Request, issued: IssuedTokens) -> None:
        """Put the refresh token into the answer."""
        response.data["refresh"] = issued.refresh

    def signed_in(self, request: Request) -> None:
        """Nothing to renew: no browser keeps anything."""

    def forget(self, response: Response, request: Request, *, only: UUID | None = None) -> None:
        """Nothing to forget: the client holds the token."""


class CookieDelivery:
    """For browsers: the refresh token in an HttpOnly cookie, and CSRF checked by Django."""

    logout_needs_token = False

    def check(self, request: Request) -> None:
        """Refuse an unsafe request that another site could have made the browser send.

        Django's own check, ``Origin`` included (ASVS 3.5.1). It runs here and not in the
        middleware, because views without authenticators are exempt from that and from DRF's.

        :raises UnsupportedMediaType: what a form of another site could send.
        :raises CsrfFailed: the log names the reason.
        :raises ValidationError: there is a body that is no JSON object.
        """
        # First, because Django's check looks for its token inside forms, malformed ones included.
        if _could_be_a_form(request):
            raise UnsupportedMediaType(media_type(request))
        check: Any = CSRFCheck(lambda _: HttpResponse())
        check.process_request(request._request)
        reason = check.process_view(request._request, None, (), {})
        if reason:
            logger.warning("CSRF verification failed: %r", str(reason))
            raise CsrfFailed
        if not isinstance(request.data, dict):
            AnythingSerializer(data=request.data).is_valid(raise_exception=True)

    def refresh_token(self, request: Request) -> str:
        """The token to exchange.

        :raises TokenInvalid: there is no cookie; DuplicateCookie: there are several.
        """
        token = cookies.the_one(self.logout_tokens(request))
        if token is None:
            raise TokenInvalid
        return token

    def logout_tokens(self, request: Request) -> list[str]:
        """The tokens whose sessions end: of several cookies each, for each needs its secret.

        Or whoever can plant a second cookie could keep somebody signed in.
        """
        http = request._request
        found = cookies.read_refresh(http, attributes=attributes(http))
        if len(found) > 1:
            logger.warning("several refresh cookies in one request: path=%r", http.path)
        return found

    def replaced_token(self, request: Request) -> str | None:
        """The token of the session that a sign-in in the same browser replaces."""
        try:
            return self.refresh_token(request)
        except TokenInvalid:
            return None

    def deliver(self, response: Response, request: Request, issued: IssuedTokens) -> None:
        """Store the refresh token in the browser."""
        _set(response, issued, attributes(request._request))

    def signed_in(self, request: Request) -> None:
        """Renew the CSRF token, as ``django.contrib.auth.login`` does: it may have been planted."""
        rotate_token(request._request)

    def forget(self, response: Response, request: Request, *, only: UUID | None = None) -> None:
        """Delete the cookies; with ``only``, where they are of that session and no other."""
        if only is None or only in map(_session_id, self.logout_tokens(request)):
            cookies.delete(response, attributes=attributes(request._request))


Delivery = BodyDelivery | CookieDelivery

BODY = BodyDelivery()
COOKIE = CookieDelivery()


@sensitive_variables()  # the token, which an error report would show
def deliver_to_browser(
    request: HttpRequest | Request,
    response: ResponseT,
    issued: IssuedTokens,
    *,
    mount: str | None = None,
) -> ResponseT:
    """Sign a browser in after another kind of sign-in (a passkey, OAuth, a magic link).

    Puts the refresh token of ``start_session`` into the cookie of ``browser_urls``, renews the CSRF
    token, and lets nobody keep a copy of the answer. The page asks for its access token by a
    refresh, as ``auth.bootstrap()`` does. Returns ``response``, of whatever kind it is.

    ``mount`` is the path of ``browser_urls`` where they are included more than once.

    :raises NoReverseMatch: they are not included, or nowhere without a captured part.
    """
    http = request._request if isinstance(request, Request) else request
    chosen = attributes(http) if mount is None else attributes_at(mount)
    _set(response, issued, chosen)
    rotate_token(http)
    forbid_storing(response)
    return response


def token_response(issued: IssuedTokens) -> JsonResponse:
    """What ``obtain/`` answers an API client, for views with another kind of sign-in."""
    response = JsonResponse({**members(issued), "refresh": issued.refresh})
    forbid_storing(response)
    return response


def members(issued: IssuedTokens) -> dict[str, Any]:
    """A pair of tokens, in the shape of RFC 6749 §5.1 and without the refresh token."""
    return {
        "access": issued.access,
        "token_type": "Bearer",  # nosec B105  # a scheme
        "expires_in": issued.expires_in,
        "refresh_expires_in": issued.refresh_expires_in,
        "session": str(issued.session.pk),
    }


def forbid_storing(response: HttpResponseBase) -> None:
    """Nobody keeps a copy of an answer with tokens (RFC 6749 §5.1)."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"


def _set(response: HttpResponseBase, issued: IssuedTokens, chosen: CookieAttributes) -> None:
    cookies.set_refresh(
        response,
        issued.refresh,
        attributes=chosen,
        expires_at=issued.refresh_expires_at,
        now=issued.issued_at,
    )


def _session_id(token: str) -> UUID | None:
    """The session that a refresh token names; None where it is no token of ours."""
    try:
        return tokens.parse_refresh(token, now=timezone.now()).session_id
    except TokenInvalid:
        return None


def _plain_token(request: Request) -> str | None:
    """The token of a body that a serializer has nothing to say about; None where it may have.

    Building a serializer and its fields takes half as long as checking the token's signature.
    """
    match request.data:
        case {"refresh": str(text)} if tokens.is_compact(text):
            return text
        case _:
            return None


def _could_be_a_form(request: Request) -> bool:
    """Whether the body is of a type that pages of other sites can send without asking."""
    match media_type(request):
        case "" | StrictJSONParser.media_type:
            return False
        case "text/plain":
            # What wsgiref makes of a missing type, for instance of a DELETE without a body.
            length = request.META.get("CONTENT_LENGTH")
            return length not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in request.META
        case _:
            return True
