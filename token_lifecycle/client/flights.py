"""Single flight: many callers ask for one thing at a time, it is done once, all get the outcome."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")

THREAD_NAME = "token-refresh"

#: The process that began a flight, and what it is about.
Entry = tuple[int, Hashable]


class SingleFlight(Generic[T]):
    """Work in progress, by key, shared by threads and by the tasks of any event loop.

    Each flight has a thread of its own, which nobody can cancel: not a cancelled task, not
    ``asyncio.run`` when it ends all tasks, not Ctrl-C in a waiting thread. The interpreter waits
    for it at exit. A refresh interrupted half-way would lose the only copy of the new token.
    """

    def __init__(self) -> None:
        self._flights: dict[Entry, Future[T]] = {}

    def join(self, key: Hashable, work: Callable[[], T]) -> Future[T]:
        """The outcome of the flight under ``key``; ``work`` is begun if there is none."""
        # The process id: after a fork the flights of the parent never land in the child.
        entry = (os.getpid(), key)
        flight: Future[T] = Future()
        # A running future cannot be cancelled through those who wait for it.
        flight.set_running_or_notify_cancel()
        leader = self._flights.setdefault(entry, flight)  # atomic, so there is no lock to fork
        if leader is flight:
            self._begin(entry, flight, work)
        return leader

    def _begin(self, entry: Entry, flight: Future[T], work: Callable[[], T]) -> None:
        flying = partial(self._fly, entry, flight, work)
        try:
            threading.Thread(target=flying, name=THREAD_NAME, daemon=False).start()
        except RuntimeError:  # the interpreter is shutting down: no more threads
            flying()
        except BaseException:  # Ctrl-C: nobody may wait for a flight that never began
            self._flights.pop(entry, None)
            raise

    def _fly(self, entry: Entry, flight: Future[T], work: Callable[[], T]) -> None:
        try:
            outcome = work()
        except BaseException as error:
            self._flights.pop(entry, None)
            flight.set_exception(error)
        else:
            self._flights.pop(entry, None)
            flight.set_result(outcome)


def landed(outcome: T) -> Future[T]:
    """A flight that need not take place."""
    flight: Future[T] = Future()
    flight.set_result(outcome)
    return flight
