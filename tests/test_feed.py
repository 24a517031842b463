"""How the list in memory hears of ends: here, elsewhere, late, after trouble; and how it fails."""

import os
import threading
import time
import warnings
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.urls import path
from django.utils import timezone
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from tests import races
from tests.crew import Crew
from token_lifecycle import feed as feed_module
from token_lifecycle import lifecycle, tokens
from token_lifecycle.authentication import (
    SessionTokenAuthentication,
    StatelessSessionTokenAuthentication,
)
from token_lifecycle.exceptions import SessionRevoked, Unavailable
from token_lifecycle.feed import feed
from token_lifecycle.models import RevocationNotice, Session
from token_lifecycle.revocation import SKEW
from token_lifecycle.testing import UserFactory, authorization

PATIENCE = 20
"""Seconds after which something that should have happened has not."""


class Plain(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": str(request.user.pk)})


class Stateless(Plain):
    authentication_classes = [StatelessSessionTokenAuthentication]


class Named(Plain):
    def get(self, request):
        return Response({"name": request.user.get_username()})


urlpatterns = [
    path("plain/", Plain.as_view()),
    path("stateless/", Stateless.as_view()),
    path("named/", Named.as_view()),
]

# The thread that reads has a connection of its own: what it is to see has to be committed.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


@pytest.fixture(autouse=True)
def _stopped_afterwards():
    feed.stop()
    yield
    feed.stop()


@pytest.fixture(autouse=True)
def _in_memory(options):
    # Long enough for a busy machine: a list that is read late has tests of its own.
    options(REVOCATION_CHECK="memory", REVOCATION_POLL_INTERVAL=timedelta(seconds=10))


@pytest.fixture
def often(options):
    """Read every twentieth of a second."""
    options(REVOCATION_POLL_INTERVAL=timedelta(seconds=0.1), REVOCATION_WHEN_STALE="refuse")


@pytest.fixture
def issued():
    return lifecycle.start_session(UserFactory())


def claims(issued):
    return tokens.parse_access(issued.access)


def vouched(issued):
    """What the list says: True, False (ask the database), or that the session has ended."""
    try:
        return lifecycle.is_vouched_for(claims(issued))
    except SessionRevoked:
        return "ended"


def eventually(expected, ask):
    deadline = time.monotonic() + PATIENCE
    while (answer := ask()) != expected:
        assert time.monotonic() < deadline, f"still {answer!r}"
        time.sleep(0.01)


def patiently(issued):
    """The same where the thread may be late on a busy machine."""
    try:
        return vouched(issued)
    except Unavailable:
        return "stale"


# What it costs


@pytest.mark.parametrize("url", ["/plain/", "/stateless/"])
def test_a_request_costs_no_statement(api, issued, url, django_assert_num_queries):
    api.get(url, **authorization(issued))
    with django_assert_num_queries(0):
        response = api.get(url, **authorization(issued))
    assert response.json() == {"user": str(issued.session.user_id)}


def test_the_user_is_read_when_a_view_looks_at_more_than_the_key(
    api, issued, django_assert_num_queries
):
    api.get("/plain/", **authorization(issued))
    with django_assert_num_queries(1):
        response = api.get("/named/", **authorization(issued))
    assert response.json() == {"name": issued.session.user.get_username()}


@pytest.mark.parametrize("change", [{"is_active": False}, None])
def test_a_user_who_is_gone_or_deactivated_is_found_out_at_that_look(api, issued, change):
    users = type(issued.session.user).objects.filter(pk=issued.session.user_id)
    if change:
        users.update(**change)
    else:
        Session.objects.update(user=None)
        users._raw_delete("default")
    response = api.get("/named/", **authorization(issued))
    assert response.status_code == 401
    assert response.json()["code"] == ("user_inactive" if change else "token_invalid")


def test_the_key_of_the_user_has_the_type_of_the_key(issued):
    user = SessionTokenAuthentication().user_of(claims(issued))
    assert user.pk == user.id == issued.session.user_id
    assert user.is_authenticated
    assert not user.is_anonymous
    assert bool(user)


def test_a_view_may_ask_the_database_whatever_the_setting(issued, django_assert_num_queries):
    class Strict(SessionTokenAuthentication):
        revocation_check = "database"

    with django_assert_num_queries(1):
        assert Strict().user_of(claims(issued)) == issued.session.user


def test_the_stateless_authenticator_asks_no_list_where_the_setting_is_none(issued, options):
    options(REVOCATION_CHECK="none")
    lifecycle.revoke_session(issued.session.pk)
    user = StatelessSessionTokenAuthentication().user_of(claims(issued))
    assert user.pk == str(issued.session.user_id)
    assert not feed.in_use


def end(issued):
    lifecycle.revoke_session(issued.session.pk)


def end_everybody(issued):
    lifecycle.revoke_everybody()


@pytest.mark.parametrize("over", [end, end_everybody])
def test_what_ended_while_nobody_asked_the_list_is_refused_once_it_is_asked(issued, options, over):
    options(REVOCATION_CHECK="none")
    over(issued)
    options(REVOCATION_CHECK="memory")
    with pytest.raises(SessionRevoked):
        SessionTokenAuthentication().user_of(claims(issued))


@pytest.mark.parametrize("over", [end, end_everybody])
def test_a_view_may_ask_the_list_where_the_setting_is_none(issued, options, over):
    class ByTheList(SessionTokenAuthentication):
        revocation_check = "memory"

    options(REVOCATION_CHECK="none")
    assert ByTheList().user_of(claims(issued)) == issued.session.user
    over(issued)
    with pytest.raises(SessionRevoked):
        ByTheList().user_of(claims(issued))


def test_the_stateless_authenticator_asks_the_list_where_the_setting_is_the_database(
    issued, options, django_assert_num_queries
):
    options(REVOCATION_CHECK="database")
    assert vouched(issued) is True
    with django_assert_num_queries(0):
        StatelessSessionTokenAuthentication().user_of(claims(issued))


# What it hears of


@pytest.mark.parametrize("url", ["/plain/", "/stateless/"])
def test_in_the_process_that_ended_it_a_session_is_refused_at_once(api, issued, url):
    assert api.get(url, **authorization(issued)).status_code == 200
    lifecycle.revoke_session(issued.session.pk)
    response = api.get(url, **authorization(issued))
    assert response.status_code == 401
    assert response.json()["code"] == "session_revoked"


def test_what_ended_before_the_process_began_is_known_to_it(issued):
    at = timezone.now() - timedelta(minutes=14)
    RevocationNotice.objects.create(at=at, session_id=issued.session.pk)
    assert vouched(issued) == "ended"


def test_what_ended_longer_ago_than_an_access_token_lives_is_not_read(issued):
    at = timezone.now() - feed_module.longest_life() - timedelta(minutes=1)
    RevocationNotice.objects.create(at=at, session_id=issued.session.pk)
    vouched(issued)
    assert len(feed._list) == 0


@pytest.mark.usefixtures("often")
def test_what_another_process_ends_is_refused_here(issued):
    eventually(True, lambda: patiently(issued))
    with Crew(threads=0, processes=1) as crew:
        assert crew.run((races.end_by_staff, issued.session.user_id)) == [1]
    eventually("ended", lambda: patiently(issued))


def end_in_a_transaction(issued):
    """End it in another thread, as far as the commit; the function that is returned commits."""
    wrote, may_commit = threading.Event(), threading.Event()

    def end():
        try:
            with transaction.atomic():
                lifecycle.revoke_session(issued.session.pk)
                wrote.set()
                may_commit.wait(PATIENCE)
        finally:
            connection.close()

    def commit():
        may_commit.set()
        thread.join()

    thread = threading.Thread(target=end)
    thread.start()
    wrote.wait(PATIENCE)
    return commit


@pytest.mark.usefixtures("often")
def test_a_transaction_that_commits_long_after_it_wrote_is_not_missed(issued, monkeypatch):
    # As long as this, in the place of ten seconds.
    monkeypatch.setattr(feed_module, "OVERLAP", 0.2)
    other = lifecycle.start_session(UserFactory())
    eventually(True, lambda: patiently(issued))
    commit = end_in_a_transaction(issued)
    if connection.vendor != "sqlite":  # has one writer at a time
        lifecycle.revoke_session(other.session.pk)
        eventually("ended", lambda: patiently(other))
    deadline = time.monotonic() + 1  # many times what is read again
    while time.monotonic() < deadline:
        assert patiently(issued) in (True, "stale")
    # Only the database can tell this process: nothing is learnt directly.
    monkeypatch.setattr(feed, "learn", forgetful(feed))
    commit()
    eventually("ended", lambda: patiently(issued))


@pytest.mark.usefixtures("often")
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_a_notice_written_while_a_reading_was_held_up_is_not_missed(issued, monkeypatch):
    """It is numbered before one that the reading finds, and committed after it was read."""
    monkeypatch.setattr(feed_module, "OVERLAP", 0.3)
    other = lifecycle.start_session(UserFactory())
    eventually(True, lambda: patiently(issued))
    monkeypatch.setattr(feed, "learn", forgetful(feed))
    held, go_on = threading.Event(), threading.Event()
    read = feed._read

    def hold_up_once(started):
        if not held.is_set():
            held.set()
            go_on.wait(PATIENCE)
        read(started)

    monkeypatch.setattr(feed, "_read", hold_up_once)
    held.wait(PATIENCE)
    time.sleep(0.5)  # longer than what is read again
    # From here on all of it takes less than a repetition is written for.
    monkeypatch.setattr(feed_module, "_is_late", lambda now, at: False)
    commit = end_in_a_transaction(issued)
    lifecycle.revoke_session(other.session.pk)
    go_on.set()
    eventually("ended", lambda: patiently(other))
    commit()
    eventually("ended", lambda: patiently(issued))


def forgetful(feed):
    """``feed.learn``, but only for what the reading thread has found."""
    learn = feed.learn

    def from_the_database(notices):
        if threading.current_thread() is feed._thread:
            learn(notices)

    return from_the_database


def test_many_sessions_of_one_user_are_one_notice_and_the_database_tells_them_apart(user, api):
    issued = [lifecycle.start_session(user) for _ in range(feed_module.NAMED_OF_A_USER + 2)]
    stranger = lifecycle.start_session(UserFactory())
    assert vouched(stranger) is True
    kept = issued.pop()
    assert lifecycle.revoke_sessions_of(user, keep=kept.session.pk) == len(issued)
    assert RevocationNotice.objects.count() == 1
    assert vouched(stranger) is True
    assert vouched(kept) is False
    assert api.get("/stateless/", **authorization(kept)).status_code == 200
    for ended in issued:
        assert api.get("/stateless/", **authorization(ended)).status_code == 401


def test_where_tokens_name_users_by_what_may_change_all_users_are_asked_about(
    user, settings, monkeypatch
):
    monkeypatch.setattr(feed_module, "NAMED", feed_module.NAMED_OF_A_USER)
    settings.SIMPLE_JWT = {"USER_ID_FIELD": "username"}
    issued = [lifecycle.start_session(user) for _ in range(feed_module.NAMED_OF_A_USER + 1)]
    assert vouched(issued[0]) is True
    user.username = "another-name"
    user.save(update_fields=["username"])
    lifecycle.revoke_sessions_of(user)
    assert vouched(issued[0]) is False


def test_a_sign_in_a_while_after_costs_nothing_again(user):
    at = timezone.now() - SKEW - timedelta(seconds=2)
    RevocationNotice.objects.create(at=at, user_id=str(user.pk))
    assert vouched(lifecycle.start_session(user, now=at)) is False
    assert vouched(lifecycle.start_session(user)) is True


def test_very_many_sessions_of_many_users_are_one_notice_for_everybody(monkeypatch):
    monkeypatch.setattr(feed_module, "NAMED", 2)
    issued = [lifecycle.start_session(UserFactory()) for _ in range(3)]
    later = lifecycle.start_session(UserFactory(), now=timezone.now() + SKEW * 2)
    lifecycle.revoke_sessions(Session.objects.exclude(pk=later.session.pk))
    assert RevocationNotice.objects.count() == 1
    assert [vouched(ended) for ended in issued] == [False, False, False]
    for ended in issued:
        with pytest.raises(SessionRevoked):
            lifecycle.check_access(claims(ended))


def test_few_sessions_of_many_users_are_named_one_by_one():
    issued = [lifecycle.start_session(UserFactory()) for _ in range(3)]
    lifecycle.revoke_sessions(Session.objects.all())
    assert [vouched(ended) for ended in issued] == ["ended"] * 3
    named = set(RevocationNotice.objects.values_list("session_id", flat=True))
    assert named == {ended.session.pk for ended in issued}


def test_a_persons_own_pages_work_while_the_user_is_not_read_yet(api, user, settings):
    settings.ROOT_URLCONF = "tests.urls"
    here, there = lifecycle.start_session(user), lifecycle.start_session(user)
    assert vouched(here) is True
    listed = api.get("/auth/sessions/", **authorization(here)).json()["results"]
    assert {row["id"] for row in listed} == {str(here.session.pk), str(there.session.pk)}
    detail = f"/auth/sessions/{there.session.pk}/"
    assert api.delete(detail, **authorization(here)).status_code == 204
    assert api.get("/auth/sessions/", **authorization(there)).status_code == 401
    assert api.post("/auth/logout-all/", **authorization(here)).json() == {"revoked": 1}
    assert api.get("/auth/sessions/", **authorization(here)).status_code == 401


def test_an_end_that_is_rolled_back_is_none(issued):
    assert vouched(issued) is True
    with transaction.atomic():
        lifecycle.revoke_session(issued.session.pk)
        transaction.set_rollback(True)
    assert vouched(issued) is True
    assert not RevocationNotice.objects.exists()


def test_a_token_of_a_longer_lifetime_than_now_is_left_to_the_database(issued, settings):
    assert vouched(issued) is True
    settings.SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=1)}
    assert vouched(issued) is False


