"""
The verbs of monitors and heartbeats, one place each, called alike by every door.
"""

from datetime import datetime

from django.db import transaction

from monitors import keeper
from monitors.models import Monitor, Resource
from teams.models import Team, User
from timeline.acts import act
from timeline.events import Payload
from timeline.models import TimelineEvent


def destroy(resource: Resource, *, by: User, at: datetime) -> TimelineEvent | None:
    """Delete a monitor or heartbeat: a tombstone; its history stays. A mirrored one is deleted here only."""
    subject = (resource.kind, int(resource.pk))
    with transaction.atomic():
        keeper.lock([subject])
        resource.refresh_from_db()
        if resource.destroyed_at is not None:
            return None
        fact = act(
            team_of(resource),
            f"{resource.kind}.destroyed",
            subject,
            by=by,
            at=at,
            message=f'{resource.kind.capitalize()} "{resource}" destroyed',
            fields=about(resource),
        )
        keeper.take_in_facts({subject: [fact]})
        resource.refresh_from_db()
        return TimelineEvent.objects.get(pk=fact.id)


def about(resource: Resource) -> Payload:
    """The log's fields that say which monitor or heartbeat."""
    fields: Payload = {f"{resource.kind}_id": resource.pk, f"{resource.kind}_name": resource.name or None}
    if isinstance(resource, Monitor):
        fields |= {"monitor_url": resource.url, "monitor_type": resource.type}
    return fields


def team_of(resource: Resource) -> Team:
    """Whose it is."""
    team: Team = resource.team  # type: ignore[attr-defined]
    return team
