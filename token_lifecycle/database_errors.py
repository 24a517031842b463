"""What an error of a database means: try again, come again later, or a mistake."""

from __future__ import annotations

from django.db import Error, InternalError, OperationalError

#: SQLSTATEs (PostgreSQL) and error numbers (MariaDB, MySQL) of a statement that lost to another
#: one and may be tried again: serialization failure, deadlock, record changed. A lock wait timeout
#: (1205) is not one of them: it took 50 seconds, and the caller has waited long enough.
CONFLICT_STATES = frozenset({"40001", "40P01"})
CONFLICT_NUMBERS = frozenset({1020, 1213})
#: SQLSTATE of a write at a replica that is not yet the primary, as it goes in a failover. psycopg
#: calls that an internal error; the other databases' drivers say that it is an operational one.
READ_ONLY_STATE = "25006"


def lost_to_another(error: OperationalError) -> bool:
    """Whether a statement failed only because another one was faster."""
    if _sqlstate(error) in CONFLICT_STATES:
        return True
    return bool(error.args) and error.args[0] in CONFLICT_NUMBERS


def is_unavailable(error: Error) -> bool:
    """Whether a statement failed because of the state that the database is in, not by a mistake."""
    if isinstance(error, InternalError):
        return _sqlstate(error) == READ_ONLY_STATE
    return True


def _sqlstate(error: Error) -> str | None:
    """As psycopg or, by another name, psycopg2 has it; None for the other databases' drivers."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
