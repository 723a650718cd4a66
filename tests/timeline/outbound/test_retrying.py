from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import NOON
from timeline.outbound.retrying import RETRIES, Outcome, again_at, why_disabled, wish, woken_up_to

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=number) for number in (1, 60, 3_600, 86_400))
PAUSES = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
AN_ANSWER = "The answer was {}."


def outcome(status=None, **fields):
    return Outcome(NOON - SECOND, NOON, status, **fields)


# --- the schedule ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tries", range(1, 10))
@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_a_message_is_tried_again_after_the_pauses_of_the_schedule_20_percent_more_or_less(tries, chance, share):
    assert again_at(outcome(500), tries, lambda: chance) == NOON + PAUSES[tries - 1] * share


def test_after_ten_tries_a_message_is_given_up():
    assert again_at(outcome(500), 9) is not None
    assert [again_at(outcome(500), tries) for tries in (10, 11)] == [None, None]
    assert RETRIES.most == 10


# --- what an attempt comes to ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_2xx_is_delivered(status):
    made = outcome(status)
    assert (made.delivered, made.final, made.words) == (True, False, "")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_3xx_is_a_failure_that_is_tried_again(status):
    made = outcome(status)
    assert (made.delivered, made.final) == (False, False)
    assert made.words == f"The answer was a redirect ({status}), which is not followed."
    assert again_at(made, 1) is not None


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 599, 600, 999])
def test_what_may_pass_is_tried_again(status):
    made = outcome(status)
    assert (made.delivered, made.final, made.words) == (False, False, AN_ANSWER.format(status))
    assert again_at(made, 1) is not None


@pytest.mark.parametrize("status", sorted(set(range(400, 500)) - {408, 409, 425, 429}))
def test_any_other_4xx_is_given_up_at_once(status):
    made = outcome(status, retry_after="60")
    assert (made.delivered, made.final, made.words) == (False, True, AN_ANSWER.format(status))
    assert again_at(made, 1) is None


def test_no_answer_is_tried_again_and_says_why():
    made = outcome(error="No connection.")
    assert (made.delivered, made.final, made.words) == (False, False, "No connection.")
    assert again_at(made, 1) is not None


# --- Retry-After ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("120", 120 * SECOND),
        (" 120 ", 120 * SECOND),
        ("0", 4 * SECOND),
        ("86400", DAY),
        ("86401", DAY),
        ("9" * 90, DAY),
        (format_datetime((NOON + HOUR).astimezone(UTC), usegmt=True), HOUR),
        ("Wed, 13 May 2026 12:02:00 GMT", 2 * MINUTE),
        ("Wednesday, 13-May-26 12:02:00 GMT", 2 * MINUTE),
        ("Wed May 13 12:02:00 2026", 2 * MINUTE),
        (format_datetime(NOON - HOUR), 4 * SECOND),
        (format_datetime(NOON + 30 * DAY), DAY),
        ("Fri, 31 Dec 9999 23:59:59 -2359", DAY),
        ("soon", 4 * SECOND),
        ("-5", 4 * SECOND),
        ("1.5", 4 * SECOND),
        ("١٢٠", 4 * SECOND),
        ("", 4 * SECOND),
        (None, 4 * SECOND),
    ],
)
def test_what_a_receiver_asks_for_is_granted_between_the_pause_and_a_day(text, pause):
    assert again_at(outcome(429, retry_after=text), 1, lambda: 0.0) == NOON + pause


def test_a_short_wish_does_not_shorten_the_pause():
    assert again_at(outcome(503, retry_after="10"), 5, lambda: 0.5) == NOON + 5 * HOUR


def test_a_wish_does_not_give_a_message_more_tries():
    assert again_at(outcome(503, retry_after="10"), 10) is None


@given(st.text(max_size=100) | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{1,9} .{0,6}"))
def test_whatever_a_receiver_says_is_understood_or_overlooked(text):
    assert timedelta(0) <= wish(text, NOON)
    assert NOON < again_at(outcome(503, retry_after=text), 1) <= NOON + DAY


# --- endpoints ------------------------------------------------------------------------------------------------


def test_an_endpoint_that_is_gone_is_disabled_at_once():
    assert why_disabled(outcome(410), NOON, 1) == "It answered 410: it is gone."


@pytest.mark.parametrize(
    ("status", "tries", "failing", "disabled"),
    [
        (500, 3, 5 * DAY, True),
        (500, 10, 30 * DAY, True),
        (None, 3, 5 * DAY, True),
        (404, 1, 5 * DAY, True),
        (500, 10, 5 * DAY - SECOND, False),
        (404, 1, 4 * DAY, False),
        # After a quiet week one failure that may pass says nothing.
        (500, 1, 7 * DAY, False),
        (None, 2, 7 * DAY, False),
    ],
)
def test_an_endpoint_that_took_nothing_for_five_days_is_disabled(status, tries, failing, disabled):
    said = why_disabled(outcome(status, error="x"), NOON - failing, tries)
    assert said == ("It has taken nothing for five days." if disabled else "")


@pytest.mark.parametrize(
    ("failing", "tries"),
    [
        (timedelta(0), 1),
        (3 * SECOND, 1),
        (4 * SECOND, 2),
        (4 * MINUTE, 2),
        (5 * MINUTE, 3),
        (29 * MINUTE, 4),
        (2 * HOUR, 4),
        (3 * HOUR, 5),
        (datetime(2026, 6, 1, tzinfo=UTC) - NOON, 10),
    ],
)
def test_a_message_can_have_failed_as_often_as_the_pauses_allow_since_its_endpoint_fails(failing, tries):
    assert woken_up_to(NOON, NOON + failing) == tries
