"""``python -m benchmarks.bad_input``: bad input at every door, again and again in one process.

Tries the catalogue of the tests (``tests.bad_input``) and made-up requests, and says of each door
how often it was tried, what it answered, how long the slowest answer took and how much memory the
largest one needed. No attempt may be answered with a 5xx, write anything or get a token back; where
one is or does, it is named and the exit status is 1.

The catalogue is tried against the clock, and once more with each allocation counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import platform
import resource
import sys
import time
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NEEDED = ("hypothesis", "dj_database_url", "factory", "pytest")
MEGABYTE = 1024 * 1024


@dataclass
class Tally:
    """What one door did."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    peak: int = 0
    """Bytes that one answer needed at most, beyond what was there before."""
    slowest: str = ""
    """What took so long."""

    @property
    def tried(self) -> int:
        return sum(self.statuses.values())

    @property
    def crashes(self) -> int:
        return sum(times for status, times in self.statuses.items() if status >= 500)

    def figures(self) -> dict[str, Any]:
        ordered = sorted(self.seconds)
        return {
            "tried": self.tried,
            "statuses": {str(status): times for status, times in sorted(self.statuses.items())},
            "5xx": self.crashes,
            "median_ms": round(1000 * ordered[len(ordered) // 2], 2),
            "slowest_ms": round(1000 * ordered[-1], 2),
            "slowest": self.slowest,
            "peak_mb": round(self.peak / MEGABYTE, 2),
        }


@dataclass
class Report:
    """What all of them did."""

    doors: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    faults: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    """Under what circumstances the figures came about."""
    kept: int = 0
    """Bytes that another look at the catalogue left behind."""

    def figures(self) -> dict[str, Any]:
        doors = {name: tally.figures() for name, tally in sorted(self.doors.items())}
        return {
            "tried": sum(door["tried"] for door in doors.values()),
            "5xx": sum(door["5xx"] for door in doors.values()),
            "writes": sum("written" in fault for fault in self.faults),
            "faults": self.faults,
            "about": self.about,
            "kept_kb": round(self.kept / 1024),
            "largest_process_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "doors": doors,
        }


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bad_input", description=__doc__)
    add = parser.add_argument
    add("--examples", type=int, default=1000, help="made-up requests, of each of three kinds")
    add("--database", metavar="URL", help="as DATABASE_URL; SQLite without it")
    add("--sections", nargs="*", metavar="SECTION", help="of the catalogue; all of them without it")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args(given)
    if missing := [module for module in NEEDED if find_spec(module) is None]:
        parser.error(f"not installed: {', '.join(missing)}")
    return options


def set_up(database: str | None) -> None:
    """Django with the settings of the tests, and every address there is."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    if database:
        os.environ["DATABASE_URL"] = database
    import django
    from django.conf import settings

    django.setup()
    settings.ROOT_URLCONF = "tests.bad_input.urls"
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    logging.disable(logging.CRITICAL)  # each refusal would be a line


class Watch:
    """Tries attempts on a stage, and keeps the tally."""

    def __init__(self, report: Report) -> None:
        from tests.bad_input.doors import Stage

        self.report, self.stage = report, Stage()
        self._send, self.stage.send = self.stage.send, self.send
        self.name = ""

    def send(self, attempt: Any) -> Any:
        tally = self.report.doors[attempt.door]
        counting = tracemalloc.is_tracing()
        if counting:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
        started = time.perf_counter()
        response = self._send(attempt)
        seconds = time.perf_counter() - started
        if counting:
            tally.peak = max(tally.peak, tracemalloc.get_traced_memory()[1] - before)
        else:
            if seconds > max(tally.seconds, default=0):
                tally.slowest = self.name
            tally.seconds.append(seconds)
        tally.statuses[response.status_code] += 1
        return response

    def watch(self, name: str, attempt: Any) -> None:
        self.name = name
        for fault in self.stage.faults(attempt):
            self.report.faults.append(f"{attempt.door}, {name}: {fault}")

    def watch_all(self, attempts: Iterable[tuple[str, Any]]) -> None:
        for name, attempt in attempts:
            self.watch(name, attempt)


def catalogue(stage: Any, sections: Sequence[str] | None) -> Iterator[tuple[str, Any]]:
    from tests.bad_input.catalogue import SECTIONS

    for section in SECTIONS:
        if not sections or section.__name__ in sections:
            yield from section(stage)


def made_up(watch: Watch, examples: int) -> None:
    """Requests at endpoints, requests at pages, and tokens: so many of each."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    from tests.bad_input import strategies

    profile = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @profile
    @given(data=st.data())
    def tokens(data: Any) -> None:
        watch.watch("made-up token", data.draw(strategies.tokens(watch.stage)))

    for strategy in (strategies.at_endpoints(), strategies.at_pages()):
        profile(given(strategy)(lambda attempt: watch.watch("made up", attempt)))()
    tokens()


def run(options: argparse.Namespace) -> Report:
    from .databases import fresh_database

    report = Report()
    with fresh_database():
        report.about = about()
        watch = Watch(report)
        watch.watch_all(catalogue(watch.stage, options.sections))
        if options.examples:
            made_up(watch, options.examples)
        tracemalloc.start()
        watch.watch_all(catalogue(watch.stage, options.sections))
        # What is kept for good can only be told from caches that fill up at a second look.
        before = traced()
        watch.watch_all(at_endpoints(catalogue(watch.stage, options.sections)))
        report.kept = traced() - before
        tracemalloc.stop()
    return report


def traced() -> int:
    """Bytes that are in use."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def at_endpoints(attempts: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Without the pages, which take ten times as long."""
    from tests.bad_input.doors import DOORS

    return ((name, each) for name, each in attempts if DOORS[each.door].side != "page")


def about() -> dict[str, Any]:
    from .databases import database_version, load_average

    return {
        "database": database_version(),
        "python": platform.python_version(),
        "django": metadata.version("Django"),
        "load_average": load_average(),
    }


def show(figures: dict[str, Any]) -> None:
    """The figures as a table, a line for each door."""
    print(f"{'door':58}{'tried':>7}{'5xx':>5}{'median':>9}{'slowest':>10}{'memory':>10}")
    for name, door in figures["doors"].items():
        times = f"{door['median_ms']:>6.1f} ms{door['slowest_ms']:>7.0f} ms"
        print(f"{name:58}{door['tried']:>7,}{door['5xx']:>5}{times}{door['peak_mb']:>7.1f} MB")
    print(f"{figures['tried']:,} tried, {figures['5xx']} 5xx, {figures['writes']} writes,", end=" ")
    print(f"{figures['kept_kb']} kB kept, {figures['largest_process_mb']} MB in all")
    for fault in figures["faults"]:
        print(fault)


def main() -> int:
    options = arguments()
    set_up(options.database)
    figures = run(options).figures()
    show(figures)
    print(", ".join(f"{name} {value}" for name, value in figures["about"].items()))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
