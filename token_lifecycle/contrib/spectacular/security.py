"""What a request has to carry to be let in, as security schemes."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from ...conf import app_settings
from ...cookies import CookieAttributes

Requirement = dict[str, list[str]]

ACCESS_TOKEN = "accessToken"  # nosec B105  # a name
REFRESH_COOKIE = "refreshCookie"
CSRF_TOKEN = "csrfToken"  # nosec B105  # a name

BEARER: Requirement = {ACCESS_TOKEN: []}
CSRF: Requirement = {CSRF_TOKEN: []}
COOKIE: Requirement = {REFRESH_COOKIE: []}


def access_token() -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a session that has not ended.",
    }


def refresh_cookie() -> dict[str, Any]:
    attributes = CookieAttributes.from_settings(app_settings.cookie, mount="/")
    return {
        "type": "apiKey",
        "in": "cookie",
        "name": attributes.name,
        "description": "The refresh token. HttpOnly: browsers send it, and no script reads it.",
    }


def csrf_token() -> dict[str, Any]:
    return {
        "type": "apiKey",
        "in": "header",
        "name": settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-"),
        "description": f"The value of the cookie `{settings.CSRF_COOKIE_NAME}`, read anew each "
        "time. `csrf/` sets that cookie.",
    }


SCHEMES = {ACCESS_TOKEN: access_token, REFRESH_COOKIE: refresh_cookie, CSRF_TOKEN: csrf_token}
