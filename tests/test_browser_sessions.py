"""Django's own sessions as rows like all others: started, refused once ended, kept up to date."""

import re
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth import (
    aget_user,
    alogin,
    alogout,
    authenticate,
    get_user_model,
    login,
    logout,
    update_session_auth_hash,
)
from django.contrib.auth.decorators import login_required
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session as DjangoSession
from django.core.checks.registry import registry
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse, HttpResponseServerError, JsonResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils import timezone

from tests import happenings
from tests.crew import Crew
from tests.sign_ins import row
from token_lifecycle import binding, device_urls, lifecycle, signals
from token_lifecycle.contrib.browser_sessions import checks, receivers, rows
from token_lifecycle.contrib.browser_sessions.memory import MAX_ROWS, Memory, memory
from token_lifecycle.contrib.browser_sessions.middleware import BrowserSessionMiddleware
from token_lifecycle.contrib.browser_sessions.rows import ADOPTED_KEY, SESSION_ID_KEY, TOUCH_EVERY
from token_lifecycle.feed import feed
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.revocation import Standing
from token_lifecycle.testing import PASSWORD, SessionFactory, UserFactory

APP = "token_lifecycle.contrib.browser_sessions"
MIDDLEWARE = f"{APP}.middleware.BrowserSessionMiddleware"
STRICT = f"{__name__}.StrictMiddleware"
NEW_PASSWORD = "a wholly different pass phrase"
SECOND = timedelta(seconds=1)
RECENT = timedelta(minutes=15)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class StrictMiddleware(BrowserSessionMiddleware):
    adopts = False


# A site as a project would write it


def sign_in_view(request):
    user = authenticate(request, username=request.POST["username"], password=PASSWORD)
    login(request, user)
    return me(request)


def me(request):
    name = request.user.get_username()
    return JsonResponse({"user": name, "session": request.token_session_id and "known"})


async def async_me(request):
    user = await request.auser()
    return JsonResponse({"user": user.get_username()})


async def async_sign_in(request):
    user = await get_user_model().objects.aget(username=request.POST["username"])
    await alogin(request, user)
    return await async_me(request)


async def async_sign_out(request):
    await alogout(request)
    return await async_me(request)


def sign_out_view(request):
    logout(request)
    return HttpResponse()


def home(request):
    """Looks at nobody."""
    return HttpResponse("home")


def flushed(request):
    """Logs out without telling anybody, as many a project does."""
    request.session["seen"] = True
    request.session.flush()
    return HttpResponse()


def change_password(request):
    user = request.user
    user.set_password(NEW_PASSWORD)
    user.save()
    during_change(user)
    update_session_auth_hash(request, user)
    return HttpResponse()


def during_change(user):
    """What a test puts in the middle of a password change."""


def change_password_unseen(request):
    """As a project with a user service of its own does it: no signal, and Django is told."""
    user = request.user
    user.set_password(NEW_PASSWORD)
    get_user_model().objects.filter(pk=user.pk).update(password=user.password)
    update_session_auth_hash(request, user)
    return HttpResponse()


@login_required
def change_password_and_keep(request):
    with lifecycle.keep_session(request.token_session_id):
        return change_password(request)


def broken(request):
    str(request.user)
    return HttpResponseServerError()


def write_and_look(request):
    request.session["basket"] = "full"
    return me(request)


def sign_in_rolled_back(request):
    with transaction.atomic():
        sign_in_view(request)
        transaction.set_rollback(True)
    return HttpResponse(status=403)


urlpatterns = [
    path("login/", sign_in_view),
    path("logout/", sign_out_view),
    path("me/", me),
    path("async/me/", async_me),
    path("async/login/", async_sign_in),
    path("async/logout/", async_sign_out),
    path("home/", home),
    path("flushed/", flushed),
    path("password/", change_password),
    path("password-unseen/", change_password_unseen),
    path("password-kept/", change_password_and_keep),
    path("broken/", broken),
    path("basket/", write_and_look),
    path("rolled-back/", sign_in_rolled_back),
    path("auth/", include("token_lifecycle.urls")),
    path("devices/", include(device_urls.urls(recent=RECENT, login_url="/admin/login/"))),
    path("admin/", admin.site.urls),
]


# Helpers


@pytest.fixture(autouse=True)
def _installed(settings):
    settings.MIDDLEWARE = behind_authentication(settings.MIDDLEWARE, MIDDLEWARE)
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, APP]
    memory.forget()
    yield
    for signal in (user_logged_in, user_logged_out):
        signal.disconnect(dispatch_uid="token_lifecycle_browser_sessions")
    registry.registered_checks -= {checks.check_middleware, checks.check_sessions}


