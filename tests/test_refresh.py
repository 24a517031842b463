"""The verb rotate: the refresh rule as a project calls it, with the clock in the test's hand."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, transaction
from django.test import override_settings

from tests.sign_ins import (
    GRACE,
    IDLE,
    LAPTOP,
    LIFETIME,
    PHONE,
    SECOND,
    START,
    claims,
    kinds,
    row,
    stored,
)
from token_lifecycle import binding, lifecycle, refresh, tokens
from token_lifecycle.claims import MAX_GENERATION
from token_lifecycle.device import Device
from token_lifecycle.exceptions import (
    SessionExpired,
    SessionRevoked,
    TokenExpired,
    TokenInvalid,
    TokenReused,
    TokenSuperseded,
    Unavailable,
)
from token_lifecycle.managers import SessionManager
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def issued(clock, user):
    return lifecycle.start_session(user, device=LAPTOP)


def test_a_rotation_moves_the_refresh_state_and_nothing_else(issued, clock):
    before = row(issued.session)
    clock.shift(3600)
    rotated = lifecycle.rotate(issued.refresh, device=LAPTOP)
    now = START + timedelta(hours=1)
    assert row(issued.session) == before | {
        "generation": 2,
        "rotated_at": now,
        "burst_generation": 1,
        "burst_started_at": now,
        "idle_expires_at": now + IDLE,
    }
    assert claims(rotated.refresh)["gen"] == 2
    assert kinds() == [EventKind.STARTED]


def test_the_successor_differs_from_its_token_and_carries_the_same_secret(issued, clock):
    clock.shift(60)
    old, new = claims(issued.refresh), claims(lifecycle.rotate(issued.refresh).refresh)
    assert new["jti"] != old["jti"]
    assert {k: new[k] for k in ("sid", "sec", "user_id")} == {
        k: old[k] for k in ("sid", "sec", "user_id")
    }


def test_a_retry_gets_the_successor_that_exists_already_to_the_letter(issued, clock):
    clock.shift(3600)
    first = lifecycle.rotate(issued.refresh)
    before = row(issued.session)
    clock.shift(GRACE)
    again = lifecycle.rotate(issued.refresh, device=PHONE)
    assert again.refresh == first.refresh
    assert again.access != first.access
    assert row(issued.session) == before
    assert lifecycle.rotate(again.refresh).session.generation == 3


def test_after_grace_a_consumed_token_ends_the_session(issued, clock):
    rotated = lifecycle.rotate(issued.refresh)
    clock.shift(GRACE + SECOND)
    with pytest.raises(TokenReused) as caught:
        lifecycle.rotate(issued.refresh, device=PHONE)
    session = stored(issued)
    assert caught.value.session_id == session.pk
    assert session.revocation_reason == RevocationReason.REUSE_DETECTED
    for token in (issued.refresh, rotated.refresh):
        with pytest.raises(SessionRevoked):
            lifecycle.rotate(token)
    event = SessionEvent.objects.get(kind=EventKind.REUSE_DETECTED)
    assert (event.generation, event.ip_address) == (1, PHONE.ip_address)
    assert kinds() == [EventKind.STARTED, EventKind.REVOKED, EventKind.REUSE_DETECTED]


def test_reuse_is_found_out_by_an_expired_token_too(issued, clock):
    token = issued.refresh
    newest = token
    for _ in range(3):
        clock.shift(timedelta(days=7))
        newest = lifecycle.rotate(newest).refresh
    assert tokens.parse_refresh(token, now=START + timedelta(days=21)).expired
    with pytest.raises(TokenReused):
        lifecycle.rotate(token)
    assert stored(issued).revoked_at is not None


def test_a_straggler_of_a_burst_is_refused_and_harms_nothing(issued, clock):
    newest = issued.refresh
    for _ in range(3):
        newest = lifecycle.rotate(newest).refresh
    before = row(issued.session)
    with pytest.raises(TokenSuperseded):
        lifecycle.rotate(issued.refresh)
    assert row(issued.session) == before
    assert lifecycle.rotate(newest).session.generation == 5


def test_a_thief_who_rotates_every_few_seconds_loses_the_session(issued, clock):
    stolen = lifecycle.rotate(issued.refresh).refresh
    for _ in range(6):
        clock.shift(4)
        stolen = lifecycle.rotate(stolen).refresh
    with pytest.raises(TokenReused):
        lifecycle.rotate(issued.refresh)
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(stolen)


def test_without_a_grace_a_repeat_at_once_is_reuse(issued, options):
    options(REUSE_GRACE_PERIOD=timedelta(0))
    rotated = lifecycle.rotate(issued.refresh)
    with pytest.raises(TokenReused):
        lifecycle.rotate(issued.refresh)
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(rotated.refresh)


def test_a_row_that_lost_commits_catches_up_with_the_token_and_says_so(issued, clock):
    newest = issued.refresh
    for _ in range(4):
        newest = lifecycle.rotate(newest).refresh
    backup = dict.fromkeys(("rotated_at", "burst_started_at"), START)
    Session.objects.update(generation=2, burst_generation=1, **backup)
    clock.shift(60)
    caught_up = lifecycle.rotate(newest, device=PHONE)
    session = stored(issued)
    assert session.generation == claims(caught_up.refresh)["gen"] == 6
    assert (session.burst_generation, session.rotated_at) == (5, START + timedelta(minutes=1))
    event = SessionEvent.objects.get(kind=EventKind.CAUGHT_UP)
    assert (event.generation, event.session) == (5, session)
    assert lifecycle.rotate(newest).refresh == caught_up.refresh


def test_the_next_generation_of_the_largest_token_still_fits_the_column(issued):
    secret = claims(issued.refresh)["sec"]
    token = tokens.mint_refresh(
        session_id=issued.session.pk,
        user_id=str(issued.session.user_id),
        generation=MAX_GENERATION,
        secret=secret,
        issued_at=START,
        expires_at=START + IDLE,
    )
    lifecycle.rotate(token)
    assert stored(issued).generation == 2**31 - 1
    with pytest.raises(TokenInvalid):
        lifecycle.rotate(lifecycle.rotate(token).refresh)


def test_another_client_is_recorded_once_and_its_address_kept(issued):
    rotated = lifecycle.rotate(issued.refresh, device=PHONE)
    session = stored(issued)
    assert (session.user_agent, session.ip_address) == (PHONE.user_agent, PHONE.ip_address)
    assert session.device_name == LAPTOP.name
    lifecycle.rotate(rotated.refresh, device=PHONE)
    event = SessionEvent.objects.get(kind=EventKind.NEW_CLIENT)
    assert (event.user_agent, event.generation) == (PHONE.user_agent, 1)


@pytest.mark.parametrize("device", [None, Device(ip_address="198.51.100.1")])
def test_a_refresh_that_does_not_say_who_it_is_is_no_new_client(issued, device):
    lifecycle.rotate(issued.refresh, device=device)
    assert stored(issued).user_agent == LAPTOP.user_agent
    assert kinds() == [EventKind.STARTED]


def test_the_first_client_of_a_session_that_began_without_one_is_no_new_client(user):
    issued = lifecycle.start_session(user)
    lifecycle.rotate(issued.refresh, device=PHONE)
    assert stored(issued).user_agent == PHONE.user_agent
    assert kinds() == [EventKind.STARTED]


def test_rotations_are_recorded_only_when_asked_for(issued, options):
    options(RECORD_ROTATIONS=True)
    second = lifecycle.rotate(issued.refresh, device=LAPTOP)
    lifecycle.rotate(issued.refresh, device=LAPTOP)  # a retry is none
    lifecycle.rotate(second.refresh, device=LAPTOP)
    events = SessionEvent.objects.filter(kind=EventKind.ROTATED).order_by("pk")
    assert [event.generation for event in events] == [1, 2]


def test_idle_and_absolute_limits_end_a_session_by_themselves(issued, clock):
    with pytest.raises(SessionExpired):
        lifecycle.rotate(issued.refresh, now=START + IDLE)
    rotated = lifecycle.rotate(issued.refresh, now=START + IDLE - SECOND)
    clock.move_to(START + 2 * IDLE - 2 * SECOND, tick=False)
    rotated = lifecycle.rotate(rotated.refresh)
    assert rotated.refresh_expires_at == START + LIFETIME
    clock.move_to(START + LIFETIME, tick=False)
    with pytest.raises(SessionExpired):
        lifecycle.rotate(rotated.refresh)
    assert stored(issued).revoked_at is None


def test_a_token_past_its_own_expiry_is_expired_though_the_session_lives(issued, clock, options):
    options(IDLE_TIMEOUT=LIFETIME)
    Session.objects.update(idle_expires_at=START + LIFETIME)
    clock.shift(IDLE)
    with pytest.raises(TokenExpired):
        lifecycle.rotate(issued.refresh)


def test_what_is_not_ours_is_refused_and_ends_nothing(issued, user):
    wrong = {
        "session_id": uuid4(),
        "user_id": str(UserFactory().pk),
        "secret": tokens.new_secret(),
    }
    right = {
        "session_id": issued.session.pk,
        "user_id": str(user.pk),
        "secret": claims(issued.refresh)["sec"],
    }
    for name, value in wrong.items():
        forged = tokens.mint_refresh(
            **right | {name: value}, generation=1, issued_at=START, expires_at=START + IDLE
        )
        with pytest.raises(TokenInvalid):
            lifecycle.rotate(forged)
    for junk in ("", "a.b.c", issued.refresh + "=", issued.access):
        with pytest.raises(TokenInvalid):
            lifecycle.rotate(junk)
    assert lifecycle.rotate(issued.refresh).session.generation == 2


def test_an_old_token_of_a_session_that_was_removed_is_expired(issued, clock):
    Session.objects.all().delete()
    with pytest.raises(TokenInvalid):
        lifecycle.rotate(issued.refresh)
    clock.shift(IDLE)
    with pytest.raises(TokenExpired):
        lifecycle.rotate(issued.refresh)


def test_parsed_claims_are_as_good_as_the_text(issued):
    parsed = tokens.parse_refresh(issued.refresh, now=START)
    assert lifecycle.rotate(parsed).session.generation == 2


def test_the_moment_may_be_passed_in(issued):
    now = START + timedelta(hours=2)
    assert lifecycle.rotate(issued.refresh, now=now).issued_at == now
    assert stored(issued).rotated_at == now


def test_rotate_refuses_to_run_inside_a_transaction(issued):
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        lifecycle.rotate(issued.refresh)
    assert stored(issued).generation == 1


@pytest.mark.django_db(transaction=True)
def test_rotate_refuses_to_run_where_nothing_is_committed(issued):
    """``AUTOCOMMIT`` off: a claim would be lost, and the client would hold the token it won."""
    transaction.set_autocommit(False)
    try:
        with pytest.raises(RuntimeError, match="without autocommit"):
            lifecycle.rotate(issued.refresh)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert stored(issued).generation == 1


def test_a_claims_hook_adds_to_the_access_token_alone(user, options):
    options(ACCESS_CLAIMS=lambda session, user: {"name": user.get_username()})
    issued = lifecycle.start_session(user)
    rotated = lifecycle.rotate(issued.refresh)
    for pair in (issued, rotated):
        assert claims(pair.access)["name"] == user.get_username()
        assert "name" not in claims(pair.refresh)


def test_a_claims_hook_must_not_replace_what_the_app_relies_on(issued, options):
    options(ACCESS_CLAIMS=lambda session, user: {"sid": "another"})
    with pytest.raises(ImproperlyConfigured):
        lifecycle.rotate(issued.refresh)
    assert stored(issued).generation == 1


def lose(monkeypatch, *, times, error=None):
    """Make the first claims lose, as if another request had been faster each time."""
    claim, left = SessionManager.claim, [times]

    def losing(self, *args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            return claim(self, *args, **kwargs)
        if error is not None:
            raise error
        return False

    monkeypatch.setattr(SessionManager, "claim", losing)


DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock")


@pytest.mark.parametrize("error", [None, DEADLOCK])
def test_whoever_loses_a_race_reads_again_and_is_judged_again(issued, monkeypatch, error):
    lose(monkeypatch, times=refresh.ATTEMPTS - 1, error=error)
    assert lifecycle.rotate(issued.refresh).session.generation == 2


@pytest.mark.parametrize("error", [None, DEADLOCK])
def test_whoever_always_loses_is_told_to_wait_and_keeps_the_token(issued, monkeypatch, error):
    lose(monkeypatch, times=refresh.ATTEMPTS, error=error)
    with pytest.raises(Unavailable):
        lifecycle.rotate(issued.refresh)
    assert lifecycle.rotate(issued.refresh).session.generation == 2


def test_a_database_that_fails_for_another_reason_is_not_asked_again(issued, monkeypatch):
    lose(monkeypatch, times=1, error=OperationalError("server closed the connection"))
    with pytest.raises(OperationalError):
        lifecycle.rotate(issued.refresh)


def test_reuse_of_a_session_that_somebody_else_ends_at_the_same_moment_is_only_revoked(
    issued, clock, monkeypatch
):
    lifecycle.rotate(issued.refresh)
    clock.shift(GRACE + SECOND)
    end = lifecycle.journal.end

    def end_by_staff_first(sessions, **about):
        Session.objects.all().revoke(reason=RevocationReason.ADMIN, now=START)
        return end(sessions, **about)

    monkeypatch.setattr(lifecycle.journal, "end", end_by_staff_first)
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(issued.refresh)
    assert stored(issued).revocation_reason == RevocationReason.ADMIN
    assert kinds() == [EventKind.STARTED]


def test_a_password_bound_anew_between_reading_and_ending_is_no_password_change(
    issued, user, monkeypatch
):
    """The row is read, bound to the new password by somebody else, and judged by what was read."""
    type(user).objects.update(password="changed behind our back")
    end = lifecycle.journal.end

    def bind_anew_first(sessions, **about):
        user.refresh_from_db()
        Session.objects.update(auth_hash=binding.auth_hash(user))
        return end(sessions, **about)

    monkeypatch.setattr(lifecycle.journal, "end", bind_anew_first)
    assert lifecycle.rotate(issued.refresh).session.generation == 2


# Waiting for the database


@pytest.fixture
def overtaken(monkeypatch):
    """Let the first claim come after that of another request, which asked long before."""
    claim = SessionManager.claim

    def arrange(token, *, asked_at, times=1):
        def late(self, *arguments, **options):
            monkeypatch.setattr(SessionManager, "claim", claim)
            held = token
            for _ in range(times):
                held = lifecycle.rotate(held, now=asked_at).refresh
            return claim(self, *arguments, **options)

        monkeypatch.setattr(SessionManager, "claim", late)

    return arrange


def test_whoever_loses_to_a_request_that_waited_for_the_database_is_no_thief(issued, overtaken):
    asked_at = issued.issued_at + timedelta(hours=1)
    overtaken(issued.refresh, asked_at=asked_at)
    late = lifecycle.rotate(issued.refresh, now=asked_at + timedelta(minutes=1))
    assert late.session.generation == 2
    assert lifecycle.rotate(late.refresh, now=asked_at + timedelta(minutes=2))


def test_nor_is_who_loses_to_several_of_them(issued, overtaken):
    asked_at = issued.issued_at + timedelta(hours=1)
    overtaken(issued.refresh, asked_at=asked_at, times=3)
    with pytest.raises(TokenSuperseded):
        lifecycle.rotate(issued.refresh, now=asked_at + timedelta(minutes=1))
    assert row(issued.session)["revoked_at"] is None


def test_a_token_that_was_used_before_is_reused_however_its_session_is_bound_meanwhile(
    issued, monkeypatch
):
    """Another binding makes it a second try too, and that is no race that was lost."""
    used_at = issued.issued_at + timedelta(hours=1)
    lifecycle.rotate(issued.refresh, now=used_at)
    matches = iter([False])
    original = refresh.password_matches
    monkeypatch.setattr(refresh, "password_matches", lambda *given: next(matches, original(*given)))
    monkeypatch.setattr(refresh, "end_for_password", lambda *given: None)
    with pytest.raises(TokenReused):
        lifecycle.rotate(issued.refresh, now=used_at + timedelta(minutes=1))


GOOD_KEY = {"KID": "good", "ALGORITHM": "HS256", "SIGNING_KEY": "0123456789abcdef" * 4}
#: PyJWT signs with no key that looks like the public half of a pair.
BROKEN_KEY = GOOD_KEY | {"KID": "broken", "SIGNING_KEY": "-----BEGIN PUBLIC KEY-----"}

MISTAKES = {
    "a key that cannot sign": ({}, {"SIGNING_KEYS": [BROKEN_KEY, GOOD_KEY]}),
    "a lifetime that is none": ({"ACCESS_TOKEN_LIFETIME": 900}, {}),
    "an idle timeout that is none": ({}, {"IDLE_TIMEOUT": 900}),
    "a hook that fails": ({}, {"ACCESS_CLAIMS": lambda session, user: 1 / 0}),
}


@pytest.fixture(params=MISTAKES.values(), ids=MISTAKES)
def mistaken(request, settings):
    """Settings that work, and a function that makes a mistake in them and has it put right."""
    ours = {
        "SIGNING_KEYS": [GOOD_KEY],
        "MAX_SESSIONS_PER_USER": 1,
        "REUSE_GRACE_PERIOD": timedelta(0),
    }
    settings.SIMPLE_JWT, settings.TOKEN_LIFECYCLE = {}, ours
    of_simple_jwt, of_ours = request.param
    return lambda: override_settings(SIMPLE_JWT=of_simple_jwt, TOKEN_LIFECYCLE=ours | of_ours)


def test_a_mistake_in_the_settings_costs_nobody_their_session(user, mistaken):
    issued = lifecycle.start_session(user)
    with mistaken(), pytest.raises(Exception):  # noqa: B017  # each has its own
        lifecycle.rotate(issued.refresh)
    assert lifecycle.rotate(issued.refresh).session.generation == 2


def test_a_sign_in_that_gets_no_tokens_writes_nothing_and_ends_nobodys_session(user, mistaken):
    issued = lifecycle.start_session(user)
    with mistaken(), pytest.raises(Exception):  # noqa: B017  # each has its own
        lifecycle.start_session(user)
    assert lifecycle.rotate(issued.refresh).session.generation == 2
    assert SessionEvent.objects.count() == 1
