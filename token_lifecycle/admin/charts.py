"""Bar charts, drawn on the server as SVG: no script, and nothing that a strict CSP forbids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

#: In units of the drawing, which is stretched to the width of the page.
STEP, BAR_WIDTH, HEIGHT = 10, 8, 40
#: What a bar has at least, so that one of ten thousand is seen.
LOWEST = 1.0


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar. Measures are text: a template would write 0.5 as 0,5 in German."""

    left: str
    top: str
    height: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One figure over a period, drawn and in words."""

    name: str
    total: str
    summary: str
    first: str
    last: str
    view_box: str
    bar_width: str
    height: str
    bars: tuple[Bar, ...]
    is_alarm: bool


def figure(count: int) -> str:
    """A number as people here write it."""
    return str(number_format(count, force_grouping=True))


def chart_of(
    name: str, counts: Sequence[int], labels: Sequence[str], *, is_alarm: bool = False
) -> Chart:
    """The chart of ``counts``, one for each label."""
    highest = max(counts)
    return Chart(
        name=name,
        total=figure(sum(counts)),
        summary=_summary(counts, labels),
        first=labels[0],
        last=labels[-1],
        view_box=f"0 0 {STEP * len(counts)} {HEIGHT}",
        bar_width=str(BAR_WIDTH),
        height=str(HEIGHT),
        bars=tuple(
            _bar(place, count, highest, label)
            for place, (count, label) in enumerate(zip(counts, labels, strict=True))
        ),
        is_alarm=is_alarm,
    )


def _summary(counts: Sequence[int], labels: Sequence[str]) -> str:
    highest = max(counts)
    if not highest:
        return pgettext("events", "None")
    return _("Most: %(count)s (%(time)s)") % {
        "count": figure(highest),
        "time": labels[counts.index(highest)],
    }


def _bar(place: int, count: int, highest: int, label: str) -> Bar:
    height = max(HEIGHT * count / highest, LOWEST) if count else 0
    return Bar(
        left=str(place * STEP + (STEP - BAR_WIDTH) // 2),
        top=f"{HEIGHT - height:.1f}",
        height=f"{height:.1f}",
        title=f"{label}: {figure(count)}",
    )
