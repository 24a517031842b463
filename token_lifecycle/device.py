"""Who is calling, as far as a request tells: bounded and cleaned, ready to be stored and shown."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .conf import app_settings

USER_AGENT_LENGTH = 400
DEVICE_NAME_LENGTH = 100
#: More hops than this are no proxy chain but an attempt to make us parse.
FORWARDED_LENGTH = 2000

#: What nearly every header is already: words of printable ASCII with one space between them.
TIDY = re.compile(r"[!-~]+(?: [!-~]+)*")

#: Characters that reorder the text around them; they would let a client forge what staff read.
BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


#: An address with a port: in brackets or with a single colon. The brackets alone are RFC 7239's.
WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]+)?|([^:]*):[0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """The client of a sign-in or a refresh. Nothing in it is trusted, and nothing is secret.

    Whoever makes one may pass on what a client sent: it is cleaned here.
    """

    ip_address: str | None = None
    """Address of the client, or None where it could not be told."""
    user_agent: str = ""
    """The ``User-Agent`` header, without control characters, at most 400 characters."""
    name: str = ""
    """What the client calls itself ("Anna's phone"), at most 100 characters."""

    def __post_init__(self) -> None:
        """Bring every field into the form in which it can be stored and shown."""
        address = None if self.ip_address is None else _parse_address(self.ip_address)
        object.__setattr__(self, "ip_address", address)
        object.__setattr__(self, "user_agent", clean(self.user_agent, USER_AGENT_LENGTH))
        object.__setattr__(self, "name", clean(self.name, DEVICE_NAME_LENGTH))

    @classmethod
    def from_request(
        cls, request: Any, *, trusted_proxies: int | None = None, name: str = ""
    ) -> Device:
        """Describe the client of a Django or DRF ``request``.

        ``trusted_proxies`` is the number of proxies in front of the application whose
        ``X-Forwarded-For`` is believed; None: as the setting ``TRUSTED_PROXIES`` says. With 0 the
        header is ignored, for anyone can send it (ASVS 4.1.3).
        """
        return cls(
            ip_address=_claimed_address(request.META, trusted_proxies),
            user_agent=request.META.get("HTTP_USER_AGENT", ""),
            name=name,
        )


def clean(text: str, length: int) -> str:
    """``text`` on one line, without control, surrogate or reordering characters, cut to size."""
    if len(text) <= length and TIDY.fullmatch(text):
        return text
    # The cut comes first as well, so that 10 MB of header cost no more than the start of it.
    kept = (
        " " if character.isspace() else character
        for character in text[: length * 4]
        if character.isspace()
        or not (unicodedata.category(character) in ("Cc", "Cs") or character in BIDI_CONTROLS)
    )
    return " ".join("".join(kept).split())[:length].rstrip()


def client_address(meta: Mapping[str, Any], *, trusted_proxies: int | None = None) -> str | None:
    """The client's address: the peer's, or the one the outermost trusted proxy wrote down.

    Each trusted proxy appends the address it was called from, so with n of them the client is
    the n-th entry from the right; whatever stands further left was sent by the client itself.
    None for ``trusted_proxies``: as the setting says.
    """
    return _parse_address(_claimed_address(meta, trusted_proxies))


def _claimed_address(meta: Mapping[str, Any], trusted_proxies: int | None) -> str:
    """The same as it was written; empty where it was not."""
    if trusted_proxies is None:
        trusted_proxies = app_settings.trusted_proxies
    if trusted_proxies <= 0:
        return str(meta.get("REMOTE_ADDR", ""))
    forwarded = meta.get("HTTP_X_FORWARDED_FOR", "")[-FORWARDED_LENGTH:]
    hops = forwarded.split(",")
    return "" if len(hops) < trusted_proxies else hops[-trusted_proxies]


def _parse_address(text: str) -> str | None:
    """In its one spelling; without what some proxies add: a port, brackets, quotes."""
    text = text.strip().strip('"')
    if ported := WITH_PORT.fullmatch(text):
        text = ported[1] or ported[2] or ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
