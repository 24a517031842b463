"""How PostgreSQL finds what the admin's lists show, among fifty thousand sessions.

With fewer rows the planner reads whole tables, and rightly so. Elsewhere there is nothing to skip.
"""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.test_admin import browser_of, page_of, select
from token_lifecycle.admin import counting
from token_lifecycle.admin.ending import AT_ONCE
from token_lifecycle.models import Session
from token_lifecycle.testing import UserFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/token_lifecycle/session/"
EVENTS = "/admin/token_lifecycle/sessionevent/"

#: As the real one is to a million of rows.
BOUND = 500

PEOPLE, MANY, EACH = 10_000, 50_000, 2

#: What a planner may read where it holds that for cheaper than to look for each row.
SOME = MANY // 10

TABLES = {"token_lifecycle_session", "token_lifecycle_sessionevent"}

PEOPLE_SQL = """
INSERT INTO auth_user (password, username, first_name, last_name, email, date_joined,
  is_superuser, is_staff, is_active)
SELECT '', 'plan' || n, '', '', 'plan' || n || '@example.com', now(), false, false, true
FROM generate_series(1, %s) AS n
"""
#: Signed in within sixty days; a quarter ended, and of the others those past thirty days expired.
#: The first hundreds of users were there at the beginning, and have not come back.
SESSIONS_SQL = """
INSERT INTO token_lifecycle_session (id, user_id, secret_digest, generation, rotated_at,
  burst_generation, burst_started_at, created_at, idle_expires_at, expires_at, revoked_at,
  revocation_reason, auth_hash, auth_hash_next, user_agent, device_name, auth_method)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(m, 1, 3)
    || 'a' || substr(m, 4, 15))::uuid,
  users.low + CASE WHEN n <= 1000 THEN n %% 250 ELSE 250 + n %% %s END, '', 1, at, 1, at, at,
  at + interval '14 days', at + interval '30 days',
  CASE n %% 4 WHEN 0 THEN at + interval '1 day' END,
  CASE n %% 4 WHEN 0 THEN CASE n %% 400 WHEN 0 THEN 'reuse_detected' ELSE 'logout' END ELSE '' END,
  '', '', 'Mozilla/5.0', '', 'password'
FROM (SELECT n, md5(n::text) AS m, now() - interval '60 days' * (%s - n) / %s AS at
  FROM generate_series(1, %s) AS n) AS numbered,
  (SELECT min(id) AS low FROM auth_user WHERE username LIKE 'plan%%') AS users
"""
EVENTS_SQL = """
INSERT INTO token_lifecycle_sessionevent (kind, created_at, session_id, user_id, actor_id, reason,
  user_agent)
SELECT CASE WHEN k = 2 AND n.revoked_at IS NOT NULL THEN 'revoked'
    WHEN k = 2 AND n.row %% 500 = 0 THEN 'reuse_detected' WHEN k = 2 THEN 'new_client'
    ELSE 'started' END,
  n.created_at + interval '1 hour' * (k - 1), n.id, n.user_id, NULL,
  CASE WHEN k = 2 AND n.revoked_at IS NOT NULL THEN n.revocation_reason ELSE '' END, 'Mozilla/5.0'
FROM (SELECT *, row_number() OVER (ORDER BY id) AS row FROM token_lifecycle_session) AS n,
  generate_series(1, %s) AS k
ORDER BY 2
"""

PAGES = {
    "everything": LIST,
    "the last page": f"{LIST}?p=10",
    "live": f"{LIST}?status=live",
    "idle": f"{LIST}?status=idle",
    "expired": f"{LIST}?status=expired",
    "ended": f"{LIST}?status=ended",
    "a rare reason": f"{LIST}?revocation_reason__exact=reuse_detected",
    "a common reason": f"{LIST}?revocation_reason__exact=logout",
    "a reason that never was": f"{LIST}?revocation_reason__exact=session_limit",
    "signed in today": f"{LIST}?created_at__gte={{today}}",
    "live since a week": f"{LIST}?status=live&created_at__gte={{week}}",
    "ended today": f"{LIST}?revoked_at__gte={{today}}",
    "not ended": f"{LIST}?revoked_at__isnull=True",
    "by its end": f"{LIST}?o=7",
    "by its end, the last": f"{LIST}?o=-7",
    "a name": f"{LIST}?q=plan77",
    "an address": f"{LIST}?q=plan77@example.com",
    "many names": f"{LIST}?q=plan",
    "names of users who have left": f"{LIST}?q=plan1",
    "events of users who have left": f"{EVENTS}?q=plan1",
    "a session": f"{LIST}?q={{session}}",
    "of a user": f"{LIST}?user__id__exact={{user}}",
    "live of a user": f"{LIST}?status=live&user={{user}}",
    "the trail": EVENTS,
    "a rare event": f"{EVENTS}?event=reuse_detected",
    "an event that never was": f"{EVENTS}?event=limit_reached",
    "a common event": f"{EVENTS}?event=started",
    "ends": f"{EVENTS}?event=revoked",
    "ends for a reason": f"{EVENTS}?event=revoked:logout",
    "events of today": f"{EVENTS}?created_at__gte={{today}}",
    "an event of today": f"{EVENTS}?event=started&created_at__gte={{today}}",
    "events of a name": f"{EVENTS}?q=plan77",
    "events of many names": f"{EVENTS}?q=plan",
    "events of a session": f"{EVENTS}?session__id__exact={{session}}",
    "events of a user": f"{EVENTS}?user={{user}}",
    "an export of a day": f"{EVENTS}export/?format=json&created_at__gte={{today}}",
    "an export of a user": f"{EVENTS}export/?format=json&q=plan77",
}


