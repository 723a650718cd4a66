"""The fields of request bodies and query strings: JSON types are strict, text is trimmed, blank is missing.

They are DRF fields, so that serializers and the OpenAPI schema are made of them as of any others. Where DRF
bends a value until it fits (5 for "5", true for "yes"), these refuse it. Not for vendors' events: their
validation has one source of its own, above this storey.
"""

import re
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.request import Request

from config.errors import ValidationFailed, fields_of
from config.times import EXPECTED, parse_rfc3339, rfc3339

LARGEST_ID = 2**63 - 1


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
    _shape = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str) or not self._shape.fullmatch(data):
            self.fail("invalid")
        return UUID(data)


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
    """What the query string of every list may say; inherit from it and add the list's own filters."""

    limit = QueryInteger(min_value=1, max_value=100, default=20)
    cursor = StrictChar(required=False, help_text="The `next_cursor` of the page before.")


class Pagination(serializers.Serializer):
    """Which page of a list this is."""

    limit = StrictInteger(min_value=1, max_value=100)
    next_cursor = serializers.CharField(allow_null=True, help_text="The next page's `cursor`; null on the last page.")


def query(request: Request | HttpRequest, serializer_class: type[serializers.Serializer]) -> dict[str, Any]:
    """The query string of `request`, validated: name of each parameter given (or with a default) → value.

    Unknown parameters are ignored and blank ones count as not given. Raises ValidationFailed naming each
    parameter that has a bad value or is given more than once.
    """
    given = request.GET
    if not given:
        return dict(_defaults(serializer_class))
    serializer = serializer_class(data=given.dict())
    serializer.is_valid()
    repeated = [name for name in map(str, serializer.fields) if len(given.getlist(name)) > 1]
    wrong = fields_of(serializer.errors) | {name: ["Given more than once."] for name in repeated}
    if wrong:
        raise ValidationFailed(wrong)
    return serializer.validated_data


def said(request: Request, serializer_class: type[serializers.Serializer]) -> dict[str, Any]:
    """The body of `request`, validated: name of each field given (or with a default) → value."""
    body = serializer_class(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


@cache
def _defaults(serializer_class: type[serializers.Serializer]) -> dict[str, Any]:
    """What an empty query string means."""
    serializer = serializer_class(data={})
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