def test_pruning_removes_notices_that_no_token_can_need(issued):
    lifecycle.revoke_session(issued.session.pk)
    lifecycle.prune(now=timezone.now() + feed_module.longest_life() - timedelta(minutes=1))
    assert RevocationNotice.objects.count() == 1
    lifecycle.prune(now=timezone.now() + feed_module.longest_life() + timedelta(minutes=1))
    assert not RevocationNotice.objects.exists()


# How it fails


class Outage:
    """The database cannot be read, or hangs, as long as it lasts."""

    def __init__(self, monkeypatch):
        self.lasts = False
        self.met = threading.Event()
        read = feed._read

        def reading(started):
            if self.lasts:
                self.met.set()
                raise OperationalError("the database is away")
            read(started)

        monkeypatch.setattr(feed, "_read", reading)


@pytest.fixture
def outage(monkeypatch):
    return Outage(monkeypatch)


@pytest.mark.usefixtures("often")
def test_a_list_that_cannot_be_read_vouches_for_nobody_and_says_so_once(
    api, issued, outage, caplog
):
    eventually(200, lambda: api.get("/stateless/", **authorization(issued)).status_code)
    outage.lasts = True
    eventually(503, lambda: api.get("/stateless/", **authorization(issued)).status_code)
    response = api.get("/stateless/", **authorization(issued))
    assert response.json() == {"detail": "The service is temporarily unavailable."}
    assert int(response["Retry-After"]) > 0
    eventually(1, lambda: caplog.messages.count("the revocation feed cannot be read"))
    outage.lasts = False
    eventually(1, lambda: caplog.messages.count("the revocation feed is read again"))
    eventually(200, lambda: api.get("/stateless/", **authorization(issued)).status_code)
    assert caplog.messages.count("the revocation feed cannot be read") == 1


