"""System checks of the keys that sign tokens: weak, short, shared, misshapen, past their time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils import timezone

from ..conf import SETTING
from ..keys import FIELDS
from .material import HMAC_KEY_BYTES, loaded, mistakes
from .reading import of_project, setting

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
REPLACED = ("SIGNING_KEY", "VERIFYING_KEY", "ALGORITHM")


def check_signing_key(**kwargs: Any) -> list[CheckMessage]:
    """E040: a key that one token is enough to guess (RFC 8725 §3.5)."""
    found: list[CheckMessage] = []
    for name, algorithm, key in _signing_keys():
        if wanted := _weakness(algorithm, key):
            message = f"{name} is too weak for {algorithm}."
            found.append(Error(message, hint=wanted, id="token_lifecycle.E040"))
    return found


def check_single_key(**kwargs: Any) -> list[CheckMessage]:
    """E044: the key of ``SIMPLE_JWT`` cannot sign, or nobody could verify what it signs."""
    if _ring():
        return []
    simple = of_project("SIMPLE_JWT")
    key = simple.get("SIGNING_KEY", settings.SECRET_KEY)
    wrong = mistakes(simple.get("ALGORITHM", "HS256"), key, simple.get("VERIFYING_KEY"))
    found: list[CheckMessage] = [
        Error(f"SIMPLE_JWT: the signing key {mistake}", id="token_lifecycle.E044")
        for mistake in (wrong if key else ["has to sign, and SIGNING_KEY is empty."])
    ]
    return found


def check_fetched_keys(**kwargs: Any) -> list[CheckMessage]:
    """E045: keys to be fetched from a server, which this app does not."""
    if not of_project("SIMPLE_JWT").get("JWK_URL"):
        return []
    message = "SIMPLE_JWT['JWK_URL'] is not supported: keys are those of the settings."
    hint = "Remove it, and name the keys in SIMPLE_JWT or in SIGNING_KEYS."
    return [Error(message, hint=hint, id="token_lifecycle.E045")]


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
    """E042: the key that signs is past its time; W042: another one is, and does nothing.

    W046: the key that signs will not live for as long as what it signs.
    """
    now = timezone.now()
    found: list[CheckMessage] = []
    for place, entry in enumerate(_ring()):
        not_after, name = entry.get("NOT_AFTER"), f"The key {entry.get('KID')!r}"
        if not isinstance(not_after, datetime) or timezone.is_naive(not_after):
            continue
        if not_after <= now and place == 0:
            message = f"{name} is past its NOT_AFTER, and is the one that signs."
            found.append(Error(message, id="token_lifecycle.E042"))
        elif not_after <= now:
            message = f"{name} is past its NOT_AFTER, and verifies nothing any more."
            found.append(Warning(message, hint="Remove it.", id="token_lifecycle.W042"))
        elif place == 0 and not_after - now < _refresh_token_life():
            message = f"{name} signs refresh tokens that live beyond its NOT_AFTER."
            hint = "Put a new key in front of it, or people are signed out at that moment."
            found.append(Warning(message, hint=hint, id="token_lifecycle.W046"))
    return found


def _refresh_token_life() -> timedelta:
    limits = (setting("IDLE_TIMEOUT"), setting("SESSION_LIFETIME"))
    return min((life for life in limits if isinstance(life, timedelta)), default=timedelta(0))


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
            command = f"manage.py make_signing_key --algorithm {algorithm}"
            why = f"It has {FOR_DEVELOPMENT} in it: it stands in the code. "
            why = why if FOR_DEVELOPMENT.encode() in raw else ""
            return f"{why}Use at least {wanted} random bytes ({command})."
    bits = getattr(loaded(algorithm, raw), "key_size", RSA_KEY_BITS)
    if algorithm[:2] in ("RS", "PS") and bits < RSA_KEY_BITS:
        return f"Use an RSA key of at least {RSA_KEY_BITS} bits (manage.py make_signing_key)."
    return ""


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
    yield from mistakes(*(entry.get(n) for n in ("ALGORITHM", "SIGNING_KEY", "VERIFYING_KEY")))
