"""``session_report``: the figures of the overview in a terminal, and for machines."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from token_lifecycle import statistics
from token_lifecycle.management.commands.session_report import (
    ASCII,
    BLOCKS,
    _chart,
    _figures,
    _reasons,
)
from token_lifecycle.models import SessionEvent
from token_lifecycle.testing import SessionFactory, UserFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = next(iter(statistics.FIGURES))
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _clock(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture(autouse=True)
def _utc():
    with timezone.override("UTC"):
        yield


def happened(kind, *ages, **columns):
    SessionEvent.objects.bulk_create(
        SessionEvent(kind=kind, created_at=NOW - age, **columns) for age in ages
    )


def report(*arguments, encoding=None):
    """What the command prints, to a terminal of this encoding or to none in particular."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, newline="\n") if encoding else io.StringIO()
    call_command("session_report", *arguments, stdout=out, no_color=True)
    out.flush()
    return raw.getvalue().decode(encoding) if encoding else out.getvalue()


def test_it_tells_who_is_live_what_happened_and_why_sessions_ended():
    SessionFactory.create_batch(2)
    happened("started", HOUR, HOUR, 9 * HOUR, timedelta(days=3))
    happened("revoked", HOUR, reason="password_change")
    lines = report().splitlines()
    assert lines[0] == "Sessions at 2026-03-15 12:30 UTC"
    assert "           2  live now" in lines
    day, month = lines.index("The last 24 hours"), lines.index("The last 30 days")
    assert lines[day + 1].split()[:2] == ["3", "Sign-ins"]
    assert lines[month + 1].split()[:2] == ["4", "Sign-ins"]
    assert lines[day + 2].split()[:3] == ["1", "Sessions", "ended"]
    assert lines.count("           1  password changed") == 2


def test_the_newest_alarms_name_time_user_address_and_session():
    session = SessionFactory(user__username="anna")
    happened("reuse_detected", HOUR, session=session, user=session.user, ip_address="192.0.2.7")
    happened("reuse_detected", 2 * HOUR)
    assert report().splitlines()[-2:] == [
        f"2026-03-15 11:30 UTC  anna  192.0.2.7  {session.pk}",
        "2026-03-15 10:30 UTC  deleted user  -  None",
    ]


def test_without_an_alarm_it_says_so():
    assert report().endswith("The newest alarms\nThere is none on record.\n")


@pytest.mark.parametrize(
    ("encoding", "levels"),
    [("utf-8", BLOCKS), ("ascii", ASCII), ("latin-1", ASCII), (None, BLOCKS)],
)
def test_bars_are_drawn_with_what_the_terminal_can_show(encoding, levels):
    happened("started", *[HOUR] * 8, *[2 * HOUR] * 4)
    (line, *_) = [line for line in report(encoding=encoding).splitlines() if "Sign-ins" in line]
    # The hour that is running is empty, and no line ends with a blank.
    assert line.endswith(f" {levels[4]}{levels[8]}")


def test_a_name_that_the_terminal_cannot_show_is_no_error():
    happened("reuse_detected", HOUR, user=UserFactory(username="Ødegård"))
    assert "?deg?rd" in report(encoding="ascii")


@pytest.mark.parametrize("name", ["\x1b[2Jgone", "one\ntwo", "\u202etfel"])
def test_no_name_moves_the_cursor_begins_a_line_or_turns_it_around(name):
    happened("reuse_detected", HOUR, user=UserFactory(username=name))
    text = report()
    assert name not in text
    assert "?" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("counts", "drawn"),
    [
        ((0, 0, 0), "   "),
        ((0, 1, 2), " ▄█"),
        ((1, 10_000), "▁█"),
        ((8, 7, 6, 5, 4, 3, 2, 1, 0), "█▇▆▅▄▃▂▁ "),
    ],
)
def test_a_bar_is_in_proportion_and_anything_above_nothing_is_seen(counts, drawn):
    assert _chart(counts, BLOCKS) == drawn


def test_for_machines_it_is_one_object_with_every_figure():
    session = SessionFactory()
    happened("started", HOUR, timedelta(days=3))
    happened("revoked", HOUR, reason="logout")
    happened(
        "reuse_detected",
        HOUR,
        session=session,
        user=session.user,
        ip_address="192.0.2.7",
        user_agent="Ünicode",
        generation=3,
    )
    told = json.loads(report("--json", encoding="ascii"))
    assert set(told) == {"at", "live", "hours", "days", "alarms"}
    assert told["at"] == "2026-03-15T12:30:00+00:00"
    assert told["live"] == {"count": 1, "is_exact": True}
    assert told["hours"]["totals"] == {
        "started": 1,
        "revoked": 1,
        "reuse_detected": 1,
        "new_client": 0,
        "limit_reached": 0,
    }
    assert told["days"]["totals"]["started"] == 2
    assert told["days"]["reasons"] == {"logout": 1}
    assert told["hours"]["starts"][-1] == "2026-03-15T12:00:00+00:00"
    assert told["hours"]["series"]["started"] == [0] * 22 + [1, 0]
    assert len(told["days"]["starts"]) == len(told["days"]["series"]["started"]) == 30
    assert told["alarms"] == [
        {
            "at": "2026-03-15T11:30:00+00:00",
            "session": str(session.pk),
            "user": str(session.user_id),
            "ip_address": "192.0.2.7",
            "user_agent": "Ünicode",
            "generation": 3,
        }
    ]


def test_above_the_bound_it_says_more_than(monkeypatch):
    SessionFactory.create_batch(3)
    live = statistics.live_sessions
    monkeypatch.setattr(statistics, "live_sessions", lambda now: live(now, bound=2))
    assert "         > 2  live now\n" in report()


@pytest.mark.parametrize("rows", [10, 1000])
def test_it_costs_the_same_statements_however_much_there_is(rows):
    happened("started", *[n * timedelta(minutes=20) for n in range(rows)])
    happened("reuse_detected", *[n * timedelta(minutes=20) for n in range(rows)])
    with CaptureQueriesContext(connection) as captured:
        report()
    kinds = [query["sql"].split()[0] for query in captured.captured_queries]
    assert kinds.count("SELECT") == 7


def test_numbers_are_grouped_as_the_language_does(monkeypatch):
    period = statistics.overview(timezone.now()).days
    series = {**period.series, FIRST: [1234, *period.series[FIRST][1:]]}
    large = replace(period, series=series, reasons={"logout": 4321})
    with translation.override("de"):
        assert any("1.234" in line for line in _figures(large, BLOCKS))
        assert any("4.321" in line for line in _reasons(large))


PROGRAM = """
import django, sys
django.setup()
from django.core.management import call_command
from token_lifecycle.management.commands import session_report

session_report.statistics.count_hours = lambda now: None
session_report.statistics.overview = session_report.statistics.newest_alarms = lambda *now: None
session_report._for_machines = lambda *figures: ["x" * 1_000_000]
sys.stdin.read(1)
call_command("session_report", "--json")
"""


def test_a_reader_who_has_enough_ends_it_quietly():
    running = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    running.stdout.close()
    _, complaints = running.communicate(b"x")
    assert complaints == b""
    assert running.returncode == 0
