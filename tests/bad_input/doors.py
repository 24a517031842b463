"""Every door of the app: where it is, who may knock, and what it may never do about bad input."""

import json
import re
from dataclasses import dataclass, field

from django.contrib.admin.models import LogEntry
from django.test import Client
from rest_framework.test import APIClient

from tests.browsing import COOKIE, Browser
from tests.forging import claims_of, rows
from token_lifecycle import lifecycle
from token_lifecycle.models import Session, SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory

WHOAMI = "/whoami/"
NOBODYS = "0197d0a0-5f6e-7cc3-8a3b-0123456789ab"
#: Shorter than this, what was sent may stand in an answer by chance.
TELLING = 12
JSON = ("application/json", "application/jwk-set+json")
#: What no answer may have: the marks of a page for developers, or of a broken one.
INNARDS = re.compile(r"Traceback \(most recent|/site-packages/|token_lifecycle/\w+\.py|SELECT ")


@dataclass(frozen=True, kw_only=True)
class Door:
    """One method of one address; ``{id}`` where an id stands."""

    side: str
    """"api", "browser" (by the cookie) or "page" (of Django's sessions)."""
    method: str
    path: str
    bearer: bool = False
    """Wants an access token."""


def doors(side, mount):
    endpoints = {
        "obtain": Door(side=side, method="POST", path=f"{mount}obtain/"),
        "refresh": Door(side=side, method="POST", path=f"{mount}refresh/"),
        "logout": Door(side=side, method="POST", path=f"{mount}logout/"),
        "logout-all": Door(side=side, method="POST", path=f"{mount}logout-all/", bearer=True),
        "sessions": Door(side=side, method="GET", path=f"{mount}sessions/", bearer=True),
        "session": Door(side=side, method="GET", path=f"{mount}sessions/{{id}}/", bearer=True),
        "jwks": Door(side=side, method="GET", path=f"{mount}jwks/"),
        "end": Door(side=side, method="DELETE", path=f"{mount}sessions/{{id}}/", bearer=True),
    }
    return {f"{side} {name}": door for name, door in endpoints.items()}


def pages(mount, methods, *paths):
    return {
        f"{method} {mount}{path}": Door(side="page", method=method, path=f"{mount}{path}")
        for path in paths
        for method in methods.split()
    }


