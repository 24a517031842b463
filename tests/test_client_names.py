"""Names for clients: with the library that knows them, without it, and for what nobody knows."""

import subprocess
import sys
import time

import pytest
from django.utils.translation import override
from hypothesis import given, settings
from hypothesis import strategies as st

from token_lifecycle import client_names
from token_lifecycle.client_names import SHOWN, describe
from token_lifecycle.device import USER_AGENT_LENGTH

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPHONE = "(iPhone; CPU iPhone OS 17_5 like Mac OS X)"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

KNOWN = {
    "Firefox on Linux": FIREFOX,
    "Firefox on Android": "Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
    "Chrome on Android": f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36",
    "Chrome on Windows": f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36",
    "Edge on Windows": f"Mozilla/5.0 (Windows NT 10.0) {CHROME} Safari/537.36 Edg/138.0",
    "Opera on Windows": f"Mozilla/5.0 (Windows NT 10.0) {CHROME} Safari/537.36 OPR/111.0.0.0",
    "Chrome on ChromeOS": f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36",
    "Safari on macOS": (
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Version/17.5 Safari/605.1.15"
    ),
    "Safari on iPhone": f"Mozilla/5.0 {IPHONE} {APPLE} Version/17.5 Mobile/15E148 Safari/604.1",
    "Chrome on iPhone": f"Mozilla/5.0 {IPHONE} {APPLE} CriOS/126.0 Mobile/15E148 Safari/604.1",
    "WebView on iPhone": f"Mozilla/5.0 {IPHONE} {APPLE} Mobile/15E148",
    "Firefox on iPad": (
        f"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {APPLE} FxiOS/127.0 Mobile/15E148"
    ),
}

UNKNOWN = [
    ("", ""),
    ("curl/8.5.0", "curl/8.5.0"),
    ("MyApp Chrome/1 for Windows", "MyApp Chrome/1 for Windows"),
    ("Mozilla/5.0 (compatible; Chrome-like/1.0)", "(compatible; Chrome-like/1.0)"),
    ("x" * 200 + "y" * 200, "x" * 23 + "…" + "y" * 23),
    ("x" * SHOWN, "x" * SHOWN),
]


@pytest.fixture
def without_library(monkeypatch):
    """As if ``ua-parser`` had never been installed."""
    monkeypatch.setitem(sys.modules, "ua_parser", None)
    forget()
    yield
    forget()


def forget():
    client_names._library.cache_clear()
    client_names._browser_and_platform.cache_clear()


@pytest.mark.parametrize("name", KNOWN)
def test_a_browser_is_called_as_people_call_it(name):
    assert describe(KNOWN[name]) == name


@pytest.mark.parametrize(("user_agent", "name"), UNKNOWN)
def test_what_nobody_knows_stands_for_itself(user_agent, name):
    assert describe(user_agent) == name


@pytest.mark.parametrize(("user_agent", "name"), UNKNOWN)
def test_without_the_library_what_nobody_knows_stands_for_itself_too(
    without_library, user_agent, name
):
    assert describe(user_agent) == name


@pytest.mark.usefixtures("without_library")
def test_without_the_library_a_browser_stands_for_itself_cut_short():
    assert describe("Mozilla/5.0 (X11) Firefox/140.0") == "(X11) Firefox/140.0"
    assert describe(FIREFOX) == "(X11; Linux x86_64; rv:…/20100101 Firefox/140.0"


def test_a_library_from_before_its_present_interface_counts_as_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "ua_parser", type(sys)("ua_parser"))
    forget()
    assert describe(FIREFOX).startswith("(X11; ")
    forget()


def test_the_library_is_not_imported_before_a_name_is_asked_for():
    code = "import sys, token_lifecycle.client_names; print('ua_parser' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="."
    )
    assert done.stdout.strip() == "False"


def test_a_name_is_in_the_language_of_the_reader_and_not_of_the_first_one(monkeypatch):
    assert describe(FIREFOX) == "Firefox on Linux"
    monkeypatch.setattr(client_names, "_", lambda text: text.replace("on", "unter"))
    with override("de"):
        assert describe(FIREFOX) == "Firefox unter Linux"


#: What the patterns of the library look for, so that chance meets them.
PIECES = ["Mozilla/5.0 ", "iPhone ", "1/", "Mobile ", "Android ", "Chrome/", "Bot", "_", "0.", "("]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=200).map("".join)))
@settings(max_examples=200, deadline=None)
def test_no_user_agent_is_an_error_and_no_name_is_long(user_agent):
    assert len(describe(user_agent)) <= 2 * SHOWN + len(" on ")


@pytest.mark.parametrize("piece", PIECES)
def test_no_user_agent_takes_long(piece):
    describe(FIREFOX)  # compiles the patterns
    began = time.perf_counter()
    describe("Mozilla/5.0 " + piece * 1_000_000)
    assert time.perf_counter() - began < 2


def test_what_is_kept_in_memory_is_bounded():
    for number in range(5000):
        describe(f"client {number}")
    kept = client_names._browser_and_platform.cache_info()
    assert kept.currsize <= kept.maxsize == 4096
    assert kept.maxsize * USER_AGENT_LENGTH < 2_000_000
