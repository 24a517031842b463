"""The guide is true: each of its Python blocks runs, in order, against the real server."""

from __future__ import annotations

import re

import pytest

import token_lifecycle.client as client

from .live_server import ROOT, LiveServer

GUIDE = (ROOT / "docs" / "python-client.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("docs"), grace=10).serving() as server:
        yield server


def test_every_block_of_the_guide_runs(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    names = {"__name__": "guide"}
    for number, block in enumerate(BLOCKS, start=1):
        code = block.replace("https://example.com", server.url)
        exec(compile(code, f"block {number} of the guide", "exec"), names)
    assert number == len(BLOCKS) > 10
    names["corporate"].close()
    assert names["response"].status_code == 200
    assert [response.status_code for response in names["responses"]] == [200] * 10
    assert (tmp_path / ".config/example/tokens.json").exists()


def test_the_guide_names_every_error_and_store():
    names = [name for name in client.__all__ if name.endswith(("Store", "Error", "Set"))]
    names += ["LoginRefused", "RefreshUnavailable", "SessionExpired"]
    assert [name for name in names if f"`{name}" not in GUIDE] == []
