"""What always holds, one test each; in detail they are tested where the modules are.

The races are short here; ``test_races`` runs them with a crowd and for many rounds.
"""

import logging
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import races
from tests.crew import Crew
from token_lifecycle import journal, lifecycle, tokens
from token_lifecycle.device import Device
from token_lifecycle.exceptions import TokenLifecycleError, TokenRefused, TokenReused
from token_lifecycle.models import RevocationReason, Session, SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory, authorization

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
GRACE = timedelta(seconds=10)
PHONE = Device(ip_address="192.0.2.7", user_agent="Phone/2.0")
LAPTOP = Device(ip_address="192.0.2.8", user_agent="Laptop/1.0")
ROUNDS = 8


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture(scope="module")
def crew(django_db_setup):
    with Crew(threads=8) as crew:
        yield crew


def is_live(issued):
    """Whether a refresh succeeds, and the access token opens a door."""
    try:
        lifecycle.check_access(tokens.parse_access(issued.access))
        lifecycle.rotate(issued.refresh)
    except TokenRefused:
        return False
    return True


def is_refused(token, **about):
    with pytest.raises(TokenRefused):
        lifecycle.rotate(token, **about)
    return True


def everything_stored():
    """Every row of this app as one text."""
    rows = [*Session.objects.order_by("pk").values(), *SessionEvent.objects.order_by("pk").values()]
    return "\n".join(map(str, rows))


def test_invariant_01_of_parallel_refreshes_one_generation_advances_and_one_line_lives(crew, user):
    issued = lifecycle.start_session(user)
    token = issued.refresh
    for generation in range(1, ROUNDS + 1):
        answers = crew.run(*[(races.refresh, token)] * crew.size)
        assert {answer.status for answer in answers} == {200}
        (token,) = {answer.refresh for answer in answers}
        issued.session.refresh_from_db()
        assert issued.session.generation == generation + 1
    assert Session.objects.filter(revoked_at=None).count() == 1


def test_invariant_02_inside_grace_every_presenter_goes_on_and_outside_it_the_session_dies(
    user, clock
):
    issued = lifecycle.start_session(user)
    clock.shift(3600)
    successor = lifecycle.rotate(issued.refresh)
    for wait in (timedelta(0), GRACE / 2, GRACE / 2):
        clock.shift(wait)
        assert lifecycle.rotate(issued.refresh).refresh == successor.refresh
    latest = lifecycle.rotate(successor.refresh)
    clock.shift(GRACE + timedelta(microseconds=1))
    with pytest.raises(TokenReused):
        lifecycle.rotate(successor.refresh)
    assert not is_live(latest)


