"""The project of ``benchmarks.kills``: what the server runs, and the process that ends sessions.

``KILLS_SETTINGS`` in the environment is laid over ``TOKEN_LIFECYCLE``. As a program it is that
other process: a command on each line of its input, an answer on each line of its output.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import django
from django.conf import settings

#: Says which process answered.
WORKER = "X-Worker"
#: How many sessions are ended at the same time, the long transactions among them.
AT_ONCE = 32


def lifecycle_settings(described: str) -> dict[str, Any]:
    """``TOKEN_LIFECYCLE`` from its description in JSON, where a period is so many seconds."""
    found: dict[str, Any] = json.loads(described)
    name = "REVOCATION_POLL_INTERVAL"
    return {**found, name: timedelta(seconds=found[name])} if name in found else found


def set_up() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()
    wanted = lifecycle_settings(os.environ.get("KILLS_SETTINGS", "{}"))
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, **wanted}
    settings.MIDDLEWARE = [f"{__name__}.signed"]


def signed(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Middleware: the process and the length, so that a connection can be used again."""

    def respond(request: Any) -> Any:
        response = get_response(request)
        response[WORKER] = str(os.getpid())
        response["Content-Length"] = str(len(response.content))
        return response

    return respond


def ask_the_list() -> None:
    """Start the thread that reads. Before a fork, so that every child inherits a dead one."""
    from token_lifecycle.feed import feed

    feed.standing(session_id=uuid4(), user_id="", signed_in_at=datetime.now(UTC))


# What the server runs

set_up()
if os.environ.get("KILLS_ASK_BEFORE_FORK"):
    ask_the_list()


def __getattr__(name: str) -> Any:
    """``application`` for WSGI and ``asgi_application`` for ASGI, made when asked for.

    Without another ``django.setup``, which would turn off the loggers that exist by now.
    """
    if name == "application":
        from django.core.handlers.wsgi import WSGIHandler

        return WSGIHandler()
    if name == "asgi_application":
        # Each request runs in a thread of its own there: what stays open would pile up.
        settings.DATABASES["default"]["CONN_MAX_AGE"] = 0
        from django.core.handlers.asgi import ASGIHandler

        return ASGIHandler()
    raise AttributeError(name)


# The process that ends sessions


def start(user: Any, count: int) -> list[tuple[str, str]]:
    """So many sessions: their ids and access tokens."""
    from token_lifecycle import lifecycle

    issued = [lifecycle.start_session(user) for _ in range(count)]
    return [(str(each.session.pk), each.access) for each in issued]


def end(session_id: str, hold: float, committed: Callable[[float], None]) -> None:
    """End a session and commit so many seconds later; ``committed`` hears at which moment."""
    from django.db import transaction

    from token_lifecycle import lifecycle

    with transaction.atomic():
        # The first thing after the COMMIT: before the app tells this or any other process.
        transaction.on_commit(lambda: committed(time.monotonic()))
        if not lifecycle.revoke_session(UUID(session_id)):
            raise LookupError(f"{session_id} was not live")
        time.sleep(hold)


def main() -> int:
    from django.contrib.auth import get_user_model

    user, _ = get_user_model().objects.get_or_create(username="kills")
    speaking = threading.Lock()

    def say(**answer: Any) -> None:
        with speaking:
            print(json.dumps(answer), flush=True)

    def obey(command: Mapping[str, Any]) -> None:
        try:
            if "start" in command:
                say(started=start(user, command["start"]))
            else:
                sid = command["end"]
                end(sid, command["hold"], lambda at: say(ended=sid, at=at))
        except Exception as error:
            say(failed=f"{type(error).__name__}: {error}", command=command)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for line in sys.stdin:
            pool.submit(obey, json.loads(line))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
