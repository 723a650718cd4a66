from datetime import UTC, datetime, timedelta, timezone

import pytest
import time_machine
from django.http import HttpResponse

from config import clock, idempotency
from tests.clocks import JUMPS
from tests.conftest import make_user

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


# --- a clock that is set ------------------------------------------------------------------------------------------


@pytest.fixture
def clocks(monkeypatch):
    """The machine's clock and the one that nobody sets, as seconds that a test may change."""
    at = {"wall": NOON.timestamp(), "tick": 1000.0}
    monkeypatch.setattr(clock, "_wall", lambda: datetime.fromtimestamp(at["wall"], UTC))
    monkeypatch.setattr(clock.time, "monotonic", lambda: at["tick"])
    return at


@pytest.mark.parametrize("jump", [each.total_seconds() for each in JUMPS])
def test_a_watch_notices_once_by_how_much_the_clock_was_set(clocks, jump):
    watch = clock.Watch()
    for passed in range(5):
        clocks["wall"] += 60
        clocks["tick"] += 60
        if passed == 2:
            clocks["wall"] += jump
        assert watch.jumped() == pytest.approx(jump if passed == 2 else 0.0)
    assert watch.words() == f"The clock was set {'forward' if jump > 0 else 'back'} by {abs(jump):.0f} s."
    clocks["tick"] += clock.SAID_FOR
    assert watch.words() == ""


def test_a_clock_that_is_drawn_up_bit_by_bit_was_not_set(clocks):
    watch = clock.Watch()
    for _ in range(100):
        clocks["wall"] += 1.5
        clocks["tick"] += 1
        assert watch.jumped() == 0.0


@pytest.mark.django_db
@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_who_is_logged_in_stays_so_when_the_clock_is_set(client, team, jump):
    client.force_login(make_user("alice@example.com", team))
    with time_machine.travel(datetime.now(UTC) + jump):
        assert client.get("/").status_code == 200
    assert client.get("/").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("jump", [jump for jump in JUMPS if jump < timedelta(hours=24)], ids=str)
def test_what_was_done_once_is_not_done_again_when_the_clock_is_set(jump):
    done = []

    def once(at):
        return idempotency.once("scope", "key", b"r" * 32, at, lambda: HttpResponse(str(done.append(1)), status=201))

    once(NOON)
    assert once(NOON + jump).status_code == 201
    assert len(done) == 1
