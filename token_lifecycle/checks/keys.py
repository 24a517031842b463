"""System checks of the keys that sign tokens: weak, short, shared, misshapen, past their time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils import timezone
from jwt.algorithms import get_default_algorithms

from ..conf import SETTING
from ..keys import FIELDS
from .reading import of_project

#: RFC 7518 §3.2: a key as long as the hash.
HMAC_KEY_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
#: RFC 7518 §3.3.
RSA_KEY_BITS = 2048
#: Fewer different bytes than this is a pattern, not chance.
DIFFERENT_BYTES = 8
#: What examples are signed with, and lists of guesses begin with.
EXAMPLES = (
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long",
)
#: What ``startproject`` puts before a key: it is random, but stands in the code.
FOR_DEVELOPMENT = "django-insecure-"

#: What of ``SIMPLE_JWT`` a ring replaces.
REPLACED = ("SIGNING_KEY", "VERIFYING_KEY", "ALGORITHM", "JWK_URL")


def check_signing_key(**kwargs: Any) -> list[CheckMessage]:
    """E040: a key that one token is enough to guess (RFC 8725 §3.5)."""
    found: list[CheckMessage] = []
    for name, algorithm, key in _signing_keys():
        if wanted := _weakness(algorithm, key):
            message = f"{name} is too weak for {algorithm}."
            found.append(Error(message, hint=wanted, id="token_lifecycle.E040"))
    return found


def check_key_ring(**kwargs: Any) -> list[CheckMessage]:
    """E041: a ring that cannot be used; W041: parts of ``SIMPLE_JWT`` that do nothing beside it."""
    ring = _ring()
    if not ring:
        return []
    found: list[CheckMessage] = [
        Error(f"SIGNING_KEYS: {mistake}", id="token_lifecycle.E041") for mistake in _mistakes(ring)
    ]
    simple = of_project("SIMPLE_JWT")
    for name in REPLACED:
        if simple.get(name):
            message = f"SIMPLE_JWT['{name}'] does nothing beside SIGNING_KEYS."
            hint = "Remove it; tokens that it signed need its key at the end of the ring."
            found.append(Warning(message, hint=hint, id="token_lifecycle.W041"))
    return found


def check_key_ages(**kwargs: Any) -> list[CheckMessage]:
    """E042: the key that signs is past its time; W042: another one is, and does nothing."""
    now = timezone.now()
    found: list[CheckMessage] = []
    for place, entry in enumerate(_ring()):
        not_after = entry.get("NOT_AFTER")
        if not isinstance(not_after, datetime) or timezone.is_naive(not_after) or not_after > now:
            continue
        name = f"The key {entry.get('KID')!r} is past its NOT_AFTER"
        if place == 0:
            message = f"{name}, and is the one that signs."
            found.append(Error(message, id="token_lifecycle.E042"))
        else:
            message = f"{name}, and verifies nothing any more."
            found.append(Warning(message, hint="Remove it.", id="token_lifecycle.W042"))
    return found


def check_shared_keys(**kwargs: Any) -> list[CheckMessage]:
    """W043, with ``check --deploy``: the secret that signs tokens also signs everything else."""
    shared = [
        name
        for name, algorithm, key in _signing_keys()
        if isinstance(algorithm, str) and algorithm in HMAC_KEY_BYTES and key == settings.SECRET_KEY
    ]
    return [
        Warning(
            f"{name} is Django's SECRET_KEY.",
            hint="Give tokens a key of their own, so that each can be replaced without the other.",
            id="token_lifecycle.W043",
        )
        for name in shared
    ]


def _ring() -> list[dict[str, Any]]:
    """The entries that are dicts; the rule of shapes reports the others."""
    ring = of_project(SETTING).get("SIGNING_KEYS")
    entries = ring if isinstance(ring, list | tuple) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def _signing_keys() -> Iterator[tuple[str, Any, Any]]:
    """Name, algorithm and key of each that signs or could."""
    if ring := _ring():
        for entry in ring:
            yield f"The key {entry.get('KID')!r}", entry.get("ALGORITHM"), entry.get("SIGNING_KEY")
        return
    simple = of_project("SIMPLE_JWT")
    key = simple.get("SIGNING_KEY", settings.SECRET_KEY)
    yield "The signing key", simple.get("ALGORITHM", "HS256"), key


def _weakness(algorithm: Any, key: Any) -> str:
    """What would be strong enough; empty where the key is, or where it cannot be told."""
    if not isinstance(algorithm, str) or not isinstance(key, str | bytes):
        return ""
    raw = key.encode() if isinstance(key, str) else key
    if wanted := HMAC_KEY_BYTES.get(algorithm):
        guessed = EXAMPLES if settings.DEBUG else (*EXAMPLES, FOR_DEVELOPMENT)
        known = any(example.encode() in raw for example in guessed)
        if len(raw) < wanted or len(set(raw)) < DIFFERENT_BYTES or known:
            return f"Use at least {wanted} random bytes (manage.py make_signing_key)."
    bits = getattr(_loaded(algorithm, raw), "key_size", RSA_KEY_BITS)
    if algorithm[:2] in ("RS", "PS") and bits < RSA_KEY_BITS:
        return f"Use an RSA key of at least {RSA_KEY_BITS} bits (manage.py make_signing_key)."
    return ""


def _loaded(algorithm: str, key: Any) -> Any:
    """The key as PyJWT takes it; None where it does not."""
    try:
        return get_default_algorithms()[algorithm].prepare_key(key)
    except Exception:  # whatever cryptography has against it
        return None


def _mistakes(ring: list[dict[str, Any]]) -> Iterator[str]:
    kids = [entry.get("KID") for entry in ring]
    material = [entry.get("SIGNING_KEY") or entry.get("VERIFYING_KEY") for entry in ring]
    for kid in {kid for kid in kids if kids.count(kid) > 1 and isinstance(kid, str)}:
        yield f"the KID {kid!r} stands there twice."
    if any(key is not None and material.count(key) > 1 for key in material):
        yield "one key stands there twice, under two names."
    if not ring[0].get("SIGNING_KEY"):
        yield "the first key has to sign, and has no SIGNING_KEY."
    for entry in ring:
        yield from (f"the key {entry.get('KID')!r} {mistake}" for mistake in _mistakes_of(entry))


def _mistakes_of(entry: dict[str, Any]) -> Iterator[str]:
    if unknown := sorted(map(str, entry.keys() - set(FIELDS))):
        yield f"has unknown fields: {', '.join(unknown)}."
    kid = entry.get("KID")
    if not isinstance(kid, str) or not 0 < len(kid) <= 64 or not kid.isprintable():
        yield "needs a KID: a text of 1 to 64 characters."
    not_after = entry.get("NOT_AFTER")
    if not_after is not None and not (
        isinstance(not_after, datetime) and timezone.is_aware(not_after)
    ):
        yield "has a NOT_AFTER that is no datetime with a time zone."
    algorithm = entry.get("ALGORITHM")
    algorithm = algorithm if isinstance(algorithm, str) else "none"
    if algorithm == "none" or algorithm not in get_default_algorithms():
        yield "has an ALGORITHM that PyJWT cannot do (the others need cryptography)."
        return
    used = ["SIGNING_KEY"] if algorithm in HMAC_KEY_BYTES else ["SIGNING_KEY", "VERIFYING_KEY"]
    if not any(entry.get(name) for name in used):
        yield f"needs {' or '.join(used)}."
    if algorithm not in HMAC_KEY_BYTES and not entry.get("VERIFYING_KEY"):
        yield "needs a VERIFYING_KEY, the public half."
    for name in used:
        if entry.get(name) and _loaded(algorithm, entry[name]) is None:
            yield f"has a {name} that is none for {algorithm}."
