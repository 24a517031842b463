"""The page of the example project, as a newcomer plays with it."""

import itertools

import httpx
import pytest

from example_project.shop.people import CUSTOMERS, PASSWORD, STAFF
from tests.browser.conftest import PATIENCE
from tests.demo_server import serving

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
REFRESHED = ("200", "POST /auth/refresh/")

#: Until the page has a token of the short life. One refresh need not do: it may join another that
#: was under way, whose token still lives long.
SHORT_LIVED = """async () => {
    const { auth } = await import('/static/shop/auth.js');
    do await auth.refresh(); while (auth.claims.exp - auth.claims.iat > 1);
}"""
UNTIL_DUE = """async () => {
    const { auth } = await import('/static/shop/auth.js');
    await new Promise((resolve) => setTimeout(resolve, auth.expiresAt - Date.now()));
}"""

#: In turn, so that one test's sessions are not in another's way.
people = itertools.cycle(CUSTOMERS)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("demo")) as (address, _):
        yield address.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def api(host):
    """A client of its own, signed in by password."""
    with httpx.Client(base_url=host, trust_env=False) as client:
        credentials = {"username": STAFF, "password": PASSWORD}
        tokens = client.post("/api/auth/obtain/", json=credentials).json()
        client.headers["Authorization"] = f"Bearer {tokens['access']}"
        yield client


@pytest.fixture
def profile(chromium, host):
    """Opens browser profiles: tabs of one share their cookies. Nothing may break the CSP."""
    complaints = []

    def opened(**options):
        context = chromium.new_context(base_url=host, **options)
        context.set_default_timeout(PATIENCE * 1000)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on(
            "console",
            lambda message: "Content Security" in message.text and complaints.append(message.text),
        )
        return context

    yield opened
    assert complaints == []


@pytest.fixture
def page(profile):
    page = profile().new_page()
    sign_in(page)
    return page


def sign_in(page, name=None):
    page.goto("/")
    page.wait_for_url("**/login/**")
    page.get_by_label(name or next(people)).check()
    page.get_by_role("button", name="Sign in").click()
    ready(page)


def ready(page):
    page.locator("body[data-ready]").wait_for()
    page.locator("#devices li").first.wait_for()


@pytest.fixture
def run_out(api):
    """Lets the token of a page run out. The next one lives long, however slow the machine is."""

    def waited(page):
        api.post("/demo/lifetime/", json={"seconds": 1}).raise_for_status()
        page.evaluate(SHORT_LIVED)
        api.post("/demo/lifetime/", json={"seconds": 900}).raise_for_status()
        page.locator("#left", has_text="has run out").wait_for()
        page.get_by_role("button", name="Clear").click()

    return waited


def lines(page):
    """The requests of the timeline, (status, what), those of other tabs with their badge."""
    return page.evaluate(
        """() => [...document.querySelectorAll('#timeline .request')].map((line) =>
            [...line.querySelectorAll('strong, code, .badge')].map((part) => part.textContent))"""
    )


def seen(page, *, until):
    """The timeline's requests, once there are as many as ``until`` says."""
    page.locator("#timeline .request").nth(until - 1).wait_for()
    return [tuple(line) for line in lines(page)]


def device_names(page):
    return page.locator("#devices strong").all_inner_texts()


# Signing in and out


def test_who_is_not_signed_in_is_asked_to_and_comes_to_the_page(page, host):
    assert page.url == f"{host}/"
    assert page.locator("#who").inner_text() in CUSTOMERS


def test_a_wrong_password_is_told_and_can_be_corrected(profile):
    page = profile().new_page()
    page.goto("/login/")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    assert "Sign-in failed" in page.get_by_role("alert").inner_text()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    ready(page)


def test_signing_out_takes_every_tab_to_the_login_page(page):
    other = page.context.new_page()
    other.goto("/")
    ready(other)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login/")
    assert page.locator("#ended").inner_text() == "You have signed out."
    other.wait_for_url("**/login/")
    assert other.locator("#ended").inner_text() == "You have signed out in another tab."


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "https:evil.example",
        "%0d%0aSet-Cookie:x=y",
    ],
)
def test_the_way_back_never_leads_to_another_site(profile, wanted):
    page = profile().new_page()
    page.goto(f"/login/?next={wanted}")
    assert page.locator("#login").get_attribute("data-next") == "/"


