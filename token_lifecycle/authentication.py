"""DRF authenticators: who sends this access token, and may the session behind it still act?"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.functional import SimpleLazyObject
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.settings import api_settings as simplejwt_settings

from . import lifecycle, tokens
from .api_errors import CHALLENGE, CHALLENGE_INVALID, refusing_bearers
from .conf import app_settings
from .exceptions import TokenInvalid, UserInactive
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
    session that was ended is refused at the next request. With ``"memory"`` a list in this process
    answers without a statement, at most ``REVOCATION_POLL_INTERVAL`` late, and the user is read
    when the view looks at more than the key. With ``"none"`` only the user is read, and an access
    token lives until it expires.

    ``request.auth`` is a :class:`~token_lifecycle.tokens.AccessClaims`.
    """

    #: ``REVOCATION_CHECK`` for views that use a subclass; None: as the setting says.
    revocation_check: ClassVar[str | None] = None

    @sensitive_variables()  # the token, which an error report would show
    def authenticate(self, request: Request) -> tuple[Any, AccessClaims] | None:
        """The user and the verified claims; None without a bearer token.

        :raises BearerRefused: 401, with the code that tells the client what to do.
        :raises ServiceUnavailable: 503, when nothing can say whether the session is live.
        """
        token = bearer_token(request)
        if token is None:
            return None
        with refusing_bearers():
            claims = tokens.parse_access(token)
            return self.user_of(claims), claims

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401: with an error code only where a token was presented."""
        return CHALLENGE if bearer_token(request) is None else CHALLENGE_INVALID

    @property
    def mode(self) -> str:
        """How the session is looked at: ``"database"``, ``"memory"`` or ``"none"``."""
        return self.revocation_check or app_settings.revocation_check

    @property
    def asks_database(self) -> bool:
        """Whether each request has the answer of the database itself."""
        return self.mode == "database"

    def user_of(self, claims: AccessClaims) -> Any:
        """The user behind verified claims, as far as the session may still act."""
        match self.mode:
            case "none":
                return active_user(claims.user_id)
            case "memory" if lifecycle.is_vouched_for(claims):
                return LazyUser(claims)
            case _:
                return lifecycle.check_access(claims).user


class StatelessSessionTokenAuthentication(SessionTokenAuthentication):
    """Authenticate without any statement: by the token and the list of ended sessions in memory.

    The list is asked whatever ``REVOCATION_CHECK`` says, unless that is ``"none"``, and
    ``request.user`` is simplejwt's ``TokenUser`` (``SIMPLE_JWT["TOKEN_USER_CLASS"]``), made of the
    claims alone.
    """

    @property
    def asks_database(self) -> bool:
        return False

    def user_of(self, claims: AccessClaims) -> Any:
        if app_settings.revocation_check != "none" and not lifecycle.is_vouched_for(claims):
            lifecycle.check_access(claims)
        return simplejwt_settings.TOKEN_USER_CLASS(claims.claims)


class LazyUser(SimpleLazyObject):  # type: ignore[type-arg]  # generic in the stubs alone
    """The user of a session known to be live, read at the first look at more than the key.

    :raises BearerRefused: at that look, where the user is gone or deactivated by a statement that
        the list cannot know of.
    :raises ServiceUnavailable: at that look, when the database does not answer.
    """

    #: Nothing of this needs the row.
    is_authenticated = True
    is_anonymous = False

    def __init__(self, claims: AccessClaims) -> None:
        super().__init__(partial(_read_user, claims.user_id))
        if tokens.user_id_is_key():
            key = get_user_model()._meta.pk
            # LazyObject's own __setattr__ would read the user.
            self.__dict__["pk"] = self.__dict__[key.attname] = key.to_python(claims.user_id)

    def __bool__(self) -> bool:
        return True


def _read_user(user_id: str) -> Any:
    with refusing_bearers():
        return active_user(user_id)


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
