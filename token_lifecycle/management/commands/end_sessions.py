"""``manage.py end_sessions``: end the sessions of some users, of some clients, or of everybody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from token_lifecycle import lifecycle
from token_lifecycle.everybody import sessions_left_by
from token_lifecycle.exceptions import Unavailable
from token_lifecycle.management.asking import (
    ask,
    ended,
    interrupted,
    sessions_text,
    will_end,
    would_end,
)
from token_lifecycle.management.choosing import Chosen, find_user, refuse_empty
from token_lifecycle.management.progress import Bar, Lines
from token_lifecycle.models import RevocationReason, Session

#: Sessions per transaction.
BATCH_SIZE = 1000

DURATION = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

#: The options that choose; what is given has to fit all of them.
CHOICES = ("users", "user_agent", "networks", "older_than", "unused_for", "method")


def duration(text: str) -> timedelta:
    """A number and a unit: ``90m``, ``12h``, ``30d``, ``2w``.

    :raises ValueError: it is something else, or began before there were dates.
    """
    found = DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    lasting = timedelta(**{UNITS[found[2]]: int(found[1])})
    try:
        timezone.now() - lasting
    except OverflowError:
        raise ValueError(text) from None
    return lasting


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
            type=ip_interface,
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
        chosen = self._chosen(options, timezone.now())
        actor = find_user(options["actor"]) if options["actor"] is not None else None
        self._tell_networks(options["networks"] or (), verbosity)
        if options["everybody"] and not (options["interactive"] or options["dry_run"]):
            # Counting takes its time, and whoever wants this is in a hurry.
            self._end_everybody(actor, options["batch_size"], None, verbosity)
            return
        count, users = chosen.count()
        if options["dry_run"]:
            self._tell(would_end(count, users), verbosity)
            return
        if not count and not options["everybody"]:
            self._tell(_("There is no live session to end."), verbosity)
            return
        if options["interactive"]:
            ask(will_end(count, users))
        if options["everybody"]:
            # Those who sign in while somebody thinks about the question are meant as well.
            self._end_everybody(actor, options["batch_size"], count, verbosity)
        else:
            self._end(chosen, actor, options["batch_size"], count, verbosity)

    def _chosen(self, options: dict[str, Any], now: datetime) -> Chosen:
        """What the options mean.

        :raises CommandError: nothing was chosen, or everybody and somebody at once.
        """
        refuse_empty(options, "user_agent", "method", "actor")
        given = [name for name in CHOICES if options[name] not in (None, [])]
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
            networks=tuple(interface.network for interface in options["networks"] or ()),
            older_than=options["older_than"],
            unused_for=options["unused_for"],
            method=options["method"] or "",
            now=now,
        )

    def _end(self, chosen: Chosen, actor: Any, batch_size: int, count: int, verbosity: int) -> None:
        progress, done = self._progress(verbosity, count), 0
        try:
            for keys in chosen.batches(batch_size):
                done += lifecycle.revoke_sessions(
                    Session.objects.primary().filter(pk__in=keys),
                    reason=RevocationReason.ADMIN,
                    actor=actor,
                )
                progress.advance(len(keys))
        except Unavailable as error:
            raise interrupted(sessions_text(done)) from error
        finally:
            progress.close()
        self._tell(self.style.SUCCESS(ended(done)), verbosity)

    def _end_everybody(
        self, actor: Any, batch_size: int, count: int | None, verbosity: int
    ) -> None:
        """``count`` of None: nobody has counted them yet."""
        try:
            cutoff = lifecycle.revoke_everybody(actor=actor)
        except Unavailable as error:
            text = _("The database was busy, and nothing was changed. Please try again.")
            raise CommandError(text) from error
        if count is None and self._draws(verbosity):
            count = sessions_left_by(cutoff).count()
        progress = self._progress(verbosity, count or 0)
        try:
            swept = lifecycle.sweep(batch_size=batch_size, progress=progress.advance)
        except Unavailable as error:
            text = _("The database was busy. The rows follow with the next prune_sessions.")
            raise CommandError(f"{_('Everyone is logged out.')} {text}") from error
        finally:
            progress.close()
        self._tell(self.style.SUCCESS(ended(swept)), verbosity)

    def _draws(self, verbosity: int) -> bool:
        return bool(verbosity and self.stdout.isatty())

    def _progress(self, verbosity: int, total: int) -> Lines | Bar:
        if self._draws(verbosity):
            return Bar(self.stdout, total=total)
        return Lines(self.stdout if verbosity else None)

    def _tell(self, text: str, verbosity: int) -> None:
        if verbosity:
            self.stdout.write(text)

    def _tell_networks(
        self, interfaces: Sequence[IPv4Interface | IPv6Interface], verbosity: int
    ) -> None:
        """Say what is meant by an address inside of a network, such as 203.0.113.5/24."""
        for interface in interfaces:
            if interface.ip != interface.network.network_address:
                self._tell(f"{interface} = {interface.network}", verbosity)
