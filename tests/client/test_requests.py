from __future__ import annotations

import io
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from token_lifecycle.client import RefreshUnavailable, Session, SessionExpired
from token_lifecycle.client.requests import RequestsAuth, RequestsTransport


@pytest.fixture
def new_session(stub, clock):
    """As everywhere, but requests carries the refresh as well."""

    def make(**options):
        transport = RequestsTransport()
        return Session(stub.base_url, clock=clock, timeout=30, transport=transport, **options)

    return make


@pytest.fixture
def client(session):
    with requests.Session() as client:
        client.auth = RequestsAuth(session)
        yield client


# --- the token goes along ---------------------------------------------------------------------


def test_requests_carry_the_access_token(client, stub):
    assert client.get(f"{stub.url}/api/").text == "hello"


def test_an_expired_token_is_refreshed_and_the_request_sent_again(client, stub):
    stub.expire()
    response = client.get(f"{stub.url}/api/")
    assert response.status_code == 200
    assert [past.status_code for past in response.history] == [401]
    assert (stub.rotations, len(stub.calls_to("/api/"))) == (1, 2)


def test_a_token_about_to_expire_is_refreshed_first_and_the_request_sent_once(client, stub, clock):
    clock.advance(290)
    assert client.get(f"{stub.url}/api/").status_code == 200
    assert (stub.rotations, len(stub.calls_to("/api/"))) == (1, 1)


def test_fifty_threads_with_one_expired_token_all_succeed_with_one_refresh(session, stub):
    stub.expire()

    def get(number):
        return requests.get(f"{stub.url}/api/", auth=RequestsAuth(session), timeout=10).status_code

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(get, range(50))) == [200] * 50
    assert stub.rotations == 1


# --- 401 for other reasons --------------------------------------------------------------------


def test_a_server_that_always_answers_401_is_asked_twice_and_believed(client, stub):
    assert client.get(f"{stub.url}/refuses/").status_code == 401
    assert (stub.rotations, len(stub.calls_to("/refuses/"))) == (1, 2)


def test_a_401_about_something_else_is_the_callers(client, stub):
    response = client.post(f"{stub.url}/refuses/?code=invalid_credentials")
    assert response.json() == {"code": "invalid_credentials"}
    assert (stub.rotations, len(stub.calls_to("/refuses/"))) == (0, 1)


def test_a_session_that_ended_is_raised_out_of_the_request(client, stub, session):
    stub.revoked = "session_revoked"
    with pytest.raises(SessionExpired):
        client.get(f"{stub.url}/api/")
    assert session.tokens is None


def test_a_refresh_that_is_unavailable_is_raised_and_the_tokens_are_kept(client, stub, session):
    stub.expire()
    stub.faults.append((503, b"", {"Retry_After": "9"}))
    with pytest.raises(RefreshUnavailable) as caught:
        client.get(f"{stub.url}/api/")
    assert caught.value.retry_after == 9
    assert session.tokens.refresh == "refresh-2"


def test_hooks_of_the_user_see_the_answer_to_the_replay(session, stub):
    stub.expire()
    seen = []
    response = requests.get(
        f"{stub.url}/api/",
        auth=RequestsAuth(session),
        hooks={"response": [lambda r, **_: seen.append(r.status_code), lambda r, **_: None]},
        timeout=10,
    )
    assert response.status_code == 200
    assert seen == [200]


# --- bodies -----------------------------------------------------------------------------------


BODIES = {
    "json": lambda: {"json": {"a": 1}},
    "bytes": lambda: {"data": b"a" * 100_000},
    "text": lambda: {"data": "text"},
    "form": lambda: {"data": {"a": "1"}},
    "multipart": lambda: {"files": {"file": ("a.txt", io.BytesIO(b"upload"), "text/plain")}},
    "file": lambda: {"data": io.BytesIO(b"from the beginning")},
}


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES.keys())
def test_these_bodies_are_sent_again_complete(client, stub, make):
    stub.expire()
    assert client.post(f"{stub.url}/api/", **make()).status_code == 200
    first, second = (call["body"] for call in stub.calls_to("/api/"))
    assert first == second != b""


def test_a_file_is_sent_again_from_where_it_was(client, stub):
    stub.expire()
    file = io.BytesIO(b"header body")
    file.seek(7)
    assert client.post(f"{stub.url}/api/", data=file).content == b"body"


