"""A line in the log for what happens to sessions: for people, and with fields for machines.

The line begins with words and goes on with ``name=value``; the same values are attributes of the
record (``extra``), so that a JSON formatter has them without being told. The audit trail is in the
database; these lines are for whoever watches. What a client sent is quoted, and was cleaned of line
breaks and control characters when it came in (:mod:`token_lifecycle.device`).
"""

from __future__ import annotations

import json
import logging
from typing import Any

from . import signals
from .models import EventKind

logger = logging.getLogger("token_lifecycle")

#: Of sessions that one call ended so many get a line each, and more are only counted: naming them
#: costs a statement, and ten thousand lines tell nobody anything.
NAMED = 20


def connect() -> None:
    """Connect every receiver of this room. A rotation is too common to be logged."""
    signals.session_started.connect(log_started)
    signals.new_client_seen.connect(log_new_client)
    signals.database_caught_up.connect(log_caught_up)
    signals.reuse_detected.connect(log_reuse)
    signals.session_limit_reached.connect(log_limit)
    signals.session_revoked.connect(log_revoked)
    signals.everybody_ended.connect(log_everybody)


def log_started(sender: type, session: Any, device: Any, **kwargs: Any) -> None:
    _log(logging.INFO, EventKind.STARTED, "session started", _about(session, device))


def log_new_client(sender: type, session: Any, device: Any, **kwargs: Any) -> None:
    _log(logging.INFO, EventKind.NEW_CLIENT, "new client seen", _about(session, device))


def log_caught_up(sender: type, session: Any, device: Any, generation: int, **kwargs: Any) -> None:
    about = {**_about(session, device), "generation": generation}
    _log(logging.WARNING, EventKind.CAUGHT_UP, "database was behind the client", about)


def log_reuse(sender: type, session: Any, device: Any, generation: int, **kwargs: Any) -> None:
    about = {**_about(session, device), "generation": generation}
    _log(logging.WARNING, EventKind.REUSE_DETECTED, "refresh token reuse detected", about)


def log_limit(sender: type, user: Any, device: Any, **kwargs: Any) -> None:
    about = {"user_id": _key(user), **_client(device)}
    _log(logging.INFO, EventKind.LIMIT_REACHED, "session limit reached", about)


def log_revoked(
    sender: type,
    sessions: Any,
    count: int,
    reason: str,
    user: Any,
    actor: Any,
    device: Any,
    **kwargs: Any,
) -> None:
    if not logger.isEnabledFor(logging.INFO):
        return
    why = {"reason": reason, "actor_id": _key(actor), **_client(device)}
    if count > NAMED:
        about = {"count": count, "user_id": _key(user), **why}
        _log(logging.INFO, EventKind.REVOKED, "sessions ended", about)
        return
    for session_id, user_id in sessions.values_list("pk", "user_id"):
        # A user who was deleted is named by the signal alone.
        whose = _key(user) if user_id is None else user_id
        about = {"session_id": session_id, "user_id": whose, **why}
        _log(logging.INFO, EventKind.REVOKED, "session ended", about)


def log_everybody(sender: type, actor: Any, device: Any, **kwargs: Any) -> None:
    about = {"actor_id": _key(actor), **_client(device)}
    _log(logging.WARNING, EventKind.EVERYBODY_ENDED, "everybody signed out", about)


def _about(session: Any, device: Any) -> dict[str, Any]:
    return {"session_id": session.pk, "user_id": session.user_id, **_client(device)}


def _client(device: Any) -> dict[str, Any]:
    if device is None:
        return {}
    return {"ip_address": device.ip_address, "user_agent": device.user_agent}


def _key(user: Any) -> Any:
    return getattr(user, "pk", None)


def _log(level: int, event: EventKind, what: str, about: dict[str, Any]) -> None:
    if not logger.isEnabledFor(level):
        return
    known = {
        name: value if type(value) is int else str(value)
        for name, value in about.items()
        if value not in (None, "")
    }
    told = " ".join(f"{name}={_quoted(value)}" for name, value in known.items())
    logger.log(level, "%s: %s", what, told, extra={"event": event.value, **known})


def _quoted(value: int | str) -> str:
    """As it is where it is one plain word; otherwise between quotation marks, with escapes."""
    text = str(value)
    plain = text.isascii() and text.isprintable() and not set(text) & set(' "=\\')
    return text if plain else json.dumps(text)
