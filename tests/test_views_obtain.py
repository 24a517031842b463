"""Signing in with a password over the API."""

from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.exceptions import ImproperlyConfigured, PermissionDenied

from tests.answers import BARE, OBTAIN, REFRESH, assert_answer
from tests.browsing import Browser
from tests.forging import claims_of, rows
from token_lifecycle import binding, lifecycle
from token_lifecycle.models import EventKind, Session, SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory, sign_in
from token_lifecycle.views import ObtainView

NOW = datetime(2030, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


class TestObtain:
    def obtain(self, api, user, password=PASSWORD, **extra):
        return api.post(OBTAIN, {"username": user.get_username(), "password": password}, **extra)

    def test_a_password_starts_a_session(self, api, user):
        with time_machine.travel(NOW, tick=False):
            response = self.obtain(api, user)
        assert_answer(response, 200)
        body = response.json()
        session = Session.objects.get()
        assert body == {
            "access": body["access"],
            "refresh": body["refresh"],
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_expires_in": 14 * 86400,
            "session": str(session.pk),
        }
        assert (session.user, session.auth_method) == (user, "password")

    def test_the_seconds_it_names_are_those_of_the_tokens(self, api, user):
        with time_machine.travel(NOW, tick=False):
            body = self.obtain(api, user).json()
        for token, seconds in (("access", "expires_in"), ("refresh", "refresh_expires_in")):
            claims = claims_of(body[token])
            assert claims["exp"] - claims["iat"] == body[seconds]

    def test_a_client_of_simplejwt_needs_no_change_but_its_address(self, api, user):
        """It posts username and password, then refresh, and reads access and refresh."""
        pair = self.obtain(api, user).json()
        refreshed = api.post(REFRESH, {"refresh": pair["refresh"]}).json()
        assert {"access", "refresh"} <= pair.keys()
        assert {"access", "refresh"} <= refreshed.keys()
        bearer = {"HTTP_AUTHORIZATION": f"Bearer {refreshed['access']}"}
        assert api.get("/whoami/", **bearer).json() == {"user": str(user.pk)}

    def test_the_device_is_remembered(self, api, user):
        body = {"username": user.get_username(), "password": PASSWORD, "device_name": "Anna's"}
        api.post(OBTAIN, body, HTTP_USER_AGENT="curl/8", REMOTE_ADDR="192.0.2.7")
        session = Session.objects.get()
        assert (session.device_name, session.user_agent) == ("Anna's", "curl/8")
        assert session.ip_address == "192.0.2.7"

    def test_a_forwarded_address_counts_behind_trusted_proxies_only(self, api, user, settings):
        forwarded = {"REMOTE_ADDR": "198.51.100.1", "HTTP_X_FORWARDED_FOR": "192.0.2.7"}
        self.obtain(api, user, **forwarded)
        settings.TOKEN_LIFECYCLE = {"TRUSTED_PROXIES": 1, "THROTTLE_RATES": None}
        self.obtain(api, user, **forwarded)
        addresses = Session.objects.order_by("pk").values_list("ip_address", flat=True)
        assert list(addresses) == ["198.51.100.1", "192.0.2.7"]

    def test_two_sign_ins_share_nothing(self, api, user):
        first, second = (self.obtain(api, user).json() for _ in range(2))
        for name in ("access", "refresh", "session"):
            assert first[name] != second[name]
        assert claims_of(first["refresh"])["sec"] != claims_of(second["refresh"])["sec"]

    def test_django_hears_of_the_sign_in(self, api, user):
        heard = []

        def listen(sender, request, user, **kwargs):
            heard.append((sender, request.path, user))

        user_logged_in.connect(listen)
        try:
            self.obtain(api, user)
        finally:
            user_logged_in.disconnect(listen)
        assert heard == [(get_user_model(), OBTAIN, user)]
        user.refresh_from_db()
        assert user.last_login is not None

    def test_wrong_credentials_get_the_same_bytes_whatever_is_wrong(self, api, user):
        inactive = UserFactory(is_active=False)
        unusable = UserFactory()
        unusable.set_unusable_password()
        unusable.save()
        before = rows()
        answers = [
            self.obtain(api, user, "wrong"),
            self.obtain(api, inactive),
            self.obtain(api, inactive, "wrong"),
            self.obtain(api, unusable, "!"),
            api.post(OBTAIN, {"username": "nobody", "password": PASSWORD}),
        ]
        for response in answers:
            assert_answer(response, 401, "invalid_credentials")
            assert response["WWW-Authenticate"] == BARE
        assert len({(r.content, *sorted(r.headers.items())) for r in answers}) == 1
        assert rows() == before

    def test_wrong_credentials_cost_one_hash_whatever_is_wrong(self, api, user):
        """Or the time an answer takes would tell which accounts there are."""
        inactive = UserFactory(is_active=False)
        hasher = "django.contrib.auth.hashers.MD5PasswordHasher.encode"
        for name in (user.get_username(), inactive.get_username(), "nobody"):
            with mock.patch(hasher, autospec=True, return_value="md5$x$y") as encode:
                api.post(OBTAIN, {"username": name, "password": "wrong"})
            assert encode.call_count == 1

    def test_an_inactive_user_whom_a_backend_lets_in_gets_the_same_bytes(self, api, settings):
        inactive = UserFactory(is_active=False)
        wrong = self.obtain(api, inactive, "wrong")
        settings.AUTHENTICATION_BACKENDS = [
            "django.contrib.auth.backends.AllowAllUsersModelBackend"
        ]
        before = rows()
        response = self.obtain(api, inactive)
        assert_answer(response, 401, "invalid_credentials")
        assert response.content == wrong.content
        assert rows() == before

    def test_django_hears_of_the_failure(self, api, user):
        heard = []

        def listen(sender, credentials, request, **kwargs):
            heard.append((credentials, request.path))

        user_login_failed.connect(listen)
        try:
            self.obtain(api, user, "wrong")
        finally:
            user_login_failed.disconnect(listen)
        ((credentials, where),) = heard
        assert where == OBTAIN
        assert "wrong" not in str(credentials)

    @pytest.mark.parametrize("header", ["Bearer a.b.c", "Bearer", "Basic x", "Bearer \0"])
    def test_a_stale_authorization_header_does_not_stand_in_the_way(self, api, user, header):
        assert_answer(self.obtain(api, user, HTTP_AUTHORIZATION=header), 200)

    def test_a_bearer_is_no_sign_in_and_gets_no_answer_of_its_own(self, api, user):
        plain = self.obtain(api, user, "wrong")
        sign_in(api, user)
        response = self.obtain(api, user, "wrong")
        assert (response.content, response.headers) == (plain.content, plain.headers)

    def test_fields_that_do_not_belong_there_are_ignored(self, api, user):
        other = UserFactory()
        body = {
            "username": user.get_username(),
            "password": PASSWORD,
            "user": other.pk,
            "user_id": other.pk,
            "is_staff": True,
            "expires_at": "2999-01-01T00:00:00Z",
            "idle_expires_at": "2999-01-01T00:00:00Z",
            "session_id": "0197d0a0-5f6e-7cc3-8a3b-0123456789ab",
            "id": "0197d0a0-5f6e-7cc3-8a3b-0123456789ab",
            "generation": 99,
            "auth_method": "passkey",
            "lifetime": 10**9,
            "scope": "admin",
            "ip_address": "192.0.2.66",
        }
        with time_machine.travel(NOW, tick=False):
            response = api.post(OBTAIN, body)
        assert_answer(response, 200)
        session = Session.objects.get()
        assert str(session.pk) != body["id"]
        assert (session.user, session.generation, session.auth_method) == (user, 1, "password")
        assert session.expires_at == NOW + timedelta(days=30)
        assert session.ip_address == "127.0.0.1"
        assert "scope" not in claims_of(response.json()["access"])
        user.refresh_from_db()
        assert not user.is_staff

    def test_at_the_session_limit_a_sign_in_is_refused_where_the_project_says_so(
        self, api, user, settings
    ):
        settings.TOKEN_LIFECYCLE = {
            "MAX_SESSIONS_PER_USER": 1,
            "SESSION_LIMIT_POLICY": "refuse",
            "THROTTLE_RATES": None,
        }
        assert_answer(self.obtain(api, user), 200)
        assert_answer(self.obtain(api, user), 403, "session_limit")
        assert Session.objects.count() == 1

    def test_a_password_of_another_user_opens_nothing(self, api, user):
        other = UserFactory(password="another horse")
        assert_answer(self.obtain(api, user, "another horse"), 401, "invalid_credentials")
        assert_answer(self.obtain(api, other, PASSWORD), 401, "invalid_credentials")


def test_a_session_is_bound_to_the_password_that_was_checked(api, user):
    body = {"username": user.get_username(), "password": PASSWORD}
    api.post(OBTAIN, body)
    assert Session.objects.get().auth_hash == binding.auth_hash(user)


def sessions():
    """All there is of sessions; Django itself writes down that a password was right."""
    return [list(model.objects.order_by("pk").values()) for model in (Session, SessionEvent)]


def refuse(**kwargs):
    raise PermissionDenied


@pytest.fixture
def refusing_receiver():
    user_logged_in.connect(refuse)
    yield
    user_logged_in.disconnect(refuse)


class TestNothingIsLost:
    """A sign-in that comes to nothing leaves no session that nobody holds, and takes none away."""

    @pytest.fixture
    def browser(self, user):
        browser = Browser()
        browser.sign_in(user, PASSWORD)
        return browser

    def obtain(self, api, user):
        return api.post(OBTAIN, {"username": user.get_username(), "password": PASSWORD})

    def test_a_receiver_that_refuses_starts_and_evicts_nothing(
        self, api, user, options, refusing_receiver
    ):
        options(MAX_SESSIONS_PER_USER=2)
        lifecycle.start_session(user)
        lifecycle.start_session(user)
        before = sessions()
        assert_answer(self.obtain(api, user), 403, "permission_denied")
        assert sessions() == before

    def test_a_receiver_that_refuses_leaves_the_browser_its_session(
        self, browser, user, refusing_receiver
    ):
        before = sessions()
        response = browser.sign_in(user, PASSWORD)
        assert_answer(response, 403, "permission_denied")
        assert not response.cookies
        assert sessions() == before
        assert_answer(browser.send("refresh/"), 200)

    def test_an_answer_that_fails_starts_evicts_and_replaces_nothing(self, browser, user, options):
        options(MAX_SESSIONS_PER_USER=2)
        lifecycle.start_session(user)
        before = sessions()
        broken = mock.patch.object(ObtainView, "answer", side_effect=ImproperlyConfigured)
        with broken, pytest.raises(ImproperlyConfigured):
            browser.sign_in(user, PASSWORD)
        assert sessions() == before

    def test_at_a_limit_that_was_lowered_the_browser_keeps_its_session(
        self, browser, user, options
    ):
        lifecycle.start_session(user)
        options(MAX_SESSIONS_PER_USER=1, SESSION_LIMIT_POLICY="refuse")
        before = sessions()
        assert_answer(browser.sign_in(user, PASSWORD), 403, "session_limit")
        assert sessions() == before

    def test_the_session_that_is_replaced_makes_room_for_the_new_one(self, browser, user, options):
        options(MAX_SESSIONS_PER_USER=1, SESSION_LIMIT_POLICY="refuse")
        assert_answer(browser.sign_in(user, PASSWORD), 200)
        assert Session.objects.filter(revoked_at=None).count() == 1

    def test_a_refusal_at_the_limit_stays_on_record(self, api, user, options):
        options(MAX_SESSIONS_PER_USER=1, SESSION_LIMIT_POLICY="refuse")
        lifecycle.start_session(user)
        assert_answer(self.obtain(api, user), 403, "session_limit")
        assert SessionEvent.objects.filter(kind=EventKind.LIMIT_REACHED).count() == 1

    def test_receivers_hear_of_nobody_who_may_not_sign_in(self, api, settings):
        inactive = UserFactory(is_active=False)
        settings.AUTHENTICATION_BACKENDS = [
            "django.contrib.auth.backends.AllowAllUsersModelBackend"
        ]
        heard = mock.Mock()
        user_logged_in.connect(heard)
        try:
            assert_answer(self.obtain(api, inactive), 401, "invalid_credentials")
        finally:
            user_logged_in.disconnect(heard)
        assert not heard.called
