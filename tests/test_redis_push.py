"""Ends that travel through Redis: at once where it works, by polling where it does not."""

import logging
import os
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache

from tests import races
from tests.crew import Crew
from tests.test_feed import _stopped_afterwards, eventually, patiently, vouched
from token_lifecycle import lifecycle, push
from token_lifecycle.contrib import redis_push
from token_lifecycle.contrib.redis_push import RedisPush, decode, encode
from token_lifecycle.models import new_session_id
from token_lifecycle.revocation import Notice
from token_lifecycle.testing import UserFactory

assert _stopped_afterwards  # a fixture for every test here, too

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
REDIS = os.environ.get("CACHE_URL")
needs_redis = pytest.mark.skipif(not REDIS, reason="CACHE_URL names no Redis")
database = pytest.mark.django_db(transaction=True)


@pytest.fixture
def channel():
    return f"test-{new_session_id()}"


@pytest.fixture
def nobody():
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def silent():
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}"


def pushing(options, location, channel, *, interval):
    options(
        REVOCATION_CHECK="memory",
        REVOCATION_POLL_INTERVAL=timedelta(seconds=interval),
        REVOCATION_PUSH={
            "BACKEND": "token_lifecycle.contrib.redis_push.RedisPush",
            "LOCATION": location,
            "CHANNEL": channel,
        },
    )


NOTICES = [
    Notice(at=NOON, session_id=new_session_id()),
    Notice(at=NOON, user_id="7"),
    Notice(at=NOON),
]


def test_a_message_says_what_was_put_into_it():
    assert decode(encode(NOTICES).encode()) == NOTICES


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"{}",
        b"[1]",
        b"[[]]",
        b"\xff",
        b"[" * 100_000,
        b'[["noon", null, "7"]]',
        b'[["2030-01-01T12:00:00", null, "7"]]',
        b'[["2030-01-01T12:00:00+00:00", "no uuid", "7"]]',
        b'[["2030-01-01T12:00:00+00:00", 5, "7"]]',
        b'[[5, null, "7"]]',
    ],
    ids=lambda message: ascii(message[:30]),
)
def test_a_message_that_is_none_of_ours_changes_nothing(message):
    assert list(decode(message)) == []


@needs_redis
def test_what_one_sends_the_other_receives(channel):
    sender, receiver = RedisPush(REDIS, channel), RedisPush(REDIS, channel)
    assert list(receiver.receive(0.1)) == []  # subscribes
    sender.send(NOTICES)
    eventually(NOTICES, lambda: list(receiver.receive(1)))
    receiver.close()


@needs_redis
def test_a_project_hears_nothing_of_another_channel(channel):
    receiver = RedisPush(REDIS, channel)
    receiver.receive(0.1)
    RedisPush(REDIS, f"{channel}-other").send(NOTICES)
    assert list(receiver.receive(0.2)) == []
    receiver.close()


@needs_redis
@database
def test_an_end_in_another_process_is_known_long_before_the_next_poll(options, channel):
    pushing(options, REDIS, channel, interval=3600)
    issued = lifecycle.start_session(UserFactory())
    assert vouched(issued) is True
    subscribed = cache._cache.get_client()
    eventually(1, lambda: dict(subscribed.pubsub_numsub(channel)).get(channel.encode()))
    with Crew(threads=0, processes=1) as crew:
        assert crew.run((races.end_by_staff, issued.session.user_id)) == [1]
    eventually("ended", lambda: vouched(issued))


@database
@pytest.mark.parametrize("location", ["nobody", "silent"])
def test_without_redis_polling_does_it_and_a_logout_waits_for_no_one(
    options, channel, location, request, caplog
):
    pushing(options, request.getfixturevalue(location), channel, interval=0.2)
    issued = lifecycle.start_session(UserFactory())
    eventually(True, lambda: patiently(issued))
    started = time.monotonic()
    with Crew(threads=0, processes=1) as crew:
        assert crew.run((races.end_by_staff, issued.session.user_id)) == [1]
    assert time.monotonic() - started < 20  # the process itself needs most of it
    eventually("ended", lambda: patiently(issued))
    assert caplog.messages.count("revocations are not received: ConnectionError") <= 1


@pytest.mark.parametrize("location", ["nobody", "silent"])
def test_a_redis_that_does_not_answer_is_left_alone_for_a_while(location, request, caplog):
    push = RedisPush(request.getfixturevalue(location))
    push.send(NOTICES)
    started = time.monotonic()
    for _ in range(100):
        push.send(NOTICES)
    assert time.monotonic() - started < redis_push.PATIENCE
    assert len(caplog.messages) == 1
    assert caplog.records[0].levelno == logging.WARNING


def test_the_log_names_the_trouble_and_no_address(nobody, caplog):
    location = nobody.replace("redis://", "redis://:hunter2@")
    RedisPush(location).send(NOTICES)
    RedisPush(location).receive(0.01)
    assert len(caplog.messages) == 2
    assert "hunter2" not in caplog.text
    assert "127.0.0.1" not in caplog.text


def test_a_push_is_made_once_for_a_process(options, channel, nobody):
    pushing(options, nobody, channel, interval=1)
    made = {push.configured_push() for _ in range(3)}
    assert len(made) == 1
    found = []
    thread = threading.Thread(target=lambda: found.append(push.configured_push()))
    thread.start()
    thread.join()
    assert made == set(found)
