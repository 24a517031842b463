"""Shapes of requests and answers, and nothing else: no query, no decision."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.contrib.auth import get_user_model
from rest_framework import ISO_8601, serializers
from rest_framework.fields import empty

from .device import DEVICE_NAME_LENGTH
from .models import Session

#: As Django's own forms: hashing a longer one would only warm the room.
PASSWORD_LENGTH = 4096
USERNAME_LENGTH = 1024


class TextField(serializers.CharField):
    """Text that came as text: a number is not bent into a name (ASVS 15.3.5)."""

    def run_validation(self, data: Any = empty) -> Any:
        # Before DRF's own, which calls str() on whatever came: too much for a deeply nested list.
        if data is not empty and data is not None and not isinstance(data, str):
            self.fail("invalid")
        return super().run_validation(data)


class YesOrNoField(serializers.BooleanField):
    """JSON's own true and false: neither a word nor a number is bent into one (ASVS 15.3.5)."""

    def run_validation(self, data: Any = empty) -> Any:
        if data is not empty and data is not None and not isinstance(data, bool):
            self.fail("invalid", input=data)
        return super().run_validation(data)


class UsernameField(TextField):
    """Normalised as Django's own sign-in form does: the stored name went through it too.

    Bounded first, for normalising is quadratic in runs of combining marks.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=USERNAME_LENGTH, **options)

    def run_validation(self, data: Any = empty) -> Any:
        return get_user_model().normalize_username(super().run_validation(data))


class ObtainSerializer(serializers.Serializer[Any]):
    """The username field of the project's user model, a password, and what the client is called."""

    password = TextField(
        max_length=PASSWORD_LENGTH, trim_whitespace=False, style={"input_type": "password"}
    )
    device_name = TextField(
        max_length=DEVICE_NAME_LENGTH, required=False, allow_blank=True, default=""
    )

    def get_fields(self) -> dict[str, Any]:
        return {get_user_model().USERNAME_FIELD: UsernameField(), **super().get_fields()}


class AnythingSerializer(serializers.Serializer[Any]):
    """An object or nothing at all; what is in it does not matter."""


class RefreshSerializer(serializers.Serializer[Any]):
    """The refresh token, to the letter: white space is not forgiven."""

    refresh = TextField(trim_whitespace=False)


class LogoutSerializer(serializers.Serializer[Any]):
    """The refresh token, for clients that do not use their access token to log out."""

    refresh = TextField(trim_whitespace=False, required=False)


class LogoutAllSerializer(serializers.Serializer[Any]):
    """Whether the session that asks survives."""

    keep_current = YesOrNoField(required=False, default=False)


class PageSizeSerializer(serializers.Serializer[Any]):
    """How many sessions a page of them has."""

    page_size = serializers.IntegerField(min_value=1, required=False)


class MomentField(serializers.DateTimeField):
    """ISO 8601 in UTC, whatever format and time zone the project shows on its own pages."""

    def __init__(self, **options: Any) -> None:
        super().__init__(format=ISO_8601, default_timezone=UTC, read_only=True, **options)


#: What of a row a SessionSerializer reads.
SHOWN_COLUMNS = (
    "id",
    "device_name",
    "user_agent",
    "ip_address",
    "auth_method",
    "created_at",
    "rotated_at",
    "expires_at",
)


class SessionSerializer(serializers.Serializer[Any]):
    """What a person may know of their own session. Only what is named here leaves (ASVS 15.3.1).

    Written out: a ModelSerializer would find its fields again for each answer.
    """

    id = serializers.UUIDField(read_only=True)
    device_name = serializers.CharField(read_only=True)
    user_agent = serializers.CharField(read_only=True)
    ip_address = serializers.IPAddressField(read_only=True)
    auth_method = serializers.CharField(read_only=True)
    created_at = MomentField()
    last_used_at = MomentField(source="rotated_at")
    expires_at = MomentField()
    current = serializers.SerializerMethodField()

    def get_current(self, session: Session) -> bool:
        current: bool = session.pk == self.context["current_session_id"]
        return current
