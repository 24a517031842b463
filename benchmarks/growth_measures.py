"""What the growth benchmark measures: verbs timed in turns, statements counted, rows and bytes."""

from __future__ import annotations

import multiprocessing
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db import connections
from django.utils import timezone

from token_lifecycle import lifecycle, tokens
from token_lifecycle.device import Device
from token_lifecycle.models import Session, SessionEvent
from token_lifecycle.session_views import SessionPagination
from token_lifecycle.tokens import AccessClaims, RefreshClaims

from .growth_data import USER_AGENTS, Sessions, load, load_users, on

#: Forked, so that a worker has Django and the chosen database at once.
FORK = multiprocessing.get_context("fork")
SESSION_TABLE, EVENT_TABLE = Session._meta.db_table, SessionEvent._meta.db_table
#: What is compiled and connected with the first requests is not what is measured.
WARM_UP = 20


@dataclass(frozen=True, kw_only=True)
class Times:
    """A distribution of durations, in milliseconds."""

    count: int
    median_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, seconds: list[float]) -> Times:
        """:raises ValueError: fewer than two durations."""
        if len(seconds) < 2:
            raise ValueError("A distribution takes two durations or more.")
        return cls(
            count=len(seconds),
            median_ms=statistics.median(seconds) * 1000,
            p99_ms=statistics.quantiles(seconds, n=100, method="inclusive")[-1] * 1000,
            max_ms=max(seconds) * 1000,
        )


def timed(work: Callable[[], Any]) -> float:
    """How long it took, in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# One session at a time


class Clients:
    """Those who hold the tokens of the first ``size`` of the loaded sessions of a database."""

    def __init__(self, alias: str, sessions: Sessions, size: int) -> None:
        self.alias = alias
        self.sessions = sessions
        self.size = size
        self.generations: dict[int, int] = {}

    def random_live(self) -> int:
        """The number of a session that is live, each as likely as any other."""
        while True:
            n = random.randrange(self.size)
            if self.sessions.is_live(n):
                return n

    def refresh(self, n: int) -> Callable[[], Any]:
        """The next refresh of session n, from a new address, by a client that is known.

        The token is made here, so that only the refresh itself is timed.
        """
        generation = self.generations.get(n, self.sessions.generation(n))
        self.generations[n] = generation + 1
        now = timezone.now()
        token = tokens.mint_refresh(
            session_id=self.sessions.session_id(n),
            user_id=str(self.sessions.user_id(n)),
            generation=generation,
            secret=self.sessions.secret(n),
            issued_at=now,
            expires_at=now + timedelta(days=14),
        )
        address = f"10.9.{n % 250}.{generation % 250}"
        device = Device(ip_address=address, user_agent=USER_AGENTS[n % len(USER_AGENTS)])
        return partial(lifecycle.rotate, token, device=device)

    def check(self, n: int) -> Callable[[], Any]:
        """An access check of session n, as each request makes it."""
        now = timezone.now()
        claims = AccessClaims(
            session_id=self.sessions.session_id(n),
            user_id=str(self.sessions.user_id(n)),
            expires_at=now + timedelta(minutes=15),
            auth_time=now,
            claims={},
        )
        return partial(lifecycle.check_access, claims)

    def list(self, n: int) -> Callable[[], Any]:
        """What the view of one's own sessions asks for: a count and a page."""
        user_id = self.sessions.user_id(n)

        def work() -> Any:
            live = Session.objects.primary().of(user_id).live(timezone.now())
            pages = Paginator(live.order_by("-created_at", "-pk"), SessionPagination.page_size)
            return [session.pk for session in pages.page(1)]

        return work


