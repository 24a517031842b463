from __future__ import annotations

import pytest

from token_lifecycle.client.origins import Origin, parse_origin

OURS = Origin("https", "example.com", 443)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/",
        "https://example.com:443/api/?next=https://evil.test",
        "HTTPS://EXAMPLE.com/api/",
        "https://anna:secret@example.com/",
    ],
)
def test_these_are_one_origin(url):
    assert parse_origin(url) == OURS


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://example.com:8443/",
        "https://example.com./",
        "https://www.example.com/",
        "https://example.com.evil.test/",
        "https://example.com@evil.test/",
        "https://evil.test/https://example.com/",
        "https://evil.test\\@example.com.evil.test/",
        "//example.com/",
        "/api/",
        "ftp://example.com/",
        "https://",
        "https://example.com:port/",
        "https://[::1/",
        "",
    ],
)
def test_these_are_not_that_origin(url):
    assert parse_origin(url) != OURS


def test_a_host_has_one_spelling():
    assert parse_origin("https://BÜCHER.example/") == parse_origin("https://xn--bcher-kva.example/")
    assert parse_origin("http://[::1]:8000/") == Origin("http", "::1", 8000)
