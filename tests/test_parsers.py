"""Strict JSON: a document of bearable size, or a 4xx."""

import contextlib
from io import BytesIO
from types import SimpleNamespace

import pytest
from django.core.exceptions import RequestDataTooBig
from django.http import UnreadablePostError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from token_lifecycle.api_errors import PayloadTooLarge
from token_lifecycle.parsers import StrictJSONParser, media_type


def parse(body, **meta):
    request = SimpleNamespace(META=meta)
    return StrictJSONParser().parse(BytesIO(body), parser_context={"request": request})


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, 2.5, true, null, "x"]}\n', {"a": [1, 2.5, True, None, "x"]}),
        (b"[]", []),
        (b'"text"', "text"),
        (b"null", None),
        ('{"a": "\N{SNOWMAN}"}'.encode(), {"a": "\N{SNOWMAN}"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_json_is_parsed(body, value):
    assert parse(body) == value


MALFORMED = {
    "nothing": b"",
    "white space": b"  ",
    "text": b"username=a&password=b",
    "trailing comma": b'{"a": 1,}',
    "comment": b'{"a": 1} // x',
    "single quotes": b"{'a': 1}",
    "unquoted name": b"{a: 1}",
    "cut off": b'{"a": ',
    "two documents": b"{}{}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "Latin-1": '{"a": "\xe9"}'.encode("latin-1"),
    "raw surrogate": b'{"a": "\xed\xa0\x80"}',
    "raw control character": b'{"a": "\x00"}',
    "raw newline in text": b'{"a": "x\ny"}',
    "NaN": b'{"a": NaN}',
    "Infinity": b"[Infinity]",
    "-Infinity": b"[-Infinity]",
    "huge integer": b'{"a": ' + b"9" * 5000 + b"}",
    "hexadecimal": b"[0x10]",
    "leading zero": b"[01]",
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "gzip": b"\x1f\x8b\x08\x00",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_json_is_refused_without_telling_where(body):
    with pytest.raises(ParseError) as caught:
        parse(body)
    assert str(caught.value.detail) == "Malformed JSON."
    assert caught.value.__suppress_context__


@hypothesis_settings(deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_arbitrary_bytes_are_parsed_or_refused(body):
    with contextlib.suppress(ParseError):
        parse(body)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip", "x"])
def test_a_compressed_body_is_refused_and_never_unpacked(encoding):
    with pytest.raises(UnsupportedMediaType):
        parse(b"{}", HTTP_CONTENT_ENCODING=encoding)


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_a_body_that_is_said_to_be_plain_is_parsed(encoding):
    assert parse(b"{}", HTTP_CONTENT_ENCODING=encoding) == {}


def test_a_body_of_exactly_the_limit_is_parsed_and_one_byte_more_refused(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert parse(b'"12345678"') == "12345678"
    with pytest.raises(PayloadTooLarge):
        parse(b'"123456789"')


def test_no_more_than_the_limit_is_read(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    stream = BytesIO(b"x" * 1000)
    with pytest.raises(PayloadTooLarge):
        StrictJSONParser().parse(stream)
    assert stream.tell() == 11


def test_without_a_limit_a_body_of_any_size_is_read(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert len(parse(b'"' + b"x" * 3_000_000 + b'"')) == 3_000_000


def test_a_body_that_django_found_too_large_is_refused_the_same_way():
    class Stream:
        def read(self, size):
            raise RequestDataTooBig

    with pytest.raises(PayloadTooLarge):
        StrictJSONParser().parse(Stream())


def test_a_client_that_hangs_up_is_no_failure_of_the_server():
    class Stream:
        def read(self, size):
            raise UnreadablePostError("gone")

    with pytest.raises(ParseError):
        StrictJSONParser().parse(Stream())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" application/json ;a=b", "application/json"),
        ("", ""),
        (";", ""),
        ("text/plain", "text/plain"),
    ],
)
def test_the_media_type_has_no_parameters_and_one_case(header, expected):
    assert media_type(SimpleNamespace(content_type=header)) == expected
