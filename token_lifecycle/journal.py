"""Write down what happened and tell about it: the one place that ends sessions and sends signals.

An event is written in the transaction of what it records; a signal is sent after the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from django.db import OperationalError, router, transaction
from django.dispatch import Signal

from . import feed, signals, tokens
from .database_errors import lost_to_another
from .device import Device
from .exceptions import Unavailable
from .managers import SessionQuerySet
from .models import EventKind, RevocationReason, Session, SessionEvent

T = TypeVar("T")

#: How often work that lost to another transaction is tried before the caller is told to wait.
ATTEMPTS = 5

UNKNOWN = Device()


def database() -> str:
    """The alias that sessions are written to and, for decisions, read from."""
    return router.db_for_write(Session)


def in_transaction(work: Callable[[], T]) -> T:
    """Run ``work`` in a transaction, again where it was chosen as the victim of a deadlock.

    Inside a caller's transaction it runs once: only the caller could start that one again.

    :raises Unavailable: it lost every time.
    """
    using = database()
    attempts = 1 if transaction.get_connection(using).in_atomic_block else ATTEMPTS
    for remaining in reversed(range(attempts)):
        try:
            with transaction.atomic(using=using):
                return work()
        except OperationalError as error:
            if attempts == 1 or not lost_to_another(error):
                raise
            if not remaining:
                raise Unavailable from error
    raise AssertionError("unreachable")  # pragma: no cover


def record(
    kind: EventKind,
    *,
    now: datetime,
    device: Device | None = None,
    session: Session | None = None,
    user: Any = None,
    actor: Any = None,
    generation: int | None = None,
) -> None:
    """Add a line to the audit trail."""
    client = device or UNKNOWN
    SessionEvent.objects.using(database()).create(
        kind=kind,
        created_at=now,
        session=session,
        user_id=session.user_id if session is not None else getattr(user, "pk", None),
        actor_id=getattr(actor, "pk", None),
        ip_address=client.ip_address,
        user_agent=client.user_agent,
        generation=generation,
    )


def announce(signal: Signal, **about: Any) -> None:
    """Send a signal once the running transaction, if any, has committed.

    Robust: a receiver that raises is logged by Django and changes no answer.
    """
    if signal.has_listeners(Session):
        send = partial(signal.send_robust, sender=Session, **about)
        transaction.on_commit(send, using=database())


def end(
    sessions: SessionQuerySet,
    *,
    reason: str,
    now: datetime,
    user: Any = None,
    actor: Any = None,
    device: Device | None = None,
    published: bool = False,
) -> int:
    """End a set of sessions, record each and announce them together; how many were ended.

    The number of statements does not depend on the number of sessions. What was ended is found by
    its moment: a ``now`` serves one call of a reason and a user. ``published`` says that other
    processes have been told already.
    """

    client = device or UNKNOWN

    def work() -> int:
        count = sessions.using(database()).revoke(reason=reason, now=now)
        if count:
            ended = Session.objects.primary().ended(at=now, reason=reason)
            # Those of a deleted user are nobody's by the time anybody looks.
            if user is not None and reason != RevocationReason.USER_DELETED:
                ended = ended.of(user)
            SessionEvent.objects.record_ended(
                at=now,
                reason=reason,
                actor=getattr(actor, "pk", None),
                ip_address=client.ip_address,
                user_agent=client.user_agent,
            )
            if not published:
                whose = getattr(user, "pk", None)
                feed.publish(
                    count=count, user=whose, user_id=_claim_of(user), at=now, reason=reason
                )
            announce(
                signals.session_revoked,
                sessions=ended,
                count=count,
                reason=reason,
                user=user,
                actor=actor,
                device=device,
                at=now,
            )
        return count

    return in_transaction(work)


def _claim_of(user: Any) -> str | None:
    """What tokens call this user; None for nobody, and where that may have changed meanwhile."""
    return tokens.user_id_of(user) if user is not None and tokens.user_id_is_key() else None
