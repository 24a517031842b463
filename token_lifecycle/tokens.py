"""The codec: the only module that makes or reads tokens.

``keys`` signs and verifies them, and ``claims`` tells what may stand in them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from .claims import (
    ACCESS,
    MAX_JTI_LENGTH,
    MAX_USER_ID_LENGTH,
    REFRESH,
    RESERVED_CLAIMS,
    AccessClaims,
    RefreshClaims,
    canonical_uuid,
    frozen,
    jti_claim,
    latest,
    read_generation,
    read_secret,
    read_session_id,
    read_text,
    read_timestamp,
    token_type_claim,
    user_id_claim,
    user_id_field,
    user_id_is_key,
    user_id_of,
)
from .conf import app_settings
from .exceptions import TokenExpired, TokenInvalid
from .keys import KeyRing, base64url, header_of, key_ring

#: Those of ``claims`` whom it concerns beyond this room as well.
__all__ = [
    "AccessClaims",
    "RefreshClaims",
    "TokenNotYetValid",
    "canonical_uuid",
    "check_extra_claims",
    "digest",
    "is_compact",
    "mint_access",
    "mint_refresh",
    "new_secret",
    "parse_access",
    "parse_refresh",
    "secret_matches",
    "user_id_field",
    "user_id_is_key",
    "user_id_of",
]

#: A token of ours has a few hundred characters; headers and cookies cannot carry much more.
MAX_TOKEN_LENGTH = 8192
#: So that an access token with a project's claims stays below that, whatever the algorithm.
MAX_EXTRA_LENGTH = 4096
#: Compact serialization and nothing else: no padding, no white space, no JSON (RFC 7515 §3.1).
#: "ey" is how a JSON object begins in UTF-8; json.loads would take UTF-16 and UTF-32 as well.
COMPACT = re.compile(r"ey[A-Za-z0-9_-]+\.ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
SECRET_BYTES = 16

#: What the header of a token may have.
PLAIN = frozenset({"alg", "typ", "kid"})

#: Access tokens that a process remembers having verified: about 4 MB.
REMEMBERED = 2048


class TokenNotYetValid(TokenInvalid):
    """From the future: some server's clock is off. ``SIMPLE_JWT["LEEWAY"]`` forgives it.

    Not final: a second later the token is as good as any.
    """

    final = False


def new_secret() -> str:
    """128 bits from the operating system, the part of a session that only its client holds."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """What the database keeps of a secret. 128 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def secret_matches(secret: str, secret_digest: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(digest(secret), secret_digest)


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
        token_type_claim(): ACCESS,
        "exp": _seconds(expires_at),
        "iat": _seconds(issued_at),
        jti_claim(): secrets.token_urlsafe(16),
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
        token_type_claim(): REFRESH,
        "exp": _seconds(expires_at),
        "iat": _seconds(issued_at),
        jti_claim(): _refresh_jti(session_id, generation, secret),
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
    reserved = RESERVED_CLAIMS | {user_id_claim(), token_type_claim(), jti_claim()}
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
    names = (user_id_claim(), token_type_claim(), jti_claim())
    access = _remembered_access(text, key_ring(), *names)
    now, leeway = datetime.now(UTC), app_settings.leeway
    if latest(access.claims, "iat", "nbf") > now + leeway:
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
    expires_at = read_timestamp(claims, "exp")
    moment = now + leeway
    if latest(claims, "nbf") > moment or latest(claims, "iat") > max(moment, expires_at):
        raise TokenNotYetValid
    return RefreshClaims(
        session_id=read_session_id(claims),
        user_id=read_text(claims, user_id_claim(), MAX_USER_ID_LENGTH),
        generation=read_generation(claims),
        secret=read_secret(claims),
        expires_at=expires_at,
        expired=now >= expires_at + leeway,
    )


def is_compact(text: str) -> bool:
    """Whether ``text`` is spelt as a token is, and not too long for one."""
    return len(text) <= MAX_TOKEN_LENGTH and COMPACT.fullmatch(text) is not None


# Reading


def _read_access(text: str, ring: KeyRing, *names: str) -> AccessClaims:
    """The content of an access token of any age.

    ``names``, of the claims, are only there to be remembered by.
    """
    claims = _decode(text, ACCESS, ring)
    return AccessClaims(
        session_id=read_session_id(claims),
        user_id=read_text(claims, user_id_claim(), MAX_USER_ID_LENGTH),
        expires_at=read_timestamp(claims, "exp"),
        auth_time=read_timestamp(claims, "auth_time"),
        claims=frozen(claims),
    )


#: A client sends the same token for minutes, and verifying it is most of what a check costs that
#: asks no database. What fails raises, and is not remembered; what depends on the time is not part
#: of the result.
_remembered_access = lru_cache(maxsize=REMEMBERED)(_read_access)


def _decode(text: object, token_type: str, ring: KeyRing) -> dict[str, Any]:
    """The claims of a token whose signature, header, issuer, audience and type are right."""
    if not isinstance(text, str) or not is_compact(text):
        raise TokenInvalid
    claims = ring.decode(text)
    if not _is_plain_header(text.partition(".")[0]):
        raise TokenInvalid
    if claims.get(token_type_claim()) != token_type:
        raise TokenInvalid  # access and refresh tokens exclude each other (RFC 8725 §3.12)
    ours = ring.signing.backend
    if (ours.issuer is None and "iss" in claims) or (ours.audience is None and "aud" in claims):
        raise TokenInvalid  # another service signs with this key: its tokens are not ours
    read_timestamp(claims, "iat")
    read_timestamp(claims, "exp")
    if "nbf" in claims:
        read_timestamp(claims, "nbf")
    read_text(claims, jti_claim(), MAX_JTI_LENGTH)
    return claims


def _is_plain_header(header: str) -> bool:
    """Whether the header of a verified token asks for nothing but a JWT (RFC 8725 §3.11)."""
    fields = header_of(header)
    return fields.get("typ", "JWT") == "JWT" and bool(fields) and not fields.keys() - PLAIN


# Writing


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _refresh_jti(session_id: UUID, generation: int, secret: str) -> str:
    """Unique and, without the secret, not to be guessed; yet the same for the same generation."""
    mac = hmac.digest(secret.encode(), f"{session_id}.{generation}".encode(), "sha256")
    return base64url(mac[:16]).decode()
