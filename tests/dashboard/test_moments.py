from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from config import clock
from dashboard.templatetags import moments

NOW = datetime(2026, 5, 13, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"), (0, "0 s"), (0.001, "less than 1 s"), (1, "1 s"), (59.9, "59 s"), (60, "1 min"), (119, "1 min"),
        (3_599, "59 min"), (3_600, "1 h"),
        (3_660, "1 h 1 min"), (86_399, "23 h 59 min"), (86_400, "1 d"), (93_600, "1 d 2 h"), (86_400 * 800, "800 d"),
    ],
)  # fmt: skip
def test_a_duration_is_told_in_its_two_greatest_units(seconds, text):
    assert moments.span(seconds) == text


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), None),
        (timedelta(hours=-1), None),
    ],
)
def test_the_last_hour_is_told_in_minutes(before, text):
    assert moments.ago(NOW - before, NOW) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOW, "12:00"),
        (NOW - timedelta(hours=13), "yesterday 23:00"),
        (NOW - timedelta(days=2), "11 May, 12:00"),
        (NOW - timedelta(days=400), "8 Apr 2025, 12:00"),
        (NOW + timedelta(hours=20), "14 May, 08:00"),
    ],
)
def test_as_much_of_the_date_is_told_as_is_needed(at, text):
    assert moments.on_the_clock(at, NOW) == text


def test_a_day_is_the_reader_s():
    with clock.at(NOW), timezone.override(ZoneInfo("Pacific/Kiritimati")):
        assert moments.day(NOW) == "Today"
        assert moments.day(NOW - timedelta(hours=3)) == "Yesterday"
        assert moments.day(NOW - timedelta(days=3)) == "Monday 11 May"
        assert moments.day(NOW - timedelta(days=500)) == "Monday 30 December 2024"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("moment", [datetime(2000, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, 23, 59, tzinfo=UTC)])
def test_the_earliest_and_latest_times_that_can_be_kept_can_be_shown(moment, zone):
    with clock.at(NOW), timezone.override(ZoneInfo(zone)):
        assert moments.exact(moment) in moments.moment(moment)
        assert moments.since(moment)
        assert moments.lasting(moment)
        assert moments.lasting(moment, NOW)


def test_an_hour_that_happens_twice_is_told_apart_by_its_offset():
    with timezone.override(ZoneInfo("Europe/Berlin")):
        first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
        assert moments.exact(first) == "2026-10-25 02:30:00.000 +02:00"
        assert moments.exact(second) == "2026-10-25 02:30:00.000 +01:00"


def test_no_time_is_a_dash():
    assert moments.moment(None) == moments.exactly(None) == "–"