@pytest.mark.usefixtures("often")
def test_a_connection_that_broke_is_replaced(issued, monkeypatch, caplog):
    eventually(True, lambda: patiently(issued))
    broken = []
    read = feed._read

    def breaking(started):
        if not broken:
            broken.append(connections["default"].connection)
            broken[0].close()
        read(started)

    monkeypatch.setattr(feed, "_read", breaking)
    eventually(1, lambda: caplog.messages.count("the revocation feed is read again"))
    eventually(True, lambda: patiently(issued))


@pytest.mark.usefixtures("often")
def test_where_the_settings_say_so_each_request_asks_the_database_meanwhile(
    api, issued, outage, options
):
    options(REVOCATION_WHEN_STALE="database")
    outage.lasts = True
    assert vouched(issued) is False
    assert api.get("/stateless/", **authorization(issued)).status_code == 200
    Session.objects.update(revoked_at=timezone.now(), revocation_reason="admin")
    assert api.get("/stateless/", **authorization(issued)).status_code == 401


@pytest.mark.usefixtures("often")
def test_a_list_that_was_never_read_vouches_for_nobody(issued, outage):
    outage.lasts = True
    with pytest.raises(Unavailable):
        vouched(issued)


@pytest.mark.usefixtures("often")
def test_a_thread_that_hangs_vouches_for_nobody(issued, monkeypatch):
    eventually(True, lambda: patiently(issued))
    hanging, go_on = threading.Event(), threading.Event()
    read = feed._read

    def hang(started):
        hanging.set()
        go_on.wait(PATIENCE)
        read(started)

    monkeypatch.setattr(feed, "_read", hang)
    hanging.wait(PATIENCE)
    eventually("stale", lambda: patiently(issued))
    go_on.set()


