"""The floor of a rotation: the same two statements and the same JWTs, written by hand.

No ORM, no serializer, no codec: SQL as text, and PyJWT directly. It does what a rotation cannot do
without (verify, read the session and its user, judge the ordinary case, compare and swap, sign two
tokens) and refuses the rest in one breath, without reuse detection, retries and reasons. It is
here to be measured, and not to be used.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

SELECT = """
SELECT s.generation, s.burst_generation, s.burst_started_at, s.secret_digest, s.created_at,
  s.expires_at, s.idle_expires_at, s.revoked_at, s.auth_hash, s.auth_hash_next, s.user_agent,
  u.id, u.password, u.is_active
FROM token_lifecycle_session s LEFT JOIN auth_user u ON u.id = s.user_id WHERE s.id = %s
"""
UPDATE = """
UPDATE token_lifecycle_session SET generation = generation + 1, rotated_at = %s,
  idle_expires_at = %s, burst_generation = %s, burst_started_at = %s, ip_address = %s,
  user_agent = %s
WHERE id = %s AND generation = %s AND revoked_at IS NULL AND expires_at > %s
  AND idle_expires_at > %s
"""
REQUIRED = {"require": ["exp", "iat", "jti", "sid", "gen", "sec", "user_id"]}
GRACE = timedelta(seconds=10)
IDLE_TIMEOUT = timedelta(days=14)
SALT = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"


class ByHand(APIView):
    """POST: exchange a refresh token, in the ordinary case."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (JSONRenderer,)

    def post(self, request):
        meta = request.META
        client = meta["REMOTE_ADDR"], meta.get("HTTP_USER_AGENT", "")[:255]
        try:
            answer = rotate(request.data["refresh"], *client, datetime.now(UTC))
        except (jwt.PyJWTError, KeyError, ValueError, TypeError):
            raise AuthenticationFailed from None
        return Response(answer, headers={"Cache-Control": "no-store"})


def rotate(text: str, ip_address: str, user_agent: str, now: datetime) -> dict[str, Any]:
    """Claim the generation of a refresh token and sign its successors.

    :raises ValueError: it is refused; also what PyJWT raises.
    """
    claims = jwt.decode(text, settings.SECRET_KEY, ["HS256"], options=REQUIRED)
    generation, session_id = claims["gen"], UUID(claims["sid"])
    row_id = session_id if connection.features.has_native_uuid_field else session_id.hex
    with connection.cursor() as cursor:
        cursor.execute(SELECT, [row_id])
        row = cursor.fetchone()
        user_id, created_at, expires_at, burst, burst_started_at = _judge(row, claims, now)
        idle_expires_at = min(now + IDLE_TIMEOUT, expires_at)
        moment, idle, started = map(_to_column, (now, idle_expires_at, burst_started_at))
        values = [moment, idle, burst, started, ip_address, user_agent or row[10]]
        cursor.execute(UPDATE, [*values, row_id, generation, moment, moment])
        if cursor.rowcount != 1:
            raise ValueError("another request was faster")
    return _answer(claims, str(user_id), now, created_at, expires_at, idle_expires_at)


def _judge(row: Any, claims: dict[str, Any], now: datetime) -> tuple[Any, ...]:
    """The user's key, the times of the session, and its burst, where all is as it should be.

    :raises ValueError: something is not.
    """
    if row is None or claims["token_type"] != "session_refresh":
        raise ValueError("not a refresh token of a session")
    if type(claims["gen"]) is not int or type(claims["sec"]) is not str:
        raise ValueError("odd claims")
    stored, burst, burst_started_at, digest, created_at, expires_at, idle_expires_at = row[:7]
    revoked_at, auth_hash, auth_hash_next, _, user_id, password, is_active = row[7:]
    if not hmac.compare_digest(hashlib.sha256(claims["sec"].encode()).hexdigest(), digest):
        raise ValueError("the secret is wrong")
    expires_at = _from_column(expires_at)
    if revoked_at is not None or now >= min(expires_at, _from_column(idle_expires_at)):
        raise ValueError("the session is over")
    if not is_active or str(user_id) != claims["user_id"] or stored != claims["gen"]:
        raise ValueError("the user is inactive, or another, or the token was used")
    bound = salted_hmac(SALT, password, algorithm="sha256").hexdigest()
    if hashlib.sha256(bound.encode()).hexdigest() not in (auth_hash, auth_hash_next):
        raise ValueError("the password was changed")
    burst_started_at = _from_column(burst_started_at)
    if not timedelta(0) <= now - burst_started_at <= GRACE:
        burst, burst_started_at = stored, now
    return user_id, _from_column(created_at), expires_at, burst, burst_started_at


def _answer(
    claims: dict[str, Any],
    user_id: str,
    now: datetime,
    created_at: datetime,
    expires_at: datetime,
    idle_expires_at: datetime,
) -> dict[str, Any]:
    """The tokens of the generation that follows, and the rest of the answer."""
    key, issued_at, sid = settings.SECRET_KEY, int(now.timestamp()), claims["sid"]
    secret, generation = claims["sec"], claims["gen"] + 1
    access_expires_at = min(now + settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"], expires_at)
    mac = hmac.digest(secret.encode(), f"{sid}.{generation}".encode(), "sha256")
    access = {
        "token_type": "access",
        "exp": int(access_expires_at.timestamp()),
        "iat": issued_at,
        "jti": secrets.token_urlsafe(16),
        "sid": sid,
        "auth_time": int(created_at.timestamp()),
        "user_id": user_id,
    }
    refresh = {
        "token_type": "session_refresh",
        "exp": int(idle_expires_at.timestamp()),
        "iat": issued_at,
        "jti": urlsafe_b64encode(mac[:16]).rstrip(b"=").decode(),
        "sid": sid,
        "gen": generation,
        "sec": secret,
        "user_id": user_id,
    }
    return {
        "access": jwt.encode(access, key, "HS256"),
        "refresh": jwt.encode(refresh, key, "HS256"),
        "token_type": "Bearer",
        "expires_in": int((access_expires_at - now).total_seconds()),
        "refresh_expires_in": int((idle_expires_at - now).total_seconds()),
        "session": sid,
    }


def _to_column(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _from_column(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
