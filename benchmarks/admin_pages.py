"""``python -m benchmarks.admin_pages``: what the admin's pages cost with very many rows.

Creates the database of ``DATABASE_URL`` (PostgreSQL), loads sessions and events, and opens every
page as a superuser does, with Django's test client: statements, and milliseconds for the whole of
the request. The first opening of a page is told apart: it compiles templates and may fill a cache.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: What a page should take no longer than, in milliseconds.
GOAL = 300

ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page and how it is opened."""

    name: str
    open: Callable[[Any], Any]
    """With a client: the answer."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What opening a page cost."""

    name: str
    statements: int
    first_ms: float
    median_ms: float
    max_ms: float
    bytes: int


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def pages(known: Any) -> Iterator[Page | str]:
    """Every page; instead of one that this version does not have, its name."""
    yield from _sessions(known)
    yield from _session_pages(known)
    yield from _questions(known)
    yield from _events(known)
    for what, name, arguments in (
        ("overview", "token_lifecycle_session_overview", ()),
        ("log everyone out: ask", "token_lifecycle_session_end_everybody", ()),
        ("end all of a user: ask", "token_lifecycle_session_end_all_of", (known.user,)),
        ("page of a user", "auth_user_change", (known.user,)),
        ("page of a user, busy", "auth_user_change", (known.busy_user,)),
    ):
        yield _page(what, name, *arguments)


def _sessions(known: Any) -> Iterator[Page | str]:
    day, ever = known.now.strftime("%Y-%m-%dT00:00Z"), "2020-01-01T00:00Z"
    states = ("live", "idle", "expired", "ended")
    queries = {
        "": {},
        "page 200": {"p": 200},
        **{f"status={status}": {"status": status} for status in states},
        "a common reason": {"revocation_reason__exact": "logout"},
        "a reason that never was": {"revocation_reason__exact": "session_limit"},
        "signed in today": {"created_at__gte": day},
        "signed in ever": {"created_at__gte": ever},
        "ended today": {"revoked_at__gte": day},
        "not ended": {"revoked_at__isnull": "True"},
        "by expiry": {"o": "7"},
        "by expiry, last first": {"o": "-7"},
        "of a user": {"user": known.user},
        "search a name": {"q": f"user{known.user}"},
        "search an address": {"q": f"user{known.user}@example.com"},
        "search a key": {"q": known.user},
        "search a session": {"q": known.session},
        "search a beginning": {"q": "user12"},
        "search a part": {"q": "ser77"},
        "search what nobody is": {"q": "nobody here"},
    }
    for what, query in queries.items():
        yield _page(f"sessions {what}".strip(), "token_lifecycle_session_changelist", **query)


def _session_pages(known: Any) -> Iterator[Page | str]:
    for what, session in (("session", known.session), ("session, busy", known.busy)):
        yield _page(what, "token_lifecycle_session_change", session)
    yield _page("session: history", "token_lifecycle_session_history", known.session)
    for what in ("end", "end_others", "end_all", "delete"):
        name = f"token_lifecycle_session_{what}"
        yield _page(f"session: ask to {what.replace('_', ' ')}", name, known.session)


def _questions(known: Any) -> Iterator[Page | str]:
    for action in ("end_selected", "end_all_of_users", "delete_selected"):
        for status in ("live", "ended"):
            data = {"action": action, "_selected_action": [str(known.session)], "index": "0"}
            yield _page(
                f"ask: {action}, all {status} ones",
                "token_lifecycle_session_changelist",
                data={**data, "select_across": "1"},
                status=status,
            )


def _events(known: Any) -> Iterator[Page | str]:
    from token_lifecycle.models import EventKind

    day = known.now.strftime("%Y-%m-%dT00:00Z")
    queries = {
        "": {},
        "page 200": {"p": 200},
        **{f"event={kind}": {"event": kind} for kind in EventKind.values},
        "event=revoked:logout": {"event": "revoked:logout"},
        "event=revoked:admin": {"event": "revoked:admin"},
        "today": {"created_at__gte": day},
        "sign-ins of today": {"created_at__gte": day, "event": "started"},
        "of a session": {"session__id__exact": known.busy},
        "of a user": {"user": known.busy_user},
        "search a name": {"q": f"user{known.busy_user}"},
        "search a session": {"q": known.busy},
        "search a beginning": {"q": "user12"},
        "search a part": {"q": "ser77"},
    }
    for what, query in queries.items():
        yield _page(f"events {what}".strip(), "token_lifecycle_sessionevent_changelist", **query)
    yield _page("event", "token_lifecycle_sessionevent_change", known.event)
    yield _page("event: history", "token_lifecycle_sessionevent_history", known.event)
    for form in ("csv", "json"):
        query = {"format": form, "created_at__gte": day}
        yield _page(f"export a day, {form}", "token_lifecycle_sessionevent_export", **query)


