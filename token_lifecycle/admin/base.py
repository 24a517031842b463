"""What both admins share: nothing can be edited, nothing secret asked for, no list is too long."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import DataError
from django.db.models import Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from .. import tokens
from .pagination import BoundedChangeList, BoundedPaginator
from .searching import (
    USERS,
    Found,
    address_of,
    found_first,
    may_be_found,
    named,
    resembling,
    user_text_fields,
)

Row = TypeVar("Row", bound=Model)

if TYPE_CHECKING:

    class ModelAdmin(admin.ModelAdmin[Row], Generic[Row]): ...
else:

    class ModelAdmin(admin.ModelAdmin):
        """The same, written with the type of its rows."""

        def __class_getitem__(cls, row):
            return cls


#: How the columns of the user begin among the fields that are searched.
OF_USER = f"user{LOOKUP_SEP}"


class ReadOnlyAdmin(ModelAdmin[Row]):
    """Rows that are looked at: searched by their user, filtered by what their page shows.

    A list costs the same with a million rows as with a hundred: it counts no further than
    ``counting.BOUND``, and what it offers to filter and sort by has an index.
    """

    #: The field that a session id in the search box is compared with.
    session_field = "pk"

    search_help_text = _(
        "Name, email address or key of a user, an IP address, or the whole id of a session"
    )
    show_full_result_count = False
    # Each would be counted anew, out of all rows.
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    paginator = BoundedPaginator

    class Media:
        css = {"all": ["token_lifecycle/admin.css"]}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse to filter by what no page shows.

        ``?secret_digest__startswith=a`` would spell a digest out, letter by letter.
        """
        if lookup.rpartition(LOOKUP_SEP)[2] in ("regex", "iregex"):
            # One that is none is an error of the database, and some take for ever.
            return False
        with suppress(FieldDoesNotExist):
            field = self.opts.get_field(lookup.partition(LOOKUP_SEP)[0])
            if field.name not in self.shown(request):
                return False
        return super().lookup_allowed(lookup, value, request)

    def shown(self, request: HttpRequest) -> Sequence[str]:
        """The names of what the page of a row shows."""
        return flatten_fieldsets(self.get_fieldsets(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Take a value that the driver refuses (NUL, a year 99999) for a wrong parameter."""
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError, DataError) as error:
            raise IncorrectLookupParameters from error

    # What the list is narrowed to

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and "cl" in (response.context_data or {}):
            context: Any = response.context_data
            context["subtitle"] = context.get("subtitle") or self._narrowed(request, context["cl"])
        return response

    def _narrowed(self, request: HttpRequest, changelist: Any) -> str | None:
        """Whose rows these are, where a link says so and no filter beside the list does."""
        rows = capfirst(self.opts.verbose_name_plural)
        session_id = tokens.canonical_uuid(_given(request, "session") or "")
        if session_id:
            return gettext("%(rows)s of session %(id)s") % {"rows": rows, "id": session_id}
        row = next(iter(changelist.result_list), None)
        if _given(request, "user") is None or row is None or row.user is None:
            return None
        return gettext("%(rows)s of %(user)s") % {"rows": rows, "user": row.user}

    # Search

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        own = [str(name) for name in self.search_fields]
        return own or [f"{OF_USER}{name}" for name in user_text_fields()]

    def searched_users(self, request: HttpRequest) -> QuerySet[Any]:
        """Among whom a search looks. One whose staff see some users only may bound it to these.

        Whoever is found, no rows are shown but those of ``get_queryset``.
        """
        return get_user_model()._base_manager.all()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Row], search_term: str
    ) -> tuple[QuerySet[Row], bool]:
        """Rows of the users that are meant, or the row or rows of the session with that id.

        ``search_fields`` of a project may name other columns than those of users: then they are
        searched as Django does it, which reads every row.
        """
        term = search_term.strip()
        if not term:
            return queryset, False
        if not may_be_found(term):
            return queryset.none(), False
        if not self._searches_users(request):
            return super().get_search_results(request, queryset, term)
        found = self.found_users(request, queryset, term)
        if found.is_more and request.method == "GET":
            self._tell_that_more_fit(request)
        address = address_of(term)
        from_there = Q(ip_address=address) if address else Q(pk__in=[])
        rows = queryset.filter(Q(user__in=found.keys) | self._of_session(term) | from_there)
        return found_first(rows), False

    def found_users(self, request: HttpRequest, rows: QuerySet[Row], term: str) -> Found:
        """Who is meant by what stands in the search box."""
        users = self.searched_users(request).using(rows.db)
        fields = [name.removeprefix(OF_USER) for name in self.get_search_fields(request)]
        found = named(users, fields, term)
        if found.keys or tokens.canonical_uuid(term.lower()) or address_of(term):
            return found
        return resembling(users, fields, term)

    def leaves_users_out(self, request: HttpRequest, rows: QuerySet[Row], term: str) -> bool:
        """Whether more users are meant than are shown."""
        return (
            may_be_found(term)
            and self._searches_users(request)
            and self.found_users(request, rows, term).is_more
        )

    def _searches_users(self, request: HttpRequest) -> bool:
        return all(name.startswith(OF_USER) for name in self.get_search_fields(request))

    def _of_session(self, term: str) -> Q:
        session_id = tokens.canonical_uuid(term.lower())
        return Q(**{self.session_field: session_id}) if session_id else Q(pk__in=[])

    def _tell_that_more_fit(self, request: HttpRequest) -> None:
        text = ngettext(
            "More than one user fits. Only the rows of the first are shown.",
            "More than %(count)d users fit. Only the rows of the first %(count)d are shown.",
            USERS,
        )
        # Where the project has taken the messages out, the list goes without.
        self.message_user(request, text % {"count": USERS}, messages.WARNING, fail_silently=True)


def _given(request: HttpRequest, *names: str) -> str | None:
    """What the query says that one of these relations is, if it does."""
    forms = ("", "__exact", "__id__exact", "__pk__exact")
    keys = (f"{name}{form}" for name in names for form in forms)
    return next((request.GET[key] for key in keys if key in request.GET), None)
