"""
The verbs that move incidents, one place each, called alike by dashboard, API, admin and worker; and what all verbs have
in common.

A verb locks the incident, answers None where there is nothing to do, raises Conflict where it is not allowed, and else
has the fact folded and recorded. Who may call which verb is the doors' affair. The verbs about what is said of an
incident stand in incidents.details, those of groups in incidents.grouping, declaring one in incidents.declaring.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from django.db import IntegrityError, transaction

from config import faults
from config.errors import Conflict, ValidationFailed
from incidents import keeper
from incidents.fold import ACKNOWLEDGED, CLOSED, LIVE, MOVES, OPEN, RESOLVED
from incidents.models import Incident
from incidents.moves import IllegalMove, deleted, last_said
from monitors.keeper import MODELS
from teams.models import Team, User
from timeline.acts import Act, new_fact, who
from timeline.chronology import Fact, Link
from timeline.events import EVENTS, INCIDENT, INCIDENT_ORIGIN, RESOURCES, Payload
from timeline.models import TimelineEvent
from timeline.record import NewFact, record_numbered

RECORDED = faults.point("act: recorded, before the commit")

NOTE_AT_MOST = 1000
# What is called the act that leads to a status.
ACTS = {ACKNOWLEDGED: "acknowledged", RESOLVED: "resolved", CLOSED: "closed", OPEN: "reopened"}
# Until somebody can be called every door says so of escalating.
ONLY_RECORDED = "An escalation is only recorded: nobody is notified."
ONE_LIVE = "one_live_native_incident_per_native_resource"


# --- moves ----------------------------------------------------------------------------------------------------


def acknowledge(incident: Incident, *, by: User | None, at: datetime, note: str | None = None) -> TimelineEvent | None:
    """Say that somebody is working on an open incident."""
    return move(incident, ACKNOWLEDGED, by=by, at=at, note=note)


def resolve(incident: Incident, *, by: User | None, at: datetime, note: str | None = None) -> TimelineEvent | None:
    """Say that a live incident is over."""
    return move(incident, RESOLVED, by=by, at=at, note=note)


def close(incident: Incident, *, by: User | None, at: datetime, note: str | None = None) -> TimelineEvent | None:
    """Close an acknowledged or resolved incident. A mirrored one is closed here only."""
    return move(incident, CLOSED, by=by, at=at, note=note)


def reopen(incident: Incident, *, by: User | None, at: datetime, note: str | None = None) -> TimelineEvent | None:
    """Begin again with an incident that was acknowledged, resolved or closed."""
    return move(incident, OPEN, by=by, at=at, note=note)


def move(
    incident: Incident, to: str, *, by: User | None, at: datetime, note: str | None = None
) -> TimelineEvent | None:
    """
    Bring an incident to a status; with a note where one is given. Where it has that status already no move is written,
    and the note alone. Raises IllegalMove, and Conflict where another incident of its resource is live.
    """
    with transaction.atomic():
        locked(incident)
        if incident.status == to:
            return comment(incident, by=by, at=at, message=note) if note else None
        workable(incident, at)
        if incident.status not in MOVES[to]:
            raise IllegalMove(incident, to, at)
        with the_only_live_one(incident.team, resource_of(incident)):
            sentence = f'Incident "{incident}" {ACTS[to]}{by_whom(by)}'
            fact = recorded(incident, Act(f"incident.{ACTS[to]}", sentence, by=by, at=at))
        if note:
            comment(incident, by=by, at=at, message=note)
        return fact


def set_status(
    incident: Incident, to: str, *, by: User | None, at: datetime, note: str | None = None
) -> TimelineEvent | None:
    """As `move`, but only ahead: to reopen is a verb of its own."""
    with transaction.atomic():
        locked(incident)
        if to == OPEN != incident.status:
            raise IllegalMove(incident, to, at)
        return move(incident, to, by=by, at=at, note=note)


def escalate(
    incident: Incident, *, by: User | None, at: datetime, targets: Sequence[User | Team], note: str | None = None
) -> TimelineEvent:
    """
    Record that members of the team, or all of it, are wanted at a live incident; it notifies nobody. Raises Conflict
    for one that is over, and ValidationFailed naming `targets` for a target that the team does not have.
    """
    with transaction.atomic():
        locked(incident)
        workable(incident, at)
        if incident.status not in LIVE:
            raise Conflict(
                f"It is {incident.status}, and only an open or acknowledged incident can be escalated; "
                f"reopen it first. {last_said(incident, at)}"
            )
        wanted = [target_of(incident.team, each) for each in targets]
        names = ", ".join(each["name"] for each in wanted)
        fact = recorded(
            incident,
            Act(
                "incident.escalated",
                f'Incident "{incident}" escalated to {names}',
                by=by,
                at=at,
                fields={"escalation_targets": wanted},
            ),
        )
        if note:
            comment(incident, by=by, at=at, message=note)
        return fact


def target_of(team: Team, target: User | Team) -> Payload:
    """An escalation target as the log has it."""
    if isinstance(target, Team) and target == team:
        return {"type": "team", "id": team.pk, "name": team.name}
    if isinstance(target, User) and is_member(team, target):
        return {"type": "user", "id": target.pk, "name": target.get_full_name()}
    raise ValidationFailed({"targets": [ANOTHER_TEAM if isinstance(target, Team) else NOBODY]})


NOBODY = "No active member of the team has this id."
ANOTHER_TEAM = "This is not the id of the incident's own team, which alone can be called."


def is_member(team: Team, user: User) -> bool:
    """Whether a user is in the team and can log in."""
    return team.memberships.active().filter(user=user).exists()


def comment(incident: Incident, *, by: User | None, at: datetime, message: str) -> TimelineEvent:
    """Add an investigation note of 1 to 1,000 characters."""
    said = f'{by.get_full_name() if by else "Watchkeeper"} commented on incident "{incident}"'
    with transaction.atomic():
        locked(incident)
        return recorded(incident, Act("incident.commented", said, by=by, at=at, fields={"comment": message}))


def destroy(incident: Incident, *, by: User | None, at: datetime) -> TimelineEvent | None:
    """Delete an incident: a tombstone; its history stays."""
    with transaction.atomic():
        locked(incident)
        if incident.destroyed_at is not None:
            return None
        return recorded(incident, Act("incident.destroyed", f'Incident "{incident}" destroyed', by=by, at=at))


# --- what all verbs share -------------------------------------------------------------------------------------


def locked(incident: Incident) -> None:
    """Lock the incident and what it is about, and read it anew."""
    keeper.lock([incident.pk])
    incident.refresh_from_db()


def workable(incident: Incident, at: datetime) -> None:
    """Raises Conflict for a deleted incident."""
    if incident.destroyed_at is not None:
        raise deleted(incident, at)


@contextmanager
def the_only_live_one(team: Team, resource: Link | None) -> Iterator[None]:
    """
    For what may make a native incident live: at most one of a native resource can be, which the database enforces.
    Raises Conflict with the id of the other one; nothing is written then.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if ONE_LIVE not in str(error) or resource is None:
            raise
        raise taken(team, resource) from None


