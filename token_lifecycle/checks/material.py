"""Whether keys can do what the settings ask of them: each that signs has to sign a probe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jwt.algorithms import get_default_algorithms

#: RFC 7518 §3.2: a key as long as the hash.
HMAC_KEY_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}

PROBE = b"probe"


def mistakes(algorithm: Any, signing_key: Any, verifying_key: Any) -> Iterator[str]:
    """What is wrong with one key; of an HMAC key the second half is not looked at."""
    if not is_known(algorithm):
        yield "has an ALGORITHM that PyJWT cannot do (the others need cryptography)."
        return
    used = {"SIGNING_KEY": signing_key}
    if algorithm not in HMAC_KEY_BYTES:
        used["VERIFYING_KEY"] = verifying_key
    if not any(used.values()):
        yield f"needs {' or '.join(used)}."
    if not used.get("VERIFYING_KEY", True):
        yield "needs a VERIFYING_KEY, the public half."
    keys = {name: loaded(algorithm, key) for name, key in used.items() if key}
    if unusable := [name for name, key in keys.items() if key is None]:
        yield from (f"has a {name} that is none for {algorithm}." for name in unusable)
        return
    yield from _misplaced(keys, algorithm)


def is_known(algorithm: Any) -> bool:
    return (
        isinstance(algorithm, str) and algorithm != "none" and algorithm in get_default_algorithms()
    )


def loaded(algorithm: str, key: Any) -> Any:
    """The key as PyJWT takes it; None where it does not."""
    try:
        return get_default_algorithms()[algorithm].prepare_key(key)
    except Exception:  # whatever cryptography has against it
        return None


def _misplaced(keys: dict[str, Any], algorithm: str) -> Iterator[str]:
    if _is_private(keys.get("VERIFYING_KEY")):
        yield "has a private key as its VERIFYING_KEY. It is published: put the public half there."
    signing = keys.get("SIGNING_KEY")
    if signing is None:
        return
    if algorithm not in HMAC_KEY_BYTES and not _is_private(signing):
        yield "has a SIGNING_KEY that cannot sign: it is a public one."
    elif not _fit(algorithm, signing, keys.get("VERIFYING_KEY", signing)):
        yield "does not verify what it signed: its halves do not belong together."


def _is_private(key: Any) -> bool:
    return hasattr(key, "public_key")


def _fit(algorithm: str, signing: Any, verifying: Any) -> bool:
    method: Any = get_default_algorithms()[algorithm]
    try:
        return bool(method.verify(PROBE, verifying, method.sign(PROBE, signing)))
    except Exception:  # whatever cryptography has against it
        return False
