"""What the endpoints for API clients have in common: names, methods, challenges, errors."""

from io import BytesIO
from uuid import UUID

import pytest
from django.db import OperationalError, connection, connections
from django.test import AsyncRequestFactory, Client
from django.urls import include, path, resolve, reverse

from tests.answers import (
    ALL_URLS,
    BARE,
    INVALID,
    LOGOUT,
    LOGOUT_ALL,
    NOWHERE,
    OBTAIN,
    REFRESH,
    SESSIONS,
    assert_answer,
    detail,
)
from tests.forging import reforged, rows
from tests.happenings import deactivated_unseen, ended, given_a_password_unseen, idle, used_long_ago
from token_lifecycle import lifecycle
from token_lifecycle.models import RevocationReason
from token_lifecycle.testing import PASSWORD, sign_in

pytestmark = pytest.mark.django_db


class TestUrls:
    @pytest.mark.parametrize(
        ("name", "url"),
        [
            ("obtain", OBTAIN),
            ("refresh", REFRESH),
            ("logout", LOGOUT),
            ("logout-all", LOGOUT_ALL),
            ("session-list", SESSIONS),
        ],
    )
    def test_every_endpoint_has_its_name(self, name, url):
        assert reverse(f"token_lifecycle:{name}") == url

    def test_a_session_has_its_name(self):
        assert reverse("token_lifecycle:session-detail", args=["x"]) == detail("x")

    def test_the_csrf_endpoint_is_for_browsers_only(self, client):
        assert client.get("/auth/csrf/").status_code == 404

    @pytest.mark.parametrize("url", [*ALL_URLS, "/browser/csrf/", "/browser/refresh/"])
    def test_no_view_runs_inside_a_transaction_of_the_request(self, url):
        """``ATOMIC_REQUESTS`` would roll a revocation back with its own refusal."""
        assert resolve(url).func._non_atomic_requests == set(connections)


class TestMethods:
    ALLOWED = {
        OBTAIN: {"POST"},
        REFRESH: {"POST"},
        LOGOUT: {"POST"},
        LOGOUT_ALL: {"POST"},
        SESSIONS: {"GET"},
        NOWHERE: {"GET", "DELETE"},
    }

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
    @pytest.mark.parametrize("url", ALL_URLS)
    def test_other_methods_are_refused_and_change_nothing(self, api, user, url, method):
        if method in self.ALLOWED[url]:
            return
        sign_in(api, user)
        before = rows()
        response = api.generic(method, url, "{}", content_type="application/json")
        assert_answer(response, 405, "method_not_allowed")
        assert set(response["Allow"].split(", ")) == self.ALLOWED[url] | {"OPTIONS", "HEAD"} - (
            {"HEAD"} if "GET" not in self.ALLOWED[url] else set()
        )
        assert rows() == before

    @pytest.mark.parametrize("url", ALL_URLS)
    def test_trace_and_invented_methods_are_refused(self, api, user, url):
        sign_in(api, user)
        for method in ("TRACE", "LINK"):
            assert_answer(api.generic(method, url), 405, "method_not_allowed")

    @pytest.mark.parametrize("url", ALL_URLS)
    def test_options_tells_about_the_endpoint_and_nobody_else(self, api, user, url):
        sign_in(api, user)
        before = rows()
        response = api.options(url)
        assert_answer(response, 200)
        assert response.json().keys() == {"name", "description", "renders", "parses"}
        assert rows() == before

    def test_head_is_get_without_the_body(self, api, user):
        assert api.head(SESSIONS).status_code == 401
        sign_in(api, user)
        whole, head = api.get(SESSIONS), api.head(SESSIONS)
        assert_answer(head, 200)
        assert head.content == b""
        assert head["Content-Length"] == whole["Content-Length"]

    @pytest.mark.parametrize("url", [*ALL_URLS, "/browser/refresh/", "/browser/csrf/"])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_a_forgotten_slash_is_no_redirect(self, api, settings, url, method):
        """Or a client would send its secret once more, or a GET in place of its POST."""
        assert settings.APPEND_SLASH
        assert getattr(api, method)(url.rstrip("/"), {"refresh": "x"}).status_code == 404

    def test_a_forgotten_slash_is_forgiven_as_ever_in_the_project_itself(self, api):
        assert api.get("/whoami").status_code == 301

    @pytest.mark.parametrize("url", [OBTAIN, "/browser/obtain/"])
    @pytest.mark.parametrize("method", ["get", "head", "options", "put"])
    def test_what_is_no_sign_in_uses_up_no_tries(self, api, options, url, method):
        """Or a picture on any page would lock its visitors out."""
        options(THROTTLE_RATES={"obtain_address": "1/min"})
        for _ in range(3):
            getattr(api, method)(url)
        body = {"username": "nobody", "password": "x"}
        assert_answer(api.post(OBTAIN, body), 401, "invalid_credentials")

    @pytest.mark.parametrize(
        ("name", "allowed"), [("csrf", "GET"), ("refresh", "POST"), ("session-list", "GET")]
    )
    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_a_wrong_method_is_told_so_before_anything_is_asked_for(self, name, allowed, method):
        """Neither a CSRF token nor a bearer makes it a right one."""
        client = Client(enforce_csrf_checks=True)
        response = client.generic(method, reverse(f"token_lifecycle_browser:{name}"), "{}")
        assert_answer(response, 405, "method_not_allowed")
        assert allowed in response["Allow"]


