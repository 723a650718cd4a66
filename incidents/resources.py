"""
Deleting a monitor or heartbeat together with what is wrong with it: monitors know nothing of incidents, so the two are
put together here. The doors that delete one call this.

Not here: the verbs themselves (incidents.lifecycle, monitors.lifecycle).
"""

from datetime import datetime

from django.db import transaction

from incidents import lifecycle
from incidents.models import Incident, IncidentQuerySet
from monitors import lifecycle as resource_lifecycle
from monitors.models import Resource
from teams.models import User
from timeline.models import TimelineEvent


def live_incidents(resource: Resource) -> IncidentQuerySet:
    """What holds a resource down, oldest first."""
    about = Incident.objects.filter(team_id=resource.team_id, resource_type=resource.kind, resource_id=resource.pk)
    return about.live().order_by("started_at", "id")


def destroy(resource: Resource, *, by: User, at: datetime) -> TimelineEvent | None:
    """Delete one of our own: what is live about it is resolved first, by the same person in the same transaction."""
    with transaction.atomic():
        # With the resource locked nobody can open another incident about it.
        resource_lifecycle.locked(resource)
        resource_lifecycle.ours(resource)
        if resource.destroyed_at is not None:
            return None
        resolved = [lifecycle.resolve(incident, by=by, at=at) for incident in live_incidents(resource)]
        # An act on an incident stands after whatever came last there, be that a moment to come.
        return resource_lifecycle.destroy(
            resource, by=by, at=max([at, *(fact.occurred_at for fact in resolved if fact is not None)])
        )
