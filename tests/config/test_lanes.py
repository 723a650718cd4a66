"""Tests of config.lanes: one thread, a bounded line, and nobody who waits forever."""

import asyncio
import threading
import time

import pytest

from config import lanes
from config.lanes import Busy, Lane


def lane(work, longest=10, waiting=60.0):
    return Lane("test", work, longest, waiting)


def test_work_is_done_one_after_another_in_one_thread():
    threads = set()

    def work(number):
        threads.add(threading.current_thread().name)
        return number * 2

    async def several():
        one = lane(work)
        return await asyncio.gather(*(one.run(number, 60) for number in range(5)))

    assert asyncio.run(several()) == [0, 2, 4, 6, 8]
    assert threads == {"lane test"}


def test_an_error_is_its_askers_and_the_thread_lives_on():
    async def both():
        one = lane(lambda number: 1 / number)
        with pytest.raises(ZeroDivisionError):
            await one.run(0, 60)
        return await one.run(1, 60)

    assert asyncio.run(both()) == 1


def test_who_finds_the_line_full_hears_it_at_once():
    go = threading.Event()

    async def crowd():
        one = lane(lambda _: go.wait(), longest=2)
        waiting = [asyncio.ensure_future(one.run(None, 60)) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(Busy, match="full"):
            await one.run(None, 60)
        go.set()
        assert await asyncio.gather(*waiting) == [True, True]
        return await one.run(None, 60)

    assert asyncio.run(crowd())


def test_who_waits_too_long_hears_so_and_is_not_worked_on_any_more():
    go, done = threading.Event(), []

    def work(name):
        go.wait()
        done.append(name)

    async def crowd():
        one = lane(work, waiting=0.01)
        first = asyncio.ensure_future(one.run("first", 60))
        await asyncio.sleep(0.01)
        second = asyncio.ensure_future(one.run("second", 60))
        await asyncio.sleep(0.05)
        one.give_up_the_late()
        with pytest.raises(Busy, match="waited"):
            await second
        go.set()
        await first
        await one.run("third", 60)

    asyncio.run(crowd())
    assert done == ["first", "third"]


def test_a_stuck_thread_is_told_of_at_once_until_it_is_back():
    go = threading.Event()

    async def crowd():
        one = lane(lambda _: go.wait())
        stuck = asyncio.ensure_future(one.run(None, 0.01))
        await asyncio.sleep(0.05)
        one.give_up_the_late()
        with pytest.raises(Busy, match="took too long"):
            await stuck
        with pytest.raises(Busy, match="stuck"):
            await one.run(None, 60)
        go.set()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not one._stuck:
                return await one.run(None, 60)
        return False

    assert asyncio.run(crowd())


def test_several_threads_work_at_a_time_and_one_that_is_stuck_stops_nobody():
    go, meet = threading.Event(), threading.Barrier(2)

    async def crowd():
        one = Lane("test", lambda do: do(), 10, 60.0, threads=3)
        stuck = asyncio.ensure_future(one.run(go.wait, 0.01))
        await asyncio.sleep(0.05)
        one.give_up_the_late()
        with pytest.raises(Busy, match="took too long"):
            await stuck
        # The two that are left have to meet.
        return await asyncio.gather(*(one.run(lambda: meet.wait(5) is not None, 60) for _ in range(4)))

    try:
        assert asyncio.run(crowd()) == [True] * 4
    finally:
        go.set()


def test_when_all_threads_are_stuck_everybody_hears_so_until_one_is_back():
    go = [threading.Event(), threading.Event()]

    async def crowd():
        one = Lane("test", lambda event: event.wait(), 10, 60.0, threads=2)
        stuck = [asyncio.ensure_future(one.run(event, 0.01)) for event in go]
        await asyncio.sleep(0.05)
        one.give_up_the_late()
        assert [type(each) for each in await asyncio.gather(*stuck, return_exceptions=True)] == [Busy, Busy]
        with pytest.raises(Busy, match="stuck"):
            await one.run(go[0], 60)
        go[0].set()
        for _ in range(200):
            await asyncio.sleep(0.01)
            if len(one._stuck) < 2:
                return await one.run(go[0], 60)
        return False

    try:
        assert asyncio.run(crowd())
    finally:
        go[1].set()


def test_a_job_that_ends_just_when_it_is_given_up_leaves_nobody_shut_out():
    async def crowd():
        one = lane(lambda seconds: time.sleep(seconds) or True)
        late = asyncio.ensure_future(one.run(0.1, 0.05))
        await asyncio.sleep(0)
        time.sleep(0.2)  # the loop is busy: the thread has told by now, and nobody has heard it yet
        one.give_up_the_late()
        with pytest.raises(Busy, match="took too long"):
            await late
        await asyncio.sleep(0)
        return await one.run(0, 60)

    assert asyncio.run(crowd())


def test_a_lane_whose_together_fails_works_on_each_alone():
    def together(_):
        raise RuntimeError

    async def both():
        one = Lane("test", lambda number: -number, 10, 60.0, together=together)
        return await asyncio.gather(one.run(1, 60), one.run(2, 60))

    assert asyncio.run(both()) == [-1, -2]


def test_what_waits_is_shown_together_and_what_is_left_is_worked_on_alone():
    go, shown, alone = threading.Event(), [], []

    def together(numbers):
        go.wait()
        shown.append(numbers)
        return [number * 2 if number % 2 else None for number in numbers]

    def work(number):
        alone.append(number)
        return -number

    async def crowd():
        one = Lane("test", work, 10, 60.0, together=together)
        first = asyncio.ensure_future(one.run(1, 60))
        await asyncio.sleep(0.02)
        others = [asyncio.ensure_future(one.run(number, 60)) for number in (2, 3, 4)]
        await asyncio.sleep(0.02)
        go.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(crowd()) == [2, -2, 6, -4]
    assert (shown, alone) == ([[1], [2, 3, 4]], [2, 4])


class Shown:
    """What a lane is shown together; it answers when it may go on."""

    def __init__(self):
        self.batches, self.begun, self.go = [], threading.Event(), threading.Event()
        self.lane = Lane("test", abs, 10, 60.0, together=self.together)

    def together(self, numbers):
        self.batches.append(numbers)
        self.begun.set()
        self.go.wait()
        return numbers

    async def three_at_once(self):
        """One, and then the three that came while it was looked at."""
        first = asyncio.ensure_future(self.lane.run(1, 60))
        await asyncio.to_thread(self.begun.wait)
        others = [asyncio.ensure_future(self.lane.run(number, 60)) for number in (2, 3, 4)]
        await asyncio.sleep(0)
        self.go.set()
        await asyncio.gather(first, *others)
        assert self.batches == [[1], [2, 3, 4]]


def test_as_many_as_were_together_the_last_time_are_given_a_moment_to_come(monkeypatch):
    monkeypatch.setattr(lanes, "GATHERING", 60.0)

    async def crowd():
        shown = Shown()
        await shown.three_at_once()
        asked = []
        for number in (5, 6, 7):
            asked.append(asyncio.ensure_future(shown.lane.run(number, 60)))
            await asyncio.sleep(0.02)
        await asyncio.gather(*asked)
        return shown.batches[2:]

    assert asyncio.run(crowd()) == [[5, 6, 7]]


def test_those_who_do_not_come_are_not_waited_for():
    async def crowd():
        shown = Shown()
        await shown.three_at_once()
        for number in (5, 6):
            assert await asyncio.wait_for(shown.lane.run(number, 60), 30) == number
        return shown.batches[2:]

    assert asyncio.run(crowd()) == [[5], [6]]


def test_who_is_alone_waits_for_nobody(monkeypatch):
    monkeypatch.setattr(lanes, "GATHERING", 60.0)
    seen = []

    async def one_after_another():
        one = Lane("test", abs, 10, 60.0, together=lambda numbers: seen.append(numbers) or numbers)
        return [await asyncio.wait_for(one.run(number, 60), 30) for number in (1, 2, 3)]

    assert asyncio.run(one_after_another()) == [1, 2, 3]
    assert seen == [[1], [2], [3]]


def test_nobody_is_worked_on_who_gave_up_while_what_waits_was_looked_at():
    go, alone = threading.Event(), []

    def together(names):
        go.wait()
        return [None for _ in names]

    async def crowd():
        one = Lane("test", alone.append, 10, 60.0, together=together)
        stuck = asyncio.ensure_future(one.run("stuck", 0.01))
        await asyncio.sleep(0.05)
        one.give_up_the_late()
        with pytest.raises(Busy):
            await stuck
        go.set()
        await asyncio.sleep(0.05)
        await one.run("next", 60)

    asyncio.run(crowd())
    assert alone == ["next"]
