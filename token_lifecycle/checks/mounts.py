"""System checks of where URLconfs are mounted: ours, and simplejwt's views beside them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from .reading import cookie_settings

API = "token_lifecycle"
BROWSER = "token_lifecycle_browser"


def is_mounted(namespace: str) -> bool:
    return _path_of(namespace) is not None


def check_cookie_path(**kwargs: Any) -> list[CheckMessage]:
    """E070: a cookie path that ``browser_urls`` are not below, so that they never get it."""
    path, mount = cookie_settings()["PATH"], _path_of(BROWSER)
    if not isinstance(path, str) or mount is None or _covers(path, mount):
        return []
    message = f'TOKEN_LIFECYCLE["COOKIE"]: browsers do not send a cookie for {path!r} to {mount!r}.'
    hint = "Leave PATH out. Where a server puts the project below a path, set FORCE_SCRIPT_NAME."
    return [Error(message, hint=hint, id="token_lifecycle.E070")]


def check_mounts(**kwargs: Any) -> list[CheckMessage]:
    """W071: two of our URLconfs at one place, of which one is never reached; W072: nested ones."""
    ours = [(place, found.app_name) for place, found in _walk() if _is_ours(found)]
    own_paths = cookie_settings()["PATH"] is None
    found: list[CheckMessage] = []
    for (place, name), (other, other_name) in combinations(sorted(ours), 2):
        if place == other:
            message = f"Two URLconfs of token_lifecycle are mounted at {place!r}: the first wins."
            found.append(Warning(message, id="token_lifecycle.W071"))
        elif own_paths and name == other_name == BROWSER and other.startswith(place):
            message = f"browser_urls are mounted at {place!r} and below it, at {other!r}."
            hint = "A browser sends both cookies to the one below, where two of them are refused."
            found.append(Warning(message, hint=hint, id="token_lifecycle.W072"))
    return found


def check_views_of_simplejwt(**kwargs: Any) -> list[CheckMessage]:
    """W053: simplejwt's own views, whose tokens belong to no session."""
    try:
        from rest_framework_simplejwt.views import TokenViewBase
    except Exception:  # whatever the project's REST_FRAMEWORK makes it raise
        return []
    places = [
        place
        for place, found in _walk()
        if isinstance(found, URLPattern) and _is_view_of(found, TokenViewBase)
    ]
    if not places:
        return []
    message = f"simplejwt's own views are mounted: {', '.join(map(repr, places))}."
    hint = "Their tokens belong to no session and cannot be ended. Remove them once clients moved."
    return [Warning(message, hint=hint, id="token_lifecycle.W053")]


def _walk() -> Iterator[tuple[str, Any]]:
    """Place and pattern of all that is mounted; nothing where the project's URLconf is broken."""
    try:
        yield from list(_below(get_resolver(), ""))
    except Exception:  # Django's own checks tell what is wrong with it
        return


def _below(resolver: URLResolver, place: str) -> Iterator[tuple[str, Any]]:
    for found in resolver.url_patterns:
        here = place + str(found.pattern)
        yield here, found
        if isinstance(found, URLResolver):
            yield from _below(found, here)


def _is_ours(found: Any) -> bool:
    return isinstance(found, URLResolver) and found.app_name in (API, BROWSER)


def _is_view_of(found: URLPattern, base: type[Any]) -> bool:
    view = getattr(found.callback, "view_class", None) or getattr(found.callback, "cls", None)
    return isinstance(view, type) and issubclass(view, base)


def _path_of(namespace: str) -> str | None:
    """The path of a URLconf; None where it is not mounted, or below a part that varies."""
    try:
        return reverse(f"{namespace}:jwks").removesuffix("jwks/")
    except Exception:  # not mounted; or broken, of which Django's own checks tell
        return None


def _covers(path: str, mount: str) -> bool:
    """RFC 6265 §5.1.4."""
    return mount.startswith(path if path.endswith("/") else f"{path}/") or mount == path
