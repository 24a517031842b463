"""Real threads and processes against a real database: nothing here is simulated."""

import os
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from tests import races
from tests.crew import Crew
from token_lifecycle import lifecycle
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = int(os.environ.get("RACE_ROUNDS", "50"))


@pytest.fixture(scope="module")
def crowd(django_db_setup):
    """32 threads and 8 processes."""
    with Crew(threads=32, processes=8) as crew:
        yield crew


@pytest.fixture(scope="module")
def crew(django_db_setup):
    """6 threads and 2 processes."""
    with Crew(threads=6, processes=2) as crew:
        yield crew


@pytest.fixture(scope="module")
def doorway(django_db_setup):
    """16 threads that sign in, and one that watches."""
    with Crew(threads=17) as crew:
        yield crew


def test_of_simultaneous_refreshes_one_advances_and_every_answer_works(crowd):
    issued = lifecycle.start_session(UserFactory())
    presented, session = issued.refresh, issued.session
    for generation in range(1, ROUNDS + 1):
        answers = crowd.run(*[(races.refresh, presented)] * crowd.size)
        assert {answer.status for answer in answers} == {200}
        session.refresh_from_db()
        assert session.generation == generation + 1
        # One line: all of them were given the very same successor.
        (presented,) = {answer.refresh for answer in answers}
        assert all(races.check_access(answer.access) for answer in answers)
    assert races.refresh(presented).status == 200
    assert Session.objects.count() == 1


def test_without_a_grace_one_simultaneous_refresh_succeeds_and_the_session_ends(crowd, options):
    options(REUSE_GRACE_PERIOD=timedelta(0))
    user = UserFactory()
    for _ in range(ROUNDS):
        issued = lifecycle.start_session(user)
        answers = crowd.run(*[(races.refresh, issued.refresh)] * crowd.size)
        winners = [answer for answer in answers if answer.status == 200]
        losers = {answer.code for answer in answers if answer.status != 200}
        assert len(winners) == 1
        assert losers <= {"token_reused", "session_revoked"}
        issued.session.refresh_from_db()
        assert issued.session.generation == 2
        assert issued.session.revocation_reason == RevocationReason.REUSE_DETECTED
        assert races.refresh(winners[0].refresh).code == "session_revoked"


def test_a_stolen_token_presented_many_times_at_once_is_recorded_once(crew):
    for _ in range(ROUNDS):
        issued = lifecycle.start_session(UserFactory())
        stolen, session = issued.refresh, issued.session
        lifecycle.rotate(stolen)
        long_ago = timezone.now() - timedelta(minutes=5)
        Session.objects.update(rotated_at=long_ago, burst_started_at=long_ago)
        answers = crew.run(*[(races.refresh, stolen)] * crew.size)
        codes = sorted(answer.code for answer in answers)
        assert codes == ["session_revoked"] * (crew.size - 1) + ["token_reused"]
        events = SessionEvent.objects.filter(session=session)
        assert events.filter(kind=EventKind.REUSE_DETECTED).count() == 1
        assert events.filter(kind=EventKind.REVOKED).count() == 1


@pytest.mark.parametrize(
    "end",
    [
        races.log_out_everywhere,
        races.end_by_staff,
        races.change_password,
        races.deactivate,
        races.delete,
        races.replace_password_unnoticed,
        races.deactivate_unnoticed,
    ],
)
def test_no_refresh_in_flight_outlives_what_ends_its_session(crew, end):
    for _ in range(ROUNDS):
        user = UserFactory()
        sessions = [lifecycle.start_session(user) for _ in range(3)]
        # The job that ends them stands in the middle, or it would always come last or first.
        clients = [(races.refresh_again_and_again, s.refresh) for s in sessions * 2]
        results = crew.run(*clients[:2], (end, user.pk), *clients[2:])
        answers = [answer for i, result in enumerate(results) if i != 2 for answer in result]
        assert {answer.status for answer in answers} <= {200, 401}
        seen = {answer.refresh for answer in answers if answer.refresh}
        for token in seen | {issued.refresh for issued in sessions}:
            assert races.refresh(token).status == 401
        if end not in {races.replace_password_unnoticed, races.deactivate_unnoticed}:
            assert not Session.objects.filter(revoked_at=None).exists()


def test_a_session_ended_amid_refreshes_is_recorded_once(crew):
    for _ in range(ROUNDS):
        user = UserFactory()
        issued = lifecycle.start_session(user)
        refreshing = [(races.refresh_again_and_again, issued.refresh)] * 4
        enders = (races.log_out_everywhere, user.pk), (races.end_by_staff, user.pk)
        ended = crew.run(*refreshing, *enders)[-2:]
        assert sorted(ended) == [0, 1]
        events = SessionEvent.objects.filter(session=issued.session, kind=EventKind.REVOKED)
        assert events.count() == 1


