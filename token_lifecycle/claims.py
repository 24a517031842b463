"""What the claims of tokens are called and may be: read strictly, by type and bounds.

A correctly signed token with odd claims is refused instead of crashing a query (RFC 8725 §3.10,
§3.11): the key may be shared with another service, and what signs is not always what thinks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model

from .conf import app_settings
from .exceptions import TokenInvalid

#: What ``token_type`` says. Refresh tokens have a name of their own: simplejwt's views take its
#: "refresh" and would make an access token of one, also after its session was ended.
ACCESS = "access"
REFRESH = "session_refresh"

#: NUL and lone surrogates, which JSON can spell and databases cannot store.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
SECRET = re.compile(r"[A-Za-z0-9_-]{22}")

#: The column's bound, minus one so that the next generation still fits.
MAX_GENERATION = 2**31 - 2
#: 3000-01-01: whatever lies behind it is no date that anybody meant.
MAX_TIMESTAMP = 32_503_680_000
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
MAX_USER_ID_LENGTH = 255
MAX_JTI_LENGTH = 255

RESERVED_CLAIMS = frozenset({"exp", "iat", "nbf", "iss", "aud", "sid", "gen", "sec", "auth_time"})


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessClaims:
    """The verified content of an access token."""

    session_id: UUID
    user_id: str
    expires_at: datetime
    auth_time: datetime
    """When the user proved who they are; no refresh moves it (RFC 9470)."""
    claims: Mapping[str, Any]
    """All claims, those of the project's hook included.

    Shared between requests, so nothing in it can be changed: a list comes as a tuple.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshClaims:
    """The verified content of a refresh token. ``expires_at`` may have passed."""

    session_id: UUID
    user_id: str
    generation: int
    secret: str = field(repr=False)
    expires_at: datetime
    expired: bool


# Names


def user_id_of(user: Any) -> str:
    """The value of the user-id claim: ``SIMPLE_JWT["USER_ID_FIELD"]``, by default the key."""
    return str(getattr(user, user_id_field()))


def user_id_field() -> str:
    field_name: str = app_settings.simple_jwt.get("USER_ID_FIELD", "pk")
    return field_name


def user_id_is_key() -> bool:
    """Whether the user-id claim is the user's primary key, which does not change."""
    return user_id_field() in ("pk", get_user_model()._meta.pk.name)


def user_id_claim() -> str:
    claim: str = app_settings.simple_jwt.get("USER_ID_CLAIM", "user_id")
    return claim


def token_type_claim() -> str:
    return app_settings.simple_jwt.get("TOKEN_TYPE_CLAIM") or "token_type"


def jti_claim() -> str:
    return app_settings.simple_jwt.get("JTI_CLAIM") or "jti"


# Reading


def read_text(claims: Mapping[str, Any], name: str, length: int) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= length or UNSTORABLE.search(value):
        raise TokenInvalid
    return value


def read_session_id(claims: Mapping[str, Any]) -> UUID:
    session_id = canonical_uuid(read_text(claims, "sid", 36))
    if session_id is None:
        raise TokenInvalid
    return session_id


def read_generation(claims: Mapping[str, Any]) -> int:
    value = claims.get("gen")
    # type() and not isinstance(): True is an int, and 1 == True.
    if type(value) is not int or not 1 <= value <= MAX_GENERATION:
        raise TokenInvalid
    return value


def read_secret(claims: Mapping[str, Any]) -> str:
    value = claims.get("sec")
    if not isinstance(value, str) or not SECRET.fullmatch(value):
        raise TokenInvalid
    return value


def read_timestamp(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value <= MAX_TIMESTAMP:
        raise TokenInvalid
    return datetime.fromtimestamp(value, UTC)


def latest(claims: Mapping[str, Any], *names: str) -> datetime:
    """The last of these times; the beginning of all where none is given."""
    given = (read_timestamp(claims, name) for name in names if name in claims)
    return max(given, default=BEGINNING)


def canonical_uuid(text: str) -> UUID | None:
    """The UUID that ``text`` is the usual spelling of; None for any other, also for its variants.

    ``UUID()`` accepts braces, capitals, missing hyphens and the digits of other scripts.
    """
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text else None


def frozen(value: Any) -> Any:
    """``value`` out of JSON, with nothing in it that could be changed.

    :raises TokenInvalid: it is nested deeper than anybody meant.
    """
    try:
        return _frozen(value)
    except RecursionError:
        raise TokenInvalid from None


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(inner) for name, inner in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
