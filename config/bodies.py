"""
Reading the bodies of requests, before a thread is bothered with them: without blocking, under a deadline, and with a
bound on the memory that all of them take together.

A sender of one byte a second costs a few hundred bytes here, and no thread. What is wrong with a body is not answered
here: the WSGI environment says it, under the name of PROBLEM, and config.api knows the answer, whose turn comes after
401, 403, 404 and 405.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

KIB, MIB = 1024, 1024 * 1024

# The most that a request may carry, and how much of a larger one is read off to let its sender see why not.
LARGEST_BODY = 4 * MIB
LARGEST_READ_OFF = 16 * MIB
# A body has so many seconds, and one more for each so many bytes that came; and its sender is never silent that long.
SECONDS = 15.0
BYTES_A_SECOND = 32 * KIB
# How many seconds are waited for the first piece of a body whose sender is refused anyway.
FIRST_PIECE = 0.25
# All bodies that a process holds together. Those up to SMALL are always taken: so many connections there can't be.
MOST_HELD = 96 * MIB
SMALL = 64 * KIB

# Where a request's WSGI environment says what is wrong with its body.
PROBLEM = "watchkeeper.body"
# And how many bytes one that is too large has, as far as is known.
SIZE = "watchkeeper.size"
TOO_LARGE, BROKEN_OFF, TOO_SLOW = "too large", "broke off", "too slow"
PROBLEMS = {
    BROKEN_OFF: "The body broke off before its end.",
    TOO_SLOW: "The body came too slowly.",
}

Receive = Callable[[], Awaitable[dict[str, Any]]]


class NoRoom(Exception):
    """Other bodies take up all the memory that there is for them."""


@dataclass(slots=True, eq=False)
class Body:
    """
    The bytes of a body (those read, if there is a problem), what is wrong with it, and how many bytes it has, as far as
    that was announced or read.
    """

    data: bytes = b""
    problem: str | None = None
    size: int = 0


@dataclass(slots=True, eq=False)
class _Reading:
    task: "asyncio.Task[Any]"
    begun: float
    heard: float
    came: int = 0

    def is_late(self, now: float) -> bool:
        return now - self.heard > SECONDS or now - self.begun > SECONDS + self.came / BYTES_A_SECOND


class Bodies:
    """The bodies that a process is reading or holding."""

    def __init__(self) -> None:
        self.held = 0
        self._readings: set[_Reading] = set()

    async def read(self, receive: Receive, announced: int | None, *, waits_to_be_asked: bool = False) -> Body:
        """
        A body from an ASGI server; `announced` is its Content-Length (None: it comes in chunks); its sender may wait to
        be asked for it (Expect: 100-continue). Whoever gets one calls `release` after use. Raises NoRoom.
        """
        if announced == 0:
            return Body()
        if announced is not None and announced > LARGEST_READ_OFF:
            return Body(b"" if waits_to_be_asked else await self._first_of(receive), TOO_LARGE, announced)
        task = asyncio.current_task()
        assert task
        now = time.monotonic()
        reading = _Reading(task, begun=now, heard=now)
        self._readings.add(reading)
        pieces: list[bytes] = []
        try:
            problem = await self._gather(receive, announced, reading, pieces)
        except BaseException as error:
            self.held -= sum(map(len, pieces))
            if not (isinstance(error, asyncio.CancelledError) and reading.is_late(time.monotonic())):
                raise
            task.uncancel()
            return Body(problem=TOO_SLOW)
        finally:
            self._readings.discard(reading)
        return Body(b"".join(pieces), problem, max(reading.came, announced or 0))

    async def _first_of(self, receive: Receive) -> bytes:
        """The first of a body that is too large to be read off, if it is here already: to be shown."""
        try:
            message = await asyncio.wait_for(receive(), FIRST_PIECE)
        except TimeoutError:
            return b""
        first: bytes = message.get("body", b"")[:KIB]
        self.held += len(first)
        return first

    async def _gather(
        self, receive: Receive, announced: int | None, reading: _Reading, pieces: list[bytes]
    ) -> str | None:
        """Read to the end, keeping pieces while they are not too many. Returns the problem, if there is one."""
        while reading.came != announced:
            message = await receive()
            if message["type"] != "http.request":
                return BROKEN_OFF
            piece: bytes = message.get("body", b"")
            reading.came += len(piece)
            reading.heard = time.monotonic()
            if reading.came <= LARGEST_BODY:
                self._hold(piece, reading.came)
                pieces.append(piece)
            elif reading.came > LARGEST_READ_OFF:
                return TOO_LARGE
            if not message.get("more_body"):
                break
        if reading.came > LARGEST_BODY:
            return TOO_LARGE
        return BROKEN_OFF if announced is not None and reading.came < announced else None

    def _hold(self, piece: bytes, came: int) -> None:
        if came > SMALL and self.held + len(piece) > MOST_HELD:
            raise NoRoom
        self.held += len(piece)

    def release(self, body: Body) -> None:
        """A body was used."""
        self.held -= len(body.data)

    def give_up_the_late(self) -> None:
        """End the reading of bodies that come too slowly; to be called now and then."""
        now = time.monotonic()
        for reading in self._readings:
            if reading.is_late(now):
                reading.task.cancel()
