"""``python -m benchmarks.growth``: what grows with the number of sessions, on PostgreSQL.

Creates the database of ``DATABASE_URL`` and a small one beside it, loads sessions step by step, and
times the verbs on random sessions of both by turns, so that the ratio is a fair one. Then: the end
of ten thousand sessions of one user, what many refreshes leave behind, and pruning while others
refresh. ``synchronous_commit`` and all else stay as the server has them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from . import growth_data as data
from .growth_data import LARGE, NAMES, SMALL, Sessions
from .growth_report import print_report

SETTINGS = (
    "server_version",
    "synchronous_commit",
    "fsync",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
    "autovacuum",
    "random_page_cost",
)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much of everything."""

    sizes: tuple[int, ...]
    rounds: int = 3000
    crowd: int = 10_000
    crowds: int = 3
    refreshed: int = 2_000
    refreshes_each: int = 50
    packed: int = 10_000
    fillfactors: tuple[int, ...] = (100, 90, 80)
    dead: int = 1_000_000
    rate: int = 50
    idle_seconds: int = 60

    @classmethod
    def quick(cls, sizes: tuple[int, ...]) -> Scale:
        """For trying whether it works: seconds, and figures that say nothing."""
        few = {"rounds": 10, "crowd": 100, "crowds": 1, "refreshed": 20, "refreshes_each": 5}
        return cls(sizes=sizes, **few, packed=100, fillfactors=(100,), dead=1_000, idle_seconds=1)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """Under what the figures came about."""
    import django
    from django.db import connections

    with connections[LARGE].cursor() as cursor:
        cursor.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)",
            [list(SETTINGS)],
        )
        settings = dict(cursor.fetchall())
    return {
        "python": sys.version.split()[0],
        "django": django.get_version(),
        "postgresql": settings,
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg(),
    }


def grow(scale: Scale, now: datetime) -> tuple[Any, list[dict[str, Any]]]:
    """Load up to each size and measure; the clients of the largest, and a line for each size."""
    from . import growth_measures as measures

    few = Sessions(name="few", count=scale.sizes[0], now=now)
    many = Sessions(name="many", count=scale.sizes[-1], now=now)
    data.load(SMALL, few)
    data.settle(SMALL)
    small = measures.Clients(SMALL, few, few.count)
    large = measures.Clients(LARGE, many, 0)
    lines = []
    for size in scale.sizes:
        started = time.perf_counter()
        data.load(LARGE, many, start=large.size, stop=size, progress=lambda n: say(f"loaded {n:,}"))
        say("vacuuming and analysing")
        data.settle(LARGE)
        large.size = size
        line = {"size": size, "load_seconds": time.perf_counter() - started}
        line["bytes_per_session"] = {
            part: taken / size for part, taken in measures.sizes(LARGE).items()
        }
        say(f"timing the verbs on {size:,} sessions and on {few.count:,} by turns")
        verbs = measures.in_turns((small, large), rounds=scale.rounds)
        line["verbs"] = {
            verb: {
                "large": asdict(times[LARGE]),
                "small": asdict(times[SMALL]),
                "ratio": times[LARGE].median_ms / times[SMALL].median_ms,
                "ratio_p99": times[LARGE].p99_ms / times[SMALL].p99_ms,
            }
            for verb, times in verbs.items()
        }
        lines.append(line)
    return large, lines


def end_all(scale: Scale, now: datetime) -> dict[str, Any]:
    """End all sessions of a user with many, and of one with ten, in both databases by turns."""
    from django.contrib.auth import get_user_model
    from django.db import connections

    from . import growth_measures as measures

    found: dict[str, list[dict[str, Any]]] = {}
    for turn in range(scale.crowds):
        for alias in (SMALL, LARGE):
            for count in (10, scale.crowd):
                user = get_user_model().objects.using(alias).latest("pk").pk + 1
                crowd = Sessions(name=f"crowd {turn} {count}", count=count, now=now, user=user)
                data.load(alias, crowd)
                with connections[alias].cursor() as cursor:
                    cursor.execute("ANALYZE")
                say(f"ending {count:,} sessions ({NAMES[alias]})")
                found.setdefault(f"{NAMES[alias]} {count}", []).append(
                    measures.end_all(alias, user)
                )
    return {
        key: {
            "ended": each[0]["ended"],
            "statements": max(one["statements"] for one in each),
            "median_ms": statistics.median(one["ms"] for one in each),
        }
        for key, each in found.items()
    }


