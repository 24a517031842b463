"""Throttles with working defaults: sign-ins by address and by account, refreshes by session.

They are DRF's own throttle with keys, rates (``THROTTLE_RATES``) and counting of this app.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from .api_errors import ServiceUnavailable
from .conf import app_settings
from .device import client_address
from .serializers import UsernameField

#: How many places are looked at in one go. Of a high rate that is nearly all taken, one is free
#: among so many; only whoever is refused has to see all of them.
LOOKED_AT = 100

logger = logging.getLogger("token_lifecycle")


class GuardedCache:
    """The default cache, for a throttle that closes the door when the cache is broken."""

    def add(self, key: str, value: float, timeout: float) -> bool:
        with _refuse_when_broken():
            return bool(cache.add(key, value, timeout))

    def get_many(self, keys: Sequence[str]) -> dict[str, float]:
        with _refuse_when_broken():
            return dict(cache.get_many(keys))

    def delete(self, key: str) -> None:
        with _refuse_when_broken():
            cache.delete(key)


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
    """A throttle whose rate is read live, and which closes the door when the cache is broken.

    DRF's reads what was counted, adds to it and writes it back, so that requests at the same moment
    count as one: eight processes got three times the rate. Here a request takes one of as many
    places as the rate allows; ``add`` gives a place to one alone, for as long as the rate says.
    """

    scope: str
    cache: Any = GuardedCache()
    #: What DRF makes of the rate: so many in so many seconds.
    num_requests: int
    duration: int

    def allow_request(self, request: Request, view: Any) -> bool:
        if self.rate is None:
            return True
        self.key = self.get_cache_key(request, view)
        if self.key is None:
            return True
        self.now = self.timer()
        self.taken: dict[str, float] = {}
        if self.num_requests == 0:
            return False
        first = secrets.randbelow(self.num_requests)
        # Nearly always there is room, and then this is all that is asked of the cache.
        if self.take(f"{self.key}_{first}"):
            return True
        self.taken = {}  # the cache knows better until when
        numbers = [*range(first, self.num_requests), *range(first)]
        return any(
            self.take_one_of([f"{self.key}_{number}" for number in some])
            for some in batched(numbers, LOOKED_AT)
        )

    def take_one_of(self, places: list[str]) -> bool:
        """Whether this request has got one of them, which are first looked at together."""
        self.taken |= self.cache.get_many(places)
        return any(self.take(place) for place in places if not self.is_taken(place))

    def take(self, place: str) -> bool:
        """Whether this request, and none beside it, has got a place."""
        if place in self.taken:
            self.cache.delete(place)  # whose time is over by our clock and not by the cache's
        until = self.now + self.duration
        if self.cache.add(place, until, self.duration):
            return True
        self.taken[place] = until  # somebody was faster
        return False

    def is_taken(self, place: str) -> bool:
        return self.taken.get(place, 0) > self.now

    def wait(self) -> float:
        """Seconds until the first of the places is free."""
        return min(self.taken.values(), default=self.now + self.duration) - self.now

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
        address = client_address(request.META)
        if address is not None and ":" in address:
            address = str(ipaddress.ip_network(f"{address}/64", strict=False))
        return self.cache_key(address or "")


class ObtainAccountThrottle(LifecycleThrottle):
    """Sign-ins to one account, however many addresses they come from.

    The name is reduced further than Django does for signing in, so that writing it in another way
    buys no further tries.
    """

    scope = "obtain_account"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        data = request.data
        sent = data.get(get_user_model().USERNAME_FIELD) if isinstance(data, dict) else None
        try:
            # As the view will read it. Its bound comes before everything else: to normalise a
            # hundred kilobytes of accents takes seconds, in which the whole process stands still.
            name = UsernameField().run_validation(sent)
        except ValidationError:
            return None  # no such account; the view refuses it for the same reason
        return self.cache_key(_account(name))


def _account(name: str) -> str:
    """What stands for the account that ``name`` signs in to, or would."""
    users = get_user_model()._default_manager
    # Collations of MariaDB and MySQL take "ß" for "s" or "ss", "ł" for "l" and Arabic digits for
    # ours, each in its own way; only the database knows whom a name means there.
    if connections[users.db].vendor == "mysql":
        found = users.filter(**{get_user_model().USERNAME_FIELD: name}).values_list("pk").first()
        if found is not None:
            return f"key {found[0]}"  # with a space, which no name has left
    return _letters(name)


def batched(numbers: list[int], size: int) -> Iterator[list[int]]:
    """As that of itertools, which Python 3.11 does not have."""
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


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
