"""The audit trail as a file: CSV for a spreadsheet, or JSON lines for a program.

The newest event first, in pieces: whatever the number of events, memory holds some thousand of them
and no statement or cursor stays open while somebody downloads slowly. Never a token, for the trail
holds none. The names and the order of the columns are part of the public contract.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from .models import SessionEvent

#: Events that are read by one statement.
CHUNK = 2000

#: What makes a cell a formula in a spreadsheet (OWASP, CSV Injection), also behind white space and
#: characters that nobody sees, and behind what some country's spreadsheet takes for the end of a
#: cell: a semicolon ends one wherever the comma belongs to the numbers.
FORMULA = re.compile(
    r"(?P<before>\A|[;,|\t\r\n])"
    # The last four are the first four in their full width.
    r"(?P<formula>[^\w!-~]*[=+\-@\uff1d\uff0b\uff0d\uff20]|\A[\t\r\n])"
)


class Format(StrEnum):
    """How the trail is written. The value is the ending of the file's name."""

    CSV = "csv"
    JSON = "json"

    @property
    def content_type(self) -> str:
        match self:
            case Format.CSV:
                return "text/csv; charset=utf-8"
            case Format.JSON:
                return "application/jsonl; charset=utf-8"


def columns() -> dict[str, str]:
    """The names of the columns, and what stands in each."""
    name = get_user_model().USERNAME_FIELD
    return {
        "time": "created_at",
        "event": "kind",
        "reason": "reason",
        "session": "session_id",
        "user": "user_id",
        "user_name": f"user__{name}",
        "actor": "actor_id",
        "actor_name": f"actor__{name}",
        "ip_address": "ip_address",
        "user_agent": "user_agent",
        "generation": "generation",
        "id": "pk",
    }


def export(events: QuerySet[SessionEvent], form: Format) -> Iterator[str]:
    """``events`` as text, piece by piece.

    What clients and users called themselves is made harmless for spreadsheets: in CSV, an
    apostrophe stands before what would be a formula. JSON is exact.
    """
    match form:
        case Format.CSV:
            return _csv(events)
        case Format.JSON:
            return _json(events)


def _csv(events: QuerySet[SessionEvent]) -> Iterator[str]:
    write = csv.writer(Lines()).writerow
    yield write(columns())
    for chunk in _chunks(events):
        yield "".join(write([_cell(value) for value in row]) for row in chunk)


def _json(events: QuerySet[SessionEvent]) -> Iterator[str]:
    names = list(columns())
    write = partial(json.dumps, ensure_ascii=False)
    for chunk in _chunks(events):
        yield "".join(f"{write(dict(zip(names, row, strict=True)))}\n" for row in chunk)


class Lines:
    """Gives back what ``csv`` writes, where a file would keep it."""

    def write(self, line: str) -> str:
        return line


def _cell(value: Any) -> Any:
    return harmless(value) if isinstance(value, str) else value


def harmless(text: str) -> str:
    """``text`` with an apostrophe before everything that a spreadsheet would work out."""
    return FORMULA.sub(r"\g<before>'\g<formula>", text)


def _chunks(events: QuerySet[SessionEvent]) -> Iterator[list[list[Any]]]:
    """The newest first; each chunk goes on where the last one ended.

    Not with a cursor: MySQL's driver holds the whole result in memory, and PostgreSQL would keep
    one, and a server behind a pool of connections cannot.
    """
    rows = events.order_by("-created_at", "-pk")
    at, key = list(columns().values()).index("created_at"), -1
    rest = rows
    while chunk := list(rest.values_list(*columns().values())[:CHUNK]):
        yield [[_plain(value) for value in row] for row in chunk]
        if len(chunk) < CHUNK:
            return
        rest = rows.filter(_behind(chunk[-1][at], chunk[-1][key]))


def _behind(at: datetime, key: int) -> Q:
    # The first condition is what the index is asked for.
    return Q(created_at__lte=at) & (Q(created_at__lt=at) | Q(pk__lt=key))


def _plain(value: Any) -> str | int | None:
    """A value as both forms can say it."""
    match value:
        case None | int() | str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat()
        case _:
            return str(value)
