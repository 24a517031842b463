"""What the growth benchmark measures on: two databases, and sessions that are told by number.

Everything about session n follows from n, in SQL and in Python alike. So ten million rows are
loaded without one of them travelling, and afterwards any of them can be presented with its token
without being looked up first, which would bring its page into the cache.
"""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

LARGE, SMALL = "default", "small"
ALIASES = (LARGE, SMALL)
NAMES = {LARGE: "large", SMALL: "small"}
MARK = "made by benchmarks.growth"
CHUNK = 200_000

#: Sessions of one user lie this far apart, so that they share no page.
USERS_PER_BLOCK, SESSIONS_PER_BLOCK = 200, 1000

_chosen: ContextVar[str] = ContextVar("chosen", default=LARGE)


class Router:
    """Sends everything to the database that ``on`` has chosen."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return _chosen.get()

    db_for_write = db_for_read


@contextmanager
def on(alias: str) -> Iterator[None]:
    """Let the verbs work on one of the two databases."""
    token = _chosen.set(alias)
    try:
        yield
    finally:
        _chosen.reset(token)


def configure() -> None:
    """Start Django with a second database beside the one of ``DATABASE_URL``."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    import django
    from django.conf import settings

    large = settings.DATABASES[LARGE]
    if not large["ENGINE"].endswith("postgresql"):
        raise SystemExit("DATABASE_URL must name a PostgreSQL database; it will be created.")
    settings.DATABASES[SMALL] = {**large, "NAME": f"{large['NAME']}_small"}
    settings.DATABASE_ROUTERS = ["benchmarks.growth_data.Router"]
    django.setup()


def create_databases(
    aliases: Sequence[str] = ALIASES,
    # The other contenders' tables are of no use here.
    apps: Sequence[str] = ("auth", "token_lifecycle"),
) -> None:
    """Make them anew, and their tables. What is not marked as ours is never replaced.

    :raises SystemExit: there is a database of that name that this benchmark has not made.
    """
    from django.core.management import call_command

    drop_databases(aliases)
    for alias in aliases:
        with _server(alias) as (cursor, name):
            cursor.execute(f"CREATE DATABASE {name}")
            cursor.execute(f"COMMENT ON DATABASE {name} IS '{MARK}'")
        for app in apps:
            call_command("migrate", app, database=alias, verbosity=0)


def drop_databases(aliases: Sequence[str] = ALIASES) -> None:
    """Remove what ``create_databases`` made, if it is there."""
    from django.db import connections

    marks = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
    for alias in aliases:
        connections[alias].close()
        plain = connections[alias].settings_dict["NAME"]
        with _server(alias) as (cursor, name):
            cursor.execute(marks, [plain])
            found = cursor.fetchone()
            if found and found[0] != MARK:
                raise SystemExit(f"The database {plain} exists and is not of this benchmark.")
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")


