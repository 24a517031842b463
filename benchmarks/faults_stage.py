"""What runs while ``benchmarks.faults`` injects one kind of fault, and the final account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .faults_clients import ASKS_TWICE, Crowd
from .faults_figures import Forgotten, Outcome, Row, outcome
from .faults_servers import Clock, Database, Proxy, SmallDisk
from .kills_servers import ROOT, Redis, WebServer

WORKERS = 4
#: ``REVOCATION_POLL_INTERVAL``, where a list in memory is asked.
INTERVAL = 1.0
#: Seconds of quiet load between two faults.
REST = 1.0
#: So that every throttle counts and none refuses.
RATES = dict.fromkeys(["obtain_address", "obtain_account", "refresh_session"], "1000/second")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind, and what it needs around it."""

    name: str
    inject: Callable[[Scene], None]
    """Goes wrong, and right again before it returns."""
    proxied: bool = False
    small_disk: bool = False
    own_clock: bool = False
    in_memory: bool = False
    """With ``REVOCATION_CHECK = "memory"`` and the push."""
    asks_twice: float = ASKS_TWICE
    """How often a client sends a token twice at the same moment."""
    database: dict[str, str] = field(default_factory=dict)
    """Settings of PostgreSQL."""
    connection_age: int | None = None
    """``CONN_MAX_AGE``."""
    lacks: Callable[[], str] = str
    """What this machine lacks for it; nothing where it has everything."""


class Scene:
    """The servers and the clients of one kind of fault."""

    def __init__(self, fault: Fault, directory: Path, log: IO[bytes], *, clients: int) -> None:
        self.fault = fault
        self.directory = directory
        self.log = log
        self.injected = 0
        self.forgotten: list[Forgotten] = []
        self._recoveries: list[float] = []
        self._die = directory / "die"
        with ExitStack() as self._stack:
            self.disk = self._closing(SmallDisk(directory)) if fault.small_disk else None
            place = self.disk.directory if self.disk else directory
            self.database = Database(place, log, fault.database)
            self._stack.callback(lambda: self.database.stop())  # another one by then, perhaps
            self._prepare(clients)
            self.redis = Redis(log)
            self._stack.callback(self.redis.kill)
            self.proxy = self._closing(Proxy(self.database.port, log)) if fault.proxied else None
            self.clock = Clock(directory) if fault.own_clock else None
            self.web = self._closing(self._web_server())
            late = INTERVAL if fault.in_memory else 0.0
            self.crowd = Crowd(self.web.address, clients, late=late, asks_twice=fault.asks_twice)
            self.close = self._stack.pop_all().close

    def play(self, seconds: float) -> Outcome:
        """Inject again and again for so long, and at least once; then hold everything together."""
        self.crowd.start()
        until = time.monotonic() + seconds
        while not self.injected or time.monotonic() < until:
            time.sleep(REST)
            self.fault.inject(self)
            self.injected += 1
            self._recoveries.append(self.crowd.recovered(time.monotonic()))
        time.sleep(REST)
        tally = self.crowd.stop()
        return outcome(
            self.fault.name,
            self.crowd.lines,
            self._rows(),
            tally,
            clients=len(self.crowd.clients),
            recoveries=self._recoveries,
            caught_up=self._caught_up(),
            forgotten=self.forgotten,
        )

    def die_after_commit(self) -> None:
        """Have the worker killed that is the next to commit a rotation."""
        self._die.touch()

    # Inside

    def _closing(self, server: Any) -> Any:
        self._stack.callback(server.stop)
        return server

    def _web_server(self) -> WebServer:
        return WebServer(
            "gunicorn",
            workers=WORKERS,
            environment=self._environment(),
            log=self.log,
            project="benchmarks.faults_project",
        )

    def _environment(self) -> dict[str, str]:
        memory = {
            "REVOCATION_CHECK": "memory",
            "REVOCATION_POLL_INTERVAL": INTERVAL,
            "REVOCATION_PUSH": self.redis.push,
        }
        lifecycle = {"THROTTLE_RATES": RATES, **(memory if self.fault.in_memory else {})}
        others = {
            "CONN_MAX_AGE": self.fault.connection_age,
            "CACHE": self.redis.push["LOCATION"],
        }
        port = self.proxy.port if self.proxy else self.database.port
        return {
            "DATABASE_URL": self.database.url.replace(str(self.database.port), str(port)),
            "KILLS_SETTINGS": json.dumps(lifecycle),
            "FAULTS_SETTINGS": json.dumps(others),
            "FAULTS_DIE": str(self._die),
            **(self.clock.environment if self.clock else {}),
        }

    def _prepare(self, clients: int) -> None:
        environment = os.environ | {
            "DATABASE_URL": self.database.url,
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        }
        for command in (
            ["django", "migrate", "--verbosity=0"],
            ["benchmarks.faults_project", str(clients)],
        ):
            subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=True)

    def _rows(self) -> dict[str, Row]:
        found = self.database.run(
            "SELECT id, generation, revoked_at IS NOT NULL FROM token_lifecycle_session"
        )
        return {str(pk): Row(generation=number, ended=ended) for pk, number, ended in found}

    def _caught_up(self) -> int:
        counted = "SELECT count(*) FROM token_lifecycle_sessionevent WHERE kind = 'caught_up'"
        return int(self.database.run(counted)[0][0])
