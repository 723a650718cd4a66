"""Tests of config.bodies: bodies are read whole, within bounds of size, time and memory."""

import asyncio
import time

import pytest

from config import bodies
from config.bodies import BROKEN_OFF, KIB, LARGEST_BODY, LARGEST_READ_OFF, MIB, TOO_LARGE, TOO_SLOW, Bodies, NoRoom

PIECE = 64 * KIB


def arriving(*pieces, end=True):
    """An ASGI `receive` that gives these pieces; without an end the connection breaks after them."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b"", "more_body": False} if end else {"type": "http.disconnect"})
    coming = iter(messages)

    async def receive():
        return next(coming)

    return receive


def read(receive, announced, keeping=None):
    keeping = keeping or Bodies()
    return asyncio.run(keeping.read(receive, announced))


def test_a_body_is_read_to_its_announced_end():
    body = read(arriving(b"ab", b"cd"), 4)
    assert (body.data, body.problem) == (b"abcd", None)


def test_a_body_in_chunks_is_read_to_its_end():
    body = read(arriving(*[b"x" * PIECE] * 10), None)
    assert (len(body.data), body.problem) == (10 * PIECE, None)


def test_nothing_is_waited_for_where_no_body_is_announced():
    async def never():
        raise AssertionError("nobody should ask")

    assert read(never, 0).data == b""


@pytest.mark.parametrize("announced", [100, None])
def test_a_body_that_breaks_off_is_known_as_such(announced):
    assert read(arriving(b"{}", end=False), announced).problem == BROKEN_OFF


def test_a_body_that_ends_before_its_announced_length_broke_off():
    assert read(arriving(b"{}"), 100).problem == BROKEN_OFF


@pytest.mark.parametrize("announced", [LARGEST_BODY, None])
def test_the_largest_body_is_taken(announced):
    body = read(arriving(*[b"x" * PIECE] * (LARGEST_BODY // PIECE)), announced)
    assert (len(body.data), body.problem) == (LARGEST_BODY, None)


@pytest.mark.parametrize("announced", [LARGEST_READ_OFF, None])
def test_a_larger_one_is_read_off_and_no_more_of_it_kept_than_of_the_largest(announced):
    body = read(arriving(*[b"x" * PIECE] * (LARGEST_READ_OFF // PIECE)), announced)
    assert body.problem == TOO_LARGE
    assert len(body.data) <= LARGEST_BODY


def test_how_large_a_body_is_is_known_whether_it_was_announced_or_not():
    pieces = [b"x" * PIECE] * (5 * MIB // PIECE)
    assert (read(arriving(*pieces), None).size, read(arriving(*pieces), 5 * MIB).size) == (5 * MIB, 5 * MIB)
    assert read(arriving(b"{}"), 2).size == 2


def test_of_what_is_too_large_to_be_read_off_the_beginning_is_kept_if_it_is_there():
    body = read(arriving(b"ab" * KIB, b"more"), LARGEST_READ_OFF + 1)
    assert (body.data, body.problem, body.size) == (b"ab" * (KIB // 2), TOO_LARGE, LARGEST_READ_OFF + 1)

    async def silent():
        await asyncio.sleep(60)

    keeping = Bodies()
    body = read(silent, LARGEST_READ_OFF + 1, keeping)
    assert (body.data, body.problem, keeping.held) == (b"", TOO_LARGE, 0)


def test_of_an_endless_one_no_more_than_16_mib_are_read():
    came = 0

    async def endless():
        nonlocal came
        came += PIECE
        return {"type": "http.request", "body": b"x" * PIECE, "more_body": True}

    assert read(endless, None).problem == TOO_LARGE
    assert came <= LARGEST_READ_OFF + PIECE


def test_one_announced_as_larger_than_16_mib_is_not_asked_for_where_its_sender_waits():
    async def never():
        raise AssertionError("nobody should ask")

    assert asyncio.run(Bodies().read(never, LARGEST_READ_OFF + 1, waits_to_be_asked=True)).problem == TOO_LARGE


def test_who_sends_too_slowly_is_given_up_and_others_are_not(monkeypatch):
    monkeypatch.setattr(bodies, "SECONDS", 0.05)

    async def slow():
        await asyncio.sleep(60)

    async def both():
        keeping = Bodies()
        late = asyncio.ensure_future(keeping.read(slow, 100))
        await asyncio.sleep(0.1)
        punctual = asyncio.ensure_future(keeping.read(arriving(b"ab"), 2))
        keeping.give_up_the_late()
        return (await late).problem, (await punctual).data, keeping

    problem, data, keeping = asyncio.run(both())
    assert (problem, data) == (TOO_SLOW, b"ab")
    assert keeping.held == 2


def test_who_keeps_sending_has_more_time_and_who_falls_silent_has_not():
    now = time.monotonic()
    begun = now - bodies.SECONDS - 10
    came = 20 * bodies.BYTES_A_SECOND
    assert not bodies._Reading(None, begun, heard=now, came=came).is_late(now)
    assert bodies._Reading(None, begun, heard=now, came=0).is_late(now)
    assert bodies._Reading(None, begun, heard=begun, came=came).is_late(now)


def test_somebody_elses_cancelling_is_not_taken_for_slowness():
    async def waiting():
        await asyncio.sleep(60)

    async def cancelled():
        task = asyncio.ensure_future(Bodies().read(waiting, 100))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())


def test_all_bodies_together_have_a_bound_and_small_ones_always_a_place(monkeypatch):
    monkeypatch.setattr(bodies, "MOST_HELD", 2 * MIB)

    async def several():
        keeping = Bodies()
        first = await keeping.read(arriving(*[b"x" * PIECE] * 31), None)
        with pytest.raises(NoRoom):
            await keeping.read(arriving(*[b"x" * PIECE] * 31), None)
        small = await keeping.read(arriving(b"x" * PIECE), None)
        assert keeping.held == len(first.data) + len(small.data)
        keeping.release(first)
        keeping.release(small)
        assert keeping.held == 0
        return await keeping.read(arriving(*[b"x" * PIECE] * 31), None)

    assert asyncio.run(several()).problem is None
