"""Logging out over the API: one answer for every token, and everywhere at once."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from rest_framework.test import APIClient

from tests.answers import (
    LOGOUT,
    LOGOUT_ALL,
    REFRESH,
    SESSIONS,
    assert_answer,
    assert_refused_bearer,
)
from tests.forging import reforged, rows
from tests.happenings import REFUSED, deleted, removed, used_in_a_burst, used_long_ago
from token_lifecycle import lifecycle
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import SessionFactory, UserFactory, sign_in

NOW = datetime(2030, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


class TestLogout:
    def test_the_session_of_the_token_ends_with_its_access_tokens(self, api, user):
        issued = sign_in(api, user)
        response = APIClient().post(LOGOUT, {"refresh": issued.refresh}, format="json")
        assert_answer(response, 204)
        assert response.content == b""
        session = Session.objects.get()
        assert session.revocation_reason == RevocationReason.LOGOUT
        assert_refused_bearer(api.get(SESSIONS), "session_revoked")
        assert_answer(api.post(REFRESH, {"refresh": issued.refresh}), 401, "session_revoked")

    def test_every_kind_of_token_gets_the_same_answer(self, api, user):
        """RFC 7009 §2.2: a client need not know what became of its token."""
        sessions = [lifecycle.start_session(user) for _ in range(len(REFUSED))]
        tokens = [issued.refresh for issued in sessions]
        tokens += ["a.b.c", "x", reforged(tokens[0], exp=1), sessions[0].access, tokens[0] + "="]
        for issued, (happened, _) in zip(sessions, REFUSED, strict=True):
            if happened is not deleted:
                happened(issued.session)
        answers = [api.post(LOGOUT, {"refresh": token}) for token in tokens]
        assert {response.status_code for response in answers} == {204}
        assert len({(r.content, *sorted(r.headers.items())) for r in answers}) == 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda issued: "a.b.c",
            lambda issued: issued.access,
            lambda issued: issued.refresh + "=",
            lambda issued: reforged(issued.refresh, sec="A" * 22),
            lambda issued: reforged(issued.refresh, sid="0197d0a0-5f6e-7cc3-8a3b-0123456789ab"),
        ],
    )
    def test_a_stranger_writes_nothing(self, api, user, change):
        issued = lifecycle.start_session(user)
        before = rows()
        assert_answer(api.post(LOGOUT, {"refresh": change(issued)}), 204)
        assert rows() == before

    @pytest.mark.parametrize("consumed", [used_long_ago, used_in_a_burst])
    def test_a_consumed_token_ends_its_session_too(self, api, user, consumed):
        issued = lifecycle.start_session(user)
        consumed(issued.session)
        assert_answer(api.post(LOGOUT, {"refresh": issued.refresh}), 204)
        assert Session.objects.get().revocation_reason == RevocationReason.LOGOUT
        assert not SessionEvent.objects.filter(kind=EventKind.REUSE_DETECTED).exists()

    def test_a_bearer_will_do(self, api, user):
        issued = sign_in(api, user)
        assert_answer(api.post(LOGOUT), 204)
        assert_answer(api.post(REFRESH, {"refresh": issued.refresh}), 401, "session_revoked")

    def test_a_bearer_that_expired_will_do(self, api, user):
        with time_machine.travel(NOW, tick=False) as clock:
            sign_in(api, user)
            clock.shift(timedelta(hours=1))
            assert_answer(api.post(LOGOUT), 204)
        assert Session.objects.get().revoked_at == NOW + timedelta(hours=1)

    @pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Bearer a.b.c", "Bearer a b"])
    def test_a_bearer_that_is_none_gets_the_same_answer(self, api, user, header):
        lifecycle.start_session(user)
        before = rows()
        assert_answer(api.post(LOGOUT, HTTP_AUTHORIZATION=header), 204)
        assert rows() == before

    @pytest.mark.parametrize("gone", [deleted, removed])
    def test_the_bearer_of_a_session_that_is_gone_gets_the_same_answer(self, api, user, gone):
        gone(sign_in(api, user).session)
        before = rows()
        assert_answer(api.post(LOGOUT), 204)
        assert rows() == before

    def test_a_refresh_token_is_no_bearer_here_either(self, api, user):
        issued = lifecycle.start_session(user)
        before = rows()
        assert_answer(api.post(LOGOUT, HTTP_AUTHORIZATION=f"Bearer {issued.refresh}"), 204)
        assert rows() == before

    @pytest.mark.parametrize("header", [{}, {"HTTP_AUTHORIZATION": "Basic x"}])
    def test_with_neither_a_token_nor_a_bearer_there_is_nobody_to_log_out(self, api, header):
        response = api.post(LOGOUT, **header)
        assert_answer(response, 400, "invalid")
        assert response.json()["refresh"] == ["This field is required."]

    def test_of_a_token_and_a_bearer_the_token_counts(self, api, user):
        bearer, other = sign_in(api, user), lifecycle.start_session(UserFactory())
        assert_answer(api.post(LOGOUT, {"refresh": other.refresh}), 204)
        live = Session.objects.filter(revoked_at=None)
        assert [session.pk for session in live] == [bearer.session.pk]

    def test_a_logout_is_recorded_once(self, api, user):
        issued = lifecycle.start_session(user)
        for _ in range(3):
            api.post(LOGOUT, {"refresh": issued.refresh}, REMOTE_ADDR="192.0.2.7")
        event = SessionEvent.objects.get(kind=EventKind.REVOKED)
        assert (event.session_id, event.ip_address) == (issued.session.pk, "192.0.2.7")


class TestLogoutAll:
    @pytest.fixture
    def issued(self, api, user):
        lifecycle.start_session(user)
        lifecycle.start_session(user)
        lifecycle.start_session(UserFactory())
        return sign_in(api, user)

    def test_all_sessions_of_the_caller_end_and_nobody_elses(self, api, user, issued):
        response = api.post(LOGOUT_ALL)
        assert_answer(response, 200)
        assert response.json() == {"revoked": 3}
        assert Session.objects.filter(revoked_at=None).exclude(user=user).count() == 1
        assert not Session.objects.filter(revoked_at=None, user=user).exists()
        ended = Session.objects.filter(user=user)
        assert {session.revocation_reason for session in ended} == {RevocationReason.LOGOUT_ALL}
        assert_refused_bearer(api.post(LOGOUT_ALL), "session_revoked")

    def test_the_session_that_asks_may_stay(self, api, user, issued):
        response = api.post(LOGOUT_ALL, {"keep_current": True})
        assert response.json() == {"revoked": 2}
        live = Session.objects.filter(revoked_at=None, user=user)
        assert [session.pk for session in live] == [issued.session.pk]
        assert api.post(LOGOUT_ALL, {"keep_current": True}).json() == {"revoked": 0}

    def test_sessions_that_were_over_are_not_counted(self, api, user, issued):
        SessionFactory(user=user, ended=True)
        SessionFactory(user=user, expired=True)
        SessionFactory(user=user, idle=True)
        assert api.post(LOGOUT_ALL).json() == {"revoked": 3}

    def test_fields_that_do_not_belong_there_are_ignored(self, api, user, issued):
        other = Session.objects.exclude(user=user).get()
        api.post(LOGOUT_ALL, {"user": other.user_id, "keep": str(other.pk), "session": "x"})
        other.refresh_from_db()
        assert other.revoked_at is None

    def test_who_did_it_is_recorded(self, api, user, issued):
        api.post(LOGOUT_ALL)
        events = SessionEvent.objects.filter(kind=EventKind.REVOKED)
        assert {(event.user_id, event.actor_id) for event in events} == {(user.pk, user.pk)}

    def test_it_costs_the_same_however_many_sessions_there_are(
        self, api, user, django_assert_max_num_queries
    ):
        for count in (1, 40):
            SessionFactory.create_batch(count, user=user)
            sign_in(api, user)
            with django_assert_max_num_queries(6):
                assert api.post(LOGOUT_ALL).json() == {"revoked": count + 1}

    def test_a_deletion_in_the_query_string_is_not_a_body(self, api, user, issued):
        assert api.post(f"{LOGOUT_ALL}?keep_current=true").json() == {"revoked": 3}
