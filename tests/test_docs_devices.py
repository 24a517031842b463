"""The examples of the page about devices and browser sessions work."""

from importlib import import_module

import pytest
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import resolve

from token_lifecycle import lifecycle
from token_lifecycle.contrib.browser_sessions import checks
from token_lifecycle.contrib.browser_sessions.middleware import BrowserSessionMiddleware
from token_lifecycle.device_pages import DeviceList, EndDevice
from token_lifecycle.models import Session
from token_lifecycle.testing import SessionFactory

from .pages import run, the


def test_the_page_is_where_the_block_mounts_it(user):
    SessionFactory(user=user, device_name="Anna's phone")
    with override_settings(ROOT_URLCONF=run(the("runs: devices"))):
        client = Client()
        client.force_login(user)
        assert "Anna&#x27;s phone" in client.get("/devices/").content.decode()


def test_the_block_that_asks_for_a_recent_sign_in_asks_for_it_where_something_ends():
    urls = run(the("runs: devices recent"))
    with override_settings(ROOT_URLCONF=urls):
        found = resolve("/devices/0197d0a0-5f6e-7cc3-8a3b-0123456789ab/sign-out/")
        looking = resolve("/devices/")
    assert found.func.view_class is EndDevice
    assert found.func.view_initkwargs["recent"].total_seconds() == 900
    assert looking.func.view_class is DeviceList
    assert "recent" not in looking.func.view_initkwargs


def test_the_settings_of_browser_sessions_pass_its_checks():
    chosen = run(the("runs: browser sessions"))
    for app in chosen.INSTALLED_APPS:
        import_module(app)
    with override_settings(MIDDLEWARE=chosen.MIDDLEWARE):
        assert checks.check_middleware() == checks.check_sessions() == []


def session_from_before(user, middleware=BrowserSessionMiddleware):
    """The Django session of who signed in before the app was installed, after one request more."""
    client = Client()
    client.force_login(user)
    request = RequestFactory().get("/")
    request.session, request.user, request.auser = client.session, user, None
    middleware(lambda request: HttpResponse(str(request.user)))(request)
    return request.session


def test_the_password_view_keeps_the_row_of_its_browser(user):
    view = run(the("runs: keep browser session")).change_password
    session, row = session_from_before(user), Session.objects.get()
    other = lifecycle.start_session(user).session
    request = RequestFactory().post("/", {"new_password": "a longer and better one"})
    request.session, request.user, request.token_session_id = session, user, row.pk
    assert view(request).status_code == 200
    assert Session.objects.get(revoked_at=None) == row
    other.refresh_from_db()
    assert other.revocation_reason == "password_change"


@pytest.mark.parametrize(("strict", "stays"), [(False, True), (True, False)])
def test_the_strict_middleware_lets_go_of_sessions_from_before(user, strict, stays):
    middleware = run(the("runs: strict")).StrictMiddleware if strict else BrowserSessionMiddleware
    session = session_from_before(user, middleware)
    assert (SESSION_KEY in session) == stays
    assert Session.objects.exists() == stays
