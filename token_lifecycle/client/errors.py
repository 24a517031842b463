"""What can go wrong between a program and its session. Messages never hold a token.

::

    AuthError
    ├── LoginRefused          the credentials, or this sign-in, were not accepted
    ├── SessionExpired        there is no live session (any more): sign in again
    └── RefreshUnavailable    no usable answer; nothing was decided, tokens are kept, try later
"""

from __future__ import annotations


class AuthError(Exception):
    """Base of everything the client raises itself."""

    def __init__(self, message: str, *, code: str = "", status: int | None = None) -> None:
        super().__init__(message)
        #: The server's machine-readable word for the reason; "" where it gave none.
        self.code = code
        #: The HTTP status behind the error; None where no answer came.
        self.status = status


class LoginRefused(AuthError):
    """The server did not accept the sign-in: ``invalid_credentials``, ``session_limit`` …"""


class SessionExpired(AuthError):
    """The session is over, or there was none (code ``not_signed_in``). Only a new sign-in helps.

    The tokens have been dropped from the store by the time this is raised.
    """


class RefreshUnavailable(AuthError):
    """The server could not be reached, is overloaded, or answered something unusable.

    The tokens are kept: the session may well be alive, and the same call may work later.
    """

    def __init__(
        self, message: str, *, code: str = "", status: int | None = None, retry_after: float = 0.0
    ) -> None:
        super().__init__(message, code=code, status=status)
        #: Seconds the server asked to wait (``Retry-After``); 0.0 where it did not say.
        self.retry_after = retry_after
