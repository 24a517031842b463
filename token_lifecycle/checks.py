"""System checks: a setting that would silently do nothing, or do harm, is reported at start-up.

One small function per rule. Each returns its messages; none raises, whatever a setting holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from .conf import (
    COOKIE_DEFAULTS,
    DEFAULT_ACCESS_LIFETIME,
    DEFAULTS,
    SETTING,
    THROTTLE_DEFAULTS,
)

#: What DRF's throttles read: a number of requests and a period.
RATE = re.compile(r"[0-9]+/[smhd][a-z]*")

ZERO = timedelta(0)


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


def _dict(name: str) -> dict[str, Any]:
    """What the project's settings hold under ``name``; empty where that is no dict."""
    value = getattr(settings, name, None)
    return value if isinstance(value, dict) else {}


def _value(name: str) -> Any:
    return _dict(SETTING).get(name, DEFAULTS[name])


def _cookie() -> dict[str, Any]:
    cookie = _value("COOKIE")
    return {**COOKIE_DEFAULTS, **cookie} if isinstance(cookie, dict) else {**COOKIE_DEFAULTS}


def check_shape(**kwargs: Any) -> list[CheckMessage]:
    """E001 not a dict, E002 unknown setting, E003 wrong type or value."""
    project = getattr(settings, SETTING, None)
    if project is not None and not isinstance(project, dict):
        return [Error("TOKEN_LIFECYCLE is not a dict.", id="token_lifecycle.E001")]
    return [*_unknown(project or {}, DEFAULTS, "TOKEN_LIFECYCLE"), *_wrong(project or {})]


def _unknown(given: Iterable[str], known: Iterable[str], where: str) -> list[CheckMessage]:
    return [
        Error(
            f"{where} has an unknown key: {name!r}.",
            hint=f"The keys are {', '.join(sorted(known))}.",
            id="token_lifecycle.E002",
        )
        for name in given
        if name not in known
    ]


def _wrong(project: dict[str, Any]) -> list[CheckMessage]:
    return [
        Error(f'TOKEN_LIFECYCLE["{name}"] must be {wanted}.', id="token_lifecycle.E003")
        for name, (accepts, wanted) in RULES.items()
        if name in project and not accepts(project[name])
    ]


def check_cookie(**kwargs: Any) -> list[CheckMessage]:
    """Combinations that browsers would silently drop (RFC 6265bis §4.1.3, §5.6)."""
    cookie = _cookie()
    found = _unknown(cookie, COOKIE_DEFAULTS, 'TOKEN_LIFECYCLE["COOKIE"]')
    if cookie["SAMESITE"] not in ("Strict", "Lax", "None"):
        found.append(_cookie_error('SAMESITE must be "Strict", "Lax" or "None".', "E010"))
    if cookie["SAMESITE"] == "None" and not cookie["SECURE"]:
        found.append(_cookie_error('SAMESITE "None" needs SECURE.', "E011"))
    found += _prefix_errors(cookie, "NAME", path=cookie["PATH"])
    found += _prefix_errors(cookie, "HINT_NAME", path="/")
    found += [
        _cookie_error(f"{key} has characters a cookie cannot carry.", "E014")
        for key, accepts in COOKIE_TEXTS.items()
        if cookie[key] is not COOKIE_DEFAULTS[key] and not accepts(cookie[key])
    ]
    if cookie["NAME"] is not None and cookie["NAME"] == cookie["HINT_NAME"]:
        found.append(_cookie_error("NAME and HINT_NAME must differ.", "E015"))
    return found


def _prefix_errors(cookie: dict[str, Any], key: str, *, path: Any) -> list[CheckMessage]:
    # Browsers compare the prefixes in any case.
    name = cookie[key].lower() if isinstance(cookie[key], str) else ""
    found: list[CheckMessage] = []
    if name.startswith(("__secure-", "__host-", "__http-")) and not cookie["SECURE"]:
        found.append(_cookie_error(f"the prefix of {key} needs SECURE.", "E012"))
    if name.startswith("__host-") and (cookie["DOMAIN"] or path != "/"):
        message = f'a {key} with the prefix "__Host-" needs PATH "/" and no DOMAIN.'
        found.append(_cookie_error(message, "E013"))
    return found


def _cookie_error(message: str, number: str) -> CheckMessage:
    return Error(f'TOKEN_LIFECYCLE["COOKIE"]: {message}', id=f"token_lifecycle.{number}")


def _is_cookie_name(value: Any) -> bool:
    try:
        SimpleCookie()[value] = ""
    except (CookieError, TypeError, AttributeError):
        return False
    return bool(value)


def _is_attribute(value: Any) -> bool:
    return (
        isinstance(value, str)
        and bool(value)
        and value.isascii()
        and value.isprintable()
        and not set(value) & set(' ;,="\\')
    )


#: What in ``COOKIE`` goes into a header, and how to tell whether it can.
COOKIE_TEXTS: dict[str, Callable[[Any], bool]] = {
    "NAME": _is_cookie_name,
    "HINT_NAME": _is_cookie_name,
    "DOMAIN": _is_attribute,
    "PATH": _is_attribute,
}


def check_insecure_cookie(**kwargs: Any) -> list[CheckMessage]:
    """W010: deploying with a cookie that travels over plain http."""
    if _cookie()["SECURE"]:
        return []
    message = "SECURE is off: the refresh token would travel over plain http."
    return [Warning(f'TOKEN_LIFECYCLE["COOKIE"]: {message}', id="token_lifecycle.W010")]


