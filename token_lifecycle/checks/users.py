"""System checks of how ``SIMPLE_JWT`` names a user in a token, and the claims themselves."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error

from ..claims import RESERVED_CLAIMS
from .reading import of_project

#: What names a claim, and what it is called by default.
NAMES = {
    "USER_ID_CLAIM": "user_id",
    "TOKEN_TYPE_CLAIM": "token_type",  # nosec B105  # a name
    "JTI_CLAIM": "jti",
}


def check_user_id_field(**kwargs: Any) -> list[CheckMessage]:
    """E024: ``USER_ID_FIELD`` is no field that a user could be found by."""
    name = of_project("SIMPLE_JWT").get("USER_ID_FIELD", "pk")
    model = get_user_model()
    if name != "pk" and not _is_column(model, name):
        message = f"SIMPLE_JWT['USER_ID_FIELD']: {model._meta.label} has no field {name!r}."
        return [Error(message, id="token_lifecycle.E024")]
    return []


def _is_column(model: type[Any], name: Any) -> bool:
    return any(name in (field.name, field.attname) for field in model._meta.concrete_fields)


def check_claim_names(**kwargs: Any) -> list[CheckMessage]:
    """E025: a claim that is called as another one is."""
    simple = of_project("SIMPLE_JWT")
    # An empty name of the latter two means the default, as in simplejwt.
    names = {key: simple.get(key, default) for key, default in NAMES.items()}
    names = {key: name or (key != "USER_ID_CLAIM" and NAMES[key]) for key, name in names.items()}
    found: list[CheckMessage] = []
    for key, name in names.items():
        others = [other for another, other in names.items() if another != key]
        if not isinstance(name, str) or not name or name in RESERVED_CLAIMS or name in others:
            message = f"SIMPLE_JWT['{key}'] must be the name of a claim that nothing else has."
            found.append(Error(message, id="token_lifecycle.E025"))
    return found
