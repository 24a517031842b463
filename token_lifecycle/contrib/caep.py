"""Tell other systems that a session was ended, in the words of OpenID CAEP.

A *session-revoked* event (OpenID Continuous Access Evaluation Profile 1.0 §3.1) is a Security Event
Token (RFC 8417): who receives it ends what they derived from the session. This module makes the
token; sending it is the project's, with its own queue, retries and receivers (RFC 8935 §2: a POST
of ``CONTENT_TYPE``)::

    @receiver(session_revoked)
    def tell_the_partner(sessions, user, **kwargs):
        for session in sessions:
            claims = caep.session_revoked(session, issuer=US, audience=PARTNER, user=user)
            send.delay(caep.encode(claims))
"""

from __future__ import annotations

import uuid
from typing import Any

import jwt
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone, translation

from .. import tokens
from ..conf import app_settings
from ..models import RevocationReason, Session

SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
CONTENT_TYPE = "application/secevent+jwt"

#: Who caused the end, in CAEP's four words (§2).
INITIATORS = {
    RevocationReason.LOGOUT: "user",
    RevocationReason.LOGOUT_ALL: "user",
    RevocationReason.ENDED_BY_USER: "user",
    RevocationReason.REPLACED: "user",
    RevocationReason.PASSWORD_CHANGE: "user",
    RevocationReason.USER_DEACTIVATED: "admin",
    RevocationReason.USER_DELETED: "admin",
    RevocationReason.ADMIN: "admin",
    RevocationReason.REUSE_DETECTED: "policy",
    RevocationReason.SESSION_LIMIT: "policy",
}


def session_revoked(
    session: Session,
    *,
    issuer: str,
    audience: str | list[str],
    user: Any = None,
    language: str = "en",
) -> dict[str, Any]:
    """The claims of the event for a session that has been ended.

    ``user`` is the signal's: it names who was deleted, whom the session names no more.

    The same session gives the same ``jti`` each time, so that a receiver knows a repetition (RFC
    8417 §2.2). ``language`` is that of the reason, for the receiver's staff.

    :raises ValueError: the session has not been ended.
    """
    if session.revoked_at is None:
        raise ValueError("The session has not been ended.")
    reason = RevocationReason(session.revocation_reason)
    with translation.override(language):
        told = str(reason.label)
    return {
        "iss": issuer,
        "aud": audience,
        "iat": int(timezone.now().timestamp()),
        "jti": str(uuid.uuid5(session.pk, SESSION_REVOKED)),
        "sub_id": _subject(session, session.user or user, issuer),
        "events": {
            SESSION_REVOKED: {
                "event_timestamp": int(session.revoked_at.timestamp()),
                "initiating_entity": INITIATORS.get(reason, "system"),
                "reason_admin": {language: told},
            }
        },
    }


def encode(
    claims: dict[str, Any],
    *,
    key: Any = None,
    algorithm: str | None = None,
    headers: dict[str, str] | None = None,
) -> str:
    """Sign the event; with the key of ``SIMPLE_JWT`` unless another is given.

    Its type says ``secevent+jwt`` (RFC 8417 §2.3), and it has none of the claims of an access or a
    refresh token, so it passes for neither.

    :raises ImproperlyConfigured: the key of ``SIMPLE_JWT`` is a shared secret. Whoever could verify
        the event with it could sign in as anybody; give a key of the receiver's own.
    """
    algorithm = algorithm or app_settings.simple_jwt.get("ALGORITHM", "HS256")
    if key is None:
        if algorithm.startswith("HS"):
            raise ImproperlyConfigured(
                "An event for others must not be signed with the secret that signs tokens."
            )
        key = app_settings.simple_jwt["SIGNING_KEY"]
    return jwt.encode(claims, key, algorithm, headers={"typ": "secevent+jwt", **(headers or {})})


def _subject(session: Session, user: Any, issuer: str) -> dict[str, Any]:
    """Which session of whom (RFC 9493); the user as our tokens name them."""
    subject: dict[str, Any] = {
        "format": "complex",
        "session": {"format": "opaque", "id": str(session.pk)},
    }
    if user is not None:
        subject["user"] = {"format": "iss_sub", "iss": issuer, "sub": tokens.user_id_of(user)}
    return subject
