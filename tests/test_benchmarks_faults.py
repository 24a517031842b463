"""The benchmark of faults: it counts what it should, and would notice what it must."""

import base64
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection

from benchmarks import faults
from benchmarks.faults_figures import COLUMNS, Forgotten, Line, Row, outcome, table

ROOT = Path(__file__).resolve().parent.parent
ALIVE = Row(generation=3, ended=False)
ENDED = Row(generation=3, ended=True)


def token(generation, *, secret="s", at=100, mark=""):
    claims = json.dumps({"gen": generation, "sec": secret, "iat": at}).encode()
    return f"head.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.signature{mark}"


def line(*refreshes, **changed):
    found = Line(**{"session_id": "one", "started_at": 100.0} | changed)
    for refresh in refreshes or map(token, (1, 2, 3)):
        found.take(refresh, f"access for {refresh}")
    return found


def outcome_of(*lines, row=ALIVE, tally=None, **given):
    rows = {} if row is None else {"one": row}
    counted = Counter(tally or {})
    return outcome("some", lines, rows, counted, clients=1, recoveries=[0.5, 1.5], **given)


def test_a_session_whose_row_is_where_its_client_is_is_right():
    found = outcome_of(line())

    assert found.right
    assert (found.injected, found.recovery, found.sessions) == (2, 1.5, 1)


@pytest.mark.parametrize(
    "second", [token(3, mark="2"), token(3, secret="t")], ids=["text", "secret"]
)
def test_two_different_tokens_of_one_generation_are_two_lines(second):
    found = outcome_of(line(token(2), token(3), second))

    assert found.doubled > 0
    assert not found.right


def test_the_same_token_handed_out_again_is_no_second_line():
    assert outcome_of(line(token(3), token(3))).right


@pytest.mark.parametrize("row", [Row(generation=4, ended=False), ENDED, None], ids=str)
def test_a_row_that_is_elsewhere_than_the_client_of_a_live_session_is_wrong(row):
    assert outcome_of(line(), row=row).doubled == 1


def test_of_answers_that_cross_the_newer_token_is_the_one_to_go_on_with():
    crossed = line(token(2), token(4), token(3))

    assert crossed.tokens[-1].generation == crossed.generation == 4
    assert crossed.access == f"access for {token(4)}"


def test_a_session_that_its_client_had_to_give_up_is_lost_and_the_reason_told():
    found = outcome_of(line(lost_to="token_reused"), row=ENDED)

    assert found.lost == {"token_reused": 1}
    assert not found.right


def test_an_ended_session_that_is_let_in_or_whose_row_lives_is_revived():
    let_in = line(ended_at=200.0, let_in_after_end=True)

    assert outcome_of(let_in, row=ENDED).revived == 1
    assert outcome_of(line(ended_at=200.0), row=ALIVE).revived == 1
    assert outcome_of(line(ended_at=200.0), row=ENDED).right


def test_only_what_was_done_while_commits_were_lost_is_excused():
    forgotten = [Forgotten(since=199.0, until=201.0)]
    ended, before = line(ended_at=200.0), line(ended_at=198.9)
    started = line(started_at=200.0, lost_to="token_invalid")
    gone = line(started_at=198.9, lost_to="token_invalid")

    excused = outcome_of(ended, started, forgotten=forgotten)
    assert (excused.forgotten_ends, excused.forgotten_starts) == (1, 1)
    assert excused.right
    assert outcome_of(before, forgotten=forgotten).revived == 1
    assert outcome_of(gone, forgotten=forgotten).lost == {"token_invalid": 1}


def test_a_token_that_a_failover_forgot_may_be_made_again_and_no_other():
    forgotten = [Forgotten(since=199.5, until=201.5)]
    again = outcome_of(line(token(3, at=200), token(3, at=203)), forgotten=forgotten)
    before = outcome_of(line(token(3, at=198), token(3, at=203)), forgotten=forgotten)
    other = line(token(3, at=200), token(3, at=203, secret="t"))

    assert (again.doubled, again.forgotten_tokens) == (0, 1)
    assert (before.doubled, before.forgotten_tokens) == (1, 0)
    assert outcome_of(other, forgotten=forgotten).doubled == 1
    assert outcome_of(line(token(3, at=200), token(3, at=203))).doubled == 1


def test_an_error_that_is_no_503_is_wrong():
    found = outcome_of(line(), tally={"503": 7, "broken": 2, "wrong 500": 1})

    assert (found.unavailable, found.broken, found.errors) == (7, 2, {"wrong 500": 1})
    assert not found.right


def test_the_table_has_a_row_for_each_fault_and_explains_what_went_wrong():
    written = table([outcome_of(line()), outcome_of(line(lost_to="token_reused"))])

    assert [cell.strip() for cell in written.splitlines()[0].split("|")][1:-1] == [
        *COLUMNS.values()
    ]
    assert len(written.splitlines()) == 6
    assert written.endswith("some: 1 x token_reused")


def test_a_fault_that_does_not_exist_is_refused_with_those_that_do(capsys):
    pytest.importorskip("psycopg", reason="needs the package psycopg")
    with pytest.raises(SystemExit):
        faults.arguments(["--faults", "workers,flood"])

    assert "no such fault: flood; there are workers, restart" in capsys.readouterr().err


def test_what_is_not_installed_is_named(monkeypatch, capsys):
    monkeypatch.setattr(faults, "find_spec", lambda module: None if module == "redis" else module)
    with pytest.raises(SystemExit):
        faults.arguments([])

    assert "not installed: redis" in capsys.readouterr().err


# It runs a PostgreSQL of its own; where the suite has none, there is nothing to skip.
if connection.vendor == "postgresql":

    def test_answers_lost_after_the_commit_cost_no_session(tmp_path):
        pytest.importorskip("gunicorn", reason="needs the package gunicorn")
        figures = tmp_path / "figures.json"
        options = ["--faults", "cut", "--seconds", "1", "--clients", "4", "--json", str(figures)]

        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.faults", *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

        assert ran.returncode == 0, ran.stdout + ran.stderr
        (found,) = json.loads(figures.read_text())["faults"]
        assert found["unavailable"] > 0
        assert found["refreshes"] > found["retries"] > 0
