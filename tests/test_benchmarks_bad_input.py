"""The benchmark of bad input: it runs to its end, and names what is wrong."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.http import HttpResponse

from benchmarks import bad_input
from tests.bad_input.doors import Attempt
from token_lifecycle.testing import UserFactory

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def report():
    return bad_input.Report()


@pytest.fixture
def watch(db, report):
    return bad_input.Watch(report)


def answering(watch, status, work=lambda: None):
    def send(attempt):
        work()
        return HttpResponse(status=status)

    watch._send = send


@pytest.mark.urls("tests.bad_input.urls")
def test_what_is_wrong_is_named_and_counted(watch, report):
    answering(watch, 500)
    watch.watch("a name", Attempt(door="GET /devices/"))
    answering(watch, 200, UserFactory)
    watch.watch("another", Attempt(door="GET /devices/"))
    figures = report.figures()
    assert (figures["tried"], figures["5xx"], figures["writes"]) == (2, 1, 1)
    assert figures["faults"][0] == "GET /devices/, a name: answered with 500"


@pytest.mark.urls("tests.bad_input.urls")
def test_the_memory_of_an_answer_is_counted_and_its_time_is_not_counted_with_it(watch, report):
    answering(watch, 200, lambda: bytearray(5_000_000))
    tracemalloc.start()
    try:
        watch.watch("large", Attempt(door="GET /devices/"))
    finally:
        tracemalloc.stop()
    tally = report.doors["GET /devices/"]
    assert 5_000_000 <= tally.peak < 6_000_000
    assert tally.seconds == []


def test_the_slowest_answer_is_named():
    tally = bad_input.Tally(seconds=[0.001, 0.5, 0.002], slowest="a name")
    assert tally.figures()["slowest_ms"] == 500
    assert tally.figures()["median_ms"] == 2


def test_it_runs_to_its_end(tmp_path):
    file = tmp_path / "figures.json"
    # There, for that is where it leaves the file of the database.
    places = {"DATABASE_URL": "sqlite:///bad_input.sqlite3", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "benchmarks.bad_input", "--examples", "5"]
    command += ["--sections", "bodies", "--json", str(file)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | places,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 5xx, 0 writes" in done.stdout
    figures = json.loads(file.read_text())
    assert figures["faults"] == []
    assert figures["about"]["database"].startswith("SQLite")
    assert figures["doors"]["api refresh"]["statuses"].keys() >= {"400", "413", "415"}


def test_faults_are_an_exit_status(monkeypatch, capsys):
    options = SimpleNamespace(database=None, json=None)
    monkeypatch.setattr(bad_input, "arguments", lambda: options)
    monkeypatch.setattr(bad_input, "set_up", lambda database: None)
    report = bad_input.Report(faults=["api refresh, x: something was written"])
    monkeypatch.setattr(bad_input, "run", lambda options: report)
    assert bad_input.main() == 1
    assert "api refresh, x: something was written" in capsys.readouterr().out
