"""
The verbs of incidents, one place each, called alike by dashboard, API, admin and worker.

A verb locks the incident, answers None where there is nothing to do, raises Conflict where it is not allowed, and else
records the fact and folds it in. Who may call which verb is the doors' affair.
"""

from datetime import datetime

from django.db import transaction

from config import faults
from config.errors import Conflict
from incidents import keeper
from incidents.fold import CLOSED, OPEN
from incidents.models import Incident
from monitors.keeper import MODELS
from teams.models import User
from timeline.acts import act, who
from timeline.chronology import Link
from timeline.events import INCIDENT, RESOURCES, Payload
from timeline.models import TimelineEvent

FOLDED = faults.point("act: folded, before the commit")

NOTE_AT_MOST = 1000


def comment(incident: Incident, *, by: User, at: datetime, message: str) -> TimelineEvent:
    """Add an investigation note of 1 to 1,000 characters."""
    said = f'{by.get_full_name()} commented on incident "{incident}"'
    with transaction.atomic():
        locked(incident)
        return recorded(incident, "incident.commented", said, by=by, at=at, fields={"comment": message})


def close(incident: Incident, *, by: User, at: datetime) -> TimelineEvent | None:
    """Close an acknowledged or resolved incident. A mirrored one is closed here only."""
    with transaction.atomic():
        locked(incident)
        if incident.status == CLOSED:
            return None
        if incident.status == OPEN:
            raise Conflict("An open incident can't be closed; acknowledge or resolve it first.")
        return recorded(
            incident, "incident.closed", f'Incident "{incident}" closed by {by.email}', by=by, at=at, fields={}
        )


def destroy(incident: Incident, *, by: User, at: datetime) -> TimelineEvent | None:
    """Delete an incident: a tombstone; its history stays."""
    with transaction.atomic():
        locked(incident)
        if incident.destroyed_at is not None:
            return None
        return recorded(incident, "incident.destroyed", f'Incident "{incident}" destroyed', by=by, at=at, fields={})


def locked(incident: Incident) -> None:
    """Lock the incident and what it is about, and read it anew."""
    keeper.lock([incident.pk])
    incident.refresh_from_db()


def recorded(
    incident: Incident, event: str, message: str, *, by: User | None, at: datetime, fields: Payload
) -> TimelineEvent:
    """Record an act on a locked incident, fold it in, and show the incident as it is then."""
    payload = about(incident) | ({} if event == "incident.destroyed" else who(by)) | fields
    fact = act(
        incident.team,
        event,
        (INCIDENT, incident.pk),
        by=by,
        at=at,
        message=message,
        fields=payload,
        named=resource_of(incident),
    )
    keeper.take_in_facts([fact])
    FOLDED()
    incident.refresh_from_db()
    return TimelineEvent.objects.get(pk=fact.id)


def about(incident: Incident) -> Payload:
    """The log's fields that say which incident, and of what."""
    return {
        "incident_id": incident.number,
        "incident_name": incident.title or None,
        "resource_type": incident.resource_type,
        "resource_id": incident.resource_id,
        "resource_name": resource_name(incident),
    }


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
