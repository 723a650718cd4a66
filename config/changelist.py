"""
Lists of Django admin in bounded time, whatever their length and whatever the query string says.

A list is in the order of an index and is read page by page from a cursor (config.paging), without counting. Filters
that no index serves, and searches for names, look at the newest records only. Not here: what the lists show.
"""

from typing import Any, ClassVar

from django.contrib.admin.filters import FieldListFilter, RelatedFieldListFilter, SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.functional import cached_property

from config import paging
from config.errors import ValidationFailed
from config.filtering import Choices, ListFilters, Place
from config.numbers import whole_number
from config.shown import page_in_admin

CURSOR = "cursor"

# How far a list of suggestions can be scrolled.
COUNT_UP_TO = 1_000
# How many choices a filter offers in the margin.
CHOICES_AT_MOST = 30


class CappedPaginator(Paginator):
    """Pages of suggestions; counts no further than it must."""

    @cached_property
    def count(self) -> int:
        found: Any = self.object_list
        return int(found[:COUNT_UP_TO].count())


class BoundedList(ChangeList):
    """The list of an `OperatorAdmin`: one page from a cursor, and the cursor of the next one."""

    # The addresses of the first page and of the one after this one; empty where this is the first, or the last.
    first = older = ""
    # Whether only so many of the newest records were looked at.
    is_window = False
    looked_through = paging.LOOKED_THROUGH
    # An OperatorAdmin.
    model_admin: Any

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """What the filters leave. The cursor is none of them; other filters lead back to the first page."""
        for parameters in (self.params, self.filter_params):
            parameters.pop(CURSOR, None)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """The list's one order; `?o=` is not listened to."""
        return [name if way == "asc" else f"-{name}" for name, way in self.model_admin.get_order(request)]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page."""
        cursor = request.GET.get(CURSOR) or None
        try:
            self.read(self.model_admin.get_order(request), cursor)
        except ValidationFailed as error:
            raise IncorrectLookupParameters from error
        self.first = self.get_query_string() if cursor else ""
        # Nothing is counted: the numbers are those of this page.
        self.result_count = self.full_result_count = len(self.result_list)
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all = self.multi_page = False
        self.paginator = self.model_admin.get_paginator(request, self.result_list, self.list_per_page)

    def read(self, order: paging.Order, cursor: str | None) -> None:
        """Read the page after a cursor. Raises ValidationFailed for a cursor that is none."""
        queryset = self.queryset.defer(*self.model_admin.list_defer)
        floor = self.floor(order, cursor)
        if floor is not None:
            queryset = queryset.filter(pk__gt=floor)
        found = self.model_admin.read_page(queryset, order, cursor, self.query)
        self.result_list = found.rows
        after = found.next_cursor
        if after is None and floor is not None:
            self.is_window = True
            after = paging.cursor_after({"id": floor + 1}, order)
        self.older = self.get_query_string({CURSOR: after}) if after else ""

    def url_for_result(self, result: Model) -> str:
        """The address of a record's page."""
        return page_in_admin(self.opts.label_lower, result.pk)

    def floor(self, order: paging.Order, cursor: str | None) -> int | None:
        """Under which id a list is not looked through, if it is narrowed by what no index serves."""
        if order != paging.NEWEST or not self.model_admin.is_wide(set(self.filter_params)):
            return None
        return paging.beyond_window(self.model._base_manager.all(), cursor)


class RelatedFilter(RelatedFieldListFilter):
    """The records that a foreign key leads to: the first ones by their own order, and the one that is chosen."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        others = field.remote_field.model._default_manager.all()
        choices = [(other.pk, str(other)) for other in others[:CHOICES_AT_MOST]]
        chosen = self.chosen()
        if chosen is not None and chosen not in dict(choices):
            choices += [(other.pk, str(other)) for other in others.filter(pk=chosen)]
        return choices

    def chosen(self) -> int | None:
        """The id in the query string. Raises IncorrectLookupParameters for what is no id."""
        if not self.lookup_val:
            return None
        chosen = whole_number(self.lookup_val[-1])
        if chosen is None or len(self.lookup_val) > 1:
            raise IncorrectLookupParameters
        return chosen

    def has_output(self) -> bool:
        return bool(self.used_parameters) or super().has_output()


class SetFilter(SimpleListFilter):
    """A filter of a kind of record's FilterSet (config.filtering). Without choices it is shown while a link sets it."""

    filters: ClassVar[type[ListFilters]]
    choices_offered: ClassVar[Choices]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        value = self.value()
        return list(self.choices_offered) or ([] if value is None else [(value, value[:40])])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        asked = QueryDict(mutable=True)
        asked[str(self.parameter_name)] = str(self.value())
        found = self.filters(asked, queryset, place=Place.ADMIN)
        if found.errors:
            raise IncorrectLookupParameters
        return found.qs


def margin(filters: type[ListFilters]) -> list[type[SetFilter]]:
    """The filters of a FilterSet that Django admin has, in their order, for `list_filter`."""
    return [set_filter(filters, called, name) for called, name in filters.names_in(Place.ADMIN).items()]


def set_filter(filters: type[ListFilters], called: str, name: str) -> type[SetFilter]:
    """One of them, which listens to the parameter `called`."""
    each = filters.base_filters[name]
    title = each.label or name.replace("_", " ")
    said = {"filters": filters, "parameter_name": called, "title": title, "choices_offered": each.choices}
    return type(f"{filters.__name__}_{name}", (SetFilter,), said)


def parameters_of(list_filter: Any, model: type[Model]) -> set[str]:
    """The names in a query string that a filter of `list_filter` listens to."""
    if isinstance(list_filter, type) and issubclass(list_filter, SimpleListFilter):
        return {str(list_filter.parameter_name)}
    path, kind = list_filter if isinstance(list_filter, tuple | list) else (list_filter, FieldListFilter)
    if not issubclass(kind, RelatedFieldListFilter):
        return {f"{path}__exact"}
    return {f"{path}__id__exact"} | ({f"{path}__isnull"} if model._meta.get_field(path).null else set())
