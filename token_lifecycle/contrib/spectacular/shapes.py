"""The bodies of requests and answers as JSON Schema, with the bounds that the serializers keep.

Written out, as the serializers are: a schema made from those would not say what white space and NUL
do, nor which members an answer always has.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from drf_spectacular.settings import spectacular_settings

from ...device import DEVICE_NAME_LENGTH, USER_AGENT_LENGTH
from ...models import Session
from ...serializers import PASSWORD_LENGTH, USERNAME_LENGTH
from ...session_views import SessionPagination

Schema = dict[str, Any]

#: What PostgreSQL cannot store, no field accepts.
NO_NUL = r"^[^\u0000]*$"
#: And somewhere a character that is left when the white space at the ends is taken off.
NOT_BLANK = r"^[^\u0000]*[^\s\u0000-\u001f\u0085][^\u0000]*$"
COMPACT = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"

TOKEN: Schema = {"type": "string", "pattern": COMPACT}
MOMENT: Schema = {"type": "string", "format": "date-time"}
UUID: Schema = {"type": "string", "format": "uuid"}
COUNT: Schema = {"type": "integer", "minimum": 0}
WORDS: Schema = {"type": "array", "items": {"type": "string"}, "minItems": 1}


def text(*, pattern: str = NO_NUL, **bounds: Any) -> Schema:
    return {"type": "string", "pattern": pattern, **bounds}


def members(properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object whose members are there unless they are named as optional."""
    required = [name for name in properties if name not in optional]
    shape: Schema = {"type": "object", "properties": properties}
    return {**shape, "required": required} if required else shape


def nullable(schema: Schema) -> Schema:
    """OpenAPI 3.1 writes null as a type, 3.0 has a word of its own."""
    if spectacular_settings.OAS_VERSION.startswith("3.0"):
        return {**schema, "nullable": True}
    return {**schema, "type": [schema["type"], "null"]}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


# Requests


def credentials() -> Schema:
    return members(
        {
            username_field(): text(pattern=NOT_BLANK, minLength=1, maxLength=USERNAME_LENGTH),
            "password": text(minLength=1, maxLength=PASSWORD_LENGTH, format="password"),
            "device_name": text(
                maxLength=DEVICE_NAME_LENGTH,
                default="",
                description='What a list of "my devices" shows.',
            ),
        },
        optional=("device_name",),
    )


def refresh_token() -> Schema:
    return members({"refresh": text(minLength=1)})


def optional_refresh_token() -> Schema:
    return members({"refresh": text(minLength=1)}, optional=("refresh",))


def keep_current() -> Schema:
    spared = {"type": "boolean", "default": False, "description": "Spare the session that asks."}
    return members({"keep_current": spared}, optional=("keep_current",))


def nothing() -> Schema:
    return {"type": "object"}


def username_field() -> str:
    name: str = get_user_model().USERNAME_FIELD
    return name


# Answers


def access() -> Schema:
    return members(
        {
            "access": TOKEN,
            "token_type": {"type": "string", "enum": ["Bearer"]},
            "expires_in": {**COUNT, "description": "Seconds from now: the access token."},
            "refresh_expires_in": {**COUNT, "description": "Seconds from now: the refresh token."},
            "session": UUID,
        }
    )


def tokens() -> Schema:
    return {"allOf": [ref("AuthAccess"), members({"refresh": TOKEN})]}


def session() -> Schema:
    method_length = Session._meta.get_field("auth_method").max_length
    said = "As the client said, or made the network say: show it as text, decide nothing by it."
    return members(
        {
            "id": UUID,
            "device_name": {
                "type": "string",
                "maxLength": DEVICE_NAME_LENGTH,
                "description": said,
            },
            "user_agent": {"type": "string", "maxLength": USER_AGENT_LENGTH, "description": said},
            "ip_address": nullable({"type": "string", "description": f"IPv4 or IPv6. {said}"}),
            "auth_method": {"type": "string", "maxLength": method_length},
            "created_at": MOMENT,
            "last_used_at": {**MOMENT, "description": "The sign-in or the last refresh."},
            "expires_at": MOMENT,
            "current": {"type": "boolean", "description": "Whether it is the one that asks."},
        }
    )


def session_page() -> Schema:
    page = nullable({"type": "string", "format": "uri"})
    sessions = {
        "type": "array",
        "items": ref("AuthSession"),
        "maxItems": SessionPagination.max_page_size,
    }
    return members({"count": COUNT, "next": page, "previous": page, "results": sessions})


def revoked() -> Schema:
    return members({"revoked": {**COUNT, "description": "How many sessions have been ended."}})


def key_set() -> Schema:
    names = ("kty", "use", "alg", "kid", "crv", "x", "y", "n", "e")
    key = members({name: {"type": "string"} for name in names}, optional=names[3:])
    return members({"keys": {"type": "array", "items": key}})


#: By their name among the components of a schema.
COMPONENTS = {
    "AuthAccess": access,
    "AuthTokens": tokens,
    "AuthSession": session,
    "AuthSessionPage": session_page,
    "AuthKeySet": key_set,
    "AuthRevoked": revoked,
}
