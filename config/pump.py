"""
The pump: sends streamed answers (config.streams) out as their readers take them.

A piece is made only when the one before was handed to the web server, which takes no more than a few of them ahead of
the reader. So a slow reader costs some hundred KiB and no thread. Beside that it is watched whether the reader is
there, takes anything, and is still let in; whichever ends first ends the answer. One that is over before its end is
cut off with its connection (config.connections), so that nobody takes it for whole.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

import structlog
from django.db import Error, close_old_connections

from config.connections import cut_connection
from config.lanes import Busy, Lane
from config.streams import Events, NotAllowed, Rows, Streamed

log = structlog.get_logger(__name__)

KIB = 1024
# Pieces are handed over in parts of this size: the web server keeps up to twenty or so before they are taken.
PART = 16 * KIB
# Whoever takes nothing for so many seconds is given up.
SILENCE = 60.0
# How often it is asked, between pieces, whether the reader is still let in; and how often in a row the database may
# fail to say.
ASKED_EVERY = 5.0
UNANSWERED = 6
# A comment is sent where an event stream said nothing for so long; proxies close what is silent for a minute.
HEARTBEAT = 15.0
COMMENT = b": still here\n\n"
# How many turns may wait for the thread, and for how many seconds; and how long one may take.
LINE = (2000, 30.0)
WORKING = 30.0

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Ending(StrEnum):
    """How a stream came to its end, in words for the log."""

    DONE = "done"
    GONE = "the client went away"
    SILENT = "the client took nothing for too long"
    NOT_ALLOWED = "the reader is not let in any more"
    STOPPING = "the server stops"
    BUSY = "no thread had time for it"
    BROKEN = "an error"


class Begun(NamedTuple):
    """A streamed answer whose head is known."""

    status: int
    headers: list[tuple[bytes, bytes]]
    response: Streamed


class Pump:
    """The streams of a process. To be made and used in its event loop."""

    def __init__(self) -> None:
        self.lane: Lane[Callable[[], Any], Any] = Lane("streams", take_turn, *LINE)
        self.stopping = asyncio.Event()

    def stop(self) -> None:
        """Cut off what is being sent, for the process is to end."""
        self.stopping.set()

    async def send(self, begun: Begun, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Send an answer to its end, whichever that is."""
        response, started = begun.response, time.monotonic()
        ending, sent = Ending.BROKEN, _Sent(send)
        try:
            await sent({"type": "http.response.start", "status": begun.status, "headers": begun.headers})
            ending = await self.first_to_end(response, receive, sent)
            if ending == Ending.DONE:
                await send({"type": "http.response.body", "body": b""})
        finally:
            if ending not in (Ending.DONE, Ending.GONE):
                await self.cut_off(scope)
            response.close()
            tell(response, ending, sent.size, time.monotonic() - started)

    async def cut_off(self, scope: dict[str, Any]) -> None:
        """Cut off the connection that a request came over, so that its answer does not pass for whole."""
        cut = partial(cut_connection, scope)
        try:
            await self.lane.run(cut, WORKING)
        except Busy:
            cut()

    async def first_to_end(self, response: Streamed, receive: Receive, sent: "_Sent") -> Ending:
        """Send the pieces, and watch. How it ended."""
        pumping = self.pump_events(response, sent) if isinstance(response, Events) else self.pump_rows(response, sent)
        ways = [pumping, until_gone(receive), self.until_not_allowed(response), self.until_stopped()]
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task for task in tasks if task.done()).result()
        except NotAllowed:
            return Ending.NOT_ALLOWED
        except TimeoutError:
            return Ending.SILENT
        except Busy:
            return Ending.BUSY
        except Exception:
            log.exception("a streamed answer broke off")
            return Ending.BROKEN
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def pump_rows(self, response: Streamed, sent: "_Sent") -> Ending:
        """Let the view's generator make one piece after the other, each when the one before was taken."""
        assert isinstance(response, Rows)
        while (piece := await self.lane.run(response.next_piece, WORKING)) is not None:
            await sent.pieces(piece)
        return Ending.DONE

    async def pump_events(self, response: Events, sent: "_Sent") -> Ending:
        """Send what the view's iterator yields, and a comment where that is nothing for a while."""
        coming = asyncio.ensure_future(_next(response.events))
        try:
            while True:
                await asyncio.wait([coming], timeout=HEARTBEAT)
                piece = coming.result() if coming.done() else COMMENT
                if piece is None:
                    return Ending.DONE
                if coming.done():
                    coming = asyncio.ensure_future(_next(response.events))
                await sent.pieces(piece)
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            if close := getattr(response.events, "aclose", None):
                await close()

    async def until_not_allowed(self, response: Streamed) -> Ending:
        """Ask now and then whether the reader is still let in; return when not."""
        unanswered = 0
        while unanswered < UNANSWERED:
            await asyncio.sleep(ASKED_EVERY)
            try:
                if not await self.lane.run(response.is_allowed, WORKING):
                    return Ending.NOT_ALLOWED
                unanswered = 0
            except (Error, Busy):  # the database is away: for a moment that ends nothing
                unanswered += 1
        return Ending.BROKEN

    async def until_stopped(self) -> Ending:
        """Return when the process is to end."""
        await self.stopping.wait()
        return Ending.STOPPING


class _Sent:
    """Hands messages to the web server, which takes them when its reader does, and counts. Raises TimeoutError."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.size = 0

    async def __call__(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(SILENCE):
            await self._send(message)

    async def pieces(self, piece: bytes) -> None:
        for start in range(0, len(piece), PART):
            part = piece[start : start + PART]
            await self({"type": "http.response.body", "body": part, "more_body": True})
            self.size += len(part)


def take_turn(turn: Callable[[], Any]) -> Any:
    """Do what a stream needs a thread for."""
    close_old_connections()  # as Django does before a request: one that broke is replaced
    return turn()


async def until_gone(receive: Receive) -> Ending:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    return Ending.GONE


async def _next(events: Any) -> bytes | None:
    with contextlib.suppress(StopAsyncIteration):
        piece: bytes = await anext(events)
        return piece
    return None


def tell(response: Streamed, ending: Ending, size: int, seconds: float) -> None:
    """One line in the log, of which request, and how it ended."""
    log.info(
        "streamed",
        ending=str(ending),
        bytes=size,
        seconds=round(seconds, 1),
        request_id=response.headers.get("X-Request-ID", ""),
    )