@pytest.mark.usefixtures("often")
def test_a_thread_that_hangs_for_long_is_given_up_and_another_one_reads(issued, monkeypatch):
    eventually(True, lambda: patiently(issued))
    hanging, go_on = threading.Event(), threading.Event()
    read = feed._read

    def hang_once(started):
        if not hanging.is_set():
            hanging.set()
            go_on.wait(PATIENCE)
        read(started)

    ages = []

    def noting(self, name, value):
        if name == "_read_at":
            ages.append(value)
        object.__setattr__(self, name, value)

    monkeypatch.setattr(feed_module, "HUNG", 0.2)
    monkeypatch.setattr(feed, "_read", hang_once)
    monkeypatch.setattr(feed_module.Feed, "__setattr__", noting, raising=False)
    hanging.wait(PATIENCE)
    given_up = feed._thread
    eventually("stale", lambda: patiently(issued))
    eventually(True, lambda: patiently(issued))
    assert feed._thread is not given_up
    go_on.set()
    given_up.join(PATIENCE)
    assert not given_up.is_alive()
    assert feed.in_use
    assert ages == sorted(ages)  # what it read at last is old, and passes for nothing else


@pytest.mark.usefixtures("often")
def test_the_age_of_a_list_counts_from_before_it_was_read(issued, monkeypatch):
    learn = feed.learn

    def slowly(notices):
        learn(notices)
        time.sleep(0.2)  # two intervals: by its end it is worth nothing

    monkeypatch.setattr(feed, "learn", slowly)
    assert {patiently(issued) for _ in range(200)} == {"stale"}


