"""What the checks read: the project's settings as they stand there, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from ..conf import COOKIE_DEFAULTS, DEFAULTS, SETTING


def of_project(name: str) -> dict[str, Any]:
    """What the project's settings hold under ``name``; empty where that is no dict."""
    value = getattr(settings, name, None)
    return value if isinstance(value, dict) else {}


def setting(name: str) -> Any:
    """A setting of this app, or its default."""
    return of_project(SETTING).get(name, DEFAULTS[name])


def unknown_keys(given: Iterable[str], known: Iterable[str], where: str) -> list[CheckMessage]:
    """E002 for each name that is given and not known; a slip of the pen would do nothing."""
    return [
        Error(
            f"{where} has an unknown key: {name!r}.",
            hint=f"The keys are {', '.join(sorted(known))}.",
            id="token_lifecycle.E002",
        )
        for name in given
        if name not in known
    ]


def cookie_settings() -> dict[str, Any]:
    """The ``COOKIE`` setting with its defaults."""
    cookie = setting("COOKIE")
    return {**COOKIE_DEFAULTS, **cookie} if isinstance(cookie, dict) else {**COOKIE_DEFAULTS}
