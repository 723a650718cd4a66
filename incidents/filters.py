"""
Which incidents a list shows, and in what order: its query string, and the questions to the database that it means.
"""

from typing import Any

from django.db.models import F, Q, QuerySet

from config.fields import (
    ListQuery,
    QueryChoices,
    QueryInteger,
    StrictChar,
    StrictChoice,
    StrictMoment,
    StrictUUID,
    among_destroyed,
    destroyed_field,
)
from config.paging import Order
from incidents.models import IncidentGroup, IncidentQuerySet, Severity, Status
from teams.models import User

LONGEST_SEARCH = 200
WHAT_SEARCH_DOES = (
    "Beginnings of words in the title, the cause, or the resource's name; all must occur. Case, accents and width "
    "don't matter. In scripts without spaces (Chinese, Japanese, Thai, …) what is asked for is found anywhere. `#84` "
    "and a UUID find their incident; `84` finds it, too, beside what has words that begin so."
)

# What a list is sorted by → its columns for sort_order=desc. Started and updated under names that are never NULL, as
# every incident in a list has a fact; the worst severity is the highest; the last status is the highest.
NEWEST: Order = [("since", "desc"), ("id", "desc")]
DESCENDING: dict[str, Order] = {
    "started_at": NEWEST,
    "updated_at": [("until", "desc"), ("id", "desc")],
    "severity": [("severity_place", "asc"), *NEWEST],
    "status": [("status_place", "desc"), *NEWEST],
}
ASCENDING: dict[str, Order] = {
    "started_at": [("since", "asc"), ("id", "asc")],
    "updated_at": [("until", "asc"), ("id", "asc")],
    "severity": [("severity_place", "desc"), *NEWEST],
    "status": [("status_place", "asc"), *NEWEST],
}
# The values that a list goes through in turn, for sort_order=asc.
TURNS = {"severity": list(reversed(range(len(Severity)))), "status": list(range(len(Status)))}


class IncidentQuery(ListQuery):
    """The query string of the list of incidents."""

    status = QueryChoices(choices=Status.values, required=False, help_text="One, or several separated by commas.")
    severity = QueryChoices(choices=Severity.values, required=False, help_text="One, or several separated by commas.")
    resource_type = StrictChar(
        required=False, allow_blank=True, help_text="`monitor`, `heartbeat`, or what else the source calls it."
    )
    resource_id = QueryInteger(required=False, help_text="The resource's id here.")
    assignee = StrictUUID(required=False, help_text="A user's id.")
    started_after = StrictMoment(required=False, help_text="Started at this moment or later.")
    started_before = StrictMoment(required=False, help_text="Started before this moment.")
    destroyed = destroyed_field()
    number = QueryInteger(required=False, help_text="The integer that people and the incident log call it by.")
    integration = QueryInteger(required=False, help_text="An integration's id: the incidents that it tells of.")
    group = QueryInteger(required=False, help_text="An incident group's id.")
    q = StrictChar(required=False, allow_blank=True, max_length=LONGEST_SEARCH, help_text=WHAT_SEARCH_DOES)
    sort_by = StrictChoice(choices=list(DESCENDING), default="started_at", help_text="By what the list is sorted.")
    sort_order = StrictChoice(
        choices=["desc", "asc"],
        default="desc",
        help_text="Descending is newest first, worst severity first, closed before open.",
    )


# Parameter → the question it asks.
QUESTIONS = {
    "number": "pk",
    "integration": "integration_id",
    "resource_id": "resource_id",
    "started_after": "started_at__gte",
    "started_before": "started_at__lt",
}


def in_order(found: IncidentQuerySet) -> IncidentQuerySet:
    """Incidents with the columns that an order names. One without a fact yet has no place in it."""
    return found.filter(started_at__isnull=False).annotate(since=F("started_at"), until=F("updated_at"))


def narrowed(found: IncidentQuerySet, chosen: dict[str, Any], groups: "QuerySet[IncidentGroup]") -> IncidentQuerySet:
    """
    The incidents that a validated query string leaves, with the columns that an order names. `groups`: the team's.
    """
    asked = among_destroyed(chosen)
    for name, question in QUESTIONS.items():
        if name in chosen:
            asked &= Q(**{question: chosen[name]})
    if "assignee" in chosen:
        # Looked up first: PostgreSQL plans for the one that is asked for, not for anybody.
        asked &= Q(assignee_id=User.objects.filter(uuid=chosen["assignee"]).values_list("pk", flat=True).first() or 0)
    found = in_order(found.filter(asked))
    if "group" in chosen:
        group = groups.filter(pk=chosen["group"]).first()
        found = found.in_group(group) if group else found.none()
    if "status" in chosen:
        found = found.of_status(*chosen["status"])
    if "severity" in chosen:
        found = found.of_severity(*chosen["severity"])
    if "resource_type" in chosen:
        found = found.of_kind(chosen["resource_type"])
    return found.search(chosen["q"]) if "q" in chosen else found


def order(chosen: dict[str, Any]) -> Order:
    """The order that a validated query string asks for."""
    return (DESCENDING if chosen["sort_order"] == "desc" else ASCENDING)[chosen["sort_by"]]


def turns(chosen: dict[str, Any]) -> list[int]:
    """The values of the order's first column in turn, where it has few."""
    ascending = TURNS.get(chosen["sort_by"], [])
    return ascending[::-1] if chosen["sort_order"] == "desc" else ascending
