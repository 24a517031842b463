"""All contenders in turn, request by request, in one process and on one database.

Interleaved, so that whatever else the machine does meanwhile hits all of them alike.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from . import sizes
from .contenders import Contender
from .figures import Line
from .handlers import client_for, send
from .sign_ins import PASSWORD

#: Enough for every cache, compiled statement and connection to be there.
WARM_UP = 20


def new_user(name: str) -> Any:
    return get_user_model().objects.create_user(name, password=PASSWORD)


class Runner:
    """One contender with its user, its client and its times."""

    def __init__(self, contender: Contender, number: int) -> None:
        self.contender = contender
        self.user = new_user(f"user{number}")
        self.exchange = contender.sign_in(self.user)
        self.client = client_for(self.exchange.path)
        self.milliseconds: list[float] = []

    def turn(self) -> float:
        """Make one request; its time in milliseconds.

        :raises RuntimeError: it was refused, and then its time would say nothing.
        """
        if self.contender.anew:
            self.exchange = self.contender.sign_in(self.user)
        started = time.perf_counter()
        response = send(self.client, self.exchange)
        elapsed = (time.perf_counter() - started) * 1000
        if not 200 <= response.status_code < 300:
            name, job = self.contender.name, self.contender.job
            raise RuntimeError(f"{job}, {name}: {response.status_code} {response.content[:200]!r}")
        self.exchange = self.exchange.after(response.content)
        return elapsed

    def statements(self) -> int:
        """What one request asks of the database, transactions included."""
        if not self.contender.anew:
            with CaptureQueriesContext(connection) as captured:
                self.turn()
            return len(captured)
        exchange = self.contender.sign_in(self.user)
        with CaptureQueriesContext(connection) as captured:
            send(self.client, exchange)
        return len(captured)

    def growth(self, requests: int) -> tuple[float | None, float | None]:
        """Rows and bytes that a request leaves behind, on average over so many."""
        tables = self.contender.tables
        if not tables:
            return None, None
        rows, size = sizes.rows_in(tables), sizes.bytes_of(tables)
        for _ in range(requests):
            self.turn()
        more = sizes.bytes_of(tables)
        grown = None if size is None or more is None else max(more - size, 0) / requests
        return (sizes.rows_in(tables) - rows) / requests, grown


def measure(
    contenders: Sequence[Contender], rounds: int, progress: Callable[[str], None]
) -> list[Line]:
    """One line for each contender."""
    progress("signing in and warming up")
    runners = [Runner(contender, number) for number, contender in enumerate(contenders)]
    for runner in runners:
        for _ in range(WARM_UP):
            runner.turn()
    statements = [runner.statements() for runner in runners]
    _take_turns(runners, rounds, progress)
    lines = []
    for runner, count in zip(runners, statements, strict=True):
        progress(f"what remains: {runner.contender.name}")
        rows, grown = runner.growth(rounds)
        lines.append(_line(runner, count, rows, grown))
    return lines


def _take_turns(runners: Sequence[Runner], rounds: int, progress: Callable[[str], None]) -> None:
    """Time every runner once a round, in an order that changes: nobody always follows the same."""
    chance, order = random.Random(0), list(runners)
    gc.collect()
    # Between the rounds and in none of the requests, or it would hit whoever is on at the moment.
    gc.freeze()
    gc.disable()
    try:
        for number in range(1, rounds + 1):
            if number % 50 == 1:
                progress(f"round {number} of {rounds}")
            chance.shuffle(order)
            for runner in order:
                runner.milliseconds.append(runner.turn())
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()


def _line(runner: Runner, statements: int, rows: float | None, grown: float | None) -> Line:
    times = runner.milliseconds
    return Line(
        job=runner.contender.job,
        name=runner.contender.name,
        statements=statements,
        median_ms=statistics.median(times),
        p95_ms=statistics.quantiles(times, n=20, method="inclusive")[-1],
        rows=rows,
        bytes=grown,
    )
