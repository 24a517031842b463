"""Every error this app raises. Plain Python: the tree can be imported anywhere.

::

    TokenLifecycleError
    ├── TokenRefused              a token was presented and is not honoured
    │   ├── TokenInvalid          not ours, damaged, or about a session that is not there
    │   ├── TokenExpired          its own ``exp`` has passed
    │   ├── SessionExpired        the session passed its lifetime or idle timeout
    │   ├── SessionRevoked        somebody ended the session
    │   ├── TokenSuperseded       a straggler of a busy client; the session lives on
    │   ├── TokenReused           a consumed token came back: the session has been ended
    │   ├── UserInactive          the user may not sign in
    │   └── PasswordChanged       the password changed since sign-in: the session has been ended
    ├── SessionLimitReached       sign-in refused: the user has as many sessions as allowed
    └── Unavailable               the database could not answer; nothing was decided

``code`` is the machine-readable word of the HTTP contract. Messages never hold a token.
"""

from __future__ import annotations

from uuid import UUID


def gettext_noop(summary: str) -> str:
    """The same. Tells ``makemessages`` that API answers hold a translation of it."""
    return summary


class TokenLifecycleError(Exception):
    """Base of all errors of this app."""

    #: The word that API answers carry; stable, part of the public contract.
    code: str = "error"
    #: A sentence for a person; the default message.
    summary: str = gettext_noop("The request could not be completed.")

    def __init__(self, message: str = "", *, session_id: UUID | None = None) -> None:
        super().__init__(message or self.summary)
        #: The session the error is about, where one is known. Not secret.
        self.session_id = session_id


class TokenRefused(TokenLifecycleError):
    """The presented token is not honoured; the client refreshes or signs in again.

    Raised after everything the refusal wrote has been committed.
    """

    code = "token_invalid"
    summary = gettext_noop("The token is not valid.")
    #: Whether the client may as well throw its refresh token away.
    final = True


class TokenInvalid(TokenRefused):
    """Wrong signature, type, shape or secret, or an unknown session. Never ends a session."""


class TokenExpired(TokenRefused):
    """The token's own ``exp`` has passed (RFC 7519 §4.1.4)."""

    code = "token_expired"
    summary = gettext_noop("The token has expired.")


class SessionExpired(TokenRefused):
    """The session passed ``SESSION_LIFETIME`` or ``IDLE_TIMEOUT``."""

    code = "session_expired"
    summary = gettext_noop("The session has expired.")


class SessionRevoked(TokenRefused):
    """The session was ended: by its user, by staff, or by a rule."""

    code = "session_revoked"
    summary = gettext_noop("The session has been ended.")


class TokenSuperseded(TokenRefused):
    """A token consumed moments ago by the same busy client; its successor works."""

    code = "token_superseded"
    summary = gettext_noop("The refresh token was replaced moments ago.")
    final = False


class TokenReused(TokenRefused):
    """A consumed token came back after the grace period: the session has been ended.

    RFC 9700 §4.14.2: the server cannot tell the thief from the owner, so both lose the session.
    """

    code = "token_reused"
    summary = gettext_noop("The refresh token was used before. The session has been ended.")


class UserInactive(TokenRefused):
    """The user is deactivated."""

    code = "user_inactive"
    summary = gettext_noop("The user account is not active.")


class PasswordChanged(TokenRefused):
    """The password is not the one the session was started with; the session has been ended."""

    code = "password_changed"
    summary = gettext_noop("The password has changed. The session has been ended.")


class SessionLimitReached(TokenLifecycleError):
    """``MAX_SESSIONS_PER_USER`` is reached and the policy is ``"refuse"``."""

    code = "session_limit"
    summary = gettext_noop("The number of sessions for this account is at its limit.")


class Unavailable(TokenLifecycleError):
    """The database kept refusing the write (deadlocks, serialization failures). Try again."""

    code = "unavailable"
    summary = gettext_noop("The service is temporarily unavailable.")
