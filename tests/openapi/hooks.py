"""What lets generated requests in: a sign-in, and now and then real tokens and credentials.

Every valid request has a live session's access token and, where browsers call, its refresh cookie
and a CSRF token. Each second one whose body is about tokens or credentials has real ones there.
What a request has used up is replaced before the next.
"""

import itertools
import os

import httpx
import schemathesis
from schemathesis.generation.meta import CoverageScenario

#: One of the people in the demo.
CREDENTIALS = {"username": "bruno", "password": "paper-and-ink"}
BROWSERS = "/auth/"
COOKIE, CSRF_COOKIE, CSRF_HEADER = "refresh_token", "csrftoken", "X-CSRFTOKEN"

server = httpx.Client(base_url=os.environ["OPENAPI_HOST"], trust_env=False)
turns = itertools.count()


class Caller:
    """Somebody signed in, with a session that lives."""

    def __init__(self):
        server.get(f"{BROWSERS}csrf/")
        self.csrf = server.cookies[CSRF_COOKIE]
        server.cookies.clear()
        self._tokens = None

    @property
    def tokens(self):
        if self._tokens is None:
            answer = server.post("/api/auth/obtain/", json=CREDENTIALS)
            self._tokens = answer.raise_for_status().json()
        return self._tokens

    def forget(self):
        self._tokens = None

    def show_csrf_token(self, case):
        case.headers[CSRF_HEADER] = self.csrf
        case.cookies = {**case.cookies, CSRF_COOKIE: self.csrf}


caller = Caller()


@schemathesis.auth(refresh_interval=None)
class SignedIn:
    def get(self, case, context):
        return caller.tokens

    def set(self, case, tokens, context):
        case.headers["Authorization"] = f"Bearer {tokens['access']}"
        if context.operation.path.startswith(BROWSERS):
            caller.show_csrf_token(case)
            case.cookies = {**case.cookies, COOKIE: tokens["refresh"]}


@schemathesis.hook
def before_call(context, case, kwargs):
    if lacks_only_its_bearer(case):
        caller.show_csrf_token(case)  # which is asked for first
    elif is_valid(case) and isinstance(case.body, dict) and next(turns) % 2:
        case.body |= real(case)


@schemathesis.hook
def after_call(context, case, response):
    if case.method in ("POST", "DELETE"):
        caller.forget()


def lacks_only_its_bearer(case):
    data = getattr(case.meta, "phase", None) and case.meta.phase.data
    if getattr(data, "scenario", None) is not CoverageScenario.MISSING_PARAMETER:
        return False
    return data.parameter == "Authorization" and case.path.startswith(BROWSERS)


def is_valid(case):
    return case.meta is None or case.meta.generation.mode.is_positive


def real(case):
    """The members of a body that nobody can guess."""
    match case.path:
        case "/api/auth/obtain/" | "/auth/obtain/":
            return CREDENTIALS
        case "/api/auth/refresh/" | "/api/auth/logout/":
            return {"refresh": caller.tokens["refresh"]}
        case _:
            return {}
