"""``manage.py end_sessions``: end the sessions of some users, of some clients, or of everybody."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from token_lifecycle import lifecycle
from token_lifecycle.management.choosing import Chosen, find_user
from token_lifecycle.management.progress import Bar, Lines, grouped
from token_lifecycle.models import RevocationReason, Session

#: Sessions per transaction.
BATCH_SIZE = 1000

DURATION = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

#: The options that choose; what is given has to fit all of them.
CHOICES = ("users", "user_agent", "networks", "older_than", "unused_for", "method")


def duration(text: str) -> timedelta:
    """A number and a unit: ``90m``, ``12h``, ``30d``, ``2w``.

    :raises ValueError: it is something else.
    """
    found = DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return timedelta(**{UNITS[found[2]]: int(found[1])})


class Command(BaseCommand):
    help = (
        "End the live sessions that fit all that is given, or those of everybody. Says how many "
        "there are, and asks."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        self._add_choices(parser)
        parser.add_argument(
            "--all",
            action="store_true",
            dest="everybody",
            help="everybody: with one row, at once, however many there are",
        )
        parser.add_argument(
            "--actor", metavar="USER", help="who does this: is named in the audit trail"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="count what would be ended, and end nothing"
        )
        parser.add_argument(
            "--batch-size",
            type=int,
            default=BATCH_SIZE,
            help=f"sessions per transaction (default: {BATCH_SIZE})",
        )
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="do not ask",
        )

    def _add_choices(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--user",
            dest="users",
            nargs="+",
            action="extend",
            metavar="USER",
            help="of these users: names or keys; may be given several times",
        )
        parser.add_argument(
            "--user-agent", metavar="TEXT", help="whose user agent contains this, in any case"
        )
        parser.add_argument(
            "--ip",
            dest="networks",
            nargs="+",
            action="extend",
            type=ip_network,
            metavar="NETWORK",
            help="last used from one of these addresses or networks, as 203.0.113.0/24",
        )
        parser.add_argument(
            "--older-than",
            type=duration,
            metavar="DURATION",
            help="signed in longer ago than this: 90m, 12h, 30d, 2w",
        )
        parser.add_argument(
            "--unused-for", type=duration, metavar="DURATION", help="not refreshed for so long"
        )
        parser.add_argument("--method", metavar="NAME", help="signed in by this method")

    def handle(self, *, verbosity: int, **options: Any) -> None:
        now = timezone.now()
        chosen = self._chosen(options, now)
        actor = find_user(options["actor"]) if options["actor"] is not None else None
        count, users = chosen.count()
        if options["dry_run"]:
            self._tell(_would_end(count, users), verbosity)
            return
        if not count and not options["everybody"]:
            self._tell(_("There is no live session to end."), verbosity)
            return
        if options["interactive"]:
            _ask(_will_end(count, users))
        progress = self._progress(verbosity, count)
        try:
            if options["everybody"]:
                # Those who sign in while somebody thinks about the question are meant as well.
                lifecycle.revoke_everybody(actor=actor)
                ended = lifecycle.sweep(batch_size=options["batch_size"], progress=progress.advance)
            else:
                ended = self._end(chosen, actor, options["batch_size"], progress)
        finally:
            progress.close()
        self._tell(self.style.SUCCESS(_ended(ended)), verbosity)

    def _chosen(self, options: dict[str, Any], now: datetime) -> Chosen:
        """What the options mean.

        :raises CommandError: nothing was chosen, or everybody and somebody at once.
        """
        given = [name for name in CHOICES if options[name] not in (None, "", [])]
        if options["everybody"] and given:
            raise CommandError(_("--all is everybody: it goes with no other choice."))
        if not options["everybody"] and not given:
            raise CommandError(_("Say whose sessions are meant, or --all."))
        if options["batch_size"] < 1:
            raise CommandError(_("--batch-size must be at least 1."))
        # Every user is found before the first session ends.
        users = None if options["users"] is None else [find_user(name) for name in options["users"]]
        return Chosen(
            users=users,
            user_agent=options["user_agent"] or "",
            networks=tuple(options["networks"] or ()),
            older_than=options["older_than"],
            unused_for=options["unused_for"],
            method=options["method"] or "",
            now=now,
        )

    def _end(self, chosen: Chosen, actor: Any, batch_size: int, progress: Lines | Bar) -> int:
        ended = 0
        for keys in chosen.batches(batch_size):
            ended += lifecycle.revoke_sessions(
                Session.objects.primary().filter(pk__in=keys),
                reason=RevocationReason.ADMIN,
                actor=actor,
            )
            progress.advance(len(keys))
        return ended

    def _progress(self, verbosity: int, total: int) -> Lines | Bar:
        if verbosity and self.stdout.isatty():
            return Bar(self.stdout, total=total)
        return Lines(self.stdout if verbosity else None)

    def _tell(self, text: str, verbosity: int) -> None:
        if verbosity:
            self.stdout.write(text)


def _ask(sentence: str) -> None:
    """Go on only after a yes.

    :raises CommandError: after anything else, also where nobody can be asked.
    """
    # Translators: the first letter of "yes" and the word, in small letters, between commas.
    yes = _("y,yes").split(",")
    question = _("Go on? [y/N]")
    try:
        answer = input(f"{sentence} {question} ")
    except EOFError:
        raise CommandError(_("Nobody answered, nothing was ended. See --no-input.")) from None
    if answer.strip().lower() not in yes:
        raise CommandError(_("Nothing was ended."))


def _will_end(count: int, users: int) -> str:
    text = _("This will end %(sessions)s of %(users)s.")
    return text % {"sessions": _sessions(count), "users": _users(users)}


def _would_end(count: int, users: int) -> str:
    text = _("This would end %(sessions)s of %(users)s.")
    return text % {"sessions": _sessions(count), "users": _users(users)}


def _ended(count: int) -> str:
    return _("Ended %(sessions)s.") % {"sessions": _sessions(count)}


def _sessions(count: int) -> str:
    text = ngettext("%(count)s live session", "%(count)s live sessions", count)
    return text % {"count": grouped(count)}


def _users(count: int) -> str:
    return ngettext("%(count)s user", "%(count)s users", count) % {"count": grouped(count)}
