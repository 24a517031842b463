"""What a project can listen to: when, with what, and never with a token."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import transaction

from tests.forging import claims_of
from token_lifecycle import lifecycle, signals
from token_lifecycle.device import Device
from token_lifecycle.exceptions import SessionLimitReached, TokenReused
from token_lifecycle.models import RevocationReason, Session
from token_lifecycle.testing import PASSWORD, UserFactory

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PHONE = Device(ip_address="192.0.2.7", user_agent="phone", name="Anna's")
NAMES = [
    "session_started",
    "token_rotated",
    "reuse_detected",
    "database_caught_up",
    "new_client_seen",
    "session_revoked",
    "session_limit_reached",
    "everybody_ended",
]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard():
    """What was sent, in order: name and arguments."""
    messages, listeners = [], []
    for name in NAMES:

        def listen(sender, name=name, **about):
            assert sender is Session
            del about["signal"]
            messages.append((name, about))

        listeners.append((getattr(signals, name), listen))
    for signal, listen in listeners:
        signal.connect(listen)
    yield messages
    for signal, listen in listeners:
        signal.disconnect(listen)


def names(heard):
    return [name for name, _ in heard]


def test_every_signal_is_listened_to_here():
    public = {name for name, value in vars(signals).items() if isinstance(value, signals.Signal)}
    assert public == set(NAMES)


def test_a_sign_in_is_told_with_session_user_and_device(user, heard):
    issued = lifecycle.start_session(user, device=PHONE)
    about = {"session": issued.session, "user": user, "device": PHONE}
    assert heard == [("session_started", about)]


def test_a_rotation_is_told_and_a_retry_is_none(user, heard):
    issued = lifecycle.start_session(user)
    heard.clear()
    for _ in range(3):
        lifecycle.rotate(issued.refresh, device=PHONE)
    assert names(heard).count("token_rotated") == 1
    about = dict(heard)["token_rotated"]
    assert about == {"session": issued.session, "device": PHONE}


def test_another_client_is_told_with_the_one_before(user, heard):
    issued = lifecycle.start_session(user, device=Device(user_agent="laptop"))
    lifecycle.rotate(issued.refresh, device=PHONE)
    about = dict(heard)["new_client_seen"]
    assert about.keys() == {"session", "device", "previous_user_agent"}
    assert (about["device"], about["previous_user_agent"]) == (PHONE, "laptop")


def test_reuse_is_told_with_the_generation_and_ends_the_session(user, heard):
    with time_machine.travel(NOW, tick=False) as clock:
        issued = lifecycle.start_session(user)
        lifecycle.rotate(issued.refresh)
        clock.shift(timedelta(minutes=1))
        heard.clear()
        with pytest.raises(TokenReused):
            lifecycle.rotate(issued.refresh, device=PHONE)
    assert sorted(names(heard)) == ["reuse_detected", "session_revoked"]
    about = dict(heard)["reuse_detected"]
    assert about == {"session": issued.session, "device": PHONE, "generation": 1}


def test_an_end_is_told_once_for_all_sessions_of_one_call(user, heard):
    with time_machine.travel(NOW, tick=False):
        started = {lifecycle.start_session(user).session.pk for _ in range(3)}
        heard.clear()
        lifecycle.revoke_sessions_of(user, actor=user, device=PHONE)
    ((name, about),) = heard
    assert name == "session_revoked"
    assert {session.pk for session in about.pop("sessions")} == started
    assert about == {
        "count": 3,
        "reason": RevocationReason.LOGOUT_ALL,
        "user": user,
        "actor": user,
        "device": PHONE,
        "at": NOW,
    }


def test_an_end_that_ended_nothing_is_not_told(user, heard):
    issued = lifecycle.start_session(user)
    lifecycle.revoke_session(issued.session.pk)
    heard.clear()
    lifecycle.revoke_session(issued.session.pk)
    lifecycle.revoke_sessions_of(user)
    assert heard == []


def test_a_sign_in_refused_at_the_limit_is_told(user, heard, settings):
    settings.TOKEN_LIFECYCLE = {"MAX_SESSIONS_PER_USER": 1, "SESSION_LIMIT_POLICY": "refuse"}
    lifecycle.start_session(user)
    heard.clear()
    with pytest.raises(SessionLimitReached):
        lifecycle.start_session(user, device=PHONE)
    assert heard == [("session_limit_reached", {"user": user, "limit": 1, "device": PHONE})]


def test_a_database_that_was_behind_is_told_with_the_generation(user, heard):
    token = lifecycle.rotate(lifecycle.start_session(user).refresh).refresh
    Session.objects.update(generation=1)
    heard.clear()
    caught_up = lifecycle.rotate(token, device=PHONE).session
    assert sorted(names(heard)) == ["database_caught_up", "token_rotated"]
    about = {"session": caught_up, "device": PHONE, "generation": 2}
    assert dict(heard)["database_caught_up"] == about


def test_the_end_of_everybody_is_told_with_who_did_it_from_where(user, heard):
    with time_machine.travel(NOW, tick=False):
        lifecycle.revoke_everybody(actor=user, device=PHONE)
    assert heard == [("everybody_ended", {"actor": user, "device": PHONE, "at": NOW})]


def test_nothing_is_told_of_what_was_rolled_back(user, heard):
    with transaction.atomic():
        lifecycle.start_session(user)
        transaction.set_rollback(True)
    assert heard == []
    assert not Session.objects.exists()


def test_a_receiver_finds_what_it_is_told_about_in_the_database(user):
    seen = []

    def listen(session, **kwargs):
        assert not transaction.get_connection().in_atomic_block
        seen.append(Session.objects.filter(pk=session.pk).exists())

    signals.session_started.connect(listen)
    try:
        lifecycle.start_session(user)
    finally:
        signals.session_started.disconnect(listen)
    assert seen == [True]


def test_a_receiver_that_fails_changes_no_answer_and_is_logged(api, user, caplog):
    def fail(**kwargs):
        raise RuntimeError("a receiver of the project")

    signals.session_started.connect(fail)
    try:
        body = {"username": user.get_username(), "password": PASSWORD}
        assert api.post("/auth/obtain/", body).status_code == 200
    finally:
        signals.session_started.disconnect(fail)
    assert "a receiver of the project" in caplog.text


def test_no_signal_holds_a_token_a_secret_or_a_password(heard, settings):
    settings.TOKEN_LIFECYCLE = {"MAX_SESSIONS_PER_USER": 2}
    user = UserFactory()
    issued = [lifecycle.start_session(user, device=PHONE) for _ in range(3)]
    again = lifecycle.rotate(issued[-1].refresh, device=Device(user_agent="laptop"))
    Session.objects.update(rotated_at=NOW - timedelta(days=5000), generation=9)
    Session.objects.update(burst_started_at=NOW - timedelta(days=5000))
    with pytest.raises(TokenReused):
        lifecycle.rotate(issued[-1].refresh)
    lifecycle.revoke_sessions_of(user)
    lifecycle.revoke_everybody()
    assert set(names(heard)) >= {"session_started", "token_rotated", "reuse_detected"}
    told = repr(heard)
    for tokens in (*issued, again):
        assert tokens.access not in told
        assert tokens.refresh not in told
        assert claims_of(tokens.refresh)["sec"] not in told
    assert PASSWORD not in told
