"""
How incidents, their groups, updates, notes and timelines look in the API.

The serializers of incidents and groups do their work; the other classes only describe, for the schema, what
incidents.updates writes.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.errors import STATUS
from config.fields import StrictMoment
from config.matching import tag_of
from incidents.models import Incident, IncidentGroup, Severity, Status, Type
from incidents.reports import PERIODS
from timeline.models import Effect

MOST_UPDATES = 1000
# Without a limit.
ALL_UPDATES = 10_000


class ResourceSerializer(serializers.Serializer):
    """What an incident is about."""

    type = serializers.CharField(help_text="`monitor`, `heartbeat`, or what else the source calls it.")
    id = serializers.IntegerField(help_text="Its id here; the source's, if it is neither monitor nor heartbeat.")
    name = serializers.CharField(allow_null=True, help_text="What it is called; null if that was never told.")


class PersonSerializer(serializers.Serializer):
    """Somebody: a user of ours, or (without an id) somebody whom a source named."""

    id = serializers.UUIDField(allow_null=True, help_text="The user's UUID; null if only a source knows them.")
    email = serializers.CharField(allow_null=True, help_text="The e-mail address, as far as it is known.")
    name = serializers.CharField(allow_null=True, help_text="The name, as far as it is known.")


class IncidentSourceSerializer(serializers.Serializer):
    """Where an incident is mirrored from."""

    integration_id = serializers.IntegerField(help_text="The integration that tells of it.")
    organization_id = serializers.CharField(source="source_organization_id", help_text="The source's own id.")
    team_id = serializers.CharField(source="source_team_id", help_text="The source's own id.")
    incident_id = serializers.IntegerField(source="source_id", help_text="The source's own id.")


class GroupSourceSerializer(serializers.Serializer):
    """Where a group is mirrored from."""

    integration_id = serializers.IntegerField(help_text="The integration that tells of it.")
    organization_id = serializers.CharField(source="source_organization_id", help_text="The source's own id.")
    team_id = serializers.CharField(source="source_team_id", help_text="The source's own id.")
    incident_group_id = serializers.IntegerField(source="source_id", help_text="The source's own id.")


class IncidentSerializer(serializers.Serializer):
    """An incident."""

    id = serializers.UUIDField(source="uuid", help_text="Its UUID, by which paths name it.")
    number = serializers.IntegerField(help_text="The integer by which people and the incident log call it.")
    title = serializers.CharField(help_text="Empty if it was never named.")
    status = serializers.ChoiceField(choices=Status.choices, help_text="Where it stands.")
    severity = serializers.ChoiceField(choices=Severity.choices, help_text="How bad it is.")
    type = serializers.ChoiceField(choices=Type.choices, help_text="What kind of failure it is.")
    error_message = serializers.CharField(allow_null=True, help_text="What went wrong; null if that was never told.")
    affected_regions = serializers.ListField(child=serializers.CharField(), help_text="Where it was seen or felt.")
    resource = serializers.SerializerMethodField(help_text="What it is about; null if that was not told.")
    assignee = serializers.SerializerMethodField(help_text="Who has it; null for nobody.")
    started_at = StrictMoment(help_text="When it began: the earliest time of its events.")
    acknowledged_at = StrictMoment(allow_null=True, help_text="When it was acknowledged; null if it is not.")
    resolved_at = StrictMoment(allow_null=True, help_text="When it was resolved; null if it is not.")
    closed_at = StrictMoment(allow_null=True, help_text="When it was closed; null if it is not.")
    destroyed_at = StrictMoment(allow_null=True, help_text="When it was deleted at its source, or here.")
    provisional = serializers.BooleanField(help_text="Known from later events; its start was never told.")
    incident_group_id = serializers.IntegerField(
        allow_null=True, help_text="Ours; or the source's, where it was grouped there."
    )
    source = serializers.SerializerMethodField(help_text="Where it is mirrored from; null for one of our own.")  # type: ignore[assignment]
    updated_at = StrictMoment(help_text="When the last of its events occurred.")

    @extend_schema_field(ResourceSerializer(allow_null=True))
    def get_resource(self, incident: Incident) -> dict[str, Any] | None:
        if incident.resource_type is None or incident.resource_id is None:
            return None
        return {"type": incident.resource_type, "id": incident.resource_id, "name": incident.resource_name}

    @extend_schema_field(PersonSerializer(allow_null=True))
    def get_assignee(self, incident: Incident) -> dict[str, Any] | None:
        user = incident.assignee
        return person(str(user.uuid) if user else None, incident.assignee_email, incident.assignee_name)

    @extend_schema_field(IncidentSourceSerializer(allow_null=True))
    def get_source(self, incident: Incident) -> dict[str, Any] | None:
        return None if incident.is_native else IncidentSourceSerializer(incident).data


def tag(incident: Incident) -> str:
    """The ETag of an incident: of what can be changed, and its status."""
    return tag_of(
        {
            "incident": incident.pk,
            "title": incident.title,
            "status": incident.status,
            "severity": incident.severity,
            "error_message": incident.error_message,
            "affected_regions": incident.affected_regions,
            "assignee": [incident.assignee_id, incident.assignee_email],
            "group": [incident.incident_group_id, incident.incident_group_native],
            "destroyed_at": incident.destroyed_at,
        }
    )


def person(identity: str | None, email: str | None, name: str | None) -> dict[str, Any] | None:
    """Somebody as PersonSerializer describes; None for nobody."""
    if identity is None and email is None and name is None:
        return None
    return {"id": identity, "email": email, "name": name}


class RefusalSerializer(serializers.Serializer):
    """Why something was refused, as in the answer to a request of its own."""

    code = serializers.ChoiceField(choices=list(STATUS), help_text="What kind of error it is.")
    message = serializers.CharField(help_text="What is wrong, in a sentence.")
    details = serializers.DictField(required=False, help_text="More of it, by the kind of error.")


class BulkAnswer(serializers.Serializer):
    """What became of one of several incidents: an answer as to a request of its own, and its id."""

    id = serializers.CharField(help_text="As it was sent.")
    success = serializers.BooleanField(help_text="Whether it was done, or was so already.")
    data = IncidentSerializer(required=False, help_text="The incident, if `success`.")  # type: ignore[assignment]
    error = RefusalSerializer(required=False, help_text="What is wrong, if not.")


class GroupSerializer(serializers.Serializer):
    """A group of incidents."""

    id = serializers.IntegerField(help_text="Its id here.")
    name = serializers.CharField(help_text="Empty for a source's group, which has only a number.")
    created_at = StrictMoment(help_text="When it was made, or first heard of.")
    source = serializers.SerializerMethodField(help_text="Where it is mirrored from; null for one of our own.")  # type: ignore[assignment]

    @extend_schema_field(GroupSourceSerializer(allow_null=True))
    def get_source(self, group: IncidentGroup) -> dict[str, Any] | None:
        return None if group.is_native else GroupSourceSerializer(group).data


# --- updates and notes ------------------------------------------------------------------------------------------------

UPDATES = (
    "created",
    "status_changed",
    "severity_changed",
    "assigned",
    "acknowledged",
    "resolved",
    "closed",
    "reopened",
    "updated",
)
NOTE = "comment_added"


class _Line(serializers.Serializer):
    id = serializers.RegexField(r"^event-[0-9a-f-]{36}$", help_text="Stays the same for ever.")
    incident_id = serializers.UUIDField(help_text="The incident's UUID.")
    user_id = serializers.UUIDField(allow_null=True, help_text="Null for the system, and for a source's users.")
    user_email = serializers.CharField(allow_null=True, help_text="The e-mail address of that person.")
    user_name = serializers.CharField(allow_null=True, help_text="The name of that person.")
    message = serializers.CharField(help_text="What happened, in a sentence.")
    old_value = serializers.CharField(allow_null=True, help_text="What it was before.")
    new_value = serializers.CharField(allow_null=True, help_text="What it is since.")
    created_at = StrictMoment(help_text="When it occurred.")


class UpdateSerializer(_Line):
    """One update of an incident. In `assigned`, `user_…` is the assignee."""

    action = serializers.ChoiceField(choices=UPDATES, help_text="What kind of change it is.")


class NoteSerializer(_Line):
    """One investigation note."""

    action = serializers.ChoiceField(choices=[NOTE], help_text="What it is, as in the vendor's list of actions.")


# --- the timeline -----------------------------------------------------------------------------------------------------


class ChangeSerializer(serializers.Serializer):
    """One thing that an event changed: an update, or a note."""

    action = serializers.ChoiceField(choices=[*UPDATES, NOTE], help_text="What kind of change it is.")
    field = serializers.CharField(allow_null=True, help_text="Which field was changed, where one was.")
    old_value = serializers.CharField(allow_null=True, help_text="What it was before.")
    new_value = serializers.CharField(allow_null=True, help_text="What it is since.")
    message = serializers.CharField(help_text="What happened, in a sentence.")


class EventSourceSerializer(serializers.Serializer):
    """Which integration told us of an event, and from which of the source's teams."""

    integration_id = serializers.IntegerField(help_text="The integration that told it.")
    organization_id = serializers.CharField(allow_null=True, help_text="The source's own organization.")
    team_id = serializers.CharField(allow_null=True, help_text="The source's own team.")


