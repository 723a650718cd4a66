"""
The form by which an incident is declared by hand.

Not here: what is made of it (incidents.declaring).
"""

from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict

from config.formfields import OfferedRecord, OfferedRecords, Text
from config.momentfields import LocalMoment
from config.moments import offset
from dashboard.fields import Regions
from incidents.bodies import MONITORS_AT_MOST
from incidents.declaring import Declaration
from incidents.details import CAUSE_AT_MOST, TITLE_AT_MOST
from incidents.models import Severity, Type
from teams.models import Team
from timeline.acts import PAST

# A longer list nobody looks through.
MONITORS_OFFERED = 300
NO_MONITOR = "No monitor of the team has this id."


class DeclarationForm(forms.Form):
    """What went wrong, since when, and what it is about."""

    error_message = Text(
        label="What is wrong",
        max_length=CAUSE_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto", "placeholder": "What people see, or what failed"}),
    )
    severity = forms.ChoiceField(label="Severity", choices=Severity.choices, initial=Severity.MAJOR)
    type = forms.ChoiceField(label="Type", choices=Type.choices, initial=Type.OTHER)
    title = Text(
        label="Title",
        required=False,
        max_length=TITLE_AT_MOST,
        help_text="Without one it is called by what is wrong.",
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    started_at = LocalMoment(label="Started", required=False, range_words=PAST)
    monitor_id = OfferedRecord(label="Monitor", required=False, error_messages={"invalid_choice": NO_MONITOR})
    affected_monitor_ids = OfferedRecords(
        label="Also affected",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": NO_MONITOR, "invalid_pk_value": NO_MONITOR},
    )
    affected_regions = Regions(label="Regions")

    def __init__(self, team: Team, data: QueryDict | None = None, *, monitor: str = "") -> None:
        super().__init__(data, initial={"monitor_id": monitor})
        self.fields["started_at"].help_text = f"In {offset()}. Left empty: now. It may lie in the past."
        monitors = team.monitors.filter(destroyed_at__isnull=True).order_by("name", "id")
        about: Any = self.fields["monitor_id"]
        affected: Any = self.fields["affected_monitor_ids"]
        chosen = data or QueryDict()
        about.offer(monitors, MONITORS_OFFERED, "None", [monitor, *chosen.getlist("monitor_id")])
        affected.offer(monitors, MONITORS_OFFERED, chosen.getlist("affected_monitor_ids"))

    def clean_affected_monitor_ids(self) -> list[object]:
        found = list(self.cleaned_data["affected_monitor_ids"])
        if len(found) > MONITORS_AT_MOST:
            raise forms.ValidationError(f"At most {MONITORS_AT_MOST} monitors.")
        return found

    def declaration(self) -> Declaration:
        """What was said."""
        said = self.cleaned_data
        started: datetime | None = said["started_at"]
        return Declaration(
            severity=Severity(said["severity"]),
            type=Type(said["type"]),
            error_message=said["error_message"],
            title=said["title"],
            started_at=started,
            affected_regions=said["affected_regions"],
            resource=said["monitor_id"],
            affected=said["affected_monitor_ids"],
        )
