"""A refresh outlives the code that asked for it."""

from __future__ import annotations

import subprocess
import sys

from token_lifecycle.client import FileStore, TokenSet

from .live_server import ROOT


def test_a_process_that_ends_in_the_middle_of_a_refresh_still_saves_the_new_tokens(stub, tmp_path):
    store = FileStore(tmp_path / "tokens")
    store.save(TokenSet("access-1", "refresh-1"))
    stub.hold_refreshes()
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.client.quitter", stub.base_url, store.path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "refreshing\n"
    stub.wait_for_refresh()
    process.stdin.write("quit\n")
    process.stdin.flush()
    stub.gate.set()
    assert process.communicate(timeout=10)[1] == ""
    assert store.load().access == "access-2"
