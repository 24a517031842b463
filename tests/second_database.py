"""The whole life of a session in a second database, beside a replica that knows of nothing.

Run by ``tests/test_custom_users.py`` in a process of its own, with ``tests.settings_router``.
"""

from datetime import timedelta

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.hashers import make_password
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from token_lifecycle import lifecycle, signals, tokens
from token_lifecycle.device import Device
from token_lifecycle.exceptions import SessionLimitReached, SessionRevoked, TokenReused
from token_lifecycle.models import RevocationReason, Session, SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory, authorization

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "people"])

sessions = Session.objects.using("people")
events = SessionEvent.objects.using("people")
users = get_user_model().objects.using("people")


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def issued(user):
    return lifecycle.start_session(user)


@pytest.fixture
def copy(user):
    """The same user in another database, as an archive has them."""
    copy = get_user_model()(pk=user.pk, username=user.username, password=user.password)
    copy.save(using="default", force_insert=True)
    return copy


@pytest.fixture(autouse=True)
def _the_replica_is_never_asked(user, request):
    """Nothing of this app is read or written anywhere but where it is written.

    Except by Django, which lets go of the sessions of a user who is deleted in that database.
    """
    if "copy" in request.fixturenames:
        yield
        return
    with CaptureQueriesContext(connections["default"]) as captured:
        yield
    assert not any("token_lifecycle" in query["sql"] for query in captured.captured_queries)


def stored(issued):
    return sessions.get(pk=issued.session.pk)


def test_a_life_over_http(api, user):
    credentials = {"username": user.get_username(), "password": PASSWORD}
    signed_in = api.post("/auth/obtain/", credentials).json()
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {signed_in['access']}"}
    assert api.get("/whoami/", **bearer).json() == {"user": str(user.pk)}
    assert api.get("/auth/sessions/", **bearer).json()["count"] == 1
    detail = f"/auth/sessions/{signed_in['session']}/"
    assert api.get(detail, **bearer).json()["current"] is True
    refreshed = api.post("/auth/refresh/", {"refresh": signed_in["refresh"]}).json()
    assert api.delete(detail, **bearer).status_code == 204
    answer = api.post("/auth/refresh/", {"refresh": refreshed["refresh"]})
    assert answer.json()["code"] == "session_revoked"
    assert events.count() == 2


def test_logout_everywhere(api, issued, user):
    lifecycle.start_session(user)
    answer = api.post("/auth/logout-all/", {}, **authorization(issued))
    assert answer.json() == {"revoked": 2}


def test_reuse_is_found_out_and_recorded(issued):
    lifecycle.rotate(issued.refresh)
    with pytest.raises(TokenReused):
        lifecycle.rotate(issued.refresh, now=timezone.now() + timedelta(minutes=1))
    assert stored(issued).revocation_reason == RevocationReason.REUSE_DETECTED
    assert events.count() == 3


def test_a_rotation_is_two_statements_there(issued):
    with CaptureQueriesContext(connections["people"]) as captured:
        lifecycle.rotate(issued.refresh)
    assert [q["sql"].split()[0] for q in captured.captured_queries] == ["SELECT", "UPDATE"]


def test_a_transaction_elsewhere_is_none_there(issued):
    with transaction.atomic(using="default"):
        lifecycle.rotate(issued.refresh)
    with transaction.atomic(using="people"), pytest.raises(RuntimeError):
        lifecycle.rotate(issued.refresh)


def test_news_waits_for_the_commit_there(user):
    heard = []

    def receive(**about):
        heard.append(about)

    signals.session_started.connect(receive)
    try:
        with transaction.atomic(using="people"):
            lifecycle.start_session(user)
            assert heard == []
        assert len(heard) == 1
    finally:
        signals.session_started.disconnect(receive)


def test_a_password_change_ends_all_sessions_but_the_kept_one(user, issued):
    kept = lifecycle.start_session(user)
    with lifecycle.keep_session(kept.session.pk):
        user.set_password("another pass phrase")
        user.save()
    assert lifecycle.rotate(kept.refresh)
    assert stored(issued).revocation_reason == RevocationReason.PASSWORD_CHANGE


def test_a_re_hash_logs_nobody_out(user, issued, settings):
    settings.PASSWORD_HASHERS = ["tests.races.StrongHasher", *settings.PASSWORD_HASHERS]
    signed_in = authenticate(username=user.get_username(), password=PASSWORD)
    assert signed_in.password != user.password
    for each in (issued, lifecycle.start_session(signed_in)):
        lifecycle.rotate(each.refresh)
        lifecycle.check_access(tokens.parse_access(each.access))


def test_deactivation_and_deletion_end_sessions(user, issued):
    user.is_active = False
    user.save()
    assert stored(issued).revocation_reason == RevocationReason.USER_DEACTIVATED
    other = lifecycle.start_session(UserFactory())
    users.get(pk=other.session.user_id).delete()
    assert stored(other).revocation_reason == RevocationReason.USER_DELETED
    assert stored(other).user is None


@pytest.mark.parametrize("policy", ["evict_oldest", "refuse"])
def test_the_session_limit_holds(user, issued, settings, policy):
    settings.TOKEN_LIFECYCLE = {"MAX_SESSIONS_PER_USER": 1, "SESSION_LIMIT_POLICY": policy}
    if policy == "refuse":
        with pytest.raises(SessionLimitReached):
            lifecycle.start_session(user)
        return
    lifecycle.start_session(user)
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(issued.refresh)


def test_sets_end_and_are_pruned_there(issued):
    assert lifecycle.revoke_sessions(Session.objects.primary()) == 1
    later = timezone.now() + timedelta(days=31)
    assert lifecycle.prune(now=later) == lifecycle.Pruned(sessions=1, events=2)


def test_a_set_that_was_picked_on_the_replica_is_ended_where_it_is_written(issued):
    assert lifecycle.revoke_sessions(Session.objects.filter(pk=issued.session.pk)) == 1


def test_what_happens_to_a_copy_of_a_user_in_another_database_ends_nothing(issued, copy):
    client = Device(ip_address="192.0.2.1", user_agent="Browser/1", name="Phone")
    issued = lifecycle.start_session(issued.session.user, device=client)
    copy.is_active = False
    copy.save(using="default")
    copy.is_active = True
    copy.set_password("another pass phrase")
    copy.save(using="default")
    copy.delete(using="default")
    session = stored(issued)
    assert session.revoked_at is None
    assert (session.ip_address, session.user_agent) == ("192.0.2.1", "Browser/1")
    assert lifecycle.rotate(issued.refresh)


def test_a_re_hash_of_a_copy_in_another_database_touches_no_user(issued, user, copy):
    copy.password = make_password(PASSWORD, salt="another")
    copy._password = None  # as check_password leaves it, which asks a router where to save
    copy.save(using="default", update_fields=["password"])
    assert users.get(pk=user.pk).password == user.password != copy.password
    assert lifecycle.rotate(issued.refresh)
