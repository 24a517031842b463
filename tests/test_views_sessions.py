"""The list of one's own sessions, and ending one of them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.answers import (
    NOWHERE,
    SESSIONS,
    assert_answer,
    assert_refused_bearer,
    detail,
)
from tests.forging import claims_of, rows
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import SessionFactory, sign_in

NOW = datetime(2030, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


class TestSessionList:
    def test_the_callers_live_sessions_are_listed_newest_first(self, api, user):
        with time_machine.travel(NOW, tick=False) as clock:
            older = SessionFactory(user=user, device_name="older")
            SessionFactory(user=user, ended=True)
            SessionFactory(user=user, expired=True)
            SessionFactory(user=user, idle=True)
            SessionFactory()
            clock.shift(timedelta(minutes=1))
            issued = sign_in(api, user)
            response = api.get(SESSIONS)
        assert_answer(response, 200)
        body = response.json()
        assert (body["count"], body["next"], body["previous"]) == (2, None, None)
        assert [s["id"] for s in body["results"]] == [str(issued.session.pk), str(older.pk)]
        assert [s["current"] for s in body["results"]] == [True, False]

    def test_a_session_shows_these_fields_and_no_secret(self, api, user):
        with time_machine.travel(NOW, tick=False):
            issued = sign_in(api, user)
            (shown,) = api.get(SESSIONS).json()["results"]
        session = Session.objects.get()
        assert shown == {
            "id": str(session.pk),
            "device_name": "",
            "user_agent": "",
            "ip_address": None,
            "auth_method": "password",
            "created_at": "2030-01-01T00:00:00Z",
            "last_used_at": "2030-01-01T00:00:00Z",
            "expires_at": "2030-01-31T00:00:00Z",
            "current": True,
        }
        text = json.dumps(shown)
        secrets = (session.secret_digest, session.auth_hash, claims_of(issued.refresh)["sec"])
        assert not [secret for secret in secrets if secret in text]

    def test_the_list_comes_in_pages_of_fifty(self, api, user):
        SessionFactory.create_batch(60, user=user)
        sign_in(api, user)
        first = api.get(SESSIONS).json()
        second = api.get(first["next"]).json()
        assert (first["count"], len(first["results"]), len(second["results"])) == (61, 50, 11)
        assert first["next"] == f"http://testserver{SESSIONS}?page=2"
        assert second["next"] is None
        ids = [session["id"] for session in first["results"] + second["results"]]
        assert len(set(ids)) == 61

    @pytest.mark.parametrize(
        ("size", "shown"), [("1", 1), ("100", 100), ("101", 100), ("999999", 100), ("٣", 3)]
    )
    def test_a_page_is_bounded(self, api, user, size, shown):
        SessionFactory.create_batch(105, user=user)
        sign_in(api, user)
        assert len(api.get(SESSIONS, {"page_size": size}).json()["results"]) == shown

    @pytest.mark.parametrize("size", ["0", "-1", "x", "", "1.5", "\0", "9" * 5000])
    def test_a_page_size_that_is_none_is_refused(self, api, user, size):
        sign_in(api, user)
        response = api.get(SESSIONS, {"page_size": size})
        assert_answer(response, 400, "invalid")
        assert response.json()["page_size"]

    @pytest.mark.parametrize("page", ["0", "-1", "2", "x", "1.5", "\0", "9" * 30, "9" * 5000])
    def test_a_page_that_is_none_is_not_found(self, api, user, page):
        sign_in(api, user)
        assert_answer(api.get(SESSIONS, {"page": page}), 404, "not_found")

    @pytest.mark.parametrize("own", [1, 49])
    def test_a_list_that_fits_on_a_page_costs_one_statement_beside_the_check(
        self, api, user, own, django_assert_num_queries
    ):
        SessionFactory.create_batch(own, user=user)
        sign_in(api, user)
        with django_assert_num_queries(2):
            assert api.get(SESSIONS).json()["count"] == own + 1

    @pytest.mark.parametrize("page", ["1", "3"])
    def test_a_longer_list_is_counted_and_read_a_page_at_a_time(
        self, api, user, page, django_assert_num_queries
    ):
        SessionFactory.create_batch(8, user=user)
        sign_in(api, user)
        with django_assert_num_queries(4):
            answer = api.get(SESSIONS, {"page": page, "page_size": 3}).json()
        assert (answer["count"], len(answer["results"])) == (9, 3)

    def test_no_more_of_a_session_is_read_than_is_shown(self, api, user, django_assert_num_queries):
        sign_in(api, user)
        with CaptureQueriesContext(connection) as captured:
            api.get(SESSIONS)
        assert "secret_digest" not in captured[-1]["sql"]

    def test_other_query_parameters_select_nothing(self, api, user):
        other = SessionFactory()
        sign_in(api, user)
        query = {"user": other.user_id, "id": str(other.pk), "user__password__startswith": "m"}
        body = api.get(SESSIONS, query).json()
        assert [session["current"] for session in body["results"]] == [True]

    def test_the_answer_is_json_whoever_asks(self, api, user):
        SessionFactory(user=user, user_agent="<script>alert(1)</script>")
        sign_in(api, user)
        for accept in ("text/html", "application/xml", "*/*", "", "x"):
            response = api.get(SESSIONS, HTTP_ACCEPT=accept)
            assert_answer(response, 200)
            assert response["X-Content-Type-Options"] == "nosniff"
        assert_answer(api.get(SESSIONS, {"format": "api"}), 200)

    def test_a_project_that_likes_other_renderers_gets_the_same_answer(self, api, user, settings):
        sign_in(api, user)
        before = api.get(SESSIONS)
        settings.REST_FRAMEWORK = {
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"],
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "DEFAULT_PARSER_CLASSES": [],
            "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
            "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
            "EXCEPTION_HANDLER": "tests.nothing.handler",
            "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
            "PAGE_SIZE": 1,
            "DATETIME_FORMAT": "%d",
        }
        after = api.get(SESSIONS)
        assert (after.status_code, after.content) == (before.status_code, before.content)


class TestSessionDetail:
    def test_one_session_is_shown_as_in_the_list(self, api, user):
        other = SessionFactory(user=user)
        issued = sign_in(api, user)
        listed = {session["id"]: session for session in api.get(SESSIONS).json()["results"]}
        for session in (issued.session, other):
            response = api.get(detail(session.pk))
            assert_answer(response, 200)
            assert response.json() == listed[str(session.pk)]

    def test_another_session_is_ended_from_here(self, api, user):
        other = SessionFactory(user=user)
        issued = sign_in(api, user)
        response = api.delete(detail(other.pk))
        assert_answer(response, 204)
        assert response.content == b""
        other.refresh_from_db()
        assert other.revocation_reason == RevocationReason.ENDED_BY_USER
        assert_answer(api.get(detail(issued.session.pk)), 200)

    def test_ending_the_session_that_asks_is_a_logout(self, api, user):
        issued = sign_in(api, user)
        assert_answer(api.delete(detail(issued.session.pk)), 204)
        assert Session.objects.get().revocation_reason == RevocationReason.LOGOUT
        assert_refused_bearer(api.get(SESSIONS), "session_revoked")

    @pytest.mark.parametrize("method", ["get", "delete"])
    def test_another_users_session_answers_like_one_that_is_missing(self, api, user, method):
        sign_in(api, user)
        foreign = SessionFactory()
        over = [
            SessionFactory(user=user, **{trait: True}) for trait in ("ended", "expired", "idle")
        ]
        before = rows()
        missing = getattr(api, method)(NOWHERE)
        assert_answer(missing, 404, "not_found")
        for session in (foreign, *over):
            response = getattr(api, method)(detail(session.pk))
            assert response.status_code == 404
            assert (response.content, response.headers) == (missing.content, missing.headers)
        assert rows() == before

    @pytest.mark.parametrize("method", ["get", "delete"])
    def test_a_missing_and_a_foreign_session_cost_the_same(
        self, api, user, method, django_assert_num_queries
    ):
        sign_in(api, user)
        foreign = detail(SessionFactory().pk)
        with CaptureQueriesContext(connection) as missing:
            getattr(api, method)(NOWHERE)
        with django_assert_num_queries(len(missing)):
            getattr(api, method)(foreign)

    def test_nothing_of_a_session_can_be_changed(self, api, user):
        issued = sign_in(api, user)
        before = rows()
        for method in (api.put, api.patch, api.post):
            response = method(detail(issued.session.pk), {"expires_at": "2999-01-01T00:00:00Z"})
            assert_answer(response, 405, "method_not_allowed")
        assert rows() == before

    def test_a_body_does_not_say_which_session_ends(self, api, user):
        other = SessionFactory(user=user)
        issued = sign_in(api, user)
        api.delete(detail(other.pk), {"id": str(issued.session.pk)})
        issued.session.refresh_from_db()
        assert issued.session.revoked_at is None

    def test_who_did_it_is_recorded(self, api, user):
        other = SessionFactory(user=user)
        sign_in(api, user)
        api.delete(detail(other.pk), REMOTE_ADDR="192.0.2.7")
        event = SessionEvent.objects.get(kind=EventKind.REVOKED)
        assert (event.actor, event.ip_address) == (user, "192.0.2.7")