def _page(what: str, name: str, *arguments: Any, data: Any = None, **query: Any) -> Page | str:
    from django.urls import NoReverseMatch, reverse
    from django.utils.http import urlencode

    try:
        url = reverse(f"admin:{name}", args=arguments)
    except NoReverseMatch:
        return what
    url = f"{url}?{urlencode(query)}" if query else url
    if data is None:
        return Page(name=what, open=lambda client: client.get(url))
    return Page(name=what, open=lambda client: client.post(url, data))


def measure(page: Page, client: Any, rounds: int) -> Line:
    """Open it once to count, and then some times more."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        first, size = _open(page, client)
    # Counted now: the next request forgets them.
    statements = len(captured)
    times = [_open(page, client)[0] for _ in range(rounds)]
    return Line(
        name=page.name,
        statements=statements,
        first_ms=first,
        median_ms=statistics.median(times),
        max_ms=max(times),
        bytes=size,
    )


def _open(page: Page, client: Any) -> tuple[float, int]:
    started = time.perf_counter()
    response = page.open(client)
    size = len(response.getvalue())
    elapsed = (time.perf_counter() - started) * 1000
    # A selection that is too large for an action leads back to the list.
    if response.status_code not in (200, 302):
        raise SystemExit(f"{page.name}: answered with {response.status_code}")
    return elapsed, size


def run(sessions: int, events: int, rounds: int) -> dict[str, Any]:
    """Everything, as a report."""
    import django
    from django.test import Client

    from . import admin_data

    known = admin_data.fill(sessions, events, busy=min(10_000, events), say=say)
    client = Client()
    client.force_login(known.boss)
    lines, missing = [], []
    for page in pages(known):
        if isinstance(page, str):
            missing.append(page)
            continue
        lines.append(measure(page, client, rounds))
        say(f"{page.name}: {lines[-1].median_ms:.0f} ms")
    return {
        "python": sys.version.split()[0],
        "django": django.get_version(),
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg(),
        "rows": admin_data.rows(),
        "pages": [asdict(line) for line in lines],
        "missing": missing,
    }


def print_report(report: dict[str, Any]) -> None:
    """A line for each page; those that take longer than they should are marked."""
    print(", ".join(f"{count:,} {name}" for name, count in report["rows"].items()))
    print(f"\n{'page':<44}{'statements':>11}{'first':>9}{'median':>9}{'max':>9}  ms")
    for page in report["pages"]:
        print(
            f"{page['name']:<44}{page['statements']:>11}{page['first_ms']:>9.1f}"
            f"{page['median_ms']:>9.1f}{page['max_ms']:>9.1f}"
            f"{'  slow' if page['median_ms'] > GOAL else ''}"
        )
    for name in report["missing"]:
        print(f"{name:<44}is not there")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.admin_pages", description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="openings that are timed")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="only see whether it works")
    parser.add_argument("--keep", action="store_true", help="do not drop the database")
    options = parser.parse_args()
    if options.quick:
        options.sessions, options.events, options.rounds = 2_000, 5_000, 1

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.admin_settings"
    import django

    django.setup()

    from django.conf import settings

    from . import growth_data
    from .growth_data import LARGE

    if not settings.DATABASES[LARGE]["ENGINE"].endswith("postgresql"):
        raise SystemExit("DATABASE_URL must name a PostgreSQL database; it will be created.")
    growth_data.create_databases((LARGE,), ("auth", "admin", "sessions", "token_lifecycle"))
    try:
        report = run(options.sessions, options.events, options.rounds)
    finally:
        if not options.keep:
            growth_data.drop_databases((LARGE,))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    print_report(report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
