"""``python -m benchmarks.faults``: what becomes of sessions while everything around them breaks.

Clients that behave, and do nothing but that, refresh all the time against gunicorn, PostgreSQL and
Redis of its own. One kind of fault after the other is injected, again and again. Afterwards no
session may be lost, none may have two lines, and none that was ended may live; the clients' own
records and the rows are held against each other. Exit code 1 where that is not so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from .faults_figures import Outcome, table

NEEDED = ("gunicorn", "psycopg", "dj_database_url", "redis")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    :raises SystemExit: it makes no sense, or something that it needs is not installed.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=60, help="for each kind, beside its servers' start (60)")
    add("--clients", type=int, default=24, help="that refresh at the same time (24)")
    add("--faults", metavar="A,B", help="only these kinds")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    add("--log", type=Path, metavar="FILE", help="write what the servers say to FILE")
    options = parser.parse_args(given)
    if missing := [module for module in NEEDED if find_spec(module) is None]:
        parser.error(f"not installed: {', '.join(missing)}")
    from .faults_injected import FAULTS

    chosen = options.faults.split(",") if options.faults else list(FAULTS)
    if unknown := [name for name in chosen if name not in FAULTS]:
        parser.error(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    options.faults = [FAULTS[name] for name in chosen]
    if lacking := [f"{each.name} needs {each.lacks()}" for each in options.faults if each.lacks()]:
        parser.error("; ".join(lacking))
    return options


def about(options: argparse.Namespace) -> dict[str, Any]:
    """Under what circumstances the figures came about."""
    return {
        "clients": options.clients,
        "seconds": options.seconds,
        "gunicorn": metadata.version("gunicorn"),
        "python": platform.python_version(),
        "django": metadata.version("Django"),
        "processors": os.cpu_count(),
        "load_average": os.getloadavg(),
    }


def run(options: argparse.Namespace, log: IO[bytes]) -> list[Outcome]:
    from .faults_stage import Scene

    found = []
    for fault in options.faults:
        with (
            tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as directory,
            closing(Scene(fault, Path(directory), log, clients=options.clients)) as scene,
        ):
            found.append(scene.play(options.seconds))
        print(table(found[-1:]), end="\n\n", flush=True)
    return found


def main() -> int:
    options = arguments()
    circumstances = about(options)
    print(", ".join(f"{name} {value}" for name, value in circumstances.items()), end="\n\n")
    with (options.log or Path(os.devnull)).open("wb") as log:
        found = run(options, log)
    print(table(found))
    if options.json:
        document = {"about": circumstances, "faults": [asdict(each) for each in found]}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(each.right for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
