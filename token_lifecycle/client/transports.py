"""How the client reaches the auth endpoints: never through the user's own client.

Its hooks, its redirects, its ``response.history`` and the cancellation of its requests then never
touch a refresh token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Protocol

from token_lifecycle import __version__


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer of the server, whatever its status."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str = ""
    """The ``Retry-After`` header as it came; "" where there is none."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class TransportFailed(Exception):
    """No answer came. The request may have been carried out all the same."""


class Transport(Protocol):
    """Sends one POST to an auth endpoint. Called from any thread, and from several."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Reply:
        """Send ``body`` with exactly these headers; return the answer, whatever its status.

        ``timeout``: seconds to wait for the connection, and for the answer.
        No redirect is followed, no other authentication added: the body holds a secret.
        Raises TransportFailed, with a message that holds neither body nor headers.
        """


def headers_for(bearer: str) -> dict[str, str]:
    """Headers of a call to an auth endpoint; ``bearer``: an access token, "" for none."""
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        # This is what the user's list of devices shows.
        "User-Agent": f"token-lifecycle/{__version__}",
    }
    return {**headers, "Authorization": f"Bearer {bearer}"} if bearer else headers


def default_transport() -> Transport:
    """The transport of the installed library: httpx if it is there, otherwise requests.

    Raises ImportError if neither is.
    """
    if find_spec("httpx"):
        from .httpx import HttpxTransport

        return HttpxTransport()
    if find_spec("requests"):
        from .requests import RequestsTransport

        return RequestsTransport()
    raise ImportError(
        "Install django-token-lifecycle[httpx] or [requests], or pass transport=, "
        "so that the client can reach the server."
    )
