"""``manage.py export_events``: write the audit trail, or a part of it, to a file or to a pipe."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, time
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from token_lifecycle import journal
from token_lifecycle.management.choosing import find_user, refuse_empty
from token_lifecycle.management.output import UntilClosed
from token_lifecycle.management.progress import grouped
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
            metavar="FILE",
            help="default, or -: standard output. A new file can be read by whoever runs this, and "
            "is there once it is whole",
        )

    def handle(self, *, output: str | None, verbosity: int, **options: Any) -> None:
        refuse_empty({**options, "output": output}, "since", "until", "user", "output")
        form = Format(options["format"])
        rows = Counter(form)
        pieces = rows.counted(export(_chosen(options), form))
        if output is None or str(output) == "-":
            is_whole = self._print(pieces)
        else:
            self._write(pieces, output)
            is_whole = True
        if verbosity and is_whole:
            events = ngettext("%(count)s event", "%(count)s events", rows.count)
            text = _("Wrote %(events)s.") % {"events": events % {"count": grouped(rows.count)}}
            # Not to standard output, where the events may be; and it is no error.
            self.stderr.write(text, style_func=str)

    def _print(self, pieces: Iterable[str]) -> bool:
        """Whether somebody has read it all."""
        # Whatever the terminal's language: a file that one redirects to is UTF-8 with exact lines.
        with suppress(AttributeError):
            self.stdout.reconfigure(encoding="utf-8", newline="")
        with UntilClosed(self.stdout):
            for piece in pieces:
                self.stdout.write(piece, ending="")
            self.stdout.flush()
            return True
        return False

    def _write(self, pieces: Iterable[str], output: str) -> None:
        """:raises CommandError: the file cannot be written."""
        # What a link leads to, and not the link.
        file = Path(os.path.realpath(output))
        try:
            if file.exists() and not file.is_file():
                # A pipe, a terminal: nothing may take its place.
                with file.open("w", encoding="utf-8", newline="") as there:
                    there.writelines(pieces)
            else:
                _replace(pieces, file)
        except OSError as error:
            raise CommandError(
                _("%(file)s cannot be written: %(reason)s")
                % {"file": output, "reason": error.strerror}
            ) from error


class Counter:
    """Counts the events that pass by."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.count = 0

    def counted(self, pieces: Iterable[str]) -> Iterator[str]:
        for piece in pieces:
            self.count += self._rows(piece)
            yield piece
        if self.form is Format.CSV:
            self.count -= 1  # the names of the columns

    def _rows(self, piece: str) -> int:
        if self.form is Format.JSON:
            return piece.count("\n")
        # A cell may hold an end of line.
        return sum(1 for _row in csv.reader(StringIO(piece, newline="")))


def _chosen(options: dict[str, Any]) -> QuerySet[SessionEvent]:
    """:raises CommandError: no such moment, or no such user."""
    events = SessionEvent.objects.using(journal.database())
    since, until = (options[name] and _moment(options[name]) for name in ("since", "until"))
    if since and until and until <= since:
        raise CommandError(_("--until has to be later than --since."))
    if since:
        events = events.filter(created_at__gte=since)
    if until:
        events = events.filter(created_at__lt=until)
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
        if moment is not None:
            moment = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
            # The first and the last day of all are none everywhere.
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise CommandError(_("%(text)r is no date, and no time.") % {"text": text})


def _replace(pieces: Iterable[str], file: Path) -> None:
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
