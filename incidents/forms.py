"""
What forms of the pages and of admin have in common that ask what a verb is told; and those by which an incident's
history is corrected: an entry after the fact, the time or text of one, and hiding it.

Not here: what may be told (incidents.bodies), what that does (incidents.verbs, incidents.corrections), what only an
operator types (admin_forms).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django import forms
from django.core.exceptions import ValidationError

from config.clock import now
from config.fields import Body
from config.formfields import KeptText, Text, field_for
from config.momentfields import LocalMoment
from config.moments import offset
from config.numbers import whole_number
from config.seen import seen_field
from incidents.bodies import REGION_AT_MOST, CorrectionBody, EntryBody, HidingBody
from incidents.corrections import text_of, version
from incidents.verbs import VERBS, Verb
from teams.models import Team
from timeline.acts import PAST, told_moment
from timeline.models import TimelineEvent

Kind = TypeVar("Kind", bound=Text)


class VerbForm(forms.Form):
    """A form that asks what a verb is told. What it says nothing of, the verb is not told."""

    does: ClassVar[Verb]

    def told(self, team: Team) -> dict[str, Any]:
        """What the verb is told about an incident of a team."""
        return told_by(self, self.does.body)


def told_by(form: forms.BaseForm, body: type[Body]) -> dict[str, Any]:
    """What was typed into the fields of a form that bear the names of a body's, as verbs take it."""
    asked = {name: field.source or name for name, field in body._declared_fields.items() if name in form.fields}
    return {source: form.cleaned_data[name] for name, source in asked.items()}


class Regions(Text):
    """
    Names of regions, each on a line, or with another separator. Prefilled and left alone they are None, for a source's
    may be more, or odder, than the form can say.
    """

    def __init__(self, *, max_length: int, separator: str = "\n", **options: Any) -> None:
        super().__init__(**options)
        self.separator, self.number = separator, max_length

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else self.separator.join(value)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if self.initial is not None and text == self.as_shown(self.prepare_value(self.initial)):
            return None
        regions = list(filter(None, map(str.strip, text.split(self.separator))))
        if len(regions) > self.number:
            raise ValidationError(f"At most {self.number} regions.")
        if any(len(region) > REGION_AT_MOST for region in regions):
            raise ValidationError(f"The name of a region has at most {REGION_AT_MOST} characters.")
        return list(dict.fromkeys(regions))


def line_field(body: type[Body], name: str, kind: type[Kind], hints: dict[str, Any] | None = None, **how: Any) -> Kind:
    """Text of one line."""
    return field_for(body, name, kind, widget=forms.TextInput(attrs={"dir": "auto"} | (hints or {})), **how)


def lines_field(body: type[Body], name: str, kind: type[Kind], hints: dict[str, Any] | None = None, **how: Any) -> Kind:
    """Text of some lines."""
    return field_for(body, name, kind, widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"} | (hints or {})), **how)


def reason_field(body: type[Body], label: str = "Reason") -> Text:
    """Why the record is changed."""
    return line_field(body, "reason", Text, label=label)


def regions_field(body: type[Body]) -> Regions:
    """Names of regions, one on a line."""
    hints = {"rows": 2, "spellcheck": "false"}
    return lines_field(body, "affected_regions", Regions, hints, label="Regions", help_text="One on a line.")


class EntryForm(VerbForm):
    """An entry that is added after the fact."""

    does = VERBS["add_entry"]
    message = lines_field(EntryBody, "message", Text, label="What happened")
    occurred_at = field_for(EntryBody, "occurred_at", LocalMoment, label="When", range_words=PAST)
    reason = reason_field(EntryBody, "Why it is added now")

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
    reason = reason_field(CorrectionBody)

    def __init__(self, entry: TimelineEvent, data: Any = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["seen"].initial = version(entry)

    def said(self) -> dict[str, Any]:
        """What the verb is told."""
        return {"reason": self.cleaned_data["reason"], "seen": self.cleaned_data["seen"]}


class CorrectionForm(OfEntry):
    """What an entry's time and text should be."""

    occurred_at = field_for(CorrectionBody, "occurred_at", LocalMoment, label="Occurred", range_words=PAST)
    message = lines_field(CorrectionBody, "message", KeptText, label="Text")
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
    reason = reason_field(HidingBody)

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
