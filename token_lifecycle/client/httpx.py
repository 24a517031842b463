"""For httpx, sync and async: ``httpx.Client(auth=HttpxAuth(session))``. Extra ``[httpx]``."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import nullcontext

import httpx

from .bearer import bearer_header, is_about_token
from .origins import origin
from .replay import can_seek, position_of, rewind
from .session import Session
from .tokens import TokenSet
from .transports import Reply, TransportFailed


class HttpxTransport:
    """Reaches the auth endpoints through httpx.

    ``client``: yours, for a proxy, a private certificate authority or a client certificate. Its
    ``auth`` and ``timeout`` are not used, and it is not closed. Without one each exchange opens
    a client of its own and closes it.
    """

    def __init__(self, client: httpx.Client | None = None) -> None:
        self._client = client
        self._tls: ssl.SSLContext | None = None

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Reply:
        try:
            with nullcontext(self._client) if self._client else self._new_client() as client:
                response = client.post(
                    url,
                    content=body,
                    headers=headers,
                    auth=httpx.Auth(),
                    follow_redirects=False,
                    timeout=timeout,
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransportFailed(f"{type(error).__name__}: {error}") from None
        return Reply(
            status=response.status_code,
            body=response.content,
            retry_after=response.headers.get("Retry-After", ""),
        )

    def _new_client(self) -> httpx.Client:
        # Reading the certificates of all authorities takes fifty times as long as the rest.
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        return httpx.Client(verify=self._tls)


class HttpxAuth(httpx.Auth):
    """Sends the session's access token, and has it refreshed when it is due or refused.

    A request refused with 401 is sent once more with the new token, if its body can be, and the
    caller gets the second answer. Requests to servers outside of ``session.origins``, and those
    that bring an ``Authorization`` header, pass untouched. SessionExpired and RefreshUnavailable
    are raised out of the request.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._is_ours(request):
            yield request
            return
        start = _start_of_body(request)
        tokens = self.session.current()
        response = yield _authorized(request, tokens)
        if not _is_refused(response, tokens):
            return
        # Only a 401 is read here: the answers that matter may be streams.
        if is_about_token(response.read()):
            fresh = self.session.refresh(tokens)
            refused = response.request  # after a redirect the last step: the first was carried out
            if _rewind_body(refused, start):
                yield _authorized(refused, fresh)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if not self._is_ours(request):
            yield request
            return
        start = _start_of_body(request)
        tokens = await self.session.acurrent()
        response = yield _authorized(request, tokens)
        if not _is_refused(response, tokens):
            return
        if is_about_token(await response.aread()):
            fresh = await self.session.arefresh(tokens)
            refused = response.request  # after a redirect the last step: the first was carried out
            if _rewind_body(refused, start):
                yield _authorized(refused, fresh)

    def _is_ours(self, request: httpx.Request) -> bool:
        if "Authorization" in request.headers:
            return False  # whoever sent this has another way in
        url = request.url
        return origin(url.scheme, url.raw_host.decode("ascii"), url.port) in self.session.origins


def _authorized(request: httpx.Request, tokens: TokenSet) -> httpx.Request:
    request.headers["Authorization"] = bearer_header(tokens)
    return request


def _is_refused(response: httpx.Response, tokens: TokenSet) -> bool:
    """Whether ``tokens`` were refused. After a redirect to elsewhere they were not even sent."""
    sent = response.request.headers.get("Authorization")
    return response.status_code == 401 and sent == bearer_header(tokens)


def _start_of_body(request: httpx.Request) -> int | None:
    return position_of(_source(request))


def _rewind_body(request: httpx.Request, start: int | None) -> bool:
    # httpx keeps multipart files in ``fields`` and seeks each to 0 before it sends it; where it
    # cannot it says nothing and sends the rest, that is nothing at all.
    for field in getattr(request.stream, "fields", ()):
        file = getattr(field, "file", b"")
        if not isinstance(file, (bytes, str)) and not can_seek(file):
            return False
    if hasattr(request.stream, "fields"):
        return True
    return rewind(_source(request), start)


def _source(request: httpx.Request) -> object:
    """What httpx reads the body from: bytes, a file, any iterable. httpx has no public name for it;
    where the private one is missing, the stream itself is asked, and does not replay."""
    return getattr(request.stream, "_stream", request.stream)
