"""The verbs start, check and revoke, with the clock in the test's hand."""

from datetime import timedelta

import pytest

from tests.sign_ins import (
    ACCESS_LIFETIME,
    IDLE,
    LAPTOP,
    LIFETIME,
    PHONE,
    SECOND,
    START,
    claims,
    row,
    stored,
)
from token_lifecycle import lifecycle, tokens
from token_lifecycle.exceptions import (
    PasswordChanged,
    SessionRevoked,
    TokenInvalid,
    UserInactive,
)
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def issued(clock, user):
    return lifecycle.start_session(user, device=LAPTOP)


# Start


def test_a_sign_in_is_one_row_with_its_limits_client_and_event(issued, user):
    session = stored(issued)
    assert (session.user, session.generation, session.revoked_at) == (user, 1, None)
    assert session.created_at == session.rotated_at == session.burst_started_at == START
    assert session.expires_at == START + LIFETIME
    assert session.idle_expires_at == START + IDLE
    assert (session.ip_address, session.user_agent) == (LAPTOP.ip_address, LAPTOP.user_agent)
    assert (session.device_name, session.auth_method) == (LAPTOP.name, "password")
    event = SessionEvent.objects.get()
    assert (event.kind, event.session, event.user) == (EventKind.STARTED, session, user)
    assert (event.created_at, event.ip_address) == (START, LAPTOP.ip_address)


def test_the_row_holds_a_digest_of_the_secret_and_nothing_of_a_token(issued):
    secret = claims(issued.refresh)["sec"]
    values = [str(value) for value in row(issued.session).values()]
    assert stored(issued).secret_digest == tokens.digest(secret)
    assert not any(secret in value or value in issued.refresh for value in values if len(value) > 9)


def test_two_sign_ins_share_no_secret(user):
    secrets = {claims(lifecycle.start_session(user).refresh)["sec"] for _ in range(2)}
    assert len(secrets) == 2


def test_the_answer_says_how_long_its_tokens_live(issued):
    assert issued.expires_in == ACCESS_LIFETIME.total_seconds()
    assert issued.refresh_expires_in == IDLE.total_seconds()
    assert claims(issued.access)["exp"] == issued.access_expires_at.timestamp()
    assert claims(issued.refresh)["exp"] == issued.refresh_expires_at.timestamp()


def test_a_session_may_have_a_lifetime_and_a_method_of_its_own(clock, user):
    issued = lifecycle.start_session(user, lifetime=timedelta(hours=1), auth_method="passkey")
    session = stored(issued)
    assert session.expires_at == session.idle_expires_at == START + timedelta(hours=1)
    assert session.auth_method == "passkey"


def test_a_sign_in_without_a_device_stores_none(clock, user):
    session = stored(lifecycle.start_session(user))
    assert (session.ip_address, session.user_agent, session.device_name) == (None, "", "")


def test_an_inactive_user_cannot_start_a_session(user):
    user.is_active = False
    with pytest.raises(UserInactive):
        lifecycle.start_session(user)
    assert not Session.objects.exists()


def test_an_access_token_never_outlives_its_session(clock, user):
    issued = lifecycle.start_session(user, lifetime=timedelta(minutes=5))
    assert issued.access_expires_at == START + timedelta(minutes=5)
    clock.shift(timedelta(minutes=4))
    assert lifecycle.rotate(issued.refresh).access_expires_at == START + timedelta(minutes=5)


# Check


def check(issued):
    return lifecycle.check_access(tokens.parse_access(issued.access))


def test_a_live_session_is_returned_with_its_whole_user(issued, user, django_assert_num_queries):
    with django_assert_num_queries(1):
        session = check(issued)
        assert (session.user, session.user.email) == (user, user.email)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"revoked_at": START, "revocation_reason": "admin"}, SessionRevoked),
        ({"expires_at": START}, SessionRevoked),
        ({"idle_expires_at": START}, SessionRevoked),
        ({"user": None}, SessionRevoked),
        ({"auth_hash": "another"}, SessionRevoked),
    ],
)
def test_the_check_refuses_a_session_that_is_over(issued, change, error):
    Session.objects.update(**change)
    with pytest.raises(error):
        check(issued)


def test_the_check_refuses_a_session_that_was_removed(issued):
    Session.objects.all().delete()
    with pytest.raises(SessionRevoked):
        check(issued)


