"""Tokens made by hand, signed with the real key or not, and what the database holds."""

import base64
import hmac
import json

from django.conf import settings
from django.contrib.auth import get_user_model

from token_lifecycle.models import Session, SessionEvent

HEADER = {"alg": "HS256", "typ": "JWT"}


def segment(content):
    """One part of a token: JSON of a value, or text and bytes to the letter."""
    if isinstance(content, str):
        content = content.encode()
    elif not isinstance(content, bytes):
        content = json.dumps(content).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def forge(payload, *, header=HEADER, key=None, digest="sha256"):
    """A token with a correct HMAC, whatever its header and payload hold."""
    signed = f"{segment(header)}.{segment(payload)}"
    key = settings.SECRET_KEY if key is None else key
    mac = hmac.digest(key.encode() if isinstance(key, str) else key, signed.encode(), digest)
    return f"{signed}.{segment(mac)}"


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims_of(token):
    """The claims of a token, unverified."""
    return json.loads(decoded(token.split(".")[1]))


def reforged(token, *without, header=HEADER, **changes):
    """``token`` with other claims, signed again with the real key."""
    kept = {name: value for name, value in claims_of(token).items() if name not in without}
    return forge({**kept, **changes}, header=header)


def rows():
    """Everything that a refused request could have written."""
    models = (Session, SessionEvent, get_user_model())
    return [list(model.objects.order_by("pk").values()) for model in models]