def test_a_generator_is_not_sent_again_but_the_next_try_succeeds(client, stub):
    stub.expire()
    assert client.post(f"{stub.url}/api/", data=(c for c in (b"a", b"b"))).status_code == 401
    assert len(stub.calls_to("/api/")) == 1
    assert client.post(f"{stub.url}/api/", data=(c for c in (b"a", b"b"))).content == b"ab"


def test_a_pipe_is_not_sent_again_empty(client, stub):
    stub.expire()
    read_end, write_end = os.pipe()
    os.write(write_end, b"upload")
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        assert client.post(f"{stub.url}/api/", data=pipe).status_code == 401
    assert len(stub.calls_to("/api/")) == 1


def test_an_answer_that_is_streamed_is_not_read_before_its_time(client, stub):
    stub.expire()
    with client.get(f"{stub.url}/api/", stream=True) as response:
        assert response.status_code == 200
        assert response.raw.read() == b"hello"


# --- origins ----------------------------------------------------------------------------------


def test_another_server_never_gets_the_token(client, elsewhere):
    assert client.get(f"{elsewhere.url}/open/").text == "anyone"
    assert client.get(f"{elsewhere.url}/refuses/").status_code == 401
    assert all("Authorization" not in call["headers"] for call in elsewhere.calls)


def test_a_redirect_elsewhere_loses_the_token_and_a_401_there_is_not_ours(client, stub, elsewhere):
    to = f"{elsewhere.url}/refuses/"
    assert client.get(f"{stub.url}/moved/", params={"to": to}).status_code == 401
    assert "Authorization" not in elsewhere.calls[0]["headers"]
    assert (stub.rotations, len(elsewhere.calls)) == (0, 1)


def test_a_redirect_on_the_same_server_keeps_it_and_is_replayed(client, stub):
    stub.expire()
    response = client.get(f"{stub.url}/moved/", params={"to": "/api/"})
    assert (response.status_code, stub.rotations) == (200, 1)


def test_a_redirect_in_answer_to_the_replay_is_followed_with_the_new_token(client, stub):
    stub.expire()
    response = client.get(f"{stub.url}/moved-after-sign-in/")
    assert (response.status_code, response.text) == (200, "hello")
    assert (stub.rotations, len(stub.calls_to("/api/"))) == (1, 1)


def test_a_request_is_sent_again_once_even_if_every_refresh_gives_the_same_access_token(
    client, stub, monkeypatch
):
    issue = stub.issue
    monkeypatch.setattr(stub, "issue", lambda: {**issue(), "access": "access-2"})
    assert client.get(f"{stub.url}/loops/").status_code == 401
    assert (stub.rotations, len(stub.calls_to("/loops/"))) == (1, 3)


# --- a client of one's own --------------------------------------------------------------------


def test_credentials_in_a_netrc_file_are_not_sent_along(new_session, stub, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login anna password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    session = new_session()
    session.login("anna", "correct horse")
    session.refresh()
    assert all("Authorization" not in call["headers"] for call in stub.calls)
    requests.get(f"{stub.url}/api/", auth=RequestsAuth(session), timeout=10).raise_for_status()


def test_a_session_of_ones_own_can_carry_the_refresh(stub):
    with requests.Session() as own:
        own.headers["X-Proxy"] = "ours"
        own.auth = ("anna", "x")
        session = Session(stub.base_url, transport=RequestsTransport(own))
        session.login("anna", "correct horse")
        session.refresh()
        session.logout(everywhere=True)
    assert {call["headers"]["X-Proxy"] for call in stub.calls} == {"ours"}
    sent = [call["headers"].get("Authorization") for call in stub.calls]
    assert sent == [None, None, "Bearer access-3"]


def test_a_redirect_of_the_refresh_is_not_followed(session, stub, elsewhere):
    stub.faults.append((307, b"", {"Location": f"{elsewhere.url}/auth/refresh/"}))
    with pytest.raises(RefreshUnavailable):
        session.refresh()
    assert elsewhere.calls == []


def test_a_server_that_cannot_be_reached_is_unavailable(stub):
    session = Session("http://127.0.0.1:9/auth/", transport=RequestsTransport())
    with pytest.raises(RefreshUnavailable, match="ConnectionError"):
        session.login("anna", "correct horse")


def test_a_response_can_be_pickled_without_the_session(session, stub):
    response = requests.get(f"{stub.url}/api/", auth=RequestsAuth(session))
    again = pickle.loads(pickle.dumps(response))
    assert again.content == b"hello"
    (hook,) = again.request.hooks["response"]
    assert hook(again) is again
