"""Sign-ins beside django-axes, which counts failures in the database; run by ``test_axes``."""

import pytest
from axes.models import AccessAttempt
from axes.utils import reset
from django.core.management import call_command
from rest_framework.test import APIClient

from tests.answers import BARE, OBTAIN, REFRESH, SESSIONS, assert_answer
from tests.browsing import Browser, stored
from tests.pages import run, the
from token_lifecycle.models import Session
from token_lifecycle.testing import PASSWORD, UserFactory

LIMIT = 3

pytestmark = pytest.mark.django_db


#: What the page tells a project to answer.
locked_out = run(the("runs: axes")).locked_out


@pytest.fixture
def api():
    client = APIClient()
    client.default_format = "json"
    return client


@pytest.fixture
def user():
    return UserFactory()


def by_body(user, password=PASSWORD, **extra):
    body = {"username": user.get_username(), "password": password}
    return APIClient().post(OBTAIN, body, format="json", **extra)


def by_cookie(user, password=PASSWORD, **extra):
    return Browser().sign_in(user, password, **extra)


deliveries = pytest.mark.parametrize("sign_in", [by_body, by_cookie])


def lock_out(sign_in, user):
    for _ in range(LIMIT):
        answer = sign_in(user, "wrong")
    return answer


@deliveries
def test_failures_are_answered_as_ever_until_the_last_one(user, sign_in):
    for _ in range(LIMIT - 1):
        response = sign_in(user, "wrong")
        assert_answer(response, 401, "invalid_credentials")
        assert response["WWW-Authenticate"] == BARE


@deliveries
def test_a_lockout_is_answered_by_the_project_and_as_json(user, sign_in):
    for response in (lock_out(sign_in, user), sign_in(user)):
        assert response.status_code == 429
        assert response.json()["code"] == "locked_out"
    assert not Session.objects.exists()


@deliveries
def test_without_the_middleware_a_lockout_looks_like_any_refusal(user, settings, sign_in):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "axes" not in name]
    lock_out(sign_in, user)
    assert_answer(sign_in(user), 401, "invalid_credentials")
    assert not Session.objects.exists()


@deliveries
def test_the_answer_of_axes_itself_is_no_failure_of_the_server(user, settings, sign_in):
    settings.AXES_LOCKOUT_CALLABLE = None
    assert lock_out(sign_in, user).status_code == 429
    assert sign_in(user).status_code == 429


@deliveries
def test_whoever_is_locked_out_stays_signed_in_elsewhere(api, user, sign_in):
    before = by_body(user).json()
    lock_out(sign_in, user)
    answer = api.post(REFRESH, {"refresh": before["refresh"]})
    assert_answer(answer, 200)
    authorization = {"HTTP_AUTHORIZATION": f"Bearer {answer.json()['access']}"}
    assert_answer(api.get(SESSIONS, **authorization), 200)


@deliveries
def test_others_are_not_concerned(user, sign_in):
    lock_out(sign_in, user)
    assert_answer(sign_in(UserFactory()), 200)
    assert_answer(sign_in(user, REMOTE_ADDR="192.0.2.9"), 200)


@deliveries
@pytest.mark.parametrize(
    "let_in",
    [
        lambda user: reset(username=user.get_username()),
        lambda user: call_command("axes_reset_username", user.get_username(), verbosity=0),
        lambda user: AccessAttempt.objects.all().delete(),
    ],
    ids=["function", "command", "admin"],
)
def test_a_reset_lets_the_person_in_again(user, sign_in, let_in):
    lock_out(sign_in, user)
    let_in(user)
    response = sign_in(user)
    assert_answer(response, 200)
    assert response.json().get("refresh") or stored(response)


@deliveries
def test_a_sign_in_that_works_forgets_the_failures_if_axes_is_told_to(user, settings, sign_in):
    settings.AXES_RESET_ON_SUCCESS = True
    for _ in range(LIMIT - 1):
        sign_in(user, "wrong")
    assert_answer(sign_in(user), 200)
    assert not AccessAttempt.objects.filter(username=user.get_username()).exists()


def test_what_axes_writes_down_holds_no_password(user):
    lock_out(by_body, user)
    (attempt,) = AccessAttempt.objects.values()
    assert "wrong" not in str(attempt)


def test_our_own_throttles_go_on_beside_it(user, settings):
    settings.TOKEN_LIFECYCLE = {"THROTTLE_RATES": {"obtain_account": "1/min"}}
    assert_answer(by_body(user, "wrong"), 401, "invalid_credentials")
    assert_answer(by_body(user, "wrong"), 429, "throttled")
    assert AccessAttempt.objects.get().failures_since_start == 1
