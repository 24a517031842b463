"""One sign-in as a program holds it: tokens that stay valid, whoever asks for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial

from .endpoints import Endpoints
from .errors import RefreshUnavailable, SessionExpired
from .flights import SingleFlight, landed
from .origins import require_origin
from .stores import MemoryStore, TokenStore
from .tokens import TokenSet
from .transports import Transport, default_transport
from .vault import Listener, Vault

#: Seconds for which a server that could not refresh is left alone: as long as it asked, within
#: these limits. The upper one keeps a proxy's "Retry-After: 86400" from being a day of outage.
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 300.0


class Session:
    """The session of one user at one server. Share it: between threads, tasks and clients.

    ``base_url``: where the server's ``token_lifecycle.urls`` are, ``https://host/auth/``.
    ``store``: keeps the tokens; in memory unless a :class:`FileStore` or your own is given.
    ``transport``: reaches the auth endpoints; by default through httpx or requests.
    ``username_field``: what the server's user model calls the name one signs in with.
    ``origins``: servers that are sent the access token; only the one of ``base_url`` by default.
    ``leeway``: seconds before its expiry at which an access token is refreshed.
    ``timeout``: seconds to connect to an auth endpoint, and to wait for its answer. Two of them
    should fit into the server's grace period, so that a lost answer can be asked for again.
    ``on_tokens``: called with the new tokens after each change, with None once they are gone.
    ``clock``: seconds since the epoch.

    Raises ValueError for an address that is not http(s), ImportError without a transport.
    """

    def __init__(
        self,
        base_url: str,
        *,
        store: TokenStore | None = None,
        transport: Transport | None = None,
        username_field: str = "username",
        origins: Iterable[str] | None = None,
        leeway: float = 30.0,
        timeout: float = 4.0,
        on_tokens: Listener | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        own_origin = require_origin(base_url)
        self.origins = frozenset([own_origin] if origins is None else map(require_origin, origins))
        self.leeway = leeway
        self._clock = clock
        self._vault = Vault(MemoryStore() if store is None else store, on_tokens)
        self._endpoints = Endpoints(
            base_url=base_url if base_url.endswith("/") else f"{base_url}/",
            transport=default_transport() if transport is None else transport,
            timeout=timeout,
            username_field=username_field,
            clock=clock,
        )
        self._flights = SingleFlight[TokenSet]()
        self._loads = SingleFlight[TokenSet | None]()
        self._end = signed_out()
        self._paused_until = 0.0

    def __repr__(self) -> str:
        return f"<Session at {self._endpoints.base_url}>"

    @property
    def tokens(self) -> TokenSet | None:
        """The tokens at hand, valid or not; None when signed out."""
        return self._vault.open()

    def login(
        self, username: str, password: str, *, device_name: str = "", **fields: object
    ) -> TokenSet:
        """Sign in, and keep the tokens. ``fields`` are sent along (a one-time code, say).

        Raises LoginRefused, or RefreshUnavailable if no usable answer came.
        """
        if device_name:
            fields["device_name"] = device_name
        tokens = self._endpoints.obtain(username, password, fields)
        self.adopt(tokens)
        return tokens

    def adopt(self, tokens: TokenSet) -> None:
        """Take over tokens obtained elsewhere: by a passkey, a magic link, another library.

        Without ``expires_at`` the access token's own claims say how long it lives from now on.
        """
        with self._vault.exclusive():
            self._reset()
            self._vault.keep(tokens.timed(self._clock()))

    def logout(self, everywhere: bool = False) -> None:
        """End the session on the server (``everywhere``: all of the user's) and drop the tokens.

        It waits for a refresh under way, so none can bring the session back. Signed out already:
        nothing happens, except that ``everywhere`` raises SessionExpired, for the other sessions
        live on. Raises RefreshUnavailable when the server did not hear of it: the tokens are kept
        so that it can be tried again; :meth:`forget` drops them regardless.
        """
        with self._vault.exclusive():
            held = self._vault.load()
            if everywhere:
                self._end_all(self._signed_in(held))
            elif held is not None:
                self._endpoints.logout(held)
            self._reset()
            self._vault.drop()

    def forget(self) -> None:
        """Drop the tokens without telling the server, where the session lives on."""
        with self._vault.exclusive():
            self._reset()
            self._vault.drop()

    def current(self) -> TokenSet:
        """Tokens to use now, refreshed first if the access token is about to expire.

        While the server cannot refresh, what is left of the access token's life is used up.
        Raises SessionExpired or RefreshUnavailable.
        """
        tokens = self._signed_in(self.tokens)
        if not self._is_due(tokens):
            return tokens
        try:
            return self.refresh(tokens)
        except RefreshUnavailable as error:
            return self._while_alive(tokens, error)

    def refresh(self, used: TokenSet | None = None) -> TokenSet:
        """Replace ``used``, the tokens found wanting; without it, the ones at hand.

        Never blindly: whoever comes second gets the tokens that the first one got, be it another
        thread, another task, or another process with the same store.
        Raises SessionExpired or RefreshUnavailable.
        """
        return self._refreshing(used).result()

    async def alogin(
        self, username: str, password: str, *, device_name: str = "", **fields: object
    ) -> TokenSet:
        """:meth:`login` for async code."""
        work = partial(self.login, username, password, device_name=device_name, **fields)
        return await asyncio.to_thread(work)

    async def alogout(self, everywhere: bool = False) -> None:
        """:meth:`logout` for async code."""
        await asyncio.to_thread(self.logout, everywhere)

    async def acurrent(self) -> TokenSet:
        """:meth:`current` for async code: the loop waits for no lock, disk or network."""
        at_hand = self._vault.at_hand
        if at_hand is None:
            # One load for all: each of their own would wait in a thread of the loop's small pool.
            at_hand = await asyncio.wrap_future(self._loads.join("load", self._vault.open))
        tokens = self._signed_in(at_hand)
        if not self._is_due(tokens):
            return tokens
        try:
            return await self.arefresh(tokens)
        except RefreshUnavailable as error:
            return self._while_alive(tokens, error)

    async def arefresh(self, used: TokenSet | None = None) -> TokenSet:
        """:meth:`refresh` for async code. Cancelling it costs the other callers nothing."""
        return await asyncio.wrap_future(self._refreshing(used))

    def _refreshing(self, used: TokenSet | None) -> Future[TokenSet]:
        at_hand = self._vault.at_hand
        if used and at_hand and at_hand.access != used.access and not self._is_due(at_hand):
            return landed(at_hand)
        used = at_hand or used
        return self._flights.join(used, partial(self._replace, used))

    def _replace(self, used: TokenSet | None) -> TokenSet:
        with self._vault.exclusive():
            held = self._vault.load()
            if held is None:
                self._vault.at_hand = None
            held = self._signed_in(held)
            if used is None or held.access == used.access or self._is_due(held):
                return self._renew(held)
            self._vault.at_hand = held
            return held

    def _renew(self, held: TokenSet) -> TokenSet:
        self._heed_pause()
        try:
            tokens = self._endpoints.refresh(held)
        except RefreshUnavailable as error:
            pause = min(max(error.retry_after, SHORTEST_PAUSE), LONGEST_PAUSE)
            self._paused_until = self._clock() + pause
            raise
        except SessionExpired as end:
            tokens = self._sibling_of(held, end)
        self._vault.keep_unless_full(tokens)
        return tokens

    def _sibling_of(self, held: TokenSet, end: SessionExpired) -> TokenSet:
        """What somebody saved meanwhile, in a store whose lock does not keep everybody out."""
        saved = self._vault.load()
        if saved is not None and saved.refresh != held.refresh:
            return saved
        self._end = end
        self._vault.drop()
        raise end

    def _end_all(self, held: TokenSet) -> None:
        if self._endpoints.logout_all(held):
            return
        if not self._endpoints.logout_all(self._renew(held)):
            raise RefreshUnavailable("The server refused a fresh access token.", status=401)

    def _signed_in(self, tokens: TokenSet | None) -> TokenSet:
        if tokens is None:
            # Whoever comes late hears the reason the first one heard.
            raise SessionExpired(str(self._end), code=self._end.code, status=self._end.status)
        return tokens

    def _is_due(self, tokens: TokenSet) -> bool:
        return tokens.is_due(self._clock(), self.leeway)

    def _while_alive(self, tokens: TokenSet, error: RefreshUnavailable) -> TokenSet:
        if not tokens.is_alive(self._clock()):
            raise error
        return tokens

    def _heed_pause(self) -> None:
        left = self._paused_until - self._clock()
        # Longer than any pause: the clock was set back, so it says nothing.
        if 0 < left <= LONGEST_PAUSE:
            raise RefreshUnavailable(
                "The server could not refresh a moment ago.", status=503, retry_after=left
            )

    def _reset(self) -> None:
        self._end = signed_out()
        self._paused_until = 0.0


def signed_out() -> SessionExpired:
    return SessionExpired("Not signed in.", code="not_signed_in")
