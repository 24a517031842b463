"""Tokens in the keyring of the operating system. Needs the package ``keyring``."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from .file_lock import locked
from .stores import LOCK_TIMEOUT, from_json, to_json
from .tokens import TokenSet

logger = logging.getLogger("token_lifecycle.client")


class KeyringStore:
    """Keeps the tokens in the system's keyring: encrypted, for the user who is logged in.

    ``service`` and ``account`` name the entry; one per server and account. A keyring has no lock,
    so one on a file in ``lock_directory`` keeps out other processes; the file holds no secret.
    Raises ImportError without the package ``keyring``, and that package's own errors.
    """

    def __init__(
        self,
        service: str,
        account: str,
        *,
        lock_directory: str | os.PathLike[str] = "~/.cache/token_lifecycle",
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> None:
        try:
            self._keyring: Any = import_module("keyring")
        except ImportError as error:
            raise ImportError(
                "KeyringStore needs the package keyring: pip install keyring"
            ) from error
        self._entry = (service, account)
        name = hashlib.sha256(f"{service}\0{account}".encode()).hexdigest()
        self._lock_path = Path(lock_directory).expanduser() / f"{name}.lock"
        self._lock_timeout = lock_timeout

    def load(self) -> TokenSet | None:
        text = self._keyring.get_password(*self._entry)
        tokens = None if text is None else from_json(text)
        if text is not None and tokens is None:
            logger.warning(
                "The keyring entry %s holds no tokens; treated as signed out.", self._entry
            )
        return tokens

    def save(self, tokens: TokenSet) -> None:
        self._keyring.set_password(*self._entry, to_json(tokens))

    def clear(self) -> None:
        if self._keyring.get_password(*self._entry) is not None:
            self._keyring.delete_password(*self._entry)

    @contextmanager
    def lock(self) -> Iterator[None]:
        self._lock_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._lock_path, timeout=self._lock_timeout):
            yield
