"""
What requests that work on incidents may say.

Not here: what it means (incidents.lifecycle and the rooms beside it), how incidents are shown (incidents.serializers).
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.fields import (
    LARGEST_ID,
    AnyId,
    Body,
    StrictChar,
    StrictChoice,
    StrictInteger,
    StrictList,
    StrictMoment,
    StrictUUID,
)
from incidents.details import CAUSE_AT_MOST, TITLE_AT_MOST
from incidents.grouping import NAME_AT_MOST
from incidents.lifecycle import NOTE_AT_MOST
from incidents.models import Severity, Status, Type
from incidents.serializers import IncidentSerializer

# A note that goes with a move.
MOVING_NOTE_AT_MOST = 500
REGIONS_AT_MOST = 100
REGION_AT_MOST = 255
MONITORS_AT_MOST = 100
TARGETS_AT_MOST = 100
INCIDENTS_AT_MOST = 100

# Who can be called.
TARGETS = ("user", "team")

WHOSE = "A member of the team, by UUID; null for nobody."
NOTE = "Becomes an investigation note."


class NoteBody(Body):
    """A new investigation note."""

    message = StrictChar(max_length=NOTE_AT_MOST, help_text="What was seen, tried or decided.")


class RegionsField(StrictList):
    """Names of regions."""

    def __init__(self, **options: Any) -> None:
        child = StrictChar(max_length=REGION_AT_MOST)
        super().__init__(child=child, max_length=REGIONS_AT_MOST, required=False, **options)


class DeclarationBody(Body):
    """What somebody says went wrong."""

    record = IncidentSerializer

    severity = StrictChoice(choices=Severity.choices, help_text="How bad it is.")
    type = StrictChoice(choices=Type.choices, help_text="What kind of failure it is.")
    error_message = StrictChar(max_length=CAUSE_AT_MOST, help_text="What went wrong, in words.")
    title = StrictChar(max_length=TITLE_AT_MOST, required=False, allow_null=True, help_text="Else the error message.")
    started_at = StrictMoment(required=False, allow_null=True, help_text="May lie in the past; now, if not said.")
    affected_regions = RegionsField(help_text="Where it is felt.")
    affected_monitor_ids = StrictList(
        child=StrictInteger(), max_length=MONITORS_AT_MOST, required=False, help_text="Monitors of the team."
    )
    monitor_id = StrictInteger(
        required=False,
        allow_null=True,
        help_text="The monitor that the incident is about; else it is the first of the affected ones.",
    )


class ChangesBody(Body):
    """What is to be changed; the rest stays as it is."""

    record = IncidentSerializer

    severity = StrictChoice(choices=Severity.choices, required=False, help_text="How bad it is.")
    title = StrictChar(max_length=TITLE_AT_MOST, required=False, help_text="What it is called.")
    error_message = StrictChar(max_length=CAUSE_AT_MOST, required=False, help_text="What went wrong, in words.")
    affected_regions = RegionsField(help_text="Where it is felt; these instead of those of before.")
    assignee_id = StrictUUID(required=False, allow_null=True, help_text=WHOSE)


class StatusBody(Body):
    """The status that an incident is to have."""

    record = IncidentSerializer

    status = StrictChoice(choices=Status.choices, help_text="The status that it is to have.")
    note = StrictChar(max_length=MOVING_NOTE_AT_MOST, required=False, allow_null=True, help_text=NOTE)
    assignee_id = StrictUUID(required=False, allow_null=True, help_text=WHOSE)


class ReopeningBody(Body):
    """Why an incident is reopened."""

    note = StrictChar(max_length=MOVING_NOTE_AT_MOST, required=False, allow_null=True, help_text=NOTE)


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


class TargetsField(StrictList):
    """All to whom an incident is escalated."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=TargetBody(), min_length=1, max_length=TARGETS_AT_MOST, **options)


class EscalationBody(Body):
    """To whom it is escalated."""

    targets = TargetsField(help_text="To whom it is escalated, each once.")


class GroupingBody(Body):
    """Which group; without an id a new one is made."""

    incident_group_id = StrictInteger(required=False, help_text="A group of the team.")
    name = StrictChar(
        max_length=NAME_AT_MOST, required=False, help_text="Of a new group; else it is called as the incident is."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) == 2:
            raise serializers.ValidationError({"name": ["Only a new group is given a name; leave the id out."]})
        return attrs


# Which fields an action takes, and whether it can do without.
NOTED = {"note": False}
TAKEN: dict[str, dict[str, bool]] = {
    "acknowledge": NOTED,
    "resolve": NOTED,
    "close": NOTED,
    "reopen": NOTED,
    "escalate": {"targets": True},
    "group": {"incident_group_id": False, "name": False},
    "ungroup": {},
    "assign": {"assignee_id": True},
    "change_severity": {"severity": True},
    "comment": {"message": True},
    "delete": {},
}


class BulkBody(GroupingBody):
    """One action on several incidents, with the fields that it takes."""

    ids = StrictList(
        child=AnyId(),
        min_length=1,
        max_length=INCIDENTS_AT_MOST,
        help_text="UUIDs of incidents. What is none is answered as a missing one is.",
    )
    action = StrictChoice(choices=list(TAKEN), help_text="What is to be done with each.")
    note = StrictChar(max_length=MOVING_NOTE_AT_MOST, required=False, allow_null=True, help_text=NOTE)
    targets = TargetsField(required=False, help_text="To escalate to.")
    assignee_id = StrictUUID(required=False, allow_null=True, help_text=WHOSE)
    severity = StrictChoice(choices=Severity.choices, required=False, help_text="To change it to.")
    message = StrictChar(max_length=NOTE_AT_MOST, required=False, help_text="The note, to comment.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        taken = TAKEN[attrs["action"]]
        missing = [name for name, needed in taken.items() if needed and name not in attrs]
        others = attrs.keys() - taken.keys() - {"ids", "action"}
        wrong = {name: ["This field is required."] for name in missing}
        wrong |= {name: [f"The action {attrs['action']} does not take this."] for name in sorted(others)}
        if wrong:
            raise serializers.ValidationError(wrong)
        super().validate({name: attrs[name] for name in ("incident_group_id", "name") if name in attrs})
        return attrs
