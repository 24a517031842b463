"""``MAX_SESSIONS_PER_USER`` and both of its policies."""

from datetime import UTC, datetime, timedelta

import pytest

from token_lifecycle import lifecycle
from token_lifecycle.device import Device
from token_lifecycle.exceptions import SessionLimitReached, SessionRevoked
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import UserFactory

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PHONE = Device(ip_address="192.0.2.7", user_agent="Phone/2.0")


@pytest.fixture(params=["evict_oldest", "refuse"])
def policy(request):
    return request.param


@pytest.fixture
def limit(settings):
    """Set the limit and what happens at it."""

    def set_limit(number, policy="evict_oldest"):
        settings.TOKEN_LIFECYCLE = {
            **settings.TOKEN_LIFECYCLE,
            "MAX_SESSIONS_PER_USER": number,
            "SESSION_LIMIT_POLICY": policy,
        }

    return set_limit


def sign_in(user, clock, times=1):
    """Sessions a minute apart, oldest first."""
    issued = []
    for _ in range(times):
        issued.append(lifecycle.start_session(user, device=PHONE))
        clock.shift(60)
    return issued


def live():
    return list(Session.objects.filter(revoked_at=None).order_by("created_at"))


def test_up_to_the_limit_nothing_happens(user, clock, limit, policy):
    limit(3, policy)
    issued = sign_in(user, clock, times=3)
    assert live() == [each.session for each in issued]


def test_beyond_it_the_oldest_session_gives_way(user, clock, limit):
    limit(2)
    first, second, third = sign_in(user, clock, times=3)
    assert live() == [second.session, third.session]
    evicted = Session.objects.get(pk=first.session.pk)
    assert evicted.revocation_reason == RevocationReason.SESSION_LIMIT
    assert evicted.revoked_at == third.issued_at
    event = SessionEvent.objects.get(kind=EventKind.REVOKED)
    assert (event.session, event.reason) == (evicted, RevocationReason.SESSION_LIMIT)
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(first.refresh)


def test_or_the_new_one_is_refused_and_the_refusal_is_on_record(user, clock, limit):
    limit(2, "refuse")
    sign_in(user, clock, times=2)
    with pytest.raises(SessionLimitReached):
        lifecycle.start_session(user, device=PHONE)
    assert len(live()) == Session.objects.count() == 2
    event = SessionEvent.objects.get(kind=EventKind.LIMIT_REACHED)
    assert (event.user, event.session, event.ip_address) == (user, None, PHONE.ip_address)


def test_a_limit_lowered_later_evicts_as_many_as_it_takes(user, clock, limit):
    sign_in(user, clock, times=5)
    limit(2)
    (newest,) = sign_in(user, clock)
    assert len(live()) == 2
    assert live()[-1] == newest.session


def test_a_limit_of_one_leaves_the_newest_alone(user, clock, limit):
    limit(1)
    newest = sign_in(user, clock, times=3)[-1]
    assert live() == [newest.session]


@pytest.mark.parametrize("over", ["expires_at", "idle_expires_at"])
def test_a_session_past_its_time_takes_no_place(user, clock, limit, policy, over):
    limit(2, policy)
    first, second = sign_in(user, clock, times=2)
    Session.objects.filter(pk=first.session.pk).update(**{over: START})
    sign_in(user, clock)
    assert len(live()) == 3
    assert lifecycle.rotate(second.refresh)


def test_a_session_that_was_ended_makes_room(user, clock, limit):
    limit(2, "refuse")
    first, _ = sign_in(user, clock, times=2)
    lifecycle.revoke_session(first.session.pk)
    sign_in(user, clock)


def test_the_limit_is_each_users_own(user, clock, limit, policy):
    limit(1, policy)
    sign_in(user, clock)
    sign_in(UserFactory(), clock)
    assert len(live()) == 2


def test_a_refresh_makes_no_session_older_or_younger(user, clock, limit):
    limit(2)
    first, second = sign_in(user, clock, times=2)
    lifecycle.rotate(first.refresh)
    (third,) = sign_in(user, clock)
    assert live() == [second.session, third.session]


def test_without_a_limit_there_is_none(user, clock):
    sign_in(user, clock, times=12)
    assert len(live()) == 12


def test_the_limit_does_not_touch_the_user(user, clock, limit):
    before = type(user).objects.values().get()
    limit(1)
    sign_in(user, clock, times=2)
    assert type(user).objects.values().get() == before


def test_a_lifetime_that_is_over_counts_for_nothing(user, clock, limit):
    limit(1, "refuse")
    lifecycle.start_session(user, lifetime=timedelta(seconds=1))
    clock.shift(2)
    sign_in(user, clock)
