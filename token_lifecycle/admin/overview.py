"""The page of figures: who is signed in, what happened of late, and the newest alarms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import django
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import statistics
from ..models import EventKind, RevocationReason, SessionEvent
from ..statistics import FIGURES, Live, Overview, Period
from .charts import Chart, chart_of, figure
from .columns import client_cell, user_of
from .ending import EndingAdmin
from .links import page_url, session_url

TEMPLATE = "admin/token_lifecycle/session/overview.html"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A period as the page shows it: drawn, and as a table."""

    slug: str
    heading: str
    note: str
    column: str
    charts: Sequence[Chart]
    rows: Sequence[tuple[str, Sequence[str]]]


class OverviewAdmin(EndingAdmin):
    """The overview, behind a permission of its own.

    Its figures are those of everybody: whoever is shown some sessions only (``get_queryset``) must
    not have ``view_overview``.
    """

    def has_overview_permission(self, request: HttpRequest) -> bool:
        """Whether this member of staff may see figures about all sessions."""
        return request.user.has_perm(f"{self.opts.app_label}.view_overview")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.overview_view)
        return [path("overview/", view, name=self._name("overview")), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        extra = dict(extra_context or {})
        if self.has_overview_permission(request):
            extra["overview_url"] = self.url_of(request, "overview")
        return super().changelist_view(request, extra)

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        """The page. Opening it also counts the hours that nobody has counted yet."""
        if not (self.has_view_permission(request) and self.has_overview_permission(request)):
            raise PermissionDenied
        now = timezone.now()
        statistics.count_hours(now)
        overview = statistics.overview(now)
        context = {
            **self.page_context(request, title=_("Overview of sessions")),
            "overview": overview,
            "live": live_text(overview.live),
            "periods": [_last_hours(overview), _last_days(overview)],
            "figures": list(FIGURES.values()),
            "reasons": _reasons(overview),
            "buttons": self.overview_buttons(request),
            **self._alarms(request),
        }
        return TemplateResponse(request, TEMPLATE, context)

    def overview_buttons(self, request: HttpRequest) -> list[dict[str, str]]:
        """What this member of staff may do from here, as links."""
        return []

    def page_context(self, request: HttpRequest, *, title: str) -> dict[str, Any]:
        """What every page of this admin needs."""
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            # Django 6.1 made a list of what used to be a line, and moved the tools to the title.
            "crumbs_are_list": django.VERSION >= (6, 1),
            "tools_are_beside_title": django.VERSION >= (6, 1),
        }

    def _alarms(self, request: HttpRequest) -> dict[str, Any]:
        """The newest alarms, where this member of staff may read the trail."""
        site = self.admin_site
        if not site.is_registered(SessionEvent):
            return {}
        trail = site.get_model_admin(SessionEvent)
        if not trail.has_view_permission(request):
            return {}
        events = statistics.newest_alarms(trail.get_queryset(request))
        kept = self.get_queryset(request).filter(pk__in=[event.session_id for event in events])
        linked = set(kept.values_list("pk", flat=True))
        return {
            "alarms": [
                {
                    "event": event,
                    "user": user_of(event),
                    "device": client_cell(event),
                    "url": session_url(site, event.session_id)
                    if event.session_id in linked
                    else "",
                }
                for event in events
            ],
            "all_alarms_url": page_url(
                site, SessionEvent, "changelist", event=EventKind.REUSE_DETECTED.value
            ),
        }


def live_text(live: Live) -> str:
    """How many sessions are live, in words."""
    if not live.is_exact:
        return _("More than %(count)s live sessions") % {"count": figure(live.count)}
    text = ngettext("%(number)s live session", "%(number)s live sessions", live.count)
    return text % {"number": figure(live.count)}


def _last_hours(overview: Overview) -> Shown:
    def label(start: datetime) -> str:
        return date_format(timezone.localtime(start), "TIME_FORMAT")

    return _shown(
        overview.hours,
        label,
        slug="hours",
        heading=_("The last 24 hours"),
        note=_("Each bar is an hour; the last one is not over yet."),
        column=_("Hour from"),
    )


def _last_days(overview: Overview) -> Shown:
    def label(start: datetime) -> str:
        return date_format(start, "MONTH_DAY_FORMAT")

    return _shown(
        overview.days,
        label,
        slug="days",
        heading=_("The last 30 days"),
        note=_("Each bar is a day; the last one is not over yet."),
        column=_("Day"),
    )


def _shown(period: Period, label: Callable[[datetime], str], **words: str) -> Shown:
    labels = [label(start) for start in period.starts]
    columns = [[figure(count) for count in period.series[kind]] for kind in FIGURES]
    return Shown(
        charts=[
            chart_of(
                str(name),
                period.series[kind],
                labels,
                is_alarm=kind is EventKind.REUSE_DETECTED,
            )
            for kind, name in FIGURES.items()
        ],
        rows=list(zip(labels, zip(*columns, strict=True), strict=True)),
        **words,
    )


def _reasons(overview: Overview) -> list[tuple[str, str, str]]:
    """Why sessions ended, with the figures of both periods."""
    labels: dict[str, Any] = dict(RevocationReason.choices)
    hours, days = overview.hours.reasons, overview.days.reasons
    return [
        (str(labels.get(reason, reason)), figure(hours.get(reason, 0)), figure(days.get(reason, 0)))
        for reason in dict.fromkeys([*days, *hours])
    ]
