"""
The form by which an incident is declared by hand.

Not here: what is made of it (incidents.declaring).
"""

from collections.abc import Sequence
from datetime import datetime

from django import forms
from django.http import QueryDict

from config.formfields import LocalMoment
from config.moments import offset
from dashboard.fields import Regions
from incidents.bodies import MONITORS_AT_MOST
from incidents.declaring import Declaration
from incidents.details import CAUSE_AT_MOST, TITLE_AT_MOST
from incidents.models import Severity, Type
from monitors.models import Monitor
from teams.models import Team

# A longer list nobody looks through.
MONITORS_OFFERED = 300
NO_MONITOR = "No monitor of the team has this id."


class DeclarationForm(forms.Form):
    """What went wrong, since when, and what it is about."""

    error_message = forms.CharField(
        label="What is wrong",
        max_length=CAUSE_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto", "placeholder": "What people see, or what failed"}),
    )
    severity = forms.ChoiceField(label="Severity", choices=Severity.choices, initial=Severity.MAJOR)
    type = forms.ChoiceField(label="Type", choices=Type.choices, initial=Type.OTHER)
    title = forms.CharField(
        label="Title",
        required=False,
        max_length=TITLE_AT_MOST,
        help_text="Without one it is called by what is wrong.",
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    started_at = LocalMoment(label="Started", required=False)
    monitor_id = forms.ModelChoiceField(
        label="Monitor", queryset=Monitor.objects.none(), required=False, error_messages={"invalid_choice": NO_MONITOR}
    )
    affected_monitor_ids = forms.ModelMultipleChoiceField(
        label="Also affected",
        queryset=Monitor.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": NO_MONITOR, "invalid_pk_value": NO_MONITOR},
    )
    affected_regions = Regions(label="Regions")

    def __init__(self, team: Team, data: QueryDict | None = None, *, monitor: str = "") -> None:
        super().__init__(data, initial={"monitor_id": monitor})
        self.fields["started_at"].help_text = f"In {offset()}. Left empty: now. It may lie in the past."
        monitors = team.monitors.filter(destroyed_at__isnull=True)
        offered = [(each.pk, str(each)) for each in monitors.order_by("name", "id")[:MONITORS_OFFERED]]
        self.offer("monitor_id", monitors, [("", "None"), *offered])
        self.offer("affected_monitor_ids", monitors, offered)

    def offer(self, name: str, monitors: object, choices: Sequence[tuple[object, str]]) -> None:
        """Let any of the monitors be chosen, though only some are listed."""
        field = self.fields[name]
        field.queryset = monitors  # type: ignore[attr-defined]
        field.widget.choices = choices

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