@pytest.mark.parametrize("reason", RevocationReason.values)
def test_invariant_03_once_revoked_by_anyone_no_refresh_succeeds_again(user, monkeypatch, reason):
    issued = lifecycle.start_session(user)
    claim = type(Session.objects).claim

    def revoked_in_flight(self, *args, **kwargs):
        """Between the reading and the claim of a refresh somebody ends the session."""
        lifecycle.revoke_session(issued.session.pk, reason=reason)
        return claim(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(type(Session.objects), "claim", revoked_in_flight)
        assert is_refused(issued.refresh)
    user.is_active = False
    user.save()
    user.is_active = True
    user.save()
    assert is_refused(issued.refresh)
    assert not is_live(issued)


def test_invariant_04_reuse_ends_that_session_and_no_other(user, clock):
    stolen, *others = (lifecycle.start_session(user) for _ in range(3))
    others.append(lifecycle.start_session(UserFactory()))
    lifecycle.rotate(stolen.refresh)
    clock.shift(timedelta(minutes=1))
    with pytest.raises(TokenReused):
        lifecycle.rotate(stolen.refresh)
    assert [is_live(other) for other in others] == [True, True, True]
    assert Session.objects.filter(revoked_at=None).count() == 3


def test_invariant_05_no_rotation_moves_the_end_and_nothing_outlives_it(user, clock):
    issued = lifecycle.start_session(user)
    end = issued.session.expires_at
    while timezone.now() < end - timedelta(minutes=5):
        soon = timezone.now() + timedelta(days=4)
        clock.move_to(min(soon, end - timedelta(minutes=5)), tick=False)
        issued = lifecycle.rotate(issued.refresh)
        assert Session.objects.get().expires_at == end
        assert max(issued.access_expires_at, issued.refresh_expires_at) <= end
    assert issued.access_expires_at == end
    clock.move_to(end, tick=False)
    assert is_refused(issued.refresh)
    assert is_refused(issued.refresh, now=end + timedelta(days=1))
    assert not is_live(issued)


def test_invariant_06_a_crash_between_claim_and_answer_loses_nothing_and_forks_nothing(
    user, monkeypatch
):
    issued = lifecycle.start_session(user)

    def crash(*args, **about):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(journal, "announce", crash)
        with pytest.raises(ZeroDivisionError):
            lifecycle.rotate(issued.refresh)
    successors = {lifecycle.rotate(issued.refresh).refresh for _ in range(3)}
    assert len(successors) == 1
    assert lifecycle.rotate(successors.pop()).session.generation == 3


WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


def refuse(token):
    """Present a token in vain; the writing statements it took."""
    with CaptureQueriesContext(connection) as captured:
        assert is_refused(token, device=LAPTOP)
    sent = [query["sql"] for query in captured.captured_queries]
    assert len(sent) <= 9
    return [sql for sql in sent if sql.startswith(WRITES)]


def test_invariant_07_a_refusal_writes_nothing_but_the_first_discovery(user, clock):
    stolen, changed, ended, expired = (lifecycle.start_session(user) for _ in range(4))
    burst = lifecycle.rotate(lifecycle.rotate(lifecycle.start_session(user).refresh).refresh)
    superseded = lifecycle.start_session(user)
    lifecycle.rotate(lifecycle.rotate(superseded.refresh).refresh)
    lifecycle.revoke_session(ended.session.pk)
    Session.objects.filter(pk=expired.session.pk).update(expires_at=START)
    for token in (superseded, ended, expired):
        before = everything_stored()
        assert refuse(token.refresh) == refuse(token.refresh) == []
        assert refuse(token.refresh + "=") == refuse(token.access) == []
        assert everything_stored() == before
    lifecycle.rotate(stolen.refresh)
    clock.shift(timedelta(minutes=1))
    assert len(refuse(stolen.refresh)) == 4  # the end, its notice and two events
    assert refuse(stolen.refresh) == []
    type(user).objects.update(password="changed behind our back")
    assert len(refuse(changed.refresh)) == 3
    assert refuse(changed.refresh) == []
    type(user).objects.update(is_active=False)
    assert len(refuse(burst.refresh)) == 3
    assert refuse(burst.refresh) == []


JWT = re.compile(r"eyJ[\w-]+\.|[\w-]{22}\.")


def test_invariant_08_no_token_secret_or_password_is_written_down_anywhere(
    user, clock, api, caplog, settings
):
    caplog.set_level(logging.DEBUG)
    settings.DEBUG = True  # Django's log of statements included
    issued = lifecycle.start_session(user, device=PHONE)
    rotated = lifecycle.rotate(issued.refresh, device=LAPTOP)
    seen = [issued.access, issued.refresh, rotated.access, rotated.refresh]
    errors = []
    clock.shift(timedelta(minutes=1))
    for token in (issued.refresh, rotated.refresh, rotated.refresh + "=", "junk"):
        with pytest.raises(TokenLifecycleError) as caught:
            lifecycle.rotate(token)
        errors.append(caught.value)
    api.post("/auth/obtain/", {"username": user.get_username(), "password": PASSWORD})
    api.post("/auth/obtain/", {"username": user.get_username(), "password": PASSWORD + "x"})
    api.get("/whoami/", **authorization(issued))
    parsed = tokens.parse_refresh(rotated.refresh, now=START)
    written = [everything_stored(), caplog.text, repr(issued), repr(rotated), repr(parsed)]
    written += [f"{error} {error!r} {error.__dict__}" for error in errors]
    written += map(repr, [*Session.objects.all(), *SessionEvent.objects.all()])
    text = "\n".join(written)
    for secret in (*seen, parsed.secret, PASSWORD):
        assert secret not in text
    assert not JWT.search(text)


@pytest.mark.parametrize("generation", [0, -1, True, 1.0, "1", None, 2**31 - 1, 2**31, 10**400])
def test_invariant_08_a_generation_is_bounded_before_it_reaches_the_database(user, generation):
    issued = lifecycle.start_session(user)
    forged = tokens.mint_refresh(
        session_id=issued.session.pk,
        user_id=str(user.pk),
        generation=generation,
        secret=tokens.parse_refresh(issued.refresh, now=timezone.now()).secret,
        issued_at=issued.issued_at,
        expires_at=issued.refresh_expires_at,
    )
    with CaptureQueriesContext(connection) as captured:
        assert is_refused(forged)
    assert captured.captured_queries == []


def test_invariant_09_rows_depend_on_sign_ins_and_not_on_refreshes(user, clock):
    for sign_ins in (1, 2, 3):
        token = lifecycle.start_session(user, device=PHONE).refresh
        for _ in range(30):
            clock.shift(60)
            token = lifecycle.rotate(token, device=PHONE).refresh
        assert Session.objects.count() == SessionEvent.objects.count() == sign_ins


def test_invariant_10_a_re_hash_under_load_logs_nobody_out(crew, user, settings):
    settings.PASSWORD_HASHERS = ["tests.races.StrongHasher"]
    weak = make_password(PASSWORD, hasher=races.WeakHasher())
    for _ in range(ROUNDS):
        type(user).objects.update(password=weak)
        user.refresh_from_db()
        before = [lifecycle.start_session(user).refresh for _ in range(4)]
        refreshing = [(races.refresh_again_and_again, token) for token in before]
        signing_in = [(races.sign_in_with_password, user.get_username(), PASSWORD)] * 4
        results = crew.run(*refreshing, *signing_in)
        newest = [answers[-1].refresh for answers in results[:4]] + results[4:]
        assert [races.refresh(token).status for token in newest] == [200] * 8


def change_noticed(user):
    user.set_password("another pass phrase")
    user.save()


def change_unnoticed(user):
    type(user).objects.filter(pk=user.pk).update(password=make_password("another pass phrase"))


@pytest.mark.parametrize("change", [change_noticed, change_unnoticed])
def test_invariant_10_a_password_change_logs_out_every_other_session(user, change):
    kept, *others = (lifecycle.start_session(user) for _ in range(4))
    stranger = lifecycle.start_session(UserFactory())
    with lifecycle.keep_session(kept.session.pk):
        change(user)
    assert [is_live(other) for other in others] == [False, False, False]
    assert is_live(kept)
    assert is_live(stranger)


@pytest.mark.parametrize("policy", ["evict_oldest", "refuse"])
def test_invariant_11_parallel_sign_ins_never_exceed_the_session_limit(crew, settings, policy):
    limit = {"MAX_SESSIONS_PER_USER": 2, "SESSION_LIMIT_POLICY": policy}
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, **limit}
    for _ in range(ROUNDS):
        user = UserFactory()
        sign_ins = [(races.start_session, user.pk)] * (crew.size - 1)
        most, *_ = crew.run((races.most_live_sessions, user.pk), *sign_ins)
        assert most <= 2
        assert Session.objects.of(user).live(timezone.now()).count() == 2
