from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from token_lifecycle.client import Session
from token_lifecycle.client.flights import THREAD_NAME
from token_lifecycle.client.httpx import HttpxAuth

from .stub import Stub

THREADS = 50


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now=1_800_000_000.0):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


def wait_for_flights():
    """Until every refresh begun by this process has ended."""
    for thread in threading.enumerate():
        if thread.name == THREAD_NAME:
            thread.join(10)


def in_threads(work, count=THREADS):
    """What ``work`` returned, or the error it raised, in each of ``count`` threads at once."""
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait(10)
        try:
            return work()
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stub():
    with Stub().serving() as stub:
        yield stub
    wait_for_flights()


@pytest.fixture
def elsewhere():
    """Another server, on another port: another origin."""
    with Stub().serving() as stub:
        yield stub


@pytest.fixture
def new_session(stub, clock):
    """Make sessions at the stub; ``on_tokens`` and the like as keywords."""

    def make(**options):
        # Patient: a busy machine must not look like a lost answer.
        return Session(stub.base_url, clock=clock, timeout=30, **options)

    return make


@pytest.fixture
def session(new_session):
    """Signed in, with a living access token."""
    session = new_session()
    session.login("anna", "correct horse")
    return session


@pytest.fixture
def log(caplog):
    """Everything logged during a test, by anybody, at any level."""
    caplog.set_level(logging.DEBUG)
    return caplog


def run_async(session, work):
    """What ``work`` returns for an async client of ``session``."""

    async def main():
        async with httpx.AsyncClient(auth=HttpxAuth(session), timeout=10) as client:
            return await work(client)

    return asyncio.run(main())


@pytest.fixture(params=["sync", "async"])
def send(request, session):
    """Send one request, by either kind of client."""

    def send_sync(method, url, **options):
        with httpx.Client(auth=HttpxAuth(session), timeout=10) as client:
            return client.request(method, url, **options)

    def send_async(method, url, **options):
        return run_async(session, lambda client: client.request(method, url, **options))

    return send_sync if request.param == "sync" else send_async
