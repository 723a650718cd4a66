"""
Fields of forms on the pages and in admin: a moment on the reader's clock, text that may stay as it is. And how forms
say what a verb had against them, and what is so already.

Not here: the API's fields (config.fields), what only admin has (config.adminforms).
"""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from config.errors import ApiError, ValidationFailed


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


def blame(form: forms.Form, refusal: ApiError, field: str | None = None) -> None:
    """Say what a verb had against what was typed, beside the fields; `field` is the one that a Conflict is about."""
    wrong = refusal.fields if isinstance(refusal, ValidationFailed) else {field: [refusal.message]}
    for name, texts in wrong.items():
        for text in texts:
            form.add_error(name if name in form.fields else None, text)


def tell_present(form: forms.Form) -> None:
    """Say beside the fields of a form that came second what is so now, where something else was typed."""
    form.full_clean()
    for name in filter(form.initial.__contains__, form.changed_data):
        form.add_error(name, f"It is {written(form, name)} now.")


def written(form: forms.Form, name: str) -> str:
    """What is so at present, as a form's field has it."""
    field = form.fields[name]
    value = field.prepare_value(form.get_initial_for_field(field, name))
    if isinstance(value, bool):
        return "ticked" if value else "not ticked"
    choices = dict(getattr(field, "choices", ()))
    several = value if isinstance(value, list) else [value]
    word = "\n".join(str(choices.get(each, each)) for each in several if each is not None)
    return f"“{', '.join(word.splitlines())}”" if word else "empty"
