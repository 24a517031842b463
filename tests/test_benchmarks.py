"""The benchmark's own parts, and one short run of it. What it measures is not tested here."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import jwt
import pytest
from django.utils import timezone

from benchmarks import __main__ as command
from benchmarks import chart, contenders, figures
from benchmarks.by_hand import rotate as rotate_by_hand
from benchmarks.contenders import (
    BY_HAND,
    NOTHING,
    OAUTH_TOOLKIT,
    OURS,
    OURS_MEMORY,
    SIMPLEJWT_BLACKLIST,
    Job,
)
from benchmarks.exchange import Exchange
from benchmarks.figures import Line, Served
from benchmarks.load import Tally, answer_of, client, exchange_from, message
from token_lifecycle import lifecycle
from token_lifecycle.device import Device
from token_lifecycle.models import Session
from token_lifecycle.testing import UserFactory

DEVICE = Device(ip_address="192.0.2.7", user_agent="Phone/2.0")
ROOT = Path(__file__).parent.parent


def refresh(name, median, statements=0, **more):
    line = {"job": Job.REFRESH, "name": name, "statements": statements, "median_ms": median}
    return Line(**{**line, "p95_ms": median * 2, **more})


def cells(row):
    return " ".join(row.split())


LINES = [
    refresh(NOTHING, 0.2),
    refresh(BY_HAND, 0.7, 2),
    refresh(SIMPLEJWT_BLACKLIST, 4.0, 13, rows=2.0, bytes=593.4),
    refresh(OURS, 1.0, 2, rows=0.0, bytes=0.0),
]


# The figures


def test_a_ratio_says_how_many_times_as_long_a_contender_takes():
    assert figures.ratio(LINES[2], LINES[3]) == 4.0
    assert figures.ratio(LINES[2], None) is None


def test_the_table_compares_with_simplejwt_and_with_the_empty_view_of_the_same_job():
    title, head, _, *rows = figures.table_of(LINES).splitlines()
    assert title == Job.REFRESH.title
    assert cells(head) == "statements median p95 x simplejwt x empty rows bytes"
    assert cells(rows[2]) == "token_lifecycle 2 1.000 ms 2.000 ms 0.25 5.0 0 0"


def test_the_table_begins_with_the_fastest_and_keeps_its_columns_straight():
    _, head, rule, *rows = figures.table_of(LINES).splitlines()
    assert [row.split("  ")[0] for row in rows] == [NOTHING, BY_HAND, OURS, SIMPLEJWT_BLACKLIST]
    assert {len(row) for row in (head, rule, *rows)} == {len(head)}


def test_the_table_fits_a_terminal_of_a_hundred_columns():
    slow = [*LINES, refresh(OAUTH_TOOLKIT, 100.0, 18, rows=2.5, bytes=1234.0)]
    assert max(map(len, figures.table_of(slow).splitlines())) <= 100
    assert max(map(len, figures.NOTE.splitlines())) <= 100


def test_what_cannot_be_told_is_a_dash_and_not_a_nought():
    unknown = refresh(OURS, 1.0, 2, rows=None, bytes=None)
    assert figures.table_of([unknown]).splitlines()[-1].split()[-4:] == ["-"] * 4


def test_each_job_has_a_block_of_its_own():
    listed = replace(LINES[3], job=Job.LIST)
    blocks = figures.table_of([*LINES, listed]).split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [Job.REFRESH.title, Job.LIST.title]


def served(name, per_second):
    return Served(
        job=Job.REFRESH,
        name=name,
        per_second=per_second,
        median_ms=2.0,
        p99_ms=9.0,
        failures=3,
        load_share=0.125,
    )


def test_behind_a_server_the_ratios_are_of_requests_per_second():
    lines = [served(SIMPLEJWT_BLACKLIST, 100.0), served(OURS, 400.0), served(NOTHING, 800.0)]
    row = figures.table_of_served(lines).splitlines()[-2]
    assert cells(row) == "token_lifecycle 400 2.00 ms 9.00 ms 4.00 0.50 3 12%"


def claim_of(lines, words):
    return next(claim for claim in figures.claims(lines) if words in claim.text)


@pytest.mark.parametrize(("median", "holds"), [(1.33, True), (1.34, False)])
def test_the_claim_to_be_three_times_as_fast_as_simplejwt_holds_up_to_the_limit(median, holds):
    lines = [refresh(OURS, median), refresh(SIMPLEJWT_BLACKLIST, 4.0)]
    assert claim_of(lines, "as fast as simplejwt").holds is holds


@pytest.mark.parametrize(("median", "holds"), [(1.5, True), (1.52, False)])
def test_the_claim_to_stay_near_the_same_by_hand_holds_up_to_the_limit(median, holds):
    lines = [refresh(OURS, median), refresh(BY_HAND, 1.0)]
    assert claim_of(lines, BY_HAND).holds is holds


def test_a_third_statement_breaks_a_claim():
    assert claim_of([refresh(OURS, 1.0, 2)], "statements").holds
    assert not claim_of([refresh(OURS, 1.0, 3)], "statements").holds


def test_nothing_is_claimed_about_a_peer_that_was_not_measured():
    assert not any(OAUTH_TOOLKIT in claim.text for claim in figures.claims(LINES))


def test_the_table_of_claims_says_of_each_whether_it_holds():
    text = figures.table_of_claims(figures.claims([refresh(OURS, 1.0, 3), refresh(BY_HAND, 1.0)]))
    assert [line.split()[0] for line in text.splitlines()] == ["FAILS", "holds"]


# The chart


def elements(svg, kind):
    return list(ET.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{kind}"))


def test_the_chart_has_a_bar_for_each_line_and_marks_ours():
    bars = elements(chart.chart_of(LINES, "made up"), "rect")
    assert [bar.get("class") for bar in bars] == [None, None, "ours", None]


def test_the_bars_are_as_long_as_the_medians():
    widths = [float(bar.get("width")) for bar in elements(chart.chart_of(LINES, ""), "rect")]
    assert [round(width / widths[0], 1) for width in widths] == [1.0, 3.5, 5.0, 20.0]


def test_nothing_in_the_chart_leaves_it():
    svg = chart.chart_of(LINES, "made up")
    _, _, width, height = map(float, ET.fromstring(svg).get("viewBox").split())
    assert max(float(text.get("y")) for text in elements(svg, "text")) < height
    # At 13 pixels a character is seldom wider than 8.
    assert max(float(t.get("x")) + 8 * len(t.text) for t in elements(svg, "text")) < width


def test_the_chart_can_be_listened_to():
    (described,) = elements(chart.chart_of(LINES, ""), "desc")
    assert all(f"{line.name} {line.median_ms:.2f} ms" in described.text for line in LINES)


def test_the_chart_has_colours_for_a_dark_page_too():
    assert "prefers-color-scheme: dark" in elements(chart.chart_of(LINES, ""), "style")[0].text


def test_the_chart_keeps_markup_in_a_caption_to_itself():
    texts = elements(chart.chart_of(LINES, "a < b & c"), "text")
    assert texts[-1].text == "a < b & c"


# The JSON


def test_the_json_holds_every_line_and_what_came_of_the_claims():
    document = json.loads(command.as_json({"rounds": 3}, LINES, [served(OURS, 400.0)]))
    assert document["about"] == {"rounds": 3}
    assert [Line(**line) for line in document["lines"]] == LINES
    assert document["served"][0]["per_second"] == 400.0
    assert {claim["holds"] for claim in document["claims"]} == {True}


# The contenders


def test_no_two_contenders_of_a_job_share_a_name():
    names = [(contender.job, contender.name) for contender in contenders.CONTENDERS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("job", Job)
def test_every_job_has_the_empty_view_and_this_app(job):
    names = [contender.name for contender in contenders.present([job])]
    assert NOTHING in names
    assert any(name.startswith(OURS) for name in names)


@pytest.mark.parametrize("job", figures.PEER)
def test_the_one_that_a_job_is_compared_with_takes_part_in_it(job):
    assert figures.PEER[job] in [contender.name for contender in contenders.present([job])]


def test_the_claims_are_about_contenders_that_exist():
    known = {(contender.job, contender.name) for contender in contenders.CONTENDERS}
    claimed = [
        (job, name) for job, *names, _ in (*figures.FASTER, *figures.NO_SLOWER) for name in names
    ]
    assert known.issuperset(claimed)
    assert known.issuperset((job, name) for job, name, _ in figures.STATEMENTS)


def test_a_peer_that_is_not_installed_is_left_out_and_named(monkeypatch):
    monkeypatch.setitem(contenders.PEERS, OURS_MEMORY, ("the-package", ["json", "no.such.module"]))
    assert contenders.missing()[OURS_MEMORY] == "not installed: pip install 'the-package'"
    assert OURS_MEMORY not in [contender.name for contender in contenders.present()]


# The floor


@pytest.fixture
def _lifetimes(settings):
    settings.SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=15)}


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


@pytest.mark.usefixtures("_lifetimes")
@pytest.mark.django_db(transaction=True)
def test_what_is_rotated_by_hand_comes_out_as_this_app_would_have_made_it():
    first = lifecycle.start_session(UserFactory(), device=DEVICE)
    now = timezone.now()
    by_hand = rotate_by_hand(first.refresh, DEVICE.ip_address, DEVICE.user_agent, now)
    row = Session.objects.values().get()
    assert (row["generation"], row["rotated_at"]) == (2, now)
    Session.objects.update(generation=1, rotated_at=first.issued_at)
    ours = lifecycle.rotate(first.refresh, device=DEVICE, now=now)
    assert Session.objects.values().get() == row
    assert by_hand["refresh"] == ours.refresh
    by_hand, ours = claims_of(by_hand["access"]), claims_of(ours.access)
    assert by_hand.keys() == ours.keys()
    assert {name for name in ours if ours[name] != by_hand[name]} == {"jti"}


@pytest.mark.usefixtures("_lifetimes")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": datetime(2020, 1, 1, tzinfo=UTC), "revocation_reason": "admin"},
        {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"generation": 2},
        {"secret_digest": "0" * 64},
        {"auth_hash": "0" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_by_hand_too_nothing_is_rotated_that_should_not_be(change):
    first = lifecycle.start_session(UserFactory())
    Session.objects.update(**change)
    with pytest.raises(ValueError):
        rotate_by_hand(first.refresh, "192.0.2.7", "", timezone.now())
    assert Session.objects.get().rotated_at == first.issued_at


# The command line


def test_without_gunicorn_the_part_over_http_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda module: None)
    with pytest.raises(SystemExit):
        command.arguments(["--http"])
    assert "needs gunicorn, which is not installed: pip install" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["--rounds", "2"], ["--only", "everything"]])
def test_arguments_that_make_no_sense_are_refused(given, capsys):
    with pytest.raises(SystemExit):
        command.arguments(given)
    assert "error" in capsys.readouterr().err


# The requests


ROTATING = Exchange(path="/refresh/", body={"refresh": "first"}, takes=("data", "refresh"))


def test_the_next_request_carries_what_the_answer_brought():
    assert ROTATING.after(b'{"data": {"refresh": "second"}}').body == {"refresh": "second"}


def test_a_request_that_takes_nothing_from_the_answer_stays_as_it_is():
    check = Exchange(path="/check/")
    assert check.after(b"no JSON") is check


def test_an_exchange_is_the_same_after_its_way_to_the_other_process():
    travelled = json.loads(json.dumps(command.asdict(ROTATING)))
    assert exchange_from(travelled) == ROTATING


def test_a_request_on_the_wire_is_complete():
    head, _, body = message(ROTATING, "localhost").partition(b"\r\n\r\n")
    assert head.startswith(b"POST /refresh/ HTTP/1.0\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"refresh": "first"}


def test_a_form_is_sent_as_a_form():
    form = replace(ROTATING, form=True)
    assert (form.content(), form.content_type) == (
        b"refresh=first",
        "application/x-www-form-urlencoded",
    )


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"\r\n\r\n"])
def test_an_answer_that_breaks_off_is_no_answer(raw):
    with pytest.raises(ValueError, match="broke off"):
        answer_of(raw)


def test_an_answer_is_its_status_and_its_body():
    assert answer_of(b"HTTP/1.1 401 Unauthorized\r\nA: b\r\n\r\n{}") == (401, b"{}")


def test_a_refused_request_counts_as_a_failure_and_not_as_a_time(monkeypatch):
    answers = iter([(200, b'{"data": {"refresh": "second"}}'), (401, b"{}"), (200, b"{}")])
    moments = iter(range(100))
    monkeypatch.setattr("benchmarks.load.ask", lambda address, exchange: next(answers))
    monkeypatch.setattr("benchmarks.load.time.perf_counter", lambda: next(moments))
    tally = Tally()
    following = client(("localhost", 1), ROTATING, 9, tally)
    assert (len(tally.milliseconds), tally.failures) == (1, 2)
    assert following.body == {"refresh": "second"}


# All of it


def test_a_short_run_measures_all_that_is_asked_for_and_leaves_no_database(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    outputs = ["--json", tmp_path / "figures.json", "--svg", tmp_path / "figures.svg"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--rounds", "3", *outputs],
        cwd=ROOT,
        env={**environment, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "figures.json").read_text())
    measured = [(line["job"], line["name"]) for line in document["lines"]]
    assert measured == [(contender.job, contender.name) for contender in contenders.present()]
    assert all(job.title in done.stdout for job in Job)
    assert ET.parse(tmp_path / "figures.svg").getroot().tag.endswith("svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "figures.svg"]
