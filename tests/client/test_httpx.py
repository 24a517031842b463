from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from token_lifecycle.client import RefreshUnavailable, Session, SessionExpired
from token_lifecycle.client.httpx import HttpxAuth, HttpxTransport

from .conftest import run_async


@pytest.fixture
def client(session):
    with httpx.Client(auth=HttpxAuth(session), timeout=10) as client:
        yield client


# --- the token goes along ---------------------------------------------------------------------


def test_requests_carry_the_access_token(send, stub):
    assert send("GET", f"{stub.url}/api/").text == "hello"


def test_an_expired_token_is_refreshed_and_the_request_sent_again(send, stub):
    stub.expire()
    response = send("GET", f"{stub.url}/api/")
    assert response.status_code == 200
    assert (stub.rotations, len(stub.calls_to("/api/"))) == (1, 2)


def test_a_token_about_to_expire_is_refreshed_first_and_the_request_sent_once(send, stub, clock):
    clock.advance(290)
    assert send("GET", f"{stub.url}/api/").status_code == 200
    assert (stub.rotations, len(stub.calls_to("/api/"))) == (1, 1)


def test_fifty_threads_with_one_expired_token_all_succeed_with_one_refresh(client, stub):
    stub.expire()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.get(f"{stub.url}/api/").status_code, range(50)))
    assert answers == [200] * 50
    assert stub.rotations == 1


def test_fifty_tasks_with_one_expired_token_all_succeed_with_one_refresh(session, stub):
    stub.expire()

    async def work(client):
        return await asyncio.gather(*(client.get(f"{stub.url}/api/") for _ in range(50)))

    assert [answer.status_code for answer in run_async(session, work)] == [200] * 50
    assert stub.rotations == 1


def test_cancelling_the_task_that_refreshes_costs_the_others_nothing(session, stub):
    stub.expire()
    stub.hold_refreshes()

    async def work(client):
        first = asyncio.create_task(client.get(f"{stub.url}/api/"))
        await asyncio.to_thread(stub.wait_for_refresh)
        other = asyncio.create_task(client.get(f"{stub.url}/api/"))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        stub.gate.set()
        return await other

    assert run_async(session, work).status_code == 200
    assert (stub.rotations, stub.revoked) == (1, "")


def test_no_lock_is_held_while_the_request_itself_is_under_way(session, stub):
    """The handler of the protected request refreshes in between: it would wait for ever."""

    def handle(request):
        session.refresh()
        return httpx.Response(200)

    with httpx.Client(auth=HttpxAuth(session), transport=httpx.MockTransport(handle)) as client:
        assert client.get(f"{stub.url}/api/").status_code == 200


# --- 401 for other reasons --------------------------------------------------------------------


def test_a_server_that_always_answers_401_is_asked_twice_and_believed(send, stub):
    assert send("GET", f"{stub.url}/refuses/").status_code == 401
    assert (stub.rotations, len(stub.calls_to("/refuses/"))) == (1, 2)


@pytest.mark.parametrize("code", ["token_expired", "token_invalid", "token_not_valid"])
def test_a_401_about_the_token_is_answered_with_a_refresh(send, stub, code):
    assert send("GET", f"{stub.url}/refuses/?code={code}").status_code == 401
    assert stub.rotations == 1


@pytest.mark.parametrize("code", ["invalid_credentials", "otp_required"])
def test_a_401_about_something_else_is_the_callers(send, stub, code):
    response = send("POST", f"{stub.url}/refuses/?code={code}")
    assert response.json() == {"code": code}
    assert (stub.rotations, len(stub.calls_to("/refuses/"))) == (0, 1)


def test_a_session_that_ended_is_raised_out_of_the_request(send, stub, session):
    stub.revoked = "session_revoked"
    with pytest.raises(SessionExpired) as caught:
        send("GET", f"{stub.url}/api/")
    assert caught.value.code == "session_revoked"
    assert session.tokens is None


def test_without_signing_in_nothing_is_sent(send, stub, session):
    session.forget()
    with pytest.raises(SessionExpired):
        send("GET", f"{stub.url}/api/")
    assert stub.calls_to("/api/") == []


def test_a_refresh_that_is_unavailable_is_raised_and_the_tokens_are_kept(send, stub, session):
    stub.expire()
    stub.faults.append((503, b"", {"Retry_After": "9"}))
    with pytest.raises(RefreshUnavailable) as caught:
        send("GET", f"{stub.url}/api/")
    assert caught.value.retry_after == 9
    assert session.tokens.refresh == "refresh-2"


