"""What both admins share: nothing can be edited, nothing secret can be asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DataError
from django.db.models import Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from .. import tokens

Row = TypeVar("Row", bound=Model)

if TYPE_CHECKING:

    class ModelAdmin(admin.ModelAdmin[Row], Generic[Row]): ...
else:

    class ModelAdmin(admin.ModelAdmin):
        """The same, written with the type of its rows."""

        def __class_getitem__(cls, row):
            return cls


#: As long as the longest thing that is looked for, an email address (RFC 5321 §4.5.3.1.3). What
#: is longer cannot be found, and SQLite gives up on an expression of some hundred words.
SEARCH_LENGTH = 254


class ReadOnlyAdmin(ModelAdmin[Row]):
    """Rows that are looked at: searched by their user, filtered by what their page shows."""

    #: The field that a session id in the search box is compared with.
    session_field = "pk"

    search_help_text = _("User name, email address or key of a user, or the id of a session")
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse to filter by what no page shows.

        ``?secret_digest__startswith=a`` would spell a digest out, letter by letter.
        """
        with suppress(FieldDoesNotExist):
            field = self.opts.get_field(lookup.partition(LOOKUP_SEP)[0])
            if field.name not in self.shown(request):
                return False
        return super().lookup_allowed(lookup, value, request)

    def shown(self, request: HttpRequest) -> Sequence[str]:
        """The names of what the page of a row shows."""
        return flatten_fieldsets(self.get_fieldsets(request))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Take a value that the driver refuses (NUL, a year 99999) for a wrong parameter."""
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError, DataError) as error:
            raise IncorrectLookupParameters from error

    # Search

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return [f"user__{name}" for name in user_text_fields()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Row], search_term: str
    ) -> tuple[QuerySet[Row], bool]:
        """Rows whose user is called so, or is the user or the session with that key."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if len(term) > SEARCH_LENGTH:
            return queryset.none(), False
        fields = self.get_search_fields(request)
        words = [
            _any(Q((f"{field}__icontains", word)) for field in fields) for word in term.split()
        ]
        return queryset.filter(_any([reduce(and_, words), *self.keys_in(term)])), False

    def keys_in(self, term: str) -> Iterator[Q]:
        """The conditions that ``term`` stands for when it is a key."""
        with suppress(ValidationError, ValueError, TypeError, OverflowError):
            key = get_user_model()._meta.pk
            yield Q(user=key.clean(key.to_python(term), None))
        if session_id := tokens.canonical_uuid(term.lower()):
            yield Q(**{self.session_field: session_id})


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions, Q(pk__in=[]))


def user_text_fields() -> list[str]:
    """The columns of the project's user model that hold what a person is called by."""
    model = get_user_model()
    email = getattr(model, "EMAIL_FIELD", "") or "email"
    return [
        name for name in dict.fromkeys((model.USERNAME_FIELD, email)) if _is_column(model, name)
    ]


def _is_column(model: type[Model], name: str) -> bool:
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return field.concrete and not field.is_relation
