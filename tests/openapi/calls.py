"""Requests as the schema has them, what brings about a refusal, and how answers are held to it."""

import json
from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connections
from django.test import Client
from openapi_schema_validator import OAS30Validator, oas30_format_checker

from tests.browsing import COOKIE, ORIGIN
from tests.happenings import REFUSED, deactivated_unseen, ended
from tests.openapi.document import document
from token_lifecycle.models import Session
from token_lifecycle.testing import PASSWORD

API, BROWSERS = "/auth/", "/browser/"
CSRF = "x" * 32

SCHEMA = document(api=API[1:], browsers=BROWSERS[1:])
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
}


def codes_of(answer):
    shape = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return shape.get("properties", {}).get("code", {}).get("enum", [])


class Caller:
    """Sends to an operation what is right, but for what a test has changed."""

    def __init__(self, name, issued):
        self.method, self.path, self.operation = OPERATIONS[name]
        self.browser = self.path.startswith(BROWSERS)
        self.issued = issued
        self.session_id = str(issued.session.pk)
        self.query = ""
        self.body = b"" if self.method == "GET" else json.dumps(self.right_body()).encode()
        self.headers = {"CONTENT_TYPE": "application/json", **self.right_headers()}

    def right_body(self):
        match self.path.strip("/").split("/")[1]:
            case "obtain":
                return {"username": self.issued.session.user.username, "password": PASSWORD}
            case "refresh" | "logout" if not self.browser:
                return {"refresh": self.issued.refresh}
            case _:
                return {}

    def right_headers(self):
        bearer = f"Bearer {self.issued.access}"
        cookies = f"csrftoken={CSRF}; {COOKIE}={self.issued.refresh}"
        wanted = {name for needed in self.operation["security"] for name in needed}
        headers = {"HTTP_AUTHORIZATION": bearer} if wanted == {"accessToken"} else {}
        if "csrfToken" in wanted:
            headers = {"HTTP_X_CSRFTOKEN": CSRF, "HTTP_ORIGIN": ORIGIN, "HTTP_COOKIE": cookies}
            headers |= {"HTTP_AUTHORIZATION": bearer} if "accessToken" in wanted else {}
        return headers

    def send(self):
        path = self.path.format(session_id=self.session_id)
        client = Client(raise_request_exception=False, enforce_csrf_checks=True)
        extra = {**self.headers, "QUERY_STRING": self.query}
        return client.generic(self.method, path, self.body, "", secure=True, **extra)


def everything(issued):
    return {
        "HTTP_AUTHORIZATION": f"Bearer {issued.access}",
        "HTTP_X_CSRFTOKEN": CSRF,
        "HTTP_ORIGIN": ORIGIN,
        "HTTP_COOKIE": f"csrftoken={CSRF}",
    }


def assert_as_described(response, operation):
    answer = operation["responses"][str(response.status_code)]
    for name, header in answer.get("headers", {}).items():
        text = response.cookies.output() if name == "Set-Cookie" else response.get(name, "")
        assert text or not header["required"], name
        if text:
            value = int(text) if header["schema"]["type"] == "integer" else text
            OAS30Validator(header["schema"]).validate(value)
    if "content" not in answer:
        assert response.content == b""
        return
    (media_type, content), *_ = answer["content"].items()
    assert response["Content-Type"] == media_type
    assert_of_shape(response.json(), content["schema"])


def assert_of_shape(value, shape):
    whole = {**closed(shape), "components": closed(SCHEMA["components"])}
    OAS30Validator(whole, format_checker=oas30_format_checker).validate(value)


def closed(shape):
    """The shape without room for members that it does not name."""
    if isinstance(shape, list):
        return [closed(one) for one in shape]
    if not isinstance(shape, dict):
        return shape
    if "allOf" in shape:
        merged = {"type": "object", "properties": {}, "required": []}
        for part in shape["allOf"]:
            part = SCHEMA["components"]["schemas"]["AuthAccess"] if "$ref" in part else part
            merged["properties"] |= part["properties"]
            merged["required"] += part["required"]
        shape = merged
    inner = {key: closed(one) for key, one in shape.items()}
    return {**inner, "additionalProperties": False} if "properties" in inner else inner


# How each refusal is brought about


def invalid(caller, **_):
    if caller.browser and caller.method != "GET":
        caller.body = b"[]"
    else:
        caller.body, caller.query = b'{"refresh": 5, "keep_current": 5}', "page_size=0"


def malformed(caller, **_):
    caller.body = b"{"


def too_large(caller, settings, **_):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    caller.body = json.dumps({"refresh": "x" * 100}).encode()


def in_chunks(caller, **_):
    caller.headers |= {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}


def of_another_type(caller, **_):
    caller.headers["CONTENT_TYPE"], caller.body = "application/xml", b"<a/>"


def wrong_password(caller, **_):
    caller.body = json.dumps({"username": "nobody", "password": "x"}).encode()


def as_many_as_allowed(caller, options, **_):
    caller.headers.pop("HTTP_COOKIE", None)
    if caller.browser:
        caller.headers["HTTP_COOKIE"] = f"csrftoken={CSRF}"
    options(MAX_SESSIONS_PER_USER=1, SESSION_LIMIT_POLICY="refuse")


def refused_by_the_project(caller, options, **_):
    def refuse(session, user):
        raise PermissionDenied

    options(ACCESS_CLAIMS=refuse)


def from_another_site(caller, **_):
    caller.headers["HTTP_ORIGIN"] = "https://evil.example"


def nowhere(caller, **_):
    caller.session_id, caller.query = "0197d0a0-5f6e-7cc3-8a3b-0123456789ab", "page=9"


def too_often(caller, options, **_):
    options(THROTTLE_RATES={"obtain_address": "1/min", "refresh_session": "1/min"})
    caller.send()


def database_down(caller, monkeypatch, **_):
    def fail(*_):
        raise OperationalError

    monkeypatch.setattr(connections["default"], "execute_wrappers", [fail])


def no_bearer(caller, **_):
    caller.headers.pop("HTTP_AUTHORIZATION", None)


def is_refresh(caller):
    return caller.path.endswith("refresh/")


def token_expired(caller, clock, **_):
    # A session whose limits were moved since, so that they are not what is told.
    later = {"idle_expires_at": caller.issued.session.expires_at + timedelta(days=30)}
    Session.objects.filter(pk=caller.session_id).update(
        **later, expires_at=later["idle_expires_at"]
    )
    clock.shift(timedelta(days=15) if is_refresh(caller) else timedelta(minutes=16))


def token_invalid(caller, **_):
    if is_refresh(caller) and not caller.browser:
        caller.body = b'{"refresh": "x"}'
    elif is_refresh(caller):
        caller.headers["HTTP_COOKIE"] = f"csrftoken={CSRF}"
    else:
        caller.headers["HTTP_AUTHORIZATION"] = "Bearer x"


def happened(what):
    return lambda caller, **_: what(Session.objects.get(pk=caller.session_id))


PROVOKED = {code: happened(what) for what, code in REFUSED} | {
    "invalid": invalid,
    "parse_error": malformed,
    "length_required": in_chunks,
    "too_large": too_large,
    "unsupported_media_type": of_another_type,
    "invalid_credentials": wrong_password,
    "session_limit": as_many_as_allowed,
    "permission_denied": refused_by_the_project,
    "csrf_failed": from_another_site,
    "not_found": nowhere,
    "throttled": too_often,
    "unavailable": database_down,
    "not_authenticated": no_bearer,
    "token_expired": token_expired,
    "token_invalid": token_invalid,
    "session_revoked": happened(ended),
    "user_inactive": happened(deactivated_unseen),
}