# The access token


def test_an_expired_token_costs_one_refresh_and_the_caller_sees_an_answer(page, run_out):
    run_out(page)
    page.get_by_role("button", name="Call the API").click()
    assert seen(page, until=3) == [
        ("401", "GET /api/orders/"),
        REFRESHED,
        ("200", "GET /api/orders/"),
    ]
    assert "has ordered: Fountain pen" in page.locator("#answer").inner_text()


def test_five_calls_at_once_share_one_refresh(page, run_out):
    run_out(page)
    page.get_by_role("button", name="5 at once").click()
    page.locator("#answer:not(:empty)").wait_for()
    assert lines(page).count(list(REFRESHED)) == 1


def test_one_refresh_serves_two_tabs_and_both_show_it(page, run_out):
    other = page.context.new_page()
    other.goto("/")
    ready(other)
    run_out(page)
    page.get_by_role("button", name="In every tab").click()
    other.locator("#answer:not(:empty)").wait_for()
    page.locator("#answer:not(:empty)").wait_for()
    refreshes = [line for line in lines(page) if line[1] == REFRESHED[1]]
    assert len(refreshes) == 1
    assert any("tab B" in line for line in lines(page))


def test_renewed_in_time_a_token_causes_no_401(page, run_out):
    page.get_by_label("Renew shortly before it runs out").check()
    run_out(page)
    # The claim is in whole seconds, rounded down: of a life of one second the client may think
    # otherwise for most of it.
    page.evaluate(UNTIL_DUE)
    page.get_by_role("button", name="Call the API").click()
    assert seen(page, until=2) == [REFRESHED, ("200", "GET /api/orders/")]


def test_the_slider_sets_how_long_tokens_live_by_keyboard_too(page):
    slider = page.get_by_label("Access tokens live for")
    slider.focus()
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "5 s"
    page.locator("#left", has_text="has run out").wait_for()
    page.keyboard.press("End")
    page.locator("#left", has_text="min").wait_for()


def test_without_a_server_the_page_says_so_and_the_session_is_kept(page):
    page.context.set_offline(True)
    page.get_by_role("button", name="Call the API").click()
    page.locator("#timeline .event", has_text="The server did not answer.").wait_for()
    page.context.set_offline(False)
    page.get_by_role("button", name="Call the API").click()
    page.locator("#answer:not(:empty)").wait_for()


# Devices


def test_this_device_is_marked_and_another_one_can_be_ended(page):
    assert page.locator("#devices .badge").count() == 1
    button = page.locator("#devices button").first
    name = button.get_attribute("aria-label").removeprefix("End ")
    before = device_names(page).count(name)
    button.click()
    page.locator("#status", has_text=f"“{name}” is signed out.").wait_for()
    assert device_names(page).count(name) == before - 1
    assert page.evaluate("document.activeElement.id") == "devices-title"


def test_all_other_devices_can_be_ended_at_once(page):
    page.get_by_role("button", name="End all others").click()
    page.locator("#status", has_text="signed out").wait_for()
    assert page.locator("#devices li").count() == 1
    assert page.get_by_role("button", name="End all others").is_disabled()


def test_a_new_password_keeps_this_device_and_sends_the_other_to_the_login_page(profile):
    context = profile()
    here = context.new_page()
    sign_in(here, "carla")
    with context.expect_page() as opened:
        here.get_by_role("link", name="Open this page as another device").click()
    there = opened.value
    there.get_by_label("carla").check()
    there.get_by_role("button", name="Sign in").click()
    ready(there)

    change_password(here, PASSWORD, "ink-and-paper")
    here.locator("#password-answer", has_text="All other devices are signed out.").wait_for()
    there.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    there.wait_for_url("**/login/?next=%2F")
    assert device_names(here) == ["Browser at localhost"]

    here.locator("#password-answer").evaluate("answer => answer.hidden = true")
    change_password(here, "ink-and-paper", PASSWORD)
    here.locator("#password-answer.good").wait_for()


def change_password(page, old, new):
    page.get_by_label("Present password").fill(old)
    page.get_by_label("New password").fill(new)
    page.get_by_role("button", name="Change it").click()


def test_a_new_password_that_is_refused_says_why(page):
    change_password(page, "wrong", "ink-and-paper")
    page.locator("#password-answer", has_text="not your present password").wait_for()


# Theft


