"""The tokens at hand, kept equal to the ones in the store."""

from __future__ import annotations

import logging
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
        self.listener = listener
        #: What this process last saw; read without the lock, changed only inside it.
        self.at_hand: TokenSet | None = None
        self._announced: TokenSet | None = None
        self._unsaved = False
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
        """What the store holds, unless this process has newer ones that it could not save."""
        return self.at_hand if self._unsaved else self._store.load()

    def keep(self, tokens: TokenSet) -> None:
        """Use ``tokens`` from now on, even if saving them fails, which raises the store's error."""
        self.at_hand = tokens
        self._unsaved = True
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
        tokens = self.at_hand
        if tokens == self._announced:
            return
        self._announced = tokens
        if self.listener is not None:
            try:
                self.listener(tokens)
            except Exception:
                logger.exception("on_tokens raised; the tokens themselves are in order.")
