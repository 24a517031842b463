"""Statements compiled once: the same answers as the ORM gives, and what is used of its compiler."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.models.sql import UpdateQuery

from token_lifecycle import lifecycle
from token_lifecycle.managers import ACCESS_COLUMNS, REFRESH_COLUMNS
from token_lifecycle.models import Session
from token_lifecycle.prepared import EXAMPLES, PreparedStatement
from token_lifecycle.statements import attributes
from token_lifecycle.testing import SessionFactory

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def field(name):
    return Session._meta.get_field(name)


@pytest.fixture
def by_key():
    def build(pk):
        return Session.objects.filter(pk=pk).values_list("pk", "created_at", "ip_address").query

    return PreparedStatement(build, {"pk": field("id")})


def test_a_row_comes_back_as_the_orm_would_return_it(db, by_key):
    session = SessionFactory(created_at=NOW)
    expected = Session.objects.values_list("pk", "created_at", "ip_address").get()
    assert tuple(by_key.fetch_one("default", pk=session.pk)) == expected
    assert expected == (session.pk, NOW, "192.0.2.1")


def test_a_key_that_is_not_there_gives_none(db, by_key):
    assert by_key.fetch_one("default", pk=uuid4()) is None


def test_each_call_binds_its_own_values(db, by_key):
    first, second = SessionFactory(), SessionFactory()
    found = [by_key.fetch_one("default", pk=session.pk)[0] for session in (first, second, first)]
    assert found == [first.pk, second.pk, first.pk]


def test_a_statement_is_compiled_once_however_often_it_runs(db):
    builds = []

    def build(pk):
        builds.append(pk)
        return Session.objects.filter(pk=pk).values_list("pk").query

    statement = PreparedStatement(build, {"pk": field("id")})
    for _ in range(3):
        statement.fetch_one("default", pk=uuid4())
    assert len(builds) == 1


def test_a_value_with_several_places_is_written_once(db, monkeypatch):
    written = []

    def prepare(self, value, connection, prepared=False):
        written.append(self.name)
        return original(self, value, connection, prepared)

    original = models.DateTimeField.get_db_prep_value
    now = field("created_at")
    statement = PreparedStatement(lambda now: Session.objects.live(now).query, {"now": now})
    statement.fetch_one("default", now=NOW)
    monkeypatch.setattr(models.DateTimeField, "get_db_prep_value", prepare)
    statement.fetch_one("default", now=NOW)
    assert written == ["created_at"]


def test_an_update_counts_the_rows_it_found_and_changes_no_other(db):
    session, other = SessionFactory(), SessionFactory()

    def build(pk, device_name):
        update = Session.objects.filter(pk=pk).query.chain(UpdateQuery)
        update.add_update_values({"device_name": device_name})
        return update

    statement = PreparedStatement(build, {"pk": field("id"), "device_name": field("device_name")})
    assert statement.execute("default", pk=session.pk, device_name="Anna's phone") == 1
    assert statement.execute("default", pk=uuid4(), device_name="nobody's") == 0
    session.refresh_from_db()
    other.refresh_from_db()
    assert (session.device_name, other.device_name) == ("Anna's phone", "")


def test_a_value_that_the_compiler_dropped_is_noticed_and_not_ignored(db):
    statement = PreparedStatement(lambda pk: Session.objects.all().query, {"pk": field("id")})
    with pytest.raises(AssertionError, match="beyond recognition"):
        statement.fetch_one("default", pk=uuid4())


def test_there_is_an_example_for_every_kind_of_column_a_session_has():
    fields = [f for f in Session._meta.concrete_fields if f.name != "user"]
    assert [f for f in fields if not isinstance(f, tuple(EXAMPLES))] == []


class OddField(models.Field):
    """A kind of column that there is no example for."""

    def get_internal_type(self):
        return "CharField"


def test_a_value_of_an_unknown_kind_is_compiled_for_each_call(db):
    first, second = SessionFactory(device_name="one"), SessionFactory(device_name="two")

    def build(name):
        return Session.objects.filter(device_name=name).values_list("pk").query

    statement = PreparedStatement(build, {"name": OddField()})
    found = [statement.fetch_one("default", name=name) for name in ("one", "two", "three")]
    assert found == [[first.pk], [second.pk], None]


class PrefixedField(models.CharField):
    """A project's own form of a name."""

    def get_prep_value(self, value):
        if not value.startswith("usr_"):
            raise self.refusal(f"{value!r} is no name")
        return value


