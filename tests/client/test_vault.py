"""The tokens at hand and those in the store, and who is told of them in which order."""

import threading

import pytest

from token_lifecycle.client import MemoryStore, TokenSet
from token_lifecycle.client.vault import Vault

OLD, NEW, OTHER = (TokenSet(f"access-{n}", f"refresh-{n}") for n in range(3))


def test_the_last_thing_a_listener_hears_is_what_is_true():
    heard, entered, go_on = [], threading.Event(), threading.Event()

    def listener(tokens):
        if tokens == OLD:
            entered.set()
            assert go_on.wait(10)
        heard.append(tokens)

    vault = Vault(MemoryStore(), listener)

    def sign_in():
        with vault.exclusive():
            vault.keep(OLD)

    thread = threading.Thread(target=sign_in)
    thread.start()
    assert entered.wait(10)
    with vault.exclusive():
        vault.drop()
    go_on.set()
    thread.join(10)
    assert heard == [OLD, None]


def test_a_listener_that_nobody_would_await_is_refused():
    async def listener(tokens):
        pass

    with pytest.raises(TypeError, match="plain function"):
        Vault(MemoryStore(), listener)


def test_somebody_elses_sign_in_counts_more_than_tokens_that_could_not_be_saved(monkeypatch):
    store = MemoryStore(OLD)
    vault = Vault(store)
    with monkeypatch.context() as patch:
        patch.setattr(store, "save", lambda _: 1 / 0)
        vault.keep_unless_full(NEW)
    assert vault.load() == NEW
    store.save(OTHER)
    assert vault.load() == OTHER
