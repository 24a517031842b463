"""The store: each statement decides by the row as it is, and counts what it did."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError, connection

from token_lifecycle import binding
from token_lifecycle.database_errors import lost_to_another
from token_lifecycle.models import RevocationReason, Session, SessionEvent
from token_lifecycle.testing import SessionFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
COLUMNS = {"rotated_at": NOW, "burst_generation": 4, "user_agent": "Phone/2.0"}


@pytest.fixture
def session():
    return SessionFactory(created_at=NOW, generation=5)


def claim(session, *, generation=5, catch_up=False, now=NOW, **columns):
    return Session.objects.claim(
        session.pk, generation=generation, catch_up=catch_up, now=now, **columns
    )


def row(session):
    return Session.objects.filter(pk=session.pk).values().get()


# The claim


def test_a_claim_advances_by_one_and_writes_the_rest_of_the_refresh_state(session):
    before = row(session)
    bystander = row(SessionFactory(generation=5))
    assert claim(session, **COLUMNS)
    assert row(session) == before | COLUMNS | {"generation": 6}
    assert row(Session(pk=bystander["id"])) == bystander


def test_a_generation_is_claimed_once(session):
    assert claim(session)
    assert not claim(session)
    assert row(session)["generation"] == 6


@pytest.mark.parametrize("generation", [1, 4, 6, 7])
def test_no_other_generation_than_the_rows_can_be_claimed(session, generation):
    before = row(session)
    assert not claim(session, generation=generation, **COLUMNS)
    assert row(session) == before


def test_what_was_ended_since_it_was_read_cannot_be_claimed(session):
    Session.objects.filter(pk=session.pk).revoke(reason=RevocationReason.ADMIN, now=NOW)
    before = row(session)
    assert not claim(session, **COLUMNS)
    assert not claim(session, generation=9, catch_up=True, **COLUMNS)
    assert row(session) == before


@pytest.mark.parametrize("limit", ["expires_at", "idle_expires_at"])
def test_what_passed_a_limit_cannot_be_claimed(session, limit):
    Session.objects.update(**{limit: NOW})
    assert not claim(session)
    assert claim(session, now=NOW - TICK)


@pytest.mark.parametrize("generation", [5, 6, 900, 2**31 - 2])
def test_a_row_that_is_behind_catches_up_with_the_token(session, generation):
    assert claim(session, generation=generation, catch_up=True, **COLUMNS)
    assert row(session)["generation"] == generation + 1
    assert not claim(session, generation=generation, catch_up=True)


def test_a_row_that_is_ahead_does_not_fall_back(session):
    assert not claim(session, generation=4, catch_up=True)
    assert row(session)["generation"] == 5


def test_a_session_that_is_not_there_cannot_be_claimed():
    assert not claim(Session(pk=uuid4()))


# Reading


@pytest.mark.parametrize("columns", [("id", "password", "is_active"), None])
def test_a_refresh_reads_session_and_user_in_one_statement(
    session, columns, django_assert_num_queries
):
    with django_assert_num_queries(1):
        read = Session.objects.for_refresh(session.pk, user_columns=columns)
        assert read == session
        assert read.secret_digest == session.secret_digest
        assert (read.user, read.user.password) == (session.user, session.user.password)
        assert read.expires_at == session.expires_at
    assert read.device_name == session.device_name


def test_an_access_check_reads_session_and_user_in_one_statement(
    session, django_assert_num_queries
):
    with django_assert_num_queries(1):
        read = Session.objects.for_access(session.pk)
        assert (read, read.user, read.user.email) == (session, session.user, session.user.email)
        assert (read.auth_hash, read.revoked_at) == (session.auth_hash, None)


def test_a_read_session_can_be_read_further_and_written(session):
    read = Session.objects.for_access(session.pk)
    assert read.generation == 5
    read.refresh_from_db()
    read.device_name = "Anna's phone"
    read.save(update_fields=["device_name"])
    assert row(session)["device_name"] == "Anna's phone"


def test_a_session_without_a_user_is_read_without_one(session):
    Session.objects.update(user=None)
    assert Session.objects.for_access(session.pk).user is None
    assert Session.objects.for_refresh(session.pk, user_columns=("id", "password")).user is None


def test_a_session_that_is_not_there_reads_as_none():
    assert Session.objects.for_access(uuid4()) is None
    assert Session.objects.for_refresh(uuid4(), user_columns=None) is None


# Sets


def test_revoking_counts_only_what_was_not_ended(session):
    ended = SessionFactory(ended=True)
    before = row(session)
    assert Session.objects.all().revoke(reason=RevocationReason.ADMIN, now=NOW) == 1
    changed = {"revoked_at": NOW, "revocation_reason": RevocationReason.ADMIN}
    assert row(session) == before | changed
    assert row(ended)["revocation_reason"] == RevocationReason.LOGOUT


def test_sessions_are_found_by_user_and_by_their_end(session):
    SessionFactory()
    assert Session.objects.of(session.user).get() == session
    assert Session.objects.of(session.user_id).get() == session
    Session.objects.of(session.user).revoke(reason=RevocationReason.ADMIN, now=NOW)
    assert Session.objects.all().ended(at=NOW, reason=RevocationReason.ADMIN).get() == session
    assert not Session.objects.all().ended(at=NOW, reason=RevocationReason.LOGOUT).exists()


def test_sessions_are_told_apart_by_their_binding(session):
    follower = SessionFactory(auth_hash="old", auth_hash_next=session.auth_hash)
    other = SessionFactory(auth_hash="old")
    hashes = (session.auth_hash, "a fallback")
    assert set(Session.objects.all().bound_to(hashes)) == {session, follower}
    assert set(Session.objects.all().not_bound_to(hashes)) == {other}


def test_binding_anew_replaces_both_hashes(session):
    assert Session.objects.all().rebind("new", following="next") == 1
    assert (row(session)["auth_hash"], row(session)["auth_hash_next"]) == ("new", "next")
    Session.objects.all().rebind("newer")
    assert (row(session)["auth_hash"], row(session)["auth_hash_next"]) == ("newer", "")


def test_locking_changes_nothing_and_says_whether_there_was_something(session):
    before = row(session)
    assert Session.objects.filter(pk=session.pk).lock() == 1
    assert Session.objects.filter(pk=uuid4()).lock() == 0
    assert row(session) == before


def test_all_but_one_or_all(session):
    other = SessionFactory()
    assert Session.objects.all().except_for(session.pk).get() == other
    assert Session.objects.all().except_for(None).count() == 2


# The trail


def test_each_ended_session_gets_one_event_however_often_it_is_recorded(session):
    SessionFactory()
    Session.objects.all().revoke(reason=RevocationReason.ADMIN, now=NOW)
    for _ in range(2):
        SessionEvent.objects.record_ended(
            at=NOW, reason=RevocationReason.ADMIN, user_agent="100 % Phone"
        )
    assert SessionEvent.objects.count() == 2
    event = SessionEvent.objects.get(session=session)
    assert (event.user, event.created_at) == (session.user, NOW)
    assert (event.reason, event.user_agent) == (RevocationReason.ADMIN, "100 % Phone")
    assert (event.actor, event.generation, event.ip_address) == (None, None, None)


@pytest.mark.parametrize(
    "hostile", ["'; DROP TABLE auth_user; --", "%s %(x)s %", 'a "quoted" \\ word', "émoji 🙂"]
)
def test_what_a_client_sent_is_a_value_and_never_sql(session, hostile):
    Session.objects.all().revoke(reason=RevocationReason.ADMIN, now=NOW)
    SessionEvent.objects.record_ended(
        at=NOW, reason=RevocationReason.ADMIN, user_agent=hostile, ip_address="2001:db8::1"
    )
    event = SessionEvent.objects.get()
    assert (event.user_agent, event.ip_address) == (hostile, "2001:db8::1")


# Conflicts


def caused_by(**attributes):
    """As a driver for PostgreSQL raises it: psycopg with ``sqlstate``, psycopg2 with ``pgcode``."""
    error = OperationalError("could not")
    error.__cause__ = type("FromPostgreSQL", (Exception,), attributes)()
    return error


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (caused_by(sqlstate="40001"), True),  # serialization failure
        (caused_by(sqlstate="40P01"), True),  # deadlock
        (caused_by(sqlstate="57014"), False),  # cancelled
        (caused_by(pgcode="40001"), True),
        (caused_by(pgcode="40P01"), True),
        (caused_by(pgcode="57014"), False),
        (caused_by(pgcode=None), False),
        (OperationalError(1213, "Deadlock found"), True),
        (OperationalError(1020, "Record has changed"), True),
        (OperationalError(1205, "Lock wait timeout exceeded"), False),
        (OperationalError(2006, "Server has gone away"), False),
        (OperationalError("database is locked"), False),
        (OperationalError(), False),
    ],
)
def test_a_statement_that_lost_is_told_from_one_that_failed(error, lost):
    assert lost_to_another(error) is lost


def test_the_binding_of_the_factory_is_that_of_its_user(session):
    assert session.auth_hash == binding.auth_hash(session.user)


# HOT is PostgreSQL's; elsewhere there is nothing to skip.
if connection.vendor == "postgresql":

    @pytest.mark.django_db(transaction=True)
    def test_postgresql_updates_a_rotated_row_in_place():
        session = SessionFactory(created_at=NOW, generation=1)
        before = updates()
        for generation in range(1, 41):
            assert claim(session, generation=generation, **COLUMNS)
        total, in_place = (after - b for after, b in zip(updates(), before, strict=True))
        assert total == 40
        assert in_place >= 36  # a full page makes an exception now and then


def updates():
    """How many updates of session rows there were, and how many of them in place."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s",
            [Session._meta.db_table],
        )
        return cursor.fetchone()
