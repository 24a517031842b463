"""What a refresh finds out, and ends the session for, before it refuses.

Each commits first and raises then: a revocation that rolls itself back is none.
"""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

from . import journal, signals
from .device import Device
from .exceptions import PasswordChanged, SessionRevoked, TokenReused, UserInactive
from .models import EventKind, RevocationReason, Session
from .tokens import RefreshClaims


def end_for_reuse(
    session: Session, token: RefreshClaims, device: Device | None, now: datetime
) -> NoReturn:
    """End the session whose consumed token came back (RFC 9700 §4.14.2), and no other.

    :raises TokenReused: after the commit; SessionRevoked where somebody had ended it meanwhile.
    """

    def work() -> bool:
        this = Session.objects.primary().filter(pk=session.pk)
        reason = RevocationReason.REUSE_DETECTED
        if not journal.end(this, reason=reason, now=now, user=session.user, device=device):
            return False
        generation = token.generation
        journal.record(
            EventKind.REUSE_DETECTED, session=session, device=device, generation=generation, now=now
        )
        journal.announce(
            signals.reuse_detected, session=session, device=device, generation=generation
        )
        return True

    if journal.in_transaction(work):
        raise TokenReused(session_id=session.pk)
    raise SessionRevoked(session_id=session.pk)


def end_for_password(session: Session, now: datetime) -> None:
    """End a session whose password changed without a signal; return where it was bound anew.

    Only as it was read: ``keep_session`` or a re-hash may have bound it to the new password since.

    :raises PasswordChanged: after the commit.
    """
    as_read = Session.objects.primary().filter(
        pk=session.pk, auth_hash=session.auth_hash, auth_hash_next=session.auth_hash_next
    )
    reason = RevocationReason.PASSWORD_CHANGE
    if journal.end(as_read, reason=reason, now=now, user=session.user):
        raise PasswordChanged(session_id=session.pk)


def end_for_inactivity(session: Session, now: datetime) -> NoReturn:
    """End a session whose user was deactivated, or deleted, without a signal (ASVS 7.4.2).

    :raises UserInactive: after the commit.
    """
    this = Session.objects.primary().filter(pk=session.pk)
    gone = session.user is None
    reason = RevocationReason.USER_DELETED if gone else RevocationReason.USER_DEACTIVATED
    journal.end(this, reason=reason, now=now, user=session.user)
    raise UserInactive(session_id=session.pk)
