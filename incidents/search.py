"""
Searching incidents by words in bounded time: one page of what is found, newest first.

PostgreSQL knows how common a word is, and not when: one of every tenth incident may stand in none of the last year. So
it is not left to guess. The nearest incidents are read in order, which soon finds what is common there. Where they
don't fill a page, all that the index of words has is taken and sorted, which is little where a word is rare.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import BigIntegerField, DateTimeField, ExpressionWrapper, F, Value

from config.paging import Order, Page, page, position
from incidents.models import IncidentQuerySet

# How many incidents are read in order.
NEAREST = 10_000


@dataclass(frozen=True)
class Way:
    """A way through incidents, from the newest on: its order, whose first column is `column` by another name."""

    order: Order
    column: str
    kind: Any  # the column's, as a field
    nothing: Any  # what can be added to it and changes nothing

    @property
    def name(self) -> str:
        """The name under which a list has the column."""
        return self.order[0][0]

    def named(self, incidents: IncidentQuerySet) -> IncidentQuerySet:
        """Incidents to be read in the order of an index."""
        return incidents.annotate(**{self.name: F(self.column)})

    def unordered(self, incidents: IncidentQuerySet) -> IncidentQuerySet:
        """Incidents to be sorted: in an order that no index has, so that none is walked through."""
        moved = ExpressionWrapper(F(self.column) + Value(self.nothing), output_field=self.kind)
        return incidents.annotate(**{self.name: moved})


BY_TIME = Way([("since", "desc"), ("id", "desc")], "started_at", DateTimeField(), timedelta(0))
BY_NUMBER = Way([("place", "desc")], "id", BigIntegerField(), 0)


def found_page(
    everything: IncidentQuerySet, found: IncidentQuerySet, limit: int, cursor: str | None, way: Way = BY_TIME
) -> Page:
    """
    A page of `found`, the result of a search among `everything`, which an index has in order. At most three queries.

    Raises ValidationFailed naming `cursor`.
    """
    end = end_of_nearest(everything, way, cursor)
    if end is None:
        return page(way.named(found), way.order, limit, cursor)
    nearest = page(way.named(found).filter(**{f"{way.column}__gte": end}), way.order, limit, cursor)
    return nearest if nearest.next_cursor else page(way.unordered(found), way.order, limit, cursor)


def end_of_nearest(everything: IncidentQuerySet, way: Way, cursor: str | None) -> Any:
    """Where, in the column of the order, the nearest incidents behind a cursor end; None if no others follow."""
    behind = way.named(everything)
    if cursor:
        behind = behind.filter(**{f"{way.column}__lte": position(behind, way.order, cursor)[0]})
    ordered = behind.order_by(*(f"-{name}" for name, _ in way.order)).values_list(way.column, flat=True)
    return ordered[NEAREST : NEAREST + 1].first()
