from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import RequestFactory
from rest_framework.test import APIRequestFactory

from config import clock, ratelimit
from config.errors import RateLimited
from config.models import RateWindow
from tests.clocks import JUMPS

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 13, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOON + timedelta(seconds=15)):
        yield


def test_the_limit_passes_and_the_next_one_does_not():
    verdicts = [ratelimit.hit("key", limit=3) for _ in range(5)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False, False]
    assert verdicts[3].retry_after == 45
    assert RateWindow.objects.get().hits == 5


def test_each_key_and_each_length_of_window_is_counted_by_itself():
    for key in ("a", "b", "ключ", "x" * 10_000, "a\0b", "\ud800"):
        assert ratelimit.hit(key, limit=1).allowed
    assert ratelimit.hit("a", limit=1, seconds=3600).allowed
    assert not ratelimit.hit("a", limit=1).allowed


def test_the_next_window_starts_from_nothing():
    assert ratelimit.hit("key", limit=1).allowed
    with clock.at(NOON + timedelta(seconds=59, milliseconds=999)):
        assert ratelimit.hit("key", limit=1) == (False, 1)
    with clock.at(NOON + timedelta(seconds=60)):
        assert ratelimit.hit("key", limit=1).allowed
        assert not ratelimit.hit("key", limit=1).allowed
    assert RateWindow.objects.count() == 1


def test_a_clock_that_is_behind_counts_in_the_window_that_is_already_open():
    with clock.at(NOON + timedelta(seconds=61)):
        ratelimit.hit("key", limit=1)
    assert ratelimit.hit("key", limit=1) == (False, 105)


def test_to_look_is_not_to_count():
    assert ratelimit.standing("key", limit=1).allowed
    ratelimit.hit("key", limit=1)
    assert ratelimit.standing("key", limit=1) == (False, 45)
    assert ratelimit.standing("key", limit=2).allowed
    assert RateWindow.objects.get().hits == 1
    with clock.at(NOON + timedelta(minutes=1)):
        assert ratelimit.standing("key", limit=1).allowed


def test_old_windows_are_swept_out_now_and_then(monkeypatch):
    monkeypatch.setattr(ratelimit, "SWEEP_ONE_IN", 1)
    ratelimit.hit("old", limit=1)
    with clock.at(NOON + timedelta(hours=2)):
        ratelimit.hit("new", limit=1)
    assert RateWindow.objects.count() == 1


def test_the_key_is_not_stored():
    ratelimit.hit("user@example.com", limit=1)
    assert len(bytes(RateWindow.objects.get().key)) == 32
    assert b"example" not in bytes(RateWindow.objects.get().key)


def test_the_counters_are_not_in_the_write_ahead_log():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'config_rate_window'")
        assert cursor.fetchone() == ("u",)


# Failures


def test_failures_are_counted_by_address_until_there_are_too_many(settings):
    settings.FAILED_LOGINS_PER_MINUTE = 2
    request = RequestFactory().post("/login", REMOTE_ADDR="192.0.2.1")
    for _ in range(2):
        ratelimit.check_failures(request, ratelimit.KEYS)
        ratelimit.count_failure(request, ratelimit.KEYS)
    with pytest.raises(RateLimited) as limited:
        ratelimit.check_failures(request, ratelimit.KEYS)
    assert limited.value.headers == {"Retry-After": "45"}
    with pytest.raises(RateLimited):
        ratelimit.count_failure(request, ratelimit.KEYS)
    ratelimit.check_failures(RequestFactory().post("/login", REMOTE_ADDR="192.0.2.2"), ratelimit.KEYS)
    ratelimit.check_failures(request, ratelimit.LOGINS)


def test_what_was_counted_before_it_was_tried_is_taken_back():
    for _ in range(5):
        assert ratelimit.hit("key", limit=1).allowed
        ratelimit.take_back("key")
    ratelimit.take_back("key")
    ratelimit.take_back("never counted")
    assert RateWindow.objects.get().hits == 0
    with clock.at(NOON + timedelta(minutes=2)):
        ratelimit.take_back("key")
        assert ratelimit.hit("key", limit=1).allowed
        assert not ratelimit.hit("key", limit=1).allowed


def test_a_throttle_of_drf_counts_whom_it_is_told_to():
    class Throttle(ratelimit.Throttle):
        limit = 1

        def key(self, request, view):
            return request.headers.get("X-Who")

    def asks(who):
        throttle = Throttle()
        request = APIRequestFactory().get("/", headers={"X-Who": who} if who else {})
        return throttle.allow_request(request, None), throttle.wait()

    assert [asks(None), asks(None)] == [(True, 0), (True, 0)]
    assert [asks("a"), asks("a"), asks("b")] == [(True, 0), (False, 45), (True, 0)]


