"""The Python client: sign in once, then let requests take care of themselves.

::

    from token_lifecycle.client import FileStore, Session
    from token_lifecycle.client.httpx import HttpxAuth

    session = Session("https://example.com/auth/", store=FileStore("~/.config/example/tokens"))
    session.login("anna", "correct horse")
    httpx.get("https://example.com/api/orders/", auth=HttpxAuth(session))

It imports no Django. :mod:`token_lifecycle.client.httpx` and
:mod:`token_lifecycle.client.requests` need the library they are named after.
"""

from __future__ import annotations

from .errors import AuthError, LoginRefused, RefreshUnavailable, SessionExpired
from .keyring_store import KeyringStore
from .session import Session
from .stores import FileStore, MemoryStore, TokenStore
from .tokens import TokenSet
from .transports import Reply, Transport, TransportFailed

__all__ = [
    "AuthError",
    "FileStore",
    "KeyringStore",
    "LoginRefused",
    "MemoryStore",
    "RefreshUnavailable",
    "Reply",
    "Session",
    "SessionExpired",
    "TokenSet",
    "TokenStore",
    "Transport",
    "TransportFailed",
]
