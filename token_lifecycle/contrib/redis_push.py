"""Revocations passed on through Redis, so that other processes hear of them within milliseconds.

Needs the extra ``redis``::

    TOKEN_LIFECYCLE = {
        "REVOCATION_CHECK": "memory",
        "REVOCATION_PUSH": {
            "BACKEND": "token_lifecycle.contrib.redis_push.RedisPush",
            "LOCATION": "redis://127.0.0.1:6379",
        },
    }

A message lost (Redis restarts, a connection breaks) is a notice read from the database up to one
``REVOCATION_POLL_INTERVAL`` later. Whoever can publish on the channel can have access tokens
refused, and never accepted.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import redis

from token_lifecycle.revocation import Notice

logger = logging.getLogger("token_lifecycle")

#: Seconds that a logout waits for Redis, and a reader for a connection.
PATIENCE = 0.25
#: Seconds for which Redis is left alone after it did not answer.
COOLDOWN = 2.0


class RedisPush:
    """Publishes and subscribes. Its ``channel`` keeps projects that share a server apart."""

    def __init__(self, location: str, channel: str = "token_lifecycle") -> None:
        self._channel = channel
        self._redis = redis.Redis.from_url(
            location, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE
        )
        self._subscription: Any = None
        self._lost = False
        self._not_before = 0.0

    def send(self, notices: Sequence[Notice]) -> None:
        """Publish; where Redis does not answer, the log says so and polling does it."""
        if time.monotonic() < self._not_before:
            return
        try:
            self._redis.publish(self._channel, encode(notices))
        except redis.RedisError as error:
            self._not_before = time.monotonic() + COOLDOWN
            logger.warning("a revocation could not be pushed: %s", type(error).__name__)

    def receive(self, timeout: float) -> Sequence[Notice]:
        """Wait for one message."""
        until = time.monotonic() + timeout
        try:
            if self._subscription is None:
                self._subscribe()
            message = self._subscription.get_message(timeout=timeout)
        except redis.RedisError as error:
            if not self._lost:  # once, and not twice a second
                logger.warning("revocations are not received: %s", type(error).__name__)
            self._lost = True
            self.close()
            time.sleep(max(until - time.monotonic(), 0))
            return ()
        self._lost = False
        return decode(message["data"]) if message else ()

    def close(self) -> None:
        """Unsubscribe; the next ``receive`` subscribes again."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _subscribe(self) -> None:
        subscription: Any = self._redis.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        )
        subscription.subscribe(self._channel)
        self._subscription = subscription


def encode(notices: Sequence[Notice]) -> str:
    """One message of any number of notices."""
    return json.dumps(
        [
            [n.at.isoformat(), None if n.session_id is None else str(n.session_id), n.user_id]
            for n in notices
        ]
    )


def decode(message: bytes) -> Sequence[Notice]:
    """The notices of a message; none where it is not one of ours."""
    try:
        notices = [
            Notice(
                at=datetime.fromisoformat(at),
                session_id=None if session_id is None else UUID(session_id),
                user_id=str(user_id),
            )
            for at, session_id, user_id in json.loads(message)
        ]
        if any(notice.at.tzinfo is None for notice in notices):
            raise ValueError("a time without a zone")
    except (ValueError, TypeError, AttributeError, RecursionError):
        logger.warning("a message on the channel of revocations was not understood")
        return ()
    return notices