def refresh_many(scale: Scale, large: Any) -> dict[str, Any]:
    """What many refreshes of a few sessions leave behind in the large table."""
    from . import growth_measures as measures

    say(f"{scale.refreshed * scale.refreshes_each:,} refreshes of {scale.refreshed:,} sessions")
    numbers = sorted({large.random_live() for _ in range(scale.refreshed)})
    return measures.many_refreshes(large, numbers, times=scale.refreshes_each)


def pack(scale: Scale, now: datetime) -> list[dict[str, Any]]:
    """The same in tables of its own: filled in one go or by sign-ins, with room left or without.

    A transaction that writes for seconds, in whatever database of the server, keeps PostgreSQL from
    clearing pages and so spoils these figures.
    """
    from . import growth_measures as measures

    lines = []
    for fillfactor in scale.fillfactors:
        for filled in ("loaded", "signed in"):
            data.start_over(SMALL, fillfactor=fillfactor)
            clients = measures.filled(SMALL, scale.packed, now, by_sign_ins=filled == "signed in")
            data.settle(SMALL)
            live = [n for n in range(scale.packed) if clients.sessions.is_live(n)]
            for which, numbers in {
                "a tenth of them": random.sample(live, scale.packed // 10),
                "all of them": live,
            }.items():
                say(f"{filled}, fillfactor {fillfactor}: refreshing {which}")
                times = max(scale.packed * 2 // len(numbers), 2)
                figures = measures.many_refreshes(clients, numbers, times=times)
                lines.append(
                    {"filled": filled, "fillfactor": fillfactor, "refreshed": which, **figures}
                )
    return lines


def prune(scale: Scale, now: datetime, large: Any) -> dict[str, Any]:
    """Refresh at a steady rate, first alone and then beside a prune."""
    from . import growth_measures as measures

    dead = Sessions(
        name="dead",
        count=scale.dead,
        now=now,
        begins=timedelta(days=90),
        ends=timedelta(days=70),
        dead=True,
    )
    data.load(LARGE, dead, progress=lambda n: say(f"loaded {n:,} dead sessions"))
    data.settle(LARGE)
    say(f"refreshing {scale.rate} times a second, alone")
    enough = scale.rate * scale.idle_seconds
    idle = measures.paced_refreshes(large, rate=scale.rate, more=lambda n: n < enough)
    say("and beside a prune")
    with measures.prune_beside(LARGE) as (pruning, figures):
        during = measures.paced_refreshes(
            large, rate=scale.rate, more=lambda n: n < scale.rate or pruning()
        )
    return {
        **figures,
        "refreshes_per_second": scale.rate,
        "idle": {"from_due": asdict(idle[0]), "itself": asdict(idle[1])},
        "during": {"from_due": asdict(during[0]), "itself": asdict(during[1])},
        "ratio_p99": during[0].p99_ms / idle[0].p99_ms,
    }


def run(scale: Scale, *, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Everything, one after the other; ``keep`` is given what there is after each part."""
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    report: dict[str, Any] = {"scale": asdict(scale), "before": machine()}
    report["table_options"] = data.table_options(LARGE)
    large, report["growth"] = grow(scale, now)
    for part, measure in {
        "end_all": lambda: end_all(scale, now),
        "refreshes": lambda: refresh_many(scale, large),
        "prune": lambda: prune(scale, now, large),
        "packing": lambda: pack(scale, now),
        "after": machine,
    }.items():
        keep(report)
        report[part] = measure()
    keep(report)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument(
        "--sizes",
        type=lambda text: tuple(sorted(int(size) for size in text.split(","))),
        default=(1_000, 100_000, 10_000_000),
        help="numbers of sessions, the smallest first (1000,100000,10000000)",
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument(
        "--fillfactor",
        type=int,
        help="give the sessions' table this fillfactor before it is loaded (as it is migrated)",
    )
    parser.add_argument("--quick", action="store_true", help="only see whether it works")
    parser.add_argument("--keep", action="store_true", help="do not drop the databases")
    options = parser.parse_args()

    def keep(report: dict[str, Any]) -> None:
        if options.json:
            options.json.write_text(json.dumps(report, indent=2) + "\n")

    scale = Scale.quick(options.sizes) if options.quick else Scale(sizes=options.sizes)
    data.configure()
    data.create_databases()
    try:
        if options.fillfactor:
            for alias in data.ALIASES:
                data.start_over(alias, fillfactor=options.fillfactor)
        report = run(scale, keep=keep)
    finally:
        if not options.keep:
            data.drop_databases()
    print_report(report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
