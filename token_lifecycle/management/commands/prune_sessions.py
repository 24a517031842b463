"""``manage.py prune_sessions``: remove what is over for longer than ``RETENTION``."""

from __future__ import annotations

import shutil
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from token_lifecycle import lifecycle
from token_lifecycle.lifecycle import Pruned
from token_lifecycle.pruning import BATCH_SIZE, BUSY

#: In a log: a line each time so many more rows are gone.
ROWS_PER_LINE = 10_000

BAR_WIDTH = 40


class Command(BaseCommand):
    help = (
        "Remove sessions and events that are over for longer than RETENTION, in short "
        "transactions. Run it daily; twice, or twice at once, is harmless."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--batch-size",
            type=int,
            default=BATCH_SIZE,
            help=f"rows per transaction (default: {BATCH_SIZE})",
        )
        parser.add_argument(
            "--busy",
            type=float,
            default=BUSY,
            metavar="SHARE",
            help=(
                "the share of the time in which rows are removed; for the rest of it the database "
                f"is left alone (default: {BUSY}; 1 works without a pause)"
            ),
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="count what would be removed, and remove nothing"
        )

    def handle(
        self, *, batch_size: int, busy: float, dry_run: bool, verbosity: int, **options: Any
    ) -> None:
        if batch_size < 1:
            raise CommandError("--batch-size must be at least 1.")
        if not 0 < busy <= 1:
            raise CommandError("--busy must be above 0, and 1 at most.")
        if dry_run:
            self.stdout.write(f"Would remove {_text(lifecycle.prune(dry_run=True))}.")
            return
        progress = self._progress(verbosity)
        try:
            removed = lifecycle.prune(batch_size=batch_size, busy=busy, progress=progress.advance)
        finally:
            progress.close()
        if verbosity:
            self.stdout.write(self.style.SUCCESS(f"Removed {_text(removed)}."))

    def _progress(self, verbosity: int) -> Lines | Bar:
        """A bar for a person, lines for a log, nothing for whoever wants none."""
        if verbosity and self.stdout.isatty():
            expected = lifecycle.prune(dry_run=True)
            return Bar(self.stdout, total=expected.sessions + expected.events)
        return Lines(self.stdout if verbosity else None)


class Lines:
    """A line now and then."""

    def __init__(self, out: OutputWrapper | None) -> None:
        self.out = out
        self.done = 0

    def advance(self, rows: int) -> None:
        lines_before = self.done // ROWS_PER_LINE
        self.done += rows
        if self.out is not None and self.done // ROWS_PER_LINE > lines_before:
            self.out.write(f"{self.done:,} rows removed so far")
            self.out.flush()

    def close(self) -> None:
        """Nothing is left to be tidied up."""


class Bar:
    """One line that is drawn over and over, and is gone at the end."""

    def __init__(self, out: OutputWrapper, *, total: int) -> None:
        self.out = out
        self.total = total
        self.done = 0

    def advance(self, rows: int) -> None:
        self.done += rows
        # More may have come of age since they were counted.
        total = max(self.total, self.done, 1)
        filled = "#" * (BAR_WIDTH * self.done // total)
        percent = 100 * self.done // total
        self._draw(f"[{filled:.<{BAR_WIDTH}}] {percent:3}% {self.done:,} of {total:,} rows")

    def close(self) -> None:
        self._draw("")
        self.out.write("\r", ending="")

    def _draw(self, text: str) -> None:
        # One column less than there are, or the terminal would begin a new line.
        width = shutil.get_terminal_size().columns - 1
        self.out.write(f"\r{text[:width]:{width}}", ending="")
        self.out.flush()


def _text(rows: Pruned) -> str:
    sessions = "session" if rows.sessions == 1 else "sessions"
    events = "event" if rows.events == 1 else "events"
    return f"{rows.sessions:,} {sessions} and {rows.events:,} {events}"
