from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from token_lifecycle.client import FileStore, MemoryStore, TokenSet

TOKENS = TokenSet("access-1", "refresh-1", expires_at=1000.5, issued_at=100.0)
OTHERS = TokenSet("access-2", "refresh-2")


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryStore(lock_timeout=0)
    return FileStore(tmp_path / "app" / "tokens.json", lock_timeout=0)


@pytest.fixture
def file_store(tmp_path):
    return FileStore(tmp_path / "app" / "tokens.json", lock_timeout=0)


def test_a_new_store_is_empty(store):
    assert store.load() is None


def test_a_store_gives_back_what_was_saved_last(store):
    store.save(OTHERS)
    store.save(TOKENS)
    assert store.load() == TOKENS


def test_a_cleared_store_is_empty_and_can_be_cleared_again(store):
    store.save(TOKENS)
    store.clear()
    store.clear()
    assert store.load() is None


def test_a_store_is_locked_for_one_at_a_time(store):
    with store.lock(), pytest.raises(TimeoutError):
        store.lock().__enter__()
    with store.lock():
        pass


def test_a_memory_store_can_start_with_tokens():
    assert MemoryStore(TOKENS).load() == TOKENS


def test_two_file_stores_on_one_path_share_tokens_and_lock(file_store):
    other = FileStore(file_store.path, lock_timeout=0)
    file_store.save(TOKENS)
    assert other.load() == TOKENS
    with file_store.lock(), pytest.raises(TimeoutError):
        other.lock().__enter__()


def test_the_file_is_readable_by_its_owner_only_whatever_the_umask(file_store):
    before = os.umask(0)
    try:
        file_store.save(TOKENS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file_store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file_store.path.parent.stat().st_mode) == 0o700


def test_a_file_that_was_opened_to_others_is_closed_again_by_the_next_save(file_store):
    file_store.save(OTHERS)
    file_store.path.chmod(0o644)
    file_store.save(TOKENS)
    assert stat.S_IMODE(file_store.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_while_saving_leaves_the_old_tokens_and_no_rubbish(file_store, monkeypatch, step):
    file_store.save(TOKENS)

    def crash(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), crash)
    with pytest.raises(OSError, match="no space left"):
        file_store.save(OTHERS)
    monkeypatch.undo()
    assert file_store.load() == TOKENS
    assert [path.name for path in file_store.path.parent.iterdir()] == ["tokens.json"]


def test_what_was_saved_or_cleared_is_on_the_disk_and_in_the_right_order(file_store, monkeypatch):
    steps, fsync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append("fsync"), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda *a: (steps.append("rename"), replace(*a)))
    file_store.save(TOKENS)
    assert steps == ["fsync", "rename", "fsync"]
    file_store.clear()
    assert steps == ["fsync", "rename", "fsync", "fsync"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"access": "a", "colour": "red"}', "\0"])
def test_a_file_that_holds_no_tokens_counts_as_signed_out(file_store, content, log):
    file_store.save(TOKENS)
    file_store.path.write_text(content)
    assert file_store.load() is None
    assert "does not hold tokens" in log.text


def test_saving_through_a_symbolic_link_keeps_the_link(file_store, tmp_path):
    file_store.save(OTHERS)
    link = tmp_path / "link"
    link.symlink_to(file_store.path)
    FileStore(link).save(TOKENS)
    assert link.is_symlink()
    assert file_store.load() == TOKENS


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert FileStore("~/tokens").path == tmp_path.resolve() / "tokens"


@pytest.mark.parametrize(
    "text",
    [
        '{"access": 1, "refresh": null}',
        '{"access": "a", "refresh": ""}',
        '{"access": "a", "refresh": "r", "expires_at": "soon"}',
        '{"access": "a", "refresh": "r", "expires_at": true}',
        "[]",
    ],
)
def test_a_file_with_something_else_in_it_counts_as_signed_out(tmp_path, text):
    (tmp_path / "tokens").write_text(text)
    assert FileStore(tmp_path / "tokens").load() is None


def test_a_file_of_a_newer_version_is_read(tmp_path):
    (tmp_path / "tokens").write_text('{"access": "a", "refresh": "r", "session": "x"}')
    assert FileStore(tmp_path / "tokens").load() == TokenSet("a", "r")


def test_what_a_killed_process_left_is_removed(tmp_path, monkeypatch):
    store = FileStore(tmp_path / "tokens")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", lambda *_: 1 / 0)
        patch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
        with pytest.raises(ZeroDivisionError):
            store.save(TokenSet("a", "r"))
    assert len(list(tmp_path.iterdir())) == 1
    with store.lock():
        assert [file.name for file in tmp_path.iterdir()] == ["tokens.lock"]
