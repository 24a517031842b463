"""What signed-in callers see of their sessions, and how they end them."""

from __future__ import annotations

from typing import Any

from ...session_views import SessionPagination
from . import shapes
from .answers import (
    DELETES,
    INVALID,
    Headers,
    bad_body,
    done,
    forbidden,
    length_required,
    not_found,
    ok,
    refusal,
    refused_bearer,
    set_cookie,
    together,
    unavailable,
)
from .examples import SESSION, SESSION_PAGE
from .operation import Body, Operation
from .security import BEARER, CSRF, Requirement


def logout_all(*, cookie: bool) -> Operation:
    return Operation(
        name="logout_all",
        summary="End all sessions of the caller, or all but this one",
        body=Body(schema=shapes.keep_current(), example={"keep_current": True}, required=False),
        security=_bearer(cookie),
        answers=together(
            ok("AuthRevoked", "They have ended.", {"revoked": 3}, headers=_perhaps_deletes(cookie)),
            bad_body("keep_current"),
            refused_bearer(),
            forbidden(cookie=cookie),
            unavailable(),
        ),
    )


def session_list(*, cookie: bool) -> Operation:
    number = {"type": "integer", "minimum": 1}
    page = {"oneOf": [number, {"type": "string", "enum": ["last"]}], "default": 1}
    size = {**number, "default": SessionPagination.page_size}
    most = SessionPagination.max_page_size
    return Operation(
        name="session_list",
        summary="The caller's live sessions, newest first",
        security=[BEARER],
        parameters=[
            _parameter("page", "query", page),
            _parameter("page_size", "query", size, description=f"At most {most} come."),
        ],
        answers=together(
            ok("AuthSessionPage", "A page of them.", SESSION_PAGE),
            {"400": refusal("That is no size.", INVALID, fields=("page_size",))},
            refused_bearer(),
            not_found("There is no such page."),
            unavailable(),
        ),
    )


def session_detail(*, cookie: bool) -> Operation:
    return Operation(
        name="session_retrieve",
        summary="One of the caller's live sessions",
        security=[BEARER],
        parameters=[_session_id()],
        answers=together(
            ok("AuthSession", "The session.", SESSION),
            refused_bearer(),
            not_found("The caller has no such live session."),
            unavailable(),
        ),
    )


def session_end(*, cookie: bool) -> Operation:
    # Browsers' requests are looked at before they are let in, their bodies as well.
    checked = [forbidden(cookie=True), bad_body()] if cookie else [length_required()]
    return Operation(
        name="session_end",
        summary="End one of the caller's sessions",
        security=_bearer(cookie),
        parameters=[_session_id()],
        answers=together(
            done("It has ended.", headers=_perhaps_deletes(cookie)),
            refused_bearer(),
            not_found("The caller has no such live session."),
            unavailable(),
            *checked,
        ),
    )


def _bearer(cookie: bool) -> list[Requirement]:
    return [{**BEARER, **CSRF}] if cookie else [BEARER]


def _perhaps_deletes(cookie: bool) -> Headers | None:
    if not cookie:
        return None
    return set_cookie(f"{DELETES} Only where they are of a session that ended.", required=False)


def _session_id() -> dict[str, Any]:
    return {**_parameter("session_id", "path", shapes.UUID), "required": True}


def _parameter(name: str, place: str, schema: shapes.Schema, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": schema, **more}