class TestChunks:
    """A body with ``Transfer-Encoding`` and no length, which Django takes for an empty one."""

    BODY = b'{"keep_current": true}'

    def log_out_others(self, api, **extra):
        chunked = {
            "CONTENT_LENGTH": "",
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input": BytesIO(self.BODY),
        }
        return api.generic("POST", LOGOUT_ALL, b"", "application/json", **{**chunked, **extra})

    def test_what_cannot_be_read_is_refused_and_not_taken_for_nothing(self, api, user):
        sign_in(api, user)
        before = rows()
        assert_answer(self.log_out_others(api), 411, "length_required")
        assert rows() == before

    def test_what_the_server_says_the_end_of_is_read(self, api, user):
        sign_in(api, user)
        response = self.log_out_others(api, **{"wsgi.input_terminated": True})
        assert_answer(response, 200)
        assert response.json() == {"revoked": 0}

    def test_no_more_of_it_is_read_than_is_bearable(self, api, user, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
        sign_in(api, user)
        stream = BytesIO(self.BODY)
        endless = {"wsgi.input_terminated": True, "wsgi.input": stream}
        assert_answer(self.log_out_others(api, **endless), 413, "too_large")
        assert stream.tell() == 11

    def test_one_without_any_limit_is_read_as_the_project_wants_it(self, api, user, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
        sign_in(api, user)
        response = self.log_out_others(api, **{"wsgi.input_terminated": True})
        assert response.json() == {"revoked": 0}

    def test_one_that_breaks_off_is_malformed(self, api, user):
        class Broken(BytesIO):
            def read(self, *size):
                raise OSError

        sign_in(api, user)
        broken = {"wsgi.input_terminated": True, "wsgi.input": Broken()}
        assert_answer(self.log_out_others(api, **broken), 400, "parse_error")

    def test_under_asgi_it_is_read(self, user):
        issued = lifecycle.start_session(user)
        headers = {"Authorization": f"Bearer {issued.access}", "Transfer-Encoding": "chunked"}
        request = AsyncRequestFactory().generic(
            "POST", LOGOUT_ALL, self.BODY, "application/json", headers=headers
        )
        del request.META["CONTENT_LENGTH"]
        response = resolve(LOGOUT_ALL).func(request)
        assert response.data == {"revoked": 0}


class TestDatabase:
    @pytest.mark.parametrize("url", [OBTAIN, REFRESH, LOGOUT, LOGOUT_ALL, SESSIONS, NOWHERE])
    def test_a_database_that_is_down_is_a_503(self, api, user, url):
        issued = sign_in(api, user)

        def broken(*args):
            raise OperationalError("gone, secret reason")

        body = {"username": "x", "password": "y", "refresh": issued.refresh}
        method = api.get if url in (SESSIONS, NOWHERE) else api.post
        with connection.execute_wrapper(broken):
            response = method(url, body if method == api.post else None)
        assert_answer(response, 503, "unavailable")
        assert response["Retry-After"] == "1"
        assert b"secret" not in response.content


@pytest.mark.django_db(transaction=True)
class TestAtomicRequests:
    @pytest.fixture(autouse=True)
    def _atomic_requests(self, settings):
        before = connection.settings_dict["ATOMIC_REQUESTS"]
        connection.settings_dict["ATOMIC_REQUESTS"] = True
        yield
        connection.settings_dict["ATOMIC_REQUESTS"] = before

    def test_the_revocation_of_a_reuse_is_not_rolled_back_with_the_refusal(self, api, user):
        issued = lifecycle.start_session(user)
        used_long_ago(issued.session)
        assert_answer(api.post(REFRESH, {"refresh": issued.refresh}), 401, "token_reused")
        issued.session.refresh_from_db()
        assert issued.session.revocation_reason == RevocationReason.REUSE_DETECTED

    def test_a_changed_password_ends_the_session_for_good(self, api, user):
        issued = lifecycle.start_session(user)
        given_a_password_unseen(issued.session)
        assert_answer(api.post(REFRESH, {"refresh": issued.refresh}), 401, "password_changed")
        issued.session.refresh_from_db()
        assert issued.session.revocation_reason == RevocationReason.PASSWORD_CHANGE

    def test_the_whole_life_of_a_sign_in_works(self, api, user):
        body = {"username": user.get_username(), "password": PASSWORD}
        pair = api.post(OBTAIN, body).json()
        pair = api.post(REFRESH, {"refresh": pair["refresh"]}).json()
        assert api.post(LOGOUT, {"refresh": pair["refresh"]}).status_code == 204
        assert_answer(api.post(REFRESH, {"refresh": pair["refresh"]}), 401, "session_revoked")


PROTECTED = [
    ("post", LOGOUT_ALL),
    ("get", SESSIONS),
    ("head", SESSIONS),
    ("get", NOWHERE),
    ("delete", NOWHERE),
]


@pytest.mark.parametrize(("method", "url"), PROTECTED)
class TestBearer:
    def test_without_a_bearer_the_challenge_has_no_error(self, api, method, url):
        response = getattr(api, method)(url)
        assert_answer(response, 401, "not_authenticated" if method != "head" else None)
        assert response["WWW-Authenticate"] == BARE

    def test_a_refused_bearer_is_told_why(self, api, user, method, url):
        issued = sign_in(api, user)
        cases = [
            ("token_invalid", "x"),
            ("token_invalid", issued.refresh),
            ("token_expired", reforged(issued.access, exp=1)),
        ]
        for code, token in cases:
            response = getattr(api, method)(url, HTTP_AUTHORIZATION=f"Bearer {token}")
            assert_answer(response, 401, code if method != "head" else None)
            assert response["WWW-Authenticate"] == INVALID

    @pytest.mark.parametrize(
        ("happened", "code"),
        [
            (ended, "session_revoked"),
            (deactivated_unseen, "user_inactive"),
            (idle, "session_revoked"),
        ],
    )
    def test_a_session_that_is_over_is_refused(self, api, user, method, url, happened, code):
        happened(sign_in(api, user).session)
        response = getattr(api, method)(url)
        assert_answer(response, 401, code if method != "head" else None)
        assert response["WWW-Authenticate"] == INVALID

    def test_a_bearer_in_any_case_is_let_in(self, api, user, method, url):
        issued = lifecycle.start_session(user)
        for scheme in ("bearer", "BEARER"):
            response = getattr(api, method)(url, HTTP_AUTHORIZATION=f"{scheme} {issued.access}")
            assert response.status_code in ((200, 404) if url != LOGOUT_ALL else (200, 401))
            if url == LOGOUT_ALL:
                break  # it ended the session that asked

    def test_the_django_session_of_a_browser_counts_for_nothing(self, client, user, method, url):
        client.force_login(user)
        assert getattr(client, method)(url).status_code == 401


class TestChallenge:
    """RFC 6750 §3: a header holds nothing that a client sent."""

    @pytest.mark.parametrize("sent", ['"\r\nX: y', "\N{SNOWMAN}", "a\\b", "é"], ids=ascii)
    def test_it_has_only_the_characters_it_may_have(self, api, sent):
        header = f"Bearer {sent}".encode().decode("latin-1")
        response = api.get(SESSIONS, HTTP_AUTHORIZATION=header)
        assert response["WWW-Authenticate"] == INVALID

    @pytest.mark.parametrize("url", [OBTAIN, REFRESH])
    def test_every_401_has_one(self, api, url):
        body = {"username": "x", "password": "x", "refresh": "x"}
        assert api.post(url, body)["WWW-Authenticate"] == BARE


class TestErrors:
    def test_no_error_tells_about_the_inside(self, api, user):
        sign_in(api, user)
        answers = [
            api.post(OBTAIN, "{", content_type="application/json"),
            api.post(REFRESH, {"refresh": "x"}),
            api.get(detail("x")),
            api.post(OBTAIN, "x", content_type="text/plain"),
        ]
        for response in answers:
            for inside in ("Traceback", "line ", "column", "SELECT", ".py", "token_lifecycle."):
                assert inside not in response.content.decode()

    def test_an_origin_gets_no_permission_from_us(self, api, user):
        sign_in(api, user)
        response = api.get(SESSIONS, HTTP_ORIGIN="https://evil.example")
        assert not [name for name in response.headers if name.startswith("Access-Control")]


urlpatterns = [
    path("<slug:tenant>/auth/", include("token_lifecycle.urls")),
    path("extra/auth/", include("token_lifecycle.urls", namespace="extra"), {"brand": "x"}),
]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("mount", ["/acme/auth/", "/extra/auth/"])
def test_the_urls_may_be_included_under_a_route_that_captures_something(api, user, mount):
    body = {"username": user.get_username(), "password": PASSWORD}
    pair = api.post(f"{mount}obtain/", body).json()
    pair = api.post(f"{mount}refresh/", {"refresh": pair["refresh"]}).json()
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair['access']}"}
    assert api.get(f"{mount}sessions/", **bearer).json()["count"] == 1
    assert api.get(f"{mount}sessions/{UUID(pair['session'])}/", **bearer).status_code == 200
    assert api.post(f"{mount}logout-all/", **bearer).json() == {"revoked": 1}
    assert api.post(f"{mount}logout/", {"refresh": pair["refresh"]}).status_code == 204
