"""The fields of request bodies and query strings: JSON types are strict, text is trimmed, blank is missing.

They are DRF fields, so that serializers and the OpenAPI schema are made of them as of any others. Where DRF
bends a value until it fits (5 for "5", true for "yes"), these refuse it. Not for vendors' events: their
validation has one source of its own, above this storey.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.fields import SkipField, empty
from rest_framework.request import Request

from config.envelope import dump
from config.errors import ValidationFailed
from config.matching import is_conditional, require_match
from config.numbers import LARGEST_ID, read_uuid
from config.times import EXPECTED, parse_rfc3339, rfc3339


class _Trimmed(serializers.Field):
    """Text that is trimmed before it is looked at; nothing left of it counts as not sent."""

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, str):
            data = data.strip() or self._missing()
        return serializers.Field.run_validation(self, data)

    def _missing(self) -> Any:
        if isinstance(self.parent, serializers.ListField):
            # An element cannot be left out of its list.
            self.fail("required")
        return empty


class StrictChar(_Trimmed, serializers.CharField):
    """Text. Lengths count code points; NUL and surrogates are refused."""

    default_error_messages = {"invalid": "Expected text."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class StrictChoice(_Trimmed, serializers.ChoiceField):
    """One of some words."""

    default_error_messages = {"invalid_choice": "Expected one of: {expected}."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", expected=", ".join(self.choices))
        return data


class StrictUUID(_Trimmed, serializers.UUIDField):
    """A UUID in its usual form of 36 characters."""

    default_error_messages = {"invalid": "Expected a UUID such as 550e8400-e29b-41d4-a716-446655440000."}

    def to_internal_value(self, data: Any) -> UUID:
        found = read_uuid(data) if isinstance(data, str) else None
        if found is None:
            self.fail("invalid")
        return found


class StrictMoment(_Trimmed, serializers.DateTimeField):
    """A moment: RFC 3339 in (see `config.times`), UTC with milliseconds out."""

    default_error_messages = {"invalid": EXPECTED}

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            self.fail("invalid")
        try:
            return parse_rfc3339(value)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None

    def to_representation(self, value: datetime) -> str:
        return rfc3339(value)


class StrictInteger(serializers.IntegerField):
    """A whole number, by default one that can be an id: 0 to 2^63 - 1."""

    default_error_messages = {"invalid": "Expected a whole number."}

    def __init__(self, *, min_value: int = 0, max_value: int = LARGEST_ID, **kwargs: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return data


class StrictBoolean(serializers.BooleanField):
    """true or false."""

    default_error_messages = {"invalid": "Expected true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictList(serializers.ListField):
    """A list, whose length is looked at before what is in it."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            raise serializers.ValidationError(f"At most {self.max_length} at once.", code="max_length")
        return super().to_internal_value(data)


# Bodies

UNKNOWN = "There is no such field."
READ_ONLY = "This field is read-only."
# As many fields that are not taken are named, and so much of a name is.
NAMED_AT_MOST, LONGEST_NAME = 100, 200


class Body(serializers.Serializer):
    """
    What the body of a request may say: the fields of this serializer, and no others.

    `record` describes the record that the request makes or changes. What of it can't be set here is read-only: where
    that says what is so, as when somebody sends back what they read, it passes (give the record as `shown`).
    """

    record: ClassVar[type[serializers.Serializer] | None] = None

    def to_internal_value(self, data: Any) -> Any:
        wrong = self.not_taken(data) if isinstance(data, Mapping) else {}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**error.detail, **wrong}) from None  # type: ignore[dict-item]
        if wrong:
            raise serializers.ValidationError(wrong)
        return value

    def not_taken(self, data: Mapping[str, Any]) -> dict[str, list[str]]:
        """What is wrong with each field that this body does not know."""
        shown = self.context.get("shown") or {}
        of_record = self.record().fields if self.record else {}
        others = [name for name in data if name not in self.fields]
        wrong = [each for each in others if each not in shown or not is_so(data[each], shown[each])]
        return {name[:LONGEST_NAME]: [READ_ONLY if name in of_record else UNKNOWN] for name in wrong[:NAMED_AT_MOST]}


class NothingToSay(Body):
    """The body of a request that needs none."""


def is_so(said: Any, shown: Any) -> bool:
    """Whether a value in a request is what a record shows, compared as JSON, and moments as moments."""
    if isinstance(said, str) and isinstance(shown, str):
        with suppress(ValueError):
            return said.strip() == shown or parse_rfc3339(said.strip()) == parse_rfc3339(shown)
        return False
    return canonical(said) == canonical(json.loads(dump(shown)))


