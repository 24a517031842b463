"""Lists that cost the same however long they are: they count to a bound and sort by an index."""

from __future__ import annotations

from copy import copy
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from . import counting
from .counting import Count, counted


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """The pages up to the bound. Those behind it do not exist."""

    @cached_property
    def counted(self) -> Count:
        rows: Any = self.object_list
        return counted(rows)

    @property
    def count(self) -> int:
        return self.counted.number


class BoundedChangeList(ChangeList):
    """Says "more than 10,000" where it has counted no further, and sorts by what an index has."""

    #: By what this list is sorted when nobody asks for another order.
    usual_order: Any = ()

    def get_results(self, request: HttpRequest) -> None:
        """Find the keys of the page, and then read these rows with what belongs to them.

        In one statement a planner may join, and look for, what only the other pages show.
        """
        # What has not been counted is not shown on one page, whatever a project allows.
        self.list_max_show_all = min(self.list_max_show_all, counting.BOUND - 1)
        super().get_results(request)
        found: Any = self.result_list
        keys = list(found.values_list("pk", flat=True))
        self.result_list = self.queryset.filter(pk__in=keys)

    @property
    def counted(self) -> Count:
        """How many rows were found."""
        # A project may have a paginator of its own.
        return getattr(self.paginator, "counted", Count(number=self.result_count))

    @property
    def in_words(self) -> BoundedChangeList:
        """The same for Django's templates, with words where the number is not known."""
        if not self.counted.is_more:
            return self
        told = copy(self)
        vars(told)["result_count"] = str(self.counted)
        return told

    def get_ordering_field(self, field_name: Any) -> Any:
        """None for a column that no index has in order, which ``?o=`` could name all the same."""
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        self.usual_order = self.model_admin.get_ordering(request)
        return super().get_ordering(request, queryset)

    def _get_default_ordering(self) -> Any:
        # What the heading of a column tells: with a filter the usual order may be another one.
        return self.usual_order