DOORS = {
    **doors("api", "/auth/"),
    **doors("browser", "/browser/"),
    "browser csrf": Door(side="browser", method="GET", path="/browser/csrf/"),
    "view": Door(side="api", method="GET", path=WHOAMI, bearer=True),
    **pages("/devices/", "GET", ""),
    **pages("/devices/", "GET POST", "{id}/sign-out/", "sign-out-others/", "sign-out-all/"),
    **pages("/admin/token_lifecycle/session/", "GET", "overview/", "{id}/change/", "{id}/history/"),
    **pages("/admin/token_lifecycle/session/", "GET POST", "", "end-everybody/"),
    **pages("/admin/token_lifecycle/session/", "GET POST", "{id}/end/", "{id}/end-all/"),
    **pages("/admin/token_lifecycle/session/", "GET POST", "{id}/end-others/", "{id}/delete/"),
    **pages("/admin/token_lifecycle/session/", "GET POST", "end-all-of/{id}/"),
    **pages("/admin/token_lifecycle/sessionevent/", "GET", "", "{id}/change/", "export/"),
}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request that should get nowhere."""

    door: str
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict = field(default_factory=dict)
    """As WSGI names them. Without credentials among them, good ones are sent."""
    id: str = NOBODYS
    query: str = ""
    secrets: tuple = ()
    """What was sent as a token or a password, and must not come back."""
    statuses: frozenset = frozenset()
    """What may be answered; empty where anything below 500 may."""
    succeeds: bool = False
    """Whether it may be in order after all, and then do what it asks for."""


class Stage:
    """A user, somebody else and one of the staff, all signed in, and every kind of client."""

    def __init__(self):
        self.user = UserFactory(username="stage", password=PASSWORD)
        self.other = UserFactory()
        self.staff = UserFactory(is_staff=True, is_superuser=True)
        self.api, self.browser, self.page = APIClient(), Browser(), Client()
        for client in (self.api, self.browser, self.page):
            client.raise_request_exception = False
        self.page.force_login(self.staff)
        self.renew()

    def renew(self):
        """Forget what was done, and sign in again."""
        SessionEvent.objects.all().delete()
        Session.objects.all().delete()
        self.issued = lifecycle.start_session(self.user)
        self.others = lifecycle.start_session(self.other)
        self.state = self.read()

    def read(self):
        """All that an attempt could change."""
        return [*rows(), LogEntry.objects.count()]

    def send(self, attempt):
        """Make the request; the response."""
        door = DOORS[attempt.door]
        path = door.path.replace("{id}", attempt.id) + attempt.query
        good = {"HTTP_AUTHORIZATION": f"Bearer {self.issued.access}"} if door.bearer else {}
        headers = good | attempt.headers
        request = (door.method, path, attempt.body, attempt.content_type)
        match door.side:
            case "browser":
                return self._send_as_browser(request, headers)
            case "api":
                return self.api.generic(*request, **headers)
            case "page":
                # The answers may change the cookies: of messages, or at a sign-out.
                kept = self.page.cookies.copy()
                response = self.page.generic(*request, **headers)
                self.page.cookies = kept
                return response

    def _send_as_browser(self, request, headers):
        token = self.browser.cookies["csrftoken"].value
        cookie = headers.pop("HTTP_COOKIE", f"{COOKIE}=x")
        headers = {
            "HTTP_ORIGIN": "https://testserver",
            "HTTP_X_CSRFTOKEN": token,
            "HTTP_COOKIE": f"csrftoken={token}; {cookie}",
            **headers,
        }
        response = self.browser.generic(*request, secure=True, **headers)
        self.browser.cookies["csrftoken"] = token
        return response

    def faults(self, attempt):
        """Make the attempt; what is wrong with its answer and with what it did."""
        response = self.send(attempt)
        found = list(self._faults_of(attempt, response))
        after = self.read()
        if after != self.state:
            if not (attempt.succeeds and response.status_code < 400):
                found.append(f"something was written, and answered with {response.status_code}")
            self.renew()
        return found

    def _faults_of(self, attempt, response):
        status = response.status_code
        if status >= 500:
            yield f"answered with {status}"
        elif attempt.statuses and status not in attempt.statuses:
            yield f"answered with {status} and not with one of {sorted(attempt.statuses)}"
        if DOORS[attempt.door].side != "page":
            yield from _faults_of_an_answer(attempt, response)
        told = _told(response)
        if INNARDS.search(told):
            yield "the answer tells about the inside"
        ours = self._ours()
        # What was sent is looked for in what is told of a failure, and ours everywhere.
        sent = {s for s in attempt.secrets if len(s.strip()) >= TELLING} if status >= 400 else ()
        if any(secret in told for secret in (*ours, *sent)):
            yield "a token or a password comes back"

    def _ours(self):
        for issued in (self.issued, self.others):
            yield issued.access
            yield issued.refresh
            yield claims_of(issued.refresh)["sec"]


def _told(response):
    """All that an answer says, in its head and its body."""
    head = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    cookies = response.cookies.output()
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return f"{head}\n{cookies}\n{body.decode(errors='replace')}"


def _faults_of_an_answer(attempt, response):
    """What every answer of an endpoint has in common (see ``tests.answers``)."""
    status = response.status_code
    if status == 204:
        if response.content:
            yield "nothing to say, and a body"
        return
    if response.get("Content-Type") not in JSON:
        yield f"not JSON but {response.get('Content-Type')}"
        return
    told = json.loads(response.content)
    if status >= 400 and not (isinstance(told, dict) and told.get("detail")):
        yield f"no detail: {told}"
    if attempt.door == "view" or (attempt.door.endswith("jwks") and status == 200):
        return  # the project's own, and what everybody may keep
    if status >= 400 and not isinstance(told.get("code"), str):
        yield f"no code: {told}"
    if response.get("Cache-Control") != "no-store":
        yield "anybody may keep a copy"
    if status == 401 and "WWW-Authenticate" not in response:
        yield "no challenge"
