"""``manage.py end_sessions``: end the sessions of some users, or of everybody."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DataError
from django.utils import timezone

from token_lifecycle import lifecycle
from token_lifecycle.managers import SessionQuerySet
from token_lifecycle.models import RevocationReason, Session


class Command(BaseCommand):
    help = "End all live sessions of some users, or of everybody. Asks first."

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument(
            "--user",
            dest="users",
            nargs="+",
            action="extend",
            metavar="USER",
            help="user names or keys; may be given several times",
        )
        whose.add_argument("--all", action="store_true", dest="everybody", help="everybody")
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="do not ask",
        )

    def handle(
        self,
        *,
        users: list[str] | None,
        everybody: bool,
        interactive: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        sessions = _sessions(None if everybody else users or [])
        live = sessions.live(timezone.now())
        count = live.count()
        if not count:
            self._tell("There is no live session to end.", verbosity)
            return
        if interactive:
            concerned = live.values("user").distinct().count()
            _ask(f"This will end {_sessions_text(count)} of {_users_text(concerned)}.")
        ended = lifecycle.revoke_sessions(sessions, reason=RevocationReason.ADMIN)
        self._tell(self.style.SUCCESS(f"Ended {_sessions_text(ended)}."), verbosity)

    def _tell(self, text: str, verbosity: int) -> None:
        if verbosity:
            self.stdout.write(text)


def _sessions(names: list[str] | None) -> SessionQuerySet:
    sessions = Session.objects.primary()
    if names is None:
        return sessions
    # Every one is found before the first one ends.
    return sessions.filter(user__in=[_user(name) for name in names])


def _user(name: str) -> Any:
    """The user with this user name or key.

    :raises CommandError: there is none, or the name of one is the key of another.
    """
    field = get_user_model().USERNAME_FIELD
    found = {user.pk: user for user in (_find(field, name), _find("pk", name)) if user}
    match list(found.values()):
        case [user]:
            return user
        case []:
            raise CommandError(f"There is no user with the name or key {name!r}.")
        case both:
            named, keyed = both
            raise CommandError(
                f"{name!r} is the name of one user and the key of another. "
                f"Say {str(named.pk)!r} for the first or {keyed.get_username()!r} for the second."
            )


def _find(field: str, value: str) -> Any:
    # All users, also those that a project's own manager hides.
    users = get_user_model()._base_manager.using(Session.objects.primary().db)
    with suppress(ValueError, TypeError, OverflowError, ValidationError, DataError):
        return users.filter(**{field: value}).first()
    return None


def _ask(sentence: str) -> None:
    """Go on only after a yes.

    :raises CommandError: after anything else, also where nobody can be asked.
    """
    try:
        answer = input(f"{sentence} Go on? [y/N] ")
    except EOFError:
        raise CommandError("Nobody answered, nothing was ended. See --no-input.") from None
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was ended.")


def _sessions_text(count: int) -> str:
    return f"{count:,} live session{'' if count == 1 else 's'}"


def _users_text(count: int) -> str:
    return f"{count:,} user{'' if count == 1 else 's'}"