def test_a_stolen_token_that_comes_back_ends_the_session_in_every_tab(page):
    other = page.context.new_page()
    other.goto("/")
    ready(other)
    page.get_by_role("button", name="Steal my refresh token").click()
    page.locator("#theft li:nth-child(3)[aria-current=step]").wait_for()
    page.locator("#theft li:nth-child(5)[aria-current=step]").wait_for()
    page.get_by_role("button", name="Call the API").click()
    for tab in (page, other):
        tab.wait_for_url("**/login/**")
        assert "ended" in tab.locator("#ended").inner_text()
    told = page.locator("#timeline").inner_text()
    assert "token_reused" in told
    assert "session_revoked" in told


# What a page must not do


def test_no_script_can_read_the_refresh_token_and_none_keeps_the_access_token(page):
    page.get_by_role("button", name="Call the API").click()
    page.locator("#answer:not(:empty)").wait_for()
    assert "refresh_token" not in page.evaluate("document.cookie")
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "eyJ" not in kept
    assert "refresh_token" in {cookie["name"] for cookie in page.context.cookies()}


def test_the_pages_allow_nothing_inline_and_nothing_from_elsewhere(profile, host):
    page = profile().new_page()
    foreign = []
    page.on("request", lambda request: request.url.startswith(host) or foreign.append(request.url))
    for path in ("/", "/login/"):
        policy = page.goto(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    page.wait_for_load_state("networkidle")
    assert foreign == []


# How it looks


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_system_and_then_whoever_chose_otherwise(profile, scheme):
    page = profile(color_scheme=scheme).new_page()
    page.goto("/login/")
    by_system = background(page)
    page.get_by_role("button", name="Dark").click()
    chosen = background(page)
    assert chosen != by_system
    assert page.get_by_role("button", name="Dark", pressed=scheme == "light").is_visible()
    page.reload()
    assert background(page) == chosen


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_told_from_what_is_behind_it(profile, scheme):
    page = profile(color_scheme=scheme).new_page()
    page.goto("/login/")
    for behind, texts in {
        "paper": ["ink", "soft", "accent"],
        "card": ["ink", "soft", "accent", "good", "warn", "bad"],
        "sunken": ["ink", "soft"],
        "accent": ["on-accent"],
        "good-tint": ["good"],
        "warn-tint": ["ink", "warn"],
        "bad-tint": ["bad"],
    }.items():
        for text in texts:
            ratio = contrast(colour(page, text), colour(page, behind))
            assert ratio >= 4.5, f"{text} on {behind}: {ratio:.2f}"  # WCAG 2.2, 1.4.3


def colour(page, name):
    """The red, green and blue of a custom property, as the browser computes it."""
    shown = page.evaluate(
        "(name) => { document.body.style.outlineColor = `var(--${name})`;"
        " return getComputedStyle(document.body).outlineColor; }",
        name,
    )
    return [int(part) for part in shown.removeprefix("rgb(").removesuffix(")").split(",")]


def contrast(one, another):
    lighter, darker = sorted((luminance(one), luminance(another)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(rgb):
    linear = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in rgb)
    )
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_on_a_phone_nothing_is_cut_off_and_the_timeline_follows_the_call(profile):
    page = profile(**PHONE).new_page()
    sign_in(page)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]
    order = page.locator("main > section").evaluate_all(
        "all => all.map((one) => one.id || one.querySelector('h2').id)"
    )
    tops = page.locator("main > section").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().top)"
    )
    assert order[:2] == ["token-title", "timeline-title"]
    assert tops == sorted(tops)


def test_everything_can_be_reached_by_keyboard_and_shows_that_it_was(page):
    page.locator("#theme").focus()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => {
                const { activeElement: one } = document;
                const { outlineStyle, outlineWidth } = getComputedStyle(one);
                return [one.id || one.textContent.trim(), outlineStyle, parseFloat(outlineWidth)];
            }"""
        )
        if focused[0] in [name for name, *_ in reached]:
            continue
        reached.append(focused)
    names = {name for name, *_ in reached}
    controls = {"sign-out", "lifetime", "call", "call-five", "call-everywhere", "early", "steal"}
    assert controls | {"timeline", "old_password", "new_password", "other-device"} <= names
    shown = [(style, width >= 2) for name, style, width in reached if name in controls]
    assert set(shown) == {("solid", True)}
