"""Where the output of a command goes, and what becomes of it when nobody reads on."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from django.core.management.base import OutputWrapper


class UntilClosed:
    """Write to ``out`` for as long as somebody reads: ``| head`` has enough and closes the pipe."""

    def __init__(self, out: OutputWrapper) -> None:
        self.out = out

    def __enter__(self) -> None:
        """Nothing is needed beforehand."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if error is None:
            try:
                self.out.flush()
            except BrokenPipeError as closed:
                error = closed
        if not isinstance(error, BrokenPipeError):
            return False
        # Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
