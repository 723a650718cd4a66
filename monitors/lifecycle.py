"""
The verbs of monitors and heartbeats, one place each, called alike by every door.

A verb locks the resource, answers None where there is nothing to do, raises Conflict where it is not allowed, and else
has the fact folded and recorded. Only our own can be changed; a mirrored one is its source's. Not here: who may call
which verb (the doors), and the incidents about what is deleted (incidents.resources).
"""

from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction

from config.errors import Conflict
from monitors import keeper
from monitors.models import Monitor, Resource, Status
from teams.models import Team, User
from timeline.acts import Act, new_fact
from timeline.chronology import Link
from timeline.events import Payload
from timeline.models import TimelineEvent
from timeline.record import record_numbered

Kind = TypeVar("Kind", bound=Resource)

# What can be given and edited, by kind.
DETAILS = {"monitor": ("name", "url", "type"), "heartbeat": ("name", "period", "grace")}


def create(model: type[Kind], team: Team, *, by: User, at: datetime, **details: Any) -> Kind:
    """A new resource of a team's own, with all of its kind's DETAILS; pending until it is checked."""
    with transaction.atomic():
        made = model._default_manager.create(team=team, created_at=at)
        recorded(made, "created", by=by, at=at, fields=described(made, details))
    return made


def edit(resource: Resource, *, by: User, at: datetime, **details: Any) -> TimelineEvent | None:
    """Change some of a resource's details."""
    with transaction.atomic():
        locked(resource)
        changeable(resource)
        known = {name: getattr(resource, name) for name in DETAILS[resource.kind]}
        if known | details == known:
            return None
        return recorded(resource, "updated", by=by, at=at, fields=described(resource, known | details))


def pause(resource: Resource, *, by: User, at: datetime) -> TimelineEvent | None:
    """Stop checking a resource until it is unpaused."""
    with transaction.atomic():
        locked(resource)
        changeable(resource)
        if resource.status == Status.PAUSED:
            return None
        return recorded(resource, "paused", by=by, at=at, fields=about(resource))


def unpause(resource: Resource, *, by: User, at: datetime) -> TimelineEvent | None:
    """Check a paused resource again."""
    with transaction.atomic():
        locked(resource)
        changeable(resource)
        if resource.status != Status.PAUSED:
            return None
        return recorded(resource, "unpaused", by=by, at=at, fields=about(resource))


def destroy(resource: Resource, *, by: User, at: datetime) -> TimelineEvent | None:
    """
    Delete a resource: a tombstone; its history stays. Nothing that an incident holds down can be deleted: see
    incidents.resources, which resolves that first.
    """
    with transaction.atomic():
        locked(resource)
        ours(resource)
        if resource.destroyed_at is not None:
            return None
        if resource.live_incidents:
            raise Conflict(f"A live incident is about this {resource.kind}; resolve that first.")
        return recorded(resource, "destroyed", by=by, at=at, fields=about(resource))


# --- what they share ------------------------------------------------------------------------------------------


def locked(resource: Resource) -> None:
    """Lock the resource and read it anew."""
    keeper.lock([subject_of(resource)])
    resource.refresh_from_db()


def changeable(resource: Resource) -> None:
    """Raises Conflict unless the resource can be changed here."""
    ours(resource)
    if resource.destroyed_at is not None:
        raise Conflict(f"This {resource.kind} was deleted.")


def ours(resource: Resource) -> None:
    """Raises Conflict, with the integration's name, if the resource is a mirrored one."""
    if not resource.is_native:
        # Integrations stand above this storey; their team knows what they are called.
        known = team_of(resource).integrations.filter(pk=resource.integration_id)  # type: ignore[misc]
        name = known.values_list("name", flat=True).first() or "a deleted integration"
        raise Conflict(
            f"This {resource.kind} is mirrored from {name}, so it can’t be changed here.",
            details={"integration": {"id": resource.integration_id, "name": name}},
        )


def recorded(resource: Resource, action: str, *, by: User, at: datetime, fields: Payload) -> TimelineEvent:
    """Record an act on a locked resource, fold it in, and show the resource as it is then."""
    called = fields[f"{resource.kind}_name"] or str(resource)
    subject = subject_of(resource)
    message = f'{resource.kind.capitalize()} "{called}" {action}'
    act = Act(f"{resource.kind}.{action}", message, by=by, at=at, fields=fields)
    new = new_fact(team_of(resource), subject, act)
    [fact] = record_numbered([new], lambda facts: keeper.take_in_facts({subject: facts}, {new.fact.id}))
    resource.refresh_from_db()
    return TimelineEvent.objects.get(pk=fact.id)


def subject_of(resource: Resource) -> Link:
    """The resource as facts name it."""
    return (resource.kind, int(resource.pk))


def about(resource: Resource) -> Payload:
    """The log's fields that say which monitor or heartbeat."""
    fields: Payload = {f"{resource.kind}_id": resource.pk, f"{resource.kind}_name": resource.name or None}
    if isinstance(resource, Monitor):
        fields |= {"monitor_url": resource.url, "monitor_type": resource.type}
    return fields


def described(resource: Resource, details: dict[str, Any]) -> Payload:
    """The fields of a resource that is made or edited to have these details."""
    return about(resource) | {f"{resource.kind}_{name}": details[name] for name in DETAILS[resource.kind]}


def team_of(resource: Resource) -> Team:
    """Whose it is."""
    team: Team = resource.team  # type: ignore[attr-defined]
    return team
