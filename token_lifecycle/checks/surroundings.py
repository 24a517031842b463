"""System checks of what stands beside this app in the project's settings."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections, router
from django.utils.module_loading import import_string

from ..conf import THROTTLE_DEFAULTS
from .reading import of_project, setting


def check_neighbours(**kwargs: Any) -> list[CheckMessage]:
    """W050, W051: parts of simplejwt that look as if they worked on this app's sessions."""
    found: list[CheckMessage] = []
    if apps.is_installed("rest_framework_simplejwt.token_blacklist"):
        message = "simplejwt's token_blacklist does nothing for this app's sessions."
        found.append(Warning(message, id="token_lifecycle.W050"))
    ignored = ("ROTATE_REFRESH_TOKENS", "BLACKLIST_AFTER_ROTATION", "REFRESH_TOKEN_LIFETIME")
    for name in ignored:
        if of_project("SIMPLE_JWT").get(name):
            found.append(
                Warning(
                    f"SIMPLE_JWT['{name}'] does nothing for this app's sessions.",
                    hint="Remove it. See TOKEN_LIFECYCLE for what takes its place.",
                    id="token_lifecycle.W051",
                )
            )
    return found


def check_autocommit(**kwargs: Any) -> list[CheckMessage]:
    """E065: nothing is committed that nobody asks to commit, and the verbs leave that to Django."""
    alias = router.db_for_write(apps.get_model("token_lifecycle", "Session"))
    if connections[alias].settings_dict["AUTOCOMMIT"]:
        return []
    message = f"The database of the sessions has AUTOCOMMIT off: DATABASES[{alias!r}]."
    hint = "Sessions would be refreshed and ended, and the change lost. Remove it."
    return [Error(message, hint=hint, id="token_lifecycle.E065")]


def check_clock(**kwargs: Any) -> list[CheckMessage]:
    """E060, E064: local time without a zone, in which an hour comes twice a year."""
    if not settings.USE_TZ:
        return [Error("token_lifecycle needs USE_TZ = True.", id="token_lifecycle.E060")]
    using = router.db_for_write(apps.get_model("token_lifecycle", "Session"))
    connection = connections[using]  # which opens none
    local = connection.settings_dict["TIME_ZONE"] not in (None, "UTC")
    if connection.features.supports_timezones or not local:
        return []
    return [
        Error(
            f"The database of sessions ({using!r}) keeps local time without a zone.",
            hint=f"Remove TIME_ZONE from DATABASES[{using!r}].",
            id="token_lifecycle.E064",
        )
    ]


#: Where our own authenticators stand. Named and not imported: they are higher up.
OURS = "token_lifecycle.authentication"


def check_authenticators(**kwargs: Any) -> list[CheckMessage]:
    """E052: simplejwt's authenticator, which takes the access tokens of ended sessions."""
    configured = of_project("REST_FRAMEWORK").get("DEFAULT_AUTHENTICATION_CLASSES")
    entries = configured if isinstance(configured, list | tuple) else []
    return [
        Error(
            f"DEFAULT_AUTHENTICATION_CLASSES: {found.__qualname__} does not ask whether a session"
            " lives.",
            hint="Use SessionTokenAuthentication, or a subclass of it.",
            id="token_lifecycle.E052",
        )
        for found in map(_class_of, entries)
        if _ignores_sessions(found)
    ]


def _class_of(entry: Any) -> Any:
    """The class that ``entry`` is or names; None where it cannot be imported."""
    try:
        return import_string(entry) if isinstance(entry, str) else entry
    except Exception:  # whatever the project's module raises; the first request will tell
        return None


def _ignores_sessions(found: Any) -> bool:
    try:
        from rest_framework_simplejwt.authentication import JWTAuthentication
    except Exception:  # whatever the project's settings make it raise
        return False
    if not isinstance(found, type) or not issubclass(found, JWTAuthentication):
        return False
    return not any(base.__module__ == OURS for base in found.__mro__)


def check_cache(**kwargs: Any) -> list[CheckMessage]:
    """W034, with ``check --deploy``: throttles that count in the memory of one process."""
    backend = _class_of(settings.CACHES.get("default", {}).get("BACKEND"))
    rates = setting("THROTTLE_RATES")
    off = rates is None or (
        isinstance(rates, dict) and all(rates.get(name, "on") is None for name in THROTTLE_DEFAULTS)
    )
    if off or not isinstance(backend, type) or not issubclass(backend, LocMemCache):
        return []
    return [
        Warning(
            "The throttles count in a cache of each process alone, and it holds 300 entries.",
            hint="Use a shared one (Redis, Memcached), or give it more MAX_ENTRIES.",
            id="token_lifecycle.W034",
        )
    ]
