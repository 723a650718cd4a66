"""
Which monitors and heartbeats are not up: those that are down first, and of each state the newest.

Not here: what state one is in (monitors.fold), how it is shown (dashboard).
"""

from typing import Any

from django.db.models import Case, F, IntegerField, QuerySet, Value, When
from django.db.models.functions import Coalesce

from config.paging import Order
from monitors.models import NOT_UP

NEWEST_FIRST = (F("status_since").desc(nulls_last=True), F("id").desc())
# The order of a list of them, page by page (`in_order_of_urgency`).
URGENT: Order = [("place", "asc"), ("since", "desc"), ("id", "desc")]


def not_up(resources: QuerySet[Any]) -> QuerySet[Any]:
    """Those that are neither up nor paused, nor deleted."""
    return resources.filter(status__in=NOT_UP, destroyed_at__isnull=True)


def first_not_up(resources: QuerySet[Any], at_most: int) -> QuerySet[Any]:
    """The first of them, state by state, so that each is read off a stretch of an index. In no order of their own."""
    each = [not_up(resources).filter(status=status).order_by(*NEWEST_FIRST)[:at_most] for status in NOT_UP]
    return each[0].union(*each[1:], all=True)


def urgency(resource: Any) -> tuple[int, float, int]:
    """By what they are put in order: those that are down first, then the newest."""
    since = resource.status_since or resource.created_at
    return (NOT_UP.index(resource.status), -since.timestamp(), -resource.pk)


def in_order_of_urgency(resources: QuerySet[Any]) -> QuerySet[Any]:
    """Resources with `place` and `since`, by which a list of them can be paged in the same order."""
    places = [When(status=status, then=Value(place)) for place, status in enumerate(NOT_UP)]
    return resources.annotate(
        place=Case(*places, default=Value(len(NOT_UP)), output_field=IntegerField()),
        since=Coalesce("status_since", "created_at"),
    )