@contextmanager
def _server(alias: str) -> Iterator[tuple[Any, str]]:
    """A cursor beside the databases, and the quoted name of the one of ``alias``."""
    from django.db import connections

    connection = connections[alias]
    with connection._nodb_cursor() as cursor:
        yield cursor, connection.ops.quote_name(connection.settings_dict["NAME"])


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Sessions number 0 to ``count`` - 1, signed in at even distances."""

    name: str
    count: int
    now: datetime
    begins: timedelta = timedelta(days=28)
    """How long before ``now`` the first of them signed in."""
    ends: timedelta = timedelta(0)
    """How long before ``now`` the last of them did."""
    dead: bool = False
    """All of them over for longer than any retention, instead of one in eight just over."""
    user: int | None = None
    """The one user who has them all, instead of five each."""

    @property
    def first_ms(self) -> int:
        return int((self.now - self.begins).timestamp() * 1000)

    @property
    def span_ms(self) -> int:
        return (self.begins - self.ends) // timedelta(milliseconds=1)

    def session_id(self, n: int) -> UUID:
        """A UUIDv7 of the time of the sign-in, as the app makes them."""
        milliseconds = self.first_ms + n * self.span_ms // self.count
        chance = hashlib.md5(f"{self.name} {n}".encode()).hexdigest()
        return UUID(f"{milliseconds:012x}7{chance[:3]}a{chance[3:6]}{chance[6:18]}")

    def secret(self, n: int) -> str:
        chance = hashlib.md5(f"secret {self.name} {n}".encode()).digest()
        return urlsafe_b64encode(chance).rstrip(b"=").decode()

    def user_id(self, n: int) -> int:
        block, place = n // SESSIONS_PER_BLOCK, n % USERS_PER_BLOCK
        return self.user or 1 + block * USERS_PER_BLOCK + place

    def generation(self, n: int) -> int:
        return 1 + n % 400

    def is_live(self, n: int) -> bool:
        return self.user is not None or (not self.dead and n % 24 > 2)


#: ``times`` is one of the three below, which say when the sessions were refreshed and ended.
LOAD = """
WITH loaded AS (
  INSERT INTO token_lifecycle_session (
    id, user_id, secret_digest, generation, rotated_at, burst_generation, burst_started_at,
    created_at, idle_expires_at, expires_at, revoked_at, revocation_reason, auth_hash,
    auth_hash_next, ip_address, user_agent, device_name, auth_method)
  SELECT id, user_id, secret_digest, generation, rotated_at, greatest(generation - 1, 1),
    rotated_at, created_at, least(rotated_at + interval '14 days', expires_at), expires_at,
    revoked_at, CASE WHEN revoked_at IS NULL THEN '' ELSE 'logout' END, %(auth_hash)s, '',
    CASE n %% 4 WHEN 0 THEN '2001:db8::'::inet ELSE '10.0.0.0'::inet END + n, user_agent,
    CASE n %% 3 WHEN 0 THEN 'Phone of ' || user_id ELSE '' END, 'password'
  FROM (SELECT *, {times} FROM (
    SELECT *,
      to_timestamp(ms / 1000.0) AS created_at,
      encode(sha256(convert_to(translate(rtrim(
        encode(decode(md5('secret ' || %(name)s || ' ' || n), 'hex'), 'base64'),
        '='), '+/', '-_'), 'UTF8')), 'hex') AS secret_digest,
      (lpad(to_hex(ms), 12, '0') || '7' || left(chance, 3) || 'a' || substr(chance, 4, 15))::uuid
        AS id,
      ('x' || right(chance, 6))::bit(24)::int / 16777216.0 AS share,
      1 + n %% 400 AS generation,
      coalesce(%(user)s, 1 + n / %(sessions_per_block)s * %(users_per_block)s
        + n %% %(users_per_block)s) AS user_id,
      (%(user_agents)s::text[])[1 + n %% 5] AS user_agent
    FROM (
      SELECT n, %(first_ms)s + n * %(span_ms)s / %(count)s AS ms,
        md5(%(name)s || ' ' || n) AS chance
      FROM generate_series(%(start)s::bigint, %(stop)s::bigint - 1) AS n
    ) AS numbered
  ) AS named) AS timed
  RETURNING id, user_id, created_at, ip_address, user_agent)
INSERT INTO token_lifecycle_sessionevent (
  kind, created_at, session_id, user_id, reason, ip_address, user_agent)
SELECT 'started', created_at, id, user_id, '', ip_address, user_agent FROM loaded
"""
ALL_LIVE = """
  created_at + interval '30 days' AS expires_at,
  NULL::timestamptz AS revoked_at,
  %(now)s - share * least(%(now)s - created_at, interval '13 days') AS rotated_at
"""
#: Of 24: one ended, one past its limit, one never refreshed (and idle once it is old enough).
MIXED = """
  created_at + CASE n %% 24 WHEN 1 THEN (%(now)s - created_at) / 2 ELSE interval '30 days' END
    AS expires_at,
  CASE n %% 24 WHEN 0 THEN %(now)s - share * (%(now)s - created_at) / 2 END AS revoked_at,
  CASE WHEN n %% 24 < 3 THEN created_at
    ELSE %(now)s - share * least(%(now)s - created_at, interval '13 days') END AS rotated_at
