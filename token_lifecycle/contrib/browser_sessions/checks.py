"""System checks: a middleware that is missing or stands in the wrong place would protect nobody."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.utils.module_loading import import_string

from .middleware import BrowserSessionMiddleware

THIS = f"{BrowserSessionMiddleware.__module__}.{BrowserSessionMiddleware.__qualname__}"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
IN_DATABASE = ("django.contrib.sessions.backends.db", "django.contrib.sessions.backends.cached_db")


def check_middleware(**kwargs: Any) -> list[CheckMessage]:
    """E061 the middleware is missing, E062 it stands in the wrong place."""
    this = _position(THIS)
    if this is None:
        message = "BrowserSessionMiddleware is not in MIDDLEWARE: ended sessions would go on."
        hint = f'Add "{THIS}" behind AuthenticationMiddleware.'
        return [Error(message, hint=hint, id="token_lifecycle.E061")]
    authentication, login_required = _position(AUTHENTICATION), _position(LOGIN_REQUIRED)
    if authentication is None or this < authentication:
        message = "BrowserSessionMiddleware has to stand behind AuthenticationMiddleware."
        return [Error(message, id="token_lifecycle.E062")]
    if login_required is not None and login_required < this:
        message = "BrowserSessionMiddleware has to stand before LoginRequiredMiddleware."
        return [Error(message, id="token_lifecycle.E062")]
    return []


def check_sessions(**kwargs: Any) -> list[CheckMessage]:
    """E063: Django sessions in a database that has no table for them."""
    if settings.SESSION_ENGINE not in IN_DATABASE or apps.is_installed("django.contrib.sessions"):
        return []
    message = "browser_sessions needs django.contrib.sessions in INSTALLED_APPS."
    return [Error(message, id="token_lifecycle.E063")]


def _position(path: str) -> int | None:
    """Where in ``MIDDLEWARE`` a class or a subclass of it stands first."""
    wanted = import_string(path)
    for position, name in enumerate(settings.MIDDLEWARE):
        found = _import(name)
        if isinstance(found, type) and issubclass(found, wanted):
            return position
    return None


def _import(name: str) -> Any:
    try:
        return import_string(name)
    except ImportError:
        return None  # Django says so itself when it loads the middleware


def register_all() -> None:
    """Register every check."""
    register(check_middleware, Tags.security)
    register(check_sessions, Tags.security)
