"""The growth benchmark: what it loads is what the app would have made, and it runs to its end."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from benchmarks import growth_report
from benchmarks.growth_data import Sessions
from benchmarks.growth_measures import Times, slowing
from tests.sign_ins import START
from token_lifecycle import claims

ROOT = Path(__file__).resolve().parent.parent

SESSIONS = Sessions(name="some", count=10_000, now=START)


def test_the_ids_are_uuids_of_version_7_in_the_order_of_the_sign_ins():
    ids = [SESSIONS.session_id(n) for n in range(0, SESSIONS.count, 100)]

    assert ids == sorted(ids)
    assert {(each.version, each.variant) for each in ids} == {(7, "specified in RFC 4122")}
    assert ids[0].int >> 80 == (START - timedelta(days=28)).timestamp() * 1000


def test_a_secret_has_the_form_of_those_that_the_app_makes():
    assert claims.SECRET.fullmatch(SESSIONS.secret(7))
    assert SESSIONS.secret(7) != SESSIONS.secret(8)


def test_a_user_has_five_sessions_that_lie_apart():
    first = SESSIONS.user_id(0)
    of_first = [n for n in range(SESSIONS.count) if SESSIONS.user_id(n) == first]

    assert of_first == [0, 200, 400, 600, 800]


def test_every_user_has_five_sessions():
    users = [SESSIONS.user_id(n) for n in range(SESSIONS.count)]

    assert {users.count(user) for user in range(1, 2001)} == {5}


def test_times_are_told_in_milliseconds():
    times = Times.of([0.001] * 99 + [0.1])

    assert (times.count, times.median_ms, times.max_ms) == (100, 1.0, 100.0)
    assert 1.0 < times.p99_ms < 100.0


def test_one_duration_is_no_distribution():
    with pytest.raises(ValueError, match="two durations"):
        Times.of([0.001])


def test_batches_that_become_slower_show():
    steady = [0.1 * n for n in range(1, 101)]
    slower = [0.001 * n * n for n in range(1, 101)]

    assert slowing(steady) == pytest.approx({"first_batches_ms": 100, "last_batches_ms": 100})
    assert slowing(slower)["last_batches_ms"] > 30 * slowing(slower)["first_batches_ms"]


def report(**changed):
    """Figures with which every claim holds, but for those that are changed."""
    found = {"refresh": 1.1, "check": 1.1, "many": 2, "prune": 1.5, "rows": 0, "hot": 0.99}
    found |= changed
    return {
        "scale": {"crowd": 10_000},
        "growth": [{"verbs": {verb: {"ratio": found[verb]} for verb in ("refresh", "check")}}],
        "end_all": {
            "large 10": {"statements": 2},
            "large 10000": {"statements": found["many"]},
        },
        "refreshes": {"refreshes": 1, "rows_added": found["rows"], "hot_share": found["hot"]},
        "prune": {"ratio_p99": found["prune"]},
    }


def test_good_figures_bear_every_claim_out():
    assert all(claim.holds for claim in growth_report.claims(report()))


@pytest.mark.parametrize(
    "changed",
    [{"refresh": 1.3}, {"check": 1.3}, {"many": 3}, {"prune": 2.1}, {"rows": 1}, {"hot": 0.95}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_bad_figure_fails_one_claim(changed):
    assert [claim.holds for claim in growth_report.claims(report(**changed))].count(False) == 1


@pytest.mark.parametrize(
    ("options", "found"),
    [([], 100), (["autovacuum_enabled=true"], 100), (["fillfactor=85"], 85)],
    ids=["none", "another", "given"],
)
def test_a_table_without_a_fillfactor_has_that_of_postgresql(options, found):
    assert growth_report.fillfactor_of(options) == found


def run(name, *arguments):
    """The benchmark on a database of that name beside the one of the suite."""
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "benchmarks.settings"},
        capture_output=True,
        text=True,
        check=False,
    )


# It measures PostgreSQL; elsewhere there is nothing to skip.
if connection.vendor == "postgresql":

    class TestOnPostgreSQL:
        name = f"growth_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"

        def test_it_runs_to_its_end_and_removes_its_databases(self, db, tmp_path):
            figures = tmp_path / "figures.json"

            ran = run(self.name, "--quick", "--sizes", "200,1000", "--json", str(figures))

            assert ran.returncode == 0, ran.stderr
            found = json.loads(figures.read_text())
            assert [line["size"] for line in found["growth"]] == [200, 1000]
            assert found["refreshes"]["updates"] == found["refreshes"]["refreshes"]
            assert found["prune"]["sessions"] == found["scale"]["dead"]
            assert "refresh, largest to smallest" in ran.stdout
            assert not self.databases()

        def test_a_database_that_is_not_its_own_is_left_alone(self, db):
            name = connection.settings_dict["NAME"]

            ran = run(name, "--quick", "--sizes", "200")

            assert ran.returncode == 1
            assert "is not of this benchmark" in ran.stderr

        def databases(self):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{self.name}%"]
                )
                return cursor.fetchall()
