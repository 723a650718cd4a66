"""How often an integration is heard from, and when its silence is one."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations import hearing
from integrations.hearing import LONG_ENOUGH, Rhythm, after, is_silent, listen
from integrations.models import Hearing, InboundDelivery
from tests.conftest import NOON, an_event, make_integration, tell_it

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3_600, 86_400))


def heard(*gaps):
    """A rhythm of deliveries that came after each of some gaps, the last one at noon."""
    moments = [NOON]
    for gap in reversed(gaps):
        moments.append(moments[-1] - gap)
    return after(None, reversed(moments))


def test_a_source_that_sends_regularly_has_that_gap():
    rhythm = heard(*[5 * MINUTE] * 1_000)
    assert abs(rhythm.usual_gap - 5 * MINUTE) < SECOND
    assert not is_silent(rhythm, NOON, NOON + 15 * MINUTE)
    assert is_silent(rhythm, NOON, NOON + 15 * MINUTE + SECOND)


def test_many_events_at_once_do_not_make_the_silence_between_them_unusual():
    burst = [SECOND] * 12
    rhythm = heard(*(2 * DAY, *burst) * 5)
    assert abs(rhythm.usual_gap - 2 * DAY) < HOUR
    assert not is_silent(rhythm, NOON, NOON + 5 * DAY)
    assert is_silent(rhythm, NOON, NOON + 7 * DAY)


def test_an_outage_of_a_thousand_events_does_not_change_what_is_usual():
    rhythm = heard(*[6 * HOUR] * 40, *[7 * SECOND] * 1_000)
    assert rhythm.usual_gap > 5 * HOUR


def test_what_is_long_ago_fades():
    rhythm = heard(*[3 * DAY] * 5, *[HOUR] * 24 * 60)
    assert rhythm.usual_gap < 3 * HOUR


def test_a_source_that_is_new_has_no_usual_gap():
    rhythm = heard(*[MINUTE] * 60)
    assert rhythm.usual_gap is None
    assert not is_silent(rhythm, NOON, NOON + 100 * DAY)
    assert not is_silent(None, NOON, NOON + 100 * DAY)


def test_a_gap_of_seconds_counts_as_a_minute():
    assert heard(*[SECOND] * 90_000).usual_gap == MINUTE


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=50))
def test_the_usual_gap_is_between_the_shortest_and_the_longest(seconds):
    usual = heard(*[timedelta(seconds=each) for each in seconds], LONG_ENOUGH).usual_gap
    longest = max(*seconds, LONG_ENOUGH.total_seconds())
    assert MINUTE <= usual <= timedelta(seconds=longest + 1)


def test_deliveries_that_overtook_each_other_have_no_negative_gap():
    assert Rhythm(NOON, 10, 10).then(NOON - MINUTE) == Rhythm(NOON, 10, 10)


# --- the worker's step


@pytest.fixture
def hourly(integration):
    """An integration that sent something in each of the last thirty hours."""
    for number in range(30):
        tell_it(integration, an_event("monitor.created", monitor_id=number), at=NOON - (29 - number) * HOUR)
    return integration


def test_what_came_so_far_is_taken_in_at_the_first_look(hourly):
    assert listen(NOON) == 0
    known = Hearing.objects.get()
    assert (known.integration, known.heard_at) == (hourly, NOON)
    assert known.delivery_id == InboundDelivery.objects.latest("id").pk
    assert abs(hearing.rhythm_of(known).usual_gap - HOUR) < SECOND


def test_each_look_takes_in_what_came_since_and_comes_to_the_same(hourly):
    InboundDelivery.objects.exclude(pk=InboundDelivery.objects.earliest("id").pk).delete()
    listen(NOON)
    for number in range(1, 30):
        tell_it(hourly, an_event("monitor.created", monitor_id=100 + number), at=NOON - (29 - number) * HOUR)
        if number % 3 == 0:
            listen(NOON)
    listen(NOON)
    listen(NOON)
    assert abs(hearing.rhythm_of(Hearing.objects.get()).usual_gap - HOUR) < SECOND


def test_of_very_much_the_newest_is_looked_at_and_no_gap_is_made_up(hourly, monkeypatch):
    monkeypatch.setattr(hearing, "DELIVERIES_AT_ONCE", 10)
    listen(NOON)
    tell_it(hourly, an_event("monitor.created", monitor_id=99), at=NOON + 90 * DAY)
    for number in range(9):
        tell_it(hourly, an_event("monitor.created", monitor_id=100 + number), at=NOON + 90 * DAY + number * HOUR)
    listen(NOON)
    known = Hearing.objects.get()
    assert known.heard_at == NOON + 90 * DAY + 8 * HOUR
    assert known.gaps < DAY.total_seconds()


def test_all_have_their_turn_and_shut_ones_none(team, hourly, monkeypatch):
    monkeypatch.setattr(hearing, "AT_ONCE", 1)
    other, shut = make_integration(team, "Other"), make_integration(team, "Shut")
    for each in (other, shut):
        tell_it(each, an_event("monitor.created"))
    shut.deactivated_at = NOON
    shut.save()
    for _ in range(3):
        listen(NOON)
    assert set(Hearing.objects.values_list("integration__name", flat=True)) == {"Better Stack", "Other"}


def test_of_two_workers_that_look_at_once_one_counts(hourly):
    [seen_by_both] = hearing.with_news()
    for _ in range(2):
        hearing.take_in(seen_by_both)
    first = Hearing.objects.values().get()
    tell_it(hourly, an_event("monitor.created", monitor_id=99), at=NOON + HOUR)
    [seen_by_both] = hearing.with_news()
    for _ in range(2):
        hearing.take_in(seen_by_both)
    assert Hearing.objects.get().gaps < first["gaps"] + 3_601