def test_of_several_who_end_a_session_at_once_one_does_however_they_found_it(crew):
    for _ in range(ROUNDS):
        user = UserFactory()
        sessions = [lifecycle.start_session(user).session.pk for _ in range(3)]
        searching = [(races.end_by_staff_who_searched, user.get_username())] * 6
        ended = crew.run(*searching, (races.log_out_everywhere, user.pk))
        assert sorted(ended) == [0] * 6 + [3]
        events = SessionEvent.objects.filter(session__in=sessions, kind=EventKind.REVOKED)
        assert events.count() == 3


@pytest.mark.parametrize("policy", ["evict_oldest", "refuse"])
def test_simultaneous_sign_ins_never_exceed_the_session_limit(doorway, options, policy):
    options(MAX_SESSIONS_PER_USER=2, SESSION_LIMIT_POLICY=policy)
    for _ in range(ROUNDS):
        user = UserFactory()
        sign_ins = [(races.start_session, user.pk)] * 16
        most, *tokens = doorway.run((races.most_live_sessions, user.pk), *sign_ins)
        assert most <= 2
        assert Session.objects.of(user).live(timezone.now()).count() == 2
        refused = tokens.count(None)
        assert refused == (14 if policy == "refuse" else 0)
        answers = [races.refresh(token).status for token in tokens if token]
        assert answers.count(200) == 2


def test_simultaneous_sign_ins_each_make_room_for_themselves(doorway, options):
    """Each replaces its browser's own session, in one transaction, at a limit that is reached."""
    options(MAX_SESSIONS_PER_USER=8, SESSION_LIMIT_POLICY="refuse", THROTTLE_RATES=None)
    for _ in range(min(ROUNDS, 10)):
        user = UserFactory()
        held = [lifecycle.start_session(user).refresh for _ in range(8)]
        credentials = user.get_username(), PASSWORD
        sign_ins = [(races.sign_in_again, *credentials, token) for token in held]
        assert set(doorway.run(*sign_ins)[:8]) == {200}
        assert Session.objects.of(user).live(timezone.now()).count() == 8
        ended = Session.objects.of(user).filter(revocation_reason=RevocationReason.REPLACED)
        assert ended.count() == 8


def test_a_re_hash_by_simultaneous_sign_ins_logs_nobody_out(crew, settings):
    settings.PASSWORD_HASHERS = ["tests.races.StrongHasher"]
    user = UserFactory()
    weak = make_password(PASSWORD, hasher=races.WeakHasher())
    credentials = user.get_username(), PASSWORD
    for _ in range(ROUNDS):
        type(user).objects.update(password=weak)
        user.refresh_from_db()
        before = [lifecycle.start_session(user).refresh for _ in range(4)]
        refreshing = [(races.refresh_again_and_again, token) for token in before]
        signing_in = [(races.sign_in_with_password, *credentials)] * 4
        # Processes know nothing of the hashers of this test and get none of the sign-ins.
        *results, a, b, c, d = crew.run(*refreshing, *signing_in)
        answers = [answer for result in results for answer in result]
        assert {answer.status for answer in answers} == {200}
        newest = {result[-1].refresh for result in results} | {a, b, c, d}
        assert {races.refresh(token).status for token in newest} == {200}
        user.refresh_from_db()
        assert user.password != weak


def test_a_password_change_that_keeps_a_session_deadlocks_with_nobody(crew, options):
    """A block cannot be run again: it has to win or to wait its turn."""
    options(MAX_SESSIONS_PER_USER=3)
    for _ in range(ROUNDS):
        user = UserFactory()
        one, other = (lifecycle.start_session(user).session for _ in range(2))
        crew.run(
            (races.change_password_and_keep, user.pk, one.pk),
            (races.start_session, user.pk),
            (races.change_password_and_keep, user.pk, other.pk),
            (races.start_session, user.pk),
            (races.start_session, user.pk),
        )
        # Each change ended the session that the other one would have kept.
        assert Session.objects.filter(pk__in=[one.pk, other.pk], revoked_at=None).count() <= 1


@pytest.mark.parametrize("end", [races.deactivate_in_a_transaction, races.delete])
def test_a_password_change_that_keeps_a_session_deadlocks_with_no_end_of_its_user(crew, end):
    for _ in range(ROUNDS):
        user = UserFactory()
        session = lifecycle.start_session(user).session
        crew.run((end, user.pk), (races.change_password_of_somebody_and_keep, user.pk, session.pk))
        assert not Session.objects.filter(revoked_at=None).exists()