"""
DEAD = """
  created_at + interval '30 days' AS expires_at,
  CASE n %% 2 WHEN 0 THEN created_at + interval '1 day' * share END AS revoked_at,
  created_at AS rotated_at
"""
USERS = """
INSERT INTO auth_user (id, password, username, first_name, last_name, email, date_joined,
  is_superuser, is_staff, is_active)
SELECT n, %s, 'user' || n, 'First' || n, 'Last' || n, 'user' || n || '@example.com', now(),
  false, false, true
FROM generate_series(coalesce((SELECT max(id) FROM auth_user), 0) + 1, %s) AS n
"""
#: As a hasher writes it. The same for everybody: a session is bound to this text and no other.
PASSWORD = "pbkdf2_sha256$1500000$abcdefghijklmnopqrstuv$" + 43 * "0" + "="
USER_AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Mobile Safari/537.36",
    "ExampleApp/7.4.1 (Android 15; Build 20260)",
]


#: The two tables that are looked into, and their indexes, into the operating system's cache.
WARM = """
    SELECT pg_prewarm(relation::regclass, 'read') FROM (
        SELECT oid AS relation FROM pg_class
        WHERE relname IN ('token_lifecycle_session', 'auth_user')
        UNION ALL
        SELECT indexrelid FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
        WHERE relname IN ('token_lifecycle_session', 'auth_user')
    ) AS looked_into
"""


def load(
    alias: str,
    sessions: Sessions,
    *,
    start: int = 0,
    stop: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Insert sessions ``start`` to ``stop`` - 1, their users, and the event of each sign-in.

    In short transactions; ``progress`` is told up to where. The caller vacuums.
    """
    from django.contrib.auth import get_user_model
    from django.db import connections, transaction

    from token_lifecycle import binding

    stop = sessions.count if stop is None else stop
    times = DEAD if sessions.dead else MIXED if sessions.user is None else ALL_LIVE
    parameters = {
        "name": sessions.name,
        "now": sessions.now,
        "user": sessions.user,
        "count": sessions.count,
        "first_ms": sessions.first_ms,
        "span_ms": sessions.span_ms,
        "users_per_block": USERS_PER_BLOCK,
        "sessions_per_block": SESSIONS_PER_BLOCK,
        "user_agents": USER_AGENTS,
        "auth_hash": binding.auth_hash(get_user_model()(password=PASSWORD)),
    }
    load_users(alias, sessions.user or sessions.user_id(stop - 1) + USERS_PER_BLOCK)
    for begin in range(start, stop, CHUNK):
        end = min(begin + CHUNK, stop)
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(LOAD.format(times=times), {**parameters, "start": begin, "stop": end})
        progress(end)


def load_users(alias: str, count: int) -> None:
    """Insert users until there are so many."""
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute(USERS, [PASSWORD, count])


def settle(alias: str) -> None:
    """What a server has behind it that has been up for a while.

    Everything vacuumed and analysed, no checkpoint of the loading left to come, and tables and
    indexes read once: what is measured is size, and not a cold cache.
    """
    from django.db import ProgrammingError, connections

    with connections[alias].cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        with suppress(ProgrammingError):  # not everybody may
            cursor.execute("CHECKPOINT")
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        cursor.execute(WARM)


def start_over(alias: str, *, fillfactor: int) -> None:
    """Empty the tables, and fill the pages of the sessions' from now on no more than that."""
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute("TRUNCATE token_lifecycle_session, token_lifecycle_sessionevent CASCADE")
        cursor.execute(f"ALTER TABLE token_lifecycle_session SET (fillfactor = {fillfactor:d})")


def table_options(alias: str) -> list[str]:
    """The storage options of the sessions' table, each as ``name=value``."""
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'token_lifecycle_session'")
        return cursor.fetchone()[0] or []
