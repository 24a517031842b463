"""The benchmark of the admin's pages: it runs to its end, and opens every page there is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from django.contrib import admin
from django.db import connection

from benchmarks import admin_pages
from tests.sign_ins import START
from token_lifecycle.models import Session, SessionEvent

ROOT = Path(__file__).resolve().parent.parent


def report(**changed):
    page = {"name": "a page", "statements": 3, "first_ms": 9.0, "median_ms": 1.0, "max_ms": 2.0}
    return {"rows": {"sessions": 1_000_000}, "pages": [page | changed], "missing": ["another"]}


def test_the_report_has_a_line_for_each_page_also_for_one_that_is_missing(capsys):
    admin_pages.print_report(report())
    told = capsys.readouterr().out
    assert "1,000,000 sessions" in told
    assert "a page" in told
    assert "slow" not in told
    assert "is not there" in told


def test_a_page_that_takes_too_long_is_marked(capsys):
    admin_pages.print_report(report(median_ms=admin_pages.GOAL + 1))
    assert "slow" in capsys.readouterr().out


def test_a_page_of_another_version_is_named_and_not_opened():
    assert admin_pages._page("the page", "token_lifecycle_session_nonsense") == "the page"


def test_every_page_of_our_admins_is_opened(monkeypatch):
    monkeypatch.setattr(admin_pages, "_page", lambda what, name, *arguments, **query: name)
    known = SimpleNamespace(now=START, session="session", user=1, busy="busy", busy_user=2, event=3)
    opened = set(admin_pages.pages(known))
    ours = {
        url.name
        for model in (Session, SessionEvent)
        for url in admin.site.get_model_admin(model).get_urls()
        if url.name
    }
    # Nobody may add a row, and delete an event.
    refused = {
        "token_lifecycle_session_add",
        "token_lifecycle_sessionevent_add",
        "token_lifecycle_sessionevent_delete",
    }
    assert ours - refused <= opened


# It measures PostgreSQL; elsewhere there is nothing to skip.
if connection.vendor == "postgresql":

    def test_it_opens_every_list_page_and_question_and_removes_its_database(db, tmp_path):
        name = f"pages_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
        figures = tmp_path / "figures.json"
        url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"

        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.admin_pages", "--quick", "--json", str(figures)],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )

        assert ran.returncode == 0, ran.stderr
        found = json.loads(figures.read_text())
        assert found["rows"]["sessions"] == 2_000
        assert found["missing"] == []
        assert all(page["statements"] for page in found["pages"])
        assert not databases(name)

    def databases(name):
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE datname = %s", [name])
            return cursor.fetchall()
