"""System checks of the settings: of the right kind, and not at odds with each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from ..conf import DEFAULT_ACCESS_LIFETIME, DEFAULTS, SETTING, THROTTLE_DEFAULTS
from .reading import of_project, setting, unknown_keys

#: What DRF's throttles read: a number of requests and a period.
RATE = re.compile(r"[0-9]+/[smhd][a-z]*")

ZERO = timedelta(0)
#: A day; clocks that differ by more are no clocks.
MOST_SECONDS = 86_400


def _is_positive_duration(value: Any) -> bool:
    return isinstance(value, timedelta) and value > ZERO


def _is_duration(value: Any) -> bool:
    return isinstance(value, timedelta) and value >= ZERO


def _is_poll_interval(value: Any) -> bool:
    return isinstance(value, timedelta) and value >= timedelta(milliseconds=100)


def _is_push(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and "BACKEND" in value
        and all(isinstance(text, str) for entry in value.items() for text in entry)
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_ring(value: Any) -> bool:
    return value is None or (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(entry, dict) for entry in value)
    )


def _is_hook(value: Any) -> bool:
    return value is None or isinstance(value, str) or callable(value)


#: What each setting accepts, and how to say so.
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "SESSION_LIFETIME": (_is_positive_duration, "a positive timedelta"),
    "IDLE_TIMEOUT": (_is_positive_duration, "a positive timedelta"),
    "REUSE_GRACE_PERIOD": (_is_duration, "a timedelta, zero for strict reuse detection"),
    "REVOCATION_CHECK": (
        lambda v: v in ("database", "memory", "none"),
        '"database", "memory" or "none"',
    ),
    "REVOCATION_POLL_INTERVAL": (_is_poll_interval, "a timedelta of 100 ms or more"),
    "REVOCATION_WHEN_STALE": (
        lambda v: v in ("database", "refuse"),
        '"database" or "refuse"',
    ),
    "REVOCATION_PUSH": (_is_push, 'None or a dict of texts with a "BACKEND"'),
    "MAX_SESSIONS_PER_USER": (
        lambda v: v is None or (type(v) is int and v > 0),
        "a positive integer or None",
    ),
    "SESSION_LIMIT_POLICY": (
        lambda v: v in ("evict_oldest", "refuse"),
        '"evict_oldest" or "refuse"',
    ),
    "COOKIE": (lambda v: isinstance(v, dict), "a dict"),
    "REFRESH_REFUSED_STATUS": (lambda v: v in (400, 401, 403), "400, 401 or 403"),
    "THROTTLE_RATES": (lambda v: v is None or isinstance(v, dict), "a dict or None"),
    "TRUSTED_PROXIES": (_is_count, "a number of proxies, 0 or more"),
    "ACCESS_CLAIMS": (_is_hook, "a dotted path to a callable, or None"),
    "SIGNING_KEYS": (_is_ring, "a list of dicts, one for each key, or None"),
    "RECORD_ROTATIONS": (lambda v: isinstance(v, bool), "a boolean"),
    "RETENTION": (_is_duration, "a timedelta"),
    "ADMIN_USER_PANEL": (lambda v: isinstance(v, bool), "a boolean"),
}


def check_shape(**kwargs: Any) -> list[CheckMessage]:
    """E001 not a dict, E002 unknown setting, E003 wrong type or value."""
    project = getattr(settings, SETTING, None)
    if project is not None and not isinstance(project, dict):
        return [Error("TOKEN_LIFECYCLE is not a dict.", id="token_lifecycle.E001")]
    return [*unknown_keys(project or {}, DEFAULTS, "TOKEN_LIFECYCLE"), *_wrong(project or {})]


def _wrong(project: dict[str, Any]) -> list[CheckMessage]:
    return [
        Error(f'TOKEN_LIFECYCLE["{name}"] must be {wanted}.', id="token_lifecycle.E003")
        for name, (accepts, wanted) in RULES.items()
        if name in project and not accepts(project[name])
    ]


def _is_leeway(value: Any) -> bool:
    # Zero by any name is none at all, as in PyJWT.
    if not value or _is_duration(value):
        return True
    return type(value) in (int, float) and 0 <= value <= MOST_SECONDS


def check_simple_jwt(**kwargs: Any) -> list[CheckMessage]:
    """E023: durations of ``SIMPLE_JWT`` that are none."""
    simple = of_project("SIMPLE_JWT")
    found: list[CheckMessage] = []
    if not _is_positive_duration(simple.get("ACCESS_TOKEN_LIFETIME", DEFAULT_ACCESS_LIFETIME)):
        message = "SIMPLE_JWT['ACCESS_TOKEN_LIFETIME'] must be a positive timedelta."
        found.append(Error(message, id="token_lifecycle.E023"))
    if not _is_leeway(simple.get("LEEWAY", 0)):
        message = "SIMPLE_JWT['LEEWAY'] must be a timedelta or a number of seconds."
        found.append(Error(message, id="token_lifecycle.E023"))
    return found


def check_durations(**kwargs: Any) -> list[CheckMessage]:
    """E020: a grace period in which a stolen token lives longer than an access token."""
    grace = setting("REUSE_GRACE_PERIOD")
    access = of_project("SIMPLE_JWT").get("ACCESS_TOKEN_LIFETIME", DEFAULT_ACCESS_LIFETIME)
    if not (_is_duration(grace) and _is_positive_duration(access)):
        return []
    found: list[CheckMessage] = []
    if grace > access:
        message = "REUSE_GRACE_PERIOD is longer than the access token's lifetime."
        found.append(Error(message, id="token_lifecycle.E020"))
    lifetime = setting("SESSION_LIFETIME")
    if _is_positive_duration(lifetime) and access > lifetime:
        message = "SESSION_LIFETIME is shorter than the access token's lifetime."
        found.append(Warning(message, id="token_lifecycle.W021"))
    return found


#: An access token that lives for longer makes the list in memory hold more than a day of ends.
LONGEST_IN_MEMORY = timedelta(days=1)


def check_memory(**kwargs: Any) -> list[CheckMessage]:
    """E022: an access lifetime that the list in memory cannot hold the ends of."""
    access = of_project("SIMPLE_JWT").get("ACCESS_TOKEN_LIFETIME", DEFAULT_ACCESS_LIFETIME)
    if setting("REVOCATION_CHECK") != "memory" or not _is_positive_duration(access):
        return []
    if access <= LONGEST_IN_MEMORY:
        return []
    return [
        Error(
            'REVOCATION_CHECK = "memory" needs access tokens that live for a day at most.',
            id="token_lifecycle.E022",
        )
    ]


def check_push(**kwargs: Any) -> list[CheckMessage]:
    """E032: ``REVOCATION_PUSH`` names nothing that can be made, or with arguments it cannot use."""
    push = setting("REVOCATION_PUSH")
    if push is None or not _is_push(push):
        return []
    arguments = {name.lower(): value for name, value in push.items() if name != "BACKEND"}
    try:
        import_string(push["BACKEND"])(**arguments)
    except Exception as error:  # its class alone: a message might quote an address with a password
        message = f"REVOCATION_PUSH cannot be used: {type(error).__name__}."
        return [Error(message, id="token_lifecycle.E032")]
    return []


def check_throttle_rates(**kwargs: Any) -> list[CheckMessage]:
    """E002, E030: a throttle of an unknown name, or a rate that DRF cannot read."""
    rates = setting("THROTTLE_RATES")
    if not isinstance(rates, dict):
        return []
    found = unknown_keys(rates, THROTTLE_DEFAULTS, 'TOKEN_LIFECYCLE["THROTTLE_RATES"]')
    for name, rate in rates.items():
        if rate is not None and not (isinstance(rate, str) and RATE.fullmatch(rate)):
            message = f'THROTTLE_RATES["{name}"] must look like "10/min", or be None.'
            found.append(Error(message, id="token_lifecycle.E030"))
    return found


def check_claims_hook(**kwargs: Any) -> list[CheckMessage]:
    """E031: ``ACCESS_CLAIMS`` names nothing that can be called."""
    path = setting("ACCESS_CLAIMS")
    if not isinstance(path, str):
        return []
    try:
        hook = import_string(path)
    except Exception as error:  # whatever the project's module raises when it is imported
        return [Error(f"ACCESS_CLAIMS cannot be imported: {error}", id="token_lifecycle.E031")]
    if callable(hook):
        return []
    return [Error("ACCESS_CLAIMS does not name a callable.", id="token_lifecycle.E031")]