# Addresses


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8::1", "2001:db8::ffff:1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("unix:", "unix:")],
)
def test_addresses_of_one_neighbourhood_are_counted_together(one, other):
    assert ratelimit.neighbourhood(one) == ratelimit.neighbourhood(other)


@pytest.mark.parametrize(("one", "other"), [("2001:db8::1", "2001:db8:0:1::1"), ("192.0.2.1", "192.0.2.2")])
def test_others_are_not(one, other):
    assert ratelimit.neighbourhood(one) != ratelimit.neighbourhood(other)


# --- what is done often ---------------------------------------------------------------------------------------


@pytest.fixture
def _another_process(monkeypatch):
    """What was counted in advance here is not known there."""
    monkeypatch.setattr(ratelimit, "_in_advance", {})


@pytest.mark.usefixtures("_another_process")
@pytest.mark.parametrize("limit", [1, 3, 600, 1_205, 6_000])
def test_exactly_the_limit_passes(limit):
    passed = [ratelimit.hit("key", limit).allowed for _ in range(limit + 3)]
    assert passed == [True] * limit + [False] * 3


@pytest.mark.usefixtures("_another_process")
def test_a_small_limit_is_counted_one_by_one_and_a_large_one_in_portions(django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(ratelimit, "SWEEP_ONE_IN", 10**9)  # what is swept out now and then is a statement, too
    with django_assert_num_queries(5):
        for _ in range(5):
            ratelimit.hit("few", 100)
    with django_assert_num_queries(2):
        for _ in range(2 * ratelimit.AHEAD_AT_MOST):
            ratelimit.hit("many", 6_000)


@pytest.mark.usefixtures("_another_process")
def test_of_several_processes_together_no_more_than_the_limit_pass(monkeypatch):
    processes = [{}, {}, {}]
    passed = 0
    for turn in range(1_300):
        monkeypatch.setattr(ratelimit, "_in_advance", processes[turn % 3])
        passed += ratelimit.hit("key", 1_200).allowed
    assert 1_200 - 3 * ratelimit.AHEAD_AT_MOST <= passed <= 1_200


@pytest.mark.usefixtures("_another_process")
def test_what_was_counted_in_advance_is_good_for_its_window_only():
    ratelimit.hit("key", 6_000)
    with clock.at(NOON + timedelta(minutes=1)):
        assert ratelimit.hit("key", 6_000).allowed
    assert RateWindow.objects.get().hits == ratelimit.AHEAD_AT_MOST


@pytest.mark.usefixtures("_another_process")
def test_who_is_refused_is_told_when_to_come_back():
    assert ratelimit.hit("key", 1).allowed
    assert ratelimit.hit("key", 1) == (False, 45)


@pytest.mark.usefixtures("_another_process")
def test_only_so_many_keys_are_remembered(monkeypatch):
    monkeypatch.setattr(ratelimit, "MOST_IN_ADVANCE", 3)
    for number in range(20):
        assert ratelimit.hit(f"key {number}", 6_000).allowed
    assert len(ratelimit._in_advance) <= 4


# --- a clock that is set ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_another_process")
@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_nobody_is_locked_out_for_longer_than_a_window_when_the_clock_is_set(jump, settings):
    settings.FAILED_LOGINS_PER_MINUTE = 2
    request = RequestFactory().post("/login", REMOTE_ADDR="192.0.2.1")
    for _ in range(2):
        ratelimit.count_failure(request, ratelimit.LOGINS)
        ratelimit.hit("key", 2)
        ratelimit.hit("many", 2)
    with clock.at(NOON + jump + timedelta(seconds=70)):
        ratelimit.check_failures(request, ratelimit.LOGINS)
        assert [ratelimit.hit("key", 2).allowed for _ in range(3)] == [True, True, False]
        assert [ratelimit.hit("many", 2).allowed for _ in range(3)] == [True, True, False]
        assert ratelimit.hit("key", 2).retry_after <= 60


@pytest.mark.parametrize("behind", [1, 30, 59])
def test_a_process_that_is_a_little_behind_counts_with_the_others(behind):
    with clock.at(NOON + timedelta(seconds=60)):
        assert ratelimit.hit("key", 1).allowed
    with clock.at(NOON + timedelta(seconds=60 - behind)):
        assert not ratelimit.hit("key", 1).allowed
        assert not ratelimit.standing("key", 1).allowed
