"""``manage.py export_events``: write the audit trail, or a part of it, to a file or to a pipe."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from token_lifecycle import journal
from token_lifecycle.management.choosing import find_user
from token_lifecycle.models import EventKind, SessionEvent
from token_lifecycle.trail import Format, export


class Command(BaseCommand):
    help = (
        "Write the audit trail, the newest event first: as CSV, in which nothing is a formula for "
        "a spreadsheet, or as JSON lines, which are exact."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--format",
            choices=[str(form) for form in Format],
            default=str(Format.CSV),
            help="default: csv",
        )
        moment = "2026-03-01, or 2026-03-01T12:00 with +01:00 or Z behind it"
        parser.add_argument("--since", metavar="TIME", help=f"not before this: {moment}")
        parser.add_argument("--until", metavar="TIME", help="before this, which is not included")
        parser.add_argument("--user", metavar="USER", help="about the user with this name or key")
        parser.add_argument(
            "--kind",
            dest="kinds",
            action="append",
            choices=EventKind.values,
            help="of this kind; may be given several times",
        )
        parser.add_argument(
            "--output",
            type=Path,
            metavar="FILE",
            help="default: standard output. The file can be read by whoever runs this, and is "
            "there once it is whole",
        )

    def handle(self, *, output: Path | None, **options: Any) -> None:
        pieces = export(_chosen(options), Format(options["format"]))
        if output is None:
            self._print(pieces)
            return
        try:
            _write(pieces, output)
        except OSError as error:
            raise CommandError(
                _("%(file)s cannot be written: %(reason)s")
                % {"file": output, "reason": error.strerror}
            ) from error

    def _print(self, pieces: Iterable[str]) -> None:
        # Whatever the terminal's language: a file that one redirects to is UTF-8 with exact lines.
        with suppress(AttributeError):
            self.stdout.reconfigure(encoding="utf-8", newline="")
        try:
            for piece in pieces:
                self.stdout.write(piece, ending="")
            self.stdout.flush()
        except BrokenPipeError:
            # Whoever reads has enough. Python would complain once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _chosen(options: dict[str, Any]) -> QuerySet[SessionEvent]:
    """:raises CommandError: no such moment, or no such user."""
    events = SessionEvent.objects.using(journal.database())
    if options["since"]:
        events = events.filter(created_at__gte=_moment(options["since"]))
    if options["until"]:
        events = events.filter(created_at__lt=_moment(options["until"]))
    if options["user"]:
        events = events.filter(user=find_user(options["user"]))
    if options["kinds"]:
        events = events.filter(kind__in=options["kinds"])
    return events


def _moment(text: str) -> datetime:
    """A time, or the beginning of a day; without a zone it is one of the project's."""
    try:
        day = parse_date(text)
        moment = parse_datetime(text) if day is None else datetime.combine(day, time.min)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(_("%(text)r is no date, and no time.") % {"text": text})
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def _write(pieces: Iterable[str], file: Path) -> None:
    """Beside the file first: what is there under its name is whole, and was never anybody's."""
    # Readable by nobody else, for it is about people.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="") as beside:  # noqa: PTH123
            beside.writelines(pieces)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
