"""Ending, recording and announcing: together or not at all, and once."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.dispatch import Signal
from django.utils import timezone

from token_lifecycle import journal, lifecycle, signals
from token_lifecycle.device import Device
from token_lifecycle.exceptions import SessionLimitReached, Unavailable
from token_lifecycle.models import (
    EventKind,
    RevocationNotice,
    RevocationReason,
    Session,
    SessionEvent,
)
from token_lifecycle.testing import SessionFactory, UserFactory

# Real transactions: what is committed, and when it is told, is what these tests are about.
pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PHONE = Device(ip_address="192.0.2.7", user_agent="Phone/2.0")

DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock; try restarting")
LOCK_WAIT_TIMEOUT = OperationalError(1205, "Lock wait timeout exceeded; try restarting")
GONE = OperationalError(2006, "Server has gone away")


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def hear():
    """Listen to a signal; the list fills with what it says."""
    connected = []

    def listen(signal):
        heard = []

        def receive(sender, signal, **about):
            assert not connection.in_atomic_block, "told before the commit"
            heard.append(about)

        signal.connect(receive)
        connected.append((signal, receive))
        return heard

    yield listen
    for signal, receive in connected:
        signal.disconnect(receive)


def end(sessions, **about):
    options = {"reason": RevocationReason.ADMIN, "now": NOW}
    return journal.end(sessions, **options | about)


# Transactions


def failing(times, error):
    """Work that writes, then fails so many times, then returns how often it was tried."""
    tries = []

    def work():
        tries.append(SessionFactory())
        if len(tries) <= times:
            raise error
        return len(tries)

    return work


def test_work_that_lost_a_deadlock_is_done_again_from_nothing():
    assert journal.in_transaction(failing(journal.ATTEMPTS - 1, DEADLOCK)) == journal.ATTEMPTS
    assert Session.objects.count() == 1


def test_work_that_always_loses_is_given_up_with_nothing_written():
    with pytest.raises(Unavailable) as caught:
        journal.in_transaction(failing(journal.ATTEMPTS, DEADLOCK))
    assert caught.value.__cause__ is DEADLOCK
    assert not Session.objects.exists()


@pytest.mark.parametrize("error", [GONE, LOCK_WAIT_TIMEOUT, ValueError("a bug")])
def test_work_that_failed_for_another_reason_is_not_done_again(error):
    with pytest.raises(type(error)):
        journal.in_transaction(failing(1, error))
    assert not Session.objects.exists()


def test_inside_a_callers_transaction_only_the_caller_can_begin_again():
    with pytest.raises(OperationalError), transaction.atomic():
        journal.in_transaction(failing(1, DEADLOCK))
    assert not Session.objects.exists()


# Ending


def test_ending_returns_how_many_and_records_each(user):
    live = [SessionFactory(user=user) for _ in range(3)]
    over = SessionFactory(user=user, ended=True)
    assert end(Session.objects.all(), actor=user, device=PHONE) == 3
    events = SessionEvent.objects.all()
    assert {event.session for event in events} == set(live)
    for event in events:
        assert (event.kind, event.user, event.actor) == (EventKind.REVOKED, user, user)
        assert (event.reason, event.created_at) == (RevocationReason.ADMIN, NOW)
        assert (event.ip_address, event.user_agent) == (PHONE.ip_address, PHONE.user_agent)
    assert Session.objects.get(pk=over.pk).revocation_reason == RevocationReason.LOGOUT


def found_by_user(sessions):
    return Session.objects.filter(user__in=[s.user for s in sessions], user__is_active=True)


def found_by_events(sessions):
    """Each of them twice."""
    for session in sessions * 2:
        SessionEvent.objects.create(kind=EventKind.STARTED, session=session, created_at=NOW)
    return Session.objects.filter(events__kind=EventKind.STARTED)


@pytest.mark.parametrize(
    "found",
    [
        found_by_user,
        found_by_events,
        lambda sessions: found_by_events(sessions).distinct().order_by("user__email"),
    ],
)
@pytest.mark.parametrize("number", [1, 5])
def test_a_set_that_joins_other_tables_ends_with_as_few_statements(
    user, found, number, django_assert_max_num_queries
):
    sessions = found([SessionFactory(user=user) for _ in range(number)])
    SessionFactory()
    over = SessionFactory(user=user, ended=True)
    with django_assert_max_num_queries(10):
        assert end(sessions) == number
    assert Session.objects.filter(revoked_at=NOW).count() == number
    assert Session.objects.get(pk=over.pk).revocation_reason == RevocationReason.LOGOUT


def test_ending_nothing_writes_and_says_nothing(hear):
    heard = hear(signals.session_revoked)
    SessionFactory(ended=True)
    assert end(Session.objects.all()) == 0
    assert (heard, SessionEvent.objects.count()) == ([], 0)


def test_two_ends_of_one_moment_and_reason_record_each_session_once(user):
    first, second = SessionFactory(user=user), SessionFactory()
    end(Session.objects.filter(pk=first.pk), actor=user)
    end(Session.objects.filter(pk=second.pk))
    events = SessionEvent.objects.order_by("pk")
    assert [(event.session, event.actor) for event in events] == [(first, user), (second, None)]


def test_an_event_that_cannot_be_written_leaves_the_session_alive(monkeypatch, hear):
    heard = hear(signals.session_revoked)

    def fail(*args, **kwargs):
        raise GONE

    monkeypatch.setattr(type(SessionEvent.objects), "record_ended", fail)
    session = SessionFactory()
    with pytest.raises(OperationalError):
        end(Session.objects.all())
    session.refresh_from_db()
    assert session.revoked_at is None
    assert heard == []


def test_the_end_of_several_is_announced_together(hear, user):
    heard = hear(signals.session_revoked)
    sessions = [SessionFactory(user=user) for _ in range(3)]
    end(Session.objects.all(), user=user, actor=user, reason=RevocationReason.LOGOUT_ALL)
    (about,) = heard
    assert set(about.pop("sessions")) == set(sessions)
    who = {"user": user, "actor": user, "device": None}
    assert about == {"count": 3, "reason": "logout_all", "at": NOW, **who}


# Announcing


def test_nobody_is_told_of_what_was_rolled_back(hear, user):
    started, revoked = hear(signals.session_started), hear(signals.session_revoked)
    with transaction.atomic():
        lifecycle.start_session(user)
        lifecycle.revoke_sessions_of(user)
        transaction.set_rollback(True)
    assert started == revoked == []


def test_inside_a_callers_transaction_the_news_waits_for_the_commit(hear, user):
    started = hear(signals.session_started)
    with transaction.atomic():
        issued = lifecycle.start_session(user, device=PHONE)
        assert started == []
    assert started == [{"session": issued.session, "user": user, "device": PHONE}]


def test_a_rotation_is_told_of_and_a_retry_is_not(hear, user):
    rotated = hear(signals.token_rotated)
    issued = lifecycle.start_session(user)
    for _ in range(3):
        lifecycle.rotate(issued.refresh, device=PHONE)
    assert rotated == [{"session": issued.session, "device": PHONE}]


def test_reuse_is_told_of_once_with_the_end_of_the_session(hear, user):
    reused, revoked = hear(signals.reuse_detected), hear(signals.session_revoked)
    issued = lifecycle.start_session(user)
    lifecycle.rotate(issued.refresh)
    later = issued.issued_at + timedelta(hours=1)
    for _ in range(2):
        with pytest.raises(lifecycle.TokenRefused):
            lifecycle.rotate(issued.refresh, device=PHONE, now=later)
    assert reused == [{"session": issued.session, "device": PHONE, "generation": 1}]
    assert [(about["count"], about["user"]) for about in revoked] == [(1, user)]


def test_another_client_is_told_of_with_the_one_before(hear, user):
    seen = hear(signals.new_client_seen)
    issued = lifecycle.start_session(user, device=Device(user_agent="Laptop/1.0"))
    lifecycle.rotate(issued.refresh, device=PHONE)
    (about,) = seen
    assert about == {
        "session": issued.session,
        "device": PHONE,
        "previous_user_agent": "Laptop/1.0",
    }


def test_the_first_client_of_a_session_is_no_new_one(hear, user):
    seen = hear(signals.new_client_seen)
    issued = lifecycle.start_session(user)
    lifecycle.rotate(issued.refresh, device=PHONE)
    assert seen == []


def test_a_sign_in_refused_at_the_limit_is_told_of(hear, user, settings):
    settings.TOKEN_LIFECYCLE = {"MAX_SESSIONS_PER_USER": 1, "SESSION_LIMIT_POLICY": "refuse"}
    reached = hear(signals.session_limit_reached)
    lifecycle.start_session(user)
    with pytest.raises(SessionLimitReached):
        lifecycle.start_session(user, device=PHONE)
    assert reached == [{"user": user, "limit": 1, "device": PHONE}]


def test_a_receiver_that_fails_is_logged_and_undoes_nothing(user, caplog):
    def fail(**about):
        raise ZeroDivisionError

    signals.session_revoked.connect(fail)
    try:
        lifecycle.start_session(user)
        with caplog.at_level(logging.ERROR):
            assert lifecycle.revoke_sessions_of(user) == 1
    finally:
        signals.session_revoked.disconnect(fail)
    assert "ZeroDivisionError" in caplog.text
    assert Session.objects.get().revoked_at is not None


def test_a_signal_without_listeners_costs_nothing():
    journal.announce(Signal(), anything="at all")
    assert connection.run_on_commit == []


def test_users_whose_sessions_end_at_one_moment_are_told_of_one_by_one(hear, settings):
    settings.TOKEN_LIFECYCLE = {"REVOCATION_CHECK": "memory"}
    heard = hear(signals.session_revoked)
    sessions = [SessionFactory() for _ in range(4)]
    now = timezone.now()
    for session in sessions:
        lifecycle.revoke_sessions_of(session.user, now=now)
    told = [set(about["sessions"]) for about in heard]
    assert told == [{session} for session in sessions]
    assert RevocationNotice.objects.count() == 4


def test_the_sessions_of_a_deleted_user_are_told_of_after_the_deletion(hear, user):
    heard = hear(signals.session_revoked)
    session = SessionFactory(user=user)
    user.delete()
    (about,) = heard
    assert list(about["sessions"]) == [session]