def in_turns(databases: Sequence[Clients], *, rounds: int) -> dict[str, dict[str, Times]]:
    """Each verb on random sessions of each database by turns: {verb: {alias: times}}.

    By turns, so that whatever else the machine does hits all of them alike.
    """
    verbs = ("refresh", "check", "list")
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(WARM_UP + rounds):
        for clients in databases:
            with on(clients.alias):
                for verb in verbs:
                    # Another session for each: what one verb has read is warm for the next.
                    work = getattr(clients, verb)(clients.random_live())
                    seconds[verb, clients.alias].append(timed(work))
    return {
        verb: {each.alias: Times.of(seconds[verb, each.alias][WARM_UP:]) for each in databases}
        for verb in verbs
    }


# End all


def end_all(alias: str, user_id: int) -> dict[str, Any]:
    """End all sessions of a user: how many, in how many statements, in what time."""
    statements: list[str] = []

    def note(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, parameters, many, context)

    user = get_user_model().objects.using(alias).get(pk=user_id)
    with on(alias), connections[alias].execute_wrapper(note):
        started = time.perf_counter()
        ended = lifecycle.revoke_sessions_of(user)
        elapsed = time.perf_counter() - started
    return {"ended": ended, "statements": len(statements), "ms": elapsed * 1000}


# Rows and bytes


def counters(alias: str) -> dict[str, int]:
    """What PostgreSQL has counted about the sessions' table."""
    columns = ("n_tup_upd", "n_tup_hot_upd", "n_dead_tup", "n_live_tup", "autovacuum_count")
    with connections[alias].cursor() as cursor:
        # A backend reports when it has been idle for a second, or when told to.
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM pg_stat_user_tables WHERE relname = %s",
            [SESSION_TABLE],
        )
        return dict(zip(columns, cursor.fetchone(), strict=True))


