"""The page "Your devices": whose sessions it shows, and what its buttons end."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.views import LoginView
from django.contrib.messages import get_messages
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils import timezone

from token_lifecycle import device_base, device_pages, device_urls, journal
from token_lifecycle.exceptions import Unavailable
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import SessionFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

LIST = "/devices/"
OTHERS = "/devices/sign-out-others/"
ALL = "/devices/sign-out-all/"
RECENT = timedelta(minutes=15)
#: Says which session is looking, as the middleware of ``browser_sessions`` does.
THIS = f"{__name__}.knows_this_session"

urlpatterns = [
    path("devices/", include("token_lifecycle.device_urls")),
    path("<slug:tenant>/account/", include("token_lifecycle.device_urls", namespace="tenants")),
    path("careful/", include(device_urls.urls(recent=RECENT), namespace="careful")),
    path("elsewhere/", include(device_urls.urls(login_url="/enter/"), namespace="elsewhere")),
    path("login/", lambda request: HttpResponse("login"), name="login"),
]


def knows_this_session(get_response):
    def middleware(request):
        request.token_session_id = knows_this_session.session_id
        request.token_session_adopted = knows_this_session.adopted
        return get_response(request)

    return middleware


@pytest.fixture
def this(person, settings):
    """The session of the browser itself."""
    session = SessionFactory(user=person, auth_method="browser", device_name="Here")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, THIS]
    knows_this_session.session_id, knows_this_session.adopted = session.pk, False
    return session


@pytest.fixture(autouse=True)
def _login_url(settings):
    settings.LOGIN_URL = "/login/"


@pytest.fixture
def person():
    return UserFactory(username="anna")


@pytest.fixture
def browser(person):
    client = Client()
    client.force_login(person)
    return client


def sign_out(session, mount=LIST):
    return f"{mount}{session.pk}/sign-out/"


def reason_of(session):
    session.refresh_from_db()
    return session.revocation_reason


def texts(response):
    return [str(message) for message in response.context["messages"]]


def names(response):
    return [device.name for device in response.context["devices"]]


# Whose


NOWHERE = "0197d0a0-5f6e-7cc3-8a3b-0123456789ab"
ADDRESSES = [LIST, OTHERS, ALL, f"/devices/{NOWHERE}/sign-out/"]


@pytest.mark.parametrize("url", ADDRESSES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_is_not_signed_in_is_sent_to_the_sign_in_and_then_to_the_list(url, method):
    """And not back to a POST, which cannot be repeated."""
    response = getattr(Client(), method)(url)
    assert (response.status_code, response.url) == (302, "/login/?next=/devices/")


def test_the_list_shows_the_persons_own_live_sessions_and_no_others(browser, person):
    SessionFactory(user=person, device_name="Phone")
    SessionFactory(device_name="Somebody else's")
    for over in ("ended", "expired", "idle"):
        SessionFactory(user=person, device_name=over, **{over: True})
    assert names(browser.get(LIST)) == ["Phone"]


def test_the_list_says_what_where_how_and_when(browser, person):
    SessionFactory(user=person, device_name="Anna's phone", ip_address="192.0.2.9")
    SessionFactory(user=person, user_agent="MyApp/1.0", auth_method="passkey")
    SessionFactory(user=person, user_agent="", ip_address=None, auth_method="")
    page = browser.get(LIST).content.decode()
    for words in ("Anna&#x27;s phone", "192.0.2.9", "password", "MyApp/1.0", "passkey"):
        assert words in page
    assert "Unknown device" in page


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "‮evil"]
)
def test_what_a_client_sent_is_escaped_and_isolated(browser, person, text):
    SessionFactory(user=person, device_name=text, user_agent=text, auth_method=text[:32])
    page = browser.get(LIST).content.decode()
    assert "<script" not in page
    assert "<img" not in page
    outside = re.sub(r"<bdi.*?</bdi>", "", page, flags=re.DOTALL)
    assert "evil" not in outside
    assert "alert" not in outside


# Ending one


def test_a_button_ends_that_session_and_the_trail_says_who_and_from_where(browser, person):
    chosen, other = SessionFactory.create_batch(2, user=person)
    response = browser.post(sign_out(chosen), follow=True, REMOTE_ADDR="192.0.2.44")
    assert reason_of(chosen) == RevocationReason.ENDED_BY_USER
    assert reason_of(other) == ""
    event = SessionEvent.objects.get(kind=EventKind.REVOKED)
    assert (event.actor, event.ip_address) == (person, "192.0.2.44")
    assert texts(response) == ["The device is signed out."]
    assert response.redirect_chain == [(LIST, 302)]


def test_somebody_elses_session_answers_like_a_missing_one_and_stays(browser):
    theirs, ended = SessionFactory(), SessionFactory(ended=True)
    answers = [
        browser.post(sign_out(theirs)),
        browser.post(sign_out(ended)),
        browser.post(f"/devices/{NOWHERE}/sign-out/"),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert reason_of(theirs) == ""


def test_a_second_click_is_no_error(browser, person):
    ended = SessionFactory(user=person, ended=True)
    response = browser.post(sign_out(ended), follow=True)
    assert texts(response) == ["The device was signed out already."]


@pytest.mark.parametrize("junk", ["1", "x", "0" * 32, "%00", "../admin", "‮", f"{{{NOWHERE}}}"])
def test_what_is_no_id_is_not_found(browser, junk):
    assert browser.post(f"/devices/{junk}/sign-out/").status_code == 404
    assert browser.get(LIST, {"before": junk}).status_code == 404


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete"])
def test_nothing_but_a_post_ends_a_session(browser, person, method):
    session = SessionFactory(user=person)
    assert getattr(browser, method)(sign_out(session)).status_code == 405
    assert reason_of(session) == ""


@pytest.mark.parametrize("url", [OTHERS, ALL])
@pytest.mark.parametrize("method", ["get", "head", "options", "put", "delete"])
def test_nothing_but_a_post_ends_them_all(browser, person, url, method):
    session = SessionFactory(user=person)
    getattr(browser, method)(f"{url}?confirmed=yes")
    assert reason_of(session) == ""


@pytest.mark.parametrize("middleware", [True, False], ids=["with", "without"])
def test_a_post_without_a_csrf_token_ends_nothing_whatever_the_project_installed(
    person, settings, middleware
):
    """With Django's middleware, and without it."""
    if not middleware:
        csrf = "django.middleware.csrf.CsrfViewMiddleware"
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != csrf]
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    session = SessionFactory(user=person)
    for url in (sign_out(session), OTHERS, ALL):
        assert client.post(url).status_code == 403
    assert reason_of(session) == ""


