"""
What people type about monitors and heartbeats of their own, on the pages and in admin.

Not here: what programs send (monitors.serializers), what is done with it (monitors.lifecycle).
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from config.addresses import LONGEST_ADDRESS, WEB_ADDRESS
from config.formfields import DetailsForm, Text
from monitors import spans
from monitors.models import (
    LONGEST_GRACE,
    LONGEST_NAME,
    LONGEST_PERIOD,
    SHORTEST_PERIOD,
    USUAL_GRACE,
    USUAL_PERIOD,
    Heartbeat,
    Monitor,
    Type,
)


class SpanField(Text):
    """A length of time, typed as `1 h 30 min`: whole seconds."""

    def __init__(self, *, shortest: int = 0, longest: int, **options: Any) -> None:
        super().__init__(max_length=60, **options)
        self.shortest, self.longest = shortest, longest

    def prepare_value(self, value: Any) -> Any:
        return spans.written(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            seconds = spans.read(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        if not self.shortest <= seconds <= self.longest:
            bounds = f"From {spans.written(self.shortest)} to {spans.written(self.longest)}."
            raise ValidationError(bounds if self.shortest else f"At most {spans.written(self.longest)}.")
        return seconds

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


def name_field(example: str) -> Text:
    """What it is called."""
    hints = {"placeholder": example, "dir": "auto"}
    return Text(label="Name", max_length=LONGEST_NAME, widget=forms.TextInput(attrs=hints))


class MonitorForm(DetailsForm):
    """A monitor's details."""

    name = name_field("Shop")
    url = Text(
        label="Address",
        max_length=LONGEST_ADDRESS,
        validators=[WEB_ADDRESS],
        help_text="http or https, without a user name or password.",
        widget=forms.TextInput(
            attrs={"placeholder": "https://www.example.com", "inputmode": "url", "spellcheck": "false"}
        ),
    )
    type = forms.ChoiceField(label="What is looked at", choices=Type.choices, initial=Type.STATUS)


class HeartbeatForm(DetailsForm):
    """A heartbeat's details."""

    name = name_field("Nightly backup")
    period = SpanField(
        label="It reports once in",
        initial=USUAL_PERIOD,
        shortest=SHORTEST_PERIOD,
        longest=LONGEST_PERIOD,
        help_text="Such as 1 d, 12 h or 1 h 30 min.",
    )
    grace = SpanField(
        label="It may be late by",
        initial=USUAL_GRACE,
        longest=LONGEST_GRACE,
        help_text="0 for not at all.",
    )


FORMS: dict[str, type[MonitorForm] | type[HeartbeatForm]] = {"monitor": MonitorForm, "heartbeat": HeartbeatForm}


class RecordForm(forms.ModelForm):
    """Draws texts as wide as admin draws its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            if isinstance(field.widget, forms.TextInput):
                field.widget.attrs["class"] = "vTextField"


class MonitorRecord(MonitorForm, RecordForm):
    """A monitor in admin, where also the team is chosen."""

    class Meta:
        model = Monitor
        fields = ["team", "name", "url", "type"]


class HeartbeatRecord(HeartbeatForm, RecordForm):
    """A heartbeat in admin, where also the team is chosen."""

    class Meta:
        model = Heartbeat
        fields = ["team", "name", "period", "grace"]
