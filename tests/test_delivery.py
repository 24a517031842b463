"""The refresh token in a cookie: how it comes, goes, and is never confused with another."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse, HttpResponseRedirect
from django.template import Context, Template
from django.urls import include, path, re_path, reverse
from rest_framework.request import Request

from tests.answers import OBTAIN, assert_answer
from tests.browsing import COOKIE, HINT, Browser, is_deleted, stored
from tests.forging import claims_of, reforged, rows
from tests.happenings import REFUSED, used_in_a_burst
from token_lifecycle import delivery, lifecycle, views
from token_lifecycle.models import RevocationReason, Session
from token_lifecycle.testing import PASSWORD, UserFactory

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = 86400

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser():
    return Browser()


@pytest.fixture
def signed_in(browser, user):
    """A browser with a session; the answer to its sign-in."""
    return browser.sign_in(user, PASSWORD)


def live():
    return Session.objects.filter(revoked_at=None)


class TestObtain:
    def test_the_refresh_token_comes_in_a_cookie_and_not_in_the_body(self, browser, user):
        with time_machine.travel(NOW, tick=False):
            response = browser.sign_in(user, PASSWORD)
        assert_answer(response, 200)
        assert response.json() == {
            "access": response.json()["access"],
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_expires_in": 14 * DAY,
            "session": str(Session.objects.get().pk),
        }
        secret = claims_of(stored(response))["sec"]
        assert stored(response) not in response.content.decode()
        assert secret not in response.content.decode()

    def test_the_cookie_goes_to_the_refresh_endpoints_alone(self, browser, user):
        with time_machine.travel(NOW, tick=False):
            response = browser.sign_in(user, PASSWORD)
        header = response.cookies[COOKIE].OutputString()
        assert set(header.split("; ")[1:]) == {
            "expires=Tue, 15 Jan 2030 00:00:00 GMT",
            "HttpOnly",
            "Max-Age=1209600",
            "Path=/browser/",
            "SameSite=Strict",
            "Secure",
        }

    def test_beside_it_a_hint_without_a_secret_is_set(self, browser, user):
        response = browser.sign_in(user, PASSWORD)
        hint = response.cookies[HINT]
        assert (hint.value, hint["path"], hint["httponly"]) == ("1", "/", "")
        assert hint["secure"]
        assert hint["max-age"] == response.cookies[COOKIE]["max-age"]

    def test_wrong_credentials_set_and_delete_nothing(self, browser, user, signed_in):
        before = rows()
        response = browser.sign_in(user, "wrong")
        assert_answer(response, 401, "invalid_credentials")
        assert not response.cookies
        assert rows() == before

    @pytest.mark.parametrize(
        "configured",
        [
            {"NAME": "__Host-r", "PATH": "/"},
            {"SAMESITE": "Lax", "DOMAIN": "example.com"},
            {"HINT_NAME": "hint"},
        ],
        ids=str,
    )
    def test_attributes_are_those_of_the_settings(self, browser, user, settings, configured):
        settings.TOKEN_LIFECYCLE = {"COOKIE": configured, "THROTTLE_RATES": None}
        response = browser.sign_in(user, PASSWORD)
        cookie = response.cookies[configured.get("NAME", COOKIE)]
        assert cookie["path"] == configured.get("PATH", "/browser/")
        assert cookie["samesite"] == configured.get("SAMESITE", "Strict")
        assert cookie["domain"] == configured.get("DOMAIN", "")
        assert configured.get("HINT_NAME", HINT) in response.cookies

    def test_without_secure_it_works_over_plain_http_under_a_plain_name(self, user, settings):
        settings.TOKEN_LIFECYCLE = {"COOKIE": {"SECURE": False}, "THROTTLE_RATES": None}
        browser = Browser()
        response = browser.sign_in(user, PASSWORD)
        assert not response.cookies["refresh_token"]["secure"]
        assert COOKIE not in response.cookies
        assert_answer(browser.send("refresh/"), 200)


class TestReplacing:
    """A sign-in always makes a new session; which old one it ends is the caller's own or none."""

    def test_a_sign_in_in_the_same_browser_replaces_its_own_session(self, browser, user, signed_in):
        response = browser.sign_in(user, PASSWORD)
        old = Session.objects.get(pk=signed_in.json()["session"])
        assert old.revocation_reason == RevocationReason.REPLACED
        assert [str(session.pk) for session in live()] == [response.json()["session"]]
        assert_answer(browser.send("refresh/"), 200)

    def test_a_consumed_cookie_of_ones_own_is_replaced_too(self, browser, user, signed_in):
        used_in_a_burst(Session.objects.get())
        browser.sign_in(user, PASSWORD)
        assert live().count() == 1

    def test_a_planted_cookie_is_never_adopted_and_its_owner_loses_nothing(self, browser, user):
        attacker = lifecycle.start_session(UserFactory())
        browser.token = attacker.refresh
        response = browser.sign_in(user, PASSWORD)
        assert response.json()["session"] != str(attacker.session.pk)
        assert claims_of(browser.token)["sid"] == response.json()["session"]
        assert live().count() == 2

    @pytest.mark.parametrize(
        "stale", ["", "x", "a.b.c", "ey.ey.ey", "x" * 10_000, '"quoted"', "\xe9"], ids=ascii
    )
    def test_a_stale_cookie_does_not_stand_in_the_way(self, browser, user, stale):
        browser.token = stale
        assert_answer(browser.sign_in(user, PASSWORD), 200)
        assert live().count() == 1

    @pytest.mark.parametrize(("happened", "code"), REFUSED, ids=lambda v: getattr(v, "__name__", v))
    def test_a_dead_cookie_of_somebody_else_does_not_either(self, browser, user, happened, code):
        other = lifecycle.start_session(UserFactory())
        happened(other.session)
        browser.token = other.refresh
        before = list(Session.objects.filter(pk=other.session.pk).values())
        response = browser.sign_in(user, PASSWORD)
        assert_answer(response, 200)
        assert list(Session.objects.filter(pk=other.session.pk).values()) == before

    @pytest.mark.parametrize("order", [1, -1])
    def test_of_two_cookies_none_is_believed_and_none_stands_in_the_way(
        self, browser, user, signed_in, order
    ):
        pair = [f"{COOKIE}={browser.token}", f"{COOKIE}=planted"][::order]
        response = browser.sign_in(user, PASSWORD, cookies="; ".join(pair))
        assert_answer(response, 200)
        assert live().count() == 2

    def test_a_failed_sign_in_ends_nothing(self, browser, user, signed_in):
        browser.sign_in(user, "wrong")
        assert live().count() == 1


