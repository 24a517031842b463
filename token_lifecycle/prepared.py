"""Statements whose shape never changes: written with the ORM, compiled once per database.

More than half of what a short statement costs is Django building the same SQL again for every
request. A prepared statement is an ordinary query in which examples stand where the values will
be; it is compiled at first use, and from then on the values take the examples' places. Where a
project's key is of a kind without an example, or its field refuses the example or makes it equal to
another, the query is compiled for each call, as ever.

This leans on the ORM's compiler (``get_compiler``, ``as_sql``, ``select``, ``get_converters``), and
that is no public API. The tests pin what is used of it on every supported Django.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connections, models
from django.db.models.sql import Query

#: Values that nobody else uses, by the field they are examples for; numbered, so that they differ.
EXAMPLES: Mapping[type[models.Field[Any, Any]], Callable[[int], Any]] = {
    models.UUIDField: lambda n: UUID(int=n),
    models.IntegerField: lambda n: 2_000_000_000 + n,
    models.DateTimeField: lambda n: datetime(1970, 1, 1, 0, 0, n, tzinfo=UTC),
    models.GenericIPAddressField: lambda n: f"203.0.113.{n}",
    models.CharField: lambda n: f"example {n}",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the parameters the value of this name goes."""

    name: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """One statement for one database."""

    sql: str
    parameters: tuple[Any, ...]
    """Constants, and a Place for each value."""
    converters: tuple[tuple[int, Any, Any], ...]
    """Position, functions and expression of the columns that do not come back as they are."""


class PreparedStatement:
    """``build`` makes the query from keyword arguments; ``fields`` says what each of them is.

    ``into`` makes it INSERT … SELECT: a model, and its fields in the order of the columns selected.
    """

    def __init__(
        self,
        build: Callable[..., Query],
        fields: Mapping[str, models.Field[Any, Any]],
        *,
        into: tuple[type[models.Model], Sequence[str]] | None = None,
    ) -> None:
        self._build = build
        self._fields = fields
        self._into = into
        self._compiled: dict[str, Compiled] = {}

    def fetch_one(self, using: str, **values: Any) -> list[Any] | None:
        """The only row, as Python values, or None."""
        compiled = self._for(using, values)
        with connections[using].cursor() as cursor:
            cursor.execute(compiled.sql, self._bind(compiled, using, values))
            row = cursor.fetchone()
        return None if row is None else self._convert(compiled, using, list(row))

    def execute(self, using: str, **values: Any) -> int:
        """Run it; how many rows it found."""
        compiled = self._for(using, values)
        with connections[using].cursor() as cursor:
            cursor.execute(compiled.sql, self._bind(compiled, using, values))
            count: int = cursor.rowcount
        return count

    def _for(self, using: str, values: Mapping[str, Any]) -> Compiled:
        # Two threads may both compile; the results are equal.
        if using not in self._compiled:
            examples = {
                name: _example(field, number)
                for number, (name, field) in enumerate(self._fields.items(), start=1)
            }
            places = self._places(using, examples)
            if places is None:
                return self._compile(using, values, {})  # no examples, no preparing
            self._compiled[using] = self._compile(using, examples, places)
        return self._compiled[using]

    def _places(self, using: str, examples: Mapping[str, Any]) -> dict[Any, Place] | None:
        """The places by the examples that mark them, as they are written; None: unusable ones."""
        if None in examples.values():
            return None
        try:
            places = {
                field.get_db_prep_value(examples[name], connections[using]): Place(name)
                for name, field in self._fields.items()
            }
        except (TypeError, ValueError, ValidationError):
            return None  # a field of the project's that takes only values of a form of its own
        return places if len(places) == len(examples) else None

    def _compile(
        self, using: str, values: Mapping[str, Any], places: Mapping[Any, Place]
    ) -> Compiled:
        connection = connections[using]
        compiler = self._build(**values).get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        with_places = tuple(places.get(p, p) for p in parameters) if places else tuple(parameters)
        if set(places.values()) - set(with_places):
            raise AssertionError("the compiler changed an example beyond recognition")
        if self._into is not None:
            sql = f"{_insertion(connection, *self._into)} {sql}"
        selected = [column for column, *_ in getattr(compiler, "select", None) or ()]
        converters = compiler.get_converters(selected) if selected else {}
        return Compiled(sql, with_places, tuple((n, *found) for n, found in converters.items()))

    def _bind(self, compiled: Compiled, using: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
        connection = connections[using]
        # Once for each name: the present moment, for instance, has several places.
        written = {
            name: field.get_db_prep_value(values[name], connection)
            for name, field in self._fields.items()
        }
        return tuple(
            written[parameter.name] if type(parameter) is Place else parameter
            for parameter in compiled.parameters
        )

    def _convert(self, compiled: Compiled, using: str, row: list[Any]) -> list[Any]:
        connection = connections[using]
        for position, functions, expression in compiled.converters:
            for function in functions:
                row[position] = function(row[position], expression, connection)
        return row


def _example(field: models.Field[Any, Any], number: int) -> Any:
    """An example; for a foreign key one of the key it refers to. None: a kind nobody knows."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    makers = (make for kind, make in EXAMPLES.items() if isinstance(field, kind))
    make = next(makers, None)
    return None if make is None else make(number)


def _insertion(connection: Any, model: type[models.Model], names: Sequence[str]) -> str:
    quote, field = connection.ops.quote_name, cast("Any", model._meta.get_field)
    columns = ", ".join(quote(field(name).column) for name in names)
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns})"
