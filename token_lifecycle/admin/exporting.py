"""The list of events as a file: what the filters and the search leave of it, all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest, PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    QueryDict,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _

from ..models import SessionEvent
from ..trail import Format, export
from .base import ReadOnlyAdmin
from .links import page_url
from .rows import language_of_the_log

#: The parameter that says how the file is written; all others are those of the list.
FORMAT_VAR = "format"


class ExportingAdmin(ReadOnlyAdmin[SessionEvent]):
    """Whoever may look at the list may take it away; who did so stands in the admin log."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.export_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", view, name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data:
            response.context_data |= {"exports": self._links(response.context_data["cl"])}
        return response

    def export_view(self, request: HttpRequest) -> Any:
        """GET: the rows that the list with this query consists of."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        form, query = _wish(request)
        if self._leaves_users_out(request):
            # A list says so, but a file that is looked at later does not.
            self.message_user(request, _too_many_users(), messages.ERROR)
            url = page_url(self.admin_site, SessionEvent, "changelist")
            return HttpResponseRedirect(f"{url}?{query.urlencode()}")
        request.GET = query  # type: ignore[assignment]
        events = self._listed(request)
        _log(request, form, query)
        return _file(request, export(events, form), form)

    def _links(self, changelist: Any) -> list[dict[str, str]]:
        url = page_url(self.admin_site, SessionEvent, "export")
        labels = {Format.CSV: _("Export as CSV"), Format.JSON: _("Export as JSON")}
        return [
            {"url": url + changelist.get_query_string({FORMAT_VAR: str(form)}), "label": label}
            for form, label in labels.items()
        ]

    def _listed(self, request: HttpRequest) -> QuerySet[SessionEvent]:
        """:raises BadRequest: the list would not know these filters."""
        try:
            listed: QuerySet[SessionEvent] = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            raise BadRequest("no such filter") from None
        return listed

    def _leaves_users_out(self, request: HttpRequest) -> bool:
        term = request.GET.get(SEARCH_VAR, "").strip()
        return bool(term) and self.leaves_users_out(request, self.get_queryset(request), term)


def _wish(request: HttpRequest) -> tuple[Format, QueryDict]:
    """The form that is asked for, and the query of the list.

    :raises BadRequest: there is no such form, or no list has such a query.
    """
    query = request.GET.copy()
    wanted = query.pop(FORMAT_VAR, [""])
    query.pop(PAGE_VAR, None)
    if any("\0" in value for _name, values in query.lists() for value in values):
        raise BadRequest("no text holds a NUL")
    try:
        return Format(wanted[-1]), query
    except ValueError:
        raise BadRequest("no such format") from None


def _log(request: HttpRequest, form: Format, query: QueryDict) -> None:
    """Before the first line leaves: without the entry there is no file."""
    filters = ", ".join(f"{name}={value}" for name, values in query.lists() for value in values)
    actor: Any = request.user
    with language_of_the_log():
        message = _("Exported as %(format)s: %(filters)s.")
        LogEntry.objects.create(
            user=actor,
            content_type=ContentType.objects.get_for_model(SessionEvent),
            object_repr=str(SessionEvent._meta.verbose_name_plural),
            action_flag=CHANGE,
            change_message=message % {"format": form.name, "filters": filters or _("everything")},
        )


def _file(request: HttpRequest, pieces: Iterator[str], form: Format) -> StreamingHttpResponse:
    name = f"session-events-{timezone.now():%Y%m%dT%H%M%SZ}.{form}"
    return StreamingHttpResponse(
        # A server that speaks ASGI would read a plain iterator to its end before it sends any.
        _in_turns(pieces) if isinstance(request, ASGIRequest) else pieces,
        content_type=form.content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _in_turns(pieces: Iterator[str]) -> AsyncIterator[str]:
    following = sync_to_async(partial(next, pieces, ""))
    while piece := await following():
        yield piece


def _too_many_users() -> str:
    return _("The search finds more users than can be shown. Narrow it, and export then.")
