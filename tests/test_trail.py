"""The audit trail as CSV and as JSON lines."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.sign_ins import START
from token_lifecycle import trail
from token_lifecycle.models import EventKind, RevocationReason, SessionEvent
from token_lifecycle.testing import SessionFactory, UserFactory
from token_lifecycle.trail import Format, export, harmless

pytestmark = pytest.mark.django_db

COLUMNS = [
    "time",
    "event",
    "reason",
    "session",
    "user",
    "user_name",
    "actor",
    "actor_name",
    "ip_address",
    "user_agent",
    "generation",
    "id",
]


def record(**fields):
    fields = {"kind": EventKind.STARTED, "created_at": START, **fields}
    return SessionEvent.objects.create(**fields)


def as_csv(events=None):
    events = SessionEvent.objects.all() if events is None else events
    return list(csv.DictReader(io.StringIO("".join(export(events, Format.CSV)))))


def as_json(events=None):
    events = SessionEvent.objects.all() if events is None else events
    return [json.loads(line) for line in "".join(export(events, Format.JSON)).splitlines()]


def test_a_line_tells_all_of_an_event_and_calls_people_by_their_names():
    anna, boss = UserFactory(username="anna"), UserFactory(username="boss")
    session = SessionFactory(user=anna)
    event = record(
        kind=EventKind.REVOKED,
        reason=RevocationReason.ADMIN,
        session=session,
        user=anna,
        actor=boss,
        ip_address="192.0.2.1",
        user_agent="curl/8",
        generation=3,
        created_at=datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
    )
    told = {
        "time": "2026-03-01T12:00:00.123456+00:00",
        "event": "revoked",
        "reason": "admin",
        "session": str(session.pk),
        "user": anna.pk,
        "user_name": "anna",
        "actor": boss.pk,
        "actor_name": "boss",
        "ip_address": "192.0.2.1",
        "user_agent": "curl/8",
        "generation": 3,
        "id": event.pk,
    }
    assert as_json() == [told]
    assert as_csv() == [{name: str(value) for name, value in told.items()}]


def test_the_columns_have_the_names_and_the_order_that_are_promised():
    record()
    assert list(trail.columns()) == COLUMNS
    assert "".join(export(SessionEvent.objects.all(), Format.CSV)).startswith(",".join(COLUMNS))
    assert list(as_json()[0]) == COLUMNS


def test_what_is_not_known_is_empty_or_null():
    record(session=None, user=None)
    assert as_csv()[0]["user"] == as_csv()[0]["session"] == as_csv()[0]["actor_name"] == ""
    assert as_json()[0]["user"] is as_json()[0]["session"] is as_json()[0]["actor_name"] is None


def test_times_are_in_utc_whatever_the_zone_of_the_project(settings):
    settings.TIME_ZONE = "America/New_York"
    record()
    with timezone.override("Asia/Tokyo"):
        assert as_json()[0]["time"] == "2026-03-01T12:00:00+00:00"


def test_an_empty_trail_is_a_heading_in_csv_and_nothing_in_json():
    assert "".join(export(SessionEvent.objects.all(), Format.CSV)) == ",".join(COLUMNS) + "\r\n"
    assert "".join(export(SessionEvent.objects.all(), Format.JSON)) == ""


def test_no_column_of_a_session_or_a_user_but_a_name_is_ever_read():
    session = SessionFactory()
    record(session=session, user=session.user)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        text = "".join(export(SessionEvent.objects.all(), Format.JSON))
    statements = " ".join(query["sql"] for query in captured)
    for secret in ("secret_digest", "auth_hash", "password"):
        assert secret not in statements
    assert session.secret_digest not in text


# What a spreadsheet would take for a formula


@pytest.mark.parametrize(
    "text",
    [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-1+1",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\tfoo",
        " =1",
        "\u00a0=1",
        "\u200b=1",
        "\ufeff=1",
        "\uff1dcmd",
        "\uff0b1",
        "\uff0d1",
        "\uff20SUM",
        " \uff1d1",
    ],
    ids=ascii,
)
def test_what_would_be_a_formula_is_a_text_in_csv_and_exact_in_json(text):
    record(user_agent=text)
    assert harmless(text) == f"'{text}"
    assert as_csv()[0]["user_agent"].replace("\r\n", "\n") == f"'{text}".replace("\r\n", "\n")
    assert as_json()[0]["user_agent"] == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a; =1", "a;' =1"),
        ("a,+1", "a,'+1"),
        ("a\t=1", "a\t'=1"),
        ("a|@x", "a|'@x"),
        ("a\n-1", "a\n'-1"),
        ("=1;=2", "'=1;'=2"),
    ],
)
def test_what_would_begin_a_cell_for_another_separator_is_a_text_too(text, written):
    assert harmless(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        "anna-maria",
        "anna@example.com",
        "a=b",
        "192.0.2.1",
        "2001:db8::1",
        "::1",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)",
        "'=1",
        "éa=1",
        "مرحبا",
    ],
)
def test_what_is_no_formula_stays_as_it_is(text):
    assert harmless(text) == text


def test_a_user_name_is_made_harmless_like_everything_else():
    evil = UserFactory(username="=1+1")
    record(user=evil, actor=evil)
    assert as_csv()[0]["user_name"] == as_csv()[0]["actor_name"] == "'=1+1"


def test_quotes_and_line_breaks_stay_in_their_cell():
    record(user_agent='a"b,c\nd')
    assert as_csv()[0]["user_agent"] == 'a"b,c\nd'
    assert as_json()[0]["user_agent"] == 'a"b,c\nd'


# Many


def test_the_newest_comes_first_and_each_event_once_also_many_of_one_moment(monkeypatch):
    monkeypatch.setattr(trail, "CHUNK", 3)
    for minutes in (2, 1, 1, 1, 1, 1, 3, 0, 1):
        record(created_at=START + timedelta(minutes=minutes))
    expected = SessionEvent.objects.order_by("-created_at", "-pk").values_list("pk", flat=True)
    assert [line["id"] for line in as_json()] == list(expected)


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_a_full_last_piece_is_not_the_end_of_the_trail(monkeypatch, count):
    monkeypatch.setattr(trail, "CHUNK", 3)
    for _ in range(count):
        record()
    assert len(as_json()) == count


def test_what_is_written_meanwhile_disturbs_nothing(monkeypatch):
    monkeypatch.setattr(trail, "CHUNK", 2)
    for _ in range(4):
        record()
    pieces = export(SessionEvent.objects.all(), Format.JSON)
    first = next(pieces)
    record(created_at=START + timedelta(hours=1))
    assert len((first + "".join(pieces)).splitlines()) == 4


def test_the_filters_and_the_bounds_of_the_rows_hold_in_every_piece(monkeypatch):
    monkeypatch.setattr(trail, "CHUNK", 2)
    wanted = {record(kind=EventKind.NEW_CLIENT).pk for _ in range(5)}
    record()
    events = SessionEvent.objects.filter(kind=EventKind.NEW_CLIENT).distinct()
    assert {line["id"] for line in as_json(events)} == wanted


def test_nothing_is_read_before_it_is_asked_for():
    record()
    with CaptureQueriesContext(connection) as captured:
        pieces = export(SessionEvent.objects.all(), Format.CSV)
        next(pieces)
    assert len(captured) == 0


def test_memory_does_not_grow_with_the_number_of_events():
    def peak(count):
        SessionEvent.objects.bulk_create(
            SessionEvent(kind=EventKind.STARTED, created_at=START, user_agent="x" * 400)
            for _ in range(count)
        )
        tracemalloc.start()
        for _ in export(SessionEvent.objects.all(), Format.CSV):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    little = peak(2 * trail.CHUNK)
    assert peak(8 * trail.CHUNK) < 1.5 * little
