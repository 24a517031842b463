"""``python -m benchmarks``: what a request costs here and with the peers that are installed.

``DATABASE_URL`` selects the database server; SQLite without it. The run makes a database of its
own there, named test_…, and drops it. Every ratio compares lines of one run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from . import chart, contenders, figures
from .contenders import Job

DISTRIBUTIONS = (
    "Django",
    "djangorestframework",
    "djangorestframework-simplejwt",
    "PyJWT",
    "django-rest-knox",
    "django-oauth-toolkit",
    "django-allauth",
    "gunicorn",
    "psycopg",
)
DRIVERS = {"postgres": "psycopg", "postgresql": "psycopg", "mysql": "MySQLdb"}
#: What is measured through a server.
SERVED_JOBS = (Job.REFRESH, Job.CHECK)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    :raises SystemExit: it makes no sense, or something that it needs is not installed.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=500, help="requests per contender (500)")
    parser.add_argument(
        "--only", nargs="+", type=Job, choices=list(Job), default=list(Job), help="these jobs"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw them into FILE")
    parser.add_argument("--http", action="store_true", help="also behind gunicorn, under load")
    parser.add_argument("--slices", type=int, default=8, help="--http: turns per contender (8)")
    parser.add_argument("--seconds", type=float, default=1.0, help="--http: length of a turn (1)")
    options = parser.parse_args(given)
    if options.rounds < 3:
        parser.error("fewer than 3 rounds give no percentiles")
    for needed, module in needs(options):
        if importlib.util.find_spec(module) is None:
            parser.error(
                f"{needed} needs {module}, which is not installed: "
                "pip install 'django-token-lifecycle[benchmarks]'"
            )
    return options


def needs(options: argparse.Namespace) -> list[tuple[str, str]]:
    """What of the command line and of the environment needs which module."""
    url = os.environ.get("DATABASE_URL", "")
    wanted = [("--http", "gunicorn")] if options.http else []
    wanted += [("DATABASE_URL", "dj_database_url")] if url else []
    scheme = url.partition(":")[0]
    return [*wanted, ("DATABASE_URL", DRIVERS[scheme])] if scheme in DRIVERS else wanted


def main() -> int:
    options = arguments()
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    import django

    django.setup()
    from .databases import fresh_database
    from .measure import measure

    taking_part = contenders.present(options.only)
    served: list[figures.Served] = []
    with fresh_database() as database:
        about = describe(options)
        print(heading(about))
        lines = measure(taking_part, options.rounds, progress)
        progress("")
        found = figures.table_of_claims(figures.claims(lines))
        print(f"\n{figures.NOTE}\n\n{figures.table_of(lines)}\n\n{found}")
        if options.http:
            from .served import SERVED_NOTE, measure_served

            at_http = [c for c in taking_part if c.job in SERVED_JOBS]
            served = measure_served(
                at_http, database, slices=options.slices, seconds=options.seconds
            )
            print(f"\n{SERVED_NOTE}\n\n{figures.table_of_served(served)}")
    if options.json:
        options.json.write_text(as_json(about, lines, served))
    if options.svg:
        options.svg.write_text(chart.chart_of(lines, heading(about).splitlines()[0]))
    return 0


def describe(options: argparse.Namespace) -> dict[str, Any]:
    """Under what circumstances the figures came about."""
    from .databases import database_version, load_average

    return {
        "python": platform.python_version(),
        "database": database_version(),
        "processors": os.cpu_count(),
        "load_average": load_average(),
        "rounds": options.rounds,
        "versions": {name: found for name in DISTRIBUTIONS if (found := _version(name))},
        "left_out": contenders.missing(),
    }


def heading(about: dict[str, Any]) -> str:
    """The circumstances in a few lines."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    load = about["load_average"]
    lines = [
        f"Python {about['python']}, {about['database']}, {about['rounds']} rounds",
        versions,
        f"{about['processors']} processors"
        + (f", load average before the run {load[0]}" if load else ""),
        *(f"left out: {name} ({why})" for name, why in about["left_out"].items()),
    ]
    return "\n".join(lines)


def as_json(
    about: dict[str, Any], lines: Sequence[figures.Line], served: Sequence[figures.Served]
) -> str:
    """All figures, and whether the claims hold."""
    claims = [{**asdict(claim), "holds": claim.holds} for claim in figures.claims(lines)]
    document = {
        "about": about,
        "lines": [asdict(line) for line in lines],
        "served": [asdict(line) for line in served],
        "claims": claims,
    }
    return json.dumps(document, indent=2) + "\n"


def progress(text: str) -> None:
    """Say what is going on, on a terminal, in one line that is overwritten."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    raise SystemExit(main())
