"""``manage.py session_report``: the figures of the overview, for a terminal or a machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from token_lifecycle import statistics
from token_lifecycle.management.output import UntilClosed
from token_lifecycle.management.progress import grouped
from token_lifecycle.models import RevocationReason, SessionEvent
from token_lifecycle.statistics import FIGURES, Live, Overview, Period

#: From nothing to the highest; the second for terminals that know ASCII alone.
BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:-=+*%@"

MOMENT = "%Y-%m-%d %H:%M %Z"


class Command(BaseCommand):
    help = (
        "Tell how many sessions are live, what happened to sessions in the last 24 hours and in "
        "the last 30 days, and the newest alarms."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="for machines: one JSON object"
        )

    def handle(self, *, as_json: bool, **options: Any) -> None:
        now = timezone.now()
        statistics.count_hours(now)
        overview, alarms = statistics.overview(now), statistics.newest_alarms()
        with UntilClosed(self.stdout):
            if as_json:
                self.stdout.write(json.dumps(_for_machines(overview, alarms), indent=2))
            else:
                self._print(overview, alarms)

    def _print(self, overview: Overview, alarms: Sequence[SessionEvent]) -> None:
        # Where nothing is said of an encoding, any text will do.
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        levels = BLOCKS if _can(encoding, BLOCKS) else ASCII
        text = "\n".join(_report(overview, alarms, levels))
        self.stdout.write(text.encode(encoding, "replace").decode(encoding))


# For people


def _report(overview: Overview, alarms: Sequence[SessionEvent], levels: str) -> Iterator[str]:
    yield _("Sessions at %(moment)s") % {"moment": _moment(overview.at)}
    yield ""
    live_now = _("live now")
    yield f"{_live(overview.live):>12}  {live_now}"
    for period, heading in (
        (overview.hours, _("The last 24 hours")),
        (overview.days, _("The last 30 days")),
    ):
        yield ""
        yield heading
        yield from _figures(period, levels)
        yield from _reasons(period)
    yield ""
    yield _("The newest alarms")
    yield from _alarms(alarms)


def _figures(period: Period, levels: str) -> Iterator[str]:
    width = max(len(name) for name in FIGURES.values())
    for kind, name in FIGURES.items():
        chart = _chart(period.series[kind], levels)
        yield f"{grouped(period.total(kind)):>12}  {name:<{width}}  {chart}".rstrip()


def _reasons(period: Period) -> Iterator[str]:
    labels: dict[str, Any] = dict(RevocationReason.choices)
    if period.reasons:
        yield _("Sessions ended because:")
    for reason, count in period.reasons.items():
        yield f"{grouped(count):>12}  {labels.get(reason, reason)}"


def _alarms(alarms: Sequence[SessionEvent]) -> Iterator[str]:
    if not alarms:
        yield _("There is none on record.")
    for event in alarms:
        user = _("deleted user") if event.user is None else _printable(str(event.user))
        yield f"{_moment(event.created_at)}  {user}  {event.ip_address or '-'}  {event.session_id}"


def _chart(counts: Sequence[int], levels: str) -> str:
    """One character for each count; anything above nothing is seen."""
    highest = max(counts) or 1
    top = len(levels) - 1
    return "".join(levels[-(-count * top // highest)] for count in counts)


def _live(live: Live) -> str:
    return grouped(live.count) if live.is_exact else f"> {grouped(live.count)}"


def _moment(moment: Any) -> str:
    return timezone.localtime(moment).strftime(MOMENT)


def _printable(text: str) -> str:
    """Without what would move the cursor of whoever reads it, or turn the line around."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _can(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


# For machines


def _for_machines(overview: Overview, alarms: Sequence[SessionEvent]) -> dict[str, Any]:
    return {
        "at": overview.at.isoformat(),
        "live": {"count": overview.live.count, "is_exact": overview.live.is_exact},
        "hours": _period(overview.hours),
        "days": _period(overview.days),
        "alarms": [_alarm(event) for event in alarms],
    }


def _period(period: Period) -> dict[str, Any]:
    return {
        "totals": {kind.value: period.total(kind) for kind in FIGURES},
        "reasons": dict(period.reasons),
        "starts": [start.isoformat() for start in period.starts],
        "series": {kind.value: period.series[kind] for kind in FIGURES},
    }


def _alarm(event: SessionEvent) -> dict[str, Any]:
    return {
        "at": event.created_at.isoformat(),
        "session": _text(event.session_id),
        "user": _text(event.user_id),
        "ip_address": event.ip_address,
        "user_agent": event.user_agent,
        "generation": event.generation,
    }


def _text(key: Any) -> str | None:
    return None if key is None else str(key)
