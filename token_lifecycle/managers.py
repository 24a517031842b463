"""The store: every statement about sessions and events, set-based, on the database that is written.

Nothing here reads a clock or a setting, decides anything, or sends a signal; the verbs in
``lifecycle`` do. Reads that decide something go to the database that writes go to: a replica may
not have heard of a revocation yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import Error, InternalError, OperationalError, models, router
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.db.models.sql import Query, UpdateQuery

from .prepared import PreparedStatement

if TYPE_CHECKING:
    from .models import Cutoff, RevocationNotice, Session, SessionEvent

#: What the refresh rule reads, and what the answer is made of.
REFRESH_COLUMNS = (
    "generation",
    "rotated_at",
    "burst_generation",
    "burst_started_at",
    "secret_digest",
    "created_at",
    "expires_at",
    "idle_expires_at",
    "revoked_at",
    "auth_hash",
    "auth_hash_next",
    "user_agent",
)
#: What the check of an access token reads, beside the whole user that becomes ``request.user``.
ACCESS_COLUMNS = (
    "created_at",
    "revoked_at",
    "expires_at",
    "idle_expires_at",
    "auth_hash",
    "auth_hash_next",
)

#: Where there is no cutoff; every session began later.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

#: SQLSTATEs (PostgreSQL) and error numbers (MariaDB, MySQL) of a statement that lost to another
#: one and may be tried again: serialization failure, deadlock, record changed. A lock wait timeout
#: (1205) is not one of them: it took 50 seconds, and the caller has waited long enough.
CONFLICT_STATES = frozenset({"40001", "40P01"})
CONFLICT_NUMBERS = frozenset({1020, 1213})
#: SQLSTATE of a write at a replica that is not yet the primary, as it goes in a failover. psycopg
#: calls that an internal error; the other databases' drivers say that it is an operational one.
READ_ONLY_STATE = "25006"


class SessionQuerySet(QuerySet["Session"]):
    """Sets of sessions. ``now`` is passed in, counts come back."""

    def live(self, now: datetime) -> SessionQuerySet:
        """Neither ended, alone or with everybody, nor past a limit."""
        return self.filter(
            revoked_at=None,
            expires_at__gt=now,
            idle_expires_at__gt=now,
            created_at__gt=newest_cutoff_or_never(self.model),
        )

    def with_cutoff(self) -> SessionQuerySet:
        """With what ``Session.status`` has to know of the end of everybody."""
        return self.annotate(cutoff_at=newest_cutoff(self.model))  # type: ignore[no-redef]

    def of(self, user: Any) -> SessionQuerySet:
        """The sessions of one user (an instance or a key)."""
        return self.filter(user=user)

    def bound_to(self, hashes: Collection[str]) -> SessionQuerySet:
        """Bound to the password that these hashes stand for."""
        return self.filter(Q(auth_hash__in=hashes) | Q(auth_hash_next__in=hashes))

    def not_bound_to(self, hashes: Collection[str]) -> SessionQuerySet:
        """Bound to some other password than the one that these hashes stand for."""
        return self.exclude(auth_hash__in=hashes).exclude(auth_hash_next__in=hashes)

    def revoke(self, *, reason: str, now: datetime) -> int:
        """End those that were not ended yet; how many.

        Touches no column that a rotation touches, and the reverse: whichever of the two commits
        first, the session is ended afterwards.
        """
        return self.filter(revoked_at=None).update(revoked_at=now, revocation_reason=reason)

    def ended(self, *, at: datetime, reason: str) -> SessionQuerySet:
        """Those that were ended at one moment for one reason, which is to say by one call."""
        return self.filter(revoked_at=at, revocation_reason=reason)

    def rebind(self, auth_hash: str, *, following: str = "") -> int:
        """Bind to a password, and to what it will be ``following`` a re-hash; how many."""
        return self.update(auth_hash=auth_hash, auth_hash_next=following)

    def lock(self) -> int:
        """Make rotations and other writers wait until this transaction ends; how many.

        A write first is also what SQLite wants: a transaction that begins with a read cannot
        become a writer once somebody else has written.
        """
        return self.update(generation=F("generation"))

    def forget_clients(self) -> int:
        """Remove what tells about a person, and keep what tells that a session is ended."""
        return self.update(ip_address=None, user_agent="", device_name="")

    def except_for(self, session_id: UUID | None) -> SessionQuerySet:
        """All of them but one."""
        return self if session_id is None else self.exclude(pk=session_id)


class SessionManager(models.Manager.from_queryset(SessionQuerySet)):  # type: ignore[misc]
    """The statements of the refresh rule and of the access check."""

    def primary(self) -> SessionQuerySet:
        """All sessions, on the database that is written to."""
        sessions: SessionQuerySet = self.using(router.db_for_write(self.model))
        return sessions

    def for_refresh(
        self, session_id: UUID, *, user_columns: tuple[str, ...] | None
    ) -> Session | None:
        """A session and its user in one statement, with what the refresh rule needs of them.

        ``user_columns`` of None loads both whole.
        """
        columns = None if user_columns is None else REFRESH_COLUMNS
        return self._read(session_id, columns, user_columns)

    def for_access(self, session_id: UUID) -> Session | None:
        """A session and its whole user in one statement, with what an access check needs."""
        return self._read(session_id, ACCESS_COLUMNS, None)

    def claim(
        self, session_id: UUID, *, generation: int, catch_up: bool, now: datetime, **columns: Any
    ) -> bool:
        """Consume ``generation``: True for exactly one of any number of simultaneous callers.

        One compare-and-swap statement and no lock, for SQLite has no ``SELECT … FOR UPDATE``. A
        logout, an end by staff or a passed limit is decided by the same WHERE. ``catch_up`` also
        accepts a row that is behind the token. ``columns`` is the rest of the refresh state.
        """
        statement = _claim(self.model, catch_up, tuple(columns))
        following = {"following": generation + 1} if catch_up else {}
        values = {"pk": session_id, "consumed": generation, "now": now, **following, **columns}
        return statement.execute(router.db_for_write(self.model), **values) == 1

    def _read(
        self,
        session_id: UUID,
        columns: tuple[str, ...] | None,
        user_columns: tuple[str, ...] | None,
    ) -> Session | None:
        using = router.db_for_write(self.model)
        user_model = self.model._meta.get_field("user").related_model
        names = attributes(self.model, columns)
        user_names = attributes(user_model, user_columns)
        row = _read(self.model, names, user_names).fetch_one(using, pk=session_id)
        if row is None:
            return None
        session: Session = self.model.from_db(using, names, row[: len(names)])
        *user_row, cutoff = row[len(names) :]
        if session.revoked_at is None and cutoff is not None and session.created_at <= cutoff:
            session.revoked_at = cutoff
        known = user_row[user_names.index(user_model._meta.pk.attname)] is not None
        session.user = user_model.from_db(using, user_names, user_row) if known else None
        return session


class SessionEventManager(models.Manager["SessionEvent"]):
    """Writing the audit trail; nothing here changes an event."""

    def record_ended(
        self,
        *,
        at: datetime,
        reason: str,
        actor: Any = None,
        ip_address: str | None = None,
        user_agent: str = "",
    ) -> None:
        """One event for each session that was ended ``at`` one moment and has none yet.

        The rows are copied inside the database (INSERT … SELECT): ending ten thousand sessions
        must not make ten thousand rows travel. ``actor`` is a key.
        """
        sessions = self.model._meta.get_field("session").related_model
        _record_ended(self.model, sessions).execute(
            router.db_for_write(sessions),
            at=at,
            reason=reason,
            actor=actor,
            ip_address=ip_address,
            user_agent=user_agent,
        )


class CutoffManager(models.Manager["Cutoff"]):
    """The ends of everybody."""

    def not_swept(self) -> QuerySet[Cutoff]:
        """Those that not every row tells of, the newest first: it ends whom the older ones end."""
        return self.using(router.db_for_write(self.model)).filter(swept_at=None).order_by("-at")


class RevocationNoticeManager(models.Manager["RevocationNotice"]):
    """Writing what processes that check by a list in memory read."""

    def name_each(self, sessions: type[Session], *, at: datetime, reason: str) -> None:
        """One notice for each session that was ended ``at`` one moment, in one statement."""
        using = router.db_for_write(sessions)
        _name_ended(self.model, sessions).execute(using, at=at, reason=reason)


def newest_cutoff(sessions: type[Session]) -> Subquery:
    """By when everybody was signed out last, if ever; looked up once a statement."""
    cutoffs = sessions._meta.apps.get_model(sessions._meta.app_label, "Cutoff")._base_manager
    return Subquery(cutoffs.order_by("-at").values("at")[:1])


def newest_cutoff_or_never(sessions: type[Session]) -> Coalesce:
    """The same to compare with; not to be selected: MariaDB would return it as text."""
    return Coalesce(newest_cutoff(sessions), Value(NEVER))


def lost_to_another(error: OperationalError) -> bool:
    """Whether a statement failed only because another one was faster."""
    if getattr(error.__cause__, "sqlstate", None) in CONFLICT_STATES:
        return True
    return bool(error.args) and error.args[0] in CONFLICT_NUMBERS


def is_unavailable(error: Error) -> bool:
    """Whether a statement failed because of the state that the database is in, not by a mistake."""
    if isinstance(error, InternalError):
        return getattr(error.__cause__, "sqlstate", None) == READ_ONLY_STATE
    return True


@lru_cache(maxsize=32)
def attributes(model: type[models.Model], columns: tuple[str, ...] | None) -> tuple[str, ...]:
    """The key and ``columns`` (None: all) in the order in which ``from_db`` wants them."""
    fields = model._meta.concrete_fields
    return tuple(
        field.attname
        for field in fields
        if columns is None or field.primary_key or field.name in columns
    )


@lru_cache(maxsize=32)
def _read(
    model: type[Session], names: tuple[str, ...], user_names: tuple[str, ...]
) -> PreparedStatement:
    """SELECT a session by its key, joined with its user."""

    def build(pk: UUID) -> Query:
        columns = (*names, *(f"user__{name}" for name in user_names))
        rows = model.objects.filter(pk=pk)
        query: Query = rows.values_list(*columns, newest_cutoff(model)).query
        return query

    return PreparedStatement(build, {"pk": model._meta.get_field("id")})


@lru_cache(maxsize=8)
def _claim(model: type[Session], catch_up: bool, columns: tuple[str, ...]) -> PreparedStatement:
    """UPDATE … WHERE the generation is still the one that was read."""
    field: Callable[[str], Any] = model._meta.get_field

    def build(pk: UUID, consumed: int, now: datetime, **values: Any) -> Query:
        # Relative, so that a lost claim could never hide behind an equal value.
        following = values.pop("following", F("generation") + 1)
        generation = {"generation__lte" if catch_up else "generation": consumed}
        rows = model.objects.live(now).filter(pk=pk, **generation)
        update: UpdateQuery = rows.query.chain(UpdateQuery)
        update.add_update_values({"generation": following, **values})
        return update

    fields = {"pk": "id", "consumed": "generation", "now": "rotated_at"}
    fields |= {"following": "generation"} if catch_up else {}
    fields |= {name: name for name in columns}
    return PreparedStatement(build, {name: field(target) for name, target in fields.items()})


@lru_cache(maxsize=8)
def _record_ended(model: type[SessionEvent], sessions: type[Session]) -> PreparedStatement:
    field: Callable[[str], Any] = model._meta.get_field

    def build(at: datetime, reason: str, **values: Any) -> Query:
        recorded = model.objects.filter(session=OuterRef("pk"), kind="revoked")
        ended = sessions.objects.all().ended(at=at, reason=reason).exclude(Exists(recorded))
        given = {name: Value(value, output_field=field(name)) for name, value in values.items()}
        copied = {
            "session": F("pk"),
            "user": F("user"),
            "reason": F("revocation_reason"),
            "created_at": F("revoked_at"),
            "kind": Value("revoked"),
        }
        return _selecting(ended, {**copied, **given})

    given = ("actor", "ip_address", "user_agent")
    fields = {"at": field("created_at"), "reason": field("reason")}
    fields |= {name: field(name) for name in given}
    into = ("session", "user", "reason", "created_at", "kind", *given)
    return PreparedStatement(build, fields, into=(model, into))


@lru_cache(maxsize=8)
def _name_ended(model: type[RevocationNotice], sessions: type[Session]) -> PreparedStatement:
    field: Callable[[str], Any] = model._meta.get_field

    def build(at: datetime, reason: str) -> Query:
        named = {"session_id": F("pk"), "at": F("revoked_at"), "user_id": Value("")}
        return _selecting(sessions.objects.all().ended(at=at, reason=reason), named)

    fields = {"at": field("at"), "reason": sessions._meta.get_field("revocation_reason")}
    return PreparedStatement(build, fields, into=(model, ("session_id", "at", "user_id")))


def _selecting(rows: SessionQuerySet, columns: dict[str, Any]) -> Query:
    """``rows`` as these columns, in this order and under names that are nobody's."""
    aliases = {f"_insert_{n}": column for n, column in enumerate(columns.values())}
    query: Query = rows.order_by().annotate(**aliases).values_list(*aliases).query
    return query