# --- origins ----------------------------------------------------------------------------------


def test_another_server_never_gets_the_token(send, elsewhere, session):
    assert send("GET", f"{elsewhere.url}/open/").text == "anyone"
    assert send("GET", f"{elsewhere.url}/refuses/").status_code == 401
    assert all("Authorization" not in call["headers"] for call in elsewhere.calls)


def test_another_server_named_as_an_origin_does(stub, elsewhere):
    session = Session(stub.base_url, origins=[stub.url, f"{elsewhere.url}/anything/"])
    session.login("anna", "correct horse")
    httpx.get(f"{elsewhere.url}/open/", auth=HttpxAuth(session))
    assert elsewhere.calls[0]["headers"]["Authorization"] == "Bearer access-2"


@pytest.mark.parametrize("origins", [["https://api.example.com"], []])
def test_the_auth_server_itself_gets_no_token_unless_it_is_an_origin(stub, origins):
    session = Session(stub.base_url, origins=origins)
    session.login("anna", "correct horse")
    httpx.get(f"{stub.url}/open/", auth=HttpxAuth(session))
    assert "Authorization" not in stub.calls_to("/open/")[0]["headers"]


def test_a_redirect_elsewhere_loses_the_token_and_a_401_there_is_not_ours(send, stub, elsewhere):
    to = f"{elsewhere.url}/refuses/"
    response = send("GET", f"{stub.url}/moved/", params={"to": to}, follow_redirects=True)
    assert response.status_code == 401
    assert "Authorization" not in elsewhere.calls[0]["headers"]
    assert (stub.rotations, len(elsewhere.calls)) == (0, 1)


def test_a_redirect_on_the_same_server_keeps_it_and_is_replayed(send, stub):
    stub.expire()
    response = send("GET", f"{stub.url}/moved/", params={"to": "/api/"}, follow_redirects=True)
    assert (response.status_code, stub.rotations) == (200, 1)


# --- a client of one's own --------------------------------------------------------------------


def test_refreshing_leaves_no_trace_in_the_users_client(session, stub):
    stub.expire()
    seen = []
    hooks = {
        "request": [lambda request: seen.append(str(request.url))],
        "response": [lambda response: seen.append(str(response.url))],
    }
    with httpx.Client(auth=HttpxAuth(session), event_hooks=hooks) as client:
        response = client.get(f"{stub.url}/api/")
    assert set(seen) == {f"{stub.url}/api/"}
    assert [str(past.url) for past in response.history] == [f"{stub.url}/api/"]


def test_a_client_of_ones_own_can_carry_the_refresh_and_is_not_closed(stub):
    headers = {"X-Proxy": "ours"}
    with httpx.Client(headers=headers, auth=("anna", "x"), follow_redirects=True) as own:
        session = Session(stub.base_url, transport=HttpxTransport(own))
        session.login("anna", "correct horse")
        session.refresh()
        session.logout(everywhere=True)
        assert not own.is_closed
    assert {call["headers"]["X-Proxy"] for call in stub.calls} == {"ours"}
    sent = [call["headers"].get("Authorization") for call in stub.calls]
    assert sent == [None, None, "Bearer access-3"]


def test_a_redirect_of_the_refresh_is_not_followed(session, stub, elsewhere):
    stub.faults.append((307, b"", {"Location": f"{elsewhere.url}/auth/refresh/"}))
    with pytest.raises(RefreshUnavailable):
        session.refresh()
    assert elsewhere.calls == []


def test_a_server_that_cannot_be_reached_is_unavailable(stub):
    session = Session("http://127.0.0.1:9/auth/", transport=HttpxTransport())
    with pytest.raises(RefreshUnavailable, match="ConnectError"):
        session.login("anna", "correct horse")


def test_what_was_carried_out_and_then_redirected_is_not_sent_again(send, stub):
    stub.expire()
    response = send("POST", f"{stub.url}/orders/", json={}, follow_redirects=True)
    assert response.status_code == 200
    assert len(stub.calls_to("/orders/")) == 1
    assert [call["method"] for call in stub.calls_to("/api/")] == ["GET", "GET"]


def test_a_request_with_another_way_in_keeps_it(send, stub):
    assert (
        send("GET", f"{stub.url}/api/", headers={"Authorization": "Token own"}).status_code == 401
    )
    (call,) = stub.calls_to("/api/")
    assert call["headers"]["Authorization"] == "Token own"
    assert stub.rotations == 0
