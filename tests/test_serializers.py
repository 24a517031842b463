"""The shapes: what is text, what is bounded, and what of a session leaves the server."""

from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.utils import timezone

from token_lifecycle import serializers
from token_lifecycle.models import Session, new_session_id
from token_lifecycle.serializers import (
    AnythingSerializer,
    LogoutAllSerializer,
    LogoutSerializer,
    ObtainSerializer,
    RefreshSerializer,
    SessionSerializer,
)

GOOD = {"username": "anna", "password": "x", "device_name": "phone"}


def errors(serializer, data):
    checked = serializer(data=data)
    checked.is_valid()
    return {field: [error.code for error in found] for field, found in checked.errors.items()}


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    return value


class TestObtain:
    def test_credentials_come_out_as_they_went_in(self):
        serializer = ObtainSerializer(data=GOOD)
        assert serializer.is_valid()
        assert dict(serializer.validated_data) == GOOD

    def test_the_device_name_may_be_left_out(self):
        serializer = ObtainSerializer(data={"username": "anna", "password": "x"})
        assert serializer.is_valid()
        assert serializer.validated_data["device_name"] == ""

    def test_a_password_is_taken_to_the_letter(self):
        serializer = ObtainSerializer(data={**GOOD, "password": "  x\n"})
        assert serializer.is_valid()
        assert serializer.validated_data["password"] == "  x\n"

    @pytest.mark.parametrize(
        ("given", "looked_up"),
        [
            (" anna ", "anna"),
            ("e\N{COMBINING ACUTE ACCENT}va", "\xe9va"),
            ("\N{LATIN SMALL LIGATURE FI}n", "fin"),
            ("Anna", "Anna"),
        ],
        ids=ascii,
    )
    def test_a_username_is_normalised_as_django_does_and_no_further(self, given, looked_up):
        serializer = ObtainSerializer(data={**GOOD, "username": given})
        assert serializer.is_valid()
        assert serializer.validated_data["username"] == looked_up

    @pytest.mark.parametrize("field", GOOD)
    @pytest.mark.parametrize(
        "value",
        [1, 1.5, True, [], ["anna"], {}, {"$ne": ""}, 10**400, nested(100)],
        ids=lambda value: str(value)[:20],
    )
    def test_what_is_no_text_is_refused_and_not_bent_into_text(self, field, value):
        assert errors(ObtainSerializer, {**GOOD, field: value}) == {field: ["invalid"]}

    @pytest.mark.parametrize("field", GOOD)
    @pytest.mark.parametrize("value", ["a\0b", "a\ud800b", None], ids=ascii)
    def test_text_that_a_database_could_not_store_is_refused(self, field, value):
        assert errors(ObtainSerializer, {**GOOD, field: value}).keys() == {field}

    @pytest.mark.parametrize(
        ("field", "length"), [("username", 1024), ("password", 4096), ("device_name", 100)]
    )
    def test_everything_is_bounded(self, field, length):
        assert errors(ObtainSerializer, {**GOOD, field: "x" * length}) == {}
        too_long = {**GOOD, field: "x" * (length + 1)}
        assert errors(ObtainSerializer, too_long) == {field: ["max_length"]}

    @pytest.mark.parametrize("field", ["username", "password"])
    def test_credentials_may_not_be_empty_or_missing(self, field):
        assert errors(ObtainSerializer, {**GOOD, field: ""}) == {field: ["blank"]}
        missing = {name: value for name, value in GOOD.items() if name != field}
        assert errors(ObtainSerializer, missing) == {field: ["required"]}

    def test_the_field_is_called_as_the_user_model_calls_it(self, monkeypatch):
        class Person:
            USERNAME_FIELD = "email"
            normalize_username = get_user_model().normalize_username

        monkeypatch.setattr(serializers, "get_user_model", lambda: Person)
        serializer = ObtainSerializer(data={"email": "anna@example.com", "password": "x"})
        assert serializer.is_valid()
        assert serializer.validated_data["email"] == "anna@example.com"
        assert errors(ObtainSerializer, GOOD) == {"email": ["required"]}

    def test_no_other_field_gets_through(self):
        extra = {"is_staff": True, "user": 1, "expires_at": "2999-01-01", "lifetime": 1, "id": 1}
        serializer = ObtainSerializer(data={**GOOD, **extra})
        assert serializer.is_valid()
        assert serializer.validated_data.keys() == GOOD.keys()


