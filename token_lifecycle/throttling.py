"""Throttles with working defaults: sign-ins by address and by account, refreshes by session.

They are DRF's own throttle with keys and rates of this app (``THROTTLE_RATES``).
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from .api_errors import ServiceUnavailable
from .conf import app_settings
from .device import client_address

logger = logging.getLogger("token_lifecycle")


class GuardedCache:
    """The default cache, for a throttle that closes the door when the cache is broken."""

    def get(self, key: str, default: Any) -> Any:
        with _refuse_when_broken():
            return cache.get(key, default)

    def set(self, key: str, value: Any, timeout: int) -> None:
        with _refuse_when_broken():
            cache.set(key, value, timeout)


@contextmanager
def _refuse_when_broken() -> Iterator[None]:
    # Around the call of the backend and nothing else, so that no mistake of ours hides behind it.
    # What backends raise (redis, memcached, a database …) has no base class but Exception.
    try:
        yield
    except ImproperlyConfigured:
        raise
    except Exception as error:
        logger.exception("the throttle's cache did not answer")
        raise ServiceUnavailable from error


class LifecycleThrottle(SimpleRateThrottle):
    """A throttle whose rate is read live, and which closes the door when the cache is broken."""

    scope: str
    cache: Any = GuardedCache()

    def get_rate(self) -> str | None:
        return app_settings.throttle_rates[self.scope]

    def cache_key(self, subject: str) -> str:
        """A cache key that is safe whatever the subject holds, and does not tell what it was."""
        subject_digest = hashlib.sha256(subject.encode(errors="replace")).hexdigest()
        return self.cache_format % {
            "scope": f"token_lifecycle_{self.scope}",
            "ident": subject_digest,
        }


class ObtainAddressThrottle(LifecycleThrottle):
    """Sign-ins from one address; an IPv6 network of one customer (/64) counts as one."""

    scope = "obtain_address"

    def get_cache_key(self, request: Request, view: Any) -> str:
        address = client_address(request.META, trusted_proxies=app_settings.trusted_proxies)
        if address is not None and ":" in address:
            address = str(ipaddress.ip_network(f"{address}/64", strict=False))
        return self.cache_key(address or "")


class ObtainAccountThrottle(LifecycleThrottle):
    """Sign-ins to one account, however many addresses they come from.

    The name is reduced further than Django does for signing in, so that writing it in another way
    buys no further tries: the collations of MariaDB and MySQL find "jose" for "JOSÉ" too.
    """

    scope = "obtain_account"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        data = request.data
        name = data.get(get_user_model().USERNAME_FIELD) if isinstance(data, dict) else None
        if not isinstance(name, str):
            return None  # no such account; the serializer refuses it
        return self.cache_key(_letters(name))


def _letters(name: str) -> str:
    """``name`` without accents, invisible characters, white space and differences of case."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    kept = (c for c in decomposed if unicodedata.category(c) not in ("Mn", "Me"))
    return "".join(c for c in kept if unicodedata.category(c)[0] not in "CZ")


class RefreshSessionThrottle(LifecycleThrottle):
    """Refreshes of one session. Asked only about a verified token: an id alone blocks nobody."""

    scope = "refresh_session"

    def __init__(self, session_id: UUID) -> None:
        super().__init__()
        self.session_id = session_id

    def get_cache_key(self, request: Request, view: Any) -> str:
        return self.cache_key(str(self.session_id))