def test_the_forms_carry_the_token_that_they_need(person):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    session = SessionFactory(user=person)
    for page, url in [(LIST, sign_out(session)), (OTHERS, OTHERS), (ALL, ALL)]:
        html = client.get(page).content.decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)[1]
        assert client.post(url, {"csrfmiddlewaretoken": token}).status_code == 302


# Ending all


@pytest.mark.parametrize("url", [OTHERS, ALL])
def test_the_page_that_asks_has_a_way_out(browser, url):
    page = browser.get(url).content.decode()
    assert f'href="{LIST}"' in page
    assert '<form method="post"' in page


def test_all_others_end_and_this_browser_goes_on(browser, person, this):
    others = SessionFactory.create_batch(2, user=person)
    spared = SessionFactory()
    response = browser.post(OTHERS, follow=True)
    assert [reason_of(o) for o in others] == [RevocationReason.LOGOUT_ALL] * 2
    assert reason_of(this) == reason_of(spared) == ""
    assert texts(response) == ["2 devices are signed out."]
    assert names(response) == ["Here"]


def test_everywhere_means_here_as_well(browser, person, this):
    other = SessionFactory(user=person)
    response = browser.post(ALL)
    assert response.url == "/login/"
    assert {reason_of(this), reason_of(other)} == {RevocationReason.LOGOUT_ALL}
    assert browser.get(LIST).status_code == 302


def test_where_nothing_knows_the_own_session_others_are_all_that_are_listed(browser, person):
    session = SessionFactory(user=person)
    browser.post(OTHERS)
    assert reason_of(session) == RevocationReason.LOGOUT_ALL
    assert browser.get(LIST).status_code == 200


# This browser


