import pytest

from config.numbers import whole_number, whole_numbers


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
