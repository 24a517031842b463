"""``export_events``: what it writes, where to, and what it refuses."""

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.sign_ins import START
from token_lifecycle.management.commands import export_events
from token_lifecycle.models import EventKind, SessionEvent
from token_lifecycle.testing import UserFactory

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent


def record(**fields):
    fields = {"kind": EventKind.STARTED, "created_at": START, **fields}
    return SessionEvent.objects.create(**fields)


def run(*arguments, **options):
    out = io.StringIO()
    call_command("export_events", *arguments, stdout=out, no_color=True, **options)
    return out.getvalue()


def exported(*arguments):
    """The keys of the events that are written."""
    lines = run("--format", "json", *arguments).splitlines()
    return [json.loads(line)["id"] for line in lines]


def test_it_writes_csv_unless_json_is_asked_for():
    record(user_agent="é=1, =2")
    assert run().splitlines()[0].startswith("time,event,reason,")
    assert '"é=1,\' =2"' in run()
    assert json.loads(run("--format", "json"))["user_agent"] == "é=1, =2"


def test_a_form_that_is_none_is_refused():
    with pytest.raises(CommandError, match="invalid choice"):
        run("--format", "xml")


def test_since_is_included_and_until_is_not():
    before, at, after = (record(created_at=START + timedelta(seconds=n)) for n in (-1, 0, 1))
    assert exported("--since", "2026-03-01T12:00:00Z") == [after.pk, at.pk]
    assert exported("--until", "2026-03-01T12:00:00Z") == [before.pk]
    assert exported("--since", "2026-03-01T11:59:59Z", "--until", "2026-03-01 12:00:01Z") == [
        at.pk,
        before.pk,
    ]


def test_a_day_begins_at_midnight_where_the_project_is(settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    last = record(created_at=datetime(2026, 2, 28, 14, 59, 59, tzinfo=UTC))
    first = record(created_at=datetime(2026, 2, 28, 15, 0, tzinfo=UTC))
    assert exported("--since", "2026-03-01") == [first.pk]
    assert exported("--until", "2026-03-01T00:00") == [last.pk]


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-02-30",
        "2026-03-01T25:00",
        "1",
        "\0",
        "x" * 9999,
        "0001-01-01T00:00+12:00",
        "9999-12-31T23:00-12:00",
    ],
)
@pytest.mark.parametrize("option", ["--since", "--until"])
def test_a_time_that_is_none_is_an_error_and_not_a_traceback(option, text):
    with pytest.raises(CommandError, match="is no date"):
        run(option, text)


def test_a_user_is_named_by_name_or_key():
    anna = UserFactory(username="anna")
    theirs = record(user=anna)
    record(user=UserFactory())
    record()
    assert exported("--user", "anna") == exported("--user", str(anna.pk)) == [theirs.pk]
    with pytest.raises(CommandError, match="no user"):
        run("--user", "nobody")


def test_several_kinds_can_be_asked_for():
    started = record()
    reuse = record(kind=EventKind.REUSE_DETECTED)
    record(kind=EventKind.NEW_CLIENT)
    assert exported("--kind", "reuse_detected", "--kind", "started") == [reuse.pk, started.pk]
    with pytest.raises(CommandError, match="invalid choice"):
        run("--kind", "nonsense")


def test_a_file_is_utf_8_whole_and_for_nobody_else(tmp_path):
    record(user_agent="é")
    file = tmp_path / "trail.csv"
    assert run("--output", str(file)) == ""
    assert file.read_bytes().decode() == run()
    assert file.read_bytes().count(b"\r\n") == 2
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["trail.csv"]


def test_an_export_that_fails_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "trail.csv"
    file.write_text("older")

    def fail(*arguments):
        yield "begun"
        raise RuntimeError

    monkeypatch.setattr(export_events, "export", fail)
    with pytest.raises(RuntimeError):
        run("--output", str(file))
    assert file.read_text() == "older"
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_where_nothing_can_be_written_is_an_error(tmp_path):
    with pytest.raises(CommandError, match="cannot be written"):
        run("--output", str(tmp_path / "missing" / "trail.csv"))


@pytest.mark.parametrize("option", ["--since", "--until", "--user", "--output"])
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_value_is_refused_where_it_would_mean_everything(option, value):
    with pytest.raises(CommandError, match=f"{option} is empty"):
        run(f"{option}={value}")


def test_a_period_that_ends_before_it_begins_is_refused():
    with pytest.raises(CommandError, match="later than --since"):
        run("--since", "2026-03-02", "--until", "2026-03-01")


def test_what_a_link_leads_to_is_written_and_the_link_stays(tmp_path):
    record()
    file, link = tmp_path / "trail.csv", tmp_path / "newest.csv"
    file.write_text("older")
    link.symlink_to(file)
    run("--output", str(link))
    assert link.is_symlink()
    assert file.read_bytes().decode() == run()


def test_a_pipe_is_written_to_and_not_taken_the_place_of(tmp_path):
    record()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    run("--output", str(pipe))
    assert os.read(reader, 10_000).decode() == run()
    os.close(reader)
    assert pipe.is_fifo()


def test_a_directory_is_no_place_to_write_to(tmp_path):
    with pytest.raises(CommandError, match="cannot be written"):
        run("--output", str(tmp_path))


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("where", [[], ["--output", "-"], ["--output"]])
def test_it_tells_how_many_it_has_written_beside_what_it_writes(tmp_path, form, where):
    record(user=UserFactory(username="two\r\nlines"))
    record()
    told, where = io.StringIO(), [*where, str(tmp_path / "f")] if where == ["--output"] else where
    written = run("--format", form, *where, stderr=told)
    assert told.getvalue() == "Wrote 2 events.\n"
    assert bool(written) == (where in ([], ["--output", "-"]))
    run("--format", form, *where, stderr=told, verbosity=0)
    assert told.getvalue() == "Wrote 2 events.\n"


# In a process of its own, whose standard output is a real one.

PROGRAM = """
import django
django.setup()
from django.core.management import call_command
from token_lifecycle.management.commands import export_events

def pieces(*arguments):
    for number in range({count}):
        yield "é" * 1000 + "\\r\\n"

export_events.export = pieces
call_command("export_events")
"""


def process(count, **options):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(count=count)],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", **options},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_reader_who_has_enough_ends_it_quietly():
    running = process(10_000)
    running.stdout.read(10)
    running.stdout.close()
    assert running.stderr.read() == b""
    running.stderr.close()
    assert running.wait() == 0


def test_it_writes_utf_8_whatever_the_terminal_speaks():
    out, complaints = process(1, PYTHONIOENCODING="ascii").communicate()
    assert complaints == b"Wrote 0 events.\n"
    assert out == b"\xc3\xa9" * 1000 + b"\r\n"
