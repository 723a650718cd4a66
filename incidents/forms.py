"""
What people type to correct an incident's history, on the pages and in admin: an entry after the fact, the time or text
of one, and hiding it.

Not here: what that does (incidents.corrections), what an operator types about the incident itself (admin_forms).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from config.clock import now
from config.formfields import KeptText, Text
from config.momentfields import LocalMoment
from config.moments import offset
from config.numbers import whole_number
from config.seen import seen_field
from incidents.corrections import REASON_AT_MOST, text_of, version
from incidents.lifecycle import NOTE_AT_MOST
from timeline.acts import PAST, told_moment
from timeline.models import TimelineEvent


def reason_field(label: str = "Reason") -> Text:
    """Why something is corrected."""
    return Text(label=label, max_length=REASON_AT_MOST, widget=forms.TextInput(attrs={"dir": "auto"}))


class EntryForm(forms.Form):
    """An entry that is added after the fact."""

    message = Text(
        label="What happened",
        max_length=NOTE_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
    )
    occurred_at = LocalMoment(label="When", range_words=PAST)
    reason = reason_field("Why it is added now")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["occurred_at"].help_text = f"In {offset()}."

    def clean_occurred_at(self) -> datetime:
        told: datetime = self.cleaned_data["occurred_at"]
        if told_moment(told, now()) is None:
            raise ValidationError(PAST)
        return told


class OfEntry(forms.Form):
    """Something that is said of an entry. It carries which correction of it held when it was looked at."""

    seen = seen_field()
    reason = reason_field()

    def __init__(self, entry: TimelineEvent, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["seen"].initial = version(entry)

    def said(self) -> dict[str, Any]:
        """What the verb is told."""
        return {"reason": self.cleaned_data["reason"], "seen": self.cleaned_data["seen"]}


class CorrectionForm(OfEntry):
    """What an entry's time and text should be."""

    occurred_at = LocalMoment(label="Occurred", required=False, range_words=PAST)
    message = KeptText(
        label="Text",
        required=False,
        max_length=NOTE_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
    )
    field_order = ("seen", "occurred_at", "message", "reason")

    def __init__(self, entry: TimelineEvent, data: Any = None) -> None:
        super().__init__(entry, data, auto_id="correct-%s")
        self.fields["occurred_at"].initial = entry.occurred_at
        self.fields["occurred_at"].help_text = f"In {offset()}. Left alone it stays exact to the millisecond."
        self.fields["message"].keep(text_of(entry))  # type: ignore[attr-defined]

    def said(self) -> dict[str, Any]:
        said = self.cleaned_data
        return super().said() | {"occurred_at": said["occurred_at"], "message": said["message"] or None}


class SeveralForm(forms.Form):
    """Why several entries are to be left out, or shown again. It carries which version of each was looked at."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    reason = reason_field()

    def __init__(self, entries: Iterable[TimelineEvent], data: Any = None) -> None:
        super().__init__(data)
        self.fields["seen"].initial = " ".join(f"{entry.pk}:{version(entry)}" for entry in entries)

    def seen_of_each(self) -> dict[int, str]:
        """Which version of each entry was seen, by its id; what can't be read is left out."""
        pairs = (each.partition(":") for each in self.cleaned_data["seen"].split())
        return {number: seen for pk, _, seen in pairs if (number := whole_number(pk)) is not None}


class HidingForm(OfEntry):
    """Whether an entry is to be left out: the verb `hide`, or to be shown again: `unhide`."""

    def __init__(self, entry: TimelineEvent, data: Any = None) -> None:
        super().__init__(entry, data, auto_id="hide-%s")
        # What was pressed, not the opposite of what is: two who press the same want the same.
        self.hidden = data is not None and data.get("verb") == "hide"

    def said(self) -> dict[str, Any]:
        return super().said() | {"hidden": self.hidden}
