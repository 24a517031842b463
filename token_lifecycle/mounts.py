"""Where ``browser_urls`` are mounted, and what the cookies are called and sent to for that."""

from __future__ import annotations

import hashlib
from urllib.parse import unquote

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.encoding import escape_uri_path

from .conf import app_settings
from .cookies import CookieAttributes

#: The URL namespace of ``browser_urls``.
APP_NAME = "token_lifecycle_browser"


def attributes(request: HttpRequest) -> CookieAttributes:
    """The cookies' attributes for the mount that a request is for.

    The mount is found from the request's own path, so that a project may include the URLs
    anywhere, more than once, and behind a script prefix. For other views it is the default mount.

    :raises NoReverseMatch: the request is for another view, and there is no default mount.
    """
    return attributes_at(_mount_of(request))


def attributes_at(mount: str) -> CookieAttributes:
    """The cookies' attributes for ``browser_urls`` under the path ``mount``.

    Each mount has a hint of its own, or signing out at one would look like it at the others. The
    default mount, and all where ``COOKIE["PATH"]`` makes them share a cookie, use ``HINT_NAME``;
    at others eight hex digits of the SHA-256 of their path follow.
    """
    configured = app_settings.cookie
    of_its_own = not configured["PATH"] and unquote(mount) != unquote(_default_mount() or "")
    return CookieAttributes.from_settings(
        configured, mount=mount, hint_suffix=_suffix(mount) if of_its_own else ""
    )


def namespace_at(mount: str) -> str:
    """What pages of one mount share in a browser: one lock and one channel for each cookie."""
    return f"tl:{attributes_at(mount).path}"


def mount_beside(url: str) -> str:
    """The mount of which ``url`` is the endpoint ``csrf/``."""
    return url.removesuffix("csrf/")


def _mount_of(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is None or APP_NAME not in match.app_names:
        return mount_beside(reverse(f"{APP_NAME}:csrf"))
    # The path and not the route reversed: one namespace may be included twice, and what the
    # project's own part of the route captured (a tenant, a language) may have no name.
    own_segments = 2 if "session_id" in match.kwargs else 1
    mount = request.path.rstrip("/").split("/")[:-own_segments]
    return escape_uri_path("/".join(mount) + "/")


def _default_mount() -> str | None:
    """The mount that the namespace leads to; None where each captures something."""
    try:
        return mount_beside(reverse(f"{APP_NAME}:csrf"))
    except NoReverseMatch:
        return None


def _suffix(mount: str) -> str:
    # Unquoted, for a path is quoted in more than one way.
    digest = hashlib.sha256(unquote(mount).encode()).hexdigest()
    return f"_{digest[:8]}"