def test_after_an_outage_numbers_may_be_lower_than_before(issued, monkeypatch, options):
    """The database that answers may be a replica that took over, and lacks the last notices."""
    options(REVOCATION_POLL_INTERVAL=timedelta(seconds=0.1))
    later = lifecycle.start_session(UserFactory())
    lost = RevocationNotice.objects.create(pk=1000, at=timezone.now(), user_id="nobody")
    eventually(1, lambda: vouched(issued) and len(feed._list))
    monkeypatch.setattr(feed_module, "OVERLAP", 60.0)  # longer than this test waits
    feed._marks.appendleft((feed_module._clock() - 120, lost.pk))
    learn, outage = feed.learn, threading.Event()

    def failing(notices):
        if outage.is_set():
            outage.clear()
            raise OperationalError("the database is away")
        learn(notices)

    monkeypatch.setattr(feed, "learn", failing)
    lost.delete()
    RevocationNotice.objects.create(pk=10, at=timezone.now(), session_id=issued.session.pk)
    outage.set()
    eventually("ended", lambda: vouched(issued))
    RevocationNotice.objects.create(pk=11, at=timezone.now(), session_id=later.session.pk)
    eventually("ended", lambda: vouched(later))


def test_a_push_that_cannot_be_made_leaves_it_to_reading(issued, options, caplog):
    push = {"BACKEND": "token_lifecycle.contrib.redis_push.RedisPush", "LOCATION": "localhost"}
    options(REVOCATION_PUSH=push)
    assert vouched(issued) is True
    lifecycle.revoke_session(issued.session.pk)
    assert vouched(issued) == "ended"
    assert caplog.messages.count("REVOCATION_PUSH cannot be used") == 1


