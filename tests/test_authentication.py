"""The access token at a project's own view: who is let in, and what the others are told."""

from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError, connection
from django.test import RequestFactory
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.forging import reforged
from token_lifecycle import lifecycle, tokens
from token_lifecycle.authentication import (
    SessionTokenAuthentication,
    active_user,
    bearer_token,
)
from token_lifecycle.exceptions import TokenInvalid, UserInactive
from token_lifecycle.models import Session, new_session_id
from token_lifecycle.testing import UserFactory, authorization, sign_in
from token_lifecycle.tokens import AccessClaims

URL = "/whoami/"
BARE = 'Bearer realm="api"'
INVALID = 'Bearer realm="api", error="invalid_token"'
NOW = datetime(2030, 1, 1, tzinfo=UTC)

database = pytest.mark.django_db


@pytest.fixture
def mode(request, settings):
    settings.TOKEN_LIFECYCLE = {"REVOCATION_CHECK": request.param, "THROTTLE_RATES": None}
    return request.param


#: In a test that is a transaction the list in memory leaves everything to the database.
modes = pytest.mark.parametrize("mode", ["database", "memory", "none"], indirect=True)


def assert_refused(response, code):
    assert response.status_code == 401
    assert response.json()["code"] == code
    assert response.json()["detail"]
    assert response["WWW-Authenticate"] == INVALID


class TestHeader:
    def token(self, value):
        return bearer_token(RequestFactory().get("/", HTTP_AUTHORIZATION=value))

    @pytest.mark.parametrize(
        ("header", "token"),
        [
            ("Bearer abc", "abc"),
            ("bearer abc", "abc"),
            ("BEARER abc", "abc"),
            ("  Bearer   abc  ", "abc"),
            ("Bearer", ""),
            ("Bearer ", ""),
            ("Bearer a b", "a b"),
            ("Bearer a,Bearer b", "a,Bearer b"),
            ("", None),
            ("Basic abc", None),
            ("Token abc", None),
            ("BearerToken abc", None),
            ("Bearer\tabc", None),
            ("abc", None),
        ],
    )
    def test_the_scheme_matches_in_any_case_and_nothing_else_does(self, header, token):
        assert self.token(header) == token

    def test_no_header_is_no_bearer(self):
        assert bearer_token(RequestFactory().get("/")) is None


@database
class TestLetIn:
    @modes
    def test_whoever_has_a_good_access_token_is_let_in(self, api, user, mode):
        sign_in(api, user)
        assert api.get(URL).json() == {"user": str(user.pk)}

    @modes
    def test_the_check_costs_one_statement(self, api, user, mode, django_assert_num_queries):
        sign_in(api, user)
        with django_assert_num_queries(1):
            api.get(URL)

    def test_the_view_gets_the_user_and_the_claims(self, user):
        issued = lifecycle.start_session(user)
        request = RequestFactory().get("/", **authorization(issued))
        found, claims = SessionTokenAuthentication().authenticate(request)
        assert found == user
        assert isinstance(claims, AccessClaims)
        assert claims.session_id == issued.session.pk

    def test_the_user_is_loaded_whole(self, user, django_assert_num_queries):
        issued = lifecycle.start_session(user)
        request = RequestFactory().get("/", **authorization(issued))
        found, _ = SessionTokenAuthentication().authenticate(request)
        with django_assert_num_queries(0):
            assert [getattr(found, field.attname) for field in found._meta.concrete_fields]

    @pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
    def test_the_scheme_is_accepted_in_any_case(self, client, user, scheme):
        access = lifecycle.start_session(user).access
        assert client.get(URL, HTTP_AUTHORIZATION=f"{scheme} {access}").status_code == 200