@pytest.mark.parametrize("serializer", [RefreshSerializer, LogoutSerializer])
class TestRefreshToken:
    def test_it_is_taken_to_the_letter(self, serializer):
        checked = serializer(data={"refresh": " a.b.c "})
        assert checked.is_valid()
        assert checked.validated_data["refresh"] == " a.b.c "

    @pytest.mark.parametrize("value", [1, True, None, [], {}, "", "a\0", "\ud800", nested(900)])
    def test_what_is_no_text_is_refused(self, serializer, value):
        assert errors(serializer, {"refresh": value}).keys() == {"refresh"}


def test_a_refresh_needs_a_token_and_a_logout_may_do_without():
    assert errors(RefreshSerializer, {}) == {"refresh": ["required"]}
    assert errors(LogoutSerializer, {}) == {}


class TestLogoutAll:
    @pytest.mark.parametrize(("data", "keep"), [({}, False), ({"keep_current": True}, True)])
    def test_the_current_session_is_kept_when_asked_for(self, data, keep):
        serializer = LogoutAllSerializer(data=data)
        assert serializer.is_valid()
        assert serializer.validated_data["keep_current"] is keep

    @pytest.mark.parametrize("value", [None, "perhaps", "true", 0, 1, 2, [], {}, nested(900)])
    def test_what_is_no_boolean_is_refused(self, value):
        assert errors(LogoutAllSerializer, {"keep_current": value}).keys() == {"keep_current"}


@pytest.mark.parametrize("data", [[], "x", 5, None, True], ids=repr)
@pytest.mark.parametrize(
    "serializer",
    [
        ObtainSerializer,
        RefreshSerializer,
        LogoutSerializer,
        LogoutAllSerializer,
        AnythingSerializer,
    ],
)
def test_a_body_is_an_object(serializer, data):
    assert errors(serializer, data).keys() == {"non_field_errors"}


class TestSession:
    @pytest.fixture
    def session(self):
        now = timezone.now()
        return Session(created_at=now, rotated_at=now, expires_at=now, idle_expires_at=now)

    def shown(self, session, current=None):
        context = {"current_session_id": current or new_session_id()}
        return SessionSerializer(session, context=context).data

    def test_only_these_fields_leave_the_server(self, session):
        assert list(self.shown(session)) == [
            "id",
            "device_name",
            "user_agent",
            "ip_address",
            "auth_method",
            "created_at",
            "last_used_at",
            "expires_at",
            "current",
        ]

    def test_the_session_that_asks_is_marked(self, session):
        assert self.shown(session, current=session.pk)["current"] is True
        assert self.shown(session)["current"] is False

    def test_dates_keep_their_format_whatever_the_project_shows_elsewhere(self, session, settings):
        before = self.shown(session)
        settings.REST_FRAMEWORK = {"DATETIME_FORMAT": "%d %B"}
        assert self.shown(session) == before

    def test_nothing_of_a_session_can_be_written(self, session):
        serializer = SessionSerializer(
            session, data={"user": 1, "expires_at": "2999-01-01"}, context={"current_session_id": 1}
        )
        assert serializer.is_valid()
        assert serializer.validated_data == {}


def test_every_shown_field_is_one_of_the_model_or_made_for_the_answer():
    def is_column(name):
        try:
            return bool(Session._meta.get_field(name))
        except FieldDoesNotExist:
            return False

    made = [name for name in SessionSerializer().fields if not is_column(name)]
    assert made == ["last_used_at", "current"]


def test_a_name_of_the_project_is_normalised_by_the_projects_own_model(monkeypatch):
    lower = SimpleNamespace(USERNAME_FIELD="email", normalize_username=str.lower)
    monkeypatch.setattr(serializers, "get_user_model", lambda: lower)
    serializer = ObtainSerializer(data={"email": "Anna@Example.com", "password": "x"})
    assert serializer.is_valid()
    assert serializer.validated_data["email"] == "anna@example.com"
