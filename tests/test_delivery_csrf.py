"""Nothing another site makes a browser send does anything."""

import json
from io import BytesIO

import pytest
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client

from tests.answers import assert_answer
from tests.browsing import COOKIE, ORIGIN, Browser
from tests.forging import rows
from token_lifecycle.testing import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(user):
    browser = Browser()
    signed_in = browser.sign_in(user, PASSWORD).json()
    browser.access, browser.session_id = signed_in["access"], signed_in["session"]
    browser.user = user
    return browser


def obtain(browser, **extra):
    return browser.sign_in(browser.user, PASSWORD, **extra)


def refresh(browser, **extra):
    return browser.send("refresh/", {}, **extra)


def logout(browser, **extra):
    return browser.send("logout/", {}, **extra)


def logout_all(browser, **extra):
    return browser.send("logout-all/", {}, bearer=browser.access, **extra)


def end(browser, **extra):
    url = f"sessions/{browser.session_id}/"
    return browser.send(url, {}, method="DELETE", bearer=browser.access, **extra)


REQUESTS = [obtain, refresh, logout, logout_all, end]
every_request = pytest.mark.parametrize("request_", REQUESTS)

FORGED = {
    "no token": {"without": ["HTTP_X_CSRFTOKEN"]},
    "empty token": {"HTTP_X_CSRFTOKEN": ""},
    "wrong token": {"HTTP_X_CSRFTOKEN": "x" * 32},
    "token of another browser": {"HTTP_X_CSRFTOKEN": _get_new_csrf_string()},
    "token with odd characters": {"HTTP_X_CSRFTOKEN": "\xe9" * 32},
    "token in the address only": {
        "without": ["HTTP_X_CSRFTOKEN"],
        "QUERY_STRING": "csrfmiddlewaretoken=x",
    },
    "origin null": {"HTTP_ORIGIN": "null"},
    "empty origin": {"HTTP_ORIGIN": ""},
    "origin of another site": {"HTTP_ORIGIN": "https://evil.example"},
    "origin that begins alike": {"HTTP_ORIGIN": "https://testserver.evil.example"},
    "origin that ends alike": {"HTTP_ORIGIN": "https://eviltestserver"},
    "origin of a sub-domain": {"HTTP_ORIGIN": "https://a.testserver"},
    "origin with a user name": {"HTTP_ORIGIN": "https://testserver@evil.example"},
    "origin over plain http": {"HTTP_ORIGIN": "http://testserver"},
    "origin at another port": {"HTTP_ORIGIN": "https://testserver:8443"},
    "origin of a file": {"HTTP_ORIGIN": "file://"},
    "origin that is none": {"HTTP_ORIGIN": "testserver"},
    "neither origin nor referer": {"without": ["HTTP_ORIGIN"]},
    "referer of another site": {
        "without": ["HTTP_ORIGIN"],
        "HTTP_REFERER": "https://evil.example/testserver/",
    },
    "referer that begins alike": {
        "without": ["HTTP_ORIGIN"],
        "HTTP_REFERER": "https://testserver.evil.example/",
    },
    "referer over plain http": {
        "without": ["HTTP_ORIGIN"],
        "HTTP_REFERER": "http://testserver/",
    },
    "referer that is none": {"without": ["HTTP_ORIGIN"], "HTTP_REFERER": "https://[/"},
}


@every_request
@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED)
def test_a_forged_request_is_refused_and_writes_nothing(browser, request_, changes):
    before = rows()
    response = request_(browser, **changes)
    assert_answer(response, 403, "csrf_failed")
    assert COOKIE not in response.cookies
    assert rows() == before


@every_request
def test_a_request_of_the_page_itself_is_let_through(browser, request_):
    assert request_(browser).status_code in (200, 204)


@every_request
def test_without_an_origin_the_referer_will_do(browser, request_):
    own = {"without": ["HTTP_ORIGIN"], "HTTP_REFERER": f"{ORIGIN}/page/"}
    assert request_(browser, **own).status_code in (200, 204)


@every_request
def test_a_trusted_origin_is_let_through(browser, request_, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    assert request_(browser, HTTP_ORIGIN="https://app.example").status_code in (200, 204)
    assert request_(browser, HTTP_ORIGIN="https://app.example.evil").status_code == 403


@every_request
def test_a_token_without_its_cookie_is_refused(browser, request_):
    before = rows()
    response = request_(browser, HTTP_COOKIE=f"{COOKIE}={browser.token}")
    assert_answer(response, 403, "csrf_failed")
    assert rows() == before


@every_request
def test_a_bearer_does_not_excuse_from_the_check(browser, request_):
    """A request that carries a cookie is a browser's, whatever else it carries."""
    forged = {"without": ["HTTP_X_CSRFTOKEN"]}
    if request_ in (obtain, refresh, logout):
        forged["bearer"] = browser.access
    assert_answer(request_(browser, **forged), 403, "csrf_failed")


def test_a_sign_in_can_not_be_forged_either(user):
    """ASVS 3.5.1: or a victim works in the attacker's account without noticing."""
    before = rows()
    response = Browser().sign_in(user, PASSWORD, without=["HTTP_X_CSRFTOKEN"])
    assert_answer(response, 403, "csrf_failed")
    assert rows() == before


def test_a_refused_request_is_not_throttled_against_the_account(user, settings):
    settings.TOKEN_LIFECYCLE = {"THROTTLE_RATES": {"obtain_account": "1/min"}}
    browser = Browser()
    for _ in range(3):
        browser.sign_in(user, PASSWORD, without=["HTTP_X_CSRFTOKEN"])
    assert_answer(browser.sign_in(user, PASSWORD), 200)


def test_the_reason_is_logged_on_one_line_and_not_told(browser, caplog):
    response = refresh(browser, HTTP_ORIGIN="https://evil.example\n")
    assert response.json()["detail"] == "CSRF verification failed."
    (record,) = [record for record in caplog.records if record.name == "token_lifecycle"]
    assert "evil.example" in record.getMessage()
    assert "\n" not in record.getMessage()


SIMPLE = [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/plain; charset=utf-8",
    "TEXT/PLAIN",
    "text/html",
    "application/xml",
    "application/json-patch+json",
    "text/json",
    "x",
]


@every_request
@pytest.mark.parametrize("content_type", SIMPLE)
def test_what_a_form_could_send_is_refused_and_writes_nothing(browser, request_, content_type):
    before = rows()
    response = request_(browser, CONTENT_TYPE=content_type, HTTP_TRANSFER_ENCODING="chunked")
    assert_answer(response, 415, "unsupported_media_type")
    assert COOKIE not in response.cookies
    assert rows() == before


def test_a_request_without_body_is_let_through_as_wsgiref_describes_it(browser):
    response = browser.send("logout/", CONTENT_TYPE="text/plain")
    assert response.status_code == 204


@pytest.mark.parametrize("length", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}], ids=str)
def test_a_request_without_a_body_needs_no_type(browser, length):
    """Some servers make text/plain of a missing type."""
    nothing = {"CONTENT_TYPE": "text/plain", **length}
    assert_answer(browser.send("logout/", **nothing), 204)


