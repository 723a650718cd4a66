"""
What an operator types to work on incidents in admin.

Incidents of several teams can be worked on at once, so people are named by their addresses and groups by their numbers,
and each is looked up in the team of the incident. Not here: what may be told (incidents.bodies).
"""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from config import clock
from config.adminforms import MomentField
from config.errors import ValidationFailed
from config.fields import Body
from config.formfields import Text, field_for
from config.numbers import LARGEST_ID
from incidents.bodies import (
    ChangesBody,
    DeclarationBody,
    GroupingBody,
    MovingBody,
    NoteBody,
    SeverityBody,
)
from incidents.declaring import Declaration
from incidents.forms import Regions, VerbForm, line_field, lines_field, told_by
from incidents.models import Incident, Severity, Type
from incidents.verbs import VERBS
from monitors.models import Monitor
from teams.lifecycle import LONGEST_EMAIL
from teams.members import find_member
from teams.models import Team, User
from timeline.acts import PAST, told_moment

WIDE = {"size": 70}


def regions_field(body: type[Body]) -> Regions:
    """Names of regions, separated by commas."""
    return line_field(body, "affected_regions", Regions, WIDE, separator=",", help_text="Separated by commas.")


def number_field(help_text: str) -> forms.IntegerField:
    """The number of something, or none."""
    return forms.IntegerField(required=False, min_value=0, max_value=LARGEST_ID, help_text=help_text)


def member_of(team: Team, address: str, field: str) -> User:
    """The active member with an address. Raises ValidationFailed naming a field."""
    found = find_member(team, email=address)
    if found is None:
        raise ValidationFailed({field: [f"{address} is no active member of the team."]})
    return found


class NoteForm(VerbForm):
    """An investigation note."""

    does = VERBS["comment"]
    message = lines_field(NoteBody, "message", Text, {"rows": 4, "cols": 70})


class EscalationForm(VerbForm):
    """To whom it is escalated."""

    does = VERBS["escalate"]
    people = Text(
        required=False,
        max_length=5000,
        widget=forms.TextInput(attrs=WIDE),
        help_text="E-mail addresses of members, separated by commas. Empty: the whole team.",
    )
    note = line_field(MovingBody, "note", Text, WIDE)

    def told(self, team: Team) -> dict[str, Any]:
        addresses = filter(None, map(str.strip, self.cleaned_data["people"].split(",")))
        people = [member_of(team, each, "people") for each in addresses]
        return {"targets": people or [team], "note": self.cleaned_data["note"]}


class AssignmentForm(VerbForm):
    """Who is to have it."""

    does = VERBS["assign"]
    assignee = forms.EmailField(required=False, max_length=LONGEST_EMAIL, help_text="The address of a member.")
    nobody = forms.BooleanField(required=False, label="Nobody", help_text="Take it from whoever has it.")

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if "assignee" in said and bool(said["assignee"]) == said["nobody"]:
            raise ValidationError("Enter an address, or tick that nobody is to have it.")
        return said

    def told(self, team: Team) -> dict[str, Any]:
        address = self.cleaned_data["assignee"]
        return {"assignee": member_of(team, address, "assignee") if address else None}


class SeverityForm(VerbForm):
    """How bad it is."""

    does = VERBS["change_severity"]
    severity = field_for(SeverityBody, "severity", forms.ChoiceField, choices=[("", "Choose…"), *Severity.choices])


class DetailsForm(VerbForm):
    """What is said of it; what is left empty stays as it is."""

    does = VERBS["edit"]
    title = line_field(ChangesBody, "title", Text, WIDE)
    error_message = lines_field(ChangesBody, "error_message", Text, {"cols": 70}, label="Cause")
    affected_regions = regions_field(ChangesBody)

    def told(self, team: Team) -> dict[str, Any]:
        return {name: value for name, value in told_by(self, ChangesBody).items() if value}


class GroupingForm(VerbForm):
    """Which group it is put into."""

    does = VERBS["group"]
    number = number_field("Of a group of its team. Empty: a new group.")
    name = line_field(
        GroupingBody, "name", Text, WIDE, help_text="Of a new group; empty: it is called as its first incident is."
    )

    def told(self, team: Team) -> dict[str, Any]:
        number = self.cleaned_data["number"]
        into = None if number is None else team.incident_groups.filter(pk=number).first()
        if into is None and number is not None:
            raise ValidationFailed({"number": ["Its team has no group of this number."]})
        return {"into": into, "name": self.cleaned_data["name"]}


class DeclarationForm(forms.ModelForm):
    """An incident that is declared by hand."""

    title = line_field(DeclarationBody, "title", Text, WIDE)
    severity = field_for(DeclarationBody, "severity", forms.ChoiceField, initial=Severity.MAJOR)
    type = field_for(DeclarationBody, "type", forms.ChoiceField, initial=Type.OTHER)
    error_message = lines_field(DeclarationBody, "error_message", Text, {"cols": 70}, label="Cause")
    started_at = field_for(
        DeclarationBody, "started_at", MomentField, label="Started", help_text="May lie in the past. Empty: now."
    )
    affected_regions = regions_field(DeclarationBody)
    monitor = number_field("The number of the team's monitor it is about.")

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
        return Declaration(**told_by(self, DeclarationBody), resource=self.cleaned_data["monitor"])
