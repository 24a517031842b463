"""What a change to a user means for their sessions: password, deactivation, deletion.

The receivers call this at once. A change that sends no signal (``QuerySet.update``, another
service, raw SQL) is found by the next refresh and by every strict access check, because a session
is bound to the password (:mod:`token_lifecycle.binding`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, identify_hasher
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from . import binding, journal
from .models import RevocationReason, Session, SessionEvent


def lock_user(key: Any) -> None:
    """Make whoever else needs this user's row wait until this transaction ends.

    The order of locks, everywhere: first the user, then their sessions. A project's own code saves
    the user first, too, and two that meet in opposite orders are a deadlock.

    An UPDATE that changes nothing, because it locks on every database, and because SQLite wants a
    write first (``SessionQuerySet.lock``). Of the first column, for a user may have no password.
    """
    fields = get_user_model()._meta.concrete_fields
    column: Any = next(f for f in fields if not (f.primary_key or f.generated))
    # Of the model that has the column: an inherited one would be looked up first.
    rows = column.model._base_manager.using(journal.database()).filter(pk=key)
    rows.update(**{column.name: F(column.name)})


_kept: ContextVar[UUID | None] = ContextVar("token_lifecycle_kept_session", default=None)


@contextmanager
def keep_session(session_id: UUID) -> Iterator[None]:
    """Let one session survive a password change made in this block; all others still end.

    For a project's own password-change view::

        with keep_session(request.auth.session_id):
            form.save()

    The block is one transaction, so that no refresh can see the new password without the new
    binding. A session that was already dead, or bound to an older password, stays so.
    """
    row = Session.objects.primary().filter(pk=session_id, revoked_at=None)
    owner = row.values_list("user", flat=True).first()
    with transaction.atomic(using=journal.database()):
        lock_user(owner)
        row.lock()
        session = Session.objects.for_access(session_id)
        alive = (
            session is not None
            and session.is_live(timezone.now())
            and password_matches(session, session.user)
        )
        token = _kept.set(session_id if alive else None)
        try:
            yield
        finally:
            _kept.reset(token)
        if alive and session is not None:
            stored = _users().filter(pk=session.user_id).first()
            if stored is not None:
                row.rebind(binding.auth_hash(stored))


def password_matches(session: Session, user: Any) -> bool:
    """Whether the session is bound to the user's present password."""
    if user is None:
        return False
    bound = {session.auth_hash, session.auth_hash_next}
    # The fallbacks cost an HMAC each and matter only while a SECRET_KEY is being replaced.
    return binding.auth_hash(user) in bound or not bound.isdisjoint(binding.accepted_hashes(user))


def password_saved(user: Any, *, now: datetime | None = None) -> int:
    """End the live sessions that are bound to another password than the user has now."""
    now = now or timezone.now()
    sessions = Session.objects.primary().of(user).live(now)
    outdated = sessions.not_bound_to(binding.accepted_hashes(user)).except_for(_kept.get())
    # Users are saved for many reasons: without such a session this is one read and no write.
    if not outdated.exists():
        return 0
    return journal.end(outdated, reason=RevocationReason.PASSWORD_CHANGE, now=now, user=user)


#: Set on an instance that took over a hash stored since its password was checked.
HASH_ADOPTED = "_token_lifecycle_hash_adopted"


def adopted_hash_is_of(user: Any, password: str) -> bool:
    """Whether a hash that was adopted at sign-in is one of ``password``.

    What was stored meanwhile may be another sign-in's re-hash, or a password change, and only the
    password itself can tell the two apart. Costs one more hash, and only then.
    """
    return not hasattr(user, HASH_ADOPTED) or user.check_password(password)


def password_about_to_be_rehashed(user: Any) -> None:
    """Store the stronger hash of an unchanged password together with the sessions' new binding.

    Called before Django saves ``user`` with the hash it made at sign-in. Password and bindings
    change in one transaction, because a refresh between the two would end every session. Only
    sessions bound to the hash that is replaced are touched: what a password change has killed
    stays dead. Of several sign-ins at once the first wins, and the others adopt its hash: each
    would otherwise store one of its own over a binding made by another.
    """
    users = _users().filter(pk=user.pk)

    def work() -> None:
        lock_user(user.pk)
        # A locking read, which sees what others committed.
        stored = users.select_for_update().first()
        if stored is None:
            return
        if not _needs_rehash(stored.password):
            user.password = stored.password
            setattr(user, HASH_ADOPTED, True)
            return
        replaced = binding.accepted_hashes(stored)
        users.update(password=user.password)
        sessions = Session.objects.primary().of(user).filter(revoked_at=None).bound_to(replaced)
        sessions.rebind(replaced[0], following=binding.auth_hash(user))

    journal.in_transaction(work)


def user_deactivated(user: Any, *, now: datetime | None = None) -> int:
    """End the sessions of a user who may not sign in any more (ASVS 7.4.2)."""
    now = now or timezone.now()
    sessions = Session.objects.primary().of(user).live(now)
    if not sessions.exists():
        return 0
    return journal.end(sessions, reason=RevocationReason.USER_DEACTIVATED, now=now, user=user)


def user_about_to_be_deleted(user: Any, *, now: datetime | None = None) -> int:
    """End the sessions of a user who is being deleted, and forget what tells about the person."""
    now = now or timezone.now()
    lock_user(user.pk)
    sessions, ended = Session.objects.primary().of(user), 0
    if sessions.exists():
        live = sessions.filter(revoked_at=None)
        # A copy: Django takes the key from the instance, maybe before receivers hear of the end.
        who = copy.copy(user)
        ended = journal.end(live, reason=RevocationReason.USER_DELETED, now=now, user=who)
        sessions.forget_clients()
    events = SessionEvent.objects.using(journal.database())
    # Where somebody acted, it was their client. Two statements, for there are two indexes.
    for of_this_person in (events.filter(user=user, actor=None), events.filter(actor=user)):
        of_this_person.update(ip_address=None, user_agent="")
    return ended


def _users() -> Any:
    return get_user_model()._base_manager.using(journal.database())


def _needs_rehash(encoded: str) -> bool:
    """Whether a sign-in would store a stronger hash of this password, as ``contrib.auth`` asks."""
    try:
        hasher = identify_hasher(encoded)
    except ValueError:
        return False  # unusable: nobody signs in with it
    preferred = get_hasher("default")
    return hasher.algorithm != preferred.algorithm or preferred.must_update(encoded)
