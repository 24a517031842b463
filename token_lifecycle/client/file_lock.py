"""A lock between processes (and between threads), held on a file.

``filelock`` does this well and much more; a lock that two system calls provide is not worth a
dependency of a package whose core has none.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: Seconds between two attempts. Both systems can wait by themselves, but only for ever.
POLL_INTERVAL = 0.02

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _acquire(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _release(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _acquire(descriptor: int) -> None:
        # flock, not lockf: the latter belongs to the process, and would let its threads pass.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _release(descriptor: int) -> None:
        # Closing is not enough: a child forked meanwhile has the same open file and would keep it.
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def locked(
    path: Path,
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock on ``path`` inside the block; the system lets go if the process dies.

    The file stays where it is: removing it would let two holders lock two different files.

    Raises TimeoutError when another holder keeps it for ``timeout`` seconds.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait(descriptor, path, deadline=clock() + timeout, clock=clock, sleep=sleep)
        try:
            yield
        finally:
            _release(descriptor)
    finally:
        os.close(descriptor)


def _wait(
    descriptor: int,
    path: Path,
    *,
    deadline: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    while True:
        try:
            return _acquire(descriptor)
        except (BlockingIOError, PermissionError):  # the latter is what Windows says
            if clock() >= deadline:
                raise TimeoutError(f"{path} is locked by another process") from None
        sleep(POLL_INTERVAL)
