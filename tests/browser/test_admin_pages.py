"""The admin as staff use it, with a customer on the phone: find, look, end, prove."""

import re
from pathlib import Path

import httpx
import pytest

from example_project.shop.people import PASSWORD, STAFF
from tests.browser.conftest import PATIENCE
from tests.demo_server import serving

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}

SESSIONS = "/admin/token_lifecycle/session/"
EVENTS = "/admin/token_lifecycle/sessionevent/"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("demo")) as (address, _):
        yield address.replace("127.0.0.1", "localhost")


@pytest.fixture
def profile(chromium, host):
    def opened(**options):
        context = chromium.new_context(base_url=host, **options)
        context.set_default_timeout(PATIENCE * 1000)
        return context

    return opened


def sign_in(page):
    page.goto("/admin/")
    page.get_by_label("Username").fill(STAFF)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Sessions", exact=True).first.wait_for()


@pytest.fixture
def page(profile):
    page = profile().new_page()
    sign_in(page)
    return page


def search(page, text):
    page.goto(SESSIONS)
    page.locator("#searchbar").fill(text)
    page.get_by_role("button", name="Search").click()


@pytest.fixture
def customer(host):
    """Signs people in, by device."""
    with httpx.Client(base_url=host, trust_env=False) as http:
        yield lambda username, device: Customer(http, username, device)


class Customer:
    """Somebody with a device that is signed in."""

    def __init__(self, http, username, device):
        self.http = http
        body = {"username": username, "password": PASSWORD, "device_name": device}
        self.tokens = self.http.post("/api/auth/obtain/", json=body).json()

    def asks(self):
        bearer = {"Authorization": f"Bearer {self.tokens['access']}"}
        answer = self.http.get("/api/orders/", headers=bearer)
        return answer.status_code, answer.json().get("code")

    def refreshes(self):
        body = {"refresh": self.tokens["refresh"]}
        answer = self.http.post("/api/auth/refresh/", json=body)
        return answer.status_code, answer.json().get("code")


def test_a_newcomer_ends_one_of_several_sessions_and_sees_who_did_it(page, customer):
    """And the device is signed out at its next request, and by its next refresh."""
    lost, kept = customer("anna", "Lost phone"), customer("anna", "New phone")
    assert lost.asks()[0] == kept.asks()[0] == 200

    search(page, "anna")
    row = page.get_by_role("row").filter(has_text="Lost phone")
    row.get_by_role("link", name="Lost phone").click()
    page.get_by_role("link", name="End this session").click()
    page.get_by_text("1 live session will end.").wait_for()
    page.get_by_role("button", name="Yes, end it").click()
    page.get_by_text("1 session was ended.").wait_for()

    ended = page.get_by_role("listitem").filter(has_text="Ended by staff")
    assert f"done by {STAFF}" in ended.first.inner_text()
    assert lost.asks() == (401, "session_revoked")
    assert lost.refreshes() == (401, "session_revoked")
    assert kept.asks()[0] == 200


def test_the_timeline_says_why_another_session_died(page):
    search(page, "carla")
    page.get_by_role("link", name="Library computer").click()
    alarm = page.get_by_role("listitem").filter(has_text="Refresh token reuse detected")
    assert re.search("came back from 192.0.2.66", alarm.first.inner_text())


def test_from_the_page_of_a_user_all_their_sessions_end(page, customer):
    one, two = (customer("bruno", name) for name in ("One", "Two"))
    page.goto("/admin/auth/user/?q=bruno")
    page.get_by_role("link", name="bruno").click()
    page.get_by_role("button", name="End all sessions").click()
    page.get_by_role("button", name="Yes, end").click()
    page.get_by_text("sessions were ended.").wait_for()
    assert one.asks() == two.asks() == (401, "session_revoked")


def test_everybody_is_logged_out_after_a_phrase_was_typed(page, customer):
    somebody = customer("anna", "Some phone")
    page.goto(SESSIONS)
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Log everyone out").click()
    page.get_by_role("textbox").last.fill("log everyone")
    page.get_by_role("button", name="Log everyone out").click()
    assert somebody.asks()[0] == 200
    page.get_by_role("textbox").last.fill("log everyone out")
    page.get_by_role("button", name="Log everyone out").click()
    page.wait_for_url("**/admin/login/**")  # who did it is somebody, too
    assert somebody.asks() == (401, "session_revoked")


def test_the_page_of_ones_own_devices_marks_this_one_and_ends_another(page, profile):
    elsewhere = profile().new_page()
    sign_in(elsewhere)
    page.goto("/devices/")
    assert page.get_by_text("This device").count() == 1
    page.get_by_role("button", name="Sign out all other devices").or_(
        page.get_by_role("link", name="Sign out all other devices")
    ).first.click()
    page.get_by_role("button", name=re.compile("Sign out", re.IGNORECASE)).first.click()
    elsewhere.goto(SESSIONS)
    assert "/admin/login/" in elsewhere.url
    page.goto(SESSIONS)
    assert "/admin/login/" not in page.url


# Accessibility


def pages_of(page, device):
    """Every page of this app in the admin, by what it is; ``device`` is that of a live session."""
    search(page, "carla")
    session = page.get_by_role("link", name="Library computer").first.get_attribute("href")
    search(page, "anna")
    live = page.get_by_role("link", name=device).first.get_attribute("href")
    page.goto("/admin/auth/user/?q=carla")
    user = page.get_by_role("link", name="carla").get_attribute("href")
    page.goto(EVENTS)
    event = page.locator("#result_list tbody th a").first.get_attribute("href")
    return {
        "sessions": SESSIONS,
        "overview": f"{SESSIONS}overview/",
        "session": session.partition("?")[0],
        "ending": live.partition("?")[0].replace("change/", "end/"),
        "everybody": f"{SESSIONS}end-everybody/",
        "events": EVENTS,
        "event": event.partition("?")[0],
        "user": user.partition("?")[0],
        "your devices": "/devices/",
        "your devices, asked": "/devices/sign-out-all/",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_no_page_has_a_serious_fault_of_accessibility(profile, customer, scheme, device):
    size = PHONE if device == "phone" else {}
    page = profile(color_scheme=scheme, bypass_csp=True, **size).new_page()
    sign_in(page)
    customer("anna", f"{scheme} {device}")
    faults = []
    for name, path in pages_of(page, f"{scheme} {device}").items():
        page.goto(path)
        page.add_script_tag(path=AXE)
        found = page.evaluate("() => axe.run(document.querySelector('main') || document)")
        faults += [
            (
                name,
                fault["id"],
                [(node["html"][:160], node["failureSummary"][:160]) for node in fault["nodes"][:3]],
            )
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
            and any(is_ours(node) for node in fault["nodes"])
        ]
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), name
    assert faults == []


#: Written by Django's own templates, and the same on every page of its admin.
OF_DJANGO = ('id="searchbar"', 'class="help-tooltip')


def is_ours(node):
    return not any(mark in node["html"] for mark in OF_DJANGO)
