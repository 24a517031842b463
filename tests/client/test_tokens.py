from __future__ import annotations

import base64
import json
import pickle

import pytest

from token_lifecycle.client import TokenSet

TOKENS = TokenSet("access-secret", "refresh-secret", expires_at=1000.0, issued_at=100.0)


@pytest.mark.parametrize("render", [repr, str, "{}".format, lambda t: f"{t!r}", lambda t: f"{[t]}"])
def test_no_rendering_of_a_token_set_shows_a_token(render):
    assert "secret" not in render(TOKENS)
    assert "1000.0" in render(TOKENS)


def test_a_token_set_is_no_sequence_that_a_logger_could_unpack():
    with pytest.raises(TypeError):
        tuple(TOKENS)


def test_a_token_set_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(TOKENS)) == TOKENS


@pytest.mark.parametrize(
    ("now", "due"), [(100.0, False), (969.9, False), (970.0, True), (1000.0, True), (2000.0, True)]
)
def test_tokens_are_due_when_less_than_the_leeway_is_left(now, due):
    assert TOKENS.is_due(now, leeway=30.0) is due


def test_tokens_that_live_shorter_than_the_leeway_are_due_at_half_their_life():
    tokens = TokenSet("a", "r", expires_at=110.0, issued_at=100.0)
    assert not tokens.is_due(104.9, leeway=30.0)
    assert tokens.is_due(105.0, leeway=30.0)


def test_tokens_of_unknown_life_are_never_due_and_always_worth_a_try():
    tokens = TokenSet("a", "r")
    assert not tokens.is_due(1e12, leeway=30.0)
    assert tokens.is_alive(1e12)


def test_tokens_are_alive_until_they_expire():
    assert TOKENS.is_alive(999.9)
    assert not TOKENS.is_alive(1000.0)


def jwt_of(claims):
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


def test_a_jwt_without_expiry_is_timed_by_its_own_claims():
    tokens = TokenSet(jwt_of({"iat": 100, "exp": 400}), "r").timed(5000.0)
    assert (tokens.issued_at, tokens.expires_at) == (5000.0, 5300.0)


@pytest.mark.parametrize(
    "access",
    [
        "opaque",
        "a.b.c",
        jwt_of({"exp": 400}),
        jwt_of({"iat": 400, "exp": 400}),
        jwt_of({"iat": "1", "exp": 2}),
        jwt_of({"iat": 0, "exp": float("inf")}),
        jwt_of([]),
    ],
)
def test_a_token_that_does_not_tell_stays_without_times(access):
    tokens = TokenSet(access, "r")
    assert tokens.timed(5000.0) is tokens


def test_a_known_expiry_is_not_touched():
    tokens = TokenSet(jwt_of({"iat": 100, "exp": 400}), "r", expires_at=7.0)
    assert tokens.timed(5000.0) is tokens
