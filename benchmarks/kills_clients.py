"""The clients of ``benchmarks.kills``: those who watch the sessions, and the load beside them.

As a program it is the load: a plan in, and when its input ends, every answer out.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from .kills_figures import Answer, Watched

Address = tuple[str, int]

TIMEOUT = 60.0
#: Acknowledge what was received now and not later; not to be had everywhere.
QUICK = getattr(socket, "TCP_QUICKACK", None)
#: Asked to find out which process a connection ends in.
NOTHING = "/nothing/"
CHECKED = "/ours/stateless/"


def request_for(path: str, token: str = "") -> bytes:
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: kills\r\n{bearer}\r\n".encode()


def parsed(head: bytes) -> tuple[int, int, int]:
    """Status, worker and length of the body from the head of an answer.

    :raises ValueError: it is none.
    """
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(":") for line in rest)}
    try:
        return int(first.split()[1]), int(headers["x-worker"]), int(headers["content-length"])
    except (IndexError, KeyError) as error:
        raise ValueError(f"not an answer of the project: {head[:200]!r}") from error


class NobodyNew(LookupError):
    """Every connection that could be had was to a worker that has enough of them."""


class Connection:
    """One connection that stays, and so stays with one worker.

    Its methods raise OSError and ValueError where it breaks.
    """

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection(address, timeout=TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.worker = self.ask(request_for(NOTHING)).worker

    def ask(self, request: bytes) -> Answer:
        started = time.monotonic()
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        status, worker, length = parsed(head)
        while len(body) < length:
            body += self._receive()
        return Answer(started, time.monotonic(), status, worker)

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> bytes:
        # At once: a server that sends head and body apart waits for it, and that takes 40 ms.
        if QUICK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, QUICK, 1)
        part = self._socket.recv(65536)
        if not part:
            raise ValueError("the connection was closed")
        return part


class Spread:
    """Connections to a server, as many to each worker as to any other."""

    def __init__(self, address: Address, *, connections: int, workers: int) -> None:
        self._address = address
        self._each = -(-connections // workers)
        self._open: Counter[int] = Counter()
        self._lock = threading.Lock()

    @property
    def workers(self) -> set[int]:
        """Those that are connected to at present."""
        with self._lock:
            return {worker for worker, count in self._open.items() if count}

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One to a worker that has too few. Who accepts is chance, so more may have to be opened.

        :raises NobodyNew: even so there was none.
        """
        connection = self._find()
        try:
            yield connection
        finally:
            connection.close()
            with self._lock:
                self._open[connection.worker] -= 1

    def _find(self) -> Connection:
        surplus: list[Connection] = []
        try:
            while True:
                found = Connection(self._address)
                with self._lock:
                    if self._open[found.worker] < self._each:
                        self._open[found.worker] += 1
                        return found
                surplus.append(found)
                if len(surplus) == 16:
                    raise NobodyNew
        finally:
            for each in surplus:
                each.close()


class Watching:
    """Watches sessions at every worker through connections that stay."""

    def __init__(self, address: Address, *, workers: int, connections: int, rate: float) -> None:
        self.spread = Spread(address, connections=connections, workers=workers)
        self._pause = connections / rate
        self._watched: list[Watched] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(connections)]
        for thread in self._threads:
            thread.start()

    def add(self, watched: Watched) -> None:
        with self._lock:
            self._watched.append(watched)

    def sweep(self, *, patience: float) -> int:
        """Stop watching what is over; how many are left."""
        workers, now = self.spread.workers, time.monotonic()
        with self._lock:
            self._watched = [
                each for each in self._watched if not each.is_over(workers, now, patience)
            ]
            return len(self._watched)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self.spread.connection() as connection:
                    self._ask_on(connection)
            except (OSError, ValueError, NobodyNew):
                self._stop.wait(0.05)

    def _ask_on(self, connection: Connection) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            if (watched := self._next(connection.worker, now)) is not None:
                watched.take(connection.ask(watched.request))
            due = max(due + self._pause, now)
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _next(self, worker: int, now: float) -> Watched | None:
        """Whoever this worker was asked about longest ago."""
        with self._lock:
            wanting = [each for each in self._watched if each.wants(worker, now)]
            if not wanting:
                return None
            chosen = min(wanting, key=lambda each: each.asked.get(worker, 0.0))
            chosen.asked[worker] = now
            return chosen


# The load


def lateness(stop: threading.Event) -> list[float]:
    """By how many seconds a sleeper is woken too late: how starved of processors the machine is."""
    late = []
    while not stop.is_set():
        due = time.monotonic() + 0.02
        time.sleep(0.02)
        late.append(time.monotonic() - due)
    return late


def load(
    address: Address, tokens: list[str], stop: threading.Event, *, workers: int, rate: float
) -> list[Answer]:
    """Ask with tokens that stay good, a connection each, until it is stopped."""
    answers: list[Answer] = []
    spread = Spread(address, connections=len(tokens), workers=workers)

    def run(request: bytes) -> None:
        while not stop.is_set():
            try:
                with spread.connection() as connection:
                    due = time.monotonic()
                    while not stop.is_set():
                        answers.append(connection.ask(request))
                        due = max(due + len(tokens) / rate, time.monotonic() - 0.1)
                        stop.wait(max(0.0, due - time.monotonic()))
            except NobodyNew:
                stop.wait(0.05)
            except (OSError, ValueError):
                # A connection that broke: no answer, told as status 0.
                now = time.monotonic()
                answers.append(Answer(now, now, 0, 0))
                stop.wait(0.05)

    threads = [threading.Thread(target=run, args=[request_for(CHECKED, t)]) for t in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def main() -> int:
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    stop = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        answers = pool.submit(load, tuple(plan.pop("address")), plan.pop("tokens"), stop, **plan)
        late = pool.submit(lateness, stop)
        sys.stdin.read()
        stop.set()
    told = [[a.started, a.ended, a.status, a.worker] for a in answers.result()]
    json.dump({"answers": told, "lateness": late.result()}, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