def test_the_check_refuses_an_inactive_user(issued, user):
    type(user).objects.update(is_active=False)
    with pytest.raises(UserInactive):
        check(issued)


def test_the_check_refuses_a_token_that_names_another_user_than_the_session(issued):
    Session.objects.update(user=UserFactory())
    with pytest.raises(TokenInvalid):
        check(issued)


def test_the_check_writes_nothing_also_where_it_refuses(issued, user):
    type(user).objects.update(password="changed behind our back")
    before = row(issued.session)
    with pytest.raises(SessionRevoked):
        check(issued)
    assert row(issued.session) == before
    with pytest.raises(PasswordChanged):
        lifecycle.rotate(issued.refresh)


# Revoke


def test_a_session_is_ended_once(issued, user):
    assert lifecycle.revoke_session(issued.session.pk, actor=user, device=PHONE)
    assert not lifecycle.revoke_session(issued.session.pk)
    session = stored(issued)
    assert (session.revoked_at, session.revocation_reason) == (START, RevocationReason.LOGOUT)
    event = SessionEvent.objects.get(kind=EventKind.REVOKED)
    assert (event.actor, event.reason) == (user, RevocationReason.LOGOUT)
    assert event.ip_address == PHONE.ip_address


def test_a_session_can_be_ended_for_its_own_user_only(issued, user):
    assert not lifecycle.revoke_session(issued.session.pk, user=UserFactory())
    assert lifecycle.revoke_session(issued.session.pk, user=user)


def test_what_is_over_is_not_ended_again(issued, clock):
    clock.shift(IDLE)
    assert not lifecycle.revoke_session(issued.session.pk)
    assert stored(issued).revoked_at is None


def test_all_sessions_of_a_user_end_but_for_the_kept_one(issued, user):
    others = [lifecycle.start_session(user) for _ in range(3)]
    stranger = lifecycle.start_session(UserFactory())
    assert lifecycle.revoke_sessions_of(user, keep=issued.session.pk) == 3
    assert all(stored(other).revocation_reason == "logout_all" for other in others)
    for alive in (issued, stranger):
        lifecycle.rotate(alive.refresh)


def test_a_set_of_sessions_of_several_users_ends_together(issued):
    lifecycle.start_session(UserFactory())
    assert lifecycle.revoke_sessions(Session.objects.all()) == 2
    assert {s.revocation_reason for s in Session.objects.all()} == {RevocationReason.ADMIN}
    assert SessionEvent.objects.filter(kind=EventKind.REVOKED).count() == 2


def test_a_refresh_token_of_any_generation_and_age_ends_its_session(issued, clock):
    lifecycle.rotate(issued.refresh)
    clock.shift(IDLE - SECOND)
    assert lifecycle.revoke_by_token(issued.refresh)
    assert not lifecycle.revoke_by_token(issued.refresh)


def test_a_token_that_is_not_ours_or_not_theirs_ends_nothing(issued, user):
    forged = tokens.mint_refresh(
        session_id=issued.session.pk,
        user_id=str(user.pk),
        generation=1,
        secret=tokens.new_secret(),
        issued_at=START,
        expires_at=START + IDLE,
    )
    assert not lifecycle.revoke_by_token("junk")
    assert not lifecycle.revoke_by_token(forged)
    assert not lifecycle.revoke_by_token(issued.refresh, user=UserFactory())
    assert stored(issued).revoked_at is None
    assert lifecycle.revoke_by_token(issued.refresh, user=user)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lifetime": timedelta(0)},
        {"lifetime": -SECOND},
        {"auth_method": "x" * 33},
    ],
    ids=str,
)
def test_a_sign_in_that_could_not_be_stored_or_used_is_refused_before_a_write(
    user, wrong, django_assert_num_queries
):
    with django_assert_num_queries(0), pytest.raises(ValueError, match="must"):
        lifecycle.start_session(user, **wrong)
    assert lifecycle.start_session(user, auth_method="x" * 32, lifetime=SECOND)


def test_all_sessions_of_a_user_can_be_ended_by_the_users_key(issued, user):
    stranger = lifecycle.start_session(UserFactory())
    assert lifecycle.revoke_sessions_of(10**6) == 0
    assert lifecycle.revoke_sessions_of(user.pk) == 1
    assert stored(stranger).revoked_at is None
    assert SessionEvent.objects.get(kind=EventKind.REVOKED).user == user
