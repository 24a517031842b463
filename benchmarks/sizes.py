"""What requests leave behind: rows, and bytes where the database can tell them."""

from __future__ import annotations

from collections.abc import Iterable

from django.apps import apps
from django.db import connection


def rows_in(models: Iterable[str]) -> int:
    """The rows of these models (``app.Model``)."""
    return sum(apps.get_model(model)._base_manager.count() for model in models)


def bytes_of(models: Iterable[str]) -> int | None:
    """What their tables and indexes take up on disk; None where the database cannot tell.

    Rows that are dead and not yet removed count: they take up space as well. On PostgreSQL one
    long writing transaction, in whatever database of the server, keeps them from being removed;
    what is otherwise updated in place then takes up a new place each time.
    """
    tables = [apps.get_model(model)._meta.db_table for model in models]
    with connection.cursor() as cursor:
        match connection.vendor:
            case "postgresql":
                cursor.execute(
                    "SELECT sum(pg_total_relation_size(quote_ident(t)::regclass)) "
                    "FROM unnest(%s::text[]) AS t",
                    [tables],
                )
            case "sqlite" if _has_dbstat():
                # Whole pages like PostgreSQL's, but with the room left in them taken off: SQLite
                # leaves half a page free at every split, which few rows would make look like many.
                marks = ", ".join(["%s"] * len(tables))
                cursor.execute(
                    "SELECT sum(payload) FROM dbstat WHERE name IN "
                    f"(SELECT name FROM sqlite_master WHERE tbl_name IN ({marks}))",
                    tables,
                )
            case _:
                return None
        return int(cursor.fetchone()[0])


def _has_dbstat() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_compileoption_used('ENABLE_DBSTAT_VTAB')")
        return bool(cursor.fetchone()[0])
