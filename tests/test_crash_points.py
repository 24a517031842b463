"""A crash at any point: before and after every statement, every commit and every signature.

Whatever was interrupted, the client that repeats its request ends up with exactly one line.
"""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.utils import timezone

from tests.races import WeakHasher
from token_lifecycle import lifecycle, tokens
from token_lifecycle.device import Device
from token_lifecycle.exceptions import PasswordChanged, TokenRefused, UserInactive
from token_lifecycle.models import EventKind, Session, SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = Device(ip_address="192.0.2.7", user_agent="Phone/2.0")
LAPTOP = Device(ip_address="192.0.2.8", user_agent="Laptop/1.0")
NEW_PASSWORD = "a wholly different pass phrase"


class Crash(BaseException):
    """The process dies here. Not an Exception: nothing may catch it and go on."""


class Countdown:
    """Dies at the last of so many moments."""

    def __init__(self, moments):
        self.left = moments

    def tick(self):
        self.left -= 1
        if self.left == 0:
            # A dead process has no connection, and what was not committed is rolled back. Said
            # aloud, for SQLite keeps a closed one open as long as somebody holds a cursor of it.
            connection.connection.rollback()
            connection.close()
            raise Crash

    def around(self, function):
        def interrupted(*args, **kwargs):
            self.tick()
            result = function(*args, **kwargs)
            self.tick()
            return result

        return interrupted


@contextmanager
def dying_after(moments):
    countdown = Countdown(moments)

    def around_a_statement(execute, *args):
        return countdown.around(execute)(*args)

    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(around_a_statement):
        for owner, name in (
            (connection, "_commit"),
            (tokens, "mint_access"),
            (tokens, "mint_refresh"),
        ):
            patch.setattr(owner, name, countdown.around(getattr(owner, name)))
        yield


def each_crash(prepare, work, *, at_least):
    """Do ``work`` again and again, dying a moment later each time; what was prepared, each time.

    ``at_least`` that many deaths there have to be, or the test looks at nothing.
    """
    for moments in range(1, 200):
        prepared = prepare()
        if survives(work, prepared, moments):
            assert moments > at_least
            return
        yield prepared


def survives(work, prepared, moments):
    """Whether ``work`` comes to its end."""
    try:
        with dying_after(moments):
            work(prepared)
    except Crash:
        return False
    return True


def sign_in():
    return lifecycle.start_session(UserFactory(), device=PHONE)


def three_sign_ins():
    user = UserFactory()
    return [lifecycle.start_session(user, device=PHONE) for _ in range(3)]


def refused(issued):
    """Whether a session's token is refused; looks without touching."""
    try:
        lifecycle.check_access(tokens.parse_access(issued.access))
    except TokenRefused:
        return True
    return False


def count(kind, issued):
    return SessionEvent.objects.filter(kind=kind, session=issued.session).count()


def assert_one_line_goes_on(issued, device):
    """The client repeats its request, twice, and goes on with what it got."""
    answers = {lifecycle.rotate(issued.refresh, device=device).refresh for _ in range(2)}
    (successor,) = answers
    issued.session.refresh_from_db()
    assert issued.session.generation == 2
    assert lifecycle.rotate(successor, device=device).session.generation == 3


def test_a_crashed_refresh_can_be_repeated():
    def refresh(issued):
        lifecycle.rotate(issued.refresh, device=PHONE)

    for issued in each_crash(sign_in, refresh, at_least=8):
        assert_one_line_goes_on(issued, PHONE)


def test_a_crashed_refresh_that_is_on_record_is_recorded_as_often_as_it_happened(settings):
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, "RECORD_ROTATIONS": True}

    def refresh(issued):
        lifecycle.rotate(issued.refresh, device=LAPTOP)

    for issued in each_crash(sign_in, refresh, at_least=12):
        assert_one_line_goes_on(issued, LAPTOP)
        assert count(EventKind.ROTATED, issued) == 2
        assert count(EventKind.NEW_CLIENT, issued) == 1


def test_a_crash_while_the_database_catches_up_can_be_repeated():
    def lose_commits():
        issued = sign_in()
        newest = lifecycle.rotate(lifecycle.rotate(issued.refresh).refresh)
        Session.objects.filter(pk=issued.session.pk).update(generation=1)
        return newest

    def refresh(issued):
        lifecycle.rotate(issued.refresh)

    for issued in each_crash(lose_commits, refresh, at_least=10):
        assert lifecycle.rotate(issued.refresh).session.generation == 4
        assert count(EventKind.CAUGHT_UP, issued) == 1


def test_a_crash_while_reuse_is_punished_postpones_it_to_the_next_attempt():
    def steal():
        issued = sign_in()
        lifecycle.rotate(issued.refresh)
        long_ago = timezone.now() - timedelta(minutes=5)
        Session.objects.update(rotated_at=long_ago, burst_started_at=long_ago)
        return issued

    def use(issued):
        with pytest.raises(TokenRefused):
            lifecycle.rotate(issued.refresh)

    for issued in each_crash(steal, use, at_least=9):
        use(issued)
        assert refused(issued)
        assert count(EventKind.REUSE_DETECTED, issued) == 1
        assert count(EventKind.REVOKED, issued) == 1


