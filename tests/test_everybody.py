"""The end of everybody: at once, with one row; and how the rows of the sessions follow."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from token_lifecycle import lifecycle, signals, tokens
from token_lifecycle.device import Device
from token_lifecycle.exceptions import SessionRevoked
from token_lifecycle.models import (
    Cutoff,
    EventKind,
    RevocationNotice,
    RevocationReason,
    Session,
    SessionEvent,
    SessionStatus,
)
from token_lifecycle.testing import SessionFactory, UserFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _clock(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def boss():
    return UserFactory(username="boss")


def start(count=1, user=None):
    person = user or UserFactory()
    return [lifecycle.start_session(person) for _ in range(count)]


def statements_of(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    kinds = [query["sql"].split()[0] for query in captured.captured_queries]
    return [kind for kind in kinds if kind not in ("SAVEPOINT", "RELEASE", "BEGIN")]


# The cutoff


def test_nobody_is_let_in_any_more_before_a_single_session_was_written():
    """A refresh and a request of each, with the rows as they were."""
    issued = start(3)
    lifecycle.revoke_everybody()
    assert Session.objects.filter(revoked_at=None).count() == 3
    for each in issued:
        with pytest.raises(SessionRevoked):
            lifecycle.rotate(each.refresh)
        with pytest.raises(SessionRevoked):
            lifecycle.check_access(tokens.parse_access(each.access))


@pytest.mark.parametrize("sessions", [1, 30])
def test_the_number_of_statements_does_not_depend_on_the_number_of_sessions(sessions):
    start(sessions)
    # The cutoff, its line in the trail, and the notice for lists in memory.
    assert statements_of(lifecycle.revoke_everybody) == ["INSERT"] * 3


def test_the_notice_is_written_also_where_no_list_is_asked(settings):
    settings.TOKEN_LIFECYCLE = {"REVOCATION_CHECK": "none"}
    assert statements_of(lifecycle.revoke_everybody) == ["INSERT"] * 3


def test_who_signs_in_afterwards_stays(time_machine):
    lifecycle.revoke_everybody()
    time_machine.shift(timedelta(microseconds=1))
    [issued] = start()
    assert lifecycle.rotate(issued.refresh).session.generation == 2
    assert lifecycle.check_access(tokens.parse_access(issued.access)).pk == issued.session.pk


def test_a_sign_in_at_the_same_moment_or_committed_late_is_ended_with_the_others():
    lifecycle.revoke_everybody(now=NOW)
    [issued] = start()
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(issued.refresh)


def test_an_older_cutoff_does_not_revive_what_a_newer_one_ended():
    lifecycle.revoke_everybody(now=NOW)
    lifecycle.revoke_everybody(now=NOW - HOUR)
    assert not Session.objects.live(NOW).filter(pk=start()[0].session.pk).exists()


def test_those_it_ended_are_no_longer_live_in_any_list():
    session = start()[0].session
    lifecycle.revoke_everybody()
    assert not Session.objects.live(NOW).exists()
    assert Session.objects.with_cutoff().get().status(NOW) is SessionStatus.ENDED
    assert lifecycle.revoke_sessions_of(session.user) == 0


def test_a_claim_that_is_under_way_loses():
    """The refresh has read the session before the cutoff, and claims after it."""
    session = start()[0].session
    lifecycle.revoke_everybody()
    assert not Session.objects.claim(session.pk, generation=1, catch_up=False, now=NOW)


def test_the_trail_names_who_did_it_and_from_where(boss):
    device = Device(ip_address="192.0.2.7", user_agent="Firefox")
    cutoff = lifecycle.revoke_everybody(actor=boss, device=device)
    event = SessionEvent.objects.get()
    assert (event.kind, event.actor, event.created_at) == (EventKind.EVERYBODY_ENDED, boss, NOW)
    assert (event.ip_address, event.user_agent) == ("192.0.2.7", "Firefox")
    assert (event.session, event.user) == (None, None)
    assert (cutoff.at, cutoff.actor) == (NOW, boss)


def test_processes_with_a_list_in_memory_are_told_once():
    start(3)
    lifecycle.revoke_everybody()
    lifecycle.sweep()
    notice = RevocationNotice.objects.get()
    assert (notice.at, notice.session_id, notice.user_id) == (NOW, None, "")


def test_a_signal_tells_of_it(boss, django_capture_on_commit_callbacks):
    heard = []

    def hear(sender, actor, device, at, **kwargs):
        heard.append((sender, actor, device, at))

    signals.everybody_ended.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            lifecycle.revoke_everybody(actor=boss)
    finally:
        signals.everybody_ended.disconnect(hear)
    assert heard == [(Session, boss, None, NOW)]


# The sweep


def test_the_sweep_writes_the_end_and_an_event_into_each(boss):
    start(5)
    lifecycle.revoke_everybody(actor=boss)
    assert lifecycle.sweep() == 5
    for session in Session.objects.all():
        assert session.revocation_reason == RevocationReason.ADMIN
        assert timedelta(0) < session.revoked_at - NOW < timedelta(seconds=1)
        event = session.events.get(kind=EventKind.REVOKED)
        assert (event.actor, event.user, event.reason) == (boss, session.user, "admin")
        assert event.created_at == session.revoked_at


def test_what_was_over_already_keeps_its_own_end(time_machine):
    ended, expired, idle, live = (
        SessionFactory(
            created_at=NOW - HOUR, revoked_at=NOW - HOUR / 2, revocation_reason="logout"
        ),
        SessionFactory(
            created_at=NOW - HOUR, expires_at=NOW - HOUR / 2, idle_expires_at=NOW - HOUR
        ),
        SessionFactory(created_at=NOW - HOUR, idle_expires_at=NOW - HOUR / 2),
        SessionFactory(created_at=NOW - HOUR),
    )
    lifecycle.revoke_everybody()
    assert lifecycle.sweep() == 1
    live.refresh_from_db()
    assert live.revoked_at is not None
    for session in (ended, expired, idle):
        before = session.revoked_at
        session.refresh_from_db()
        assert session.revoked_at == before


def test_batches_have_a_moment_each_and_are_told_of_and_rested_between():
    start(5)
    lifecycle.revoke_everybody()
    told, rests = [], []
    swept = lifecycle.sweep(batch_size=2, progress=told.append, rest=lambda: rests.append(1))
    assert (swept, told, len(rests)) == (5, [2, 2, 1], 2)
    moments = Session.objects.values_list("revoked_at", flat=True).distinct()
    assert sorted(at - NOW for at in moments) == [timedelta(microseconds=n) for n in (1, 2, 3)]


def test_each_batch_is_announced_with_its_own_sessions(boss, django_capture_on_commit_callbacks):
    heard = []

    def hear(sender, sessions, count, reason, actor, **kwargs):
        heard.append((sessions.count(), count, reason, actor))

    start(3)
    lifecycle.revoke_everybody(actor=boss)
    signals.session_revoked.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            lifecycle.sweep(batch_size=2)
    finally:
        signals.session_revoked.disconnect(hear)
    assert heard == [(2, 2, "admin", boss), (1, 1, "admin", boss)]


def test_at_its_limit_it_stops_and_goes_on_when_it_is_called_again():
    start(5)
    lifecycle.revoke_everybody()
    assert lifecycle.sweep(batch_size=2, limit=2) == 2
    assert Cutoff.objects.get().swept_at is None
    assert lifecycle.sweep(batch_size=2) == 3
    assert Cutoff.objects.get().swept_at == NOW
    assert lifecycle.sweep() == 0


def test_swept_it_looks_at_no_session_again():
    start()
    lifecycle.revoke_everybody()
    lifecycle.sweep()
    assert statements_of(lifecycle.sweep) == ["SELECT"]


def test_an_end_in_between_stays_what_it_was(user):
    """Its owner logs out between the cutoff and the sweep."""
    start(user=user)
    lifecycle.revoke_everybody()
    Session.objects.update(revoked_at=NOW, revocation_reason=RevocationReason.LOGOUT)
    assert lifecycle.sweep() == 0
    assert Session.objects.get().revocation_reason == "logout"
