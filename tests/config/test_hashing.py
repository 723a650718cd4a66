"""Tests of config.hashing: a few passwords at a time, a bounded line, and threads that give way."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import override_settings

from config import hashing
from config.errors import RateLimited
from teams.models import User


@pytest.fixture
def few(monkeypatch):
    """Room for two that wait."""
    monkeypatch.setattr(hashing, "_places", threading.BoundedSemaphore(hashing.AT_ONCE + 2))


def test_what_was_hashed_before_is_still_good_and_the_other_way_round():
    theirs, ours = PBKDF2PasswordHasher(), hashing.GivingWay()
    assert ours.verify("correct horse", theirs.encode("correct horse", "salt", 10))
    assert theirs.verify("correct horse", ours.encode("correct horse", "salt", 10))
    assert not ours.verify("wrong horse", theirs.encode("correct horse", "salt", 10))


def test_a_person_logs_in_by_it(db):
    with override_settings(PASSWORD_HASHERS=["config.hashing.GivingWay"]):
        ada = User.objects.create_user("ada@example.com", "correct horse battery")
        assert ada.password.startswith("pbkdf2_sha256$")
        assert ada.check_password("correct horse battery") and not ada.check_password("battery")


def test_no_more_are_hashed_at_a_time_than_is_said_and_all_come_to_something():
    working, seen = set(), []
    meet = threading.Barrier(hashing.AT_ONCE)

    def work(number):
        working.add(number)
        meet.wait(5)  # all that may work at a time do
        seen.append(len(working))
        meet.wait(5)
        working.discard(number)
        return number

    with ThreadPoolExecutor(8) as askers:
        assert list(askers.map(lambda number: hashing.in_turn(work, number), range(8))) == list(range(8))
    assert max(seen) == hashing.AT_ONCE


def test_beyond_the_line_it_is_refused_at_once_and_later_taken_again(few):
    go = threading.Event()
    with ThreadPoolExecutor(8) as askers:
        waiting = [askers.submit(hashing.in_turn, go.wait, 10) for _ in range(hashing.AT_ONCE + 2)]
        while hashing._places._value:
            pass
        with pytest.raises(RateLimited) as refused:
            hashing.in_turn(int)
        go.set()
        assert [each.result() for each in waiting] == [True] * len(waiting)
    assert refused.value.status == 429
    assert int(refused.value.headers["Retry-After"]) >= 1
    assert hashing.in_turn(int) == 0


def test_an_error_is_its_askers_and_gives_the_place_back(few):
    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            hashing.in_turn(lambda: 1 / 0)


def test_the_threads_give_way_to_all_others():
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert hashing.in_turn(niceness) == min(hashing.GIVES_WAY, 19)
    assert niceness() == before
