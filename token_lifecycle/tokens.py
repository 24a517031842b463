"""The codec: the only module that makes or reads the claims of tokens; ``keys`` signs them.

What this module adds to a right signature is strictness: every claim is checked by type and bounds
before anything else sees it, so that a correctly signed token with odd claims is refused instead of
crashing a query (RFC 8725 §3.10, §3.11).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured

from .conf import app_settings
from .exceptions import TokenExpired, TokenInvalid
from .keys import KeyRing, base64url, header_of, key_ring

ACCESS = "access"
REFRESH = "refresh"

#: A token of ours has a few hundred characters; headers and cookies cannot carry much more.
MAX_TOKEN_LENGTH = 8192
#: So that an access token with a project's claims stays below that, whatever the algorithm.
MAX_EXTRA_LENGTH = 4096
#: Compact serialization and nothing else: no padding, no white space, no JSON (RFC 7515 §3.1).
#: "ey" is how a JSON object begins in UTF-8; json.loads would take UTF-16 and UTF-32 as well.
COMPACT = re.compile(r"ey[A-Za-z0-9_-]+\.ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
#: NUL and lone surrogates, which JSON can spell and databases cannot store.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
SECRET = re.compile(r"[A-Za-z0-9_-]{22}")
SECRET_BYTES = 16

#: The column's bound, minus one so that the next generation still fits.
MAX_GENERATION = 2**31 - 2
#: 3000-01-01: whatever lies behind it is no date that anybody meant.
MAX_TIMESTAMP = 32_503_680_000
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
MAX_USER_ID_LENGTH = 255
MAX_JTI_LENGTH = 255

#: What the header of a token may have.
PLAIN = frozenset({"alg", "typ", "kid"})

RESERVED_CLAIMS = frozenset({"exp", "iat", "nbf", "iss", "aud", "sid", "gen", "sec", "auth_time"})

#: Access tokens that a process remembers having verified: about 4 MB.
REMEMBERED = 2048


class TokenNotYetValid(TokenInvalid):
    """From the future: some server's clock is off. ``SIMPLE_JWT["LEEWAY"]`` forgives it.

    Not final: a second later the token is as good as any.
    """

    final = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessClaims:
    """The verified content of an access token."""

    session_id: UUID
    user_id: str
    expires_at: datetime
    auth_time: datetime
    """When the user proved who they are; no refresh moves it (RFC 9470)."""
    claims: Mapping[str, Any]
    """All claims, those of the project's hook included. Shared between requests: read only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshClaims:
    """The verified content of a refresh token. ``expires_at`` may have passed."""

    session_id: UUID
    user_id: str
    generation: int
    secret: str = field(repr=False)
    expires_at: datetime
    expired: bool


