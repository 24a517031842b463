"""The verbs: start, rotate, revoke, check, prune. What a project calls.

Each verb reads the clock once (``now``; tests pass it in), writes, commits, tells, and only then
raises: DRF rolls an atomic request back when an error is raised, and a revocation that rolls
itself back is none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import Any, NoReturn
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import OperationalError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from . import binding, journal, signals, tokens
from .conf import app_settings
from .device import Device
from .exceptions import (
    PasswordChanged,
    SessionExpired,
    SessionLimitReached,
    SessionRevoked,
    TokenExpired,
    TokenInvalid,
    TokenRefused,
    TokenReused,
    TokenSuperseded,
    Unavailable,
    UserInactive,
)
from .feed import feed, longest_life
from .journal import ATTEMPTS
from .managers import SessionQuerySet, lost_to_another
from .models import EventKind, RevocationNotice, RevocationReason, Session, SessionEvent
from .revocation import Standing
from .rotation import SessionState, Verdict, burst_after, judge
from .tokens import AccessClaims, RefreshClaims
from .user_changes import keep_session, password_matches

__all__ = [
    "IssuedTokens",
    "Pruned",
    "check_access",
    "is_vouched_for",
    "keep_session",
    "prune",
    "revoke_by_token",
    "revoke_session",
    "revoke_sessions",
    "revoke_sessions_of",
    "rotate",
    "start_session",
]


#: Verdicts that refuse without a write.
REFUSALS: Mapping[Verdict, type[TokenRefused]] = {
    Verdict.REVOKED: SessionRevoked,
    Verdict.SESSION_EXPIRED: SessionExpired,
    Verdict.TOKEN_EXPIRED: TokenExpired,
    Verdict.SUPERSEDED: TokenSuperseded,
    Verdict.USER_INACTIVE: UserInactive,
}


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """How many rows ``prune`` removed, or would have removed."""

    sessions: int
    events: int


# Start


@sensitive_variables()
def start_session(
    user: Any,
    *,
    device: Device | None = None,
    auth_method: str = "password",
    lifetime: timedelta | None = None,
    now: datetime | None = None,
) -> IssuedTokens:
    """Start a session for a user who has just proved their identity, by whatever means.

    ``auth_method`` names the means, for the user and for staff. ``lifetime`` replaces
    ``SESSION_LIFETIME`` for this session (a shared computer, "remember me").

    :raises UserInactive: the user is deactivated.
    :raises SessionLimitReached: the user is at the limit and the policy is ``"refuse"``.
    :raises Unavailable: the database kept choosing other writers; nothing was written.
    """
    now = now or timezone.now()
    if not user.is_active:
        raise UserInactive
    secret = tokens.new_secret()
    session = _new_session(user, secret, device or Device(), auth_method, lifetime, now)
    extra = _extra_claims(session)  # before the first write: a hook may fail

    def work() -> bool:
        if not _make_room(user, device, now):
            return False
        session.save(force_insert=True, using=journal.database())
        journal.record(EventKind.STARTED, session=session, device=device, now=now)
        journal.announce(signals.session_started, session=session, user=user, device=device)
        return True

    if not journal.in_transaction(work):
        raise SessionLimitReached
    return _issue(session, secret=secret, extra=extra, now=now)


def _new_session(
    user: Any,
    secret: str,
    device: Device,
    auth_method: str,
    lifetime: timedelta | None,
    now: datetime,
) -> Session:
    """The row of a sign-in, not saved yet."""
    expires_at = now + (app_settings.session_lifetime if lifetime is None else lifetime)
    return Session(
        user=user,
        secret_digest=tokens.digest(secret),
        # The instance whose password was just checked and not a fresh one: where the password was
        # changed in between, this session must not outlive the change.
        auth_hash=binding.auth_hash(user),
        created_at=now,
        rotated_at=now,
        burst_started_at=now,
        expires_at=expires_at,
        idle_expires_at=min(now + app_settings.idle_timeout, expires_at),
        ip_address=device.ip_address,
        user_agent=device.user_agent,
        device_name=device.name,
        auth_method=auth_method,
    )


def _make_room(user: Any, device: Device | None, now: datetime) -> bool:
    """Apply ``MAX_SESSIONS_PER_USER``; False where the user may have no further session."""
    limit = app_settings.max_sessions_per_user
    if limit is None:
        return True
    # Sign-ins of one user queue up here until this transaction ends. An UPDATE that changes
    # nothing, because it locks on every database; a count followed by an insert let 11 of 2 in.
    users = get_user_model()._base_manager.using(journal.database())
    users.filter(pk=user.pk).update(password=F("password"))
    live = Session.objects.primary().of(user).live(now).order_by("-created_at", "-pk")
    # A locking read, which sees the newest rows under REPEATABLE READ too.
    surplus = list(live.select_for_update().values_list("pk", flat=True)[limit - 1 :])
    if surplus and app_settings.session_limit_policy == "refuse":
        journal.record(EventKind.LIMIT_REACHED, user=user, device=device, now=now)
        journal.announce(signals.session_limit_reached, user=user, limit=limit, device=device)
        return False
    if surplus:
        oldest = Session.objects.primary().filter(pk__in=surplus)
        reason = RevocationReason.SESSION_LIMIT
        journal.end(oldest, reason=reason, now=now, user=user, device=device)
    return True


# Rotate


@sensitive_variables()
def rotate(
    refresh: str | RefreshClaims,
    *,
    device: Device | None = None,
    now: datetime | None = None,
) -> IssuedTokens:
    """Exchange a refresh token: its text, or what ``tokens.parse_refresh`` made of it.

    Two statements, no transaction and no new row; a retry inside the grace period only reads.
    Must not be called inside a transaction, for the refusal of a stolen token has to commit.

    :raises TokenRefused: one of its subclasses says why (:mod:`token_lifecycle.exceptions`).
    :raises Unavailable: the database kept choosing other writers; the token is as good as before.
    """
    _require_autocommit()
    now = now or timezone.now()
    token = tokens.parse_refresh(refresh, now=now) if isinstance(refresh, str) else refresh
    overtaken = False
    for _ in range(ATTEMPTS):
        # Whoever loses a race reads again and is judged again, by the row as the winner left it.
        try:
            match _try_to_rotate(token, device, now, overtaken=overtaken):
                case IssuedTokens() as issued:
                    return issued
                case Lost.CLAIM:
                    overtaken = True
        except OperationalError as error:
            if not lost_to_another(error):
                raise
    raise Unavailable(session_id=token.session_id)


class Lost(Enum):
    """Why one try of a rotation came to nothing, and another one is due."""

    CLAIM = auto()
    BINDING = auto()


def _try_to_rotate(
    token: RefreshClaims, device: Device | None, now: datetime, *, overtaken: bool
) -> IssuedTokens | Lost:
    """One reading, one judgement and what follows from it."""
    session = _session_of(token)
    state = _state(session)
    verdict = judge(
        state,
        generation=token.generation,
        token_expired=token.expired,
        # Whoever was overtaken presented a token that was good when it was read. However long the
        # winner had waited for the database, that was at the same moment.
        now=min(now, session.rotated_at) if overtaken else now,
        grace=app_settings.reuse_grace_period,
    )
    match verdict:
        case Verdict.ROTATE | Verdict.CATCH_UP:
            # Before the claim: a hook that fails must leave the presented token usable.
            extra = _extra_claims(session)
            if not _consume(session, state, token.generation, device, now):
                return Lost.CLAIM
            return _issue(session, secret=token.secret, extra=extra, now=now)
        case Verdict.RETRY:
            return _issue(session, secret=token.secret, extra=_extra_claims(session), now=now)
        case Verdict.REUSE:
            _end_for_reuse(session, token, device, now)
        case Verdict.PASSWORD_CHANGED:
            _end_for_password(session, now)
            return Lost.BINDING
        case _:
            raise REFUSALS[verdict](session_id=session.pk)


def _session_of(token: RefreshClaims) -> Session:
    """The session a token names, if the token knows its secret and its user too.

    A wrong secret never ends the session, or anybody who knows its id could.

    :raises TokenInvalid: and TokenExpired for an old token of a session that was removed.
    """
    session = Session.objects.for_refresh(token.session_id, user_columns=_user_columns())
    if session is None:
        raise TokenExpired if token.expired else TokenInvalid
    if not tokens.secret_matches(token.secret, session.secret_digest):
        raise TokenInvalid
    if session.user is not None and tokens.user_id_of(session.user) != token.user_id:
        raise TokenInvalid
    return session


def _state(session: Session) -> SessionState:
    user = session.user
    return SessionState(
        generation=session.generation,
        rotated_at=session.rotated_at,
        burst_generation=session.burst_generation,
        burst_started_at=session.burst_started_at,
        expires_at=session.expires_at,
        idle_expires_at=session.idle_expires_at,
        revoked_at=session.revoked_at,
        user_active=user is not None and user.is_active,
        password_matches=password_matches(session, user),
    )


def _consume(
    session: Session, state: SessionState, generation: int, device: Device | None, now: datetime
) -> bool:
    """Claim ``generation`` and bring ``session`` up to date; False where another was faster."""
    columns = _refresh_state(session, state, generation, device, now)
    catch_up = generation > state.generation
    previous_user_agent = session.user_agent
    new_client = columns.get("user_agent", previous_user_agent) != previous_user_agent
    events = _events_of_rotation(catch_up=catch_up, new_client=new_client)
    # A transaction only where there is a second row to write.
    with transaction.atomic(using=journal.database()) if events else contextlib.nullcontext():
        if not Session.objects.claim(
            session.pk, generation=generation, catch_up=catch_up, now=now, **columns
        ):
            return False
        for name, value in {"generation": generation + 1, **columns}.items():
            setattr(session, name, value)
        for kind in events:
            journal.record(kind, session=session, device=device, generation=generation, now=now)
    _bind_to_newest_key(session)
    journal.announce(signals.token_rotated, session=session, device=device)
    if new_client:
        journal.announce(
            signals.new_client_seen,
            session=session,
            device=device,
            previous_user_agent=previous_user_agent,
        )
    return True


def _bind_to_newest_key(session: Session) -> None:
    """Follow a ``SECRET_KEY`` that is being replaced, so that its fallback can go one day.

    A statement of its own, and only then: it must not undo what a password change wrote meanwhile.
    """
    if not settings.SECRET_KEY_FALLBACKS:
        return
    newest = binding.auth_hash(session.user)
    if newest in (session.auth_hash, session.auth_hash_next):
        return
    as_read = Session.objects.primary().filter(
        pk=session.pk, auth_hash=session.auth_hash, auth_hash_next=session.auth_hash_next
    )
    as_read.rebind(newest)


def _refresh_state(
    session: Session, state: SessionState, generation: int, device: Device | None, now: datetime
) -> dict[str, Any]:
    """What a rotation writes beside the generation. Never ``expires_at``: nothing outlives it."""
    burst = burst_after(state, consumed=generation, now=now, grace=app_settings.reuse_grace_period)
    columns: dict[str, Any] = {
        "rotated_at": now,
        "idle_expires_at": min(now + app_settings.idle_timeout, state.expires_at),
        "burst_generation": burst.generation,
        "burst_started_at": burst.started_at,
    }
    if device is not None:
        columns["ip_address"] = device.ip_address
        columns["user_agent"] = device.user_agent or session.user_agent
    return columns


def _events_of_rotation(*, catch_up: bool, new_client: bool) -> list[EventKind]:
    happened = {
        EventKind.CAUGHT_UP: catch_up,
        EventKind.NEW_CLIENT: new_client,
        EventKind.ROTATED: app_settings.record_rotations,
    }
    return [kind for kind, did in happened.items() if did]


def _end_for_reuse(
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


def _end_for_password(session: Session, now: datetime) -> None:
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


# Check


def check_access(claims: AccessClaims, *, now: datetime | None = None) -> Session:
    """The session, with its whole user, that a verified access token belongs to. One statement.

    :raises TokenInvalid: the token names another user than the session.
    :raises SessionRevoked: the session is over, for whatever reason.
    :raises UserInactive: the user is deactivated.
    """
    now = now or timezone.now()
    session = Session.objects.for_access(claims.session_id)
    if session is None or session.user is None or not session.is_live(now):
        raise SessionRevoked(session_id=claims.session_id)
    if tokens.user_id_of(session.user) != claims.user_id:
        raise TokenInvalid
    if not session.user.is_active:
        raise UserInactive(session_id=session.pk)
    if not password_matches(session, session.user):
        raise SessionRevoked(session_id=session.pk)
    return session


def is_vouched_for(claims: AccessClaims) -> bool:
    """Whether the list in memory knows a verified access token's session to be live.

    Costs no statement. False is no refusal: only the database can tell (``check_access``). The
    list knows what was ended, and not that a user was deactivated or given a new password by
    ``QuerySet.update``: the session's next refresh finds out.

    :raises SessionRevoked: the session was ended.
    :raises Unavailable: the list is too old, and ``REVOCATION_WHEN_STALE`` is ``"refuse"``.
    """
    lived = timedelta(seconds=claims.claims["exp"] - claims.claims["iat"] - 1)
    if lived > app_settings.access_token_lifetime:
        # From the time of a longer lifetime: the list may have forgotten it before it expires.
        return False
    standing = feed.standing(
        session_id=claims.session_id, user_id=claims.user_id, signed_in_at=claims.auth_time
    )
    if standing is Standing.ENDED:
        raise SessionRevoked(session_id=claims.session_id)
    return standing is Standing.LIVE


# Revoke


def revoke_session(
    session_id: UUID,
    *,
    user: Any = None,
    reason: str = RevocationReason.LOGOUT,
    actor: Any = None,
    device: Device | None = None,
    now: datetime | None = None,
) -> bool:
    """End one live session; False where there is none. ``user`` restricts it to their sessions."""
    sessions = Session.objects.primary().filter(pk=session_id)
    if user is not None:
        sessions = sessions.of(user)
    return bool(revoke_sessions(sessions, reason=reason, actor=actor, device=device, now=now))


def revoke_sessions_of(
    user: Any,
    *,
    keep: UUID | None = None,
    reason: str = RevocationReason.LOGOUT_ALL,
    actor: Any = None,
    device: Device | None = None,
    now: datetime | None = None,
) -> int:
    """End all live sessions of a user, but for ``keep``; how many.

    A refresh that is in flight loses: whichever commits first, the session is ended afterwards.
    """
    now = now or timezone.now()
    sessions = Session.objects.primary().of(user).live(now).except_for(keep)
    return journal.end(sessions, reason=reason, now=now, user=user, actor=actor, device=device)


def revoke_sessions(
    sessions: SessionQuerySet,
    *,
    reason: str = RevocationReason.ADMIN,
    actor: Any = None,
    device: Device | None = None,
    now: datetime | None = None,
) -> int:
    """End all live sessions of a set, for instance ``Session.objects.filter(…)``; how many.

    The number of statements does not depend on the number of sessions.
    """
    now = now or timezone.now()
    return journal.end(sessions.live(now), reason=reason, now=now, actor=actor, device=device)


@sensitive_variables()
def revoke_by_token(
    refresh: str,
    *,
    user: Any = None,
    reason: str = RevocationReason.LOGOUT,
    device: Device | None = None,
    now: datetime | None = None,
) -> bool:
    """End the session of a refresh token, also of an expired or a consumed one (RFC 7009 §2.1).

    Silent: False where the token is not ours (or, with ``user``, not theirs) or the session was
    over. Nothing is read first: the secret is part of the WHERE.
    """
    now = now or timezone.now()
    try:
        token = tokens.parse_refresh(refresh, now=now)
    except TokenRefused:
        return False
    known = Session.objects.primary().filter(
        pk=token.session_id, secret_digest=tokens.digest(token.secret)
    )
    if user is not None:
        known = known.of(user)
    return bool(revoke_sessions(known, reason=reason, device=device, now=now))


# Prune


def prune(
    *,
    batch_size: int = 1000,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    now: datetime | None = None,
) -> Pruned:
    """Remove sessions and events that are over for longer than ``RETENTION``.

    In batches, each a short transaction of its own, so that nobody waits for it. ``progress`` is
    called with the number of rows of each batch. Running it twice, or twice at once, is harmless.
    """
    now = now or timezone.now()
    # Ended rows are what tells that an access token is dead: they stay until the last one is.
    before = now - max(app_settings.retention, app_settings.access_token_reach)
    sessions = Session.objects.primary()
    events = SessionEvent.objects.using(journal.database())
    notices = RevocationNotice.objects.using(journal.database())
    remove = partial(_prune, batch_size=batch_size, dry_run=dry_run)
    tell = partial(remove, progress=progress)
    pruned = Pruned(
        # Two sets and not one with OR: each has its index.
        sessions=tell(sessions.filter(revoked_at__lt=before), "revoked_at")
        + tell(sessions.filter(revoked_at=None, expires_at__lt=before), "expires_at"),
        events=tell(events.filter(created_at__lt=before), "created_at"),
    )
    # Of no interest to anybody who counts.
    remove(notices.filter(at__lt=now - longest_life()), "at")
    return pruned


def _prune(
    rows: QuerySet[Any],
    column: str,
    *,
    batch_size: int,
    dry_run: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Remove ``rows``, the oldest by ``column`` first.

    Each batch begins where the last one ended. Looked for from the beginning again, or in no order
    at all, the rows would be found behind more and more dead entries of those removed before.
    """
    if dry_run:
        return rows.count()
    removed, reached, rest = 0, None, rows
    while batch := list(rest.order_by(column).values_list("pk", column)[:batch_size]):
        # rows.filter and not the keys alone: what changed in between is looked at again.
        count, _ = rows.filter(pk__in=[key for key, _ in batch]).delete()
        removed += count
        progress(count)
        latest = batch[-1][1]
        if len(batch) < batch_size or (not count and latest == reached):
            break
        reached, rest = latest, rows.filter(**{f"{column}__gte": latest})
    return removed


# Shared


def _issue(
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


def _extra_claims(session: Session) -> Mapping[str, Any]:
    """What the project's ``ACCESS_CLAIMS`` hook adds to an access token."""
    hook = app_settings.access_claims
    if hook is None:
        return {}
    extra = hook(session, session.user)
    tokens.check_extra_claims(extra)
    return extra


def _user_columns() -> tuple[str, ...] | None:
    if app_settings.access_claims is not None:
        return None  # the hook may look at everything
    return binding.needed_columns(get_user_model(), tokens.user_id_field())


def _require_autocommit() -> None:
    """Refuse to rotate where a refusal could be rolled back. Tests that roll back are let through.

    :raises RuntimeError: inside a transaction, as ``transaction.atomic(durable=True)`` does.
    """
    blocks = transaction.get_connection(journal.database()).atomic_blocks
    if blocks and not blocks[-1]._from_testcase:
        raise RuntimeError("rotate() must not be called inside a transaction.")
