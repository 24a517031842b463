"""Count rows up to a bound: beyond it nobody needs the number, and counting takes long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import localize, number_format
from django.utils.translation import gettext as _

#: How far a page counts. What is longer is turned over by filters, not by its 200th page.
BOUND = 10_000


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many rows there are, or that there are more than ``number``."""

    number: int
    is_more: bool = False

    def __str__(self) -> str:
        if not self.is_more:
            return localize(self.number)
        return _("more than %(number)s") % {"number": grouped(self.number)}


def grouped(number: int) -> str:
    """A large number as people write it: 10,000 or 10.000."""
    return number_format(number, use_l10n=True, force_grouping=True)


def counted(rows: QuerySet[Any], bound: int | None = None) -> Count:
    """Count no further than ``bound``, and in the order of ``rows``, if they have one."""
    most = BOUND if bound is None else bound
    number = rows.values("pk")[: most + 1].count()
    return Count(number=min(number, most), is_more=number > most)
