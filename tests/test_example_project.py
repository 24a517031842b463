"""The example project as a newcomer meets it: one command, and lines to paste."""

import re
import shutil
import subprocess
import sys

import httpx
import pytest
from django.utils import timezone

from example_project.shop import people
from example_project.shop.walkthrough import COMMAND_INDENT
from tests.demo_server import in_a_hurry, manage, serving
from token_lifecycle.models import EventKind, Session, SessionEvent, SessionStatus

MARK = "--- end of step ---"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("demo")) as started:
        yield started


@pytest.fixture
def host(demo):
    return demo[0]


@pytest.fixture
def browser(host):
    with httpx.Client(base_url=host, trust_env=False) as client:
        yield client


def steps_of(printed):
    """The commands of each printed step, to the letter."""
    steps = re.split(r"^\d+\. ", printed, flags=re.MULTILINE)[1:]
    return [
        "\n".join(line for line in step.splitlines() if line.startswith(COMMAND_INDENT))
        for step in steps
    ]


def sign_in(client, username="bruno", password=people.PASSWORD):
    answer = client.post("/api/auth/obtain/", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return answer.json()


def bearer(tokens):
    return {"Authorization": f"Bearer {tokens['access']}"}


# The command


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_printed_lines_do_what_they_say_when_pasted_in_order(demo, tmp_path):
    # These two and no other program: a newcomer may have nothing else.
    (tmp_path / "curl").symlink_to(shutil.which("curl"))
    (tmp_path / "python3").symlink_to(sys.executable)
    _, printed = demo
    pasted = f"\necho; echo '{MARK}'\n".join(steps_of(printed.read_text()))
    shell = subprocess.run(
        [shutil.which("bash"), "--norc", "-s"],
        input=pasted,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    shown = [answer.strip() for answer in shell.stdout.split(MARK)]

    assert shell.stderr == ""
    shorthand, signed_in, orders, refreshed, sessions, logout_all, refused = shown
    assert (shorthand, signed_in) == ("", "")
    assert '"customer":"anna"' in orders
    assert refreshed == "the same token twice"
    assert sessions.count('"current": true') == 1
    assert sessions.count('"current": false') == 2
    assert logout_all == '{"revoked":3}'
    access_refused, refresh_refused = refused.split("\n")
    assert '"code":"session_revoked"' in access_refused
    assert '"code":"session_revoked"' in refresh_refused


def test_the_demo_says_where_to_look_and_who_to_be(demo):
    host, printed = demo
    text = printed.read_text()
    assert f"{host}/\n" in text
    assert f"{host}/admin/\n" in text
    assert f"sign in as admin (password: {people.PASSWORD})" in text


def test_the_demo_can_be_run_twice(tmp_path):
    variables = in_a_hurry(tmp_path)
    first = manage("demo", "--no-serve", **variables)
    second = manage("demo", "--no-serve", **variables)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout
    assert first.stderr == second.stderr == ""


def test_the_demo_is_refused_where_its_known_passwords_would_do_harm(tmp_path):
    settings = tmp_path / "deployed.py"
    settings.write_text("from example_project.settings import *\nDEBUG = False\n")
    refused = manage(
        "demo",
        "--no-serve",
        DJANGO_SETTINGS_MODULE="deployed",
        PYTHONPATH=str(tmp_path),
        DATABASE_URL=f"sqlite:///{tmp_path}/demo.sqlite3",
    )
    assert refused.returncode == 1
    assert "not without DEBUG" in refused.stderr


@pytest.mark.parametrize(
    ("addr", "printed"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost:9000", "http://localhost:9000"),
        ("0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("8080", "http://127.0.0.1:8080"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_address_that_is_printed_can_be_typed(addr, printed):
    from example_project.shop.management.commands.demo import host_of

    assert host_of(addr) == printed


# The settings


def test_the_project_runs_without_dj_database_url():
    absent = "import runpy, sys; sys.modules['dj_database_url'] = None"
    run = "sys.argv[0] = 'manage.py'; runpy.run_path('manage.py', run_name='__main__')"
    checked = manage("check", program=("-c", f"{absent}; {run}"))
    assert checked.returncode == 0, checked.stderr


def test_the_check_finds_nothing():
    checked = manage("check", "--fail-level", "DEBUG")
    assert checked.returncode == 0, checked.stderr


def test_the_deploy_check_finds_the_cookie_the_cache_and_the_shared_key_and_nothing_else():
    checked = manage("check", "--deploy")
    found = re.findall(r"token_lifecycle\.\w+", checked.stderr)
    assert sorted(found) == [f"token_lifecycle.{n}" for n in ("W010", "W034", "W043")]


def test_no_migration_is_missing():
    assert manage("makemigrations", "--check", "--dry-run").returncode == 0


# The people


@pytest.mark.django_db
def test_the_people_come_with_sessions_of_every_kind():
    now = timezone.now()
    people.make_people(now)
    found = {session.status(now) for session in Session.objects.all()}
    assert found == set(SessionStatus)
    reasons = set(Session.objects.values_list("revocation_reason", flat=True))
    assert {"", "logout", "admin", "reuse_detected"} == reasons


@pytest.mark.django_db
def test_the_sessions_have_the_events_that_such_a_life_leaves_behind():
    people.make_people(timezone.now())
    kinds = set(SessionEvent.objects.values_list("kind", flat=True))
    assert {EventKind.STARTED, EventKind.REVOKED, EventKind.REUSE_DETECTED} <= kinds


@pytest.mark.django_db
def test_making_the_people_twice_adds_nobody_and_no_session():
    people.make_people(timezone.now())
    before = sorted(Session.objects.values_list("pk", flat=True))
    people.make_people(timezone.now())
    assert sorted(Session.objects.values_list("pk", flat=True)) == before


@pytest.mark.django_db
def test_a_session_that_was_ended_on_the_page_is_there_again_after_a_restart(django_user_model):
    people.make_people(timezone.now())
    live = Session.objects.filter(user__username="anna").live(timezone.now())
    assert live.update(revoked_at=timezone.now(), revocation_reason="logout_all") == 2
    people.make_people(timezone.now())
    assert live.count() == 2


@pytest.mark.django_db
def test_a_password_changed_on_the_page_is_the_printed_one_after_a_restart(django_user_model):
    people.make_people(timezone.now())
    anna = django_user_model.objects.get(username="anna")
    anna.set_password("something-else")
    anna.save()
    people.make_people(timezone.now())
    anna.refresh_from_db()
    assert anna.check_password(people.PASSWORD)


# The shop


def test_the_orders_are_shown_to_whoever_is_signed_in_and_to_nobody_else(browser):
    assert browser.get("/api/orders/").status_code == 401
    orders = browser.get("/api/orders/", headers=bearer(sign_in(browser)))
    assert orders.json()["customer"] == "bruno"


def test_a_password_change_keeps_this_device_and_ends_the_others(browser):
    here, elsewhere = sign_in(browser, "carla"), sign_in(browser, "carla")
    change = {"old_password": people.PASSWORD, "new_password": "ink-and-paper"}
    try:
        changed = browser.post("/api/password/", json=change, headers=bearer(here))
        assert changed.status_code == 204
        assert browser.get("/api/orders/", headers=bearer(here)).status_code == 200
        refused = browser.get("/api/orders/", headers=bearer(elsewhere))
        assert (refused.status_code, refused.json()["code"]) == (401, "session_revoked")
        kept = browser.post("/api/auth/refresh/", json={"refresh": here["refresh"]})
        assert kept.status_code == 200
    finally:
        back = {"old_password": "ink-and-paper", "new_password": people.PASSWORD}
        browser.post("/api/password/", json=back, headers=bearer(here))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"old_password": "wrong", "new_password": "ink-and-paper"}, "old_password"),
        ({"old_password": people.PASSWORD, "new_password": "short"}, "new_password"),
        ({"old_password": people.PASSWORD}, "new_password"),
        ([], "non_field_errors"),
    ],
)
def test_a_bad_password_change_is_refused_with_the_field_it_is_about(browser, change, field):
    refused = browser.post("/api/password/", json=change, headers=bearer(sign_in(browser)))
    assert refused.status_code == 400
    assert field in refused.json()


def test_a_sign_in_is_mailed_to_its_person_and_the_made_up_past_is_not(demo, browser):
    _, printed = demo
    browser.post(
        "/api/auth/obtain/",
        json={"username": "carla", "password": people.PASSWORD, "device_name": "New phone"},
    )
    mails = [line for line in printed.read_text().splitlines() if "Somebody signed in" in line]
    assert "Somebody signed in as carla from New phone (127.0.0.1)." in mails
    assert not [mail for mail in mails if "Library" in mail]


def test_both_ways_of_delivery_are_served(browser):
    assert browser.get("/auth/csrf/").status_code == 204
    token = browser.cookies["csrftoken"]
    answer = browser.post(
        "/auth/obtain/",
        json={"username": "bruno", "password": people.PASSWORD},
        headers={"X-CSRFToken": token},
    )
    assert "refresh" not in answer.json()
    assert "refresh_token" in answer.cookies
    assert "refresh" in sign_in(browser)


def test_the_admin_and_its_style_sheets_are_served(browser):
    assert browser.get("/admin/login/").status_code == 200
    assert browser.get("/static/admin/css/base.css").status_code == 200
