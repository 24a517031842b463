"""For requests: ``requests.Session().auth = RequestsAuth(session)``. Extra ``[requests]``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import requests
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar

from .bearer import bearer_header, is_about_token
from .origins import parse_origin
from .replay import position_of, rewind
from .session import Session
from .tokens import TokenSet
from .transports import Reply, TransportFailed


class RequestsTransport:
    """Reaches the auth endpoints through requests.

    ``session``: a ``requests.Session`` of yours, for a proxy, a private certificate authority or
    a client certificate. Its ``auth`` is not used, and it is not closed. Without one each exchange
    opens a session of its own and closes it.
    """

    def __init__(self, session: requests.Session | None = None) -> None:
        self._session = session

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Reply:
        try:
            with nullcontext(self._session) if self._session else requests.Session() as session:
                response = session.post(
                    url,
                    data=body,
                    headers=headers,
                    auth=_as_it_is,
                    allow_redirects=False,
                    timeout=timeout,
                )
        except requests.RequestException as error:
            raise TransportFailed(f"{type(error).__name__}: {error}") from None
        return Reply(
            status=response.status_code,
            body=response.content,
            retry_after=response.headers.get("Retry-After", ""),
        )


class RequestsAuth(AuthBase):
    """Sends the session's access token, and has it refreshed when it is due or refused.

    A request refused with 401 is sent once more with the new token, if its body can be, and the
    caller gets the second answer. Requests to servers outside of ``session.origins`` pass
    untouched. SessionExpired and RefreshUnavailable are raised out of the request.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if parse_origin(request.url or "") in self.session.origins:
            tokens = self.session.current()
            request.headers["Authorization"] = bearer_header(tokens)
            hook = _ReplayOnce(self.session, tokens, position_of(request.body))
            request.register_hook("response", hook)
        return request


class _ReplayOnce:
    """A response hook that sends one request again if its token was refused."""

    def __init__(self, session: Session, tokens: TokenSet, start: int | None) -> None:
        self._session = session
        self._tokens = tokens
        self._start = start

    def __call__(self, response: requests.Response, **options: Any) -> requests.Response:
        request = response.request
        # After a redirect to elsewhere the token was not sent, so it was not refused.
        sent = request.headers.get("Authorization")
        if response.status_code != 401 or sent != bearer_header(self._tokens):
            return response
        self._deregister(request)
        if not is_about_token(response.content):
            return response
        fresh = self._session.refresh(self._tokens)
        # Also on the original, which is what requests copies when the answer is a redirect.
        request.headers["Authorization"] = bearer_header(fresh)
        return _resend(response, **options) if rewind(request.body, self._start) else response

    def __reduce__(self) -> tuple[Any, ...]:
        # Caches and worker pools pickle responses, and with them their request and its hooks.
        return _without_session, ()

    def _deregister(self, request: requests.PreparedRequest) -> None:
        # A new list: requests is walking through the old one, and would skip the user's next hook.
        hooks = [hook for hook in request.hooks["response"] if hook is not self]
        request.hooks = {**request.hooks, "response": hooks}


def _resend(response: requests.Response, **options: Any) -> requests.Response:
    """Send the refused request again, on the same connection, as requests' Digest auth does."""
    again = response.request.copy()
    if again._cookies is not None:
        extract_cookies_to_jar(again._cookies, response.request, response.raw)
        again.prepare_cookies(again._cookies)
    answer: requests.Response = response.connection.send(again, **options)
    answer.history.append(response)
    answer.request = again
    return answer


def _without_session() -> Any:
    """What stands for the hook in a response that was pickled."""
    return _as_answered


def _as_answered(response: requests.Response, **options: Any) -> requests.Response:
    return response


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An ``auth`` that does nothing; without any, requests would send what ``.netrc`` holds."""
    return request
