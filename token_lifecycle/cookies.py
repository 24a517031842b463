"""The refresh cookie and its companion: set, read and deleted over one set of attributes.

The refresh token travels in an HttpOnly cookie that browsers send to the refresh endpoints alone
(``Path``), never to other sites (``SameSite``), never over plain http (``Secure``), and that no
sub-domain can set (the ``__Secure-`` prefix; RFC 6265bis §4.1.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .exceptions import TokenInvalid

SECURE_NAME = "__Secure-refresh_token"
PLAIN_NAME = "refresh_token"

#: Name and value together; browsers drop what is longer without a word (RFC 6265bis §5.6).
MAX_COOKIE_LENGTH = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class CookieAttributes:
    """Everything about the cookies but their value; what sets them deletes them too."""

    name: str
    hint_name: str
    path: str
    domain: str | None
    secure: bool
    samesite: Literal["Strict", "Lax", "None"]

    @classmethod
    def from_settings(
        cls, configured: Mapping[str, Any], *, mount: str, hint_suffix: str = ""
    ) -> CookieAttributes:
        """``configured`` is the ``COOKIE`` setting; ``mount`` is where the endpoints are.

        ``hint_suffix`` tells the hints of several mounts apart, for all are at ``/``.
        """
        secure = bool(configured["SECURE"])
        return cls(
            name=configured["NAME"] or (SECURE_NAME if secure else PLAIN_NAME),
            hint_name=f"{configured['HINT_NAME']}{hint_suffix}",
            path=configured["PATH"] or mount,
            domain=configured["DOMAIN"],
            secure=secure,
            samesite=configured["SAMESITE"],
        )


class DuplicateCookie(TokenInvalid):
    """Two refresh cookies came in one request: one was planted (RFC 6265bis §8.6).

    Not final: the browser's own cookie may be the good one, and is left alone.
    """

    final = False


def set_refresh(
    response: HttpResponseBase,
    token: str,
    *,
    attributes: CookieAttributes,
    expires_at: datetime,
    now: datetime,
) -> None:
    """Store the refresh token in the browser, and beside it the hint that scripts may read.

    :raises ImproperlyConfigured: the token is too long for a cookie, as very long user ids make it.
    """
    if len(attributes.name) + len(token) > MAX_COOKIE_LENGTH:
        raise ImproperlyConfigured("The refresh token is longer than browsers store in a cookie.")
    max_age = max(int((expires_at - now).total_seconds()), 0)
    response.set_cookie(
        attributes.name,
        token,
        max_age=max_age,
        path=attributes.path,
        domain=attributes.domain,
        secure=attributes.secure,
        httponly=True,
        samesite=attributes.samesite,
    )
    # No secret: it lets a page know that asking for a refresh is worth a request.
    response.set_cookie(
        attributes.hint_name,
        "1",
        max_age=max_age,
        path="/",
        domain=attributes.domain,
        secure=attributes.secure,
        samesite=attributes.samesite,
    )


def delete(response: HttpResponseBase, *, attributes: CookieAttributes) -> None:
    """Delete both. A browser matches by name, domain and path, and refuses a prefix not met."""
    for name, path, httponly in (
        (attributes.name, attributes.path, True),
        (attributes.hint_name, "/", False),
    ):
        response.set_cookie(
            name,
            "",
            max_age=0,
            expires="Thu, 01 Jan 1970 00:00:00 GMT",
            path=path,
            domain=attributes.domain,
            secure=attributes.secure,
            httponly=httponly,
            samesite=attributes.samesite,
        )


def read_refresh(request: HttpRequest, *, attributes: CookieAttributes) -> list[str]:
    """The refresh cookies, matched by their exact name: one at most, unless some were planted."""
    header = request.META.get("HTTP_COOKIE", "")
    pairs = (pair.partition("=") for pair in header.split(";"))
    return [value.strip() for name, _, value in pairs if name.strip() == attributes.name]


def the_one(values: list[str]) -> str | None:
    """The only refresh cookie; None where there is none.

    :raises DuplicateCookie: there are several, and which is the browser's own cannot be told.
    """
    if len(values) > 1:
        raise DuplicateCookie
    return values[0] if values else None
