"""The log: one line for what happened, on one line, and never a token in it."""

import logging
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.browsing import Browser
from tests.forging import claims_of
from token_lifecycle import lifecycle, logs
from token_lifecycle.device import Device
from token_lifecycle.exceptions import SessionLimitReached, TokenReused
from token_lifecycle.models import Session
from token_lifecycle.testing import PASSWORD

PHONE = Device(ip_address="192.0.2.7", user_agent='Shop ("4.2")')

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
    session = lifecycle.start_session(user, device=PHONE).session
    expected = (
        f"session started: session_id={session.pk} user_id={user.pk} "
        'ip_address=192.0.2.7 user_agent="Shop (\\"4.2\\")"'
    )
    assert log() == [("INFO", expected)]


def test_an_end_is_logged_for_each_session_it_ended(user, log):
    rows = [lifecycle.start_session(user).session for _ in range(3)]
    lifecycle.revoke_sessions_of(user, actor=user, device=PHONE)
    assert sorted(log()[3:]) == sorted(
        (
            "INFO",
            f"session ended: session_id={row.pk} user_id={user.pk} reason=logout_all "
            f'actor_id={user.pk} ip_address=192.0.2.7 user_agent="Shop (\\"4.2\\")"',
        )
        for row in rows
    )


def test_of_very_many_only_the_number_is_logged(user, log, monkeypatch):
    monkeypatch.setattr(logs, "NAMED", 2)
    for _ in range(3):
        lifecycle.start_session(user)
    with CaptureQueriesContext(connection) as captured:
        lifecycle.revoke_sessions_of(user, actor=user)
    expected = f"sessions ended: count=3 user_id={user.pk} reason=logout_all actor_id={user.pk}"
    assert log()[3:] == [("INFO", expected)]
    assert not captured.captured_queries[-1]["sql"].startswith("SELECT")


def test_where_nobody_reads_the_log_naming_the_sessions_costs_nothing(user, caplog):
    caplog.set_level(logging.WARNING, logger="token_lifecycle")
    lifecycle.start_session(user)
    with CaptureQueriesContext(connection) as captured:
        lifecycle.revoke_sessions_of(user)
    assert not [q for q in captured.captured_queries if q["sql"].startswith("SELECT")]


def test_an_end_by_nobody_in_particular_names_nobody(user, log):
    session = lifecycle.start_session(user).session
    lifecycle.revoke_sessions(Session.objects.all())
    expected = f"session ended: session_id={session.pk} user_id={user.pk} reason=admin"
    assert log()[1:] == [("INFO", expected)]


def test_the_end_of_a_deleted_users_session_names_that_user(user, log):
    session, key = lifecycle.start_session(user).session, user.pk
    with transaction.atomic():  # by whose commit Django has taken the key from the instance
        user.delete()
    expected = f"session ended: session_id={session.pk} user_id={key} reason=user_deleted"
    assert log()[1:] == [("INFO", expected)]


@pytest.mark.parametrize(
    ("device", "address"),
    [(Device(ip_address="192.0.2.7"), " ip_address=192.0.2.7"), (None, "")],
)
def test_reuse_is_a_warning_that_names_session_user_and_address(user, log, device, address):
    issued = lifecycle.start_session(user)
    long_used(issued.session)
    with pytest.raises(TokenReused):
        lifecycle.rotate(issued.refresh, device=device)
    (line,) = [message for level, message in log() if level == "WARNING"]
    assert line == (
        f"refresh token reuse detected: session_id={issued.session.pk} user_id={user.pk}"
        f"{address} generation=1"
    )


def test_everybody_signed_out_is_a_warning_that_names_who_did_it(user, log):
    lifecycle.revoke_everybody(actor=user, device=Device(ip_address="192.0.2.7"))
    expected = f"everybody signed out: actor_id={user.pk} ip_address=192.0.2.7"
    assert log() == [("WARNING", expected)]


def test_a_sign_in_refused_at_the_limit_is_logged(user, log, settings):
    settings.TOKEN_LIFECYCLE = {"MAX_SESSIONS_PER_USER": 1, "SESSION_LIMIT_POLICY": "refuse"}
    lifecycle.start_session(user)
    with pytest.raises(SessionLimitReached):
        lifecycle.start_session(user)
    assert log()[1:] == [("INFO", f"session limit reached: user_id={user.pk}")]


def test_a_new_client_and_a_database_that_was_behind_are_logged(user, log):
    issued = lifecycle.start_session(user, device=PHONE)
    token = lifecycle.rotate(issued.refresh, device=PHONE).refresh
    Session.objects.update(generation=1)
    lifecycle.rotate(token, device=Device(user_agent="curl"))
    told = [(level, line.partition(":")[0]) for level, line in log()[1:]]
    assert sorted(told) == [
        ("INFO", "new client seen"),
        ("WARNING", "database was behind the client"),
    ]


def test_every_value_is_also_a_field_of_the_record_for_formatters(user, caplog):
    caplog.set_level(logging.INFO, logger="token_lifecycle")
    session = lifecycle.start_session(user, device=PHONE).session
    lifecycle.revoke_session(session.pk, actor=user)
    started, ended = caplog.records
    assert (started.event, started.session_id) == ("started", str(session.pk))
    assert (started.ip_address, started.user_agent) == (PHONE.ip_address, PHONE.user_agent)
    assert (ended.event, ended.reason, ended.actor_id) == ("revoked", "logout", user.pk)
    assert not hasattr(ended, "ip_address")


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