class ToldSerializer(serializers.Serializer):
    """What an event said before any correction."""

    occurred_at = StrictMoment(help_text="When it occurred, as it was told.")
    message = serializers.CharField(help_text="The words of a note; the message of anything else.")


class CorrectionSerializer(serializers.Serializer):
    """The latest correction of an event."""

    by = PersonSerializer(allow_null=True, help_text="Who corrected it.")
    at = StrictMoment(help_text="When it was corrected.")
    reason = serializers.CharField(allow_null=True, help_text="Why.")
    correction_id = serializers.CharField(help_text="The `id` of the correction, an event of this timeline itself.")
    was = ToldSerializer(help_text="What it said before.")


class DatedSerializer(serializers.Serializer):
    """Who let an event that its source dated ahead occur when it was received."""

    by = PersonSerializer(allow_null=True, help_text="Who did so.")
    at = StrictMoment(help_text="When.")
    dt_as_sent = serializers.CharField(help_text="When the source said that it occurs.")


class TimelineEventSerializer(serializers.Serializer):
    """One event of an incident, as it was told and as it was read."""

    id = serializers.RegexField(r"^event-[0-9a-f-]{36}$", help_text="The id of its first update, too.")
    event = serializers.CharField(help_text="Its name in the incident log, such as `incident.started`.")
    message = serializers.CharField(help_text="As the source wrote it, or as it was corrected.")
    occurred_at = StrictMoment(help_text="As it was told, or as it was corrected.")
    recorded_at = StrictMoment(help_text="When we came to know.")
    late = serializers.BooleanField(help_text="Recorded more than 60 seconds after it occurred.")
    late_by = serializers.FloatField(allow_null=True, help_text="Seconds; null if it was not late.")
    effect = serializers.ChoiceField(choices=Effect.choices, help_text="Whether it had an effect on the incident.")
    why = serializers.CharField(allow_null=True, help_text="Why it had no effect.")
    user = PersonSerializer(allow_null=True, help_text="Who acted; null for the system.")
    source = EventSourceSerializer(allow_null=True, help_text="Who told us; null for an act of our own.")  # type: ignore[assignment]
    changes = ChangeSerializer(many=True, help_text="What it changed.")
    hidden = serializers.BooleanField(help_text="Staff hid it: it has no effect and stands here only.")
    corrected = CorrectionSerializer(allow_null=True, help_text="How it was corrected; null if it was not.")
    dated = DatedSerializer(allow_null=True, help_text="Null where it stands as it was sent.")
    ignored = serializers.ListField(
        child=serializers.CharField(), help_text="Fields that are left out of `payload`, for they had a wrong type."
    )
    payload = serializers.DictField(help_text="The whole event, every documented field in its documented type.")


class SecondsSerializer(serializers.Serializer):
    """How long it was in which state; what is not yet seen up again is down."""

    up = serializers.FloatField(help_text="Seconds up.")
    down = serializers.FloatField(help_text="Seconds down, or verifying its recovery.")
    paused = serializers.FloatField(help_text="Seconds paused.")
    pending = serializers.FloatField(help_text="Seconds of which nothing is known.")


class StatsSerializer(serializers.Serializer):
    """What a period of a monitor or heartbeat came to."""

    period = serializers.ChoiceField(choices=list(PERIODS), help_text="How many days.")
    since = StrictMoment(help_text="When the period begins.")
    until = StrictMoment(help_text="When it ends.")
    uptime = serializers.FloatField(
        allow_null=True,
        help_text="Per cent of the time it was known to be up or down; 100 and 0 only where it was exactly that.",
    )
    seconds = SecondsSerializer(help_text="How long it was in which state.")
    incidents = serializers.IntegerField(help_text="How many began in the period; deleted ones are left out.")
    mean_seconds_to_acknowledge = serializers.FloatField(allow_null=True, help_text="Of those acknowledged.")
    mean_seconds_to_resolve = serializers.FloatField(allow_null=True, help_text="Of those resolved.")
