"""The access token on a request, and the 401 that asks for another one."""

from __future__ import annotations

import json

from .tokens import TokenSet

#: What this server says of an access token (``token_not_valid`` is simplejwt's word). A 401 with
#: another code is about something else, a wrong password say, and would not be cured by a replay.
BEARER_CODES = frozenset(
    {"session_revoked", "token_expired", "token_invalid", "token_not_valid", "user_inactive"}
)


def bearer_header(tokens: TokenSet) -> str:
    """The value of the ``Authorization`` header (RFC 6750 §2.1)."""
    return f"Bearer {tokens.access}"


def is_about_token(body: bytes) -> bool:
    """Whether a 401 with ``body`` refuses the access token. One that gives no reason does."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return True
    code = answer.get("code") if isinstance(answer, dict) else None
    return not isinstance(code, str) or code in BEARER_CODES
