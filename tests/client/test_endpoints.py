"""What the answers of a server mean, one by one."""

from __future__ import annotations

import json

import pytest

from token_lifecycle.client import (
    LoginRefused,
    RefreshUnavailable,
    Reply,
    SessionExpired,
    TokenSet,
    TransportFailed,
)
from token_lifecycle.client.endpoints import REFUSAL_CODES, Endpoints
from token_lifecycle.exceptions import TokenRefused

HELD = TokenSet("access-1", "refresh-1")
ISSUED = {"access": "access-2", "refresh": "refresh-2", "expires_in": 300}


class Scripted:
    """Answers what it was told to, in order, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def post(self, url, body, headers, timeout):
        self.asked.append((url, json.loads(body), headers, timeout))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def reply(status, content=b"", retry_after=""):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply(status=status, body=body, retry_after=retry_after)


def endpoints(*answers, clock=lambda: 1000.0, username_field="username"):
    return Endpoints(
        base_url="https://example.com/auth/",
        transport=Scripted(*answers),
        timeout=4.0,
        username_field=username_field,
        clock=clock,
    )


def refresh(*answers):
    return endpoints(*answers).refresh(HELD)


# --- refresh ----------------------------------------------------------------------------------


def test_a_refresh_sends_the_refresh_token_to_one_address_and_no_bearer():
    server = endpoints(reply(200, ISSUED))
    tokens = server.refresh(HELD)
    assert tokens == TokenSet("access-2", "refresh-2", expires_at=1300.0, issued_at=1000.0)
    ((url, payload, headers, timeout),) = server.transport.asked
    assert (url, payload) == ("https://example.com/auth/refresh/", {"refresh": "refresh-1"})
    assert "Authorization" not in headers
    assert timeout == 4.0


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("code", sorted(REFUSAL_CODES))
def test_the_servers_word_ends_the_session_whatever_status_it_is_set_to(status, code):
    with pytest.raises(SessionExpired, match="Gone") as caught:
        refresh(reply(status, {"detail": "Gone.", "code": code}))
    assert (caught.value.code, caught.value.status) == (code, status)


def test_every_refusal_the_server_knows_is_known_here():
    def codes(error):
        return {error.code}.union(*map(codes, error.__subclasses__()))

    assert codes(TokenRefused) == REFUSAL_CODES


def test_a_401_for_a_reason_of_the_future_ends_the_session_too():
    with pytest.raises(SessionExpired):
        refresh(reply(401, {"detail": "No.", "code": "device_blocked"}))


@pytest.mark.parametrize(
    "answer",
    [
        reply(401, b"<h1>Proxy: sign in</h1>"),
        reply(401, {"detail": "Basic authentication, please."}),
        reply(403, b"<h1>Firewall</h1>"),
        reply(403, {"detail": "No.", "code": "blocked_by_firewall"}),
        reply(400, {"refresh": ["This field is required."]}),
        reply(404, b"Not Found"),
        reply(405),
        reply(301),
        reply(418, {"code": "token_invalid"}),
        reply(429, {"code": "throttled"}, "7"),
        reply(503),
        reply(200, b"<h1>Welcome to the airport's network</h1>"),
        reply(200, b"[1, 2]"),
        reply(200, b"[" * 100_000),
        reply(200, {"access": "access-2"}),
        reply(200, {"access": "access-2", "refresh": ""}),
        reply(200, {"access": "access-2", "refresh": None}),
        reply(200, {"access": 1, "refresh": 2}),
        reply(204),
    ],
)
def test_anything_else_decides_nothing(answer):
    with pytest.raises(RefreshUnavailable) as caught:
        refresh(answer)
    assert caught.value.status == answer.status


@pytest.mark.parametrize("lost", [TransportFailed("timed out"), *map(reply, (408, 500, 502, 504))])
def test_a_lost_answer_is_asked_for_again_at_once(lost):
    server = endpoints(lost, reply(200, ISSUED))
    assert server.refresh(HELD).access == "access-2"
    assert [asked[1] for asked in server.transport.asked] == [{"refresh": "refresh-1"}] * 2


def test_it_is_asked_for_again_only_once():
    with pytest.raises(RefreshUnavailable, match=r"No answer from .*/auth/refresh/: timed out"):
        refresh(TransportFailed("connection reset"), TransportFailed("timed out"))


def test_the_second_answer_may_be_a_refusal():
    refused = reply(401, {"detail": "Used before.", "code": "token_reused"})
    with pytest.raises(SessionExpired):
        refresh(TransportFailed("connection reset"), refused)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_not_now_is_not_asked_again_at_once(status):
    with pytest.raises(RefreshUnavailable) as caught:
        refresh(reply(status, retry_after="120"))
    assert caught.value.retry_after == 120.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0.0),
        ("0", 0.0),
        (" 30 ", 30.0),
        ("Thu, 01 Jan 1970 00:17:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("٣", 0.0),
        ("1e9", 0.0),
    ],
)
def test_retry_after_is_read_in_both_its_forms(header, seconds):
    with pytest.raises(RefreshUnavailable) as caught:
        refresh(reply(503, retry_after=header))
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("expires_in", [None, 0, -1, "300", True, float("inf"), float("nan"), []])
def test_a_lifetime_that_makes_no_sense_is_an_unknown_one(expires_in):
    tokens = refresh(reply(200, {**ISSUED, "expires_in": expires_in}))
    assert tokens.expires_at is None


def test_the_life_of_a_token_counts_from_before_it_was_asked_for():
    times = iter([1000.0, 1007.0])
    server = endpoints(TransportFailed("timed out"), reply(200, ISSUED), clock=lambda: next(times))
    assert server.refresh(HELD).expires_at == 1307.0


# --- sign-in ----------------------------------------------------------------------------------


def test_sign_in_sends_what_the_server_calls_its_fields():
    server = endpoints(reply(200, ISSUED), username_field="email")
    server.obtain("anna@example.com", "correct horse", {"device_name": "Anna's laptop"})
    ((url, payload, _, _),) = server.transport.asked
    assert url == "https://example.com/auth/obtain/"
    assert payload == {
        "email": "anna@example.com",
        "password": "correct horse",
        "device_name": "Anna's laptop",
    }


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reply(401, {"detail": "Wrong.", "code": "invalid_credentials"}), "Wrong."),
        (reply(403, {"detail": "Too many.", "code": "session_limit"}), "Too many."),
        (reply(400, {"username": ["Required."]}), "Required"),
        (reply(401, b""), "refused"),
    ],
)
def test_a_refused_sign_in_says_why(answer, message):
    with pytest.raises(LoginRefused, match=message) as caught:
        endpoints(answer).obtain("anna", "wrong", {})
    assert caught.value.status == answer.status


@pytest.mark.parametrize(
    "answer", [TransportFailed("no route"), reply(429), reply(503), reply(404), reply(200, b"hi")]
)
def test_a_sign_in_that_was_not_judged_is_not_refused_and_not_repeated(answer):
    server = endpoints(answer)
    with pytest.raises(RefreshUnavailable):
        server.obtain("anna", "correct horse", {})
    assert len(server.transport.asked) == 1


# --- sign-out ---------------------------------------------------------------------------------


def test_logout_sends_the_refresh_token():
    server = endpoints(reply(204))
    server.logout(HELD)
    ((url, payload, _, _),) = server.transport.asked
    assert (url, payload) == ("https://example.com/auth/logout/", {"refresh": "refresh-1"})


def test_logout_everywhere_sends_the_access_token():
    server = endpoints(reply(200, {"revoked": 3}))
    assert server.logout_all(HELD) is True
    ((url, _, headers, _),) = server.transport.asked
    assert url == "https://example.com/auth/logout-all/"
    assert headers["Authorization"] == "Bearer access-1"


def test_logout_everywhere_tells_when_the_access_token_is_too_old_for_it():
    assert endpoints(reply(401, {"code": "token_expired"})).logout_all(HELD) is False


@pytest.mark.parametrize("answer", [TransportFailed("no route"), reply(503), reply(400)])
@pytest.mark.parametrize("verb", ["logout", "logout_all"])
def test_a_logout_that_did_not_arrive_is_an_error(verb, answer):
    with pytest.raises(RefreshUnavailable):
        getattr(endpoints(answer), verb)(HELD)
