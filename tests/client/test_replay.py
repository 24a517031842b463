from __future__ import annotations

import io
import os

import pytest

from token_lifecycle.client.replay import can_seek, position_of, rewind


def test_bodies_in_memory_and_no_body_can_be_sent_again():
    assert all(rewind(body, position_of(body)) for body in (None, b"x", "x", [b"x"], (b"x",)))


def test_a_file_is_sent_again_from_where_it_was_and_not_from_its_beginning():
    file = io.BytesIO(b"header body")
    file.seek(7)
    start = position_of(file)
    assert file.read() == b"body"
    assert rewind(file, start)
    assert file.read() == b"body"


@pytest.mark.parametrize(
    "make", [lambda: (c for c in "ab"), lambda: iter([b"a"]), lambda: map(str, "a")]
)
def test_what_is_used_up_by_reading_cannot_be_sent_again(make):
    body = make()
    assert not rewind(body, position_of(body))


def test_a_pipe_cannot_be_sent_again():
    read_end, write_end = os.pipe()
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        assert not rewind(pipe, position_of(pipe))
        assert not can_seek(pipe)


def test_a_file_that_was_closed_meanwhile_cannot_be_sent_again():
    file = io.BytesIO(b"body")
    start = position_of(file)
    file.close()
    assert not rewind(file, start)


def test_something_that_is_no_body_at_all_is_not_sent_again():
    assert not rewind(object(), None)


def test_seekable_means_what_the_file_says_where_it_says_it():
    class Seeks:
        def seek(self, position): ...

    assert can_seek(io.BytesIO())
    assert can_seek(Seeks())
    assert not can_seek(object())