def sizes(alias: str, table: str = SESSION_TABLE) -> dict[str, int]:
    """Bytes of the heap, of what lies outside of it, and of each index."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT 'heap', pg_relation_size(%(t)s::regclass) UNION ALL "
            "SELECT 'toast and maps', pg_table_size(%(t)s::regclass) "
            "- pg_relation_size(%(t)s::regclass) UNION ALL "
            "SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) "
            "FROM pg_index WHERE indrelid = %(t)s::regclass",
            {"t": table},
        )
        return dict(cursor.fetchall())


def rows(alias: str) -> int:
    """Sessions and events there are, counted."""
    return Session.objects.using(alias).count() + SessionEvent.objects.using(alias).count()


# Many refreshes


def refresh_often(clients: Clients, numbers: Sequence[int], times: int) -> dict[int, int]:
    """Refresh each session so often, in an order by chance; the generations they have then."""
    order = list(numbers) * times
    random.shuffle(order)
    with on(clients.alias):
        for n in order:
            clients.refresh(n)()
    # A backend reports what it has counted when it goes, at the latest.
    connections.close_all()
    return {n: clients.generations[n] for n in numbers}


def many_refreshes(
    clients: Clients, numbers: Sequence[int], *, times: int, workers: int = 4
) -> dict[str, Any]:
    """Refresh these sessions so often each, and what that did to the table."""
    alias = clients.alias
    rows_before, before, bytes_before = rows(alias), counters(alias), sizes(alias)
    started = time.perf_counter()
    connections.close_all()
    with FORK.Pool(workers) as pool:
        shares = [(clients, numbers[first::workers], times) for first in range(workers)]
        for generations in pool.starmap(refresh_often, shares):
            clients.generations |= generations
    elapsed = time.perf_counter() - started
    after = counters(alias)
    updates = after["n_tup_upd"] - before["n_tup_upd"]
    hot = after["n_tup_hot_upd"] - before["n_tup_hot_upd"]
    return {
        "sessions": len(numbers),
        "refreshes": len(numbers) * times,
        "seconds": elapsed,
        "rows_added": rows(alias) - rows_before,
        "updates": updates,
        "hot_updates": hot,
        "hot_share": hot / max(updates, 1),
        "dead_rows_before": before["n_dead_tup"],
        "dead_rows_after": after["n_dead_tup"],
        "autovacuums": after["autovacuum_count"] - before["autovacuum_count"],
        "bytes_before": bytes_before,
        "bytes_after": sizes(alias),
    }


# Filling a table


class SignedIn:
    """What ``Sessions`` is for those that were loaded, for those that really signed in."""

    def __init__(self, claims: Sequence[RefreshClaims]) -> None:
        self.claims = claims

    def session_id(self, n: int) -> UUID:
        return self.claims[n].session_id

    def secret(self, n: int) -> str:
        return self.claims[n].secret

    def user_id(self, n: int) -> int:
        return int(self.claims[n].user_id)

    def generation(self, n: int) -> int:
        return 1

    def is_live(self, n: int) -> bool:
        return True


def filled(alias: str, count: int, now: datetime, *, by_sign_ins: bool) -> Clients:
    """Fill an empty table: in one go, or by sign-ins between which others refresh."""
    loaded = Sessions(name="packed", count=count, now=now)
    if not by_sign_ins:
        load(alias, loaded)
        return Clients(alias, loaded, count)
    users = get_user_model().objects.using(alias)
    load_users(alias, 100)
    signed_in: list[RefreshClaims] = []
    clients = Clients(alias, cast("Any", SignedIn(signed_in)), 0)
    somebody = list(users.order_by("pk")[:100])
    with on(alias):
        for n in range(count):
            device = Device(ip_address=f"10.8.{n % 250}.1", user_agent=USER_AGENTS[n % 5])
            issued = lifecycle.start_session(somebody[n % 100], device=device)
            signed_in.append(tokens.parse_refresh(issued.refresh, now=timezone.now()))
            clients.size = n + 1
            clients.refresh(clients.random_live())()
    return clients


# Prune


@contextmanager
def prune_beside(alias: str) -> Iterator[tuple[Callable[[], bool], dict[str, Any]]]:
    """Prune in another process meanwhile: whether it still does, and, afterwards, its figures."""
    connections.close_all()
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_prune, args=(alias, sender))
    process.start()
    sender.close()  # so that the receiver hears if the other process dies
    figures: dict[str, Any] = {}
    try:
        yield lambda: not receiver.poll(), figures
        figures |= receiver.recv()
    finally:
        process.join()


def _prune(alias: str, sender: Any) -> None:
    batches: list[tuple[int, float]] = []
    started = time.perf_counter()
    with on(alias):
        pruned = lifecycle.prune(
            progress=lambda count: batches.append((count, time.perf_counter() - started))
        )
    sender.send(
        {
            "sessions": pruned.sessions,
            "events": pruned.events,
            "seconds": time.perf_counter() - started,
            "batches": len(batches),
            **slowing([moment for _, moment in batches]),
        }
    )


def slowing(moments: Sequence[float]) -> dict[str, float]:
    """The median batch of the first and of the last twentieth, in milliseconds.

    ``moments`` is when each batch was through. Where a batch has to walk over what the batches
    before it removed, the last ones are the slow ones.
    """
    took = [later - earlier for earlier, later in pairwise([0.0, *moments])]
    some = max(len(took) // 20, 1)
    return {
        "first_batches_ms": statistics.median(took[:some]) * 1000,
        "last_batches_ms": statistics.median(took[-some:]) * 1000,
    }


def paced_refreshes(
    clients: Clients, *, rate: int, more: Callable[[int], bool]
) -> tuple[Times, Times]:
    """Refresh random sessions, so many in a second, while ``more(how many)``.

    Timed from when each was due, so that those who wait behind a slow one count as slow too; and
    the refresh itself.
    """
    from_due: list[float] = []
    itself: list[float] = []
    begin = time.perf_counter()
    with on(clients.alias):
        while more(len(from_due)):
            work = clients.refresh(clients.random_live())
            due = begin + len(from_due) / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            itself.append(timed(work))
            from_due.append(time.perf_counter() - due)
    return Times.of(from_due), Times.of(itself)
