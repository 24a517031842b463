"""System checks of the refresh cookie: what browsers would drop, or send where it does harm."""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from ..conf import COOKIE_DEFAULTS
from ..cookies import CookieAttributes
from .mounts import BROWSER, is_mounted
from .reading import cookie_settings, unknown_keys


def check_cookie(**kwargs: Any) -> list[CheckMessage]:
    """Combinations that browsers would silently drop (RFC 6265bis §4.1.3, §5.6)."""
    cookie = cookie_settings()
    found = unknown_keys(cookie, COOKIE_DEFAULTS, 'TOKEN_LIFECYCLE["COOKIE"]')
    if not isinstance(cookie["SECURE"], bool):
        found.append(_cookie_error("SECURE must be True or False.", "E017"))
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
    if CookieAttributes.from_settings(cookie, mount="/").name == cookie["HINT_NAME"]:
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
    if cookie_settings()["SECURE"]:
        return []
    message = "SECURE is off: the refresh token would travel over plain http."
    return [Warning(f'TOKEN_LIFECYCLE["COOKIE"]: {message}', id="token_lifecycle.W010")]


def check_csrf_cookie(**kwargs: Any) -> list[CheckMessage]:
    """W016: a CSRF token that the browser client cannot read, so that every request is a 403."""
    hidden = [n for n in ("CSRF_USE_SESSIONS", "CSRF_COOKIE_HTTPONLY") if getattr(settings, n)]
    if not hidden or not is_mounted(BROWSER):
        return []
    message = f"{hidden[0]} keeps the CSRF token from the pages that have to send it back."
    return [Warning(message, id="token_lifecycle.W016")]
