"""The faults of ``benchmarks.faults``: each goes wrong and right again, once for a call."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psycopg

from .faults_figures import Forgotten
from .faults_servers import Replica
from .faults_stage import Fault, Scene

#: Seconds that a database is away, or full, or slow: all less than the grace period.
AWAY, FULL, TAKEN = 1.0, 3.0, 3.0
STANDS_STILL = (2.0, 6.0)
#: Seconds whose commits a failover loses, and for which the replica is only to be read from.
LOST, READ_ONLY = 2.0, 2.0
HOUR = 3600
#: Seconds for which a clock stays wrong.
WRONG = 2.0
#: How many at a time.
CUT, TERMINATED = 3, 4
HANG_UPS = 0.2
#: Connections to the database, those kept for superusers among them.
FEW = 24


def kill_worker(scene: Scene) -> None:
    """By force, whatever it is at; gunicorn starts another."""
    with suppress(ProcessLookupError):
        os.kill(random.choice(scene.web.workers), signal.SIGKILL)


def restart_database(scene: Scene) -> None:
    """Stopped on request and as in a crash, by turns, and away for a moment."""
    mode = ("fast", "immediate")[scene.injected % 2]
    scene.database.halt(mode)
    time.sleep(AWAY)
    scene.database.start()


def cut_connections(scene: Scene) -> None:
    """Between web server and database by chance and, worse, between a commit and its answer."""
    assert scene.proxy is not None
    scene.proxy.cut(CUT)
    scene.database.terminate(TERMINATED)


def hang_up(scene: Scene) -> None:
    """Clients send and are gone before they hear the answer."""
    scene.crowd.hang_ups = HANG_UPS
    time.sleep(WRONG)
    scene.crowd.hang_ups = 0.0


def kill_after_commit(scene: Scene) -> None:
    """The worker that commits next dies before it answers."""
    scene.die_after_commit()
    time.sleep(WRONG / 2)


def kill_redis(scene: Scene) -> None:
    """Throttles cannot count and ends are not pushed, until it is back."""
    scene.redis.kill()
    time.sleep(AWAY)
    scene.redis.start()


def step_clock(scene: Scene) -> None:
    """An hour forth and back, then an hour back and forth."""
    assert scene.clock is not None
    for hours in (1, 0, -1, 0):
        scene.clock.step(hours * HOUR)
        time.sleep(WRONG)


def fail_over(scene: Scene) -> None:
    """To a replica that lost the last commits, and can only be read from for a moment."""
    assert scene.proxy is not None
    directory = Path(tempfile.mkdtemp(dir=scene.directory))
    primary, replica = scene.database, Replica(scene.database, directory, scene.log)
    time.sleep(AWAY)
    replica.cut_off()
    time.sleep(LOST)
    scene.database = replica
    primary.kill()
    killed = time.time()
    scene.proxy.lead_to(replica.port)
    time.sleep(READ_ONLY)
    scene.forgotten.append(Forgotten(since=replica.promote(), until=killed))


def fill_disk(scene: Scene) -> None:
    """No space left, first for new rows and then for the log, at which PostgreSQL gives up."""
    assert scene.disk is not None
    scene.disk.fill()
    until = time.monotonic() + FULL
    while time.monotonic() < until:
        with suppress(psycopg.Error):
            scene.database.run("CREATE TABLE filler AS SELECT generate_series(1, 100000)")
        with suppress(psycopg.Error):
            scene.database.run("SELECT pg_switch_wal()")
        time.sleep(0.1)
    scene.disk.free()
    if not scene.database.accepts():
        scene.database.halt("immediate")
        scene.database.start()
    scene.database.run("DROP TABLE IF EXISTS filler")


def take_connections(scene: Scene) -> None:
    """All that there are, for as long as it lasts; the web server opens one for each request."""
    until = time.monotonic() + TAKEN
    with ExitStack() as taken:
        while time.monotonic() < until:
            try:
                taken.enter_context(closing(psycopg.connect(scene.database.url)))
            except psycopg.OperationalError:
                time.sleep(0.002)


def stop_database(scene: Scene) -> None:
    """It stands still, for less and for more time than a client waits."""
    scene.database.pause()
    time.sleep(STANDS_STILL[scene.injected % len(STANDS_STILL)])
    scene.database.resume()


def _no_compiler() -> str:
    return "" if shutil.which("cc") else "a C compiler, to step a clock"


def _no_root() -> str:
    return "" if os.geteuid() == 0 else "root, to mount a small disk"


FAULTS = {
    fault.name: fault
    for fault in (
        Fault(name="workers", inject=kill_worker),
        Fault(name="restart", inject=restart_database),
        Fault(name="cut", inject=cut_connections, proxied=True),
        Fault(name="hang-up", inject=hang_up),
        Fault(name="commit", inject=kill_after_commit),
        Fault(name="redis", inject=kill_redis, in_memory=True),
        # Never twice: of two requests around a step the second would seem to come an hour late.
        Fault(name="clock", inject=step_clock, own_clock=True, asks_twice=0.0, lacks=_no_compiler),
        Fault(name="failover", inject=fail_over, proxied=True),
        Fault(name="disk", inject=fill_disk, small_disk=True, lacks=_no_root),
        Fault(
            name="connections",
            inject=take_connections,
            database={"max_connections": str(FEW)},
            connection_age=0,
        ),
        Fault(name="slow", inject=stop_database),
    )
}