def new_secret() -> str:
    """128 bits from the operating system, the part of a session that only its client holds."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """What the database keeps of a secret. 128 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def secret_matches(secret: str, secret_digest: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(digest(secret), secret_digest)


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


def mint_access(
    *,
    session_id: UUID,
    user_id: str,
    auth_time: datetime,
    issued_at: datetime,
    expires_at: datetime,
    extra: Mapping[str, Any] | None = None,
) -> str:
    """Sign an access token; ``extra`` are the claims of the project's hook."""
    payload = {
        **(extra or {}),
        _token_type_claim(): ACCESS,
        "exp": _seconds(expires_at),
        "iat": _seconds(issued_at),
        _jti_claim(): secrets.token_urlsafe(16),
        "sid": str(session_id),
        "auth_time": _seconds(auth_time),
        user_id_claim(): user_id,
    }
    return key_ring().signing.signer.sign(payload)


def mint_refresh(
    *,
    session_id: UUID,
    user_id: str,
    generation: int,
    secret: str,
    issued_at: datetime,
    expires_at: datetime,
) -> str:
    """Sign the refresh token of one generation.

    The same arguments give the same token: a retry inside the grace period is answered with the
    successor that exists already, to the letter (with algorithms that sign deterministically).
    """
    payload = {
        _token_type_claim(): REFRESH,
        "exp": _seconds(expires_at),
        "iat": _seconds(issued_at),
        _jti_claim(): _refresh_jti(session_id, generation, secret),
        "sid": str(session_id),
        "gen": generation,
        "sec": secret,
        user_id_claim(): user_id,
    }
    return key_ring().signing.signer.sign(payload)


def check_extra_claims(extra: Mapping[str, Any]) -> None:
    """Refuse what a claims hook returned where no token that works could be made of it.

    Here and not when the token is signed, which is after the presented one was consumed.

    :raises ImproperlyConfigured: saying what is wrong.
    """
    reserved = RESERVED_CLAIMS | {user_id_claim(), _token_type_claim(), _jti_claim()}
    if clash := sorted(reserved & extra.keys()):
        raise ImproperlyConfigured(f"ACCESS_CLAIMS returned reserved claims: {', '.join(clash)}.")
    try:
        text = json.dumps(dict(extra), cls=key_ring().signing.backend.json_encoder, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"ACCESS_CLAIMS returned what is no JSON: {error}") from error
    if len(text) > MAX_EXTRA_LENGTH:
        raise ImproperlyConfigured(f"ACCESS_CLAIMS returned more than {MAX_EXTRA_LENGTH} bytes.")


def parse_access(text: object, *, any_age: bool = False) -> AccessClaims:
    """Verify an access token; with ``any_age``, also one that has expired.

    :raises TokenExpired: it was good once. The client refreshes.
    :raises TokenInvalid: anything else is wrong with it.
    """
    if not isinstance(text, str):
        raise TokenInvalid
    names = (user_id_claim(), _token_type_claim(), _jti_claim())
    access = _remembered_access(text, key_ring(), *names)
    now, leeway = datetime.now(UTC), app_settings.leeway
    if _latest(access.claims, "iat", "nbf") > now + leeway:
        raise TokenNotYetValid
    if now >= access.expires_at + leeway and not any_age:
        raise TokenExpired
    return access


def parse_refresh(text: object, *, now: datetime) -> RefreshClaims:
    """Verify a refresh token in everything but its age: ``expired`` says whether ``exp`` passed.

    One that seems to be issued in the future is good all the same. Which is the newer one the
    generation tells and the row, never a clock; and whoever refreshed while a server's clock was
    fast must not be signed out when it is set right. Issued after its own end was none of ours.

    :raises TokenInvalid: it is not one of ours; TokenNotYetValid: not yet.
    """
    claims = _decode(text, REFRESH, key_ring())
    leeway = app_settings.leeway
    expires_at = _timestamp(claims, "exp")
    moment = now + leeway
    if _latest(claims, "nbf") > moment or _latest(claims, "iat") > max(moment, expires_at):
        raise TokenNotYetValid
    return RefreshClaims(
        session_id=_session_id(claims),
        user_id=_text(claims, user_id_claim(), MAX_USER_ID_LENGTH),
        generation=_generation(claims),
        secret=_secret(claims),
        expires_at=expires_at,
        expired=now >= expires_at + leeway,
    )


def is_compact(text: str) -> bool:
    """Whether ``text`` is spelt as a token is, and not too long for one."""
    return len(text) <= MAX_TOKEN_LENGTH and COMPACT.fullmatch(text) is not None


def canonical_uuid(text: str) -> UUID | None:
    """The UUID that ``text`` is the usual spelling of; None for any other, also for its variants.

    ``UUID()`` accepts braces, capitals, missing hyphens and the digits of other scripts.
    """
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text else None


# Reading


def _read_access(text: str, ring: KeyRing, *names: str) -> AccessClaims:
    """The content of an access token of any age.

    ``names``, of the claims, are only there to be remembered by.
    """
    claims = _decode(text, ACCESS, ring)
    return AccessClaims(
        session_id=_session_id(claims),
        user_id=_text(claims, user_id_claim(), MAX_USER_ID_LENGTH),
        expires_at=_timestamp(claims, "exp"),
        auth_time=_timestamp(claims, "auth_time"),
        claims=MappingProxyType(claims),
    )


#: A client sends the same token for minutes, and verifying it is most of what a check costs that
#: asks no database. What fails raises, and is not remembered; what depends on the time is not part
#: of the result.
_remembered_access = lru_cache(maxsize=REMEMBERED)(_read_access)


def _latest(claims: Mapping[str, Any], *names: str) -> datetime:
    return max((_timestamp(claims, name) for name in names if name in claims), default=BEGINNING)


def _decode(text: object, token_type: str, ring: KeyRing) -> dict[str, Any]:
    """The claims of a token whose signature, header, issuer, audience and type are right."""
    if not isinstance(text, str) or not is_compact(text):
        raise TokenInvalid
    claims = ring.decode(text)
    if not _is_plain_header(text.partition(".")[0]):
        raise TokenInvalid
    if claims.get(_token_type_claim()) != token_type:
        raise TokenInvalid  # access and refresh tokens exclude each other (RFC 8725 §3.12)
    ours = ring.signing.backend
    if (ours.issuer is None and "iss" in claims) or (ours.audience is None and "aud" in claims):
        raise TokenInvalid  # another service signs with this key: its tokens are not ours
    _timestamp(claims, "iat")
    _timestamp(claims, "exp")
    if "nbf" in claims:
        _timestamp(claims, "nbf")
    _text(claims, _jti_claim(), MAX_JTI_LENGTH)
    return claims


def _is_plain_header(header: str) -> bool:
    """Whether the header of a verified token asks for nothing but a JWT (RFC 8725 §3.11)."""
    fields = header_of(header)
    return fields.get("typ", "JWT") == "JWT" and bool(fields) and not fields.keys() - PLAIN


def _text(claims: Mapping[str, Any], name: str, length: int) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= length or UNSTORABLE.search(value):
        raise TokenInvalid
    return value


def _session_id(claims: Mapping[str, Any]) -> UUID:
    session_id = canonical_uuid(_text(claims, "sid", 36))
    if session_id is None:
        raise TokenInvalid
    return session_id


def _generation(claims: Mapping[str, Any]) -> int:
    value = claims.get("gen")
    # type() and not isinstance(): True is an int, and 1 == True.
    if type(value) is not int or not 1 <= value <= MAX_GENERATION:
        raise TokenInvalid
    return value


def _secret(claims: Mapping[str, Any]) -> str:
    value = claims.get("sec")
    if not isinstance(value, str) or not SECRET.fullmatch(value):
        raise TokenInvalid
    return value


def _timestamp(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value <= MAX_TIMESTAMP:
        raise TokenInvalid
    return datetime.fromtimestamp(value, UTC)


# Writing


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _refresh_jti(session_id: UUID, generation: int, secret: str) -> str:
    """Unique and, without the secret, not to be guessed; yet the same for the same generation."""
    mac = hmac.digest(secret.encode(), f"{session_id}.{generation}".encode(), "sha256")
    return base64url(mac[:16]).decode()


# Names


def _token_type_claim() -> str:
    return app_settings.simple_jwt.get("TOKEN_TYPE_CLAIM") or "token_type"


def _jti_claim() -> str:
    return app_settings.simple_jwt.get("JTI_CLAIM") or "jti"
