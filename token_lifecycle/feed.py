"""How the list in memory learns what was ended: by this process, by others, at once or soon.

Every end writes a notice in its own transaction. One thread of each process that checks by the
list reads the notices twice in every ``REVOCATION_POLL_INTERVAL``; a list that was not read within
one interval vouches for nobody. So an ended session is refused everywhere one interval after the
end was committed, and what goes wrong (a database that pauses, a thread that starves) costs a
query or a 503, never a wrong yes.

The thread starts with the first question, again in every forked process, and stops when nobody has
asked for a while.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connections, router, transaction
from django.db.models import Q
from django.utils import timezone

from .conf import app_settings
from .exceptions import Unavailable
from .models import RevocationNotice, Session
from .push import Push, configured_push
from .revocation import EVERYBODY, MAX_SESSIONS, Notice, RevocationList, Standing

logger = logging.getLogger("token_lifecycle")

CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)

#: Seconds that are read again each time: a notice is numbered when it is written and seen when its
#: transaction commits. A transaction that takes longer than half of it repeats its notices.
OVERLAP = 10.0
#: Seconds after which everything is read again, whatever was read meanwhile. For what nobody could
#: repeat, because the process or the database died with the commit.
WHOLE = 60.0
#: Seconds without a question after which the thread stops.
IDLE = 60.0
#: Seconds that the thread listens at a time, deaf to being stopped.
LISTEN = 1.0
#: Seconds after which a thread that waits for the database is given up, and another one tries. A
#: connection to a server that vanished may wait for an hour.
HUNG = 30.0
#: How much later than its date a notice may come to be known: the clocks of servers, transactions
#: that take minutes.
LATE = timedelta(minutes=5)
#: Of a user's sessions so many at once are named one by one, and of everybody's.
NAMED_OF_A_USER = 20
NAMED = 1000


def _clock() -> float:
    """Seconds that also pass while the machine is suspended, where the system can tell."""
    return time.clock_gettime(CLOCK) if CLOCK is not None else time.monotonic()


def publish(*, count: int, user: Any, user_id: str | None, at: datetime, reason: str) -> None:
    """Write the notices of what was ended ``at`` one moment, in the transaction that ended it.

    ``user`` is the key of the one whose they were, and ``user_id`` what tokens call them.

    Whatever ``REVOCATION_CHECK`` says: another process may be set otherwise, or this one tomorrow,
    and a view may have an authenticator that asks the list.
    """
    if count <= (NAMED if user_id is None else NAMED_OF_A_USER):
        RevocationNotice.objects.name_each(Session, at=at, reason=reason, user=user)
    else:
        RevocationNotice.objects.using(_database()).create(at=at, user_id=user_id or EVERYBODY)
    transaction.on_commit(partial(_committed, at), using=_database(), robust=True)


def publish_everybody(*, at: datetime) -> None:
    """Write the notice that everybody was signed out, in the transaction that did it."""
    RevocationNotice.objects.using(_database()).create(at=at, user_id=EVERYBODY)
    transaction.on_commit(partial(_committed, at), using=_database(), robust=True)


def _committed(at: datetime) -> None:
    """Tell this process, and those that listen; repeat what others may have stopped looking for."""
    now, push = timezone.now(), configured_push()
    late = _is_late(now, at)
    if not late and push is None and not feed.in_use:
        return
    table = RevocationNotice.objects.using(_database())
    written = table.filter(at=at).values_list("at", "session_id", "user_id")
    notices = [Notice(at=at, session_id=sid, user_id=user) for at, sid, user in written]
    if late:
        table.bulk_create(
            RevocationNotice(at=now, session_id=notice.session_id, user_id=notice.user_id)
            for notice in notices
        )
    if feed.in_use:
        feed.learn(notices)
    if push is not None:
        push.send(notices)


def _is_late(now: datetime, at: datetime) -> bool:
    """Whether a commit came so long after its ``at`` that others may have read on."""
    return (now - at).total_seconds() > OVERLAP / 2


class Feed:
    """The list of this process, and the thread that keeps it up to date."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything; a forked child has none of its parent's threads."""
        self._list = RevocationList()
        self._starting = threading.Lock()
        self._tried = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._read_at: float | None = None
        self._read_whole_at: float | None = None
        #: By when a number had been given out, at the latest; oldest first.
        self._marks: deque[tuple[float, int]] = deque()
        self._asked_at = 0.0
        self._reading_since = 0.0

    @property
    def in_use(self) -> bool:
        """Whether this process checks by the list."""
        return self._thread is not None

    def standing(self, *, session_id: UUID, user_id: str, signed_in_at: datetime) -> Standing:
        """What is known about a session now.

        :raises Unavailable: the list is too old to say, and the settings want no query instead.
        """
        if _in_a_test():
            return Standing.UNKNOWN
        interval = app_settings.revocation_poll_interval.total_seconds()
        self._asked_at = _clock()
        if self._thread is None:
            self._start()
        if self._is_stale(interval):
            if _clock() - self._reading_since > HUNG + interval:
                self._start(instead_of=self._thread)
            self._tried.wait(interval)  # for a thread that has just begun
            if self._is_stale(interval):
                if app_settings.revocation_when_stale == "refuse":
                    raise Unavailable
                return Standing.UNKNOWN
        return self._list.standing(
            session_id=session_id, user_id=user_id, signed_in_at=signed_in_at
        )

    def learn(self, notices: Iterable[Notice]) -> None:
        """Take over what is known without reading."""
        self._list.learn(notices, until=_clock() + longest_life().total_seconds())

    def stop(self) -> None:
        """Stop reading and close the thread's connections; the next question starts again."""
        thread = self._thread
        self._stop.set()
        if thread is not None:
            thread.join()
        self.reset()

    def _is_stale(self, interval: float) -> bool:
        return self._read_at is None or _clock() - self._read_at > interval

    def _start(self, instead_of: threading.Thread | None = None) -> None:
        with self._starting:
            if self._thread is instead_of:
                self._tried.clear()
                self._reading_since = _clock()
                self._thread = threading.Thread(
                    target=self._run, name="token_lifecycle feed", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        failing, push = False, configured_push()
        try:
            while self._is_wanted():
                self._reading_since = started = _clock()
                try:
                    self._read(started)
                except Exception:
                    # Whatever it was: the thread goes on, and the list grows old meanwhile.
                    if not failing:
                        logger.exception("the revocation feed cannot be read")
                    failing = True
                    # The next database may be another one, whose numbers are behind.
                    self._read_whole_at = None
                    with suppress(DatabaseError):  # of a connection that has gone already
                        connections[_database()].close()
                else:
                    if failing:
                        logger.warning("the revocation feed is read again")
                    failing = False
                self._tried.set()
                self._wait(push, started)
        finally:
            if self._is_mine():
                self._thread = None
                if push is not None:
                    push.close()
            connections.close_all()

    def _is_mine(self) -> bool:
        """Whether this thread is the one that reads, and not one that was given up."""
        return self._thread is threading.current_thread()

    def _is_wanted(self) -> bool:
        asked = _clock() - self._asked_at < IDLE
        return asked and self._is_mine() and not self._stop.is_set()

    def _wait(self, push: Push | None, started: float) -> None:
        """Until half an interval after ``started``, with an ear on the push."""
        half = app_settings.revocation_poll_interval.total_seconds() / 2
        while (left := started + half - _clock()) > 0 and not self._stop.is_set():
            if push is None:
                self._stop.wait(left)
            elif notices := push.receive(min(left, LISTEN)):
                self.learn(notices)

    def _read(self, started: float) -> None:
        """Read what is new, and a little of what is not."""
        whole = self._has_gap(started)
        table = RevocationNotice.objects.using(_database())
        rows = table.filter(self._unread(started, whole)).order_by("-pk")
        # Newest first: what is cut off at the end is what is known best.
        read = list(rows.values_list("pk", "at", "session_id", "user_id")[: MAX_SESSIONS + 1])
        self.learn(Notice(at=at, session_id=sid, user_id=user) for _, at, sid, user in read)
        if not self._is_mine():
            return
        if whole:
            self._marks.clear()
            self._list.forget(now=started)
            self._read_whole_at = started
        if read:
            # The time after the reading: when in between the rows were looked at nobody knows.
            self._marks.append((_clock(), read[0][0]))
        self._read_at = started

    def _has_gap(self, started: float) -> bool:
        """Whether more may have been missed than reading a little again would find."""
        if self._read_at is None or self._read_whole_at is None:
            return True
        return started - self._read_at > OVERLAP or started - self._read_whole_at > WHOLE

    def _unread(self, started: float, whole: bool) -> Q:
        if whole:
            return Q(at__gte=timezone.now() - longest_life())
        # What was not seen then had not been committed then, and was not numbered long before.
        seen_at = self._read_at or started
        while len(self._marks) > 1 and seen_at - self._marks[1][0] > OVERLAP:
            self._marks.popleft()
        if self._marks and seen_at - self._marks[0][0] > OVERLAP:
            return Q(pk__gt=self._marks[0][1])
        return Q(at__gte=timezone.now() - LATE)


def longest_life() -> timedelta:
    """How long after its notice a session's last access token can be alive at most."""
    return app_settings.access_token_reach + LATE


def _database() -> str:
    return router.db_for_write(RevocationNotice)


def _in_a_test() -> bool:
    """Whether nothing is ever committed here, so that the thread could see nothing of it."""
    blocks = transaction.get_connection(_database()).atomic_blocks
    return bool(blocks) and blocks[0]._from_testcase


feed = Feed()

if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=feed.reset)
