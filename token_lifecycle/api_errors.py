"""The one place where an error of this app becomes an HTTP answer: JSON, with a ``code``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.settings import api_settings

from .conf import app_settings
from .database_errors import is_unavailable
from .exceptions import (
    SessionLimitReached,
    TokenExpired,
    TokenInvalid,
    TokenLifecycleError,
    TokenRefused,
    Unavailable,
    UserInactive,
)

logger = logging.getLogger("token_lifecycle")

#: RFC 6750 §3: the realm, and an error code only where a token was presented.
CHALLENGE = 'Bearer realm="api"'
CHALLENGE_INVALID = f'{CHALLENGE}, error="invalid_token"'

RETRY_AFTER_SECONDS = 1


class BearerRefused(exceptions.AuthenticationFailed):
    """401 for a presented access token. Works with any exception handler of a project.

    Of the codes only ``token_expired`` tells the client to refresh.
    """

    def __init__(self, error: TokenRefused) -> None:
        # What ended a session is not the business of whoever holds its access token.
        match error:
            case TokenExpired() | TokenInvalid() | UserInactive():
                code = error.code
            case _:
                code = "session_revoked"
        super().__init__({"detail": message(code), "code": code}, code)


class ServiceUnavailable(exceptions.APIException):
    """503: the database or the cache could not answer, and nobody is let in on a guess."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = gettext_lazy("The service is temporarily unavailable.")
    wait = RETRY_AFTER_SECONDS


class PayloadTooLarge(exceptions.APIException):
    """413 as JSON; Django's own answer would be an HTML page with status 400."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = gettext_lazy("The request body is too large.")


class LengthRequired(exceptions.APIException):
    """411: a body came in chunks, and the server that took it cannot say where it ends."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_code = "length_required"
    default_detail = gettext_lazy("The request is not valid.")


class InvalidCredentials(exceptions.AuthenticationFailed):
    """401, the same bytes for an unknown user, a wrong password and an inactive user."""

    default_code = "invalid_credentials"
    default_detail = gettext_lazy("Sign-in failed. Check the credentials.")


class CsrfFailed(exceptions.PermissionDenied):
    """403: the request could have been sent by another site."""

    default_code = "csrf_failed"
    default_detail = gettext_lazy("CSRF verification failed.")


@contextmanager
def refusing_bearers() -> Iterator[None]:
    """Turn what is raised about an access token into the answer of a project's own view.

    :raises BearerRefused: 401, for a refused token.
    :raises ServiceUnavailable: 503, when nothing can say whether the session is live.
    """
    try:
        yield
    except TokenRefused as error:
        raise BearerRefused(error) from error
    except (OperationalError, InterfaceError, Unavailable) as error:
        raise _unavailable(error) from error


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler for the views of this app, with a ``code`` in every answer."""
    # Here, because rest_framework.views imports the project's default authenticators, and those
    # import this module.
    from rest_framework.views import exception_handler as drf_exception_handler

    translated = _translate(exc)
    response = drf_exception_handler(translated, context)
    if response is None:
        return None
    response.data = _body(translated, response.data)
    return response


def message(code: str) -> str:
    """The sentence that goes with a code."""
    return {
        "token_expired": _("The token has expired."),
        "token_invalid": _("The token is not valid."),
        "session_revoked": _("The session has been ended."),
        "user_inactive": _("The user account is not active."),
    }[code]


def _translate(exc: Exception) -> Exception:
    match exc:
        case TokenRefused():
            refused = exceptions.APIException(_(str(exc)), exc.code)
            refused.status_code = app_settings.refresh_refused_status
            if refused.status_code == status.HTTP_401_UNAUTHORIZED:
                refused.auth_header = CHALLENGE  # type: ignore[attr-defined]  # RFC 9110 §15.5.2
            return refused
        case SessionLimitReached():
            return exceptions.PermissionDenied(_(str(exc)), exc.code)
        case Unavailable():
            return _unavailable(exc)
        case OperationalError() | InterfaceError() | InternalError() if is_unavailable(exc):
            return _unavailable(exc)
        case TokenLifecycleError():
            return exceptions.APIException(_(str(exc)), exc.code)
        case RequestDataTooBig():
            return PayloadTooLarge()
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case _:
            return exc


def _unavailable(error: Exception) -> ServiceUnavailable:
    """The answer to ``error``; the log has the reason, once, for the answer tells none."""
    logger.error("the database did not answer", exc_info=error)
    return ServiceUnavailable()


def _body(exc: Exception, data: Any) -> Any:
    """Field errors stay where simplejwt's clients look for them; ``detail`` and ``code`` join."""
    if isinstance(exc, exceptions.ValidationError):
        # Under one name, whatever the project calls it; and nothing takes the place of the code.
        of_none = api_settings.NON_FIELD_ERRORS_KEY
        fields = data if isinstance(data, dict) else {of_none: data}
        named = {"non_field_errors" if name == of_none else name: fields[name] for name in fields}
        ours = {"detail": _("The request is not valid."), "code": "invalid"}
        return {**ours, **named, **ours}
    code = exc.get_codes() if isinstance(exc, exceptions.APIException) else "error"
    if isinstance(data, dict):
        return {**data, "code": data.get("code", code)}
    return {"detail": data, "code": code}
