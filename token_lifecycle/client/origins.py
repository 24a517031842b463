"""Which server a URL belongs to: scheme, host and port (RFC 6454)."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Two URLs are of one origin if all three are equal."""

    scheme: str
    host: str
    port: int


def origin(scheme: str, host: str, port: int | None) -> Origin | None:
    """The origin of parts as an HTTP library parsed them; None if it is not http(s)."""
    scheme = scheme.lower()
    if scheme not in DEFAULT_PORTS or not host:
        return None
    return Origin(scheme, _ascii(host), DEFAULT_PORTS[scheme] if port is None else port)


def parse_origin(url: str) -> Origin | None:
    """The origin of ``url``; None if it has none or cannot be read."""
    try:
        parts = urlsplit(url)
        return origin(parts.scheme, parts.hostname or "", parts.port)
    except ValueError:
        return None


def require_origin(url: str) -> Origin:
    """The origin of an address that a program was configured with. Raises ValueError."""
    if "@" in urlsplit(url).netloc:
        raise ValueError("An address must not hold a name or password: addresses get logged.")
    found = parse_origin(url)
    if found is None:
        raise ValueError(f"{url!r} is not the address of an http(s) server.")
    return found


def _ascii(host: str) -> str:
    """One spelling per host: lower case, punycode, no brackets around IPv6."""
    host = host.strip("[]").lower()
    return host if host.isascii() else host.encode("idna").decode("ascii")
