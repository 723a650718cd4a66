"""
Fields of forms on the pages and in admin: what a verb is told, text, and choices, that may stay as they are. And how
forms say what a verb had against them, and what is so already.

Two rules hold for every form. A line end counts once, however a browser sends it; and what its sender did not touch is
not changed by it, even where the form can't show it as it is.

Not here: moments (config.momentfields), the API's fields (config.fields), what only admin has (config.adminforms).
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django import forms
from django.core.validators import RegexValidator
from django.db.models import Model, QuerySet

from config.errors import ApiError, ValidationFailed
from config.fields import Body
from config.numbers import whole_number

Field = TypeVar("Field", bound=forms.Field)


def field_for(body: type[Body], name: str, kind: Callable[..., Field], **how: Any) -> Field:
    """
    A form's field for what a verb is told: needed, bounded, shaped and chosen from as the body says of its `name`,
    where `how` says nothing else.
    """
    told = body._declared_fields[name]
    bounds = {each: getattr(told, each, None) for each in ("max_length", "min_value", "max_value", "choices")}
    said = {each: bound for each, bound in bounds.items() if bound is not None}
    if "choices" in said:
        said["choices"] = list(said["choices"].items())
    shapes = [each for each in told.validators if isinstance(each, RegexValidator)]
    return kind(**{"required": told.required} | said | ({"validators": shapes} if shapes else {}) | how)


class Text(forms.CharField):
    """
    Text as people type it. Browsers send two characters for a line end: it is made one before anything is counted.
    """

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value if value in self.empty_values else with_plain_lines(value)))

    def as_shown(self, value: Any) -> str:
        """A text as this field's browser sends it back, if nobody touches it: a field of one line has no line ends."""
        text = self.to_python(value)
        return text if isinstance(self.widget, forms.Textarea) else text.replace("\n", "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self.disabled and self.as_shown(initial) != self.to_python(data)


class KeptText(Text):
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
        text = super().clean(value)
        return None if text == self.as_shown(self.initial) else text


def with_plain_lines(value: Any) -> str:
    """A text with line ends of one kind."""
    return str(value or "").replace("\r\n", "\n").replace("\r", "\n")


class KeptChoice(forms.ChoiceField):
    """A choice that stays as it is (None) where no other was made."""

    def keep(self, value: str, word: str = "") -> None:
        """Choose what is so now; `word` is what that is called where it is no choice that anybody could make."""
        self.initial = value
        with_present(self, value, word)

    def ask(self) -> None:
        """Choose nothing beforehand: what is so now is not known, or differs."""
        self.choices = [("", "Choose…"), *self.choices]  # type: ignore[misc]

    def clean(self, value: Any) -> Any:
        chosen = super().clean(value)
        return None if chosen == self.initial else chosen


def with_present(field: forms.ChoiceField, value: Any, word: str = "") -> None:
    """Let what is so now be among the choices of a field."""
    if not field.valid_value(value):
        field.choices = [(value, word or value), *field.choices]  # type: ignore[misc]


class OfferedRecord(forms.ModelChoiceField):
    """One of many records, of which some are offered: any of them can be chosen."""

    def __init__(self, **options: Any) -> None:
        super().__init__(None, **options)

    def offer(self, records: QuerySet[Any], at_most: int, empty: str, chosen: Iterable[Any] = ()) -> None:
        """List the first of some records, and whichever is chosen already; `empty` is said for none."""
        self.queryset = records
        initial = [self.prepare_value(self.initial)] if self.initial else []
        offer_records(self, records, at_most, [*initial, *chosen], [("", empty)])


class OfferedRecords(forms.ModelMultipleChoiceField):
    """The same for several, of which so many at most can be chosen."""

    def __init__(self, *, max_length: int | None = None, **options: Any) -> None:
        super().__init__(None, **options)
        self.max_length = max_length

    def clean(self, value: Any) -> Any:
        return at_most(self.max_length, super().clean(value))

    def offer(self, records: QuerySet[Any], at_most: int, chosen: Iterable[Any] = ()) -> None:
        """List the first of some records, and those that are chosen already."""
        self.queryset = records
        offer_records(self, records, at_most, list(chosen), [])


class SeveralChoices(forms.MultipleChoiceField):
    """Some choices of several, so many at most."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(**options)
        self.max_length = max_length

    def clean(self, value: Any) -> Any:
        return at_most(self.max_length, super().clean(value))


def at_most(number: int | None, chosen: Any) -> Any:
    """What was chosen, if that is not too much. Raises ValidationError."""
    if number is not None and len(chosen) > number:
        raise forms.ValidationError(f"At most {number} at once.")
    return chosen


def offer_records(
    field: forms.ModelChoiceField, records: QuerySet[Any], at_most: int, chosen: list[Any], empty: list[tuple[str, str]]
) -> None:
    """Let a field list some records, those that are chosen among them."""
    listed = list(records[:at_most])
    known = {str(each.pk) for each in listed}
    ids = {number for each in chosen if str(each) not in known and (number := whole_number(each)) is not None}
    missing: list[Model] = list(records.filter(pk__in=ids)) if ids else []
    field.widget.choices = [*empty, *((each.pk, str(each)) for each in [*listed, *missing])]


class DetailsForm(forms.Form):
    """
    What can be edited of a record, prefilled with what is so (`initial`). What its sender did not touch is cleaned to
    just that, also where the form has no words for it, or no more.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, value in self.kept().items():
            field = self.fields[name]
            # Of several, those that are left out of the form would be seen as taken away, not as left alone.
            if isinstance(field, forms.ChoiceField) and isinstance(value, str) and value:
                with_present(field, value)

    def kept(self) -> dict[str, Any]:
        """What is so now, by field."""
        is_record = forms.ModelChoiceField
        return {
            name: value
            for name, value in self.initial.items()
            if name in self.fields and not isinstance(self.fields[name], is_record)
        }

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        for name, value in self.kept().items():
            if name not in self.changed_data:
                self.errors.pop(name, None)
                said[name] = value
        return said


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
