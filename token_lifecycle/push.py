"""What brings notices to the list in memory faster than reading does: ``REVOCATION_PUSH``."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from django.utils.module_loading import import_string

from .conf import app_settings
from .revocation import Notice

logger = logging.getLogger("token_lifecycle")


class Push(Protocol):
    """What ``REVOCATION_PUSH`` names. It may lose notices: they are read as well."""

    def send(self, notices: Sequence[Notice]) -> None:
        """Pass on what this process has ended. Must neither raise nor take long."""

    def receive(self, timeout: float) -> Sequence[Notice]:
        """What others have sent; waits for it ``timeout`` seconds at most. Must not raise."""

    def close(self) -> None:
        """Let go of connections."""


def configured_push() -> Push | None:
    """The push that ``REVOCATION_PUSH`` describes; one for each process.

    None also where it cannot be made: the log says so, a system check too, and polling does it.
    """
    wanted = app_settings.revocation_push
    return None if wanted is None else _push(os.getpid(), *sorted(wanted.items()))


@lru_cache(maxsize=4)
def _push(process: int, *described: tuple[str, Any]) -> Push | None:
    arguments = {name.lower(): value for name, value in described}
    try:
        push: Push = import_string(arguments.pop("backend"))(**arguments)
    except Exception:  # whatever a backend has against its arguments
        logger.exception("REVOCATION_PUSH cannot be used")
        return None
    return push
