"""
What managers and operators say of an endpoint, as forms; what of it can't be, the verbs know (lifecycle).

Not here: the pages that it stands on (dashboard, admin), or what programs send (serializers).
"""

from typing import Any

from django import forms

from config.adminforms import MomentField
from config.errors import ValidationFailed
from config.formfields import DetailsForm, Text, field_for
from config.momentfields import LocalMoment
from timeline.events import EVENTS, VENDOR_EVENTS
from timeline.outbound.lifecycle import sound
from timeline.outbound.models import Endpoint
from timeline.outbound.serializers import EndpointBody, ReplayBody

OURS = [name for name in EVENTS if name not in VENDOR_EVENTS]


def boxes(label: str, names: list[str], help_text: str) -> forms.MultipleChoiceField:
    """Events to be ticked."""
    return forms.MultipleChoiceField(
        label=label,
        choices=[(name, name) for name in names],
        required=False,
        help_text=help_text,
        widget=forms.CheckboxSelectMultiple,
    )


class EndpointForm(DetailsForm):
    """Where to send, and what."""

    url = field_for(
        EndpointBody,
        "url",
        Text,
        label="URL",
        validators=[],  # what is wrong with an address the verbs say, in more words
        widget=forms.URLInput(attrs={"spellcheck": "false", "placeholder": "https://", "size": 60}),
        help_text="Each event is posted there as JSON.",
    )
    description = field_for(
        EndpointBody,
        "description",
        Text,
        help_text="What is there, for those who read this list.",
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    relay = forms.BooleanField(
        label="Pass on what integrations tell",
        required=False,
        help_text="Without it only what happens here is sent: our own checks, people, the API.",
    )
    further = forms.BooleanField(
        label="Further events and fields",
        required=False,
        help_text="Also send what the log’s 19 events can’t carry, for a receiver that understands Watchkeeper.",
    )
    events = boxes("Events", list(VENDOR_EVENTS), "None ticked, here and below: all are sent.")
    further_events = boxes("Further events", OURS, "Only with further events and fields.")

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if said.get("further_events") and not said.get("further"):
            self.add_error("further_events", "Tick “Further events and fields”, too, or none of these.")
        if not self.errors:
            self.blame_what_can_not_be()
        return said

    def blame_what_can_not_be(self) -> None:
        """Say what the verbs would have against what was typed."""
        said = self.details()
        try:
            sound(said["url"], said["event_types"], said["further"])
        except ValidationFailed as refusal:
            for name, texts in refusal.fields.items():
                self.add_error(name if name in self.fields else None, texts)

    def details(self) -> dict[str, Any]:
        """What was said, as the verbs take it."""
        said = self.cleaned_data
        ticked = {*said["events"], *said["further_events"]}
        return {
            "url": said["url"],
            "description": said["description"],
            "event_types": [name for name in EVENTS if name in ticked],
            "further": said["further"],
            "relay": said["relay"],
        }


def as_it_is(endpoint: Endpoint) -> dict[str, Any]:
    """What the form shows of an endpoint."""
    ticked = endpoint.event_types
    return {
        "url": endpoint.url,
        "description": endpoint.description,
        "events": [name for name in ticked if name in VENDOR_EVENTS],
        "further": endpoint.further,
        "further_events": [name for name in ticked if name not in VENDOR_EVENTS],
        "relay": endpoint.relay,
    }


class OperatorsEndpointForm(EndpointForm, forms.ModelForm):
    """An endpoint in admin. Its secret is made with it."""

    class Meta:
        model = Endpoint
        fields = ["team"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.pk:
            self.initial.update(as_it_is(self.instance))


class RangeForm(forms.Form):
    """Which time is sent again. The page's form and admin's ask for moments each in its own way."""

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if "since" in said and "until" in said and said["since"] >= said["until"]:
            self.add_error("until", "It must be later than the beginning.")
        return said


class ReplayForm(RangeForm):
    """Which time is sent again."""

    since = field_for(ReplayBody, "since", LocalMoment, label="From")
    until = field_for(
        ReplayBody, "until", LocalMoment, label="Until", help_text="Left out itself. In your time zone, both."
    )


class OperatorsReplayForm(RangeForm):
    """Which time is sent again, in admin."""

    since = field_for(ReplayBody, "since", MomentField, label="From")
    until = field_for(ReplayBody, "until", MomentField, label="Until", help_text="Left out itself.")
