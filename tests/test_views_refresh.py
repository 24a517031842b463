"""Exchanging a refresh token over the API, and every refusal."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import OperationalError, connection

from tests.answers import BARE, OBTAIN, REFRESH, SESSIONS, assert_answer, assert_refused_bearer
from tests.forging import claims_of, reforged, rows
from tests.happenings import REFUSED, used_long_ago
from token_lifecycle import delivery, lifecycle
from token_lifecycle.models import Session
from token_lifecycle.testing import UserFactory, sign_in

NOW = datetime(2030, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


class TestRefresh:
    def test_a_token_is_exchanged_for_a_new_pair_of_the_same_session(self, api, user):
        with time_machine.travel(NOW, tick=False) as clock:
            issued = lifecycle.start_session(user)
            clock.shift(timedelta(hours=1))
            response = api.post(REFRESH, {"refresh": issued.refresh})
        assert_answer(response, 200)
        body = response.json()
        assert body == {
            "access": body["access"],
            "refresh": body["refresh"],
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_expires_in": 14 * 86400,
            "session": str(issued.session.pk),
        }
        before, after = claims_of(issued.refresh), claims_of(body["refresh"])
        assert after["gen"] == before["gen"] + 1
        assert after["jti"] != before["jti"]
        assert (after["sid"], after["sec"]) == (before["sid"], before["sec"])

    def test_for_a_body_that_is_plain_no_serializer_is_made(self, api, user, monkeypatch):
        monkeypatch.setattr(delivery, "RefreshSerializer", None)
        issued = lifecycle.start_session(user)
        assert_answer(api.post(REFRESH, {"refresh": issued.refresh, "more": 1}), 200)

    def test_proof_of_identity_does_not_get_younger_and_claims_do_not_get_more(self, api, user):
        with time_machine.travel(NOW, tick=False) as clock:
            issued = lifecycle.start_session(user)
            clock.shift(timedelta(hours=1))
            body = {"refresh": issued.refresh, "scope": "admin", "lifetime": 10**9, "user": 1}
            refreshed = api.post(REFRESH, body).json()
        before, after = claims_of(issued.access), claims_of(refreshed["access"])
        assert after["auth_time"] == before["auth_time"]
        assert after.keys() == before.keys()

    def test_no_refresh_outlives_the_session(self, api, user, settings):
        settings.TOKEN_LIFECYCLE = {
            "SESSION_LIFETIME": timedelta(minutes=20),
            "THROTTLE_RATES": None,
        }
        with time_machine.travel(NOW, tick=False) as clock:
            issued = lifecycle.start_session(user)
            clock.shift(timedelta(minutes=15))
            body = api.post(REFRESH, {"refresh": issued.refresh}).json()
            assert (body["expires_in"], body["refresh_expires_in"]) == (300, 300)
            clock.shift(timedelta(minutes=5))
            response = api.post(REFRESH, {"refresh": body["refresh"]})
        assert_answer(response, 401, "session_expired")

    def test_a_retry_gets_the_successor_that_exists_already(self, api, user):
        refresh = lifecycle.start_session(user).refresh
        first, second = (api.post(REFRESH, {"refresh": refresh}).json() for _ in range(2))
        assert first["refresh"] == second["refresh"]
        assert Session.objects.get().generation == 2

    @pytest.mark.parametrize("header", ["Bearer a.b.c", "Bearer", "Basic x"])
    def test_a_stale_authorization_header_does_not_stand_in_the_way(self, api, user, header):
        refresh = lifecycle.start_session(user).refresh
        response = api.post(REFRESH, {"refresh": refresh}, HTTP_AUTHORIZATION=header)
        assert_answer(response, 200)

    def test_the_bearer_of_one_user_and_the_token_of_another_do_not_mix(self, api, user):
        sign_in(api, user)
        other = lifecycle.start_session(UserFactory())
        body = api.post(REFRESH, {"refresh": other.refresh}).json()
        assert claims_of(body["access"])["user_id"] == str(other.session.user_id)

    def test_a_token_in_the_address_is_not_read(self, api, user):
        refresh = lifecycle.start_session(user).refresh
        before = rows()
        assert_answer(api.post(f"{REFRESH}?refresh={refresh}"), 400, "invalid")
        response = api.post(f"{REFRESH}?refresh={refresh}", {"refresh": "a.b.c"})
        assert_answer(response, 401, "token_invalid")
        assert rows() == before

    def test_a_token_in_a_cookie_or_a_bearer_is_not_read(self, api, user):
        refresh = lifecycle.start_session(user).refresh
        for name in ("__Secure-refresh_token", "refresh_token", "refresh"):
            api.cookies[name] = refresh
        response = api.post(REFRESH, {}, HTTP_AUTHORIZATION=f"Bearer {refresh}")
        assert_answer(response, 400, "invalid")
        assert response.json()["refresh"] == ["This field is required."]


class TestRefusedRefresh:
    @pytest.mark.parametrize(("happened", "code"), REFUSED, ids=lambda v: getattr(v, "__name__", v))
    def test_a_token_whose_session_may_not_go_on_is_refused_with_its_code(
        self, api, user, happened, code
    ):
        issued = lifecycle.start_session(user)
        happened(issued.session)
        response = api.post(REFRESH, {"refresh": issued.refresh})
        assert_answer(response, 401, code)
        assert response["WWW-Authenticate"] == BARE
        assert response.json().keys() == {"detail", "code"}

    @pytest.mark.parametrize(("happened", "code"), REFUSED, ids=lambda v: getattr(v, "__name__", v))
    def test_a_repeated_refusal_writes_nothing(self, api, user, happened, code):
        issued = lifecycle.start_session(user)
        happened(issued.session)
        api.post(REFRESH, {"refresh": issued.refresh})
        before = rows()
        assert api.post(REFRESH, {"refresh": issued.refresh}).status_code == 401
        assert rows() == before

    @pytest.mark.parametrize("status", [400, 403])
    def test_its_status_can_be_chosen(self, api, settings, status):
        settings.TOKEN_LIFECYCLE = {"REFRESH_REFUSED_STATUS": status, "THROTTLE_RATES": None}
        response = api.post(REFRESH, {"refresh": "a.b.c"})
        assert_answer(response, status, "token_invalid")
        assert "WWW-Authenticate" not in response

    def test_the_chosen_status_is_for_refresh_tokens_and_not_for_bearers(self, api, settings):
        settings.TOKEN_LIFECYCLE = {"REFRESH_REFUSED_STATUS": 400, "THROTTLE_RATES": None}
        assert_refused_bearer(api.get(SESSIONS, HTTP_AUTHORIZATION="Bearer x"), "token_invalid")
        response = api.post(OBTAIN, {"username": "nobody", "password": "x"})
        assert_answer(response, 401, "invalid_credentials")

    def test_an_expired_token_of_a_live_session_is_refused(self, api, user):
        issued = lifecycle.start_session(user)
        expired = reforged(issued.refresh, exp=1)
        assert_answer(api.post(REFRESH, {"refresh": expired}), 401, "token_expired")

    def test_reuse_ends_that_session_and_no_other(self, api, user):
        stolen, other = (lifecycle.start_session(user) for _ in range(2))
        used_long_ago(stolen.session)
        assert_answer(api.post(REFRESH, {"refresh": stolen.refresh}), 401, "token_reused")
        assert_answer(api.post(REFRESH, {"refresh": stolen.refresh}), 401, "session_revoked")
        assert_answer(api.post(REFRESH, {"refresh": other.refresh}), 200)

    @pytest.mark.parametrize(
        "token", ["a.b.c", "ey.ey.ey", "x", "null", "undefined", "Bearer x", "x" * 10_000]
    )
    def test_junk_does_not_reach_the_database(self, api, token, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert_answer(api.post(REFRESH, {"refresh": token}), 401, "token_invalid")

    def test_a_token_must_be_sent(self, api):
        response = api.post(REFRESH)
        assert_answer(response, 400, "invalid")
        assert response.json()["refresh"] == ["This field is required."]

    def test_a_database_that_keeps_choosing_others_is_no_verdict(self, api, user):
        issued = lifecycle.start_session(user)

        def broken(*args):
            raise OperationalError(1213, "Deadlock found")

        with connection.execute_wrapper(broken):
            response = api.post(REFRESH, {"refresh": issued.refresh})
        assert_answer(response, 503, "unavailable")
        assert response["Retry-After"] == "1"
        assert_answer(api.post(REFRESH, {"refresh": issued.refresh}), 200)