def test_a_thread_that_died_is_replaced(issued, monkeypatch):
    deaths = []
    monkeypatch.setattr(threading, "excepthook", deaths.append)
    monkeypatch.setattr(feed, "_wait", None)  # whoever calls it dies of it
    vouched(issued)
    eventually(1, lambda: len(deaths))
    monkeypatch.undo()
    feed._read_at = None
    assert vouched(issued) is True
    assert feed.in_use


def test_the_first_questions_wait_for_the_first_reading(issued, options, monkeypatch):
    options(
        REVOCATION_CHECK="memory",
        REVOCATION_WHEN_STALE="refuse",
        REVOCATION_POLL_INTERVAL=timedelta(seconds=PATIENCE),
    )
    read = feed._read

    def slowly(started):
        time.sleep(0.1)
        read(started)

    monkeypatch.setattr(feed, "_read", slowly)
    answers = []

    def ask():
        answers.append(vouched(issued))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 8


def test_nobody_asks_so_nothing_is_read(issued, options, monkeypatch):
    monkeypatch.setattr(feed_module, "IDLE", 0.05)
    options(REVOCATION_POLL_INTERVAL=timedelta(seconds=0.1))
    vouched(issued)
    eventually(False, lambda: feed.in_use)
    lifecycle.revoke_session(issued.session.pk)
    eventually("ended", lambda: vouched(issued))


def test_the_thread_leaves_no_connection_behind(issued, monkeypatch):
    closed = []
    close_all = connections.close_all

    def closing():
        closed.append(threading.current_thread())
        close_all()

    monkeypatch.setattr(connections, "close_all", closing)
    vouched(issued)
    reader = feed._thread
    feed.stop()
    assert closed == [reader]
    assert not reader.is_alive()


def test_inside_a_test_that_is_a_transaction_the_database_is_asked(issued):
    with transaction.atomic():
        transaction.get_connection().atomic_blocks[0]._from_testcase = True
        assert vouched(issued) is False
    assert not feed.in_use


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_reads_for_itself(issued):
    assert vouched(issued) is True
    connection.close()  # two processes must not share one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside the reading thread
        child = os.fork()
    if not child:
        answers = []
        try:
            answers = [feed.in_use, feed._read_at, vouched(issued), feed.in_use]
        finally:
            os._exit(0 if answers == [False, None, True, True] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert vouched(issued) is True
