"""The scanner beside every test finds what is let out, through every channel."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management.base import OutputWrapper
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import Client
from django.urls import include, path
from django.utils import timezone

from tests.leaks import Scanner, scanner
from token_lifecycle import lifecycle
from token_lifecycle.models import SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory
from token_lifecycle.views import ObtainView

from .forging import claims_of

ROOT = Path(__file__).parent.parent

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

on_purpose = pytest.mark.leaks("the scanner has to notice")

logger = logging.getLogger("somebody.else")


@pytest.fixture
def issued():
    return lifecycle.start_session(UserFactory())


def payload(issued):
    return issued.refresh.split(".")[1]


def secret(issued):
    return claims_of(issued.refresh)["sec"]


def password(issued):
    return PASSWORD


def own_password(issued):
    issued.session.user.set_password("a pass phrase of somebody")
    return "a pass phrase of somebody"


def another_token(issued):
    """One that nobody here has made."""
    return "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmVk"


KINDS = [
    lambda issued: issued.access,
    lambda issued: issued.refresh,
    payload,
    secret,
    password,
    own_password,
    another_token,
]


@on_purpose
@pytest.mark.parametrize("kind", KINDS)
def test_it_knows_every_kind_of_secret(issued, kind):
    logger.warning("here it is: %s!", kind(issued))
    assert scanner.leaks == ["the log somebody.else"]


def raised(text):
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("failed")


LOGGED = {
    "the message": lambda text: logger.error(f"here: {text}"),
    "an argument": lambda text: logger.error("here: %r", [text]),
    "a field": lambda text: logger.error("here", extra={"about": {"token": text}}),
    "an error": raised,
    "the log of the app": lambda text: logging.getLogger("token_lifecycle").warning(text),
    "the root of all logs": lambda text: logging.getLogger().warning(text),
}


@on_purpose
@pytest.mark.parametrize("channel", LOGGED.values(), ids=LOGGED)
def test_it_reads_all_of_a_line_of_the_log(issued, channel):
    channel(issued.refresh)
    assert len(scanner.leaks) == 1


def event(text):
    return SessionEvent(kind="started", created_at=timezone.now(), user_agent=text)


WRITTEN = {
    "an event": lambda text: event(text).save(),
    "the log of the admin": lambda text: LogEntry.objects.create(
        user=UserFactory(), action_flag=1, object_repr=text[:200]
    ),
    "many at once": lambda text: SessionEvent.objects.bulk_create([event(""), event(text)]),
    "a question": lambda text: SessionEvent.objects.filter(user_agent=text).exists(),
}


@on_purpose
@pytest.mark.parametrize("channel", WRITTEN.values(), ids=WRITTEN)
def test_it_reads_what_goes_to_the_database(issued, channel):
    channel(secret(issued))
    assert scanner.leaks
    assert all(leak.startswith("a statement") for leak in scanner.leaks)


@on_purpose
def test_it_reads_what_a_command_writes(issued, tmp_path):
    with (tmp_path / "output").open("w") as output:
        OutputWrapper(output).write(issued.access)
    assert scanner.leaks == ["the output of a command"]


@on_purpose
def test_it_reads_what_is_printed(issued):
    print(issued.access)  # noqa: T201
    assert scanner.leaks == []  # not before the test has ended


class OnlyObtain(ObtainView):
    """A view of a project, which may do what its parent does."""


def body(request):
    return HttpResponse(request.headers["X-Said"], status=404)


def header(request):
    return HttpResponse(headers={"Location": f"/?token={request.headers['X-Said']}"}, status=302)


def stream(request):
    return StreamingHttpResponse([b"one", request.headers["X-Said"].encode()])


def fields_of_obtain(request):
    return JsonResponse({"access": request.headers["X-Said"]})


def refresh_cookie(request):
    response = HttpResponse()
    response.set_cookie("__Secure-refresh_token", request.headers["X-Said"], httponly=True)
    return response


ANSWERS = [body, header, stream, fields_of_obtain, refresh_cookie]

urlpatterns = [
    *(path(f"{view.__name__}/", view) for view in ANSWERS),
    path("auth/", include("token_lifecycle.urls")),
    path("browser/", include("token_lifecycle.browser_urls")),
    path("own/", OnlyObtain.as_view()),
]


@on_purpose
@pytest.mark.parametrize("view", ANSWERS)
def test_it_reads_every_part_of_an_answer(issued, view):
    response = Client().get(f"/{view.__name__}/", headers={"X-Said": issued.access})
    if response.streaming:
        assert scanner.leaks == []  # nothing is read before somebody does
        list(response.streaming_content)
    assert len(scanner.leaks) == 1


@pytest.mark.parametrize("url", ["/auth/obtain/", "/own/"])
def test_an_endpoint_may_bring_tokens(api, user, url):
    response = api.post(url, {"username": user.get_username(), "password": PASSWORD})
    assert response.status_code == 200
    assert scanner.leaks == []


@on_purpose
@pytest.mark.parametrize(
    "leak",
    [
        lambda response, token: response.data.update(session=token),
        lambda response, token: response.set_cookie("refresh", token),
        lambda response, token: response.headers.setdefault("X-Access", token),
    ],
    ids=["another field", "a cookie", "a header"],
)
def test_but_only_where_they_belong(api, user, monkeypatch, leak):
    answer = ObtainView.answer

    def careless(self, request, issued):
        response = answer(self, request, issued)
        leak(response, issued.access)
        return response

    monkeypatch.setattr(ObtainView, "answer", careless)
    api.post("/auth/obtain/", {"username": user.get_username(), "password": PASSWORD})
    assert len(scanner.leaks) == 1


def verdict(*, leaked, mark=None):
    one = Scanner()
    return one.verdict(PASSWORD if leaked else "", mark and mark.mark)


def test_a_leak_is_a_failure_unless_it_is_on_purpose():
    assert "leaked into: standard output" in verdict(leaked=True)
    assert verdict(leaked=False) is None
    assert verdict(leaked=True, mark=pytest.mark.leaks("why")) is None


@pytest.mark.parametrize("mark", [pytest.mark.leaks, pytest.mark.leaks(reason="why")])
def test_a_mark_says_why(mark):
    assert "says why" in verdict(leaked=True, mark=mark)


def test_a_mark_that_is_not_needed_has_to_go():
    assert "can go" in verdict(leaked=False, mark=pytest.mark.leaks("why"))


CONFTEST = """
from tests.conftest import _scanner, pytest_configure
from tests.conftest import pytest_runtest_logstart, pytest_runtest_makereport
"""
SUITE = """
import pytest
from token_lifecycle.testing import PASSWORD

def test_that_prints():
    print(PASSWORD)

@pytest.mark.leaks("why not")
def test_that_prints_on_purpose():
    print(PASSWORD)
"""


def test_a_test_that_leaks_fails(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_suite.py").write_text(SUITE)
    options = ["-q", "-p", "pytest_django.plugin", "-p", "no:cacheprovider"]
    options += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "test_that_prints\n" in done.stdout or "::test_that_prints" in done.stdout
