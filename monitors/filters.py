"""Which monitors and heartbeats a list shows: what its query string may say, and what that asks of the database."""

from typing import Any

from django.db.models import QuerySet

from config.filtering import Destroyed, Flag, ListFilters, Number, Search, Words
from config.paging import Order, Page
from monitors.attention import URGENT, in_order_of_urgency, not_up
from monitors.models import Status

# States that pages know besides: what is down and the like, and what was deleted.
NOT_UP, DELETED = "not_up", "destroyed"


def in_state(found: QuerySet[Any], asked: Any) -> QuerySet[Any]:
    """Resources in some states, or those that are not up, ready to be read by urgency."""
    return in_order_of_urgency(not_up(found)) if asked == NOT_UP else found.filter(status__in=asked)


class ResourceFilters(ListFilters):
    """The lists of monitors and of heartbeats, newest first; what is not up by urgency."""

    status = Words(
        Status,
        "State",
        [("", "Any state"), (NOT_UP, "Not up"), *Status.choices, (DELETED, "Deleted")],
        ask=in_state,
        admin="status__exact",
    )
    destroyed = Destroyed(admin="")
    provisional = Flag("provisional", api=None, admin="provisional__exact")
    q = Search("A part of the name.", "name", "icontains")
    integration = Number("", "integration_id", api=None, admin="integration_id")

    @property
    def chosen(self) -> dict[str, Any]:
        values = super().chosen
        return values | {"status": None, "destroyed": "true"} if values.get("status") == DELETED else values

    def read(self, limit: int, cursor: str | None, order: Order | None = None) -> Page:
        return super().read(limit, cursor, URGENT if self.chosen.get("status") == NOT_UP else order)
