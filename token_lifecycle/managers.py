"""The store: every statement about sessions and events, set-based, on the database that is written.

Nothing here reads a clock or a setting, decides anything, or sends a signal; the verbs in
``lifecycle`` do. Reads that decide something go to the database that writes go to: a replica may
not have heard of a revocation yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connections, models, router
from django.db.models import F, Q, QuerySet

from .statements import (
    attributes,
    claim_generation,
    name_ended,
    newest_cutoff,
    newest_cutoff_or_never,
    read_session,
    record_ended,
)

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

#: What only describes a session: an instance may be saved with these columns and no other.
DESCRIPTIVE_COLUMNS = frozenset({"device_name", "auth_method"})


def require_descriptive(columns: Iterable[str] | None) -> None:
    """Refuse to write an instance over its row, which has gone on since it was read.

    An older end and an older generation would revive an ended session.

    :raises TypeError: unless ``columns`` are ``DESCRIPTIVE_COLUMNS``.
    """
    if columns is None or not DESCRIPTIVE_COLUMNS.issuperset(columns):
        raise TypeError(
            "A session cannot be saved over its row: that may have been refreshed or ended since"
            " it was read. Save one with update_fields=[...] of"
            f" {', '.join(sorted(DESCRIPTIVE_COLUMNS))}, and end one with revoke_session()."
        )


class SessionQuerySet(QuerySet["Session"]):
    """Sets of sessions. ``now`` is passed in, counts come back."""

    def bulk_update(
        self, objs: Iterable[Session], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """What Django's does, with columns that only describe (``Session.save``)."""
        fields = list(fields)
        require_descriptive(fields)
        return super().bulk_update(objs, fields, batch_size)

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
        first, the session is ended afterwards. Of two ends the first stays: whoever waited for
        the row finds it ended.
        """
        rows = self.filter(revoked_at=None)
        if rows.query.count_active_tables() > 1:
            rows = rows._by_key().filter(revoked_at=None)
        return rows.update(revoked_at=now, revocation_reason=reason)

    def _by_key(self) -> SessionQuerySet:
        """The same rows, for an update whose further conditions are to hold when it writes.

        Of a set that joins other tables Django moves every condition into a subquery, and what
        stands there is not asked again after the row was waited for (PostgreSQL).
        """
        using = self._db or router.db_for_write(self.model)  # type: ignore[attr-defined]
        keys: Any = self.using(using).values_list("pk", flat=True)
        if not connections[using].features.update_can_self_select:
            keys = list(keys)
        rows: SessionQuerySet = self.model.objects.using(using)
        return rows.filter(pk__in=keys)

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
        statement = claim_generation(self.model, catch_up, tuple(columns))
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
        row = read_session(self.model, names, user_names).fetch_one(using, pk=session_id)
        if row is None:
            return None
        session: Session = self.model.from_db(using, names, row[: len(names)])
        *user_row, session.cutoff_at = row[len(names) :]
        known = user_row[user_names.index(user_model._meta.pk.attname)] is not None
        session.user = user_model.from_db(using, user_names, user_row) if known else None
        return session


class SessionEventManager(models.Manager["SessionEvent"]):
    """Writing the audit trail; nothing here changes an event."""

    model: type[SessionEvent]

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
        record_ended(self.model, sessions).execute(
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

    model: type[RevocationNotice]

    def name_each(
        self, sessions: type[Session], *, at: datetime, reason: str, user: Any = None
    ) -> None:
        """One notice for each session, of one user's, that was ended ``at`` one moment.

        In one statement. ``user`` is a key.
        """
        whose = {} if user is None else {"user": user}
        statement = name_ended(self.model, sessions, tuple(whose))
        statement.execute(router.db_for_write(sessions), at=at, reason=reason, **whose)
