"""Signing in, staying so, and signing out."""

from __future__ import annotations

from typing import Any

from ...exceptions import SessionLimitReached
from . import shapes
from .answers import (
    DELETES,
    FORBIDDEN,
    REFUSED_REFRESH,
    Answers,
    bad_body,
    bad_credentials,
    done,
    forbidden,
    ok,
    refused_refresh,
    set_cookie,
    throttled,
    together,
    unavailable,
)
from .examples import ACCESS, CREDENTIALS, REFRESH, TOKENS
from .operation import Body, Operation, operation_id
from .security import BEARER, COOKIE, CSRF

SETS = "The refresh cookie, and beside it the hint that scripts may read."


def obtain(*, cookie: bool) -> Operation:
    example = {shapes.username_field(): "anna", **CREDENTIALS}
    body = Body(schema=shapes.credentials(), example=example)
    return Operation(
        name="obtain",
        summary="Sign in with a password",
        body=body,
        security=[CSRF] if cookie else [],
        answers=together(
            _issued("Signed in.", cookie=cookie),
            bad_body(*body.fields),
            bad_credentials(),
            forbidden(SessionLimitReached.code, FORBIDDEN, cookie=cookie),
            throttled(),
            unavailable(),
        ),
    )


def refresh(*, cookie: bool) -> Operation:
    if cookie:
        body = Body(schema=shapes.nothing(), example={}, required=False)
        forgotten = set_cookie(f"{DELETES} Only with a refusal that is final.", required=False)
    else:
        body, forgotten = Body(schema=shapes.refresh_token(), example=REFRESH), None
    return Operation(
        name="refresh",
        summary="Exchange a refresh token for the next pair",
        body=body,
        security=[{**COOKIE, **CSRF}] if cookie else [],
        answers=together(
            _issued("The next pair; the presented token is used up.", cookie=cookie),
            bad_body(*body.fields),
            refused_refresh(*REFUSED_REFRESH, headers=forgotten),
            forbidden(FORBIDDEN, cookie=cookie),
            throttled(),
            unavailable(),
        ),
    )


def logout(*, cookie: bool) -> Operation:
    same = "The same for a valid, an expired, a used and an unknown token."
    shared = (unavailable(), forbidden(cookie=cookie))
    if not cookie:
        schema = shapes.optional_refresh_token()
        return Operation(
            name="logout",
            summary="End the session of a refresh token or, without one, of the bearer",
            body=Body(schema=schema, example=REFRESH, required=False),
            security=[BEARER, {}],
            answers=together(done(same), bad_body("refresh"), *shared),
        )
    return Operation(
        name="logout",
        summary="End the session of the cookie or, without one, of the bearer",
        body=Body(schema=shapes.nothing(), example={}, required=False),
        security=[{**COOKIE, **CSRF}, {**BEARER, **CSRF}, CSRF],
        answers=together(
            done(same, headers=set_cookie(DELETES)),
            bad_body(),
            *shared,
        ),
    )


def _issued(description: str, *, cookie: bool) -> Answers:
    links = {"Session": _link("session_retrieve", cookie=cookie)}
    if cookie:
        return ok("AuthAccess", description, ACCESS, headers=set_cookie(SETS), links=links)
    return ok("AuthTokens", description, TOKENS, links=links)


def _link(name: str, *, cookie: bool) -> dict[str, Any]:
    return {
        "operationId": operation_id(name, cookie=cookie),
        "parameters": {"session_id": "$response.body#/session"},
    }
