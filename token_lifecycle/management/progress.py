"""How far a command has come: a bar for a person, lines for a log, nothing for who wants none."""

from __future__ import annotations

import shutil

from django.core.management.base import OutputWrapper
from django.utils.formats import number_format
from django.utils.translation import gettext as _

#: In a log: a line each time so many more rows are done.
ROWS_PER_LINE = 10_000

BAR_WIDTH = 40


def grouped(count: int) -> str:
    """A number as it is written in the language of the moment: 1,000 or 1.000."""
    return str(number_format(count, force_grouping=True))


class Lines:
    """A line now and then."""

    def __init__(self, out: OutputWrapper | None) -> None:
        self.out = out
        self.done = 0

    def advance(self, rows: int) -> None:
        lines_before = self.done // ROWS_PER_LINE
        self.done += rows
        if self.out is not None and self.done // ROWS_PER_LINE > lines_before:
            self.out.write(_("%(count)s rows so far") % {"count": grouped(self.done)})
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
        count = _("%(done)s of %(total)s rows") % {
            "done": grouped(self.done),
            "total": grouped(total),
        }
        self._draw(f"[{filled:.<{BAR_WIDTH}}] {percent:3}% {count}")

    def close(self) -> None:
        self._draw("")
        self.out.write("\r", ending="")

    def _draw(self, text: str) -> None:
        # One column less than there are, or the terminal would begin a new line.
        width = shutil.get_terminal_size().columns - 1
        self.out.write(f"\r{text[:width]:{width}}", ending="")
        self.out.flush()
