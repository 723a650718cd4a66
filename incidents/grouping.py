"""
Groups of incidents: making one, putting incidents in and taking them out, and working on all of them at once.

Which incidents are in a group is said by their own facts, so a group has no history of its own. A source's groups are
made when its facts are applied; ours can take a source's incidents in, and a source's ours, here only.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from config.errors import ApiError, Conflict
from incidents.lifecycle import by_whom, locked, recorded, resolve, workable
from incidents.models import Incident, IncidentGroup, IncidentQuerySet
from teams.models import Team, User
from timeline.acts import Act
from timeline.events import INCIDENT_GROUP
from timeline.identity import source_key
from timeline.models import TimelineEvent

NAME_AT_MOST = 255
# As many incidents of a group are resolved in one go.
AT_ONCE = 100


def make_group(team: Team, name: str, *, at: datetime) -> IncidentGroup:
    """A new group of ours, without incidents."""
    return team.incident_groups.create(name=name, created_at=at)


def group(incident: Incident, into: IncidentGroup, *, by: User | None, at: datetime) -> TimelineEvent | None:
    """Put an incident into a group of its team, out of any other."""
    if into.team_id != incident.team_id:
        raise Conflict("The incident and the group belong to different teams.")
    with transaction.atomic():
        locked(incident)
        if is_in(incident, into):
            return None
        workable(incident, at)
        return put_into(incident, into, by=by, at=at)


def put_into(incident: Incident, into: IncidentGroup, *, by: User | None, at: datetime) -> TimelineEvent:
    """Record that a locked incident is in a group from now on."""
    return recorded(
        incident,
        Act(
            "incident.grouped",
            f'Incident "{incident}" grouped into {called(into)}{by_whom(by)}',
            by=by,
            at=at,
            fields={"incident_group_id": into.pk, "incident_group_name": into.name or None},
        ),
    )


def group_anew(
    incident: Incident, name: str = "", *, by: User | None, at: datetime
) -> tuple[IncidentGroup, TimelineEvent]:
    """Put an incident into a new group, and the fact of it; without a name it is called as the incident is."""
    with transaction.atomic():
        locked(incident)
        workable(incident, at)
        made = make_group(incident.team, name or str(incident)[:NAME_AT_MOST].strip(), at=at)
        return made, put_into(incident, made, by=by, at=at)


class Together:
    """Puts incidents into a group; where none is named, the first of each team makes a new one."""

    def __init__(self) -> None:
        self.made: dict[int, IncidentGroup] = {}

    def __call__(
        self,
        incident: Incident,
        *,
        by: User | None,
        at: datetime,
        into: IncidentGroup | None = None,
        name: str = "",
    ) -> TimelineEvent | None:
        known = into or self.made.get(incident.team_id)
        if known:
            return group(incident, known, by=by, at=at)
        self.made[incident.team_id], fact = group_anew(incident, name, by=by, at=at)
        return fact


def ungroup(incident: Incident, *, by: User | None, at: datetime) -> TimelineEvent | None:
    """Take an incident out of its group."""
    with transaction.atomic():
        locked(incident)
        if incident.incident_group_id is None:
            return None
        workable(incident, at)
        left = group_of(incident)
        out_of = called(left) if left else "its incident group"
        message = f'Incident "{incident}" taken out of {out_of}{by_whom(by)}'
        return recorded(incident, Act("incident.ungrouped", message, by=by, at=at))


def called(group: IncidentGroup) -> str:
    """A group, in a sentence."""
    return f'incident group "{group.name}"' if group.name else f"incident group {group.source_id or group.pk}"


def is_in(incident: Incident, group: IncidentGroup) -> bool:
    """Whether an incident is in a group."""
    return Incident.objects.filter(pk=incident.pk).in_group(group).exists()


def group_of(incident: Incident) -> IncidentGroup | None:
    """The group that an incident is in."""
    number, groups = incident.incident_group_id, incident.team.incident_groups
    if number is None:
        return None
    if incident.incident_group_native:
        return groups.filter(pk=number).first()
    if incident.integration_id is None or incident.source_organization_id is None or incident.source_team_id is None:
        return None
    source = (incident.integration_id, incident.source_organization_id, incident.source_team_id)
    return groups.filter(source_key=source_key(*source, INCIDENT_GROUP, number)).first()


def incidents_of(group: IncidentGroup) -> IncidentQuerySet:
    """A group's incidents."""
    return group.team.incidents.in_group(group)


# --- many at once ---------------------------------------------------------------------------------------------


@dataclass
class Done:
    """What became of one incident of several: a fact, or (None) nothing to do, or the refusal."""

    incident: Incident
    fact: TimelineEvent | None = None
    refused: ApiError | None = None


def one_by_one(incidents: Iterable[Incident], verb: Callable[[Incident], TimelineEvent | None]) -> list[Done]:
    """Do the same with several incidents, each by itself; one that is refused stops none of the others."""
    return [done(incident, verb) for incident in incidents]


def done(incident: Incident, verb: Callable[[Incident], TimelineEvent | None]) -> Done:
    """Do something with one incident of several."""
    try:
        return Done(incident, fact=verb(incident))
    except ApiError as refused:
        return Done(incident, refused=refused)


def live_in(groups: Iterable[IncidentGroup]) -> set[int]:
    """The ids of what is live in some groups."""
    return {pk for group in groups for pk in incidents_of(group).live().values_list("pk", flat=True)}


def resolve_some(group: IncidentGroup, wanted: Collection[int], *, by: User | None, at: datetime) -> list[Done]:
    """
    Resolve what is live in a group, of those wanted (by id): the next AT_ONCE in the order in which they began, each
    answered by itself. To be called again for the rest.
    """
    live = incidents_of(group).live().filter(pk__in=wanted).defer("search").order_by("started_at", "id")
    return one_by_one(list(live[:AT_ONCE]), lambda incident: resolve(incident, by=by, at=at))
