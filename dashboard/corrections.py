"""
The forms by which an incident's history is corrected: the time or text of an entry, and hiding one or several.

Not here: what a correction does (incidents.corrections).
"""

from typing import Any

from django import forms
from django.http import QueryDict

from dashboard.fields import KeptText, LocalMoment
from dashboard.logbook import corrected_text
from dashboard.templatetags.moments import offset
from incidents.corrections import REASON_AT_MOST
from incidents.lifecycle import NOTE_AT_MOST
from timeline.models import TimelineEvent

NO_ENTRY = "No entry of this incident has this id."


def reason_field() -> forms.CharField:
    """Why something is corrected."""
    return forms.CharField(label="Reason", max_length=REASON_AT_MOST, widget=forms.TextInput(attrs={"dir": "auto"}))


class CorrectionForm(forms.Form):
    """What an entry's time and text should be."""

    occurred_at = LocalMoment(label="Occurred", required=False)
    message = KeptText(
        label="Text",
        required=False,
        max_length=NOTE_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
    )
    reason = reason_field()

    def __init__(self, entry: TimelineEvent, data: QueryDict | None = None) -> None:
        super().__init__(data, auto_id="correct-%s")
        self.fields["occurred_at"].initial = entry.occurred_at
        self.fields["occurred_at"].help_text = f"In {offset()}. Left alone it stays exact to the millisecond."
        self.fields["message"].keep(corrected_text(entry))  # type: ignore[attr-defined]

    def said(self) -> dict[str, Any]:
        """What the verb is told."""
        said = self.cleaned_data
        return {
            "occurred_at": said["occurred_at"],
            "message": said["message"] or None,
            "reason": said["reason"],
        }


class HidingForm(forms.Form):
    """Whether an entry is to be left out: the verb `hide`, or to be shown again: `unhide`."""

    reason = reason_field()

    def __init__(self, entry: TimelineEvent, data: QueryDict | None = None) -> None:
        super().__init__(data, auto_id="hide-%s")
        # What was pressed, not the opposite of what is: two who press the same want the same.
        self.hidden = data is not None and data.get("verb") == "hide"

    def said(self) -> dict[str, Any]:
        """What the verb is told."""
        return {"hidden": self.hidden, "reason": self.cleaned_data["reason"]}
