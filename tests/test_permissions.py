"""Proof of identity ages, and no refresh makes it younger; some views take no list's word."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import InterfaceError, OperationalError
from django.urls import path
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from token_lifecycle import lifecycle
from token_lifecycle.authentication import StatelessSessionTokenAuthentication
from token_lifecycle.models import Session
from token_lifecycle.permissions import RequireFresh, SignedInRecently
from token_lifecycle.testing import authorization, sign_in

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)


class Payout(APIView):
    permission_classes = [SignedInRecently.within(FIVE_MINUTES)]

    def get(self, request):
        return Response("paid")


class Address(APIView):
    permission_classes = [SignedInRecently]

    def get(self, request):
        return Response("changed")


urlpatterns = [path("payout/", Payout.as_view()), path("address/", Address.as_view())]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.mark.parametrize(
    ("url", "age"), [("/payout/", FIVE_MINUTES), ("/address/", timedelta(minutes=15))]
)
def test_a_sign_in_counts_as_proof_for_as_long_as_the_view_says(api, user, settings, url, age):
    settings.SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(hours=1)}
    with time_machine.travel(NOW, tick=False) as clock:
        sign_in(api, user)
        clock.move_to(NOW + age)
        assert api.get(url).status_code == 200
        clock.move_to(NOW + age + timedelta(seconds=1))
        response = api.get(url)
    assert response.status_code == 403
    assert response.json() == {
        "detail": "Sign in again to do this.",
        "code": "reauthentication_required",
    }


def test_a_refresh_is_no_proof(api, user):
    with time_machine.travel(NOW, tick=False) as clock:
        issued = sign_in(api, user)
        clock.move_to(NOW + timedelta(minutes=6))
        refreshed = lifecycle.rotate(issued.refresh)
        assert api.get("/payout/", **authorization(refreshed)).status_code == 403


def test_a_new_sign_in_is_proof_again(api, user):
    with time_machine.travel(NOW, tick=False) as clock:
        sign_in(api, user)
        clock.move_to(NOW + timedelta(minutes=6))
        sign_in(api, user)
        assert api.get("/payout/").status_code == 200


def test_nobody_in_particular_is_asked_to_sign_in(api):
    assert api.get("/payout/").status_code == 401


def test_a_user_who_came_by_other_means_has_proved_nothing(api, user):
    api.force_authenticate(user)
    assert api.get("/payout/").status_code == 403


def test_the_permission_for_another_age_leaves_the_first_alone():
    assert SignedInRecently.within(FIVE_MINUTES).age == FIVE_MINUTES
    assert SignedInRecently.age == timedelta(minutes=15)


class Fresh(APIView):
    permission_classes = [RequireFresh]

    def get(self, request):
        return Response("paid")


class FreshAndStateless(Fresh):
    authentication_classes = [StatelessSessionTokenAuthentication]


urlpatterns += [
    path("fresh/", Fresh.as_view()),
    path("fresh/stateless/", FreshAndStateless.as_view()),
]


@pytest.mark.parametrize("mode", ["database", "memory", "none"])
@pytest.mark.parametrize("url", ["/fresh/", "/fresh/stateless/"])
def test_a_view_that_requires_it_asks_the_database_whatever_the_mode(api, user, options, mode, url):
    options(REVOCATION_CHECK=mode)
    issued = sign_in(api, user)
    assert api.get(url).status_code == 200
    Session.objects.update(revoked_at=timezone.now(), revocation_reason="admin")
    response = api.get(url, **authorization(issued))
    assert response.status_code == 401
    assert response.json()["code"] == "session_revoked"


def test_where_the_database_was_asked_already_it_costs_no_further_statement(
    api, user, django_assert_num_queries
):
    sign_in(api, user)
    with django_assert_num_queries(1):
        assert api.get("/fresh/").status_code == 200


def test_elsewhere_it_costs_one_statement(api, user, options, django_assert_num_queries):
    options(REVOCATION_CHECK="none")
    sign_in(api, user)
    with django_assert_num_queries(1):
        assert api.get("/fresh/stateless/").status_code == 200


def test_without_a_token_nothing_is_fresh(api, user):
    assert api.get("/fresh/").status_code == 401
    api.force_authenticate(user)
    assert api.get("/fresh/").status_code == 403


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_while_the_database_does_not_answer_nothing_is_fresh_and_the_client_waits(
    api, user, options, monkeypatch, error
):
    def away(*arguments, **named):
        raise error("the database is away")

    options(REVOCATION_CHECK="none")
    sign_in(api, user)
    monkeypatch.setattr(lifecycle, "check_access", away)
    response = api.get("/fresh/stateless/")
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