class TestRefresh:
    def test_the_cookie_is_exchanged_for_a_new_one(self, browser, signed_in):
        before = browser.token
        response = browser.send("refresh/")
        assert_answer(response, 200)
        assert "refresh" not in response.json()
        assert response.json()["session"] == signed_in.json()["session"]
        assert stored(response) not in ("", before)
        assert stored(response) not in response.content.decode()
        assert claims_of(browser.token)["gen"] == 2
        assert response.cookies[COOKIE]["path"] == "/browser/"

    def test_its_age_is_what_is_left_of_the_session(self, browser, user, settings):
        settings.TOKEN_LIFECYCLE = {"SESSION_LIFETIME": timedelta(days=15), "THROTTLE_RATES": None}
        with time_machine.travel(NOW, tick=False) as clock:
            assert browser.sign_in(user, PASSWORD).cookies[COOKIE]["max-age"] == 14 * DAY
            clock.shift(timedelta(days=5))
            response = browser.send("refresh/")
        assert response.cookies[COOKIE]["max-age"] == 10 * DAY
        assert response.cookies[HINT]["max-age"] == 10 * DAY

    @pytest.mark.parametrize("body", [{}, {"refresh": "x"}], ids=str)
    def test_a_token_in_the_body_is_not_looked_at(self, browser, user, signed_in, body):
        other = lifecycle.start_session(user)
        body = dict.fromkeys(body, other.refresh)
        response = browser.send("refresh/", body)
        assert response.json()["session"] == signed_in.json()["session"]
        assert Session.objects.get(pk=other.session.pk).generation == 1

    def test_it_needs_no_body(self, browser, signed_in):
        assert_answer(browser.send("refresh/", without=["CONTENT_TYPE"]), 200)

    def test_without_a_cookie_it_is_refused_whatever_the_body_holds(self, browser, user):
        issued = lifecycle.start_session(user)
        before = rows()
        response = browser.send("refresh/", {"refresh": issued.refresh}, bearer=issued.access)
        assert_answer(response, 401, "token_invalid")
        assert rows() == before

    def test_without_a_cookie_the_hint_is_taken_back(self, browser):
        response = browser.send("refresh/")
        assert_answer(response, 401, "token_invalid")
        assert is_deleted(response)

    @pytest.mark.parametrize(("happened", "code"), REFUSED, ids=lambda v: getattr(v, "__name__", v))
    def test_a_final_refusal_deletes_the_cookie_and_a_passing_one_keeps_it(
        self, browser, signed_in, happened, code
    ):
        happened(Session.objects.get())
        response = browser.send("refresh/")
        assert_answer(response, 401, code)
        assert "access" not in response.json()
        if code == "token_superseded":
            assert not response.cookies
        else:
            assert is_deleted(response)
            assert response.cookies[COOKIE]["path"] == "/browser/"

    @pytest.mark.parametrize("order", [1, -1])
    def test_two_cookies_are_refused_in_both_orders_and_not_deleted(
        self, browser, signed_in, order, caplog
    ):
        pair = [f"{COOKIE}={browser.token}", f"{COOKIE}=planted"][::order]
        before = rows()
        response = browser.send("refresh/", cookies="; ".join(pair))
        assert_answer(response, 401, "token_invalid")
        assert not response.cookies
        assert rows() == before
        warning = "several refresh cookies in one request: path='/browser/refresh/'"
        assert caplog.messages.count(warning) == 1

    @pytest.mark.parametrize(
        "name", ["refresh_token", "__secure-refresh_token", "__Host-refresh_token", "refresh"]
    )
    def test_a_cookie_of_a_similar_name_is_not_looked_at(self, browser, signed_in, name):
        browser.cookies[name] = browser.token
        del browser.cookies[COOKIE]
        assert_answer(browser.send("refresh/"), 401, "token_invalid")

    @pytest.mark.parametrize("change", ["{}=", '"{}"', "{}x", "x{}", "{},{}"])
    def test_another_spelling_of_the_token_is_refused(self, browser, signed_in, change):
        other = change.format(browser.token, browser.token)
        response = browser.send("refresh/", cookies=f"{COOKIE}={other}")
        assert_answer(response, 401, "token_invalid")

    def test_throttled_or_unavailable_the_cookie_stays(self, browser, signed_in, settings):
        settings.TOKEN_LIFECYCLE = {"THROTTLE_RATES": {"refresh_session": "0/min"}}
        response = browser.send("refresh/")
        assert_answer(response, 429, "throttled")
        assert not response.cookies

    def test_the_cookie_counts_and_the_bearer_of_another_user_does_not(self, browser, signed_in):
        other = lifecycle.start_session(UserFactory())
        response = browser.send("refresh/", bearer=other.access)
        assert response.json()["session"] == signed_in.json()["session"]


