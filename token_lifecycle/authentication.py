"""DRF authenticators: who sends this access token, and may the session behind it still act?"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from . import lifecycle, tokens
from .api_errors import CHALLENGE, CHALLENGE_INVALID, BearerRefused, ServiceUnavailable
from .conf import app_settings
from .exceptions import TokenInvalid, TokenRefused, UserInactive
from .tokens import AccessClaims


def bearer_token(request: Any) -> str | None:
    """The token of ``Authorization: Bearer …``; None where the client uses no bearer at all.

    The scheme matches in any case (RFC 9110 §11.1). A header that names the scheme and then is not
    exactly one token comes back as it is, for the codec to refuse.
    """
    scheme, _, rest = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else None


class SessionTokenAuthentication(BaseAuthentication):
    """Authenticate by an access token whose session is still live.

    With ``REVOCATION_CHECK = "database"`` one statement reads the user and the session together; a
    session that was ended is refused at the next request. With ``"none"`` only the user is read,
    and an access token lives until it expires.

    ``request.auth`` is a :class:`~token_lifecycle.tokens.AccessClaims`.
    """

    @sensitive_variables()  # the token, which an error report would show
    def authenticate(self, request: Request) -> tuple[Any, AccessClaims] | None:
        """The user and the verified claims; None without a bearer token.

        :raises BearerRefused: 401, with the code that tells the client what to do.
        :raises ServiceUnavailable: 503, when the database does not answer.
        """
        token = bearer_token(request)
        if token is None:
            return None
        try:
            claims = tokens.parse_access(token)
            return self.user_of(claims), claims
        except TokenRefused as error:
            raise BearerRefused(error) from error
        except (OperationalError, InterfaceError) as error:
            raise ServiceUnavailable from error

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401: with an error code only where a token was presented."""
        return CHALLENGE if bearer_token(request) is None else CHALLENGE_INVALID

    def user_of(self, claims: AccessClaims) -> Any:
        """The user behind verified claims, as far as the session may still act."""
        match app_settings.revocation_check:
            case "none":
                return active_user(claims.user_id)
            case _:
                return lifecycle.check_access(claims).user


def active_user(user_id: str) -> Any:
    """The active user that a user-id claim names.

    :raises TokenInvalid: there is none, or only one that the claim would have to be bent to.
    :raises UserInactive: the user is deactivated.
    """
    users = get_user_model()._default_manager
    try:
        user = users.get(**{tokens.user_id_field(): user_id})
    except (users.model.DoesNotExist, ValueError, TypeError, OverflowError, ValidationError):
        raise TokenInvalid from None
    if tokens.user_id_of(user) != user_id:
        raise TokenInvalid
    if not user.is_active:
        raise UserInactive
    return user
