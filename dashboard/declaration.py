"""
The form by which an incident is declared by hand.

Not here: what is made of it (incidents.declaring).
"""

from typing import Any

from django import forms
from django.http import QueryDict

from config.formfields import OfferedRecord, OfferedRecords, Text, field_for
from config.momentfields import LocalMoment
from config.moments import offset
from incidents.bodies import NO_MONITOR, DeclarationBody
from incidents.declaring import Declaration
from incidents.forms import line_field, lines_field, regions_field, told_by
from incidents.models import Severity, Type
from teams.models import Team
from timeline.acts import PAST

# A longer list nobody looks through.
MONITORS_OFFERED = 300
EXAMPLE = {"placeholder": "What people see, or what failed"}
UNNAMED = "Without one it is called by what is wrong."


class DeclarationForm(forms.Form):
    """What went wrong, since when, and what it is about."""

    error_message = lines_field(DeclarationBody, "error_message", Text, EXAMPLE, label="What is wrong")
    severity = field_for(DeclarationBody, "severity", forms.ChoiceField, label="Severity", initial=Severity.MAJOR)
    type = field_for(DeclarationBody, "type", forms.ChoiceField, label="Type", initial=Type.OTHER)
    title = line_field(DeclarationBody, "title", Text, label="Title", help_text=UNNAMED)
    started_at = field_for(DeclarationBody, "started_at", LocalMoment, label="Started", range_words=PAST)
    monitor_id = OfferedRecord(label="Monitor", required=False, error_messages={"invalid_choice": NO_MONITOR})
    affected_monitor_ids = field_for(
        DeclarationBody,
        "affected_monitor_ids",
        OfferedRecords,
        label="Also affected",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": NO_MONITOR, "invalid_pk_value": NO_MONITOR},
    )
    affected_regions = regions_field(DeclarationBody)

    def __init__(self, team: Team, data: QueryDict | None = None, *, monitor: str = "") -> None:
        super().__init__(data, initial={"monitor_id": monitor})
        self.fields["started_at"].help_text = f"In {offset()}. Left empty: now. It may lie in the past."
        monitors = team.monitors.filter(destroyed_at__isnull=True).order_by("name", "id")
        about: Any = self.fields["monitor_id"]
        affected: Any = self.fields["affected_monitor_ids"]
        chosen = data or QueryDict()
        about.offer(monitors, MONITORS_OFFERED, "None", [monitor, *chosen.getlist("monitor_id")])
        affected.offer(monitors, MONITORS_OFFERED, chosen.getlist("affected_monitor_ids"))

    def declaration(self) -> Declaration:
        """What was said."""
        return Declaration(**told_by(self, DeclarationBody))
