"""
What people type about monitors and heartbeats of their own, on the pages and in admin.

Not here: what may be said, by programs and people alike (monitors.serializers), what is done with it
(monitors.lifecycle).
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from config.fields import Body
from config.formfields import DetailsForm, Field, Text, field_for
from monitors import spans
from monitors.models import Heartbeat, Monitor
from monitors.serializers import HeartbeatBody, MonitorBody


class SpanField(Text):
    """A length of time, typed as `1 h 30 min`: whole seconds."""

    def __init__(self, *, min_value: int = 0, max_value: int, **options: Any) -> None:
        super().__init__(max_length=60, **options)
        self.shortest, self.longest = min_value, max_value

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


def name_field(body: type[Body], example: str) -> Text:
    """What it is called."""
    hints = {"placeholder": example, "dir": "auto"}
    return field_for(body, "name", Text, label="Name", widget=forms.TextInput(attrs=hints))


def asked_field(body: type[Body], name: str, kind: Callable[..., Field], **how: Any) -> Field:
    """What the API takes as said where it is not; a form shows that, and asks."""
    return field_for(body, name, kind, required=True, initial=body._declared_fields[name].default, **how)


class MonitorForm(DetailsForm):
    """A monitor's details."""

    name = name_field(MonitorBody, "Shop")
    url = field_for(
        MonitorBody,
        "url",
        Text,
        label="Address",
        help_text="http or https, without a user name or password.",
        widget=forms.TextInput(
            attrs={"placeholder": "https://www.example.com", "inputmode": "url", "spellcheck": "false"}
        ),
    )
    type = asked_field(MonitorBody, "type", forms.ChoiceField, label="What is looked at")


class HeartbeatForm(DetailsForm):
    """A heartbeat's details."""

    name = name_field(HeartbeatBody, "Nightly backup")
    period = asked_field(
        HeartbeatBody, "period", SpanField, label="It reports once in", help_text="Such as 1 d, 12 h or 1 h 30 min."
    )
    grace = asked_field(HeartbeatBody, "grace", SpanField, label="It may be late by", help_text="0 for not at all.")


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
