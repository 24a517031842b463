from __future__ import annotations

import os
import stat

import pytest

from token_lifecycle.client.file_lock import locked


def test_a_second_holder_waits_until_the_first_lets_go(tmp_path):
    path, waits = tmp_path / "lock", []
    first = locked(path, timeout=1)
    first.__enter__()

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            first.__exit__(None, None, None)

    with locked(path, timeout=1, clock=lambda: 0.0, sleep=sleep):
        assert len(waits) == 3


def test_a_holder_that_does_not_let_go_is_a_timeout_and_not_a_hang(tmp_path, clock):
    path, start = tmp_path / "lock", clock.now
    with locked(path, timeout=1), pytest.raises(TimeoutError, match="locked by another process"):
        locked(path, timeout=5, clock=clock, sleep=clock.advance).__enter__()
    assert 5 <= clock.now - start < 5.1


def test_the_lock_is_free_again_after_an_error_inside(tmp_path):
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), locked(path, timeout=1):
        _ = 1 / 0
    with locked(path, timeout=0):
        pass


def test_a_child_forked_while_the_lock_was_held_does_not_keep_it(tmp_path, monkeypatch):
    """A copy of the descriptor is what a child inherits: the open file behind it is the same."""
    path, copies, really_open = tmp_path / "lock", [], os.open

    def open_twice(*arguments):
        descriptor = really_open(*arguments)
        copies.append(os.dup(descriptor))
        return descriptor

    monkeypatch.setattr(os, "open", open_twice)
    with locked(path, timeout=0):
        pass
    with locked(path, timeout=0):
        pass
    for copy in copies:
        os.close(copy)


def test_the_lock_file_stays_and_is_its_owners_only(tmp_path):
    path = tmp_path / "lock"
    with locked(path, timeout=0):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
