"""What the admin's pages are measured on: sessions as for the growth benchmark, and their trail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from token_lifecycle.models import Session, SessionEvent

from . import growth_data
from .growth_data import LARGE, Sessions

#: In the order in which they happened: of each session the sign-in, its end if it has ended, and
#: as many others as are asked for. One session in 5,000 had its token stolen.
EVENTS = """
INSERT INTO token_lifecycle_sessionevent
  (kind, created_at, session_id, user_id, reason, ip_address, user_agent, generation)
SELECT kind, at, id, user_id, reason, ip_address, user_agent, generation FROM (
  SELECT 'started' AS kind, created_at AS at, id, user_id, '' AS reason, ip_address, user_agent,
    NULL::int AS generation
  FROM token_lifecycle_session
  UNION ALL
  SELECT 'revoked', revoked_at, id, user_id, revocation_reason, NULL, '', NULL
  FROM token_lifecycle_session WHERE revoked_at IS NOT NULL
  UNION ALL
  SELECT CASE WHEN k = 1 AND ('x' || right(id::text, 4))::bit(16)::int %% 5000 = 0
      THEN 'reuse_detected' WHEN k %% 4 = 0 THEN 'new_client' ELSE 'rotated' END,
    created_at + (rotated_at - created_at) * k / %(each)s, id, user_id, '', ip_address, user_agent,
    k
  FROM token_lifecycle_session, generate_series(1, %(each)s) AS k
  LIMIT %(events)s
) AS happened ORDER BY at
"""
BUSY = """
INSERT INTO token_lifecycle_sessionevent
  (kind, created_at, session_id, user_id, reason, user_agent, generation)
SELECT 'rotated', %(now)s - interval '1 minute' * n, %(session)s, %(user)s, '', 'Mozilla/5.0', n
FROM generate_series(1, %(count)s) AS n
"""


@dataclass(frozen=True, kw_only=True)
class Known:
    """Some of the rows, for the pages that are about one."""

    now: datetime
    boss: Any
    session: UUID
    user: int
    busy: UUID
    """A session with very many events."""
    busy_user: int
    event: int


def fill(sessions: int, events: int, *, busy: int, say: Callable[[str], None]) -> Known:
    """Load everything, and pick some of it."""
    now = timezone.now()
    loaded = Sessions(name="listed", count=sessions, now=now)
    growth_data.load(LARGE, loaded, progress=lambda n: say(f"loaded {n:,} sessions"))
    each = max((events - sessions) // sessions, 1)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE token_lifecycle_sessionevent")
        cursor.execute(EVENTS, {"each": each, "events": events})
    say("loaded the events")
    known = _known(loaded, now)
    about = {"now": now, "session": known.busy, "user": known.busy_user, "count": busy}
    with connection.cursor() as cursor:
        cursor.execute(BUSY, about)
    say("vacuuming and analysing")
    growth_data.settle(LARGE)
    return known


def _known(loaded: Sessions, now: datetime) -> Known:
    live = [n for n in range(loaded.count // 2, loaded.count) if loaded.is_live(n)][:2]
    session, busy = live
    # The users were loaded with their keys, and no sequence has heard of them.
    key = get_user_model().objects.latest("pk").pk + 1
    return Known(
        now=now,
        boss=get_user_model().objects.create_superuser("boss", id=key),
        session=loaded.session_id(session),
        user=loaded.user_id(session),
        busy=loaded.session_id(busy),
        busy_user=loaded.user_id(busy),
        event=SessionEvent.objects.order_by("pk").values_list("pk", flat=True)[loaded.count // 2],
    )


def rows() -> dict[str, int]:
    """What there is in the end."""
    models = {"sessions": Session, "events": SessionEvent, "users": get_user_model()}
    return {name: model._base_manager.count() for name, model in models.items()}