def test_a_crashed_sign_in_leaves_a_session_with_its_event_or_neither():
    def start(user):
        lifecycle.start_session(user, device=PHONE)

    for user in each_crash(UserFactory, start, at_least=10):
        sessions = Session.objects.of(user).count()
        assert sessions == SessionEvent.objects.filter(user=user).count()
        assert sessions in {0, 1}


def test_a_crashed_sign_in_at_the_limit_evicts_only_for_a_session_that_exists(settings):
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, "MAX_SESSIONS_PER_USER": 3}

    def start(issued):
        lifecycle.start_session(issued[0].session.user)

    for issued in each_crash(three_sign_ins, start, at_least=16):
        sessions = Session.objects.of(issued[0].session.user)
        assert sessions.live(timezone.now()).count() == 3
        assert sessions.count() == 3 + refused(issued[0])


def test_a_crashed_logout_everywhere_ends_and_records_all_or_none():
    def log_out(issued):
        lifecycle.revoke_sessions_of(issued[0].session.user)

    for issued in each_crash(three_sign_ins, log_out, at_least=6):
        ended = {refused(each) for each in issued}
        assert len(ended) == 1
        assert {bool(count(EventKind.REVOKED, each)) for each in issued} == ended


def test_a_crashed_password_change_leaves_no_session_on_the_old_password():
    def change(issued):
        user = issued[0].session.user
        user.set_password(NEW_PASSWORD)
        user.save()

    for issued in each_crash(three_sign_ins, change, at_least=8):
        user = issued[0].session.user
        user.refresh_from_db()
        changed = user.check_password(NEW_PASSWORD)
        assert {refused(each) for each in issued} == {changed}
        if changed:
            with pytest.raises(TokenRefused):
                lifecycle.rotate(issued[0].refresh)


def test_a_crashed_re_hash_logs_nobody_out(settings):
    settings.PASSWORD_HASHERS = ["tests.races.StrongHasher"]

    def weak():
        user = UserFactory()
        type(user).objects.filter(pk=user.pk).update(password=make_password(PASSWORD, None, WEAK))
        return lifecycle.start_session(type(user).objects.get(pk=user.pk), device=PHONE)

    def check_password(issued):
        fresh = type(issued.session.user).objects.get(pk=issued.session.user_id)
        assert fresh.check_password(PASSWORD)

    for issued in each_crash(weak, check_password, at_least=14):
        assert not refused(issued)
        assert_one_line_goes_on(issued, PHONE)
        check_password(issued)
        assert not refused(issued)


WEAK = WeakHasher()


def test_a_crashed_password_change_that_keeps_a_session_loses_no_session_without_it():
    def change(issued):
        user = issued[0].session.user
        with lifecycle.keep_session(issued[0].session.pk):
            user.set_password(NEW_PASSWORD)
            user.save()

    for issued in each_crash(three_sign_ins, change, at_least=18):
        user = issued[0].session.user
        user.refresh_from_db()
        changed = user.check_password(NEW_PASSWORD)
        assert [refused(each) for each in issued] == [False, changed, changed]
        lifecycle.rotate(issued[0].refresh)


def test_a_crashed_deactivation_leaves_no_session_to_an_inactive_user():
    def deactivate(issued):
        user = issued[0].session.user
        user.is_active = False
        user.save()

    for issued in each_crash(three_sign_ins, deactivate, at_least=8):
        user = issued[0].session.user
        user.refresh_from_db()
        assert {refused(each) for each in issued} == {not user.is_active}


def test_a_crashed_deletion_deletes_and_ends_or_does_neither():
    def delete(issued):
        type(issued[0].session.user).objects.get(pk=issued[0].session.user_id).delete()

    for issued in each_crash(three_sign_ins, delete, at_least=12):
        gone = (
            not type(issued[0].session.user).objects.filter(pk=issued[0].session.user_id).exists()
        )
        assert {refused(each) for each in issued} == {gone}
        assert {bool(count(EventKind.REVOKED, each)) for each in issued} == {gone}


def test_a_silent_change_is_found_out_also_after_the_discovery_crashed():
    def change():
        issued = sign_in()
        type(issued.session.user).objects.update(password="changed behind our back")
        return issued

    def refresh(issued):
        with pytest.raises(PasswordChanged):
            lifecycle.rotate(issued.refresh)

    for issued in each_crash(change, refresh, at_least=7):
        with pytest.raises(TokenRefused):
            lifecycle.rotate(issued.refresh)
        assert count(EventKind.REVOKED, issued) == 1


def test_an_inactive_user_is_refused_before_and_after_a_crash():
    def deactivate():
        issued = sign_in()
        type(issued.session.user).objects.update(is_active=False)
        return issued

    def refresh(issued):
        with pytest.raises(UserInactive):
            lifecycle.rotate(issued.refresh)

    for issued in each_crash(deactivate, refresh, at_least=7):
        with pytest.raises(TokenRefused):
            lifecycle.rotate(issued.refresh)
        assert count(EventKind.REVOKED, issued) == 1
