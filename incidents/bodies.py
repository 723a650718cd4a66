"""
What each verb of incidents is told: said here once, with its kind, its bounds, whether it is needed, and how it is
looked up within the team.

They are the API's bodies, of which the document is made, and of which the forms of pages and admin take their fields
(config.formfields.field_for): those only choose how to ask. `source` is the name by which a verb takes what is told or
found. Not here: what it means (incidents.verbs and the rooms that it names), how incidents are shown
(incidents.serializers).
"""

from typing import Any, ClassVar, cast
from uuid import UUID

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from config.fields import (
    AnyId,
    Body,
    StrictBoolean,
    StrictChar,
    StrictChoice,
    StrictInteger,
    StrictList,
    StrictMoment,
    StrictUUID,
)
from config.numbers import LARGEST_ID, read_uuid
from incidents.corrections import REASON_AT_MOST
from incidents.details import CAUSE_AT_MOST, TITLE_AT_MOST
from incidents.grouping import NAME_AT_MOST
from incidents.lifecycle import ANOTHER_TEAM, NOBODY, NOTE_AT_MOST
from incidents.models import IncidentGroup, Severity, Status, Type
from incidents.serializers import IncidentSerializer
from monitors.models import Monitor
from teams.members import find_member
from teams.models import APIKey, Team, User

# A note that goes with a move.
MOVING_NOTE_AT_MOST = 500
REGIONS_AT_MOST = 100
REGION_AT_MOST = 255
MONITORS_AT_MOST = 100
TARGETS_AT_MOST = 100
EVENTS_AT_MOST = 100

# Who can be called.
TARGETS = ("user", "team")

NO_MONITOR = "No monitor of the team has this id."
NO_GROUP = "No incident group of the team has this id."
CORRECTABLE = {"occurred_at", "message", "hidden"}


# --- what is looked up within the team --------------------------------------------------------------------------------


class FoundInTeam(serializers.Field):
    """A field that names what a team has; once all of a TeamBody is sound it is what was found."""

    missing: ClassVar[str]

    def found(self, named: Any) -> Any:
        """What the team of the request's key has by that name. Raises ValidationError where it has nothing."""
        found = self.find(cast(APIKey, self.context["request"].auth).team, named)
        if found is None:
            raise serializers.ValidationError([self.missing])
        return found

    def find(self, team: Team, named: Any) -> Any:
        """What of the team is named; None for nothing."""
        raise NotImplementedError


class TeamBody(Body):
    """A body that names what a team has."""

    def run_validation(self, data: Any = empty) -> Any:
        told, missing = super().run_validation(data), {}
        for name, field in self.fields.items():
            if isinstance(field, FoundInTeam) and told.get(field.source) is not None:
                try:
                    told[field.source] = field.found(told[field.source])
                except serializers.ValidationError as error:
                    missing[name] = error.detail
        if missing:
            raise serializers.ValidationError(missing)
        return told


class MemberField(FoundInTeam, StrictUUID):
    """An active member."""

    missing = NOBODY

    def find(self, team: Team, named: UUID) -> User | None:
        return find_member(team, uuid=named)


class GroupField(FoundInTeam, StrictInteger):
    """A group of incidents."""

    missing = NO_GROUP

    def find(self, team: Team, named: int) -> IncidentGroup | None:
        return team.incident_groups.filter(pk=named).first()


class MonitorsField(FoundInTeam, StrictList):
    """Monitors, in their order."""

    missing = NO_MONITOR

    def __init__(self, **options: Any) -> None:
        super().__init__(child=StrictInteger(), max_length=MONITORS_AT_MOST, **options)

    def find(self, team: Team, named: list[int]) -> list[Monitor] | None:
        found = team.monitors.in_bulk(named)
        return [found[each] for each in named] if found.keys() == set(named) else None


class MonitorField(FoundInTeam, StrictInteger):
    """A monitor."""

    missing = NO_MONITOR

    def find(self, team: Team, named: int) -> Monitor | None:
        return team.monitors.filter(pk=named).first()


@extend_schema_field(
    {"oneOf": [{"type": "integer", "minimum": 0, "maximum": LARGEST_ID}, {"type": "string", "minLength": 1}]}
)
class TargetId(serializers.Field):
    """A user's UUID or a team's public id; or the integer by which the incident log calls either."""

    default_error_messages = {"invalid": "Expected a UUID, a team's id, or a whole number."}

    def to_internal_value(self, data: Any) -> int | str:
        is_number = type(data) is int and 0 <= data <= LARGEST_ID
        if not (is_number or (isinstance(data, str) and data.strip())):
            self.fail("invalid")
        return data.strip() if isinstance(data, str) else data

    def to_representation(self, value: int | str) -> int | str:
        return value


class TargetBody(Body):
    """To whom an incident is escalated."""

    type = StrictChoice(choices=TARGETS, help_text="What the id is of.")
    id = TargetId(help_text="A member's UUID, or the id of the team itself; or either's integer of the incident log.")


