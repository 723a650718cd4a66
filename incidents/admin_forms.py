"""
What an operator types to work on incidents in admin.

Incidents of several teams can be worked on at once, so people are named by their addresses and groups by their numbers.
"""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from config import clock
from config.adminforms import MomentField
from config.formfields import Text
from incidents.bodies import MOVING_NOTE_AT_MOST, REGION_AT_MOST, REGIONS_AT_MOST
from incidents.declaring import Declaration
from incidents.details import CAUSE_AT_MOST, TITLE_AT_MOST
from incidents.grouping import NAME_AT_MOST
from incidents.lifecycle import NOTE_AT_MOST
from incidents.models import Incident, Severity, Type
from monitors.models import Monitor
from timeline.acts import PAST, told_moment
from timeline.values import LARGEST_ID

WIDE = {"size": 70}


class RegionsField(Text):
    """Names of regions, separated by commas."""

    def __init__(self, **options: Any) -> None:
        options |= {"required": False, "max_length": REGIONS_AT_MOST * REGION_AT_MOST}
        super().__init__(help_text="Separated by commas.", widget=forms.TextInput(attrs=WIDE), **options)

    def clean(self, value: Any) -> list[str]:
        regions = [each.strip() for each in str(super().clean(value)).split(",") if each.strip()]
        if len(regions) > REGIONS_AT_MOST or any(len(each) > REGION_AT_MOST for each in regions):
            raise ValidationError(f"At most {REGIONS_AT_MOST} regions of {REGION_AT_MOST} characters.")
        return regions


class NoteForm(forms.Form):
    """An investigation note."""

    message = Text(max_length=NOTE_AT_MOST, widget=forms.Textarea(attrs={"rows": 4, "cols": 70}))


class EscalationForm(forms.Form):
    """To whom it is escalated."""

    people = Text(
        required=False,
        max_length=5000,
        widget=forms.TextInput(attrs=WIDE),
        help_text="E-mail addresses of members, separated by commas. Empty: the whole team.",
    )
    note = Text(required=False, max_length=MOVING_NOTE_AT_MOST, widget=forms.TextInput(attrs=WIDE))

    def clean_people(self) -> list[str]:
        return [each.strip() for each in self.cleaned_data["people"].split(",") if each.strip()]


class AssignmentForm(forms.Form):
    """Who is to have it."""

    assignee = forms.EmailField(required=False, max_length=254, help_text="The address of a member.")
    nobody = forms.BooleanField(required=False, label="Nobody", help_text="Take it from whoever has it.")

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if "assignee" in said and bool(said["assignee"]) == said["nobody"]:
            raise ValidationError("Enter an address, or tick that nobody is to have it.")
        return said


class SeverityForm(forms.Form):
    """How bad it is."""

    severity = forms.ChoiceField(choices=[("", "Choose…"), *Severity.choices])


class DetailsForm(forms.Form):
    """What is said of it; what is left empty stays as it is."""

    title = Text(required=False, max_length=TITLE_AT_MOST, widget=forms.TextInput(attrs=WIDE))
    error_message = Text(
        label="Cause", required=False, max_length=CAUSE_AT_MOST, widget=forms.Textarea(attrs={"rows": 3, "cols": 70})
    )
    affected_regions = RegionsField()


class GroupingForm(forms.Form):
    """Which group it is put into."""

    number = forms.IntegerField(
        required=False, min_value=0, max_value=LARGEST_ID, help_text="Of a group of its team. Empty: a new group."
    )
    name = Text(
        required=False,
        max_length=NAME_AT_MOST,
        widget=forms.TextInput(attrs=WIDE),
        help_text="Of a new group; empty: it is called as its first incident is.",
    )


class DeclarationForm(forms.ModelForm):
    """An incident that is declared by hand."""

    title = Text(required=False, max_length=TITLE_AT_MOST, widget=forms.TextInput(attrs=WIDE))
    severity = forms.ChoiceField(choices=Severity.choices, initial=Severity.MAJOR)
    type = forms.ChoiceField(choices=Type.choices, initial=Type.OTHER)
    error_message = Text(label="Cause", max_length=CAUSE_AT_MOST, widget=forms.Textarea(attrs={"rows": 3, "cols": 70}))
    started_at = MomentField(label="Started", required=False, help_text="May lie in the past. Empty: now.")
    affected_regions = RegionsField()
    monitor = forms.IntegerField(
        required=False, min_value=0, max_value=LARGEST_ID, help_text="The number of the team's monitor it is about."
    )

    class Meta:
        model = Incident
        fields = ["team"]

    def clean_started_at(self) -> datetime | None:
        started: datetime | None = self.cleaned_data["started_at"]
        if started and told_moment(started, clock.now()) is None:
            raise ValidationError(PAST)
        return started

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        team, number = said.get("team"), said.get("monitor")
        if team and number is not None:
            said["monitor"] = self.monitor_of(team, number)
        return said

    def monitor_of(self, team: Any, number: int) -> Monitor | None:
        """The team's monitor of a number, if an incident of it can be declared."""
        found: Monitor | None = team.monitors.filter(pk=number, destroyed_at=None).first()
        if found is None:
            self.add_error("monitor", "The team has no monitor of this number.")
        elif found.is_native and found.live_incidents:
            self.add_error("monitor", "An incident of this monitor is live already.")
        return found

    def declaration(self) -> Declaration:
        """What was typed, as a declaration."""
        said = self.cleaned_data
        return Declaration(
            severity=Severity(said["severity"]),
            type=Type(said["type"]),
            error_message=said["error_message"],
            title=said["title"],
            started_at=said["started_at"],
            affected_regions=said["affected_regions"],
            resource=said["monitor"],
        )
