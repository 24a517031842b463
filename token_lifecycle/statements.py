"""The statements of the busy paths, written with the ORM and compiled once (``prepared``).

Each function builds one statement for one model; :mod:`token_lifecycle.managers` says what it means
and gives it its values.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.models import Exists, F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce
from django.db.models.sql import Query, UpdateQuery

from .prepared import PreparedStatement

if TYPE_CHECKING:
    from .managers import SessionQuerySet
    from .models import RevocationNotice, Session, SessionEvent

#: Where there is no cutoff; every session began later.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def newest_cutoff(sessions: type[Session]) -> Subquery:
    """By when everybody was signed out last, if ever; looked up once a statement."""
    cutoffs = sessions._meta.apps.get_model(sessions._meta.app_label, "Cutoff")._base_manager
    return Subquery(cutoffs.order_by("-at").values("at")[:1])


def newest_cutoff_or_never(sessions: type[Session]) -> Coalesce:
    """The same to compare with; not to be selected: MariaDB would return it as text."""
    return Coalesce(newest_cutoff(sessions), Value(NEVER))


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
def read_session(
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
def claim_generation(
    model: type[Session], catch_up: bool, columns: tuple[str, ...]
) -> PreparedStatement:
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
def record_ended(model: type[SessionEvent], sessions: type[Session]) -> PreparedStatement:
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
def name_ended(
    model: type[RevocationNotice], sessions: type[Session], whose: tuple[str, ...]
) -> PreparedStatement:
    field: Callable[[str], Any] = model._meta.get_field

    def build(at: datetime, reason: str, **owner: Any) -> Query:
        named = {"session_id": F("pk"), "at": F("revoked_at"), "user_id": Value("")}
        ended = sessions.objects.all().ended(at=at, reason=reason).filter(**owner)
        return _selecting(ended, named)

    fields = {"at": field("at"), "reason": sessions._meta.get_field("revocation_reason")}
    fields |= {name: sessions._meta.get_field(name) for name in whose}
    return PreparedStatement(build, fields, into=(model, ("session_id", "at", "user_id")))


def _selecting(rows: SessionQuerySet, columns: dict[str, Any]) -> Query:
    """``rows`` as these columns, in this order and under names that are nobody's."""
    aliases = {f"_insert_{n}": column for n, column in enumerate(columns.values())}
    query: Query = rows.order_by().annotate(**aliases).values_list(*aliases).query
    return query