def test_a_body_of_unknown_length_needs_a_type(browser):
    chunked = {
        "CONTENT_TYPE": "text/plain",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "wsgi.input": BytesIO(b"x"),
    }
    response = browser.send("logout/", CONTENT_LENGTH="", **chunked)
    assert_answer(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"", b"--x\r\ngarbage", b"csrfmiddlewaretoken=x", b"{}"])
@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "multipart/form-data"])
def test_a_form_is_refused_unread(browser, body, content_type):
    response = browser.send("refresh/", body, CONTENT_TYPE=content_type)
    assert_answer(response, 415, "unsupported_media_type")


@every_request
@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON;a=b"]
)
def test_json_is_json_with_parameters_too(browser, request_, content_type):
    assert request_(browser, CONTENT_TYPE=content_type).status_code in (200, 204)


@pytest.mark.parametrize("name", ["refresh/", "logout/", "logout-all/"])
@pytest.mark.parametrize("body", [[], "x", 5, None], ids=repr)
def test_a_body_that_is_no_object_is_refused_where_none_is_needed(browser, name, body):
    before = rows()
    response = browser.send(name, json.dumps(body).encode(), bearer=browser.access)
    assert_answer(response, 400, "invalid")
    assert rows() == before


def test_a_sign_in_renews_the_token_and_a_refresh_does_not(user):
    """As ``django.contrib.auth.login`` does: the one from before may have been planted."""
    browser = Browser()
    before = browser.cookies["csrftoken"].value
    browser.sign_in(user, PASSWORD)
    renewed = browser.cookies["csrftoken"].value
    assert renewed != before
    assert_answer(refresh(browser, HTTP_X_CSRFTOKEN=before), 403, "csrf_failed")
    assert_answer(refresh(browser), 200)
    assert browser.cookies["csrftoken"].value == renewed


def test_a_sign_in_that_failed_renews_nothing(user):
    browser = Browser()
    assert "csrftoken" not in browser.sign_in(user, "wrong").cookies


class TestCsrfEndpoint:
    def test_a_page_that_django_did_not_render_gets_its_cookie(self, client):
        response = client.get("/browser/csrf/")
        assert_answer(response, 204)
        assert response.content == b""
        assert response.cookies["csrftoken"].value

    def test_head_will_do(self, client):
        assert client.head("/browser/csrf/").cookies["csrftoken"].value

    def test_a_cookie_that_is_there_stays_good(self, client):
        first = client.get("/browser/csrf/").cookies["csrftoken"].value
        again = client.get("/browser/csrf/").cookies.get("csrftoken")
        assert again is None or again.value == first

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_it_can_only_be_asked(self, client, method):
        assert_answer(getattr(client, method)("/browser/csrf/"), 405, "method_not_allowed")

    def test_it_asks_no_database(self, client, django_assert_num_queries):
        with django_assert_num_queries(0):
            client.get("/browser/csrf/")

    def test_a_project_without_the_middleware_can_be_asked_too(self, user, settings):
        settings.MIDDLEWARE = []
        assert_answer(Browser().sign_in(user, PASSWORD), 200)

    def test_a_project_that_keeps_the_token_in_the_session_cannot_be_forged_either(
        self, user, settings
    ):
        settings.CSRF_USE_SESSIONS = True
        client = Client(enforce_csrf_checks=True)
        assert_answer(client.get("/browser/csrf/"), 204)
        token = client.session["_csrftoken"]
        body = json.dumps({"username": user.get_username(), "password": PASSWORD})
        for header, status in (({}, 403), ({"HTTP_X_CSRFTOKEN": token}, 200)):
            response = client.post("/browser/obtain/", body, "application/json", **header)
            assert response.status_code == status


def test_the_api_endpoints_need_no_csrf_token_for_no_browser_adds_theirs(user):
    client = Client(enforce_csrf_checks=True)
    body = json.dumps({"username": user.get_username(), "password": PASSWORD})
    evil = {"HTTP_ORIGIN": "https://evil.example"}
    response = client.post("/auth/obtain/", body, "application/json", **evil)
    assert_answer(response, 200)
    assert not response.cookies
