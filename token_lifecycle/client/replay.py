"""Sending a request body a second time: possible for some, and never guessed.

A body that was read to its end and is sent again arrives empty, and nobody is told.
"""

from __future__ import annotations

from typing import Any


def position_of(source: Any) -> int | None:
    """Where a body that is a file begins; None for every other body, and for a pipe."""
    try:
        return int(source.tell())
    except (AttributeError, OSError, TypeError, ValueError):
        return None


def rewind(source: Any, start: int | None) -> bool:
    """Make ``source`` ready to be sent again; False if that cannot be."""
    if source is None or isinstance(source, (bytes, str)):
        return True
    if hasattr(source, "read"):
        return start is not None and _seek(source, start)
    # A generator is its own iterator and used up; a list makes a new one each time.
    return hasattr(source, "__iter__") and iter(source) is not source


def can_seek(source: Any) -> bool:
    """Whether a file can be read again from its beginning."""
    seekable = getattr(source, "seekable", None)
    return bool(seekable()) if seekable else hasattr(source, "seek")


def _seek(source: Any, start: int) -> bool:
    try:
        source.seek(start)
    except (AttributeError, OSError, ValueError):
        return False
    return True
