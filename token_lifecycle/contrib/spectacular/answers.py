"""The answers of an endpoint by status: what comes back, and each refusal with its codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import exceptions as drf

from ... import exceptions as ours
from ...api_errors import (
    CsrfFailed,
    InvalidCredentials,
    LengthRequired,
    PayloadTooLarge,
    ServiceUnavailable,
)
from ...conf import app_settings
from .shapes import WORDS, Schema, members, ref

Answer = dict[str, Any]
Answers = dict[str, Answer]
Headers = dict[str, Any]

JSON = "application/json"

INVALID = drf.ValidationError.default_code
MALFORMED = drf.ParseError.default_code
FORBIDDEN = drf.PermissionDenied.default_code
NOT_FOUND = drf.NotFound.default_code

REFUSED_BEARER = (
    drf.NotAuthenticated.default_code,
    ours.TokenExpired.code,
    ours.TokenInvalid.code,
    ours.SessionRevoked.code,
    ours.UserInactive.code,
)
REFUSED_REFRESH = tuple(
    error.code
    for error in (
        ours.TokenInvalid,
        ours.TokenExpired,
        ours.SessionExpired,
        ours.SessionRevoked,
        ours.TokenSuperseded,
        ours.TokenReused,
        ours.UserInactive,
        ours.PasswordChanged,
    )
)

CHALLENGE = {
    "WWW-Authenticate": {
        "description": "The challenge of RFC 6750 §3, with `error` where a token was presented.",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer "},
    }
}
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait. Keep the tokens meanwhile.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}

DELETES = "Deletes both cookies."


def set_cookie(description: str, *, required: bool = True) -> Headers:
    header = {"description": description, "required": required, "schema": {"type": "string"}}
    return {"Set-Cookie": header}


def ok(
    component: str,
    description: str,
    example: Mapping[str, Any],
    *,
    media_type: str = JSON,
    headers: Headers | None = None,
    links: dict[str, Any] | None = None,
) -> Answers:
    content = {media_type: {"schema": ref(component), "example": example}}
    answer: Answer = {"description": description, "content": content}
    return {"200": {**answer, **_given(headers=headers, links=links)}}


def done(description: str, *, headers: Headers | None = None) -> Answers:
    return {"204": {"description": description, **_given(headers=headers)}}


def refusal(
    description: str,
    *codes: str,
    fields: tuple[str, ...] = (),
    headers: Headers | None = None,
) -> Answer:
    """An error: a sentence, one of these codes and, for bad input, what is said of each field."""
    told: dict[str, Schema] = {
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": [*dict.fromkeys(codes)]},
    }
    shape = members({**told, **dict.fromkeys(fields, WORDS)}, optional=fields)
    answer: Answer = {
        "description": description,
        "content": {JSON: {"schema": shape, "example": _example(codes[0], fields)}},
    }
    return {**answer, **_given(headers=headers)}


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


def _example(code: str, fields: tuple[str, ...]) -> dict[str, Any]:
    said = {fields[0]: ["This field is required."]} if fields and code == INVALID else {}
    return {"detail": "A sentence, which may change.", "code": code, **said}


def bad_body(*fields: str) -> Answers:
    """What may come of a body."""
    return {
        "400": refusal(
            "A field is missing or wrong, or the body is no JSON.",
            INVALID,
            MALFORMED,
            fields=(*fields, "non_field_errors"),
        ),
        **length_required(),
        "413": refusal("The body is too large.", PayloadTooLarge.default_code),
        "415": refusal(
            "The body is not `application/json`, or compressed.",
            drf.UnsupportedMediaType.default_code,
        ),
    }


def length_required() -> Answers:
    described = "A body in chunks, and the server that took it does not say where it ends."
    return {"411": refusal(described, LengthRequired.default_code)}


def bad_credentials() -> Answers:
    code = InvalidCredentials.default_code
    return {
        "401": refusal("Unknown name, wrong password, inactive.", code, headers=CHALLENGE),
    }


def refused_bearer() -> Answers:
    return {
        "401": refusal(
            "No access token that is honoured. Only `token_expired` asks for a refresh.",
            *REFUSED_BEARER,
            headers=CHALLENGE,
        )
    }


def refused_refresh(*codes: str, headers: Headers | None = None) -> Answers:
    """Of those codes, under the status that ``REFRESH_REFUSED_STATUS`` names."""
    status = str(app_settings.refresh_refused_status)
    challenge = CHALLENGE if status == "401" else {}
    told = refusal(
        "The refresh token is not honoured.", *codes, headers={**challenge, **(headers or {})}
    )
    return {status: told}


def forbidden(*codes: str, cookie: bool) -> Answers:
    """What the project or a limit refuses; for browsers also what another site might have sent."""
    if cookie:
        codes = (*codes, CsrfFailed.default_code)
    return {"403": refusal("Refused.", *codes)} if codes else {}


def not_found(what: str) -> Answers:
    return {"404": refusal(what, NOT_FOUND)}


def throttled() -> Answers:
    return {"429": refusal("Too many tries.", drf.Throttled.default_code, headers=RETRY_AFTER)}


def unavailable() -> Answers:
    code = ServiceUnavailable.default_code
    described = "The database or the cache did not answer; nothing was decided."
    return {"503": refusal(described, code, headers=RETRY_AFTER)}


def together(*some: Answers) -> Answers:
    """All of them; where two share a status, which a setting may bring about, both sets of codes.

    Members that only one of them has are optional in the sum, and so are headers.
    """
    result: Answers = {}
    for status, answer in (pair for answers in some for pair in answers.items()):
        result[status] = _both(result[status], answer) if status in result else answer
    return dict(sorted(result.items()))


def _both(first: Answer, second: Answer) -> Answer:
    shapes = [answer["content"][JSON]["schema"]["properties"] for answer in (first, second)]
    codes = [code for shape in shapes for code in shape["code"]["enum"]]
    named = {**shapes[0], **shapes[1]}
    fields = tuple(name for name in named if name not in ("detail", "code"))
    headers = {**first.get("headers", {}), **second.get("headers", {})}
    optional = {name: {**header, "required": False} for name, header in headers.items()}
    described = f"{first['description']} {second['description']}"
    return refusal(described, *codes, fields=fields, headers=optional)
