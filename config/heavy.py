"""
What is heavy is done by few at a time: one for each who asks, two for each team, and never by all of a process's
threads.

Long histories that are read as they were or corrected, and many incidents that are worked on at once, take a processor
for a second; without a bound one key would keep it from everybody else. Who asks for more meanwhile is told to come
again (429). The places are counted for all processes of this machine together, by locks in one file of the data folder,
which end with whoever holds them. What is nobody's request (a command, the worker) is not counted. Not here: how often
somebody may ask (config.ratelimit).
"""

import fcntl
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import NamedTuple

from django.conf import settings

from config.errors import RateLimited

# Up to so many facts read, or ten times as many as incidents worked on, nothing is heavy: some tenths of a second.
LIGHT = 2_000
AN_INCIDENT = 100
FOR_EACH_WHO_ASKS, FOR_EACH_TEAM = 1, 2
RETRY_AFTER = 2
TOO_MUCH = "Other heavy requests of yours are still being worked on. Try again in a moment."
# Linux: a lock of an open file, which holds between threads, too.
_SET_LOCK_OF_OPEN_FILE = 37


class Asker(NamedTuple):
    """Whose request it is: the team's id, and the key or person of it who asks."""

    team: int
    who: str


_asker: ContextVar[Asker | None] = ContextVar("asker", default=None)
_threads = threading.BoundedSemaphore(max(1, settings.THREADS - 1))


def note_asker(team: int, who: str) -> None:
    """Note whose the request is that this thread works on."""
    _asker.set(Asker(team, who))


def asker() -> Asker | None:
    """Whose the request is that this thread works on; None where nobody said."""
    return _asker.get()


def forget_asker() -> None:
    """The next request is somebody else's."""
    _asker.set(None)


@contextmanager
def heavy(size: int) -> Iterator[None]:
    """Do what takes as long as reading `size` facts. Raises RateLimited where it is heavy, and too many do so."""
    asker = _asker.get()
    if size <= LIGHT or asker is None:
        yield
        return
    with ExitStack() as held:
        if not _threads.acquire(blocking=False):
            raise RateLimited(RETRY_AFTER, TOO_MUCH)
        held.callback(_threads.release)
        for places in ((f"who {asker.team} {asker.who}", FOR_EACH_WHO_ASKS), (f"team {asker.team}", FOR_EACH_TEAM)):
            if (place := _place(*places)) is None:
                raise RateLimited(RETRY_AFTER, TOO_MUCH)
            held.callback(os.close, place)
        # What is heavy within is part of this.
        token = _asker.set(None)
        held.callback(_asker.reset, token)
        yield


def _place(name: str, places: int) -> int | None:
    """A place of a name's, held until the descriptor is closed; None where all are taken."""
    file = os.open(settings.DATA_DIR / "heavy.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for start in _starts(name, places):
        try:
            fcntl.fcntl(file, _SET_LOCK_OF_OPEN_FILE, struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0))
        except BlockingIOError:
            continue
        return file
    os.close(file)
    return None


def _starts(name: str, places: int) -> Iterable[int]:
    """The bytes of the file that stand for a name's places; they need not be there."""
    first = int.from_bytes(sha256(name.encode()).digest()[:7])
    return range(first, first + places)
