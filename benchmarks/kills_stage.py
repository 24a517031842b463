"""Everything that runs in ``benchmarks.kills``, and how one session after the other is ended."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from .kills_clients import CHECKED, Watching, request_for
from .kills_figures import Answer, Delays, Kills, Load, Watched, recovered_after
from .kills_servers import ROOT, Ender, Postgres, Program, Redis, WebServer

#: ``REVOCATION_POLL_INTERVAL``, and the bound.
INTERVAL = 1.0
#: Requests in a second: of the load, and of all who watch.
LOAD_RATE, WATCH_RATE = 300.0, 400.0
LOAD_CONNECTIONS = 8
CONNECTIONS_EACH = 2
#: How many sessions end at a time: fewer where it goes fast, so that each is asked about often.
AT_ONCE_PUSHED, AT_ONCE_POLLED = 2, 8
#: What the web server's connections to the database are called.
WEB = "kills web"
#: Seconds after which a worker that has not refused never will, and what has not begun is broken.
PATIENCE = 30.0


class Stage:
    """The servers behind the web server."""

    def __init__(self, options: argparse.Namespace, directory: Path, log: IO[bytes]) -> None:
        self.options = options
        self.log = log
        with ExitStack() as stack:
            self.postgres = Postgres(directory, log)
            stack.callback(self.postgres.stop)
            self.redis = Redis(log) if options.push else None
            if self.redis is not None:
                stack.callback(self.redis.kill)
            self._migrate()
            self.close = stack.pop_all().close

    @contextmanager
    def scene(self, *, when_stale: str = "database", push: bool = True) -> Iterator[Scene]:
        """A web server, watched. Without ``push``, the process that ends sessions uses none."""
        with ExitStack() as stack:
            ender = Ender(self._environment(when_stale, push), self.log)
            stack.callback(ender.stop)
            environment = self._environment(when_stale) | {"PGAPPNAME": WEB}
            server = WebServer(
                self.options.server,
                workers=self.options.workers,
                environment=environment,
                log=self.log,
                preload=self.options.preload,
            )
            stack.callback(server.stop)
            watching = Watching(
                server.address,
                workers=self.options.workers,
                connections=CONNECTIONS_EACH * self.options.workers,
                rate=WATCH_RATE,
            )
            stack.callback(watching.stop)
            yield Scene(self, ender, server, watching)

    def _environment(self, when_stale: str, push: bool = True) -> dict[str, str]:
        """Of processes that run the project."""
        described = {
            "REVOCATION_CHECK": "memory",
            "REVOCATION_POLL_INTERVAL": INTERVAL,
            "REVOCATION_WHEN_STALE": when_stale,
            "REVOCATION_PUSH": self.redis.push if push and self.redis else None,
        }
        return {"DATABASE_URL": self.postgres.url, "KILLS_SETTINGS": json.dumps(described)}

    def _migrate(self) -> None:
        settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.settings"}
        command = [sys.executable, "-m", "django", "migrate", "--verbosity=0"]
        environment = os.environ | settings | {"DATABASE_URL": self.postgres.url}
        subprocess.run(command, cwd=ROOT, env=environment, check=True)


class Scene:
    """One web server, and the sessions that end while it checks them."""

    def __init__(self, stage: Stage, ender: Ender, server: WebServer, watching: Watching) -> None:
        self.ender = ender
        self.watching = watching
        self.resumed: float | None = None
        """When what had stood still went on again."""
        self._options = stage.options
        self._log = stage.log
        self._server = server

    def measure(
        self,
        name: str,
        kills: int,
        *,
        holds: Sequence[float] = (),
        held_up: Callable[[], None] | None = None,
        stall: Callable[[], None] | None = None,
        meanwhile: Callable[[threading.Event], None] | None = None,
    ) -> Kills:
        """End so many sessions, under load, and wait until the last is refused everywhere.

        ``holds``: beside them, one more in a transaction of each of these lengths, in seconds.
        ``held_up``: call this before any of those ends, when all are let in.
        ``stall``: end all at the same time, and call this when the last is committed.
        ``meanwhile``: runs beside it until its event is set.
        """
        self.resumed = None
        sessions = self.ender.start(kills + len(holds))
        polled = AT_ONCE_PUSHED if self._options.push else AT_ONCE_POLLED
        at_once = kills if stall else polled
        before = threading.Barrier(len(holds), action=held_up) if held_up else None
        after = threading.Barrier(kills, action=stall) if stall else None
        self._until(lambda: len(self.watching.spread.workers) == self._options.workers)
        with self._load() as load, ThreadPoolExecutor(at_once + len(holds)) as pool:
            slow = zip(sessions[kills:], holds, strict=True)
            futures = [pool.submit(self._kill, each, hold, before=before) for each, hold in slow]
            futures += [pool.submit(self._kill, each, after=after) for each in sessions[:kills]]
            with _beside(meanwhile):
                watched = [future.result() for future in futures]
            self._until(lambda: not self.watching.sweep(patience=PATIENCE), 2 * PATIENCE)
        answers = [Answer(*each) for each in load["answers"]]
        return Kills.of(name, watched, Load.of(answers), self._notes(answers, load["lateness"]))

    def _kill(
        self,
        session: tuple[str, str],
        hold: float = 0.0,
        *,
        before: threading.Barrier | None = None,
        after: threading.Barrier | None = None,
    ) -> Watched:
        """End a session that every worker has let in; return when every worker refuses it."""
        session_id, token = session
        watched = Watched(session_id, request_for(CHECKED, token), bound=INTERVAL)
        self.watching.sweep(patience=PATIENCE)
        self.watching.add(watched)
        spread = self.watching.spread
        if not self._until(lambda: watched.let_in(spread.workers)):
            raise RuntimeError("a session was not let in before its end")
        if before is not None:
            before.wait(2 * PATIENCE)
        # So that commits and readings, which follow from each other, do not fall into step.
        time.sleep(random.uniform(0, 0.05))
        watched.committed = self.ender.end(session_id, hold=hold)
        if after is not None:
            after.wait(2 * PATIENCE)
        self._until(lambda: watched.refused_by(spread.workers) or watched.given_up)
        return watched

    @contextmanager
    def _load(self) -> Iterator[dict[str, Any]]:
        """Load as long as it lasts; afterwards the dict has all that came of it."""
        found: dict[str, Any] = {}
        tokens = [token for _, token in self.ender.start(LOAD_CONNECTIONS)]
        program = Program("benchmarks.kills_clients", log=self._log, hear=found.update)
        plan = {"address": self._server.address, "tokens": tokens, "rate": LOAD_RATE}
        program.tell({**plan, "workers": self._options.workers})
        try:
            yield found
        finally:
            program.stop()

    def _notes(self, answers: Sequence[Answer], lateness: Sequence[float]) -> list[str]:
        load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
        notes = [f"load averages of the machine {load}; wakes a sleeper {Delays.of(lateness)} late"]
        if self.resumed is not None:
            seconds = recovered_after(answers, self.resumed)
            notes.append(f"all answers good again after {1000 * seconds:.0f} ms")
        return notes

    def _until(self, reached: Callable[[], bool], patience: float = PATIENCE) -> bool:
        """Wait for it; whether it came."""
        until = time.monotonic() + patience
        while not (found := reached()) and time.monotonic() < until:
            time.sleep(0.005)
        return found


@contextmanager
def _beside(work: Callable[[threading.Event], None] | None) -> Iterator[None]:
    if work is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=work, args=[stop])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
