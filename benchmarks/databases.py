"""A database of its own for every run: made, migrated, and dropped at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from token_lifecycle.feed import feed


@contextmanager
def fresh_database() -> Iterator[str]:
    """Work on an empty database, as Django's test runner makes it; its name."""
    made = setup_databases(verbosity=0, interactive=False)
    name = str(connection.settings_dict["NAME"])
    try:
        yield name
    finally:
        feed.stop()  # it has a connection of its own, and nobody can drop what is in use
        teardown_databases(made, verbosity=0)
        if connection.vendor == "sqlite":
            # Left behind where a server's process was the last to use the file.
            for rest in ("-wal", "-shm"):
                Path(name + rest).unlink(missing_ok=True)


def database_version() -> str:
    """The kind of database, its version and how careful it is with a commit."""
    connection.ensure_connection()
    match connection.vendor:
        case "postgresql":
            version = ".".join(map(str, connection.get_database_version()))
            return f"PostgreSQL {version}, synchronous_commit={_setting('SHOW synchronous_commit')}"
        case "mysql":
            return f"MySQL or MariaDB {connection.mysql_server_info}"
        case "sqlite":
            version = ".".join(map(str, connection.get_database_version()))
            journal, synchronous = map(_setting, ("PRAGMA journal_mode", "PRAGMA synchronous"))
            return f"SQLite {version}, journal_mode={journal}, synchronous={synchronous}"
        case vendor:
            return vendor


def load_average() -> list[float] | None:
    """Of the last 1, 5 and 15 minutes; None where the system keeps none."""
    return [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _setting(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchone()[0])
