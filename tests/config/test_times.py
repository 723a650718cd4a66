from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.times import parse_rfc3339, rfc3339

GOOD = {
    "2026-05-13T10:05:00.000Z": datetime(2026, 5, 13, 10, 5, tzinfo=UTC),
    "2026-05-13T10:05:00Z": datetime(2026, 5, 13, 10, 5, tzinfo=UTC),
    "2026-05-13T10:05:00.1Z": datetime(2026, 5, 13, 10, 5, 0, 100_000, tzinfo=UTC),
    "2026-05-13T10:05:00.123456789Z": datetime(2026, 5, 13, 10, 5, 0, 123_000, tzinfo=UTC),
    "2026-05-13T10:05:00.9999Z": datetime(2026, 5, 13, 10, 5, 0, 999_000, tzinfo=UTC),
    "2026-05-13T10:05:00.0009Z": datetime(2026, 5, 13, 10, 5, tzinfo=UTC),
    "2026-05-13T10:05:00+02:00": datetime(2026, 5, 13, 8, 5, tzinfo=UTC),
    "2026-05-13T10:05:00.5-23:59": datetime(2026, 5, 14, 10, 4, 0, 500_000, tzinfo=UTC),
    "2026-05-13T10:05:00-00:00": datetime(2026, 5, 13, 10, 5, tzinfo=UTC),
    "2024-02-29T23:59:59Z": datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59.999Z": datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
}

BAD = [
    "",
    " ",
    "2026-05-13",
    "2026-05-13T10:05Z",
    "2026-05-13T10:05:00",
    "2026-05-13 10:05:00Z",
    "2026-05-13t10:05:00Z",
    "2026-05-13T10:05:00z",
    "2026-05-13T10:05:60Z",
    "2026-05-13T23:59:60Z",
    "2026-05-13T24:00:00Z",
    "2026-05-13T10:60:00Z",
    "2026-05-13T10:05:00.Z",
    "2026-05-13T10:05:00,5Z",
    "2026-05-13T10:05:00.0123456789Z",
    "2026-05-13T10:05:00+2:00",
    "2026-05-13T10:05:00+0200",
    "2026-05-13T10:05:00+02",
    "2026-05-13T10:05:00+24:00",
    "2026-05-13T10:05:00+02:60",
    "2026-05-13T10:05:00+02:00:00",
    "2026-05-13T10:05:00 02:00",
    "2026-05-13T10:05:00\u221202:00",
    "20260513T100500Z",
    "2026-W20-3T10:05:00Z",
    "2026-133T10:05:00Z",
    "26-05-13T10:05:00Z",
    "+2026-05-13T10:05:00Z",
    "12026-05-13T10:05:00Z",
    " 2026-05-13T10:05:00Z",
    "2026-05-13T10:05:00Z ",
    "2026-05-13T10:05:00Z\n",
    "2026-05-13T10:05:00Z\0",
    "２０２６-05-13T10:05:00Z",
    "2026-05-13T10:05:0\u0660Z",
    "2026-05-13T10:05:00.\u0661Z",
    "1778666700",
    "now",
]

NO_SUCH_DAY = [
    "2026-02-29T10:05:00Z",
    "2026-04-31T10:05:00Z",
    "2026-13-01T10:05:00Z",
    "2026-00-01T10:05:00Z",
    "2026-01-00T10:05:00Z",
    "0000-01-01T00:00:00Z",
]

OUT_OF_RANGE = ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+14:00"]


@pytest.mark.parametrize(("text", "moment"), GOOD.items())
def test_a_good_time_is_read_in_utc_and_cut_to_milliseconds(text, moment):
    assert parse_rfc3339(text) == moment
    assert parse_rfc3339(text).tzinfo is UTC


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="RFC 3339 time such as"):
        parse_rfc3339(text)


@pytest.mark.parametrize("text", NO_SUCH_DAY)
def test_a_day_that_is_not_in_the_calendar_is_refused(text):
    with pytest.raises(ValueError, match="no such day"):
        parse_rfc3339(text)


@pytest.mark.parametrize("text", OUT_OF_RANGE)
def test_a_time_that_leaves_the_calendar_in_utc_is_refused(text):
    with pytest.raises(ValueError, match="years 0001 to 9999"):
        parse_rfc3339(text)


def test_a_time_is_written_in_utc_with_milliseconds():
    assert rfc3339(datetime(2026, 5, 13, 10, 5, 0, 123_999, tzinfo=UTC)) == "2026-05-13T10:05:00.123Z"
    assert rfc3339(datetime(2026, 5, 13, 10, 5, tzinfo=timezone(timedelta(hours=2)))) == "2026-05-13T08:05:00.000Z"
    assert rfc3339(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000Z"


def test_a_time_without_a_zone_is_not_written():
    with pytest.raises(ValueError, match="time zone"):
        rfc3339(datetime(2026, 5, 13))  # noqa: DTZ001


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_again(moment):
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert parse_rfc3339(rfc3339(moment)) == cut


@given(st.text(alphabet="0123456789-+:.TZtz ", max_size=32))
def test_no_text_raises_anything_but_a_value_error(text):
    try:
        moment = parse_rfc3339(text)
    except ValueError:
        return
    assert parse_rfc3339(rfc3339(moment)) == moment
