"""The auth endpoints of one server, and what their answers mean."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from .errors import LoginRefused, RefreshUnavailable, SessionExpired
from .tokens import TokenSet
from .transports import Reply, Transport, TransportFailed, headers_for

#: A refused refresh is 401, or what ``REFRESH_REFUSED_STATUS`` says instead.
REFUSED = frozenset({400, 401, 403})

#: The words that end a session. Anything else with such a status (a proxy, a firewall, another
#: service at this address) has no say in it.
REFUSAL_CODES = frozenset(
    {
        "password_changed",
        "session_expired",
        "session_revoked",
        "token_expired",
        "token_invalid",
        "token_reused",
        "token_superseded",
        "user_inactive",
    }
)

#: The answer was lost on the way, or so it may be. 429 and 503 are answers: not now.
LOST = frozenset({408, 500, 502, 504})


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoints:
    """Sign-in, refresh and sign-out below ``base_url``. Every method is one exchange."""

    base_url: str
    transport: Transport
    timeout: float
    username_field: str
    clock: Callable[[], float]

    def obtain(self, username: str, password: str, fields: Mapping[str, object]) -> TokenSet:
        """Sign in. Raises LoginRefused or RefreshUnavailable."""
        asked_at = self.clock()
        credentials = {**fields, self.username_field: username, "password": password}
        reply = self._post("obtain/", credentials)
        if reply.status in REFUSED:
            raise login_refused(reply)
        return self._tokens_in(reply, asked_at)

    def refresh(self, tokens: TokenSet) -> TokenSet:
        """Exchange the refresh token. Raises SessionExpired or RefreshUnavailable.

        A lost answer is asked for again at once, once: for some seconds the server gives the
        same successor again, later it takes the token for a stolen one.
        """
        try:
            return self._refresh_once(tokens)
        except RefreshUnavailable as error:
            if error.status is not None and error.status not in LOST:
                raise
        return self._refresh_once(tokens)

    def logout(self, tokens: TokenSet) -> None:
        """End this session on the server. Raises RefreshUnavailable if it may live on."""
        reply = self._post("logout/", {"refresh": tokens.refresh})
        if not reply.is_success:
            raise self._unavailable(reply)

    def logout_all(self, tokens: TokenSet) -> bool:
        """End every session of the user; False if the access token was not accepted.

        Raises RefreshUnavailable if they may live on.
        """
        reply = self._post("logout-all/", {}, bearer=tokens.access)
        if not reply.is_success and reply.status != 401:
            raise self._unavailable(reply)
        return reply.is_success

    def _refresh_once(self, tokens: TokenSet) -> TokenSet:
        asked_at = self.clock()
        reply = self._post("refresh/", {"refresh": tokens.refresh})
        if is_refusal(reply):
            raise session_expired(reply)
        return self._tokens_in(reply, asked_at)

    def _post(self, name: str, payload: Mapping[str, object], *, bearer: str = "") -> Reply:
        url, body = self.base_url + name, json.dumps(payload).encode()
        try:
            return self.transport.post(url, body, headers_for(bearer), self.timeout)
        except TransportFailed as error:
            reason = str(error)
        # Error reporters print the variables of the frames that an error passed through. So this
        # one is raised outside of the handler, and the secrets are gone by then.
        del payload, body, bearer
        raise RefreshUnavailable(f"No answer from {url}: {reason}")

    def _tokens_in(self, reply: Reply, asked_at: float) -> TokenSet:
        tokens = read_tokens(reply, asked_at)
        if tokens is None:
            raise self._unavailable(reply)
        return tokens

    def _unavailable(self, reply: Reply) -> RefreshUnavailable:
        problem = "without tokens" if reply.is_success else "and nothing to go by"
        return RefreshUnavailable(
            f"{self.base_url} answered {reply.status} {problem}.",
            code=code_of(read_json(reply)),
            status=reply.status,
            retry_after=read_retry_after(reply.retry_after, now=self.clock()),
        )


def is_refusal(reply: Reply) -> bool:
    """Whether the server itself says that the session is over.

    A 401 may give a reason that this version does not know yet; without any it is not the server's.
    """
    code = code_of(read_json(reply))
    return reply.status in REFUSED and (
        code in REFUSAL_CODES or (reply.status == 401 and code != "")
    )


def session_expired(reply: Reply) -> SessionExpired:
    answer = read_json(reply)
    message = str(answer.get("detail") or "The session has ended.")
    return SessionExpired(message, code=code_of(answer), status=reply.status)


def login_refused(reply: Reply) -> LoginRefused:
    answer = read_json(reply)
    message = str(answer.get("detail") or answer or "The sign-in was refused.")
    return LoginRefused(message, code=code_of(answer), status=reply.status)


def read_tokens(reply: Reply, asked_at: float) -> TokenSet | None:
    """The tokens in ``reply``; None if it does not hold both."""
    answer = read_json(reply) if reply.is_success else {}
    access, refresh = answer.get("access"), answer.get("refresh")
    if not (isinstance(access, str) and isinstance(refresh, str) and access and refresh):
        return None
    lifetime = read_seconds(answer.get("expires_in"))
    expires_at = None if lifetime is None else asked_at + lifetime
    tokens = TokenSet(access, refresh, expires_at=expires_at, issued_at=asked_at)
    return tokens.timed(asked_at)


def read_json(reply: Reply) -> dict[str, Any]:
    """The JSON object in ``reply``; empty if there is none."""
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def code_of(answer: Mapping[str, Any]) -> str:
    code = answer.get("code")
    return code if isinstance(code, str) else ""


def read_seconds(value: object) -> float | None:
    """A positive, finite number of seconds; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def read_retry_after(value: str, *, now: float) -> float:
    """Seconds to wait, from either form of ``Retry-After`` (RFC 9110 §10.2.3); 0.0 if neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except ValueError:
        return 0.0
