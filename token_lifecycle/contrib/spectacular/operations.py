"""Which operation is described by what."""

from __future__ import annotations

from collections.abc import Callable

from ... import jwks, session_views, views
from .answers import done, ok, set_cookie
from .examples import KEY_SET
from .operation import Operation
from .sessions import logout_all, session_detail, session_end, session_list
from .sign_in import logout, obtain, refresh


def csrf(*, cookie: bool) -> Operation:
    return Operation(
        name="csrf",
        summary="The CSRF cookie, for a page that Django did not render",
        answers=done("The cookie is set.", headers=set_cookie("Django's CSRF cookie.")),
    )


def public_keys(*, cookie: bool) -> Operation:
    return Operation(
        name="jwks",
        summary="The keys that verify access tokens (RFC 7517)",
        answers=ok("AuthKeySet", "The keys.", KEY_SET, media_type=jwks.CONTENT_TYPE),
    )


OPERATIONS: dict[tuple[type, str], Callable[..., Operation]] = {
    (views.ObtainView, "post"): obtain,
    (views.RefreshView, "post"): refresh,
    (views.LogoutView, "post"): logout,
    (session_views.LogoutAllView, "post"): logout_all,
    (session_views.SessionListView, "get"): session_list,
    (session_views.SessionDetailView, "get"): session_detail,
    (session_views.SessionDetailView, "delete"): session_end,
    (views.CsrfView, "get"): csrf,
    (jwks.JwksView, "get"): public_keys,
}


def operation_of(view: type, method: str) -> Callable[..., Operation] | None:
    """What describes a method of ``view``, or of the class of ours that it extends."""
    described = (OPERATIONS.get((base, method.lower())) for base in view.__mro__)
    return next((found for found in described if found is not None), None)
