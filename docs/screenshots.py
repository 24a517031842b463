"""Takes the pictures that the documentation shows, from the running demo.

    pip install playwright pillow
    python docs/screenshots.py

Needs Chromium. Starts the demo on a database of its own, plays with its page and works in its
admin, and writes ``docs/images/page-*.png`` and ``admin-*.png``: what they look like today.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
#: Whom the demo comes with (example_project/shop/people.py).
STAFF, PASSWORD = "admin", "paper-and-ink"
IMAGES = ROOT / "docs" / "images"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
DESKTOP = {"viewport": {"width": 1180, "height": 760}}
PHONE = {"viewport": {"width": 360, "height": 860}, "device_scale_factor": 1.5}
#: What the pictures' browsers say they are; the one that takes them has no window.
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"
)
CHROME = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Mobile Safari/537.36"
)


@contextmanager
def demo():
    """The demo, serving from a database that nobody has used; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, "manage.py", "demo", "--addr", f"127.0.0.1:{port}"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": f"sqlite:///{folder}/demo.sqlite3"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = f"http://localhost:{port}"
            wait_for(address)
            yield address
        finally:
            server.terminate()
            server.wait()


def wait_for(address):
    for _ in range(300):
        try:
            return urllib.request.urlopen(f"{address}/login/").close()  # noqa: S310
        except OSError:
            time.sleep(0.2)
    raise SystemExit("The demo does not answer.")


def picture(page, name, **options):
    """Write what the page shows, in a palette: a third of the size."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(400)  # for animations to end
    shown = Image.open(BytesIO(page.screenshot(**options))).convert("RGB")
    # Median cut, the default, would take the few bright pixels away.
    few = shown.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(IMAGES / f"{name}.png", optimize=True)
    print(f"docs/images/{name}.png")  # noqa: T201


def sign_in(page, name):
    page.get_by_label(name).check()
    page.get_by_role("button", name="Sign in").click()
    page.locator("#devices li").first.wait_for()


def let_a_token_run_out(page):
    page.get_by_label("Access tokens live for").press("Home")
    page.locator("#left", has_text="has run out").wait_for()


def on_a_desktop(page):
    page.goto("/")
    page.wait_for_url("**/login/**")
    picture(page, "page-sign-in")

    sign_in(page, "anna")
    page.get_by_role("button", name="Clear").click()
    let_a_token_run_out(page)
    page.get_by_role("button", name="Call the API").click()
    page.locator("#answer:not(:empty)").wait_for()
    picture(page, "page-timeline")

    page.get_by_label("Access tokens live for").press("End")
    page.locator("#left", has_text="min").wait_for()
    page.locator("#devices button").first.click()
    page.locator("#status:not(:empty)").wait_for()
    scroll_to(page, "#devices-title")
    picture(page, "page-devices")

    page.get_by_role("button", name="Steal my refresh token").click()
    page.locator("#theft li:nth-child(5)[aria-current]").wait_for()
    scroll_to(page, "#theft-title")
    picture(page, "page-theft")


def on_a_phone(page):
    page.goto("/")
    page.wait_for_url("**/login/**")
    sign_in(page, "bruno")
    let_a_token_run_out(page)
    page.get_by_role("button", name="5 at once").click()
    page.locator("#answer:not(:empty)").wait_for()
    scroll_to(page, ".slider")
    picture(page, "page-phone-dark")


def in_the_admin(page):
    page.goto("/admin/")
    page.get_by_label("Username").fill(STAFF)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Sessions", exact=True).first.wait_for()


def find(page, user, device):
    """The page of a session, as staff come to it."""
    page.goto("/admin/token_lifecycle/session/")
    page.locator("#searchbar").fill(user)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=device).click()
    page.get_by_role("heading", name="What happened").wait_for()


def as_staff(light, dark, phone):
    for page in (light, dark, phone):
        in_the_admin(page)
    light.goto("/admin/token_lifecycle/session/")
    picture(light, "admin-sessions")
    find(light, "carla", "Library computer")
    picture(light, "admin-session", full_page=True)
    light.goto("/admin/auth/user/?q=anna")
    light.get_by_role("link", name="anna").click()
    scroll_to(light, "#user-sessions")
    picture(light, "admin-user")
    dark.goto("/admin/token_lifecycle/session/overview/")
    picture(dark, "admin-overview", full_page=True)
    find(phone, "carla", "Library computer")
    scroll_to(phone, "#content")
    picture(phone, "admin-session-phone")
    phone.goto("/devices/")
    picture(phone, "devices-phone")


def scroll_to(page, selector):
    page.locator(selector).evaluate("element => scrollTo(0, element.offsetTop - 40)")


def main():
    IMAGES.mkdir(exist_ok=True)
    with demo() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        on_a_desktop(browser.new_context(base_url=address, **DESKTOP).new_page())
        on_a_phone(browser.new_context(base_url=address, color_scheme="dark", **PHONE).new_page())
        here = {"base_url": address}
        light = browser.new_context(user_agent=FIREFOX, **here, **DESKTOP)
        dark = browser.new_context(user_agent=EDGE, color_scheme="dark", **here, **DESKTOP)
        phone = browser.new_context(user_agent=CHROME, **here, **PHONE)
        as_staff(light.new_page(), dark.new_page(), phone.new_page())
        browser.close()


if __name__ == "__main__":
    main()
