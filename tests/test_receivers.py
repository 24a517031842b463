"""The log: one line for what happened, on one line, and never a token in it."""

import logging
from datetime import timedelta

import pytest

from tests.browsing import Browser
from tests.forging import claims_of
from token_lifecycle import lifecycle
from token_lifecycle.device import Device
from token_lifecycle.exceptions import TokenReused
from token_lifecycle.models import Session
from token_lifecycle.testing import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def log(caplog):
    """The lines of this app, with their level."""
    caplog.set_level(logging.DEBUG, logger="token_lifecycle")

    def lines():
        ours = [record for record in caplog.records if record.name == "token_lifecycle"]
        return [(record.levelname, record.getMessage()) for record in ours]

    return lines


def long_used(session):
    long_ago = session.created_at - timedelta(hours=1)
    Session.objects.filter(pk=session.pk).update(
        generation=2, rotated_at=long_ago, burst_started_at=long_ago
    )


def test_a_sign_in_is_logged(user, log):
    session = lifecycle.start_session(user).session
    assert log() == [("INFO", f"session started: session={session.pk} user={user.pk}")]


def test_an_end_is_logged_once_for_all_sessions_it_ended(user, log):
    for _ in range(3):
        lifecycle.start_session(user)
    lifecycle.revoke_sessions_of(user, actor=user)
    expected = f"sessions ended: count=3 reason=logout_all user={user.pk} actor={user.pk}"
    assert log()[3:] == [("INFO", expected)]


def test_an_end_by_nobody_in_particular_says_so(user, log):
    lifecycle.start_session(user)
    lifecycle.revoke_sessions(Session.objects.all())
    assert log()[1:] == [("INFO", "sessions ended: count=1 reason=admin user=None actor=None")]


@pytest.mark.parametrize(
    ("device", "address"), [(Device(ip_address="192.0.2.7"), "192.0.2.7"), (None, "None")]
)
def test_reuse_is_a_warning_that_names_session_user_and_address(user, log, device, address):
    issued = lifecycle.start_session(user)
    long_used(issued.session)
    with pytest.raises(TokenReused):
        lifecycle.rotate(issued.refresh, device=device)
    (line,) = [message for level, message in log() if level == "WARNING"]
    assert line == (
        f"refresh token reuse detected: session={issued.session.pk} user={user.pk} "
        f"generation=1 address={address}"
    )


def test_a_rotation_is_too_common_to_be_logged(user, log):
    issued = lifecycle.start_session(user)
    lifecycle.rotate(issued.refresh)
    assert len(log()) == 1


@pytest.mark.parametrize("said", ["a\r\nsession started: forged", "\x1b[2J", "\u2028forged"])
def test_nothing_a_client_says_makes_a_line_of_its_own(api, user, log, said):
    header = said.encode().decode("latin-1")
    body = {"username": user.get_username(), "password": PASSWORD, "device_name": "x"}
    api.post("/auth/obtain/", body, HTTP_USER_AGENT=header, HTTP_X_FORWARDED_FOR=header)
    api.post("/auth/obtain/", {**body, "username": said})
    Browser().send("refresh/", HTTP_ORIGIN=f"https://evil{header}")
    for _, line in log():
        assert "\n" not in line
        assert "\r" not in line
        assert "\x1b" not in line


def test_no_token_secret_or_password_is_ever_logged(api, user, caplog):
    """All loggers, down to DEBUG, over a whole life and every kind of refusal."""
    caplog.set_level(logging.DEBUG)
    body = {"username": user.get_username(), "password": PASSWORD}
    pair = api.post("/auth/obtain/", body).json()
    api.post("/auth/obtain/", {**body, "password": "wrong horse"})
    again = api.post("/auth/refresh/", {"refresh": pair["refresh"]}).json()
    for token in (pair["refresh"] + "x", pair["access"], "eyJunk"):
        api.post("/auth/refresh/", {"refresh": token})
    api.get("/whoami/", HTTP_AUTHORIZATION=f"Bearer {pair['refresh']}")
    browser = Browser()
    browser.sign_in(user, PASSWORD)
    cookie = browser.token
    browser.send("refresh/", without=["HTTP_X_CSRFTOKEN"])
    browser.send("refresh/")
    long_used(Session.objects.get(pk=pair["session"]))
    api.post("/auth/refresh/", {"refresh": pair["refresh"]})
    api.post("/auth/logout/", {"refresh": again["refresh"]})
    secrets = [pair["access"], pair["refresh"], again["access"], again["refresh"], cookie]
    secrets += [claims_of(pair["refresh"])["sec"], claims_of(cookie)["sec"]]
    secrets += [PASSWORD, "wrong horse", "eyJ"]
    logged = caplog.text + repr([record.__dict__ for record in caplog.records])
    sql = [record for record in caplog.records if record.name == "django.db.backends"]
    assert not sql  # statements hold digests and hashes, and are Django's to log
    assert not [secret for secret in secrets if secret in logged]
