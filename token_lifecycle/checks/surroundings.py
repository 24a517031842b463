"""System checks of what stands beside this app in the project's settings."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections, router

from .reading import of_project


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
