import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.spans import read, written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45", 45),
        ("45 s", 45),
        ("5 min", 300),
        ("1 h 30 min", 5_400),
        ("1h30m", 5_400),
        (" 1 Day, 12 hours ", 129_600),
        ("0", 0),
        ("90 minutes", 5_400),
    ],
)
def test_a_length_of_time_is_read_as_people_write_it(text, seconds):
    assert read(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "  ", "soon", "1 year", "1.5 h", "-5 min", "h", "1 h x", "٣ h", "1" * 10, "1 h -1 s"]
)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="Enter a length of time such as 1 d"):
        read(text)


@given(st.integers(0, 10**8))
def test_what_is_written_is_read_the_same(seconds):
    assert read(written(seconds)) == seconds


def test_it_is_written_in_all_its_units():
    assert [written(each) for each in (0, 59, 60, 3_661, 90_061)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h 1 min 1 s",
        "1 d 1 h 1 min 1 s",
    ]