def check_csrf_cookie(**kwargs: Any) -> list[CheckMessage]:
    """W016: a CSRF token that the browser client cannot read, so that every request is a 403."""
    hidden = [n for n in ("CSRF_USE_SESSIONS", "CSRF_COOKIE_HTTPONLY") if getattr(settings, n)]
    if not hidden or not _is_mounted("token_lifecycle_browser"):
        return []
    message = f"{hidden[0]} keeps the CSRF token from the pages that have to send it back."
    return [Warning(message, id="token_lifecycle.W016")]


def _is_mounted(namespace: str) -> bool:
    try:
        reverse(f"{namespace}:csrf")
    except NoReverseMatch:
        return False
    return True


def check_durations(**kwargs: Any) -> list[CheckMessage]:
    """E020: a grace period in which a stolen token lives longer than an access token."""
    grace = _value("REUSE_GRACE_PERIOD")
    access = _dict("SIMPLE_JWT").get("ACCESS_TOKEN_LIFETIME", DEFAULT_ACCESS_LIFETIME)
    if not (_is_duration(grace) and _is_positive_duration(access)):
        return []
    found: list[CheckMessage] = []
    if grace > access:
        message = "REUSE_GRACE_PERIOD is longer than the access token's lifetime."
        found.append(Error(message, id="token_lifecycle.E020"))
    lifetime = _value("SESSION_LIFETIME")
    if _is_positive_duration(lifetime) and access > lifetime:
        message = "SESSION_LIFETIME is shorter than the access token's lifetime."
        found.append(Warning(message, id="token_lifecycle.W021"))
    return found


#: An access token that lives for longer makes the list in memory hold more than a day of ends.
LONGEST_IN_MEMORY = timedelta(days=1)


def check_memory(**kwargs: Any) -> list[CheckMessage]:
    """E022: an access lifetime that the list in memory cannot hold the ends of."""
    access = _dict("SIMPLE_JWT").get("ACCESS_TOKEN_LIFETIME", DEFAULT_ACCESS_LIFETIME)
    if _value("REVOCATION_CHECK") != "memory" or not _is_positive_duration(access):
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
    push = _value("REVOCATION_PUSH")
    if push is None or not _is_push(push):
        return []
    arguments = {name.lower(): value for name, value in push.items() if name != "BACKEND"}
    try:
        import_string(push["BACKEND"])(**arguments)
    except Exception as error:  # its class alone: a message might quote an address with a password
        message = f"REVOCATION_PUSH cannot be used: {type(error).__name__}."
        return [Error(message, id="token_lifecycle.E032")]
    return []


def check_clock(**kwargs: Any) -> list[CheckMessage]:
    """E060: local time without a zone, in which an hour comes twice a year."""
    if settings.USE_TZ:
        return []
    return [Error("token_lifecycle needs USE_TZ = True.", id="token_lifecycle.E060")]


def check_throttle_rates(**kwargs: Any) -> list[CheckMessage]:
    """E002, E030: a throttle of an unknown name, or a rate that DRF cannot read."""
    rates = _value("THROTTLE_RATES")
    if not isinstance(rates, dict):
        return []
    found = _unknown(rates, THROTTLE_DEFAULTS, 'TOKEN_LIFECYCLE["THROTTLE_RATES"]')
    for name, rate in rates.items():
        if rate is not None and not (isinstance(rate, str) and RATE.fullmatch(rate)):
            message = f'THROTTLE_RATES["{name}"] must look like "10/min", or be None.'
            found.append(Error(message, id="token_lifecycle.E030"))
    return found


def check_claims_hook(**kwargs: Any) -> list[CheckMessage]:
    """E031: ``ACCESS_CLAIMS`` names nothing that can be called."""
    path = _value("ACCESS_CLAIMS")
    if not isinstance(path, str):
        return []
    try:
        hook = import_string(path)
    except Exception as error:  # whatever the project's module raises when it is imported
        return [Error(f"ACCESS_CLAIMS cannot be imported: {error}", id="token_lifecycle.E031")]
    if callable(hook):
        return []
    return [Error("ACCESS_CLAIMS does not name a callable.", id="token_lifecycle.E031")]


def check_neighbours(**kwargs: Any) -> list[CheckMessage]:
    """W050, W051: parts of simplejwt that look as if they worked on this app's sessions."""
    found: list[CheckMessage] = []
    if apps.is_installed("rest_framework_simplejwt.token_blacklist"):
        message = "simplejwt's token_blacklist does nothing for this app's sessions."
        found.append(Warning(message, id="token_lifecycle.W050"))
    ignored = ("ROTATE_REFRESH_TOKENS", "BLACKLIST_AFTER_ROTATION", "REFRESH_TOKEN_LIFETIME")
    for name in ignored:
        if _dict("SIMPLE_JWT").get(name):
            found.append(
                Warning(
                    f"SIMPLE_JWT['{name}'] does nothing for this app's sessions.",
                    hint="Remove it. See TOKEN_LIFECYCLE for what takes its place.",
                    id="token_lifecycle.W051",
                )
            )
    return found


def register_all() -> None:
    """Register every check; the cookie's transport is looked at with ``check --deploy`` only."""
    for check in (
        check_shape,
        check_cookie,
        check_csrf_cookie,
        check_durations,
        check_memory,
        check_push,
        check_throttle_rates,
        check_claims_hook,
        check_neighbours,
        check_clock,
    ):
        register(check, Tags.security)
    register(check_insecure_cookie, Tags.security, deploy=True)
