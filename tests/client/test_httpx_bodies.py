"""What httpx can send a second time, and what it cannot."""

from __future__ import annotations

import io

import httpx
import pytest

from token_lifecycle.client.httpx import HttpxAuth

from .conftest import run_async


@pytest.fixture
def client(session):
    with httpx.Client(auth=HttpxAuth(session), timeout=10) as client:
        yield client


BODIES = {
    "json": lambda: {"json": {"a": 1}},
    "bytes": lambda: {"content": b"a" * 100_000},
    "form": lambda: {"data": {"a": "1"}},
    "multipart": lambda: {"files": {"file": ("a.txt", io.BytesIO(b"upload"), "text/plain")}},
    "multipart of bytes": lambda: {"files": {"file": b"upload"}, "data": {"a": "1"}},
}


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES.keys())
def test_these_bodies_are_sent_again_complete(send, stub, make):
    stub.expire()
    assert send("POST", f"{stub.url}/api/", **make()).status_code == 200
    first, second = (call["body"] for call in stub.calls_to("/api/"))
    assert first == second != b""


@pytest.mark.parametrize("start", [0, 7])
def test_a_file_is_sent_again_from_where_it_was(client, stub, start):
    stub.expire()
    file = io.BytesIO(b"header body")
    file.seek(start)
    # httpx takes the whole file for the length, wherever it stands.
    headers = {"Content-Length": str(11 - start)}
    response = client.post(f"{stub.url}/api/", content=file, headers=headers)
    assert response.content == b"header body"[start:]
    assert stub.rotations == 1


def test_a_list_of_chunks_is_sent_again(client, stub):
    stub.expire()
    assert client.post(f"{stub.url}/api/", content=[b"a", b"b"]).content == b"ab"


@pytest.mark.parametrize(
    "make",
    [lambda: (c for c in (b"a", b"b")), lambda: iter([b"a", b"b"])],
    ids=["generator", "iterator"],
)
def test_a_generator_is_not_sent_again_but_the_next_try_succeeds(client, stub, make):
    stub.expire()
    assert client.post(f"{stub.url}/api/", content=make()).status_code == 401
    assert len(stub.calls_to("/api/")) == 1
    assert client.post(f"{stub.url}/api/", content=make()).content == b"ab"
    assert stub.rotations == 1


def test_a_generator_is_sent_complete_when_the_token_is_refreshed_first(client, stub, clock):
    clock.advance(290)
    assert client.post(f"{stub.url}/api/", content=(c for c in (b"a", b"b"))).content == b"ab"


def test_an_async_generator_is_not_sent_again_but_the_next_try_succeeds(session, stub):
    async def chunks():
        yield b"a"
        yield b"b"

    async def work(client):
        first = await client.post(f"{stub.url}/api/", content=chunks())
        return first.status_code, (await client.post(f"{stub.url}/api/", content=chunks())).content

    stub.expire()
    assert run_async(session, work) == (401, b"ab")


def test_a_multipart_upload_that_can_be_read_once_is_not_sent_again_empty(client, stub):
    class OneWay:
        def __init__(self, content):
            self.read = io.BytesIO(content).read

    def upload():
        return client.post(f"{stub.url}/api/", files={"file": ("a.txt", OneWay(b"upload"))})

    stub.expire()
    assert upload().status_code == 401
    assert len(stub.calls_to("/api/")) == 1
    assert b"upload" in upload().content


def test_an_answer_that_is_streamed_is_not_read_before_its_time(client, stub):
    stub.expire()
    with client.stream("GET", f"{stub.url}/api/") as response:
        assert response.status_code == 200
        assert not response.is_stream_consumed
        assert b"".join(response.iter_bytes()) == b"hello"
