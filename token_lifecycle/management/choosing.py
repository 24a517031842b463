"""Which sessions a command is about: by user, client, address, age and method."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import DataError
from django.utils.translation import gettext as _

from token_lifecycle.managers import SessionQuerySet
from token_lifecycle.models import Session

#: Rows that are looked at in one reading.
READ = 2000


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The live sessions that fit everything that is given."""

    now: datetime
    users: list[Any] | None = None
    user_agent: str = ""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    older_than: timedelta | None = None
    unused_for: timedelta | None = None
    method: str = ""

    def count(self) -> tuple[int, int]:
        """How many sessions of how many users."""
        if not self.networks:
            rows = self._rows()
            return rows.count(), rows.values("user").distinct().count()
        found = [user for _, user in self._matching()]
        return len(found), len(set(found))

    def batches(self, size: int) -> Iterator[list[UUID]]:
        """Their keys, so many at a time; each batch is read when it is asked for."""
        batch: list[UUID] = []
        for key, _user in self._matching():
            batch.append(key)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _rows(self) -> SessionQuerySet:
        rows = Session.objects.primary().live(self.now)
        if self.users is not None:
            rows = rows.filter(user__in=self.users)
        if self.user_agent:
            rows = rows.filter(user_agent__icontains=self.user_agent)
        if self.older_than is not None:
            rows = rows.filter(created_at__lt=self.now - self.older_than)
        if self.unused_for is not None:
            rows = rows.filter(rotated_at__lt=self.now - self.unused_for)
        if self.method:
            rows = rows.filter(auth_method=self.method)
        return rows

    def _matching(self) -> Iterator[tuple[UUID, Any]]:
        """Key and user of each, in the order of the keys.

        Read in pieces of which each goes on where the last one ended: what was ended meanwhile
        cannot push a row past the reader.
        """
        reached = None
        while True:
            rows = self._rows() if reached is None else self._rows().filter(pk__gt=reached)
            piece = list(rows.order_by("pk").values_list("pk", "user_id", "ip_address")[:READ])
            yield from ((key, user) for key, user, address in piece if self._is_in(address))
            if len(piece) < READ:
                return
            reached = piece[-1][0]

    def _is_in(self, address: str | None) -> bool:
        """Whether the networks hold the address; no database but one compares these alike."""
        if not self.networks:
            return True
        if address is None:
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self.networks)


def refuse_empty(options: dict[str, Any], *names: str) -> None:
    """An empty value narrows nothing: it is a variable that a script has not set.

    :raises CommandError: one of these options is given, and empty.
    """
    for name in names:
        if options[name] is not None and not str(options[name]).strip():
            option = f"--{name.replace('_', '-')}"
            text = _("%(option)s is empty. Leave it out, or say what is meant.")
            raise CommandError(text % {"option": option})


def find_user(name: str) -> Any:
    """The user with this user name or key.

    :raises CommandError: there is none, or the name of one is the key of another.
    """
    field = get_user_model().USERNAME_FIELD
    found = {user.pk: user for user in (_find(field, name), _find("pk", name)) if user}
    match list(found.values()):
        case [user]:
            return user
        case []:
            raise CommandError(
                _("There is no user with the name or key %(name)r.") % {"name": name}
            )
        case both:
            named, keyed = both
            text = _(
                "%(name)r is the name of one user and the key of another. "
                "Say %(key)r for the first or %(other)r for the second."
            )
            names = {"name": name, "key": str(named.pk), "other": keyed.get_username()}
            raise CommandError(text % names)


def _find(field: str, value: str) -> Any:
    # All users, also those that a project's own manager hides.
    users = get_user_model()._base_manager.using(Session.objects.primary().db)
    with suppress(ValueError, TypeError, OverflowError, ValidationError, DataError):
        return users.filter(**{field: value}).first()
    return None
