"""What ties a session to the password it was started with.

The tie is the value that ``django.contrib.auth`` itself ties its sessions to: an HMAC of the
stored password hash (``get_session_auth_hash``), with ``SECRET_KEY_FALLBACKS`` honoured. It is
hashed once more here, so that it has one length whatever a project's user model returns, and so
that the column is of no use against Django's own sessions.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models.query_utils import DeferredAttribute

HASH_METHODS = (
    "get_session_auth_hash",
    "get_session_auth_fallback_hash",
    "_get_session_auth_hash",
)


def auth_hash(user: Any) -> str:
    """What a session started by ``user`` now is bound to."""
    return _fingerprint(user.get_session_auth_hash())


def accepted_hashes(user: Any) -> tuple[str, ...]:
    """Every value that stands for the user's current password: the newest key's first."""
    fallbacks = map(_fingerprint, user.get_session_auth_fallback_hash())
    return (auth_hash(user), *fallbacks)


@lru_cache(maxsize=16)
def needed_columns(user_model: type[Any], user_id_field: str) -> tuple[str, ...] | None:
    """The user columns a refresh has to read; None where only the whole user will do.

    A project may override how the hash is made, or work ``is_active`` out; what such code reads
    cannot be known, and a deferred column would cost a query each.
    """
    if any(getattr(user_model, m) is not getattr(AbstractBaseUser, m) for m in HASH_METHODS):
        return None
    columns = {user_model._meta.pk.name, "password"}
    if user_id_field != "pk":
        columns.add(user_id_field)
    if is_column(user_model, "is_active"):
        columns.add("is_active")
    elif not isinstance(
        getattr(user_model, "is_active", None), bool
    ):  # AbstractBaseUser's constant
        return None
    return tuple(sorted(columns))


def is_column(model: type[Any], name: str) -> bool:
    """Whether an attribute is a column, and not worked out in whatever way from others."""
    return isinstance(getattr(model, name, None), DeferredAttribute)


def _fingerprint(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
