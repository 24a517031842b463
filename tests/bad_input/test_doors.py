"""The doors are all there are, and whoever watches them sees what is wrong."""

import re

import pytest
from django.http import HttpResponse, JsonResponse
from django.urls import get_resolver

from tests.bad_input.doors import DOORS, Attempt, Stage
from token_lifecycle import lifecycle
from token_lifecycle.models import Session
from token_lifecycle.testing import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.bad_input.urls")]

OURS = ("/auth/", "/browser/", "/devices/", "/admin/token_lifecycle/session")
#: What stands in the list of our addresses and opens no page of ours.
ELSEWHERE = {
    "/admin/token_lifecycle/session/{id}/",  # redirects to the page
    "/admin/token_lifecycle/session/add/",
    "/admin/token_lifecycle/sessionevent/{id}/",
    "/admin/token_lifecycle/sessionevent/{id}/delete/",
    "/admin/token_lifecycle/sessionevent/{id}/history/",
    "/admin/token_lifecycle/sessionevent/add/",
}


def addresses(resolver, before="/"):
    for pattern in resolver.url_patterns:
        path = before + re.sub(r"<[^>]+>", "{id}", str(pattern.pattern))
        if hasattr(pattern, "url_patterns"):
            yield from addresses(pattern, path)
        else:
            yield path


def test_every_address_of_the_app_is_a_door():
    known = {door.path for door in DOORS.values()} | ELSEWHERE
    found = {path for path in addresses(get_resolver()) if path.startswith(OURS)}
    assert found == {path for path in known if path.startswith(OURS)}


WRONG = {
    "answered with 500": lambda token: HttpResponse("x", status=500),
    "answered with 404": lambda token: JsonResponse({"detail": "x", "code": "y"}, status=404),
    "not JSON": lambda token: HttpResponse("<html>", status=400),
    "no detail": lambda token: JsonResponse({"code": "x"}, status=400),
    "no code": lambda token: JsonResponse({"detail": "x"}, status=400),
    "a copy": lambda token: JsonResponse({"detail": "x", "code": "y"}, status=400),
    "no challenge": lambda token: JsonResponse({"detail": "x", "code": "y"}, status=401),
    "about the inside": lambda token: HttpResponse("in /x/token_lifecycle/views.py", status=400),
    "comes back": lambda token: JsonResponse({"detail": f"what is {token}?"}, status=400),
    "a body": lambda token: HttpResponse("x", status=204),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_an_answer_is_seen(monkeypatch, what):
    token = "a token that was sent"
    stage = Stage()
    monkeypatch.setattr(stage, "send", lambda attempt: WRONG[what](token))
    attempt = Attempt(door="api refresh", secrets=(token,), statuses=frozenset({400, 204}))
    assert any(what in fault for fault in stage.faults(attempt))


def test_a_token_of_ours_in_an_answer_is_seen(monkeypatch):
    stage = Stage()
    told = HttpResponse("x", headers={"X-Token": stage.issued.refresh})
    monkeypatch.setattr(stage, "send", lambda attempt: told)
    assert "a token or a password comes back" in stage.faults(Attempt(door="GET /devices/"))


def start_a_session(stage):
    lifecycle.start_session(stage.user)


def change_a_row(stage):
    Session.objects.filter(pk=stage.issued.session.pk).update(generation=2)


WRITES = [start_a_session, change_a_row, lambda stage: UserFactory()]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(("succeeds", "status"), [(False, 200), (True, 400), (False, 400)])
def test_what_was_written_is_seen_unless_the_attempt_was_in_order(
    monkeypatch, write, succeeds, status
):
    stage = Stage()

    def send(attempt):
        write(stage)
        return HttpResponse(status=status)

    monkeypatch.setattr(stage, "send", send)
    attempt = Attempt(door="GET /devices/", succeeds=succeeds)
    assert stage.faults(attempt) == [f"something was written, and answered with {status}"]


def test_what_an_attempt_that_was_in_order_did_is_no_fault():
    stage = Stage()
    body = b'{"keep_current": false}'
    assert stage.faults(Attempt(door="api logout-all", body=body, succeeds=True)) == []
    assert "something was written, and answered with 200" in stage.faults(
        Attempt(door="api logout-all", body=body)
    )
