"""The tokens at hand, kept equal to the ones in the store."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from .errors import RefreshUnavailable
from .stores import TokenStore
from .tokens import TokenSet

logger = logging.getLogger("token_lifecycle.client")

Listener = Callable[[TokenSet | None], object]


class Vault:
    """A store, and what this process knows of it without asking again."""

    def __init__(self, store: TokenStore, listener: Listener | None = None) -> None:
        if inspect.iscoroutinefunction(listener):
            raise TypeError("on_tokens must be a plain function: nobody would await it.")
        self.listener = listener
        #: What this process last saw; read without the lock, changed only inside it.
        self.at_hand: TokenSet | None = None
        self._announced: TokenSet | None = None
        self._unsaved = False
        #: What the store held when it could not take newer tokens.
        self._behind: TokenSet | None = None
        self._telling = threading.Lock()
        self._store = store

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else, in this process or another, changes the tokens inside the block.

        Listeners hear of a change after the lock is released: their code must not block others.
        Raises RefreshUnavailable when another holder does not let go.
        """
        try:
            with ExitStack() as stack:
                try:
                    stack.enter_context(self._store.lock())
                except TimeoutError as error:
                    raise RefreshUnavailable(f"The tokens are locked: {error}.") from None
                yield
        finally:
            self._announce()

    def open(self) -> TokenSet | None:
        """The tokens at hand, loaded if there are none. Not inside the lock."""
        if self.at_hand is None:
            with self.exclusive():
                self.at_hand = self._announced = self.load()
        return self.at_hand

    def load(self) -> TokenSet | None:
        """What the store holds, unless this process has newer ones that it could not save.

        If somebody else has saved since, theirs count: they have signed in anew.
        """
        saved = self._store.load()
        if self._unsaved and saved == self._behind:
            return self.at_hand
        self._unsaved = False
        return saved

    def keep(self, tokens: TokenSet) -> None:
        """Use ``tokens`` from now on, even if saving them fails, which raises the store's error."""
        self.at_hand = tokens
        self._unsaved = True
        self._behind = self._store.load()
        self._store.save(tokens)
        self._unsaved = False

    def keep_unless_full(self, tokens: TokenSet) -> None:
        """:meth:`keep`, where a failure must not cost the caller tokens that are in order."""
        try:
            self.keep(tokens)
        except Exception:
            logger.exception(
                "The new tokens could not be saved. This process goes on with them; others that "
                "use the same store will have to sign in again."
            )

    def drop(self) -> None:
        self.at_hand = None
        self._unsaved = False
        self._store.clear()

    def _announce(self) -> None:
        """Tell one listener call at a time; the last thing it hears is what is true."""
        while self.at_hand != self._announced and self._telling.acquire(blocking=False):
            # Whoever finds it taken may go: its holder looks again after letting go.
            try:
                while (tokens := self.at_hand) != self._announced:
                    self._announced = tokens
                    self._tell(tokens)
            finally:
                self._telling.release()

    def _tell(self, tokens: TokenSet | None) -> None:
        if self.listener is None:
            return
        try:
            self.listener(tokens)
        except Exception:
            logger.exception("on_tokens raised; the tokens themselves are in order.")
