"""What a sign-in and a refresh hand out: the signed tokens of a session's present generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import tokens
from .conf import app_settings
from .models import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuedTokens:
    """What a sign-in or a refresh hands out. The tokens are nowhere else: not in the database."""

    access: str = field(repr=False)
    """The access token, for the Authorization header."""
    refresh: str = field(repr=False)
    """The refresh token, for the next refresh and nothing else."""
    issued_at: datetime
    access_expires_at: datetime
    """When the access token expires; never after the session."""
    refresh_expires_at: datetime
    """When the refresh token expires unless it is used before."""
    session: Session
    """The session they belong to. Columns that a refresh does not read are loaded on access."""

    @property
    def expires_in(self) -> int:
        """Seconds the access token lives, rounded down (RFC 6749 §5.1)."""
        return int((self.access_expires_at - self.issued_at).total_seconds())

    @property
    def refresh_expires_in(self) -> int:
        """Seconds the refresh token lives, rounded down."""
        return int((self.refresh_expires_at - self.issued_at).total_seconds())


def issue(
    session: Session, *, secret: str, extra: Mapping[str, Any], now: datetime
) -> IssuedTokens:
    """Sign the tokens of the session's present generation."""
    user_id = tokens.user_id_of(session.user)
    refresh_expires_at = min(session.idle_expires_at, session.expires_at)
    access_expires_at = min(now + app_settings.access_token_lifetime, refresh_expires_at)
    return IssuedTokens(
        access=tokens.mint_access(
            session_id=session.pk,
            user_id=user_id,
            auth_time=session.created_at,
            issued_at=now,
            expires_at=access_expires_at,
            extra=extra,
        ),
        refresh=tokens.mint_refresh(
            session_id=session.pk,
            user_id=user_id,
            generation=session.generation,
            secret=secret,
            # The moment of the rotation, also when this is a retry: the same token comes out.
            issued_at=session.rotated_at,
            expires_at=refresh_expires_at,
        ),
        issued_at=now,
        access_expires_at=access_expires_at,
        refresh_expires_at=refresh_expires_at,
        session=session,
    )


def extra_claims(session: Session) -> Mapping[str, Any]:
    """What the project's ``ACCESS_CLAIMS`` hook adds to an access token."""
    hook = app_settings.access_claims
    if hook is None:
        return {}
    extra = hook(session, session.user)
    tokens.check_extra_claims(extra)
    return extra
