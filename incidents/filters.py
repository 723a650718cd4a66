"""
Which incidents, and groups of them, a list shows, and in what order: what its query string may say, and the questions
to the database that this means.
"""

from typing import Any
from uuid import UUID

from django import forms
from django.db.models import F, QuerySet
from django.http import QueryDict

from config.fields import StrictChar, StrictChoice, StrictMoment, StrictUUID
from config.filtering import Destroyed, Filter, Flag, ListFilters, Number, Place, Search, Setting, Words
from config.paging import Order, Page, page
from incidents.models import IncidentQuerySet, Severity, Status
from incidents.search import BY_TIME, found_page
from monitors.keeper import MODELS
from teams.models import User
from timeline.about import Subject

WHAT_SEARCH_DOES = (
    "Beginnings of words in the title, the cause, or the resource's name; all must occur. Case, accents and width "
    "don't matter. In scripts without spaces (Chinese, Japanese, Thai, …) what is asked for is found anywhere. `#84` "
    "and a UUID find their incident; `84` finds it, too, beside what has words that begin so."
)
LIVE = "live"

# What a list is sorted by → its columns for sort_order=desc. Started and updated under names that are never NULL, as
# every incident in a list has a fact; the worst severity is the highest; the last status is the highest.
BY_START = BY_TIME.order
DESCENDING: dict[str, Order] = {
    "started_at": BY_START,
    "updated_at": [("until", "desc"), ("id", "desc")],
    "severity": [("severity_place", "asc"), *BY_START],
    "status": [("status_place", "desc"), *BY_START],
}
ASCENDING: dict[str, Order] = {
    "started_at": [("since", "asc"), ("id", "asc")],
    "updated_at": [("until", "asc"), ("id", "asc")],
    "severity": [("severity_place", "desc"), *BY_START],
    "status": [("status_place", "asc"), *BY_START],
}
# The values that a list goes through in turn, for sort_order=asc.
TURNS = {"severity": list(reversed(range(len(Severity)))), "status": list(range(len(Status)))}


def in_order(found: IncidentQuerySet) -> IncidentQuerySet:
    """Incidents with the columns that an order names. One without a fact yet has no place in it."""
    return found.filter(started_at__isnull=False).annotate(since=F("started_at"), until=F("updated_at"))


def about_resource(incidents: QuerySet[Any], resource: tuple[str, int]) -> QuerySet[Any]:
    """Those about a monitor or heartbeat, by kind and id. They are its team's, which says where to look for them."""
    kind, identity = resource
    model = MODELS.get(kind)
    team = model.objects.filter(pk=identity).values_list("team_id", flat=True).first() if model else None
    return incidents.filter(team_id=team, resource_id=identity, resource_type=kind)


def of_assignee(incidents: QuerySet[Any], uuid: UUID) -> QuerySet[Any]:
    """Those of a person."""
    # Looked up first: PostgreSQL plans for the one that is asked for, not for anybody.
    return incidents.filter(assignee_id=User.objects.filter(uuid=uuid).values_list("pk", flat=True).first() or 0)


def of_status(incidents: IncidentQuerySet, asked: Any) -> IncidentQuerySet:
    """Those of some statuses, or those that are live."""
    return incidents.live() if asked == LIVE else incidents.of_status(*asked)


class IncidentFilters(ListFilters):
    """The lists of incidents. They are narrowed from incidents that are `in_order`."""

    q = Search(WHAT_SEARCH_DOES, ask=IncidentQuerySet.search, placeholder="Search titles, causes, resources")
    status = Words(
        Status, "Status", [("", "Any status"), (LIVE, "Live"), *Status.choices], ask=of_status, admin="status__exact"
    )
    severity = Words(
        Severity,
        "Severity",
        [("", "Any severity"), *Severity.choices],
        ask=lambda incidents, asked: incidents.of_severity(*asked),
        admin="severity__exact",
    )
    is_live = Flag("is_live", api=None, admin="is_live__exact")
    resource_type = Filter(
        StrictChar(
            required=False, allow_blank=True, help_text="`monitor`, `heartbeat`, or what else the source calls it."
        ),
        ask=IncidentQuerySet.of_kind,
        control=forms.ChoiceField(
            label="Resource", choices=[("", "Any resource"), ("monitor", "Monitors"), ("heartbeat", "Heartbeats")]
        ),
    )
    destroyed = Destroyed(
        control=forms.ChoiceField(
            label="Deleted", choices=[("", "Not deleted"), ("true", "Deleted"), ("any", "Deleted or not")]
        ),
        admin="",
    )
    provisional = Flag("provisional", api=None, admin="provisional__exact")
    of = Subject(ask=about_resource, label="resource")
    resource_id = Number("The resource's id here.")
    assignee = Filter(StrictUUID(required=False, help_text="A user's id."), ask=of_assignee)
    started_after = Filter(
        StrictMoment(required=False, help_text="Started at this moment or later."), "started_at", "gte"
    )
    started_before = Filter(StrictMoment(required=False, help_text="Started before this moment."), "started_at", "lt")
    number = Number("The integer that people and the incident log call it by.", "pk")
    integration = Number(
        "An integration's id: the incidents that it tells of.", "integration_id", admin="integration_id"
    )
    group = Number("An incident group's id.", method="of_group")
    sort_by = Setting(
        StrictChoice(choices=list(DESCENDING), default="started_at", help_text="By what the list is sorted.")
    )
    sort_order = Setting(
        StrictChoice(
            choices=["desc", "asc"],
            default="desc",
            help_text="Descending is newest first, worst severity first, closed before open.",
        )
    )

    queryset: IncidentQuerySet

    def __init__(self, data: QueryDict, queryset: QuerySet[Any], **options: Any) -> None:
        if options.get("place") == Place.PAGE and data.get("destroyed") == "false":  # as addresses of before have it
            data = data.copy()
            data["destroyed"] = ""
        super().__init__(data, queryset, **options)

    def of_group(self, incidents: IncidentQuerySet, name: str, number: int) -> QuerySet[Any]:
        group = self.team.incident_groups.filter(pk=number).first()
        return incidents.in_group(group) if group else incidents.none()

    def read(self, limit: int, cursor: str | None, order: Order | None = None) -> Page:
        """A page of incidents in the order that was asked for; what is searched for, newest first, in bounded time."""
        chosen = self.chosen
        is_ascending = chosen["sort_order"] == "asc"
        order = (ASCENDING if is_ascending else DESCENDING)[chosen["sort_by"]]
        if "q" in chosen and order == BY_START:
            return found_page(self.queryset, self.qs, limit, cursor)
        turns = TURNS.get(chosen["sort_by"], [])
        return page(self.qs, order, limit, cursor, turns=turns if is_ascending else turns[::-1])


class GroupFilters(ListFilters):
    """The lists of groups of incidents."""

    integration = Number("", "integration_id", api=None, admin="integration_id")
