"""Find the users that somebody means, and only then the rows of these.

An exact user name or key is found by the index of the project's own table. Anything else reads that
table, once, as its own admin does: an email address because a project need not index it, and part
of a name because no index helps. The tables of this app are only ever asked for the keys found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Case, Model, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from ..device import client_address

#: Whose rows are shown at most.
USERS = 200

#: As long as the longest thing that is looked for, an email address (RFC 5321 §4.5.3.1.3). What
#: is longer cannot be found, and SQLite gives up on an expression of some hundred words.
SEARCH_LENGTH = 254


@dataclass(frozen=True, kw_only=True)
class Found:
    """The users that fit best."""

    keys: Sequence[Any]
    is_more: bool
    """Whether others fit as well."""


def may_be_found(term: str) -> bool:
    """Whether any column can hold ``term``; PostgreSQL refuses a NUL."""
    return len(term) <= SEARCH_LENGTH and "\0" not in term


def named(users: QuerySet[Any], fields: Sequence[str], term: str) -> Found:
    """The users with exactly this user name, email address or key.

    All three: whoever calls himself by the address of another must not stand in front of them.
    """
    conditions = [*_named(fields, term), *_keyed(term)]
    rows = users.filter(_any(conditions)).order_by("pk")
    return _found(list(rows.values_list("pk", flat=True)[: USERS + 1]))


def resembling(users: QuerySet[Any], fields: Sequence[str], term: str) -> Found:
    """Those who are called so but for small and capital letters; or else those whose name begins
    so; or else those who have all of the words somewhere.

    The last are looked for, and contain the others: one reading tells all three.
    """
    words = term.split()
    closeness = Case(
        When(_any(_each(fields, "iexact", " ".join(words))), then=Value(0)),
        When(_any(_each(fields, "istartswith", " ".join(words))), then=Value(1)),
        default=Value(2),
    )
    rows = users.filter(*(_any(_each(fields, "icontains", word)) for word in words))
    ranked = rows.annotate(_closeness=closeness).order_by("_closeness", "pk")
    best = list(ranked.values_list("pk", "_closeness")[: USERS + 1])
    return _found([key for key, rank in best if rank == best[0][1]])


def found_first(rows: QuerySet[Any]) -> QuerySet[Any]:
    """``rows`` in their order, but by values that are worked out, of which no index knows.

    A planner takes users for equally busy. What somebody did who has long been away it looks for
    from the newest on, and walks through millions; here it finds all by their user and sorts them.
    """
    return rows.order_by(*(_computed(each) for each in rows.query.order_by))


def user_text_fields() -> list[str]:
    """The columns of the project's user model that hold what a person is called by."""
    model = get_user_model()
    email = getattr(model, "EMAIL_FIELD", "") or "email"
    names = dict.fromkeys((model.USERNAME_FIELD, email, "first_name", "last_name"))
    return [name for name in names if _is_column(model, name)]


def address_of(term: str) -> str | None:
    """The IP address that ``term`` is, as it is stored. No index has it: every row is read."""
    return client_address({"REMOTE_ADDR": term}, trusted_proxies=0)


def _named(fields: Sequence[str], term: str) -> Iterator[Q]:
    user_name = get_user_model().USERNAME_FIELD
    if user_name in fields:
        yield Q((user_name, term))
    if "@" in term:
        yield from _each([name for name in fields if name != user_name], "iexact", term)


def _keyed(term: str) -> Iterator[Q]:
    """The condition that ``term`` stands for when it is a key."""
    with suppress(ValidationError, ValueError, TypeError, OverflowError):
        key: Any = get_user_model()._meta.pk
        yield Q(pk=key.clean(key.to_python(term), None))


def _computed(order: Any) -> Any:
    """The same order by a value that is worked out."""
    if not isinstance(order, str):
        return order
    column = order.removeprefix("-")
    value = Coalesce(column, column)
    return value.desc() if order.startswith("-") else value.asc()


def _each(fields: Sequence[str], lookup: str, value: str) -> list[Q]:
    return [Q((f"{name}__{lookup}", value)) for name in fields]


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions, Q(pk__in=[]))


def _found(keys: list[Any]) -> Found:
    # A project may search through a relation, which finds somebody twice.
    different = list(dict.fromkeys(keys))
    return Found(keys=different[:USERS], is_more=len(keys) > USERS)


def _is_column(model: type[Model], name: str) -> bool:
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return field.concrete and not field.is_relation