def canonical(value: Any) -> str:
    """A JSON value as text that is the same for the same value: names in order, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


class AnyId(serializers.CharField):
    """Text that should be the id of one of several records; what is none is answered like that of a missing one."""

    default_error_messages = {"invalid": "Expected text."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


# Query strings, where everything is text


class QueryInteger(_Trimmed, StrictInteger):
    """A whole number written in digits."""

    def to_internal_value(self, data: Any) -> int:
        if not (data.isascii() and data.isdigit() and len(data) <= len(str(LARGEST_ID))):
            self.fail("invalid")
        return int(data)


class QueryBoolean(_Trimmed, StrictBoolean):
    """`true` or `false`."""

    def to_internal_value(self, data: Any) -> bool:
        if data not in {"true", "false"}:
            self.fail("invalid")
        return data == "true"


class QueryChoices(StrictChoice):
    """One or several of some words, separated by commas: a list of them."""

    def to_internal_value(self, data: Any) -> list[str]:  # type: ignore[override]
        return [super(QueryChoices, self).to_internal_value(word.strip()) for word in data.split(",")]


class ListQuery(serializers.Serializer):
    """What the query string of every list may say; what a list can be narrowed by besides: config.filtering."""

    limit = QueryInteger(min_value=1, max_value=100, default=20, help_text="How many at most.")
    cursor = StrictChar(required=False, help_text="The `next_cursor` of the page before.")


class Pagination(serializers.Serializer):
    """Which page of a list this is."""

    limit = StrictInteger(min_value=1, max_value=100, help_text="How many a page has at most.")
    next_cursor = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")


def page_of(
    called: str, serializer: type[serializers.Serializer[Any]], words: str, name: str = ""
) -> type[serializers.Serializer[Any]]:
    """
    What a list answers of records that `serializer` writes, as a serializer: `called` is the list's name there, `words`
    say what it is, and `name` what the API's document calls it, if not as the record.
    """
    fields = {
        "__doc__": words,
        called: serializer(many=True, help_text="Those of this page."),
        "pagination": Pagination(help_text="Which page this is."),
    }
    name = name or f"{serializer.__name__.removesuffix('Serializer')}Page"
    return type(name, (serializers.Serializer,), fields)


class Once(forms.Field):
    """
    The field of a parameter that `strict` reads: given once, and not blank where nothing is no answer. `spelled`: other
    ways to write some values.
    """

    widget = forms.MultipleHiddenInput  # which reads all texts of a name

    def __init__(self, strict: serializers.Field[Any, Any, Any, Any], spelled: Mapping[str, str] | None = None) -> None:
        super().__init__(required=False)
        self.strict, self.spelled = strict, spelled or {}

    def clean(self, value: list[str]) -> Any:
        if len(value) > 1:
            raise forms.ValidationError("Given more than once.")
        if not value:
            return None
        if not value[0].strip() and not getattr(self.strict, "allow_blank", False):
            raise forms.ValidationError("Must not be empty.")
        return read_strictly(self.strict, self.spelled.get(value[0], value[0]))


def read_strictly(strict: serializers.Field[Any, Any, Any, Any], text: str) -> Any:
    """The value that a text writes for a strict field; None for none. Raises forms.ValidationError."""
    try:
        return strict.run_validation(text)
    except SkipField:
        return None
    except serializers.ValidationError as error:
        raise forms.ValidationError([str(each) for each in error.detail]) from None


def require_sound(form: forms.BaseForm) -> None:
    """Raise ValidationFailed naming each parameter that has a bad value, is blank or is given more than once."""
    if form.errors:
        raise ValidationFailed({name: [str(each) for each in texts] for name, texts in form.errors.items()})


def query(request: Request | HttpRequest, serializer_class: type[serializers.Serializer]) -> dict[str, Any]:
    """The query string of `request`, validated: name of each parameter given (or with a default) → value.

    Unknown parameters are ignored, and blank ones count as not given where any text can stand (`allow_blank`). Raises
    ValidationFailed.
    """
    form_class, defaults = _reading(serializer_class)
    if not request.GET:
        return dict(defaults)
    form = form_class(request.GET)
    require_sound(form)
    return defaults | {name: value for name, value in form.cleaned_data.items() if value is not None}


@cache
def _reading(serializer_class: type[serializers.Serializer]) -> tuple[type[forms.Form], dict[str, Any]]:
    """The form that reads a query string, and what an empty one means."""
    fields = {str(name): field for name, field in serializer_class().fields.items()}
    defaults = {name: field.default for name, field in fields.items() if field.default is not empty}
    return type("QueryForm", (forms.Form,), {name: Once(field) for name, field in fields.items()}), defaults


def said(
    request: Request, body_class: type[Body], shown: Mapping[str, Any] | None = None, tag: str = ""
) -> dict[str, Any]:
    """
    The body of `request`, validated: name of each field given (or with a default) → value. `shown` is the record that
    it changes, as answers have it, and `tag` its ETag, if it has one: who sends back a record that is another by now
    is told that, where `If-Match` asks for it, and not that what changed is read-only.
    """
    body = body_class(data=request.data, context={"request": request, "shown": shown})
    if not body.is_valid():
        if tag and is_conditional(request) and all(texts == [READ_ONLY] for texts in body.errors.values()):
            require_match(request, tag)
        raise serializers.ValidationError(body.errors)
    return dict(body.validated_data)


@cache
def _defaults(serializer_class: type[serializers.Serializer]) -> dict[str, Any]:
    """What an empty query string means."""
    serializer = serializer_class(data={})
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