def taken(team: Team, resource: Link) -> Conflict:
    """The refusal of a second live incident of a resource."""
    kind, identity = resource
    live = team.incidents.live().filter(integration_id=None, resource_type=kind, resource_id=identity).first()
    if live is None:  # it ended while we looked
        return Conflict(f"Another incident of this {kind} was live just now. Try again.")
    details = {"incident_id": str(live.uuid), "number": live.number}
    return Conflict(f'Incident {live.number}, "{live}", of this {kind} is live already.', details=details)


def by_whom(by: User | None) -> str:
    """The end of a sentence that says who acted."""
    return f" by {by.email}" if by else ""


def recorded(incident: Incident, act: Act) -> TimelineEvent:
    """Record an act on a locked incident, and show the incident as it is then."""
    [fact] = record_acts(incident, [fact_of(incident, act)])
    return TimelineEvent.objects.get(pk=fact.id)


def fact_of(incident: Incident, act: Act) -> NewFact:
    """An act on a locked incident as a new fact: with whose and what it is, and who acts. It is to be recorded then."""
    says_who = "user_email" in EVENTS[act.event].fields
    fields = about(incident) | (who(act.by) if says_who else {}) | act.fields | elsewhere(incident)
    act = replace(act, fields=fields, named=act.named or resource_of(incident))
    return new_fact(incident.team, (INCIDENT, incident.pk), act)


def record_acts(incident: Incident, new: Sequence[NewFact]) -> list[Fact]:
    """Record acts on a locked incident, folded all at once, and show the incident as it is then."""
    facts = record_numbered(new, keeper.take_in_facts)
    RECORDED()
    incident.refresh_from_db()
    return facts


def about(incident: Incident) -> Payload:
    """The log's fields that say which incident, and of what."""
    return {
        "incident_id": incident.number,
        "incident_name": incident.title or None,
        "resource_type": incident.resource_type,
        "resource_id": incident.resource_id,
        "resource_name": resource_name(incident),
    }


def elsewhere(incident: Incident) -> Payload:
    """Of an act on a mirrored incident: whose it is; null where no Watchkeeper told us of it as of its own."""
    if incident.is_native:
        return {}
    origin = {
        "installation": incident.origin,
        "organization_id": incident.source_organization_id,
        "team_id": incident.source_team_id,
        "incident_id": incident.source_id,
    }
    return {INCIDENT_ORIGIN: origin if incident.origin else None}


def resource_name(incident: Incident) -> str | None:
    """What it is about, as that is called now."""
    link = resource_of(incident)
    if link is None:
        return incident.resource_name
    named = MODELS[link[0]].objects.filter(pk=link[1]).values_list("name", flat=True).first()
    return named or incident.resource_name


def resource_of(incident: Incident) -> Link | None:
    """(kind, id) of the monitor or heartbeat it is about."""
    if incident.resource_type in RESOURCES and incident.resource_id is not None:
        return (incident.resource_type, incident.resource_id)
    return None
