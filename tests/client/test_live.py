"""The client against the real server, in a process of its own, over real sockets.

Strict: a refresh token that is presented twice ends the session, so whatever survives here was
refreshed once.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import requests

from token_lifecycle.client import (
    FileStore,
    LoginRefused,
    RefreshUnavailable,
    Session,
    SessionExpired,
    TransportFailed,
)
from token_lifecycle.client.httpx import HttpxAuth, HttpxTransport
from token_lifecycle.client.requests import RequestsAuth, RequestsTransport

from .live_server import ROOT, LiveServer


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("strict"), grace=0).serving() as server:
        yield server


@pytest.fixture(scope="module")
def lenient(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("lenient"), grace=60).serving() as server:
        yield server


def sign_in(server, **options):
    """The only session of Anna's that is alive, with an access token that the server refuses."""
    # Patient: on a strict server an answer that is merely late must not be asked for twice.
    session = Session(server.base_url, timeout=30, **options)
    session.login("anna", "correct horse", device_name="laptop")
    session.logout(everywhere=True)
    session.login("anna", "correct horse", device_name="laptop")
    server.expire_access_tokens()
    return session


def whoami(server):
    return f"{server.url}/whoami/"


# --- one refresh ------------------------------------------------------------------------------


def test_fifty_threads_of_httpx_share_one_refresh(strict):
    session = sign_in(strict)
    with (
        httpx.Client(auth=HttpxAuth(session), timeout=30) as client,
        ThreadPoolExecutor(50) as pool,
    ):
        answers = list(pool.map(lambda _: client.get(whoami(strict)).status_code, range(50)))
    assert answers == [200] * 50
    assert strict.generations() == [2]


def test_fifty_tasks_share_one_refresh(strict):
    session = sign_in(strict)

    async def main():
        async with httpx.AsyncClient(auth=HttpxAuth(session), timeout=30) as client:
            return await asyncio.gather(*(client.get(whoami(strict)) for _ in range(50)))

    assert [answer.status_code for answer in asyncio.run(main())] == [200] * 50
    assert strict.generations() == [2]


def test_fifty_threads_of_requests_share_one_refresh(strict):
    session = sign_in(strict, transport=RequestsTransport())

    def get(number):
        return requests.get(whoami(strict), auth=RequestsAuth(session), timeout=30).status_code

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(get, range(50))) == [200] * 50
    assert strict.generations() == [2]


def test_four_processes_of_ten_threads_share_one_refresh(strict, tmp_path):
    store = FileStore(tmp_path / "tokens")
    sign_in(strict, store=store)
    command = [sys.executable, "-W", "error", "-m", "tests.client.worker"]
    arguments = [strict.base_url, store.path, whoami(strict)]
    workers = [
        subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    answers = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert answers == [["200"] * 10] * 4
    assert strict.generations() == [2]


def test_a_cancelled_task_costs_the_others_nothing(strict):
    session = sign_in(strict)

    async def main():
        async with httpx.AsyncClient(auth=HttpxAuth(session), timeout=30) as client:
            tasks = [asyncio.create_task(client.get(whoami(strict))) for _ in range(10)]
            refreshing = asyncio.create_task(session.arefresh(session.tokens))
            await asyncio.sleep(0)
            refreshing.cancel()
            tasks[0].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    cancelled, *answers = asyncio.run(main())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert [answer.status_code for answer in answers] == [200] * 9
    assert strict.generations() == [2]


def test_a_hundred_refreshes_in_a_row_are_a_hundred_generations(strict):
    session = sign_in(strict)
    for _ in range(100):
        session.refresh()
    assert strict.generations() == [101]


# --- the end ----------------------------------------------------------------------------------


def test_a_session_ended_elsewhere_is_over_and_says_why(strict):
    session = sign_in(strict)
    other = Session(strict.base_url)
    other.login("anna", "correct horse")
    other.logout(everywhere=True)
    with pytest.raises(SessionExpired) as caught:
        httpx.get(whoami(strict), auth=HttpxAuth(session))
    assert caught.value.code == "session_revoked"
    assert session.tokens is None


def test_a_stolen_token_ends_the_session_for_thief_and_owner(strict):
    session = sign_in(strict)
    stolen = session.tokens
    session.refresh()
    thief = Session(strict.base_url)
    thief.adopt(stolen)
    with pytest.raises(SessionExpired) as caught:
        thief.refresh()
    assert caught.value.code == "token_reused"
    with pytest.raises(SessionExpired):
        session.refresh()


def test_wrong_credentials_are_refused(strict):
    with pytest.raises(LoginRefused) as caught:
        Session(strict.base_url).login("anna", "wrong")
    assert caught.value.code == "invalid_credentials"


def test_after_logout_the_server_takes_none_of_the_tokens(strict):
    session = sign_in(strict)
    tokens = session.refresh()
    session.logout()
    headers = {"Authorization": f"Bearer {tokens.access}"}
    assert httpx.get(whoami(strict), headers=headers).status_code == 401
    session.adopt(tokens)
    with pytest.raises(SessionExpired):
        session.refresh()


# --- mishaps ----------------------------------------------------------------------------------


class Losing:
    """Carries out every exchange and loses the answers of the first ones."""

    def __init__(self, count):
        self.transport, self.count = HttpxTransport(), count

    def post(self, url, body, headers, timeout):
        reply = self.transport.post(url, body, headers, timeout)
        if url.endswith("refresh/") and self.count:
            self.count -= 1
            raise TransportFailed("the connection was reset")
        return reply


def test_a_lost_answer_is_recovered(lenient):
    session = sign_in(lenient, transport=Losing(1))
    answer = httpx.get(whoami(lenient), auth=HttpxAuth(session))
    assert answer.status_code == 200
    assert lenient.generations() == [2]


def test_two_lost_answers_are_recovered_by_the_next_try(lenient, clock):
    session = sign_in(lenient, transport=Losing(2), clock=clock)
    with pytest.raises(RefreshUnavailable):
        session.refresh()
    clock.advance(1)
    assert httpx.get(whoami(lenient), auth=HttpxAuth(session)).status_code == 200
    assert lenient.generations() == [2]


def test_a_server_restart_in_the_middle_of_a_refresh_loses_nothing(tmp_path, clock):
    """It dies after it has consumed the token and before it has answered."""
    with LiveServer(tmp_path, grace=60).serving() as server:

        class DiesOnce(Losing):
            def post(self, url, body, headers, timeout):
                try:
                    return super().post(url, body, headers, timeout)
                except TransportFailed:
                    if server.process.poll() is None:
                        server.stop()
                    raise

        session = sign_in(server, transport=DiesOnce(1), clock=clock)
        with pytest.raises(RefreshUnavailable, match="refused"):
            session.refresh()
        assert session.tokens is not None
        server.start()
        server.expire_access_tokens()
        clock.advance(1)
        with httpx.Client(auth=HttpxAuth(session), timeout=30) as client:
            assert client.get(whoami(server)).status_code == 200
        assert server.generations() == [2]