class OneOfTwoField(models.CharField):
    """Whatever is not ``one`` is ``two``."""

    def get_prep_value(self, value):
        return "one" if value == "one" else "two"


@pytest.mark.parametrize("refusal", [ValueError, TypeError, ValidationError])
def test_a_field_that_refuses_the_example_is_compiled_for_each_call(db, monkeypatch, refusal):
    monkeypatch.setattr(PrefixedField, "refusal", refusal, raising=False)
    first, second = SessionFactory(device_name="usr_1"), SessionFactory(device_name="usr_2")

    def build(name):
        return Session.objects.filter(device_name=name).values_list("pk").query

    statement = PreparedStatement(build, {"name": PrefixedField()})
    found = [statement.fetch_one("default", name=name) for name in ("usr_1", "usr_2", "usr_3")]
    assert found == [[first.pk], [second.pk], None]


def test_fields_that_write_two_examples_alike_are_compiled_for_each_call(db):
    session = SessionFactory(device_name="one", auth_method="two")

    def build(name, method):
        rows = Session.objects.filter(device_name=name, auth_method=method)
        return rows.values_list("pk").query

    statement = PreparedStatement(build, {"name": OneOfTwoField(), "method": OneOfTwoField()})
    assert statement.fetch_one("default", name="one", method="two") == [session.pk]
    assert statement.fetch_one("default", name="two", method="one") is None


def test_no_two_examples_of_a_statement_are_alike(db):
    for make in EXAMPLES.values():
        assert len({make(n) for n in range(1, 12)}) == 11


def test_a_session_read_for_a_refresh_holds_what_the_orm_would_hold(user):
    pk = lifecycle.start_session(user).session.pk
    read = Session.objects.for_refresh(pk, user_columns=("id", "password", "is_active"))
    plain = Session.objects.select_related("user").get(pk=pk)
    for name in REFRESH_COLUMNS:
        assert read.__dict__[name] == getattr(plain, name)
    assert read.user.__dict__["password"] == plain.user.password
    assert read.user.get_deferred_fields() >= {"email", "last_login"}
    assert read.get_deferred_fields() >= {"device_name", "auth_method"}


def test_a_session_read_for_a_check_brings_its_whole_user(user):
    pk = lifecycle.start_session(user).session.pk
    read = Session.objects.for_access(pk)
    assert read.user == user
    assert read.user.get_deferred_fields() == set()
    assert read.get_deferred_fields().isdisjoint(ACCESS_COLUMNS)
    assert not read.user._state.adding
    assert read.user._state.db == connection.alias


def test_a_session_whose_user_is_gone_is_read_with_none(db):
    session = SessionFactory(user=None, ended=True)
    assert Session.objects.for_access(session.pk).user is None


def test_columns_come_in_the_order_in_which_a_model_is_built_from_them():
    names = attributes(Session, ("revoked_at", "generation"))
    assert names == ("id", "generation", "revoked_at")
    everything = attributes(get_user_model(), None)
    assert everything == tuple(f.attname for f in get_user_model()._meta.concrete_fields)


def test_a_claim_writes_every_column_it_is_given(user):
    session = lifecycle.start_session(user, now=NOW).session
    later = NOW + timedelta(hours=1)
    columns = {
        "rotated_at": later,
        "idle_expires_at": later + timedelta(days=1),
        "burst_generation": 1,
        "burst_started_at": later,
        "ip_address": "2001:db8::1",
        "user_agent": "Another/2",
    }
    assert Session.objects.claim(session.pk, generation=1, catch_up=False, now=later, **columns)
    session.refresh_from_db()
    assert {name: getattr(session, name) for name in columns} == columns
    assert session.generation == 2
