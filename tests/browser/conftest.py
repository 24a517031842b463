"""Debian's Chromium, driven by Playwright, against a real Django server.

All of it is skipped, with the reason, where Chromium, Playwright or the node modules are missing;
with ``TOKEN_LIFECYCLE_REQUIRE_ALL=1`` that is a failure.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from ssl import create_default_context

import pytest

from tests.browser.stage import PASSWORD, USERNAME

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Nothing that would look for a network beyond this machine.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 20
"""Seconds after which something that should have happened has not."""


def missing(what):
    if os.environ.get("TOKEN_LIFECYCLE_REQUIRE_ALL") == "1":
        pytest.fail(f"{what}, and TOKEN_LIFECYCLE_REQUIRE_ALL is set")
    pytest.skip(what)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Server:
    """The server's process, and the test's end of its stage."""

    def __init__(self, folder, *, certificate=None):
        self.folder = folder
        self.certificate = certificate
        self.scheme = "https" if certificate else "http"
        self.ports = free_ports(2)
        # The same server under three names: its own, another port, another site.
        self.origin, self.api = (f"{self.scheme}://localhost:{port}" for port in self.ports)
        self.foreign = f"{self.scheme}://127.0.0.1:{self.ports[0]}"
        self.process = None

    def start(self):
        environment = {
            **os.environ,
            "BROWSER_TEST_DATABASE": str(self.folder / "server.sqlite3"),
            "BROWSER_TEST_TRUSTED_ORIGINS": self.origin,
        }
        if self.certificate:
            environment["BROWSER_TEST_CERTIFICATE"] = str(self.certificate)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.server", *map(str, self.ports)],
            cwd=ROOT,
            env=environment,
        )
        self.wait_until_up()

    def wait_until_up(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, "the server has ended"
            try:
                return self.stage("log")
            except (OSError, HTTPException):
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)

    def stage(self, action, **arguments):
        if self.certificate:
            context = create_default_context(cafile=self.certificate)
            connection = HTTPSConnection("localhost", self.ports[0], timeout=60, context=context)
        else:
            connection = HTTPConnection("localhost", self.ports[0], timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", f"/stage/{action}/", json.dumps(arguments))
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body.decode()
            return json.loads(body)["result"]

    def requests(self, path):
        return [entry for entry in self.stage("log") if entry["path"] == path]

    def refreshes(self):
        return len(self.requests("/auth/refresh/"))

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"never happened: {what}"
            time.sleep(0.02)


@pytest.fixture(scope="session")
def http_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("http"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(http_server):
    http_server.stage("reset")
    return http_server


# Module-wide and not longer: while Playwright runs, its event loop counts as running in this
# thread, and Django's ORM refuses to work beside one. Tests elsewhere must not meet it.
@pytest.fixture(scope="module")
def playwright():
    if not (ROOT / "node_modules" / "axios").is_dir():
        missing("node modules are missing (npm ci)")
    if not CHROMIUM:
        missing("Chromium is not installed")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("Playwright is not installed (pip install playwright)")
    with sync_playwright() as running:
        yield running


def launch(playwright, **options):
    return playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS, **options)


# A browser for each test. A context that is closed while one of its pages is on the way to another
# has been seen to stay open for ever; the end of a browser is enforced.
@pytest.fixture
def chromium(playwright):
    browser = launch(playwright)
    yield browser
    browser.close()


class Tab:
    """A page of the app, and shorthands for what tests do with it."""

    def __init__(self, page):
        self.page = page

    def run(self, script, argument=None):
        """The value of an async function body; ``auth`` is the client."""
        return self.page.evaluate(f"async (argument) => {{ {script} }}", argument)

    def start(self, script):
        """Run it without waiting; ``finish`` has its value."""
        self.page.evaluate(f"() => {{ window.pending = (async () => {{ {script} }})(); }}")

    def finish(self):
        return self.page.evaluate("() => window.pending")

    def until(self, condition):
        self.page.wait_for_function(f"() => {condition}", timeout=PATIENCE * 1000)

    def keep_trying(self, script):
        """Run it until what it returns is true."""
        deadline = time.monotonic() + PATIENCE
        while not self.run(script):
            assert time.monotonic() < deadline, f"never came true: {script}"

    @property
    def state(self):
        return self.page.evaluate("() => auth.state")

    @property
    def left(self):
        return self.page.evaluate("() => left")

    @property
    def events(self):
        return self.page.evaluate("() => events.map(({ type }) => type)")


class Profile:
    """One browser profile: tabs that share cookies, storage, locks and channels."""

    def __init__(self, context, server):
        self.context = context
        self.server = server
        self.console = []
        self.urls = []
        context.set_default_timeout(PATIENCE * 1000)
        context.on("console", lambda message: self.console.append(message.text))
        context.on("request", lambda request: self.urls.append(request.url))

    def tab(self, **options):
        """A tab with the app; ``options`` are those of ``createAuth``."""
        page = self.context.new_page()
        page.add_init_script(f"window.options = {json.dumps(options)}")
        page.goto(f"{self.server.origin}/page/?view=list")
        tab = Tab(page)
        tab.until("window.auth")
        return tab

    def sign_in(self, tab):
        credentials = {"username": USERNAME, "password": PASSWORD}
        tab.run(
            """
            const { refreshUrl = '/auth/refresh/' } = options;
            const answer = await auth.fetch(refreshUrl.replace('refresh', 'obtain'), {
              method: 'POST',
              auth: false,
              credentials: 'include',
              headers: { 'Content-Type': 'application/json' },
              body: JSON.stringify(argument),
            });
            if (!answer.ok) throw new Error(await answer.text());
            auth.setToken(await answer.json());
            """,
            credentials,
        )
        self.server.stage("clear_log")

    def signed_in(self, tabs=1, **options):
        """That many tabs with one session. A single one comes back alone."""
        opened = [self.tab(**options) for _ in range(tabs)]
        self.sign_in(opened[0])
        for tab in opened:
            assert tab.run("return auth.bootstrap()") is True
        return opened if tabs > 1 else opened[0]

    def cookie(self, name):
        return next((c for c in self.context.cookies() if c["name"] == name), None)


@pytest.fixture
def profile(chromium, server):
    yield Profile(chromium.new_context(), server)
    server.stage("release")
