"""What projects use in their own tests."""

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from token_lifecycle import lifecycle
from token_lifecycle.models import Session, SessionStatus
from token_lifecycle.testing import (
    PASSWORD,
    SessionFactory,
    UserFactory,
    authorization,
    sign_in,
)

pytestmark = pytest.mark.django_db


class TestUserFactory:
    def test_a_user_can_sign_in_with_the_password(self, api):
        body = {"username": UserFactory().get_username(), "password": PASSWORD}
        assert api.post("/auth/obtain/", body).status_code == 200

    def test_users_have_names_of_their_own(self):
        assert len({UserFactory().get_username() for _ in range(3)}) == 3

    def test_name_password_and_anything_else_can_be_chosen(self):
        user = UserFactory(username="anna", password="another horse", is_staff=True)
        assert user.get_username() == "anna"
        assert user.check_password("another horse")
        assert user.is_staff

    def test_a_password_that_was_set_is_stored(self):
        user = UserFactory()
        user.refresh_from_db()
        assert user.check_password(PASSWORD)


class TestSessionFactory:
    @pytest.mark.parametrize(
        ("traits", "status"),
        [
            ({}, SessionStatus.LIVE),
            ({"idle": True}, SessionStatus.IDLE),
            ({"expired": True}, SessionStatus.EXPIRED),
            ({"ended": True}, SessionStatus.ENDED),
            ({"reused": True}, SessionStatus.ENDED),
        ],
        ids=str,
    )
    def test_a_row_is_in_the_state_that_was_asked_for(self, traits, status):
        session = SessionFactory(**traits)
        session.refresh_from_db()
        assert session.status(timezone.now()) is status

    def test_a_live_row_is_bound_to_its_users_password(self, user):
        session = SessionFactory(user=user)
        assert Session.objects.of(user).get() == session
        assert lifecycle.password_matches(session, user)

    def test_a_row_may_be_without_a_user(self):
        assert SessionFactory(user=None, ended=True).auth_hash == ""


class TestSignIn:
    @pytest.mark.parametrize("client", [Client, APIClient])
    def test_every_later_request_of_the_client_carries_the_token(self, user, client):
        client = client()
        assert client.get("/whoami/").status_code == 401
        issued = sign_in(client, user)
        for _ in range(2):
            assert client.get("/whoami/").json() == {"user": str(user.pk)}
        assert issued.session.user == user

    def test_options_describe_the_sign_in(self, client, user):
        assert sign_in(client, user, auth_method="passkey").session.auth_method == "passkey"

    def test_the_last_sign_in_counts(self, client, user):
        sign_in(client, user)
        other = UserFactory()
        sign_in(client, other)
        assert client.get("/whoami/").json() == {"user": str(other.pk)}

    def test_one_request_alone_can_carry_a_token(self, client, user):
        issued = lifecycle.start_session(user)
        assert client.get("/whoami/", **authorization(issued)).status_code == 200
        assert client.get("/whoami/").status_code == 401
