"""The rows: what they may hold and what they say of themselves."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, models, transaction

from token_lifecycle import lifecycle
from token_lifecycle.models import (
    EventKind,
    RevocationReason,
    Session,
    SessionEvent,
    SessionStatus,
    new_session_id,
)
from token_lifecycle.testing import SessionFactory, UserFactory

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def session(**changes):
    limits = {"expires_at": NOW + TICK, "idle_expires_at": NOW + TICK}
    return Session(**limits | changes)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, SessionStatus.LIVE),
        ({"idle_expires_at": NOW}, SessionStatus.IDLE),
        ({"expires_at": NOW}, SessionStatus.EXPIRED),
        ({"expires_at": NOW, "idle_expires_at": NOW}, SessionStatus.EXPIRED),
        ({"revoked_at": NOW}, SessionStatus.ENDED),
        ({"revoked_at": NOW, "expires_at": NOW}, SessionStatus.ENDED),
    ],
)
def test_a_session_is_live_idle_expired_or_ended(changes, status):
    assert session(**changes).status(NOW) is status
    assert session(**changes).is_live(NOW) == (status is SessionStatus.LIVE)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes", [{}, {"idle_expires_at": NOW}, {"expires_at": NOW}, {"revoked_at": NOW}]
)
def test_the_database_and_the_row_agree_on_what_is_live(changes):
    limits = {"expires_at": NOW + TICK, "idle_expires_at": NOW + TICK}
    reason = RevocationReason.ADMIN if "revoked_at" in changes else ""
    row = SessionFactory(**limits | changes, revocation_reason=reason)
    assert Session.objects.live(NOW).exists() == row.is_live(NOW)


def test_ids_are_version_7_and_in_the_order_of_time(time_machine):
    time_machine.move_to(NOW, tick=False)
    ids = []
    for _ in range(3):
        ids.append(new_session_id())
        time_machine.shift(1)
    assert all(type(each) is UUID and each.version == 7 for each in ids)
    assert ids == sorted(ids)


def test_ids_of_one_moment_differ():
    assert len({new_session_id() for _ in range(1000)}) == 1000


@pytest.mark.django_db
@pytest.mark.parametrize(("revoked_at", "reason"), [(NOW, ""), (None, RevocationReason.LOGOUT)])
def test_an_end_and_its_reason_come_together(revoked_at, reason):
    row = SessionFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        Session.objects.filter(pk=row.pk).update(revoked_at=revoked_at, revocation_reason=reason)


@pytest.mark.django_db
def test_an_event_outlives_its_session():
    row = SessionFactory()
    event = SessionEvent.objects.create(kind=EventKind.STARTED, session=row, created_at=NOW)
    row.delete()
    event.refresh_from_db()
    assert event.session_id is not None
    assert str(event) == f"started {event.session_id}"


def test_rows_are_named_by_what_is_not_secret():
    row = Session(secret_digest="digest")
    assert str(row) == str(row.pk)
    assert "digest" not in repr(row)
    assert str(SessionEvent(kind=EventKind.LIMIT_REACHED)) == "limit_reached"


#: What a rotation writes. PostgreSQL updates such a row in place as long as no index is concerned.
WRITTEN_BY_A_ROTATION = {
    "generation",
    "rotated_at",
    "burst_generation",
    "burst_started_at",
    "idle_expires_at",
    "ip_address",
    "user_agent",
}


def test_no_column_that_a_rotation_writes_is_indexed():
    indexed = {field.name for field in Session._meta.concrete_fields if field.db_index}
    indexed |= {name for index in Session._meta.indexes for name in index.fields}
    indexed |= {field.name for field in Session._meta.concrete_fields if field.unique}
    assert not indexed & WRITTEN_BY_A_ROTATION
    assert {"user", "revoked_at", "expires_at"} <= indexed


@pytest.mark.django_db
def test_the_database_has_no_other_index_than_the_models_say():
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, Session._meta.db_table)
    indexed = {column for c in constraints.values() if c["index"] for column in c["columns"]}
    assert not indexed & WRITTEN_BY_A_ROTATION


def test_the_trail_has_no_constraint_that_would_make_anybody_wait():
    for name in ("session", "user", "actor"):
        assert SessionEvent._meta.get_field(name).db_constraint is False


def test_deleting_a_user_leaves_the_sessions():
    assert Session._meta.get_field("user").remote_field.on_delete is models.SET_NULL


def saved(session):
    session.save()


def saved_with_its_end(session):
    session.save(update_fields=["device_name", "revoked_at"])


def updated_in_bulk(session):
    Session.objects.bulk_update([session], ["device_name", "generation"])


def updated_or_created(session):
    """Django saves every date with it, for one might set itself."""
    Session.objects.update_or_create(pk=session.pk, defaults={"revoked_at": None})


@pytest.mark.parametrize("write", [saved, saved_with_its_end, updated_in_bulk, updated_or_created])
@pytest.mark.django_db
def test_an_instance_read_earlier_brings_back_neither_a_session_nor_its_generation(write):
    issued = lifecycle.start_session(UserFactory())
    stale = Session.objects.get(pk=issued.session.pk)
    lifecycle.rotate(issued.refresh)
    lifecycle.revoke_session(stale.pk)
    before = Session.objects.filter(pk=stale.pk).values().get()
    stale.device_name = "Anna's phone"
    with pytest.raises(TypeError, match="auth_method, device_name"):
        write(stale)
    assert Session.objects.filter(pk=stale.pk).values().get() == before


@pytest.mark.django_db
def test_what_describes_a_session_can_be_saved_and_a_new_one_whole():
    session = SessionFactory.build(user=UserFactory())
    session.save()
    session.device_name, session.auth_method = "Anna's phone", "passkey"
    session.save(update_fields=["device_name"])
    Session.objects.bulk_update([session], ["auth_method"])
    session.refresh_from_db()
    assert (session.device_name, session.auth_method) == ("Anna's phone", "passkey")
    session.delete()
    session.save(force_insert=True)
    assert Session.objects.filter(pk=session.pk).exists()
