import inspect
import pkgutil
from importlib import import_module

import pytest
from django import forms

from config.formfields import DetailsForm, KeptChoice, KeptText, Text
from config.seen import seen_field

ROOMS = ("config", "teams", "timeline", "timeline.outbound", "monitors", "incidents", "integrations", "dashboard")


def every_form():
    """The forms that this project makes itself."""
    for room in ROOMS:
        package = import_module(room)
        for found in pkgutil.iter_modules(package.__path__, f"{room}."):
            if "forms" in found.name or "act" in found.name or "declaration" in found.name:
                for _, kind in inspect.getmembers(import_module(found.name), inspect.isclass):
                    if issubclass(kind, forms.BaseForm) and kind.__module__ == found.name:
                        yield kind


@pytest.mark.parametrize("typed", ["a\r\nb", "a\nb", "a\rb", "  a\r\nb \r\n"])
def test_a_line_end_is_one_character_however_a_browser_sends_it(typed):
    assert Text(max_length=3).clean(typed) == "a\nb"


def test_what_a_browser_counts_is_what_is_counted_here():
    typed = "\r\n".join(["x" * 9] * 100)
    assert len(Text(max_length=999).clean(typed)) == 999
    with pytest.raises(forms.ValidationError):
        Text(max_length=998).clean(typed)


def test_every_field_that_takes_lines_makes_line_ends_one():
    kinds = list(every_form())
    assert len(kinds) > 30
    for kind in kinds:
        for name, field in kind.base_fields.items():
            if type(field) is forms.CharField:
                assert isinstance(field.widget, forms.HiddenInput | forms.PasswordInput), f"{kind.__name__}.{name}"


def test_text_that_was_left_alone_stays_as_it_is_and_else_is_what_was_typed():
    for widget, shown in ((forms.Textarea, "two\r\nlines"), (forms.TextInput, "twolines")):
        field = KeptText(widget=widget)
        field.keep("two\nlines")
        assert field.clean(shown) is None
        assert field.clean("other\r\nlines") == "other\nlines"


def test_a_choice_that_nobody_can_make_any_more_is_there_and_stays():
    field = KeptChoice(choices=[("a", "A"), ("b", "B")])
    field.keep("gone", "Gone away")
    assert field.choices[0] == ("gone", "Gone away")
    assert (field.clean("gone"), field.clean("b")) == (None, "b")


def test_of_several_nothing_is_chosen_beforehand():
    field = KeptChoice(choices=[("a", "A")])
    field.ask()
    assert field.choices[0] == ("", "Choose…")
    with pytest.raises(forms.ValidationError):
        field.clean("")


class Details(DetailsForm):
    name = Text(max_length=5)
    kind = forms.ChoiceField(choices=[("a", "A")])
    seen = seen_field()


KNOWN = {"name": " longer\nthan it may be ", "kind": "old"}


def test_what_was_not_touched_is_cleaned_to_just_what_is_so():
    form = Details({"name": "longerthan it may be", "kind": "old"}, initial=KNOWN)
    assert form.is_valid() and form.cleaned_data["name"] == KNOWN["name"] and form.cleaned_data["kind"] == "old"
    assert '<option value="old" selected>' in str(form["kind"])


def test_what_was_touched_is_what_was_typed_and_has_to_be_sound():
    form = Details({"name": "new", "kind": "a"}, initial=KNOWN)
    assert form.is_valid() and form.cleaned_data | {"seen": ""} == {"name": "new", "kind": "a", "seen": ""}
    assert list(Details({"name": "too long", "kind": "b"}, initial=KNOWN).errors) == ["name", "kind"]