def test_this_browser_comes_first_and_is_marked(browser, person, this):
    SessionFactory(user=person, device_name="Newer")
    response = browser.get(LIST)
    assert names(response) == ["Here", "Newer"]
    assert response.content.decode().count("This device") == 1


def test_ending_this_browser_is_a_logout(browser, this, settings):
    settings.LOGOUT_REDIRECT_URL = "/goodbye/"
    response = browser.post(sign_out(this))
    assert response.url == "/goodbye/"
    assert reason_of(this) == RevocationReason.LOGOUT
    assert browser.get(LIST).status_code == 302


# Much and many


def test_many_sessions_come_a_page_at_a_time_each_once(browser, person, this, monkeypatch):
    monkeypatch.setattr(device_pages, "PAGE_SIZE", 3)
    for number in range(8):
        SessionFactory(user=person, device_name=f"No {number}")
    seen, url = [], LIST
    while url:
        response = browser.get(url)
        assert len(names(response)) <= 4
        seen += names(response)
        url = response.context["older_url"]
    assert seen == ["Here", *(f"No {number}" for number in reversed(range(8)))]


def test_the_number_of_statements_does_not_depend_on_the_number_of_sessions(browser, person, this):
    def statements():
        with CaptureQueriesContext(connection) as captured:
            browser.get(LIST)
        assert not any("COUNT(" in query["sql"] for query in captured.captured_queries)
        return len(captured)

    few = statements()
    SessionFactory.create_batch(40, user=person)
    # The Django session and its user, this session, and a page of the others.
    assert statements() == few == 4


# Signing in again first


def careful(name=""):
    return f"/careful/{name}"


AGAIN = "Please sign in once more before you sign out other devices."


@pytest.mark.parametrize("what", ["one", "sign-out-others/", "sign-out-all/"])
def test_who_signed_in_long_ago_is_asked_to_do_it_again(browser, person, this, what):
    """As nobody: a login view that sends back who is signed in would be a dead end."""
    Session.objects.filter(pk=this.pk).update(created_at=timezone.now() - RECENT)
    other = SessionFactory(user=person)
    response = browser.post(sign_out(other, careful()) if what == "one" else careful(what))
    assert response.url == "/login/?next=/careful/"
    assert [str(message) for message in get_messages(response.wsgi_request)] == [AGAIN]
    assert SESSION_KEY not in browser.session
    assert reason_of(other) == ""


def test_who_signed_in_long_ago_may_look_and_leave(browser, person, this):
    Session.objects.filter(pk=this.pk).update(created_at=timezone.now() - RECENT)
    assert browser.get(careful()).status_code == 200
    browser.post(sign_out(this, careful()))
    assert reason_of(this) == RevocationReason.LOGOUT


def test_the_page_that_asks_says_that_a_sign_in_comes_first_and_signs_nobody_out(
    browser, person, this
):
    page = browser.get(careful("sign-out-all/")).content.decode()
    assert AGAIN not in page
    assert "Yes, sign out" in page
    Session.objects.filter(pk=this.pk).update(created_at=timezone.now() - RECENT)
    page = browser.get(careful("sign-out-all/")).content.decode()
    assert AGAIN in page
    assert "Sign in again</button>" in page
    assert "Yes, sign out" not in page
    assert SESSION_KEY in browser.session


def test_a_database_too_busy_to_sign_this_browser_out_is_a_message(
    browser, person, this, monkeypatch
):
    def busy(request):
        raise Unavailable

    Session.objects.filter(pk=this.pk).update(created_at=timezone.now() - RECENT)
    monkeypatch.setattr(device_base.auth, "logout", busy)
    response = browser.post(careful("sign-out-all/"), follow=True)
    assert texts(response) == ["The database was busy, and nothing was changed. Please try again."]


def test_a_sign_in_of_which_nobody_knows_when_it_was_is_not_recent(browser, person, this):
    knows_this_session.adopted = True
    assert AGAIN in browser.get(careful("sign-out-all/")).content.decode()
    knows_this_session.adopted, knows_this_session.session_id = False, None
    assert AGAIN in browser.get(careful("sign-out-all/")).content.decode()


def test_who_signed_in_lately_is_not_asked_again(browser, person, this):
    other = SessionFactory(user=person)
    browser.post(sign_out(other, careful()))
    assert reason_of(other) == RevocationReason.ENDED_BY_USER


