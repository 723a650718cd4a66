from uuid import UUID

import pytest

from config.numbers import read_uuid, whole_number, whole_numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("7", 7), (7, 7), ("007", 7), (str(2**63 - 1), 2**63 - 1), (str(2**63), None), ("9" * 5_000, None),
        ("", None), ("-1", None), ("+1", None), ("1.0", None), ("1e3", None), (" 1", None), ("١", None), (None, None),
    ],
)  # fmt: skip
def test_only_an_id_is_one(text, number):
    assert whole_number(text) == number


def test_of_several_those_that_are_ids_are_read():
    assert whole_numbers("7 x -1  8\n7 99999999999999999999 ٣") == {7, 8}
    assert whole_numbers("") == set()


@pytest.mark.parametrize(
    ("text", "usual", "any_form"),
    [
        ("550e8400-e29b-41d4-a716-446655440000", True, True),
        ("550E8400-E29B-41D4-A716-446655440000", True, True),
        ("550e8400e29b41d4a716446655440000", False, True),
        ("{550e8400-e29b-41d4-a716-446655440000}", False, True),
        (" 550e8400-e29b-41d4-a716-446655440000", False, False),
        ("", False, False),
        ("84", False, False),
    ],
)
def test_a_uuid_is_read_in_its_usual_form_or_where_that_is_asked_for_in_any(text, usual, any_form):
    uuid = UUID("550e8400-e29b-41d4-a716-446655440000")
    assert read_uuid(text) == (uuid if usual else None)
    assert read_uuid(text, in_any_form=True) == (uuid if any_form else None)
