"""
What managers and operators say of an endpoint, as a form; what of it can't be, the verbs know (lifecycle).

Not here: the pages that it stands on (dashboard, admin), or what programs send (serializers).
"""

from typing import Any

from django import forms

from config.addresses import LONGEST_ADDRESS
from timeline.events import EVENTS, VENDOR_EVENTS
from timeline.outbound.models import Endpoint
from timeline.outbound.serializers import LONGEST_DESCRIPTION

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


class EndpointForm(forms.Form):
    """Where to send, and what."""

    url = forms.CharField(
        label="URL",
        max_length=LONGEST_ADDRESS,
        widget=forms.URLInput(attrs={"spellcheck": "false", "placeholder": "https://"}),
        help_text="Each event is posted there as JSON.",
    )
    description = forms.CharField(
        max_length=LONGEST_DESCRIPTION,
        required=False,
        help_text="What is there, for those who read this list.",
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    events = boxes("Events", list(VENDOR_EVENTS), "None ticked, here and below: all are sent.")
    further = forms.BooleanField(
        label="Further events and fields",
        required=False,
        help_text="Also send what the log’s 19 events can’t carry, for a receiver that understands Watchkeeper.",
    )
    further_events = boxes("Further events", OURS, "Only with further events and fields.")
    relay = forms.BooleanField(
        label="Pass on what integrations tell",
        required=False,
        help_text="Without it only what happens here is sent: our own checks, people, the API.",
    )

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if said.get("further_events") and not said.get("further"):
            self.add_error("further_events", "Tick “Further events and fields”, too, or none of these.")
        return said

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
