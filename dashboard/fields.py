"""
Fields that forms about incidents share: a moment in the reader's time zone, text that may stay as it is, regions.

Not here: the forms (acts, declaration, corrections).
"""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from config.errors import ApiError, ValidationFailed
from incidents.bodies import REGION_AT_MOST, REGIONS_AT_MOST


class LocalMoment(forms.DateTimeField):
    """
    A time as the reader's clock has it, to the second. Prefilled and left alone it is None, for it may be more exact
    than the form can say.
    """

    def __init__(self, **options: Any) -> None:
        picker = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1})
        super().__init__(widget=picker, **options)

    def prepare_value(self, value: Any) -> Any:
        return local_text(value) if isinstance(value, datetime) else value

    def clean(self, value: Any) -> Any:
        if value and isinstance(self.initial, datetime) and value == local_text(self.initial):
            return None
        return super().clean(value)


def local_text(moment: datetime) -> str:
    """A moment as browsers write what was picked: in the reader's time zone, without seconds where they are 0."""
    local = timezone.localtime(moment)
    return f"{local:%Y-%m-%dT%H:%M:%S}" if local.second else f"{local:%Y-%m-%dT%H:%M}"


class KeptText(forms.CharField):
    """
    Text that stays as it is (None) where it was not changed: browsers send other line ends than they were given, and
    from a field of one line none.

    What is longer than the form takes is not shown in it, and stays where nothing is written instead.
    """

    def keep(self, text: str) -> None:
        """Prefill the field with what is there."""
        fits = self.max_length is None or len(text) <= self.max_length
        self.initial = text if fits else ""
        self.required = bool(self.initial)
        if not fits:
            self.help_text = f"It has {len(text)} characters, too many to edit here. Left empty it stays as it is."

    def clean(self, value: Any) -> Any:
        text = with_plain_lines(super().clean(with_plain_lines(value)))
        shown = with_plain_lines(self.initial)
        if not isinstance(self.widget, forms.Textarea):
            shown = shown.replace("\n", "")
        return None if text == shown.strip() else text


def with_plain_lines(value: Any) -> str:
    """A text with line ends of one kind."""
    return str(value or "").replace("\r\n", "\n").replace("\r", "\n")


class Regions(forms.CharField):
    """
    Names of regions, one on a line. Prefilled and left alone they are None, for a source's may be more, or odder, than
    the form can say.
    """

    def __init__(self, **options: Any) -> None:
        box = forms.Textarea(attrs={"rows": 2, "spellcheck": "false"})
        super().__init__(required=False, widget=box, help_text="One on a line.", **options)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else "\n".join(value)

    def clean(self, value: Any) -> Any:
        text = with_plain_lines(super().clean(with_plain_lines(value)))
        if self.initial is not None and text == with_plain_lines(self.prepare_value(self.initial)).strip():
            return None
        lines = text.split("\n")
        regions = list(dict.fromkeys(filter(None, map(str.strip, lines))))
        if len(regions) > REGIONS_AT_MOST:
            raise ValidationError(f"At most {REGIONS_AT_MOST} regions.")
        if any(len(region) > REGION_AT_MOST for region in regions):
            raise ValidationError(f"The name of a region has at most {REGION_AT_MOST} characters.")
        return regions


def blame(form: forms.Form, refusal: ApiError, field: str | None = None) -> None:
    """Say what a verb had against what was typed, beside the fields; `field` is the one that a Conflict is about."""
    wrong = refusal.fields if isinstance(refusal, ValidationFailed) else {field: [refusal.message]}
    for name, texts in wrong.items():
        for text in texts:
            form.add_error(name if name in form.fields else None, text)