class TargetsField(FoundInTeam, StrictList):
    """Members, and the team itself, each once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=TargetBody(), min_length=1, max_length=TARGETS_AT_MOST, **options)

    def find(self, team: Team, named: list[dict[str, Any]]) -> list[User | Team]:
        return list(dict.fromkeys(find_target(team, each["type"], each["id"]) for each in named))


def find_target(team: Team, kind: str, identity: int | str) -> User | Team:
    """A member, or the team, by either's public id or the log's integer. Raises ValidationError for any other."""
    if kind == "team" and identity in (team.pk, team.public_id):
        return team
    if kind == "user":
        by_uuid = isinstance(identity, str)
        named = {"uuid": read_uuid(str(identity), in_any_form=True)} if by_uuid else {"number": identity}
        found = find_member(team, **named)
        if found:
            return found
    raise serializers.ValidationError([ANOTHER_TEAM if kind == "team" else NOBODY])


# --- what several verbs are told --------------------------------------------------------------------------------------


class RegionsField(StrictList):
    """Names of regions."""

    def __init__(self, **options: Any) -> None:
        child = StrictChar(max_length=REGION_AT_MOST)
        super().__init__(child=child, max_length=REGIONS_AT_MOST, required=False, **options)


def severity_field(**how: Any) -> StrictChoice:
    """How bad it is."""
    return StrictChoice(choices=Severity.choices, help_text="How bad it is.", **how)


def cause_field(**how: Any) -> StrictChar:
    """What went wrong."""
    return StrictChar(max_length=CAUSE_AT_MOST, help_text="What went wrong, in words.", **how)


def assignee_field(**how: Any) -> MemberField:
    """Who is to have it."""
    words = "A member of the team, by UUID; null for nobody."
    return MemberField(source="assignee", allow_null=True, help_text=words, **how)


def note_field() -> StrictChar:
    """A note that goes with a move."""
    words = "Becomes an investigation note."
    return StrictChar(max_length=MOVING_NOTE_AT_MOST, required=False, allow_null=True, help_text=words)


def moment_field(**how: Any) -> StrictMoment:
    """When something happened that is told late."""
    return StrictMoment(help_text="From 2000-01-01 to now.", **how)


def reason_field(words: str) -> StrictChar:
    """Why the record is changed."""
    return StrictChar(max_length=REASON_AT_MOST, help_text=words)


# --- one incident -----------------------------------------------------------------------------------------------------


class DeclarationBody(TeamBody):
    """What somebody says went wrong."""

    record = IncidentSerializer

    severity = severity_field()
    type = StrictChoice(choices=Type.choices, help_text="What kind of failure it is.")
    error_message = cause_field()
    title = StrictChar(max_length=TITLE_AT_MOST, required=False, allow_null=True, help_text="Else the error message.")
    started_at = StrictMoment(required=False, allow_null=True, help_text="May lie in the past; now, if not said.")
    affected_regions = RegionsField(help_text="Where it is felt.")
    affected_monitor_ids = MonitorsField(source="affected", required=False, help_text="Monitors of the team.")
    monitor_id = MonitorField(
        source="resource",
        required=False,
        allow_null=True,
        help_text="The monitor that the incident is about; else it is the first of the affected ones.",
    )


class ChangesBody(TeamBody):
    """What is to be changed; the rest stays as it is."""

    record = IncidentSerializer

    severity = severity_field(required=False)
    title = StrictChar(max_length=TITLE_AT_MOST, required=False, help_text="What it is called.")
    error_message = cause_field(required=False)
    affected_regions = RegionsField(help_text="Where it is felt; these instead of those of before.")
    assignee_id = assignee_field(required=False)


class SeverityBody(Body):
    """How bad it is."""

    severity = severity_field()


class AssignmentBody(TeamBody):
    """Who is to have it."""

    assignee_id = assignee_field()


class MovingBody(Body):
    """What goes with a move."""

    note = note_field()


class ReopeningBody(MovingBody):
    """Why an incident is reopened."""


class StatusBody(TeamBody):
    """The status that an incident is to have."""

    record = IncidentSerializer

    status = StrictChoice(choices=Status.choices, help_text="The status that it is to have.")
    note = note_field()
    assignee_id = assignee_field(required=False)


class EscalationBody(TeamBody):
    """To whom it is escalated."""

    targets = TargetsField(help_text="To whom it is escalated, each once.")


class GroupingBody(TeamBody):
    """Which group; without an id a new one is made."""

    incident_group_id = GroupField(source="into", required=False, help_text="A group of the team.")
    name = StrictChar(
        max_length=NAME_AT_MOST, required=False, help_text="Of a new group; else it is called as the incident is."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "into" in attrs and "name" in attrs:
            raise serializers.ValidationError({"name": ["Only a new group is given a name; leave the id out."]})
        return attrs


# --- its record -------------------------------------------------------------------------------------------------------


class NoteBody(Body):
    """A new investigation note."""

    message = StrictChar(max_length=NOTE_AT_MOST, help_text="What was seen, tried or decided.")


class EntryBody(Body):
    """An entry that is added after the fact."""

    message = StrictChar(max_length=NOTE_AT_MOST, help_text="What happened.")
    occurred_at = moment_field()
    reason = reason_field("Why it is added now.")


class CorrectionBody(Body):
    """What is said of an event now; at least one of the three, the rest stays as it is."""

    occurred_at = moment_field(required=False)
    message = StrictChar(max_length=NOTE_AT_MOST, required=False, help_text="How it is to read.")
    hidden = StrictBoolean(required=False, help_text="Whether it is left out: it has no effect then.")
    reason = reason_field("Why it is corrected.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() & CORRECTABLE:
            raise serializers.ValidationError({"body": ["Say at least one of occurred_at, message and hidden."]})
        return attrs


class AtLeastOne(OpenApiSerializerExtension):
    """The document says so too."""

    target_class = CorrectionBody
    priority = 1

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return schema | {"additionalProperties": False, "anyOf": [{"required": [name]} for name in sorted(CORRECTABLE)]}


class HidingBody(Body):
    """Which events are to be hidden, or shown again."""

    ids = StrictList(child=AnyId(), min_length=1, max_length=EVENTS_AT_MOST, help_text="Of the timeline.")
    hidden = StrictBoolean(help_text="True to hide them, false to show them again.")
    reason = reason_field("Why.")
