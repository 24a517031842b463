"""The keys that sign and verify tokens: one of ``SIMPLE_JWT``, or a ring of them.

The first key of a ring signs, all of them verify, so that a key can be replaced while everybody
stays signed in. A token that names its key (``kid``) is verified with that key and no other; the
name is looked up and never used as anything else (RFC 8725 §3.10). A token without a name was made
before there was a ring: each key is tried. Every key has one algorithm (RFC 8725 §3.1).

Signing and verifying is simplejwt's ``TokenBackend``, and PyJWT beneath it.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, cast

import jwt
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.module_loading import import_string
from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.utils import base64url_decode
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from .conf import app_settings
from .exceptions import TokenInvalid

#: PyJWT compares ``exp`` with its own clock and refuses. A consumed refresh token is reused also
#: after its ``exp`` (RFC 9700 §4.14.2), and what was read once is only compared again, so the
#: comparison is made where tokens are read.
ANY_AGE = timedelta(days=365 * 1000)

#: What broken tokens make PyJWT, json and int() raise before simplejwt can translate it.
UNDECODABLE = (TokenBackendError, ValueError, TypeError, OverflowError, RecursionError)

#: What a key of a ring may say, and what of it is optional.
FIELDS = ("KID", "ALGORITHM", "SIGNING_KEY", "VERIFYING_KEY", "NOT_AFTER")

#: What of a public key others are told (RFC 7518 §6, RFC 8037 §2): the halves that are no secret.
PUBLIC_MEMBERS = ("kty", "n", "e", "crv", "x", "y")

NO_HEADER: Mapping[str, Any] = MappingProxyType({})


# Eq by identity: a ring's keys are compared by no one, and hashing key material is slow.
@dataclass(frozen=True, slots=True, eq=False)
class Signer:
    """Writes what ``TokenBackend.encode`` would, to the letter.

    PyJWT examines the key and spells the header anew for each token, which is most of what an HMAC
    costs there.
    """

    header: bytes
    """As PyJWT wrote it, encoded."""
    constants: Mapping[str, Any]
    """``aud`` and ``iss``, where the project has any."""
    algorithm: Algorithm
    key: Any = field(repr=False)
    to_json: Callable[[Any], str]

    def sign(self, payload: Mapping[str, Any]) -> str:
        """A JWT in compact serialization (RFC 7515 §7.1)."""
        claims = self.to_json({**payload, **self.constants}).encode()
        signed = self.header + b"." + base64url(claims)
        return (signed + b"." + base64url(self.algorithm.sign(signed, self.key))).decode()


@dataclass(frozen=True, eq=False, kw_only=True)
class Key:
    """One key with its one algorithm."""

    kid: str | None
    """Its name in the header of tokens; None for the single key of ``SIMPLE_JWT``."""
    backend: TokenBackend = field(repr=False)
    not_after: datetime | None = None
    """From when on it verifies nothing any more."""

    @cached_property
    def signer(self) -> Signer:
        # One token by PyJWT itself, so that whatever it has against the key or the claims is said.
        header, claims, _ = self.backend.encode({}).split(".")
        algorithm = get_default_algorithms()[self.backend.algorithm]
        if self.kid is not None:
            named = jwt.encode({}, self._material, self.backend.algorithm, {"kid": self.kid})
            header = named.partition(".")[0]
        return Signer(
            header=header.encode(),
            constants=json.loads(base64url_decode(claims)),
            algorithm=algorithm,
            key=algorithm.prepare_key(self._material),
            to_json=(self.backend.json_encoder or json.JSONEncoder)(separators=(",", ":")).encode,
        )

    @property
    def _material(self) -> Any:
        return self.backend.signing_key

    @property
    def is_public(self) -> bool:
        """Whether what verifies it may be shown to anybody."""
        return not self.backend.algorithm.startswith("HS")

    def as_jwk(self) -> dict[str, Any]:
        """What verifies it, for others (RFC 7517). Only of a key for which ``is_public`` holds."""
        algorithm: Any = get_default_algorithms()[self.backend.algorithm]
        key = algorithm.prepare_key(self.backend.verifying_key)
        # A private key verifies too, and somebody might have put it there.
        if hasattr(key, "public_key"):
            key = key.public_key()
        told = algorithm.to_jwk(key, as_dict=True)
        shown = {name: told[name] for name in PUBLIC_MEMBERS if name in told}
        named = {} if self.kid is None else {"kid": self.kid}
        return {**shown, **named, "use": "sig", "alg": self.backend.algorithm}


@dataclass(frozen=True, eq=False)
class KeyRing:
    """The keys in their order."""

    keys: tuple[Key, ...]

    @property
    def signing(self) -> Key:
        """The one that signs."""
        return self.keys[0]

    @property
    def is_named(self) -> bool:
        return self.signing.kid is not None

    @cached_property
    def ends_at(self) -> datetime | None:
        """When the first of its keys is due to be dropped."""
        return min((key.not_after for key in self.keys if key.not_after is not None), default=None)

    def decode(self, text: str) -> dict[str, Any]:
        """The claims of a token that one of the keys has signed.

        :raises TokenInvalid: none of them has.
        """
        for key in self._candidates(text.partition(".")[0]):
            try:
                claims: dict[str, Any] = key.backend.decode(cast("Any", text))
            except UNDECODABLE:
                continue
            return claims
        raise TokenInvalid

    def _candidates(self, header: str) -> Iterator[Key]:
        if not self.is_named:
            yield from self.keys
            return
        said = header_of(header)
        for key in self.keys:
            if said.get("kid", key.kid) == key.kid and said.get("alg") == key.backend.algorithm:
                yield key

    def due(self, now: datetime) -> tuple[Key, ...]:
        """The keys whose time is over."""
        return tuple(key for key in self.keys if key.not_after is not None and key.not_after <= now)


def key_ring() -> KeyRing:
    """The keys of this moment's settings. simplejwt's own are built at import, and stay."""
    ring = _configured()
    if ring.ends_at is not None and (now := timezone.now()) >= ring.ends_at:
        return _without(ring, ring.due(now))
    return ring


def _configured() -> KeyRing:
    simple = app_settings.simple_jwt
    audience = simple.get("AUDIENCE")
    common = (
        audience if audience is None or isinstance(audience, str) else tuple(audience),
        simple.get("ISSUER"),
        simple.get("JSON_ENCODER"),
    )
    if ring := app_settings.signing_keys:
        entries = tuple(tuple(entry.get(name) for name in FIELDS) for entry in ring)
        return _build(entries, *common)
    algorithm = simple.get("ALGORITHM", "HS256")
    key = simple.get("SIGNING_KEY", settings.SECRET_KEY)
    keys = [key]
    if algorithm.startswith("HS") and key == settings.SECRET_KEY:
        # As Django does with all that it signs: the old key verifies until it is taken out.
        keys += settings.SECRET_KEY_FALLBACKS
    verifying = simple.get("VERIFYING_KEY", "")
    return _build(tuple((None, algorithm, each, verifying, None) for each in keys), *common)


@lru_cache(maxsize=16)
def _build(entries: tuple[Any, ...], *common: Any) -> KeyRing:
    """Cached: preparing a key, an RSA one above all, costs more than a signature."""
    audience, issuer, json_encoder = common
    encoder = import_string(json_encoder) if isinstance(json_encoder, str) else json_encoder
    keys = []
    for kid, algorithm, signing_key, verifying_key, not_after in entries:
        backend = TokenBackend(
            algorithm,
            signing_key,
            verifying_key or "",
            audience,
            issuer,
            None,  # fetched keys would win over these, and tokens without a name find none there
            ANY_AGE,
            encoder,
        )
        keys.append(Key(kid=kid, backend=backend, not_after=not_after))
    return KeyRing(tuple(keys))


@lru_cache(maxsize=16)
def _without(ring: KeyRing, due: tuple[Key, ...]) -> KeyRing:
    """Cached, so that it is one ring, by which verified tokens are remembered.

    :raises ImproperlyConfigured: the key that signs is due; what it signed nobody would accept.
    """
    if ring.signing in due:
        raise ImproperlyConfigured("The first of SIGNING_KEYS is past its NOT_AFTER.")
    return KeyRing(tuple(key for key in ring.keys if key not in due))


@lru_cache(maxsize=64)
def header_of(header: str) -> Mapping[str, Any]:
    """The first part of a token, read; empty where it is none.

    Cached: all tokens of one key share their header, and what an attacker makes up pushes out no
    more than this.
    """
    try:
        return MappingProxyType(jwt.get_unverified_header(f"{header}.e30."))
    except (jwt.PyJWTError, ValueError, RecursionError):
        return NO_HEADER


def base64url(content: bytes) -> bytes:
    """Without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(content).rstrip(b"=")
