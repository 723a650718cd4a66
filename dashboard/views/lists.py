"""
What the lists of the pages have in common: a page of what the filters leave, the address of what follows, and of all of
it as a file.

Not here: paging itself (config.paging), what can be filtered by (each app's filters).
"""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from config.filtering import ListFilters, Place
from config.paging import Order
from dashboard.access import TeamRequest

# How long a page of a list is.
ROWS = 30


def list_page(
    request: TeamRequest,
    records: QuerySet[Any],
    filters: type[ListFilters] = ListFilters,
    order: Order | None = None,
    **options: Any,
) -> tuple[list[Any], dict[str, Any], int]:
    """
    A page of a list of records: the rows that its filters leave (none where they make no sense), what templates need
    besides, and the status of the answer. `order`, if not the filters'.
    """
    return page_of(request, filters(request.GET, records, place=Place.PAGE, team=request.team, **options), order)


def page_of(
    request: TeamRequest, found: ListFilters, order: Order | None = None
) -> tuple[list[Any], dict[str, Any], int]:
    """As list_page, of a list that was filtered already."""
    rows, cursor = found.read(ROWS, request.GET.get("cursor"), order)
    return rows, {"filters": found.form, "more": older(request, cursor)}, 200 if found.form.is_valid() else 400


def older(request: HttpRequest, cursor: str | None, place: str = "") -> str:
    """
    The address of the next page, with the filters of this one; "" on the last page. `place` is the path of the list
    where that may be shown in answer to what was posted to another.
    """
    if cursor is None:
        return ""
    query = request.GET.copy()
    query["cursor"] = cursor
    return f"{place or request.path}?{query.urlencode()}"


def as_csv(request: HttpRequest, name: str) -> str:
    """The address, by its name, of a list as CSV, with the filters of this page."""
    query = request.GET.copy()
    query.pop("cursor", None)
    return reverse(name) + (f"?{query.urlencode()}" if query else "")
