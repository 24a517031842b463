"""simplejwt's own views and classes, left in a project beside this app: what they do to our tokens.

They share the key and so verify what we signed; what they cannot do is keep an ended session alive.
"""

import pytest
from django.urls import path
from rest_framework.test import APIRequestFactory
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken
from rest_framework_simplejwt.views import (
    TokenBlacklistView,
    TokenRefreshSlidingView,
    TokenRefreshView,
    TokenVerifyView,
)

from tests.forging import claims_of
from token_lifecycle import lifecycle, tokens
from token_lifecycle.exceptions import TokenInvalid

urlpatterns = [
    path("stock/refresh/", TokenRefreshView.as_view()),
    path("stock/sliding/", TokenRefreshSlidingView.as_view()),
    path("stock/blacklist/", TokenBlacklistView.as_view()),
    path("stock/verify/", TokenVerifyView.as_view()),
]

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def issued(user):
    return lifecycle.start_session(user)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("view", ["refresh", "sliding", "blacklist"])
def test_no_view_of_simplejwt_exchanges_our_refresh_token(api, issued, ended, view):
    """It would be for an access token that carries the secret, also of a session that was ended."""
    if ended:
        lifecycle.revoke_session(issued.session.pk)
    for token in (issued.refresh, issued.access):
        answer = api.post(f"/stock/{view}/", {"refresh": token, "token": token})
        assert answer.status_code in (400, 401)
        assert "access" not in answer.json()


@pytest.mark.parametrize("kind", [RefreshToken, SlidingToken, AccessToken])
def test_our_refresh_token_is_none_of_simplejwts(issued, kind):
    with pytest.raises(TokenError):
        kind(issued.refresh)


def test_no_view_opens_to_our_refresh_token_by_simplejwts_authenticator(issued):
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {issued.refresh}")
    with pytest.raises(InvalidToken):
        JWTAuthentication().authenticate(request)


def test_simplejwts_authenticator_does_not_ask_whether_our_session_lives(issued, user):
    """Why the checks report it: there is no way to keep it from taking our access tokens."""
    lifecycle.revoke_session(issued.session.pk)
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {issued.access}")
    assert JWTAuthentication().authenticate(request)[0] == user


def test_its_view_that_verifies_takes_any_token_of_the_key_and_says_nothing_of_the_session(
    api, issued
):
    lifecycle.revoke_session(issued.session.pk)
    for token in (issued.refresh, issued.access):
        answer = api.post("/stock/verify/", {"token": token})
        assert (answer.status_code, answer.json()) == (200, {})


def test_its_tokens_are_none_of_ours(user):
    refresh = RefreshToken.for_user(user)
    for token in (str(refresh), str(refresh.access_token)):
        with pytest.raises(TokenInvalid):
            tokens.parse_access(token)
        with pytest.raises(TokenInvalid):
            lifecycle.rotate(token)


def test_the_types_of_our_tokens_are_these(issued):
    assert claims_of(issued.access)["token_type"] == "access"
    assert claims_of(issued.refresh)["token_type"] == "session_refresh"
