from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.test import RequestFactory
from rest_framework import serializers

from config import fields
from config.errors import ValidationFailed, fields_of


def read(field, *sent, partial=False):
    """What a serializer makes of `value`; a missing one if nothing is sent. Errors as {name: texts}."""
    made = type("Made", (serializers.Serializer,), {"it": field})
    data = {"it": sent[0]} if sent else {}
    serializer = made(data=data, partial=partial)
    return serializer.validated_data.get("it", "missing") if serializer.is_valid() else fields_of(serializer.errors)


@pytest.mark.parametrize("value", [1, 1.5, True, False, [], {}, ["a"]])
def test_text_is_text_and_nothing_else(value):
    assert read(fields.StrictChar(), value) == {"it": ["Expected text."]}


def test_text_is_trimmed_and_measured_in_code_points():
    assert read(fields.StrictChar(max_length=3), "  😀é z  ".replace(" z", "z")) == "😀éz"
    assert list(read(fields.StrictChar(max_length=3), "😀😀😀😀")) == ["it"]


@pytest.mark.parametrize("blank", ["", " ", "\n\t \u3000"])
def test_blank_text_is_missing(blank):
    assert read(fields.StrictChar(), blank) == {"it": ["This field is required."]}
    assert read(fields.StrictChar(required=False), blank) == "missing"
    assert read(fields.StrictChar(default="x"), blank) == "x"
    assert read(fields.StrictChar(), blank, partial=True) == "missing"


def test_a_blank_element_cannot_be_missing_from_its_list():
    many = serializers.ListField(child=fields.StrictChar())
    assert read(many, ["a", " "]) == {"it.1": ["This field is required."]}
    assert read(many, ["a", " "], partial=True) == {"it.1": ["This field is required."]}
    assert read(many, ["a", " b "]) == ["a", "b"]


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_text_that_cannot_be_kept_is_refused(value):
    assert list(read(fields.StrictChar(), value)) == ["it"]


def test_null_is_only_taken_where_it_is_allowed():
    assert read(fields.StrictChar(), None) == {"it": ["This field may not be null."]}
    assert read(fields.StrictChar(allow_null=True), None) is None


@pytest.mark.parametrize("value", ["1", True, False, 1.0, 1.5, [], {}, ""])
def test_a_number_is_a_whole_number_and_nothing_else(value):
    assert read(fields.StrictInteger(), value) == {"it": ["Expected a whole number."]}


def test_a_number_is_by_default_one_that_can_be_an_id():
    assert read(fields.StrictInteger(), 0) == 0
    assert read(fields.StrictInteger(), 2**63 - 1) == 2**63 - 1
    for value in (-1, 2**63, 10**39):
        assert list(read(fields.StrictInteger(), value)) == ["it"]
    assert read(fields.StrictInteger(min_value=-5, max_value=5), -5) == -5


@pytest.mark.parametrize("value", ["true", 1, 0, "yes", [], {}, ""])
def test_a_boolean_is_true_or_false(value):
    assert read(fields.StrictBoolean(), value) == {"it": ["Expected true or false."]}
    assert read(fields.StrictBoolean(), True) is True
    assert read(fields.StrictBoolean(), False) is False


@pytest.mark.parametrize("value", ["Open", "nothing", 1, True, [], {}, ["open"]])
def test_a_choice_is_one_of_its_words(value):
    assert read(fields.StrictChoice(choices=["open", "closed"]), value) == {"it": ["Expected one of: open, closed."]}
    assert read(fields.StrictChoice(choices=[("open", "Open")]), " open ") == "open"


@pytest.mark.parametrize(
    "value", ["550e8400e29b41d4a716446655440000", "{550e8400-e29b-41d4-a716-446655440000}", 1, True, [], "urn:uuid:x"]
)
def test_a_uuid_is_written_in_its_usual_form(value):
    assert list(read(fields.StrictUUID(), value)) == ["it"]
    usual = "550E8400-e29b-41d4-a716-446655440000"
    assert read(fields.StrictUUID(), usual) == UUID(usual)


@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, "2026-05-13", "9999-12-31T23:59:59-14:00"])
def test_a_moment_is_rfc_3339(value):
    assert list(read(fields.StrictMoment(), value)) == ["it"]
    assert read(fields.StrictMoment(), "2026-05-13T10:05:00Z") == datetime(2026, 5, 13, 10, 5, tzinfo=UTC)


def test_a_moment_is_written_with_milliseconds():
    moment = datetime(2026, 5, 13, 10, 5, tzinfo=UTC)
    assert fields.StrictMoment().to_representation(moment) == "2026-05-13T10:05:00.000Z"


class Filters(fields.ListQuery):
    number = fields.QueryInteger(required=False)
    live = fields.QueryBoolean(required=False)
    word = fields.StrictChar(required=False)
    text = fields.StrictChar(required=False, allow_blank=True)


def asked(query):
    return fields.query(RequestFactory().get(f"/?{query}"), Filters)


def refused(query):
    with pytest.raises(ValidationFailed) as failed:
        asked(query)
    return failed.value.fields


def test_a_query_string_has_defaults_and_ignores_what_it_does_not_know():
    assert asked("") == {"limit": 20}
    assert asked("unknown=1&unknown=2&limit=3") == {"limit": 3}


def test_blank_is_not_said_where_any_text_can_stand_and_else_refused():
    assert asked("text=&text2=x") == asked("text=+%09") == {"limit": 20}
    assert refused("word=&number=+&live=&cursor=&limit=") == {
        name: ["Must not be empty."] for name in ("limit", "cursor", "number", "live", "word")
    }


def test_a_query_string_is_read_by_type():
    assert asked("number=9223372036854775807&live=true&word=a%20b") == {
        "limit": 20,
        "number": 2**63 - 1,
        "live": True,
        "word": "a b",
    }
    assert asked("live=false")["live"] is False


@pytest.mark.parametrize(
    "value", ["x", "-1", "%2B1", "1.0", "1e3", "0x1", "1_0", "9223372036854775808", "9" * 5000, "%D9%A3", "true"]
)
def test_a_number_in_a_query_string_is_written_in_digits(value):
    assert list(refused(f"number={value}")) == ["number"]


@pytest.mark.parametrize("value", ["0", "101", "x"])
def test_a_limit_is_between_1_and_100(value):
    assert list(refused(f"limit={value}")) == ["limit"]


def test_several_choices_are_separated_by_commas():
    choices = fields.QueryChoices(choices=["open", "closed"])
    assert read(choices, "open, closed") == ["open", "closed"]
    for value in ("open,", "open,nothing", ",", "open;closed"):
        assert read(choices, value) == {"it": ["Expected one of: open, closed."]}


@pytest.mark.parametrize("value", ["True", "1", "yes"])
def test_a_boolean_in_a_query_string_is_true_or_false(value):
    assert refused(f"live={value}") == {"live": ["Expected true or false."]}


def test_a_parameter_given_twice_is_refused_by_name_with_all_other_faults():
    assert refused("limit=0&word=a&word=b") == {
        "limit": ["Ensure this value is greater than or equal to 1."],
        "word": ["Given more than once."],
    }


def test_a_list_that_is_too_long_is_refused_before_its_elements_are_looked_at():
    looked_at = []

    class Noting(fields.StrictChar):
        def to_internal_value(self, data):
            looked_at.append(data)
            return super().to_internal_value(data)

    field = fields.StrictList(child=Noting(), max_length=2)
    assert field.run_validation(["a", "b"]) == ["a", "b"]
    with pytest.raises(serializers.ValidationError):
        field.run_validation(["c"] * 1000)
    assert looked_at == ["a", "b"]
