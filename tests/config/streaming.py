"""
An application whose views stream, behind the real front and granian, without a database: for tests of config.pump.

To be loaded after Django was set up, and served by `serve`. A file `shut` in the folder lets no reader in any more.
"""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from config import pump, streams
from config.front import Front
from config.heavy import note_asker
from config.wsgi import application as handler

FOLDER = Path(os.environ.get("STREAMING_FOLDER", "."))
PIECE = b"x" * 64 * 1024
pump.ASKED_EVERY, pump.HEARTBEAT, pump.SILENCE = 0.2, 0.3, 2.0
made: dict[str, int] = {"pieces": 0, "ended": 0}


def is_allowed() -> bool:
    return not (FOLDER / "shut").exists()


def asked_by(request: HttpRequest) -> None:
    note_asker(int(request.GET.get("team", "1")), request.GET.get("who", "somebody"))


async def numbers() -> AsyncIterator[bytes]:
    """An event every 20 ms, without end."""
    try:
        number = 0
        while True:
            number += 1
            yield streams.event(f"number {number}\nof many", name="number", id=str(number))
            await asyncio.sleep(0.02)
    finally:
        made["ended"] += 1


async def three() -> AsyncIterator[bytes]:
    for number in range(3):
        yield streams.event(str(number))


async def failing() -> AsyncIterator[bytes]:
    yield streams.event("first")
    raise ValueError("on purpose")


async def silence() -> AsyncIterator[bytes]:
    yield streams.event("first")
    await asyncio.sleep(3600)


def pieces(number: int) -> Iterator[bytes]:
    """Some large pieces; none: without end; -1: one, and an error."""
    try:
        yield PIECE
        made["pieces"] += 1
        if number < 0:
            raise ValueError("on purpose")
        while number != 1:
            number -= 1
            made["pieces"] += 1
            yield PIECE
    finally:
        made["ended"] += 1


def events(request: HttpRequest, which: str) -> streams.Events:
    asked_by(request)
    kinds: dict[str, Any] = {"numbers": numbers, "three": three, "failing": failing, "silence": silence}
    return streams.Events(kinds[which](), is_allowed=is_allowed)


def rows(request: HttpRequest, number: str) -> streams.Rows:
    asked_by(request)
    return streams.Rows(pieces(int(number)), is_allowed=is_allowed, content_type="text/csv")


def state(request: HttpRequest) -> HttpResponse:
    """What is open, what was made, and how much memory and how many threads we have."""
    status = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    told = made | {
        "rows": streams.Rows.places.taken["process"],
        "events": streams.Events.places.taken["process"],
        "rss": int(status["VmRSS"].split()[0]),
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }
    return HttpResponse(json.dumps(told), content_type="application/json")


urlpatterns = [
    path("api/events/<str:which>", events),
    path("api/rows/<str:number>", rows),
    path("api/state", state),
    path("rows/<str:number>", rows),
]

settings.ROOT_URLCONF = __name__
application = Front(handler, heeds_signals=True)


def serve(port: int) -> None:
    """Serve until SIGTERM, in one process."""
    Granian(
        "tests.config.streaming:application",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        workers_kill_timeout=6,
        log_level=LogLevels.error,
    ).serve()
