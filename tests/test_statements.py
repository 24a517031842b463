"""What each verb costs: the statements it sends, transactions included, pinned."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from token_lifecycle import lifecycle, tokens
from token_lifecycle.device import Device
from token_lifecycle.exceptions import TokenRefused
from token_lifecycle.models import Session, SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory, authorization

# In a test that is itself a transaction nobody could see whether a verb begins one.
pytestmark = pytest.mark.django_db(transaction=True)

PHONE = Device(ip_address="192.0.2.7", user_agent="Phone/2.0")


@pytest.fixture
def issued():
    return lifecycle.start_session(UserFactory(), device=PHONE)


def statements(work):
    """The first word of each statement that ``work`` sends."""
    connection.ensure_connection()
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"].split()[0] for query in captured.captured_queries]


def refused(token):
    def work():
        with pytest.raises(TokenRefused):
            lifecycle.rotate(token)

    return work


def test_a_rotation_is_two_statements_no_transaction_and_no_row(issued):
    rows = Session.objects.count(), SessionEvent.objects.count()
    sent = statements(lambda: lifecycle.rotate(issued.refresh, device=PHONE))
    assert sent == ["SELECT", "UPDATE"]
    assert rows == (Session.objects.count(), SessionEvent.objects.count())


def test_a_retry_is_one_statement(issued):
    lifecycle.rotate(issued.refresh)
    assert statements(lambda: lifecycle.rotate(issued.refresh)) == ["SELECT"]


def test_a_refresh_over_http_costs_no_more_than_the_rotation(issued, api):
    sent = statements(lambda: api.post("/auth/refresh/", {"refresh": issued.refresh}))
    assert sent == ["SELECT", "UPDATE"]


def test_a_rotation_on_record_is_one_transaction(issued, settings):
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, "RECORD_ROTATIONS": True}
    sent = statements(lambda: lifecycle.rotate(issued.refresh, device=PHONE))
    assert sent == ["SELECT", "BEGIN", "UPDATE", "INSERT", "COMMIT"]


@pytest.mark.parametrize("kind", ["junk", "access", "foreign key"])
def test_what_is_not_a_refresh_token_of_ours_never_reaches_the_database(issued, kind, settings):
    token = {"junk": "a.b.c", "access": issued.access, "foreign key": issued.refresh}[kind]
    if kind == "foreign key":
        settings.SIMPLE_JWT = {"SIGNING_KEY": "another key, long enough for HS256, 0123456789"}
    assert statements(refused(token)) == []


def test_a_refused_repeat_of_a_stolen_token_only_reads(issued):
    lifecycle.revoke_session(issued.session.pk)
    assert statements(refused(issued.refresh)) == ["SELECT"]


def test_an_access_check_is_one_statement_with_the_user(issued):
    claims = tokens.parse_access(issued.access)
    sent = statements(lambda: str(lifecycle.check_access(claims).user.email))
    assert sent == ["SELECT"]


@pytest.mark.parametrize("mode", ["database", "none"])
def test_an_authenticated_request_is_one_statement(issued, api, settings, mode):
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, "REVOCATION_CHECK": mode}
    sent = statements(lambda: api.get("/whoami/", **authorization(issued)))
    assert sent == ["SELECT"]


def test_a_sign_in_is_one_transaction_of_two_rows():
    user = UserFactory()
    sent = statements(lambda: lifecycle.start_session(user))
    assert sent == ["BEGIN", "INSERT", "INSERT", "COMMIT"]


#: The sessions, their events, and the notice for those that check by a list in memory.
END = ["BEGIN", "UPDATE", "INSERT", "INSERT", "COMMIT"]


def many(user, sessions):
    for _ in range(sessions):
        lifecycle.start_session(user)
    return user


@pytest.mark.parametrize("sessions", [2, 200])
def test_logout_all_costs_the_same_for_any_number_of_sessions(sessions):
    user = many(UserFactory(), sessions)
    assert statements(lambda: lifecycle.revoke_sessions_of(user)) == END
    assert SessionEvent.objects.filter(kind="revoked").count() == sessions


@pytest.mark.parametrize("sessions", [2, 200])
def test_ending_a_set_costs_the_same_for_any_number_of_sessions(sessions):
    many(UserFactory(), sessions)
    assert statements(lambda: lifecycle.revoke_sessions(Session.objects.all())) == END


@pytest.mark.parametrize("sessions", [2, 200])
def test_logout_all_over_http_costs_the_same_for_any_number_of_sessions(sessions, api, issued):
    many(issued.session.user, sessions)
    sent = statements(lambda: api.post("/auth/logout-all/", {}, **authorization(issued)))
    assert sent == ["SELECT", *END]


@pytest.mark.parametrize("sessions", [2, 200])
def test_a_password_change_costs_the_same_for_any_number_of_sessions(sessions):
    user = many(UserFactory(), sessions)
    user.set_password("another pass phrase")
    save_and_look = ["UPDATE", "SELECT"]
    assert statements(user.save) == [*save_and_look, *END]


@pytest.mark.parametrize("sessions", [2, 200])
def test_a_sign_in_at_the_limit_costs_the_same_for_any_number_evicted(sessions, settings):
    user = many(UserFactory(), sessions)
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, "MAX_SESSIONS_PER_USER": 1}
    sent = statements(lambda: lifecycle.start_session(user))
    assert [s for s in sent if s not in {"SAVEPOINT", "RELEASE"}] == [
        "BEGIN",
        *["UPDATE", "SELECT"],  # queue up, count
        *["UPDATE", "INSERT", "INSERT"],  # evict, with events and notices
        *["INSERT", "INSERT"],  # the session and its event
        "COMMIT",
    ]


def test_an_end_costs_the_same_where_no_list_is_asked(issued, settings):
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, "REVOCATION_CHECK": "none"}
    assert statements(lambda: lifecycle.revoke_session(issued.session.pk)) == END


def test_a_logout_is_one_transaction_and_for_strangers_one_statement(issued):
    assert statements(lambda: lifecycle.revoke_by_token(issued.refresh)) == END
    nothing_to_end = ["BEGIN", "UPDATE", "COMMIT"]
    assert statements(lambda: lifecycle.revoke_by_token(issued.refresh)) == nothing_to_end
    assert statements(lambda: lifecycle.revoke_by_token("junk")) == []


def test_saving_a_user_without_a_session_to_end_adds_one_reading(issued):
    user = issued.session.user
    assert statements(user.save) == ["UPDATE", "SELECT"]
    assert statements(lambda: user.save(update_fields=["last_login"])) == ["UPDATE"]


def test_a_sign_in_over_http_checks_the_password_and_starts(api):
    user = UserFactory()
    body = {"username": user.get_username(), "password": PASSWORD}
    sent = statements(lambda: api.post("/auth/obtain/", body))
    # When the user signed in last is written first, by a receiver that may refuse. The session and
    # its event stand in a savepoint, for the answer belongs to the same transaction.
    started = ["BEGIN", "SAVEPOINT", "INSERT", "INSERT", "RELEASE", "COMMIT"]
    assert sent == ["SELECT", "UPDATE", *started]