def test_a_site_that_cannot_know_the_time_of_the_sign_in_is_told_so(browser, person):
    with pytest.raises(ImproperlyConfigured, match="browser_sessions"):
        browser.post(careful("sign-out-all/"))


# In a project


def test_what_the_mount_captures_stays_in_every_address(browser, person):
    session = SessionFactory(user=person)
    page = browser.get("/acme/account/").content.decode()
    addresses = re.findall(r'(?:href|action)="(/(?!static)[^"]*)"', page)
    assert len(addresses) == 3
    assert all(address.startswith("/acme/account/") for address in addresses)
    assert browser.post(sign_out(session, "/acme/account/")).url == "/acme/account/"


def test_without_the_messages_framework_it_works_in_silence(browser, person, settings):
    settings.INSTALLED_APPS = [a for a in settings.INSTALLED_APPS if "messages" not in a]
    settings.INSTALLED_APPS = [a for a in settings.INSTALLED_APPS if "admin" not in a]
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "messages" not in name]
    session = SessionFactory(user=person)
    assert browser.post(sign_out(session)).status_code == 302
    assert reason_of(session) == RevocationReason.ENDED_BY_USER


@pytest.mark.parametrize("url", [LIST, OTHERS, ALL])
def test_nobody_keeps_a_copy_and_nobody_may_frame_a_page(browser, url):
    response = browser.get(url)
    assert "no-store" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]
    assert response["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("many", [False, True], ids=["one", "all"])
def test_a_busy_database_is_told_of_and_nothing_is_ended(browser, person, monkeypatch, many):
    def busy(*args, **kwargs):
        raise Unavailable

    session = SessionFactory(user=person)
    monkeypatch.setattr(journal, "end", busy)
    response = browser.post(OTHERS if many else sign_out(session), follow=True)
    assert texts(response)[0].startswith("The database was busy")
    assert reason_of(session) == ""


def test_a_page_can_be_called_without_a_route(person):
    request = RequestFactory().get("/")
    request.user = person
    assert device_pages.DeviceList.as_view()(request).status_code == 200


# In a browser


class Outline(HTMLParser):
    """What a strict policy would block, and what a reader of the page needs."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]


@pytest.mark.parametrize("url", [LIST, OTHERS, ALL])
def test_a_strict_content_security_policy_blocks_nothing(browser, person, this, url):
    outline = Outline(browser.get(url).content.decode())
    assert "script" not in outline.tags
    assert "style" not in outline.tags
    used = {name for _, name, _ in outline.attributes}
    assert not {name for name in used if name == "style" or name.startswith("on")}


@pytest.mark.parametrize("url", [LIST, OTHERS, ALL])
def test_a_page_can_be_read_aloud(browser, person, this, url):
    outline = Outline(browser.get(url).content.decode())
    assert outline.tags.count("h1") == outline.tags.count("main") == 1
    assert ("html", "lang", "en-us") in outline.attributes
    if url == LIST:
        assert "caption" in outline.tags
        scopes = [value for tag, name, value in outline.attributes if name == "scope"]
        assert scopes == ["col"] * 6 + ["row"]


def test_every_button_says_which_device_it_signs_out(browser, person):
    SessionFactory(user=person, device_name="Phone")
    SessionFactory(user=person, device_name="Laptop")
    page = browser.get(LIST).content.decode()
    buttons = re.findall(r"<button[^>]*>(.*?)</button>", page, re.DOTALL)
    plain = [re.sub(r"<[^>]+>", "", button) for button in buttons]
    assert plain == ["Sign out: Laptop", "Sign out: Phone"]


def test_it_works_with_the_sign_in_of_django():
    """The page that ``redirect_to_login`` leads to understands the parameter."""
    assert LoginView.redirect_field_name == device_pages.DeviceList.redirect_field_name


def test_where_people_are_sent_to_sign_in_may_be_said_where_the_pages_are_included():
    response = Client().get("/elsewhere/")
    assert (response.status_code, response.url) == (302, "/enter/?next=/elsewhere/")
    response = Client().post("/elsewhere/sign-out-all/")
    assert (response.status_code, response.url) == (302, "/enter/?next=/elsewhere/")
