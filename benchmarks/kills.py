"""``python -m benchmarks.kills``: how soon a session that was ended is refused everywhere.

Starts a PostgreSQL, a web server and, with ``--push``, a Redis of its own, and checks access tokens
by the list in memory. One process keeps the workers busy with tokens that stay good. Sessions are
ended in another one, and each is watched at every worker from before its end until later than the
bound: one ``REVOCATION_POLL_INTERVAL`` after the commit. No request that starts beyond it may be
let in.

``--faults`` ends further sessions while workers are killed, transactions commit late, Redis
hangs and is killed, and the database stands still.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from .kills_figures import Kills
from .kills_stage import INTERVAL, LOAD_RATE, WATCH_RATE, WEB, Scene, Stage

#: Sessions that end while something goes wrong.
KILLS = 200
KILLS_LATE = 300
KILLS_PAUSED, PAUSES, PAUSE_SECONDS = 10, 3, 5.0
WORKER_LIVES = 2.0
#: Seconds that transactions take: shorter and longer than any time that the app counts on.
HOLDS = (3.0, 4.9, 5.1, 8.0, 11.0, 20.0)
#: Seconds for which a reading hangs: longer than any time that the app reads again.
HELD_UP = 12.0
#: Transactions that are open when it goes on.
HOLDS_HELD_UP = tuple(n / 4 for n in range(16))
#: Seconds that Redis is left alone after it did not answer, and some more.
REDIS_RETURNS = 3.0


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    :raises SystemExit: it makes no sense, or something that it needs is not installed.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    add = parser.add_argument
    add("--kills", type=int, default=1000, help="sessions to end before any fault (1000)")
    add("--workers", type=int, default=4, help="processes of the web server (4)")
    add("--server", choices=["gunicorn", "uvicorn"], default="gunicorn")
    add("--preload", action="store_true", help="gunicorn: import and read before the fork")
    add("--push", action=argparse.BooleanOptionalAction, default=False, help="with Redis")
    add("--faults", action="store_true", help="and then with things going wrong")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    add("--log", type=Path, metavar="FILE", help="write what the servers say to FILE")
    options = parser.parse_args(given)
    if options.preload and options.server != "gunicorn":
        parser.error("--preload is for gunicorn")
    needed = [options.server, "psycopg", "dj_database_url", *(["redis"] if options.push else [])]
    if missing := [module for module in needed if find_spec(module) is None]:
        parser.error(f"not installed: {', '.join(missing)}")
    return options


def measure(stage: Stage, options: argparse.Namespace) -> Iterator[Kills]:
    """All there is to measure, in turn."""
    with stage.scene() as scene:
        if options.kills:
            yield scene.measure("nothing goes wrong", options.kills)
        if not options.faults:
            return
        yield scene.measure("workers killed", KILLS, meanwhile=partial(kill_workers, scene))
        yield scene.measure("late commits", KILLS_LATE, holds=HOLDS)
        if stage.redis is not None:
            stage.redis.pause()
            yield scene.measure("Redis hangs", KILLS)
            stage.redis.kill()
            yield scene.measure("Redis killed", KILLS)
            stage.redis.start()
            time.sleep(REDIS_RETURNS)
            yield scene.measure("Redis back", KILLS)
    for when_stale in ("database", "refuse"):
        # Without a push by those who end: what nobody has read yet is what is looked at here.
        with stage.scene(when_stale=when_stale, push=False) as scene:
            held_up = partial(hold_up, stage, scene)
            yield scene.measure(
                f"readings held up, when stale: {when_stale}",
                0,
                holds=HOLDS_HELD_UP,
                held_up=held_up,
            )
            for number in range(1, PAUSES + 1):
                name = f"database paused, when stale: {when_stale} ({number} of {PAUSES})"
                yield scene.measure(name, KILLS_PAUSED, stall=partial(pause, stage, scene))


def kill_workers(scene: Scene, stop: threading.Event) -> None:
    """A worker every few seconds, now by force and now on request."""
    kinds = itertools.cycle((signal.SIGKILL, signal.SIGTERM))
    while not stop.wait(WORKER_LIVES):
        worker = max(scene.watching.spread.workers, default=None)
        if worker is not None:
            os.kill(worker, next(kinds))


def pause(stage: Stage, scene: Scene) -> None:
    """Stop the database for several intervals, all of it at once."""
    stage.postgres.pause()
    time.sleep(PAUSE_SECONDS)
    scene.resumed = time.monotonic()
    stage.postgres.resume()


def hold_up(stage: Stage, scene: Scene) -> None:
    """Stop what the web server reads from, and let it go on two seconds after this is over."""
    stage.postgres.pause_those_of(WEB)
    time.sleep(HELD_UP)

    def resume() -> None:
        scene.resumed = time.monotonic()
        stage.postgres.resume()

    threading.Timer(2.0, resume).start()


def about(options: argparse.Namespace) -> dict[str, Any]:
    """Under what circumstances the figures came about."""
    server = metadata.version(options.server)
    return {
        "server": f"{options.server} {server}",
        "workers": options.workers,
        "preload": options.preload,
        "push": options.push,
        "interval": INTERVAL,
        "requests_per_second": {"load": LOAD_RATE, "watch": WATCH_RATE},
        "python": platform.python_version(),
        "django": metadata.version("Django"),
        "processors": os.cpu_count(),
        "load_average": os.getloadavg(),
    }


def run(options: argparse.Namespace, log: IO[bytes]) -> list[Kills]:
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="kills-") as directory,
        closing(Stage(options, Path(directory), log)) as stage,
    ):
        for kills in measure(stage, options):
            print(kills, end="\n\n", flush=True)
            found.append(kills)
    return found


def main() -> int:
    options = arguments()
    circumstances = about(options)
    print(", ".join(f"{name} {value}" for name, value in circumstances.items()), end="\n\n")
    with (options.log or Path(os.devnull)).open("wb") as log:
        found = run(options, log)
    if options.json:
        document = {"about": circumstances, "kills": [asdict(each) for each in found]}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(each.right for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
