"""Tokens in the keyring of the operating system, and in a fake one here."""

import sys
from types import SimpleNamespace

import pytest

from token_lifecycle.client import KeyringStore, TokenSet

TOKENS = TokenSet("access-1", "refresh-1", expires_at=2.0, issued_at=1.0)


@pytest.fixture
def entries(monkeypatch):
    entries = {}
    fake = SimpleNamespace(
        get_password=lambda *entry: entries.get(entry),
        set_password=lambda service, account, text: entries.update({(service, account): text}),
        delete_password=lambda *entry: entries.pop(entry),
    )
    monkeypatch.setitem(sys.modules, "keyring", fake)
    return entries


@pytest.fixture
def new_store(entries, tmp_path):
    return lambda account="anna": KeyringStore(
        "example", account, lock_directory=tmp_path / "locks", lock_timeout=0
    )


def test_the_tokens_are_there_for_the_next_process(new_store):
    assert new_store().load() is None
    new_store().save(TOKENS)
    assert new_store().load() == TOKENS
    new_store().clear()
    new_store().clear()
    assert new_store().load() is None


def test_the_lock_keeps_others_out_of_one_entry_only(new_store):
    with new_store().lock():
        with pytest.raises(TimeoutError), new_store().lock():
            pass
        with new_store("berta").lock():
            pass


def test_the_lock_holds_no_secret_and_no_name(new_store, tmp_path):
    with new_store().lock():
        new_store().save(TOKENS)
    (lock,) = (tmp_path / "locks").iterdir()
    assert lock.read_bytes() == b""
    assert "anna" not in lock.name


def test_an_entry_without_tokens_counts_as_signed_out(new_store, entries, log):
    entries["example", "anna"] = "secret nonsense"
    assert new_store().load() is None
    assert "holds no tokens" in log.text
    assert "secret" not in log.text


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ImportError, match="pip install keyring"):
        KeyringStore("example", "anna")