class TestLogout:
    def test_the_session_ends_and_both_cookies_go(self, browser, signed_in):
        response = browser.send("logout/")
        assert_answer(response, 204)
        assert is_deleted(response)
        assert Session.objects.get().revocation_reason == RevocationReason.LOGOUT

    def test_they_go_with_the_attributes_they_came_with(self, browser, signed_in):
        response = browser.send("logout/")
        for name in (COOKIE, HINT):
            was, now = signed_in.cookies[name], response.cookies[name]
            assert now.value == ""
            assert now["expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
            for attribute in ("path", "domain", "secure", "httponly", "samesite"):
                assert now[attribute] == was[attribute]

    @pytest.mark.parametrize("token", [None, "", "x", "a.b.c"])
    def test_without_a_session_the_answer_is_the_same(self, browser, token):
        if token is not None:
            browser.token = token
        response = browser.send("logout/")
        assert_answer(response, 204)
        assert is_deleted(response)

    @pytest.mark.parametrize(("happened", "code"), REFUSED, ids=lambda v: getattr(v, "__name__", v))
    def test_whatever_became_of_the_session_the_answer_is_the_same(
        self, browser, signed_in, happened, code
    ):
        happened(Session.objects.get())
        response = browser.send("logout/")
        assert_answer(response, 204)
        assert is_deleted(response)

    def test_a_bearer_will_do_where_the_cookie_is_gone(self, browser, signed_in):
        del browser.cookies[COOKIE]
        assert_answer(browser.send("logout/", bearer=signed_in.json()["access"]), 204)
        assert not live().exists()

    def test_the_cookie_counts_and_the_bearer_of_another_user_does_not(self, browser, signed_in):
        other = lifecycle.start_session(UserFactory())
        assert_answer(browser.send("logout/", bearer=other.access), 204)
        assert [session.pk for session in live()] == [other.session.pk]

    def test_a_token_in_the_body_is_not_looked_at(self, browser, user, signed_in):
        other = lifecycle.start_session(user)
        assert_answer(browser.send("logout/", {"refresh": other.refresh}), 204)
        assert [session.pk for session in live()] == [other.session.pk]

    @pytest.mark.parametrize("order", [1, -1])
    def test_a_planted_cookie_keeps_nobody_signed_in(self, browser, signed_in, order, caplog):
        other = lifecycle.start_session(UserFactory())
        unhurt = lifecycle.start_session(UserFactory())
        planted = [other.refresh, reforged(unhurt.refresh, sec="A" * 22), "planted"]
        header = [f"{COOKIE}={token}" for token in [browser.token, *planted]][::order]
        response = browser.send("logout/", cookies="; ".join(header))
        assert_answer(response, 204)
        assert is_deleted(response)
        # Whose secret came along has ended: the planted one cannot be signed in with either.
        assert [session.pk for session in live()] == [unhurt.session.pk]
        warning = "several refresh cookies in one request: path='/browser/logout/'"
        assert caplog.messages.count(warning) == 1


class TestSessions:
    @pytest.fixture
    def access(self, signed_in):
        return signed_in.json()["access"]

    def test_logout_everywhere_takes_the_cookie_of_this_session_too(self, browser, access):
        response = browser.send("logout-all/", bearer=access)
        assert response.json() == {"revoked": 1}
        assert is_deleted(response)

    def test_the_session_that_stays_keeps_its_cookie(self, browser, user, access):
        lifecycle.start_session(user)
        response = browser.send("logout-all/", {"keep_current": True}, bearer=access)
        assert response.json() == {"revoked": 1}
        assert not response.cookies

    def test_the_bearer_counts_and_the_cookie_of_another_user_stays(self, browser, access):
        other = lifecycle.start_session(UserFactory())
        browser.token = other.refresh
        response = browser.send("logout-all/", bearer=access)
        assert response.json() == {"revoked": 1}
        assert not response.cookies
        assert [session.pk for session in live()] == [other.session.pk]

    @pytest.mark.parametrize("order", [1, -1])
    def test_a_planted_cookie_does_not_keep_the_one_of_the_session(self, browser, access, order):
        header = "; ".join([f"{COOKIE}={browser.token}", f"{COOKIE}=planted"][::order])
        assert is_deleted(browser.send("logout-all/", bearer=access, cookies=header))

    @pytest.mark.parametrize("cookie", [None, "", "x", "a.b.c"])
    def test_without_a_cookie_of_the_session_none_is_deleted(self, browser, access, cookie):
        del browser.cookies[COOKIE]
        if cookie is not None:
            browser.token = cookie
        assert not browser.send("logout-all/", bearer=access).cookies

    def test_the_cookie_alone_opens_nothing(self, browser, signed_in):
        for method, name in (("GET", "sessions/"), ("POST", "logout-all/")):
            response = browser.send(name, method=method)
            assert_answer(response, 401, "not_authenticated")
        assert live().count() == 1

    def test_the_list_is_the_same_as_over_the_api(self, browser, access):
        listed = browser.send("sessions/", method="GET", bearer=access).json()
        assert [session["current"] for session in listed["results"]] == [True]

    def test_ending_this_session_takes_its_cookie(self, browser, signed_in, access):
        this = f"sessions/{signed_in.json()['session']}/"
        assert browser.send(this, method="GET", bearer=access).json()["current"]
        response = browser.send(this, method="DELETE", bearer=access)
        assert_answer(response, 204)
        assert is_deleted(response)
        assert response.cookies[COOKIE]["path"] == "/browser/"

    def test_ending_another_session_leaves_the_cookie(self, browser, user, access):
        other = f"sessions/{lifecycle.start_session(user).session.pk}/"
        response = browser.send(other, method="DELETE", bearer=access)
        assert_answer(response, 204)
        assert not response.cookies


class TestAnotherKindOfSignIn:
    """For views of a project that have found out who is there by other means."""

    @pytest.fixture
    def issued(self, user):
        return lifecycle.start_session(user, auth_method="passkey")

    @pytest.mark.parametrize("wrap", [lambda request: request, Request], ids=["Django", "DRF"])
    def test_a_browser_gets_what_a_sign_in_with_a_password_gives_it(
        self, rf, browser, user, issued, wrap
    ):
        usual = browser.sign_in(user, PASSWORD)
        request = rf.get("/callback/")
        response = HttpResponseRedirect("/")
        assert delivery.deliver_to_browser(wrap(request), response, issued) is response
        assert stored(response) == issued.refresh
        for name in (COOKIE, HINT):
            ours, theirs = response.cookies[name], usual.cookies[name]
            for attribute in ("path", "domain", "secure", "httponly", "samesite"):
                assert ours[attribute] == theirs[attribute]
        assert response["Cache-Control"] == "no-store"
        assert request.META["CSRF_COOKIE_NEEDS_UPDATE"]
        browser.token = stored(response)
        assert browser.send("refresh/").json()["session"] == str(issued.session.pk)

    def test_of_several_mounts_one_is_chosen_by_its_path(self, rf, issued):
        response = delivery.deliver_to_browser(
            rf.get("/callback/"), HttpResponse(), issued, mount="/staff/auth/"
        )
        assert response.cookies[COOKIE]["path"] == "/staff/auth/"
        assert HINT not in response.cookies

    def test_an_api_client_gets_what_a_sign_in_with_a_password_answers(self, api, user, issued):
        usual = api.post(OBTAIN, {"username": user.get_username(), "password": PASSWORD})
        response = delivery.token_response(issued)
        body = json.loads(response.content)
        assert list(body) == list(usual.json())
        assert (body["access"], body["refresh"]) == (issued.access, issued.refresh)
        for header in ("Cache-Control", "Pragma", "Content-Type"):
            assert response[header] == usual[header]


#: Ways in which a project may include the URLs, each with a path below them.
urlpatterns = [
    path("one/", include("token_lifecycle.browser_urls", namespace="one")),
    path("two/", include("token_lifecycle.browser_urls", namespace="two")),
    path("same/", include("token_lifecycle.browser_urls")),
    path("again/", include("token_lifecycle.browser_urls")),
    path("of/<slug:tenant>/auth/", include("token_lifecycle.browser_urls", namespace="tenant")),
    re_path(r"^unnamed/([a-z]+)/", include("token_lifecycle.browser_urls", namespace="unnamed")),
    path("extra/", include("token_lifecycle.browser_urls", namespace="extra"), {"brand": "x"}),
    path("münze/", include("token_lifecycle.browser_urls", namespace="umlaut")),
    path("outer/", include(([path("in/", include("token_lifecycle.browser_urls"))], "outer"))),
    *i18n_patterns(path("auth/", include("token_lifecycle.browser_urls", namespace="i18n"))),
    path("enter/", views.ObtainView.as_view(delivery=delivery.COOKIE)),
    path("", include("token_lifecycle.browser_urls", namespace="root")),
]


@pytest.mark.urls(__name__)
class TestMounts:
    @pytest.mark.parametrize(
        "mount",
        [
            "/one/",
            "/two/",
            "/same/",
            "/again/",
            "/of/acme/auth/",
            "/unnamed/acme/",
            "/extra/",
            "/outer/in/",
            "/en-us/auth/",
            "/",
        ],
    )
    def test_wherever_the_urls_are_included_the_cookie_finds_its_way_back(self, user, mount):
        browser = Browser(mount)
        answers = [browser.sign_in(user, PASSWORD), browser.send("refresh/")]
        access = answers[-1].json()["access"]
        this = f"sessions/{answers[-1].json()['session']}/"
        answers.append(browser.send(this, method="DELETE", bearer=access))
        for response in answers:
            assert response.status_code in (200, 204)
            assert response.cookies[COOKIE]["path"] == mount
            (hint,) = [name for name in response.cookies if name.startswith(HINT)]
            assert response.cookies[hint]["path"] == "/"

    def test_signing_out_at_one_mount_does_not_look_like_it_at_another(self, user):
        one, two = Browser("/one/"), Browser("/two/")
        hints = set()
        for browser in (one, two):
            hints |= browser.sign_in(user, PASSWORD).cookies.keys() - {COOKIE, "csrftoken"}
        assert hints == {"tl_hint_2be13acf", "tl_hint_0237984f"}
        gone = one.send("logout/").cookies
        assert {name for name in hints if name in gone} == {"tl_hint_2be13acf"}

    def test_the_mount_that_the_namespace_leads_to_has_the_plain_hint(self, user):
        mount = reverse("token_lifecycle_browser:csrf").removesuffix("csrf/")
        assert HINT in Browser(mount).sign_in(user, PASSWORD).cookies

    def test_mounts_that_share_a_cookie_share_its_hint(self, user, options):
        options(COOKIE={"PATH": "/"})
        for mount in ("/one/", "/two/"):
            assert HINT in Browser(mount).sign_in(user, PASSWORD).cookies

    @pytest.mark.parametrize("namespace", ["one", "umlaut", "outer:token_lifecycle_browser"])
    def test_a_page_is_told_of_the_hint_that_its_mount_sets(self, user, namespace):
        tag = Template(f"{{% load token_lifecycle %}}{{% token_lifecycle_config '{namespace}' %}}")
        told = json.loads(re.search(r">(.*)<", tag.render(Context()))[1])
        mount = reverse(f"{namespace}:csrf").removesuffix("csrf/")
        assert told["namespace"] == f"tl:{mount}"
        assert told["hintCookie"] in Browser(mount).sign_in(user, PASSWORD).cookies

    def test_a_mount_in_other_letters_is_written_as_browsers_ask_for_it(self, user):
        response = Browser("/m%C3%BCnze/").sign_in(user, PASSWORD)
        assert response.cookies[COOKIE]["path"] == "/m%C3%BCnze/"

    def test_a_view_of_its_own_uses_the_endpoints_of_the_project(self, user):
        browser = Browser("/one/")
        browser.mount = "/enter/"
        body = {"username": user.get_username(), "password": PASSWORD}
        assert browser.send("", body).cookies[COOKIE]["path"] in ("/same/", "/again/")

    def test_behind_a_script_name_the_path_begins_with_it(self, user, settings):
        settings.FORCE_SCRIPT_NAME = "/app"
        assert Browser("/one/").sign_in(user, PASSWORD).cookies[COOKIE]["path"] == "/app/one/"

    def test_a_script_name_of_the_server_counts_too(self, user):
        response = Browser("/one/").sign_in(user, PASSWORD, SCRIPT_NAME="/app")
        assert response.cookies[COOKIE]["path"] == "/app/one/"

    def test_a_path_of_the_settings_comes_before_all(self, user, settings):
        settings.TOKEN_LIFECYCLE = {"COOKIE": {"PATH": "/x/"}, "THROTTLE_RATES": None}
        assert Browser("/one/").sign_in(user, PASSWORD).cookies[COOKIE]["path"] == "/x/"
