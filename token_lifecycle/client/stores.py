"""Where tokens are kept between requests, and between runs of a program."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Protocol

from .file_lock import locked
from .tokens import TokenSet

logger = logging.getLogger("token_lifecycle.client")

#: Seconds to wait for another holder: it may be in the middle of two attempts to refresh.
LOCK_TIMEOUT = 30.0


def to_json(tokens: TokenSet) -> str:
    return json.dumps(asdict(tokens))


def from_json(text: str | bytes) -> TokenSet | None:
    """The tokens in ``text``, whatever else is beside them; None if there are none."""
    try:
        answer = json.loads(text)
        kept = {field.name: answer.get(field.name) for field in fields(TokenSet)}
    except (AttributeError, RecursionError, ValueError):
        return None
    secrets = (kept["access"], kept["refresh"])
    times = (kept["expires_at"], kept["issued_at"])
    if not all(isinstance(secret, str) and secret for secret in secrets):
        return None
    if not all(time is None or type(time) in (int, float) for time in times):
        return None
    return TokenSet(**kept)


class TokenStore(Protocol):
    """What a :class:`Session` needs of a place that keeps its tokens.

    Errors of the place itself (OSError …) may be raised by every method.
    """

    def load(self) -> TokenSet | None:
        """The tokens last saved, by whomever; None if there are none."""

    def save(self, tokens: TokenSet) -> None:
        """Replace what is kept. All or nothing: a crash must not leave half a token."""

    def clear(self) -> None:
        """Forget the tokens. Not an error if there are none."""

    def lock(self) -> AbstractContextManager[object]:
        """Keep out every other user of this place, in this process and in others.

        It is held while a refresh token is exchanged, for two exchanges of one token end the
        session. Raises TimeoutError when another holder does not let go.
        """


class MemoryStore:
    """Keeps the tokens in this object: gone when the process ends. Safe between threads."""

    def __init__(
        self, tokens: TokenSet | None = None, *, lock_timeout: float = LOCK_TIMEOUT
    ) -> None:
        self._tokens = tokens
        self._lock = threading.Lock()
        self._lock_timeout = lock_timeout

    def load(self) -> TokenSet | None:
        return self._tokens

    def save(self, tokens: TokenSet) -> None:
        self._tokens = tokens

    def clear(self) -> None:
        self._tokens = None

    @contextmanager
    def lock(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._lock_timeout):
            raise TimeoutError("the tokens are locked by another thread")
        try:
            yield
        finally:
            self._lock.release()


class FileStore:
    """Keeps the tokens in one file, readable by its owner only, shared by many processes.

    One file per server and account. Beside it lives ``<name>.lock``, which stays.
    """

    def __init__(self, path: str | os.PathLike[str], *, lock_timeout: float = LOCK_TIMEOUT) -> None:
        # Resolved: a rename onto a symbolic link would replace the link, not the file behind it.
        self.path = Path(path).expanduser().resolve()
        self._lock_timeout = lock_timeout

    def load(self) -> TokenSet | None:
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        tokens = from_json(text)
        if tokens is None:
            logger.warning("%s does not hold tokens; treated as signed out.", self.path)
        return tokens

    def save(self, tokens: TokenSet) -> None:
        self._make_directory()
        # mkstemp creates the file with mode 0600, so it is never readable by others, not even
        # for a moment.
        descriptor, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=self._temporary)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(to_json(tokens))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self.path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._sync_directory()

    def clear(self) -> None:
        with suppress(FileNotFoundError):
            self.path.unlink()
            self._sync_directory()

    @contextmanager
    def lock(self) -> Iterator[None]:
        self._make_directory()
        with locked(self.path.with_name(f"{self.path.name}.lock"), timeout=self._lock_timeout):
            self._remove_leftovers()
            yield

    @property
    def _temporary(self) -> str:
        return f".{self.path.name}.new-"

    def _remove_leftovers(self) -> None:
        """Of a process that was killed while it saved. With the lock held nobody else is saving."""
        for file in self.path.parent.iterdir():
            if file.name.startswith(self._temporary):
                file.unlink(missing_ok=True)

    def _make_directory(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _sync_directory(self) -> None:
        """Make the rename itself survive a power failure; Windows has no such call."""
        if sys.platform != "win32":
            descriptor = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
