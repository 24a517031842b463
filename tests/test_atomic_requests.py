"""``ATOMIC_REQUESTS``: the project's views run in a transaction, and ours must not."""

from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.http import HttpResponse
from django.urls import include, path
from django.utils import timezone

from token_lifecycle import lifecycle
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory, authorization

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

NEW_PASSWORD = "a wholly different pass phrase"


def rotate(request):
    """A project's view that calls ``rotate`` where it must not."""
    try:
        lifecycle.rotate(request.headers["X-Refresh"])
    except RuntimeError as error:
        return HttpResponse(str(error), status=409)
    return HttpResponse()


@transaction.non_atomic_requests
def rotate_outside(request):
    return rotate(request)


def change_password(request):
    """A project's view that keeps the caller's session and then, if asked to, fails."""
    session = Session.objects.get(pk=request.headers["X-Session"])
    with lifecycle.keep_session(session.pk):
        session.user.set_password(NEW_PASSWORD)
        session.user.save()
    if "X-Fail" in request.headers:
        raise ZeroDivisionError
    return HttpResponse()


urlpatterns = [
    path("auth/", include("token_lifecycle.urls")),
    path("rotate/", rotate),
    path("non-atomic/", rotate_outside),
    path("password/", change_password),
]


@pytest.fixture(autouse=True)
def _atomic_requests(monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)


@pytest.fixture
def issued():
    return lifecycle.start_session(UserFactory())


def stored(issued):
    return Session.objects.get(pk=issued.session.pk)


def age(issued):
    """Let the last rotation be longer ago than any grace."""
    long_ago = timezone.now() - timedelta(minutes=5)
    Session.objects.update(rotated_at=long_ago, burst_started_at=long_ago)


def test_the_end_of_a_stolen_session_survives_the_refusal(api, issued):
    other = lifecycle.start_session(issued.session.user)
    rotated = lifecycle.rotate(issued.refresh)
    age(issued)
    answer = api.post("/auth/refresh/", {"refresh": issued.refresh})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_reused")
    assert stored(issued).revocation_reason == RevocationReason.REUSE_DETECTED
    assert SessionEvent.objects.filter(kind=EventKind.REUSE_DETECTED).count() == 1
    answer = api.post("/auth/refresh/", {"refresh": rotated.refresh})
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")
    assert api.post("/auth/refresh/", {"refresh": other.refresh}).status_code == 200


def test_the_end_of_a_session_whose_password_changed_silently_survives_the_refusal(api, issued):
    type(issued.session.user).objects.update(password="changed behind our back")
    answer = api.post("/auth/refresh/", {"refresh": issued.refresh})
    assert (answer.status_code, answer.json()["code"]) == (401, "password_changed")
    assert stored(issued).revocation_reason == RevocationReason.PASSWORD_CHANGE


def test_a_sign_in_refused_at_the_limit_stays_on_record(api, issued, settings):
    limit = {"MAX_SESSIONS_PER_USER": 1, "SESSION_LIMIT_POLICY": "refuse"}
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, **limit}
    body = {"username": issued.session.user.get_username(), "password": PASSWORD}
    assert api.post("/auth/obtain/", body).status_code == 403
    assert SessionEvent.objects.filter(kind=EventKind.LIMIT_REACHED).count() == 1


def test_every_endpoint_works(api, issued):
    body = {"username": issued.session.user.get_username(), "password": PASSWORD}
    signed_in = api.post("/auth/obtain/", body).json()
    refreshed = api.post("/auth/refresh/", {"refresh": signed_in["refresh"]}).json()
    assert api.post("/auth/logout/", {"refresh": refreshed["refresh"]}).status_code == 204
    assert api.get("/auth/sessions/", **authorization(issued)).json()["count"] == 1
    answer = api.post("/auth/logout-all/", {}, **authorization(issued))
    assert answer.json() == {"revoked": 1}
    assert stored(issued).revoked_at is not None


def test_rotate_in_a_view_of_the_project_says_what_is_wrong(client, issued):
    answer = client.get("/rotate/", headers={"X-Refresh": issued.refresh})
    assert (answer.status_code, b"transaction" in answer.content) == (409, True)
    assert stored(issued).generation == 1
    assert client.get("/non-atomic/", headers={"X-Refresh": issued.refresh}).status_code == 200
    assert stored(issued).generation == 2


def test_a_password_change_that_is_rolled_back_with_its_request_ends_nothing(client, issued):
    other = lifecycle.start_session(issued.session.user)
    headers = {"X-Session": str(issued.session.pk)}
    client.raise_request_exception = False
    assert client.get("/password/", headers=headers | {"X-Fail": "1"}).status_code == 500
    assert lifecycle.rotate(other.refresh)
    assert client.get("/password/", headers=headers).status_code == 200
    assert lifecycle.rotate(issued.refresh)
    with pytest.raises(lifecycle.SessionRevoked):
        lifecycle.rotate(other.refresh)