def behind_authentication(middleware, *added):
    position = middleware.index(checks.AUTHENTICATION) + 1
    return [*middleware[:position], *added, *middleware[position:]]


@pytest.fixture
def _still(time_machine):
    time_machine.move_to(timezone.now(), tick=False)


@pytest.fixture
def browser():
    return Client(headers={"User-Agent": FIREFOX})


@pytest.fixture
def person():
    return UserFactory(username="anna")


@pytest.fixture
def signed_in(browser, person):
    """The row of Anna, who has just signed in."""
    return sign_in(browser, person)


def sign_in(browser, person, **extra):
    before = set(Session.objects.values_list("pk", flat=True))
    response = browser.post("/login/", {"username": person.get_username()}, **extra)
    assert response.status_code == 200
    return Session.objects.exclude(pk__in=before).get()


def before_the_app(browser, person, settings):
    """Sign in as it was done before the app was installed."""
    with_it = settings.MIDDLEWARE
    settings.MIDDLEWARE = [name for name in with_it if name != MIDDLEWARE]
    user_logged_in.disconnect(dispatch_uid="token_lifecycle_browser_sessions")
    browser.force_login(person)
    receivers.connect()
    settings.MIDDLEWARE = with_it
    assert not Session.objects.exists()


def who(browser, url="/me/", **extra):
    return browser.get(url, **extra).json()["user"]


def reason_of(session):
    session.refresh_from_db()
    return session.revocation_reason


def live():
    return Session.objects.live(timezone.now())


