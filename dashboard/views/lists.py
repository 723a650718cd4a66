"""
What the lists of the pages have in common: a page of what the filters leave, and the address of what follows.

Not here: paging itself (config.paging), what can be filtered by (each app's filters).
"""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

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
    found = filters(request.GET, records, place=Place.PAGE, team=request.team, **options)
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