@database
class TestRefused:
    def test_without_a_token_the_challenge_has_no_error(self, client):
        response = client.get(URL)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == BARE

    @pytest.mark.parametrize("header", ["Basic YTpi", "Token abc", "", "Digest x"])
    def test_another_scheme_is_not_ours_to_refuse(self, client, header):
        response = client.get(URL, HTTP_AUTHORIZATION=header)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == BARE

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a.b.c",
            "Bearer ey.ey.ey",
            "bearer x",
            "Bearer \xe9\xe8",
            "Bearer \0",
            "Bearer " + "x" * 100_000,
            'Bearer "x"',
            "Bearer x, Bearer y",
            "Bearer null",
            "Bearer undefined",
        ],
        ids=lambda header: ascii(header)[:30],
    )
    def test_what_is_no_token_is_refused_without_a_statement(
        self, client, header, django_assert_num_queries
    ):
        with django_assert_num_queries(0):
            assert_refused(client.get(URL, HTTP_AUTHORIZATION=header), "token_invalid")

    def test_a_refresh_token_is_no_access_token(self, client, user):
        refresh = lifecycle.start_session(user).refresh
        response = client.get(URL, HTTP_AUTHORIZATION=f"Bearer {refresh}")
        assert_refused(response, "token_invalid")

    @modes
    def test_an_expired_token_says_so_for_the_client_to_refresh(self, api, user, mode):
        with time_machine.travel(NOW, tick=False) as clock:
            sign_in(api, user)
            clock.move_to(NOW + timedelta(minutes=15))
            assert_refused(api.get(URL), "token_expired")

    def test_an_ended_session_is_refused_at_the_next_request(self, api, user):
        issued = sign_in(api, user)
        lifecycle.revoke_session(issued.session.pk)
        assert_refused(api.get(URL), "session_revoked")

    @pytest.mark.parametrize("limit", ["expires_at", "idle_expires_at"])
    def test_a_session_past_a_limit_is_refused_with_its_access_token(self, api, user, limit):
        sign_in(api, user)
        Session.objects.update(**{limit: Session.objects.get().created_at})
        assert_refused(api.get(URL), "session_revoked")

    def test_a_session_that_was_removed_is_refused(self, api, user):
        sign_in(api, user)
        Session.objects.all().delete()
        assert_refused(api.get(URL), "session_revoked")

    @modes
    def test_a_deactivated_user_is_refused(self, api, user, mode):
        sign_in(api, user)
        get_user_model().objects.filter(pk=user.pk).update(is_active=False)
        assert_refused(api.get(URL), "user_inactive")

    def test_a_password_changed_behind_our_back_is_noticed(self, api, user):
        sign_in(api, user)
        get_user_model().objects.filter(pk=user.pk).update(password="!")
        assert_refused(api.get(URL), "session_revoked")

    def test_a_deleted_user_is_refused(self, api, user):
        sign_in(api, user)
        user.delete()
        assert_refused(api.get(URL), "session_revoked")

    def test_a_new_user_of_the_same_name_gets_nothing_of_the_old_one(self, api, user):
        sign_in(api, user)
        name = user.get_username()
        user.delete()
        UserFactory(username=name)
        assert api.get(URL).status_code == 401

    def test_the_session_of_another_user_is_no_way_in(self, client, user):
        mine, theirs = lifecycle.start_session(user), lifecycle.start_session(UserFactory())
        for changes in (
            {"sid": str(theirs.session.pk)},
            {"user_id": str(theirs.session.user_id)},
            {"sid": str(new_session_id())},
        ):
            forged = reforged(mine.access, **changes)
            assert client.get(URL, HTTP_AUTHORIZATION=f"Bearer {forged}").status_code == 401

    def test_a_token_in_the_address_or_a_cookie_or_a_body_is_not_read(self, api, user):
        access = lifecycle.start_session(user).access
        api.cookies["access"] = access
        for name in ("access", "token", "access_token", "jwt"):
            assert api.get(URL, {name: access}).status_code == 401
        assert api.post(URL, {"access": access, "token": access}).status_code == 401

    def test_the_api_session_of_django_is_not_read(self, client, user):
        client.force_login(user)
        assert client.get(URL).status_code == 401


