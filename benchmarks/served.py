"""The same project behind gunicorn, with real HTTP from a second process.

Two workers of gunicorn's default kind, one request at a time each, with a database connection that
stays, and a connection per request: what gunicorn is behind a proxy. Four clients keep them busy,
so what a client waits for is its turn and its own request.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from django.db import connections

from .contenders import Contender
from .exchange import Exchange
from .figures import Served
from .load import Tally, ask
from .measure import new_user

HOST = "127.0.0.1"
WORKERS, CLIENTS = 2, 4
SERVED_NOTE = (
    f"Behind gunicorn: {WORKERS} sync workers, {CLIENTS} clients in a second process, one\n"
    "connection per request. Ratios are of requests per second; load: how much of one processor\n"
    "the second process used."
)
ROOT = Path(__file__).parent.parent


def measure_served(
    contenders: Sequence[Contender], database: str, *, slices: int, seconds: float
) -> list[Served]:
    """One line for each contender, measured in turns of ``seconds``."""
    clients = {f"{c.job} {c.name}": _sign_in(c) for c in contenders}
    connections.close_all()
    with _server(database) as port:
        tallies = _load(port, clients, slices, seconds)
    return [
        _line(contender, tallies[f"{contender.job} {contender.name}"]) for contender in contenders
    ]


def _sign_in(contender: Contender) -> list[Exchange]:
    names = [f"{contender.job} {contender.name} {n}" for n in range(CLIENTS)]
    return [contender.sign_in(new_user(name)) for name in names]


@contextmanager
def _server(database: str) -> Iterator[int]:
    """gunicorn on that database; the port it listens on."""
    port = _free_port()
    command = [sys.executable, "-m", "gunicorn", "benchmarks.wsgi", f"--bind={HOST}:{port}"]
    command += [f"--workers={WORKERS}", "--log-level=warning", "--no-control-socket"]
    environment = os.environ | {"BENCHMARK_DATABASE": database}
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            if ask((HOST, port), Exchange(path="/nothing/"))[0] == 200:
                return
        except (OSError, ValueError):
            time.sleep(0.1)
    raise SystemExit("gunicorn did not start; what it said stands above.")


def _load(
    port: int, clients: dict[str, list[Exchange]], slices: int, seconds: float
) -> dict[str, Tally]:
    """What the second process measured."""
    plan = {
        "host": HOST,
        "port": port,
        "slices": slices,
        "seconds": seconds,
        "clients": {name: [asdict(e) for e in exchanges] for name, exchanges in clients.items()},
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        input=json.dumps(plan),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {name: Tally(**data) for name, data in json.loads(done.stdout).items()}


def _line(contender: Contender, tally: Tally) -> Served:
    times = tally.milliseconds
    if len(times) < 2:
        raise SystemExit(f"{contender.job}, {contender.name}: no request succeeded.")
    return Served(
        job=contender.job,
        name=contender.name,
        per_second=len(times) / tally.seconds,
        median_ms=statistics.median(times),
        p99_ms=statistics.quantiles(times, n=100, method="inclusive")[-1],
        failures=tally.failures,
        load_share=tally.cpu_seconds / tally.seconds,
    )
