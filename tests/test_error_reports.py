"""What fails is reported by Django with the variables of every frame: none of them is a secret."""

import sys
from unittest import mock

import pytest
from django.core.signals import got_request_exception
from django.views.debug import ExceptionReporter
from rest_framework.test import APIClient

from tests.browsing import Browser
from tests.forging import claims_of
from token_lifecycle import journal, keys, lifecycle, tokens, views
from token_lifecycle.models import Session
from token_lifecycle.testing import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def reports():
    """The e-mails that administrators would get, with everything Django puts into them."""
    made = []

    def report(sender, request, **kwargs):
        reporter = ExceptionReporter(request, *sys.exc_info(), is_email=True)
        made.append(reporter.get_traceback_html() + reporter.get_traceback_text())

    got_request_exception.connect(report)
    yield made
    got_request_exception.disconnect(report)


@pytest.fixture
def issued(user):
    return lifecycle.start_session(user)


def obtain(api, issued):
    body = {"username": issued.session.user.get_username(), "password": PASSWORD}
    api.post("/auth/obtain/", body)


def refresh(api, issued):
    api.post("/auth/refresh/", {"refresh": issued.refresh})


def logout(api, issued):
    api.post("/auth/logout/", {"refresh": issued.refresh})


def logout_by_bearer(api, issued):
    api.post("/auth/logout/", HTTP_AUTHORIZATION=f"Bearer {issued.access}")


def logout_all(api, issued):
    api.post("/auth/logout-all/", HTTP_AUTHORIZATION=f"Bearer {issued.access}")


def protected_view(api, issued):
    api.get("/whoami/", HTTP_AUTHORIZATION=f"Bearer {issued.access}")


def refresh_by_cookie(api, issued):
    browser = Browser()
    browser.raise_request_exception = False
    browser.token = issued.refresh
    browser.send("refresh/")


def obtain_by_cookie(api, issued):
    browser = Browser()
    browser.raise_request_exception = False
    browser.token = issued.refresh
    browser.sign_in(issued.session.user, PASSWORD)


STORE = type(Session.objects)


@pytest.mark.parametrize(
    ("request_", "module", "name"),
    [
        (obtain, views, "authenticate"),
        (obtain, journal, "in_transaction"),
        (obtain, keys.Signer, "sign"),
        (obtain_by_cookie, journal, "end"),
        (refresh, STORE, "for_refresh"),
        (refresh, STORE, "claim"),
        (refresh, tokens, "mint_access"),
        (refresh, tokens, "mint_refresh"),
        (refresh, keys.Signer, "sign"),
        (refresh, keys.TokenBackend, "decode"),
        (refresh_by_cookie, STORE, "for_refresh"),
        (refresh_by_cookie, tokens, "parse_refresh"),
        (logout, journal, "end"),
        (logout_by_bearer, journal, "end"),
        (logout_all, journal, "end"),
        (protected_view, STORE, "for_access"),
        (protected_view, tokens, "parse_access"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_an_error_report_holds_no_password_no_token_and_no_secret(
    issued, reports, request_, module, name
):
    api = APIClient(raise_request_exception=False)
    api.default_format = "json"
    with mock.patch.object(module, name, side_effect=RuntimeError("broken")):
        request_(api, issued)
    (report,) = reports
    assert "broken" in report
    secrets = [PASSWORD, issued.access, issued.refresh, claims_of(issued.refresh)["sec"], "eyJ"]
    assert not [secret for secret in secrets if secret in report]
