"""What this app listens to: sign-ins and logouts of ``django.contrib.auth``."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from token_lifecycle.exceptions import SessionLimitReached, UserInactive
from token_lifecycle.models import RevocationReason

from . import rows
from .refusal import SessionLimitRefusal, refusal_text
from .visits import Visit


def connect() -> None:
    """Connect both receivers."""
    user_logged_in.connect(on_login, dispatch_uid="token_lifecycle_browser_sessions")
    user_logged_out.connect(on_logout, dispatch_uid="token_lifecycle_browser_sessions")


def on_login(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    """Start a row for a sign-in of ``django.contrib.auth.login``.

    :raises PermissionDenied: the user may have no further session. Nobody is signed in then.
    """
    request = getattr(request, "_request", request)  # REST framework wraps it
    if not _is_login(request, user):
        return
    now = timezone.now()
    # Without the middleware in between, as with the test client's ``force_login``.
    visit = Visit.of(request) or Visit(request, adopts=True, now=now)
    try:
        visit.signed_in(user, now=now)
    except SessionLimitReached:
        _sign_out(request)
        raise SessionLimitRefusal(refusal_text()) from None
    except UserInactive:
        _sign_out(request)
        raise PermissionDenied from None


def on_logout(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    """End the row of a Django session that is about to be flushed."""
    request = getattr(request, "_request", request)
    session = getattr(request, "session", None)
    session_id = None if session is None else rows.named_by(session)
    if session_id is None:
        return
    rows.end(
        session_id,
        reason=RevocationReason.LOGOUT,
        device=rows.device_of(request),
        actor=user,
        now=timezone.now(),
    )


def _is_login(request: Any, user: Any) -> bool:
    """Whether the Django session is what the user signed in to: obtaining a token is told, too."""
    session = getattr(request, "session", None)
    if session is None or getattr(request, "user", user) is not user:
        return False
    return bool(session.get(SESSION_KEY) == user._meta.pk.value_to_string(user))


def _sign_out(request: Any) -> None:
    """Undo what ``login`` has done so far."""
    nobody = AnonymousUser()

    async def auser() -> AnonymousUser:
        return nobody

    request.session.flush()
    request.user, request.auser = nobody, auser
