from datetime import UTC, datetime, timedelta, timezone

import pytest

from config import clock

NOON = datetime(2026, 5, 13, 12, tzinfo=UTC)


def test_now_is_in_utc_and_has_whole_milliseconds():
    now = clock.now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)


def test_a_held_clock_stands_still_and_runs_on_afterwards():
    with clock.at(NOON) as held:
        assert clock.now() == held == NOON
    assert clock.now() != NOON


def test_held_clocks_nest():
    with clock.at(NOON):
        with clock.at(NOON + timedelta(hours=1)):
            assert clock.now() == NOON + timedelta(hours=1)
        assert clock.now() == NOON


def test_a_held_clock_is_let_go_when_something_fails():
    with pytest.raises(RuntimeError), clock.at(NOON):
        raise RuntimeError
    assert clock.now() != NOON


def test_a_held_moment_is_turned_into_utc_and_cut_to_milliseconds():
    moment = datetime(2026, 5, 13, 14, 0, 0, 1999, tzinfo=timezone(timedelta(hours=2)))
    with clock.at(moment):
        assert clock.now() == NOON.replace(microsecond=1000)
        assert clock.now().tzinfo is UTC


def test_a_moment_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"), clock.at(datetime(2026, 5, 13)):  # noqa: DTZ001
        pass
