"""``python -m benchmarks``: every contender in turn, request by request, on one database.

Interleaved, so that whatever else the machine does meanwhile hits all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")


def measure(rounds: int) -> list[dict[str, object]]:
    """One row per contender: statements, milliseconds, and rows added per request."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from .contenders import contenders

    client = Client()
    lines = []
    for number, contender in enumerate(contenders()):
        user = get_user_model().objects.create_user(f"user{number}", password="x")
        request = contender.prepare(client, user)
        for _ in range(20):
            assert request().status_code == 200, contender.name
        before = sum(table.objects.count() for table in contender.tables)
        with CaptureQueriesContext(connection) as statements:
            request()
        after = sum(table.objects.count() for table in contender.tables)
        lines.append((contender, request, len(statements), after - before, []))
    for _ in range(rounds):
        for _, request, _, _, times in lines:
            started = time.perf_counter()
            request()
            times.append((time.perf_counter() - started) * 1000)
    return [
        {
            "job": contender.job,
            "name": contender.name,
            "statements": statements,
            "rows": rows,
            "median_ms": statistics.median(times),
            "p95_ms": statistics.quantiles(times, n=20)[-1],
        }
        for contender, _, statements, rows, times in lines
    ]


def print_table(rows: list[dict[str, object]]) -> None:
    """The ratios are to simplejwt's line of the same job, and to the empty view's."""
    for job in ("refresh", "check"):
        of_job = [row for row in rows if row["job"] == job]
        peer = next(row for row in of_job if str(row["name"]).startswith("simplejwt"))
        floor = next(row for row in of_job if "nothing" in str(row["name"]))
        print(
            f"\n{job:<28}{'SQL':>5}{'rows':>6}{'median':>10}{'p95':>10}{'simplejwt':>11}{'empty':>8}"
        )
        for row in of_job:
            median = float(row["median_ms"])  # type: ignore[arg-type]
            print(
                f"{row['name']:<28}{row['statements']:>5}{row['rows']:>6}{median:>8.3f}ms"
                f"{row['p95_ms']:>8.3f}ms{median / float(peer['median_ms']):>10.2f}x"
                f"{median / float(floor['median_ms']):>7.1f}x"
            )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000, help="requests per contender")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()

    import django
    from django.db import connection
    from django.test.utils import setup_databases, setup_test_environment, teardown_databases

    django.setup()
    setup_test_environment(debug=False)
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        print(
            f"Python {sys.version.split()[0]}, Django {django.get_version()}, {connection.vendor}"
        )
        rows = measure(options.rounds)
    finally:
        teardown_databases(databases, verbosity=0)
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