#: Whether a selection across all pages is too large is counted, and no further than it may be.
COUNTED = f"LIMIT {AT_ONCE + 1})"


def fill():
    """Fifty thousand sessions, their users and their events."""
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE_SQL, [PEOPLE])
        cursor.execute(SESSIONS_SQL, [PEOPLE - 250, MANY, MANY, MANY])
        cursor.execute(EVENTS_SQL, [EACH])
        cursor.execute("VACUUM ANALYZE auth_user")
        cursor.execute("VACUUM ANALYZE token_lifecycle_session, token_lifecycle_sessionevent")


def clear():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM token_lifecycle_sessionevent")
        cursor.execute("DELETE FROM token_lifecycle_session")
        cursor.execute("DELETE FROM auth_user WHERE username LIKE 'plan%'")
        cursor.execute("VACUUM ANALYZE token_lifecycle_session, token_lifecycle_sessionevent")


def nodes_of(plan):
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)


def plans_of(captured):
    """The nodes of the plans of the statements about sessions and events that really ran."""
    for query in captured:
        if query["sql"].startswith("SELECT") and 'FROM "token_lifecycle_session' in query["sql"]:
            with connection.cursor() as cursor:
                cursor.execute(
                    f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql'].replace('%', '%%')}", ()
                )
                ((found,),) = cursor.fetchall()
            (explained,) = json.loads(found) if isinstance(found, str) else found
            for node in nodes_of(explained["Plan"]):
                yield query["sql"], node


def assert_that_no_table_is_read_whole(captured):
    explained = list(plans_of(captured))
    assert explained
    for statement, node in explained:
        if node.get("Relation Name") in TABLES:
            assert node["Node Type"] != "Seq Scan", statement
            assert read_by(node) <= (AT_ONCE if COUNTED in statement else SOME), statement


def read_by(node):
    """How many rows this part of a plan has looked at, kept or not."""
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return (node["Actual Rows"] + removed) * node["Actual Loops"]


if connection.vendor == "postgresql":

    @pytest.fixture(autouse=True)
    def _bound(monkeypatch):
        monkeypatch.setattr(counting, "BOUND", BOUND)

    @pytest.fixture
    def browser():
        return browser_of(UserFactory(is_staff=True, is_superuser=True))

    @pytest.fixture(scope="module")
    def many_rows(django_db_setup, django_db_blocker):
        with django_db_blocker.unblock():
            fill()
        yield
        with django_db_blocker.unblock():
            clear()

    @pytest.fixture
    def addresses(many_rows):
        session = Session.objects.order_by("pk")[MANY // 2]
        now = timezone.now()
        names = {
            "session": session.pk,
            "user": session.user_id,
            "today": (now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%MZ"),
            "week": (now - timedelta(days=7)).strftime("%Y-%m-%dT%H:%MZ"),
        }
        return {page: url.format(**names) for page, url in PAGES.items()}

    def captured_of(browser, url):
        with CaptureQueriesContext(connection) as captured:
            response = browser.get(url)
            assert response.status_code == 200
            if response.streaming:
                assert response.getvalue()
        return captured

    @pytest.mark.parametrize("page", PAGES)
    def test_no_list_reads_a_whole_table(browser, addresses, page):
        assert_that_no_table_is_read_whole(captured_of(browser, addresses[page]))

    def test_a_list_that_reads_a_whole_table_is_found_out(browser, many_rows):
        with pytest.raises(AssertionError, match="Seq Scan"):
            assert_that_no_table_is_read_whole(captured_of(browser, f"{LIST}?user_agent=x"))

    def test_the_questions_before_ending_and_deleting_read_no_whole_table(browser, many_rows):
        some = Session.objects.order_by("-pk")[:1]
        for action in ("end_selected", "end_all_of_users", "delete_selected"):
            with CaptureQueriesContext(connection) as captured:
                response = browser.post(
                    f"{LIST}?status=live", select(action, *some, across=True), follow=True
                )
            assert response.status_code == 200
            assert_that_no_table_is_read_whole(captured)

    def test_the_page_of_a_session_reads_its_own_rows_alone(browser, many_rows):
        session = Session.objects.order_by("pk")[MANY // 2]
        assert_that_no_table_is_read_whole(captured_of(browser, page_of(session)))
