"""``manage.py prune_sessions``: remove what is over for longer than ``RETENTION``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from token_lifecycle import lifecycle
from token_lifecycle.exceptions import Unavailable
from token_lifecycle.lifecycle import Pruned
from token_lifecycle.management.asking import interrupted
from token_lifecycle.management.progress import Bar, Lines, grouped
from token_lifecycle.pruning import BATCH_SIZE, BUSY


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
            raise CommandError(_("--batch-size must be at least 1."))
        if not 0 < busy <= 1:
            raise CommandError(_("--busy must be above 0, and 1 at most."))
        if dry_run:
            if verbosity:
                would = _text(lifecycle.prune(dry_run=True))
                self.stdout.write(_("Would remove %(rows)s.") % {"rows": would})
            return
        progress = self._progress(verbosity)
        try:
            removed = lifecycle.prune(batch_size=batch_size, busy=busy, progress=progress.advance)
        except Unavailable as error:
            rows = ngettext("%(count)s row", "%(count)s rows", progress.done)
            raise interrupted(rows % {"count": grouped(progress.done)}) from error
        finally:
            progress.close()
        if verbosity:
            done = _("Removed %(rows)s.") % {"rows": _text(removed)}
            self.stdout.write(self.style.SUCCESS(done))

    def _progress(self, verbosity: int) -> Lines | Bar:
        """A bar for a person, lines for a log, nothing for whoever wants none."""
        if verbosity and self.stdout.isatty():
            expected = lifecycle.prune(dry_run=True)
            return Bar(self.stdout, total=expected.sessions + expected.events)
        return Lines(self.stdout if verbosity else None)


def _text(rows: Pruned) -> str:
    sessions = ngettext("%(count)s session", "%(count)s sessions", rows.sessions)
    events = ngettext("%(count)s event", "%(count)s events", rows.events)
    return _("%(sessions)s and %(events)s") % {
        "sessions": sessions % {"count": grouped(rows.sessions)},
        "events": events % {"count": grouped(rows.events)},
    }