def statements(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"].split()[0] for query in captured.captured_queries]


# Sign-in


def test_a_sign_in_is_a_row_like_all_others(browser, person):
    session = sign_in(browser, person, REMOTE_ADDR="192.0.2.7")
    assert (session.user, session.auth_method) == (person, "browser")
    assert (session.ip_address, session.user_agent) == ("192.0.2.7", FIREFOX)
    assert SessionEvent.objects.get().kind == EventKind.STARTED
    assert browser.get("/me/").json() == {"user": "anna", "session": "known"}


def test_the_browser_is_given_nothing_but_the_cookie_of_django(browser, signed_in, settings):
    """Neither the id of the row nor a token that could be refreshed."""
    assert set(browser.cookies) <= {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME}
    assert str(signed_in.pk) not in str(browser.cookies)
    assert dict(browser.session.items())[SESSION_ID_KEY] == str(signed_in.pk)
    assert "eyJ" not in str(dict(browser.session.items()))


def test_no_django_session_key_is_in_any_row(browser, signed_in):
    everything = [row(signed_in), *SessionEvent.objects.values()]
    assert browser.session.session_key not in str(everything)


def test_who_signs_in_through_the_test_client_has_a_row(browser, person):
    browser.force_login(person)
    assert browser.session[SESSION_ID_KEY] == str(Session.objects.get().pk)
    assert who(browser) == "anna"


@pytest.mark.parametrize(
    ("django_settings", "lifetime"),
    [
        ({"SESSION_COOKIE_AGE": 3600}, timedelta(hours=1)),
        ({"SESSION_COOKIE_AGE": 10**9}, timedelta(days=30)),
        ({"SESSION_COOKIE_AGE": 1800, "SESSION_SAVE_EVERY_REQUEST": True}, timedelta(days=30)),
    ],
    ids=["as the Django session", "never longer than any session", "sliding: an idle timeout"],
)
def test_the_row_lasts_as_long_as_the_django_session_may(
    browser, person, settings, django_settings, lifetime
):
    for name, value in django_settings.items():
        setattr(settings, name, value)
    session = sign_in(browser, person)
    assert session.expires_at - session.created_at == lifetime


def test_at_the_limit_the_oldest_session_gives_way(browser, person, options):
    options(MAX_SESSIONS_PER_USER=1)
    other = lifecycle.start_session(person).session
    sign_in(browser, person)
    assert reason_of(other) == RevocationReason.SESSION_LIMIT
    assert who(browser) == "anna"


def test_where_the_limit_refuses_nobody_is_signed_in(browser, person, options):
    options(MAX_SESSIONS_PER_USER=1, SESSION_LIMIT_POLICY="refuse")
    lifecycle.start_session(person)
    response = browser.post("/login/", {"username": "anna"})
    assert response.status_code == 403
    assert who(browser) == ""
    assert Session.objects.count() == 1
    assert SessionEvent.objects.filter(kind=EventKind.LIMIT_REACHED).exists()


def test_whoever_is_refused_at_the_limit_reads_why_and_can_try_again(browser, person, options):
    options(MAX_SESSIONS_PER_USER=1, SESSION_LIMIT_POLICY="refuse")
    lifecycle.start_session(person)
    response = browser.post("/login/?next=/me/", {"username": "anna"})
    page = response.content.decode()
    assert response.status_code == 403
    assert "as many devices as allowed. Sign out on one of them first." in page
    assert 'href="/login/?next=/me/"' in page


def test_a_project_without_templates_answers_the_refusal_as_django_does(
    browser, person, options, settings
):
    options(MAX_SESSIONS_PER_USER=1, SESSION_LIMIT_POLICY="refuse")
    settings.TEMPLATES = []
    lifecycle.start_session(person)
    assert browser.post("/login/", {"username": "anna"}).status_code == 403


def test_another_refusal_is_answered_as_ever(rf):
    middleware = BrowserSessionMiddleware(home)
    assert middleware.process_exception(rf.get("/"), PermissionDenied()) is None


def test_a_refused_sign_in_leaves_no_user_on_its_request(person, options, browser):
    options(MAX_SESSIONS_PER_USER=1, SESSION_LIMIT_POLICY="refuse")
    lifecycle.start_session(person)
    request = RequestFactory().get("/")
    request.session, request.user = browser.session, None
    with pytest.raises(PermissionDenied):
        login(request, person)
    assert not request.user.is_authenticated
    assert not async_to_sync(request.auser)().is_authenticated


def test_an_inactive_user_is_not_signed_in_whatever_the_backend_says(browser, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    UserFactory(username="anna", is_active=False)
    assert browser.post("/login/", {"username": "anna"}).status_code == 403
    assert who(browser) == ""


def test_the_same_person_signing_in_again_replaces_the_row(browser, person, signed_in):
    again = sign_in(browser, person)
    assert reason_of(signed_in) == RevocationReason.REPLACED
    assert again.pk != signed_in.pk
    assert who(browser) == "anna"


def test_somebody_else_signing_in_ends_the_row_of_who_was_there(browser, signed_in):
    """Django has emptied the session by then, and nobody has looked at the user."""
    sign_in(browser, UserFactory(username="ben"))
    assert reason_of(signed_in) == RevocationReason.REPLACED
    assert who(browser) == "ben"


def test_replacing_the_own_row_makes_room_at_the_limit(browser, person, options):
    options(MAX_SESSIONS_PER_USER=1, SESSION_LIMIT_POLICY="refuse")
    sign_in(browser, person)
    sign_in(browser, person)
    assert live().count() == 1


def test_obtaining_a_token_in_the_same_browser_is_another_session(browser, person, signed_in):
    body = {"username": "anna", "password": PASSWORD}
    answer = browser.post("/auth/obtain/", body, content_type="application/json")
    assert answer.status_code == 200
    assert live().count() == 2
    assert browser.session[SESSION_ID_KEY] == str(signed_in.pk)


def test_a_sign_in_that_its_transaction_takes_back_names_no_row(browser, person, settings):
    """The Django session may be kept elsewhere, and then it is not taken back."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    assert browser.post("/rolled-back/", {"username": "anna"}).status_code == 403
    assert not Session.objects.exists()
    assert SESSION_ID_KEY not in browser.session
    assert who(browser) == "anna"
    assert browser.session[SESSION_ID_KEY] == str(live().get().pk)


# What is ended is refused

ENDS = [
    happenings.ended,
    happenings.logged_out_everywhere,
    happenings.killed,
    happenings.signed_out_with_everybody,
    happenings.signed_out_with_everybody_and_told,
    happenings.given_a_password,
    happenings.given_a_password_unseen,
    happenings.deactivated,
    happenings.deactivated_unseen,
    happenings.reactivated,
    happenings.deleted,
    happenings.removed,
    happenings.at_its_end,
    happenings.idle,
]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("mode", ["database", "memory", "none"])
@pytest.mark.parametrize("url", ["/me/", "/async/me/"])
def test_what_was_ended_lets_nobody_in_at_the_next_request(
    browser, signed_in, options, mode, end, url
):
    options(REVOCATION_CHECK=mode)
    assert who(browser, url) == "anna"
    end(signed_in)
    assert who(browser, url) == ""
    # The Django session is gone for good, not merely ignored.
    assert not DjangoSession.objects.exists()
    assert browser.get(url).wsgi_request.session.is_empty()


@pytest.mark.parametrize("end", ENDS)
def test_the_row_of_a_flushed_session_is_over_as_well(browser, signed_in, end):
    end(signed_in)
    who(browser)
    assert not live().exists()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (happenings.given_a_password_unseen, RevocationReason.PASSWORD_CHANGE),
        (happenings.deactivated_unseen, RevocationReason.USER_DEACTIVATED),
    ],
)
def test_what_no_signal_told_of_is_written_down_when_it_is_found(browser, signed_in, end, reason):
    end(signed_in)
    who(browser)
    assert reason_of(signed_in) == reason


@pytest.mark.usefixtures("_still")
def test_a_session_that_was_ended_while_its_request_was_under_way_stays_ended(
    browser, signed_in, monkeypatch, time_machine
):
    """The request was let in, and is due to write when the session was used last."""
    time_machine.shift(TOUCH_EVERY)
    is_due = rows.is_due

    def ended_first(row, *, now):
        lifecycle.revoke_session(row.pk)
        return is_due(row, now=now)

    monkeypatch.setattr(rows, "is_due", ended_first)
    before = row(signed_in)
    browser.get("/me/")
    after = row(signed_in)
    assert after["revoked_at"] is not None
    assert after["rotated_at"] == before["rotated_at"]
    assert who(browser) == ""


def test_a_row_of_somebody_else_lets_nobody_in_and_stays(browser, signed_in):
    other = SessionFactory()
    stored = browser.session
    stored[SESSION_ID_KEY] = str(other.pk)
    stored.save()
    assert who(browser) == ""
    assert reason_of(other) == ""


def test_the_id_is_taken_from_the_store_of_sessions_alone(browser, person, signed_in):
    """No cookie, header or parameter can choose the row (session fixation)."""
    other = SessionFactory(user=person)
    browser.cookies[SESSION_ID_KEY] = str(other.pk)
    headers = {"X-Token-Session-Id": str(other.pk)}
    lifecycle.revoke_session(signed_in.pk)
    url = f"/me/?{SESSION_ID_KEY}={other.pk}&token_session_id={other.pk}"
    assert browser.get(url, headers=headers).json()["user"] == ""


@pytest.mark.parametrize("junk", ["", "x", "0" * 32, 7, None, ["a"]])
def test_what_is_no_id_in_the_session_counts_as_none(browser, signed_in, junk):
    stored = browser.session
    stored[SESSION_ID_KEY] = junk
    stored.save()
    assert who(browser) == "anna"
    assert live().count() == 2


def test_nobody_is_let_in_where_the_database_does_not_answer(browser, signed_in, monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError

    monkeypatch.setattr(type(Session.objects), "for_refresh", fail)
    with pytest.raises(DatabaseError):
        browser.get("/me/")
    browser.raise_request_exception = False
    assert browser.get("/me/").status_code == 500


def test_a_user_who_was_not_signed_in_by_the_session_is_none_of_our_business(
    browser, person, settings
):
    settings.MIDDLEWARE = behind_authentication(
        settings.MIDDLEWARE, "django.contrib.auth.middleware.RemoteUserMiddleware"
    )
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    assert who(browser, REMOTE_USER="anna") == "anna"
    # RemoteUserMiddleware signs in to the session: that is a sign-in like any other.
    assert live().get().user == person


# Logout


def test_a_logout_ends_the_row_and_says_from_where(browser, person, signed_in):
    browser.post("/logout/", REMOTE_ADDR="192.0.2.9")
    assert reason_of(signed_in) == RevocationReason.LOGOUT
    event = SessionEvent.objects.get(kind=EventKind.REVOKED)
    assert (event.ip_address, event.actor) == ("192.0.2.9", person)
    assert who(browser) == ""


def test_a_logout_of_nobody_is_no_error(browser):
    assert browser.post("/logout/").status_code == 200


def test_a_session_emptied_by_the_project_ends_its_row(browser, signed_in):
    browser.post("/flushed/")
    assert reason_of(signed_in) == RevocationReason.LOGOUT


# Sessions from before


def test_a_django_session_from_before_the_app_gets_a_row(browser, person, settings):
    before_the_app(browser, person, settings)
    assert who(browser) == "anna"
    assert browser.session[SESSION_ID_KEY] == str(live().get().pk)
    assert browser.get("/me/").json()["session"] == "known"
    assert Session.objects.count() == 1


def test_a_session_from_before_is_no_recent_sign_in_and_a_real_one_is(browser, person, settings):
    before_the_app(browser, person, settings)
    other = SessionFactory(user=person)
    # The very first request, of which no row is known yet, and those after it.
    for _ in range(2):
        page = browser.get("/devices/sign-out-others/")
        assert "Please sign in once more" in page.content.decode()
    assert browser.session[ADOPTED_KEY] is True
    sign_in(browser, person)
    assert ADOPTED_KEY not in browser.session
    browser.post("/devices/sign-out-others/")
    assert reason_of(other) == RevocationReason.LOGOUT_ALL


def test_an_old_sign_in_passes_the_admins_login_and_ends_others_then(
    browser, person, settings, time_machine
):
    """That login sends back unasked whoever is signed in already."""
    type(person).objects.update(is_staff=True)
    session, other = sign_in(browser, person), SessionFactory(user=person)
    time_machine.move_to(timezone.now() + RECENT)
    login_page = browser.post("/devices/sign-out-others/").url
    assert reason_of(session) == RevocationReason.LOGOUT
    assert browser.get(login_page).status_code == 200
    browser.post(login_page, {"username": "anna", "password": PASSWORD})
    browser.post("/devices/sign-out-others/")
    assert reason_of(other) == RevocationReason.LOGOUT_ALL


def test_a_strict_site_signs_such_sessions_out(browser, person, settings):
    before_the_app(browser, person, settings)
    settings.MIDDLEWARE = [STRICT if n == MIDDLEWARE else n for n in settings.MIDDLEWARE]
    assert who(browser) == ""
    sign_in(browser, person)
    assert who(browser) == "anna"


def test_at_the_limit_such_a_session_is_signed_out(browser, person, settings, options):
    before_the_app(browser, person, settings)
    options(MAX_SESSIONS_PER_USER=1, SESSION_LIMIT_POLICY="refuse")
    lifecycle.start_session(person)
    who(browser)
    assert who(browser) == ""
    assert live().count() == 1


def test_an_answer_that_saves_no_session_starts_no_row(browser, person, settings):
    before_the_app(browser, person, settings)
    assert browser.get("/broken/").status_code == 500
    assert not Session.objects.exists()


def test_a_request_that_was_overtaken_takes_the_row_of_the_other(
    browser, person, settings, monkeypatch
):
    """And saves over nothing of what the other has saved."""
    before_the_app(browser, person, settings)
    theirs = SessionFactory(user=person)

    def overtaken(visit, now):
        stored = browser.session
        stored[SESSION_ID_KEY], stored["basket"] = str(theirs.pk), "full"
        stored.save()
        return original(visit, now)

    visit = receivers.Visit
    original = visit._start_or_share
    monkeypatch.setattr(visit, "_start_or_share", overtaken)
    assert who(browser) == "anna"
    assert Session.objects.get() == theirs
    assert browser.session["basket"] == "full"


def test_a_session_logged_out_while_it_was_taken_over_gets_no_row(
    browser, person, settings, monkeypatch
):
    before_the_app(browser, person, settings)
    store = type(browser.session)

    def gone(self, must_create=False):
        raise UpdateError

    monkeypatch.setattr(store, "save", gone)
    assert browser.get("/me/").status_code == 400
    assert not Session.objects.exists()


@pytest.fixture
def crew():
    with Crew(threads=6) as crew:
        yield crew


def knock(cookie):
    """One request of a browser that has this cookie."""
    browser = Client()
    browser.cookies["sessionid"] = cookie
    return browser.get("/me/").json()["user"]


@pytest.mark.django_db(transaction=True)
def test_of_many_first_requests_at_once_one_starts_a_row_and_all_are_let_in(
    crew, settings, options
):
    options(MAX_SESSIONS_PER_USER=1)
    for number in range(8):
        Session.objects.all().delete()
        browser, person = Client(), UserFactory(username=f"person {number}")
        before_the_app(browser, person, settings)
        cookie = browser.cookies["sessionid"].value
        answers = crew.run(*[(knock, cookie)] * crew.size)
        assert set(answers) == {person.username}
        assert Session.objects.count() == 1
        assert who(browser) == person.username


# Passwords


@pytest.mark.parametrize("url", ["/password/", "/password-unseen/"])
def test_who_changes_the_password_stays_signed_in_with_a_row_of_its_own(
    browser, person, signed_in, url
):
    elsewhere = Client()
    other = sign_in(elsewhere, person)
    browser.post(url)
    assert who(browser) == "anna"
    assert who(elsewhere) == ""
    assert reason_of(signed_in) == RevocationReason.PASSWORD_CHANGE
    assert reason_of(other) == RevocationReason.PASSWORD_CHANGE
    assert browser.session[SESSION_ID_KEY] == str(live().get().pk)


def test_the_trail_tells_of_a_password_change_in_the_order_of_what_happened(browser, signed_in):
    browser.post("/password/")
    events = SessionEvent.objects.order_by("created_at").values_list("kind", flat=True)
    assert list(events) == [EventKind.STARTED, EventKind.REVOKED, EventKind.STARTED]


def test_a_session_that_the_project_keeps_is_not_replaced(browser, signed_in):
    browser.post("/password-kept/")
    assert who(browser) == "anna"
    assert live().get() == signed_in


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda user: Session.objects.update(revocation_reason=RevocationReason.ADMIN),
        lambda user: Session.objects.all().delete(),
    ],
    ids=["ended by staff", "removed"],
)
def test_a_password_change_revives_nothing_that_somebody_else_ended(
    browser, signed_in, monkeypatch, meanwhile
):
    monkeypatch.setattr(f"{__name__}.during_change", meanwhile)
    browser.post("/password/")
    assert who(browser) == ""
    assert not live().exists()


@pytest.mark.usefixtures("_still")
def test_another_key_of_the_site_changes_the_hash_and_ends_nothing(
    browser, signed_in, settings, time_machine
):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key that is long enough for every hmac, 0123456789"
    assert who(browser) == "anna"
    assert live().get() == signed_in
    time_machine.shift(TOUCH_EVERY)
    assert who(browser) == "anna"
    # Bound to the new key: the old one may go.
    signed_in.refresh_from_db()
    assert signed_in.auth_hash == binding.auth_hash(signed_in.user)


# Last used


@pytest.mark.usefixtures("_still")
def test_last_used_and_address_are_written_every_few_minutes_and_no_more_often(
    browser, signed_in, time_machine
):
    started = signed_in.rotated_at
    time_machine.shift(TOUCH_EVERY - SECOND)
    browser.get("/me/", REMOTE_ADDR="192.0.2.8")
    assert row(signed_in)["rotated_at"] == started
    time_machine.shift(SECOND)
    browser.get("/me/", REMOTE_ADDR="192.0.2.8")
    after = row(signed_in)
    assert after["rotated_at"] == started + TOUCH_EVERY
    assert after["ip_address"] == "192.0.2.8"
    assert after["idle_expires_at"] == started + TOUCH_EVERY + timedelta(days=14) or (
        after["idle_expires_at"] == after["expires_at"]
    )
    assert (after["generation"], after["expires_at"]) == (1, signed_in.expires_at)


@pytest.mark.usefixtures("_still")
def test_a_session_that_is_used_does_not_run_into_its_idle_timeout(
    browser, person, options, time_machine
):
    options(IDLE_TIMEOUT=timedelta(minutes=20))
    session = sign_in(browser, person)
    for _ in range(4):
        time_machine.shift(timedelta(minutes=15))
        assert who(browser) == "anna"
    assert row(session)["idle_expires_at"] == timezone.now() + timedelta(minutes=20)
    time_machine.shift(timedelta(minutes=20))
    assert who(browser) == ""


@pytest.mark.usefixtures("_still")
def test_no_use_carries_a_session_beyond_its_end(browser, person, settings, time_machine):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    session = sign_in(browser, person)
    for _ in range(5):
        time_machine.shift(timedelta(days=5, hours=23))
        assert who(browser) == "anna"
    assert row(session)["idle_expires_at"] == session.expires_at
    time_machine.shift(timedelta(days=1))
    assert who(browser) == ""


@pytest.mark.usefixtures("_still")
def test_another_client_with_the_same_cookie_is_told_of(
    browser, signed_in, time_machine, django_capture_on_commit_callbacks
):
    heard = []

    def hear(session, device, previous_user_agent, **kwargs):
        heard.append((session.pk, device.user_agent, previous_user_agent))

    signals.new_client_seen.connect(hear)
    time_machine.shift(TOUCH_EVERY)
    with django_capture_on_commit_callbacks(execute=True):
        browser.get("/me/", headers={"User-Agent": "curl/8"})
    signals.new_client_seen.disconnect(hear)
    assert heard == [(signed_in.pk, "curl/8", FIREFOX)]
    assert SessionEvent.objects.filter(kind=EventKind.NEW_CLIENT, user_agent="curl/8").exists()
    assert row(signed_in)["user_agent"] == "curl/8"


@pytest.mark.usefixtures("_still")
def test_the_first_client_of_a_row_without_one_is_no_new_client(browser, signed_in, time_machine):
    Session.objects.filter(pk=signed_in.pk).update(user_agent="")
    time_machine.shift(TOUCH_EVERY)
    browser.get("/me/", headers={"User-Agent": "curl/8"})
    assert row(signed_in)["user_agent"] == "curl/8"
    assert not SessionEvent.objects.filter(kind=EventKind.NEW_CLIENT).exists()


@pytest.mark.usefixtures("_still")
def test_an_update_of_last_used_touches_no_indexed_column(browser, signed_in, time_machine):
    time_machine.shift(TOUCH_EVERY)
    with CaptureQueriesContext(connection) as captured:
        browser.get("/me/")
    (update,) = [q["sql"] for q in captured.captured_queries if q["sql"].startswith("UPDATE")]
    written = set(re.findall(r"[\"`](\w+)[\"`] = ", update.partition(" WHERE ")[0]))
    assert written == {"rotated_at", "idle_expires_at", "ip_address", "user_agent"}
    indexed = {f.column for f in Session._meta.fields if f.db_index or f.primary_key}
    indexed |= {name for index in Session._meta.indexes for name in index.fields}
    assert not written & indexed


# What it costs


def test_a_request_costs_one_statement_more_and_none_where_nobody_looks(
    browser, signed_in, settings
):
    assert statements(lambda: browser.get("/home/")) == []
    assert statements(lambda: browser.get("/me/")) == ["SELECT"] * 3
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]
    assert statements(lambda: browser.get("/home/")) == []


def test_the_check_reads_no_user_a_second_time(browser, signed_in):
    with CaptureQueriesContext(connection) as captured:
        browser.get("/me/")
    users = get_user_model()._meta.db_table
    assert sum(users in query["sql"] for query in captured.captured_queries) == 1


@pytest.fixture
def _in_memory(options):
    options(REVOCATION_CHECK="memory", REVOCATION_POLL_INTERVAL=timedelta(seconds=10))
    feed.stop()
    yield
    feed.stop()


@pytest.mark.usefixtures("_in_memory")
@pytest.mark.django_db(transaction=True)
class TestInMemory:
    """Committed, for the thread that reads has a connection of its own."""

    def test_a_request_costs_no_statement_more(self, browser, signed_in):
        who(browser)
        assert statements(lambda: browser.get("/me/")) == ["SELECT"] * 2
        assert browser.get("/me/").json() == {"user": "anna", "session": "known"}

    def test_no_other_mode_trusts_what_was_remembered(self, browser, signed_in, options):
        who(browser)
        options(REVOCATION_CHECK="none")
        assert statements(lambda: browser.get("/me/")) == ["SELECT"] * 3

    @pytest.mark.parametrize("end", ENDS)
    def test_an_end_is_known_at_once_where_it_was_made(self, browser, signed_in, end):
        assert who(browser) == who(browser) == "anna"
        end(signed_in)
        if end in (happenings.removed, happenings.at_its_end, happenings.idle):
            memory.forget()  # by a statement that tells nobody: known after TOUCH_EVERY
        assert who(browser) == ""

    @pytest.mark.usefixtures("_still")
    def test_the_database_is_asked_again_before_the_list_forgets(
        self, browser, signed_in, options, settings, time_machine
    ):
        settings.SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=2)}
        who(browser)
        time_machine.shift(timedelta(minutes=2) - SECOND)
        assert statements(lambda: browser.get("/me/")) == ["SELECT"] * 2
        time_machine.shift(SECOND)
        assert statements(lambda: browser.get("/me/")) == ["SELECT"] * 3

    def test_a_list_that_is_too_old_is_no_reason_to_refuse(
        self, browser, signed_in, options, monkeypatch
    ):
        options(REVOCATION_WHEN_STALE="refuse")
        who(browser)
        monkeypatch.setattr(feed, "_is_stale", lambda interval: True)
        monkeypatch.setattr(feed._tried, "wait", lambda timeout: None)
        assert statements(lambda: browser.get("/me/")) == ["SELECT"] * 3


def test_the_memory_is_bounded(person, monkeypatch):
    known = Memory()
    monkeypatch.setattr("token_lifecycle.contrib.browser_sessions.memory.MAX_ROWS", 3)
    for session in SessionFactory.build_batch(7, user=person):
        known.remember(session, now=timezone.now(), longest=TOUCH_EVERY)
    assert len(known._seen) <= 3
    assert MAX_ROWS > 1000


@pytest.mark.parametrize(
    ("later", "vouches"),
    [(-SECOND, False), (0 * SECOND, True), (TOUCH_EVERY - SECOND, True), (TOUCH_EVERY, False)],
)
def test_the_memory_vouches_for_a_while_and_not_while_the_clock_is_behind(
    person, monkeypatch, later, vouches
):
    monkeypatch.setattr(feed, "standing", lambda **about: Standing.LIVE)
    known, now = Memory(), timezone.now()
    session = SessionFactory.build(user=person)
    known.remember(session, now=now, longest=TOUCH_EVERY)
    assert known.vouches_for(session.pk, user_id=person.pk, now=now + later) == vouches
    assert not known.vouches_for(session.pk, user_id=person.pk + 1, now=now)


# Coroutines


def test_a_coroutine_signs_in_and_out_like_any_view(person):
    async def life():
        browser = AsyncClient()
        await browser.post("/async/login/", {"username": "anna"})
        inside = (await browser.get("/async/me/")).json()["user"]
        await browser.post("/async/logout/")
        return inside, (await browser.get("/async/me/")).json()["user"]

    assert async_to_sync(life)() == ("anna", "")
    assert Session.objects.get().revocation_reason == RevocationReason.LOGOUT


@pytest.mark.parametrize("end", ENDS)
def test_what_was_ended_lets_nobody_in_at_an_asynchronous_server(browser, signed_in, end):
    async def visit():
        client = AsyncClient()
        client.cookies = browser.cookies
        return (await client.get("/async/me/")).json()["user"]

    assert async_to_sync(visit)() == "anna"
    end(signed_in)
    assert async_to_sync(visit)() == ""
    assert not live().exists()


def test_a_session_from_before_gets_its_row_at_an_asynchronous_server(browser, person, settings):
    before_the_app(browser, person, settings)

    async def visit():
        client = AsyncClient()
        client.cookies = browser.cookies
        return (await client.get("/async/me/")).json()["user"]

    assert async_to_sync(visit)() == "anna"
    assert browser.session[SESSION_ID_KEY] == str(live().get().pk)


# What is outside, and what the checks say


def test_who_goes_round_the_middleware_is_not_stopped(browser, signed_in):
    """As the page of the docs admits: ``get_user`` itself knows nothing of the row."""
    lifecycle.revoke_session(signed_in.pk)
    request = RequestFactory().get("/")
    request.session = browser.session
    assert async_to_sync(aget_user)(request) == signed_in.user


def test_the_middleware_says_what_it_needs():
    middleware = BrowserSessionMiddleware(lambda request: HttpResponse())
    with pytest.raises(ImproperlyConfigured):
        middleware(RequestFactory().get("/"))


def ids(messages):
    return [message.id for message in messages]


def test_a_site_that_is_set_up_right_gets_no_complaint():
    assert checks.check_middleware() == checks.check_sessions() == []


@pytest.mark.parametrize(
    ("arrange", "found"),
    [
        (lambda names: names[:-1], ["token_lifecycle.E061"]),
        (lambda names: names[::-1], ["token_lifecycle.E062"]),
        (lambda names: names[1:], ["token_lifecycle.E062"]),
        (lambda names: [*names[:1], checks.LOGIN_REQUIRED, names[1]], ["token_lifecycle.E062"]),
        (lambda names: [*names, checks.LOGIN_REQUIRED, "no.such.Middleware"], []),
        (lambda names: [names[0], STRICT], []),
    ],
    ids=["missing", "before", "alone", "behind the wall", "before the wall", "a subclass"],
)
def test_a_middleware_that_would_protect_nobody_is_reported(settings, arrange, found):
    settings.MIDDLEWARE = arrange([checks.AUTHENTICATION, MIDDLEWARE])
    assert ids(checks.check_middleware()) == found


def test_sessions_without_a_table_are_reported(settings):
    apps = [name for name in settings.INSTALLED_APPS if name != "django.contrib.sessions"]
    settings.INSTALLED_APPS = apps
    assert ids(checks.check_sessions()) == ["token_lifecycle.E063"]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    assert checks.check_sessions() == []


def test_sessions_in_a_signed_cookie_can_be_ended_too(browser, person, settings):
    """Which Django alone cannot: a copy of the cookie would work until it expires."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    session = sign_in(browser, person)
    copied = browser.cookies["sessionid"].value
    browser.post("/logout/")
    thief = Client()
    thief.cookies["sessionid"] = copied
    assert who(thief) == ""
    assert reason_of(session) == RevocationReason.LOGOUT