@database
class TestWithoutRevocationCheck:
    @pytest.fixture(autouse=True)
    def _none(self, settings):
        settings.TOKEN_LIFECYCLE = {"REVOCATION_CHECK": "none", "THROTTLE_RATES": None}

    def test_an_ended_session_lives_until_its_access_token_expires(self, api, user):
        with time_machine.travel(NOW, tick=False) as clock:
            issued = sign_in(api, user)
            lifecycle.revoke_session(issued.session.pk)
            assert api.get(URL).status_code == 200
            clock.move_to(NOW + timedelta(minutes=15))
            assert_refused(api.get(URL), "token_expired")

    def test_a_deleted_user_is_refused(self, api, user):
        sign_in(api, user)
        user.delete()
        assert_refused(api.get(URL), "token_invalid")

    @pytest.mark.parametrize(
        "user_id",
        ["abc", "-1", "1.0", "0x1", str(2**63), str(2**200), "9" * 250, "\N{SNOWMAN}", "None", "'"],
        ids=lambda value: ascii(value)[:12],
    )
    def test_a_user_id_that_is_none_is_refused(self, user_id):
        with pytest.raises(TokenInvalid):
            active_user(user_id)

    @pytest.mark.parametrize("change", ["0{}", " {}", "{} ", "+{}", "{}_", "{}.0"])
    def test_a_user_id_is_not_bent_to_fit(self, user, change):
        assert active_user(str(user.pk)) == user
        with pytest.raises(TokenInvalid):
            active_user(change.format(user.pk))

    def test_digits_of_other_scripts_are_no_user_id(self, user):
        other = str(user.pk).translate({ord(str(n)): 0x0660 + n for n in range(10)})
        with pytest.raises(TokenInvalid):
            active_user(other)

    def test_an_inactive_user_is_told_apart(self, user):
        get_user_model().objects.update(is_active=False)
        with pytest.raises(UserInactive):
            active_user(str(user.pk))

    @pytest.mark.parametrize("user_id", ["a\0b", "\ud800"], ids=ascii)
    def test_text_that_a_database_cannot_take_does_not_reach_it(
        self, client, user, settings, user_id, django_assert_num_queries
    ):
        settings.SIMPLE_JWT = {"USER_ID_FIELD": "username"}
        forged = reforged(lifecycle.start_session(user).access, user_id=user_id)
        with django_assert_num_queries(0):
            response = client.get(URL, HTTP_AUTHORIZATION=f"Bearer {forged}")
        assert_refused(response, "token_invalid")

    @pytest.mark.parametrize("user_id", ["nobody", "\N{PILE OF POO}", "x" * 255])
    def test_another_field_may_name_the_user(self, user, settings, user_id):
        settings.SIMPLE_JWT = {"USER_ID_FIELD": "username"}
        assert active_user(user.get_username()) == user
        with pytest.raises(TokenInvalid):
            active_user(user_id)

    def test_a_name_in_other_letters_is_another_name(self, user, settings):
        settings.SIMPLE_JWT = {"USER_ID_FIELD": "username"}
        with pytest.raises(TokenInvalid):  # MariaDB finds it, and it is refused all the same
            active_user(user.get_username().upper())


@database
class TestFailure:
    @modes
    @pytest.mark.parametrize("error", [OperationalError, InterfaceError])
    def test_nobody_is_let_in_while_the_database_does_not_answer(self, api, user, mode, error):
        sign_in(api, user)

        def broken(*args):
            raise error("gone")

        with connection.execute_wrapper(broken):
            response = api.get(URL)
        assert response.status_code == 503
        assert response["Retry-After"] == "1"
        assert response.json()["detail"] == "The service is temporarily unavailable."

    def test_every_way_in_goes_through_one_parser(self, api, user):
        sign_in(api, user)
        with mock.patch.object(tokens, "parse_access", side_effect=TokenInvalid) as parse:
            for url in (URL, "/auth/sessions/", f"/auth/sessions/{new_session_id()}/"):
                assert api.get(url).status_code == 401
            assert api.post("/auth/logout-all/").status_code == 401
        assert parse.call_count == 4


class Claims(APIView):
    def get(self, request):
        return Response(request.auth.claims["role"])


urlpatterns = [path("claims/", Claims.as_view())]


def role(session, user):
    return {"role": f"nurse {user.get_username()}"}


@database
@pytest.mark.urls(__name__)
def test_claims_of_the_project_reach_its_views(api, user, settings):
    settings.TOKEN_LIFECYCLE = {"ACCESS_CLAIMS": role}
    sign_in(api, user)
    assert api.get("/claims/").json() == f"nurse {user.get_username()}"
