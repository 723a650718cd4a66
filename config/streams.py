"""
Answers that are streamed: what a view returns where the answer is long, or has no end.

`Rows` is made by a generator that the front lets run, piece by piece, in a thread of its own lane, each time that the
reader has taken what there is; between two pieces no thread is held. So the generator must hold nothing of a thread
either: each piece reads its rows by keyset in a short transaction. `Events` is an event stream (text/event-stream),
made by an asynchronous iterator in the event loop, which never blocks.

Both are bounded in number for each who asks, each team and the process, and ask again whether the reader is still let
in, by `is_allowed`. Not here: how they are sent (config.pump).
"""

import itertools
import threading
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

from django.http import StreamingHttpResponse

from config.errors import RateLimited, Unavailable
from config.heavy import Asker, asker

RETRY_AFTER = 5
TOO_MANY_OF_YOURS = "Other downloads or live pages of yours are still open. Try again when one of them is done."
TOO_MANY = "Too many downloads and live pages are open. Try again in a moment."
EVENT_STREAM = "text/event-stream"


class Bounds(NamedTuple):
    """How many streams of a kind may be open at once: in a process, of a team, of each who asks there."""

    process: int
    team: int
    who: int


class Places:
    """The streams of a kind that are open in this process. Threads may ask at the same time."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.taken: Counter[Any] = Counter()
        self._lock = threading.Lock()

    def take(self, asked_by: Asker | None) -> Callable[[], None]:
        """Take a place; what gives it back. Raises RateLimited where too many are theirs, Unavailable where all are."""
        names = ["process", *([asked_by.team, asked_by] if asked_by else [])]
        with self._lock:
            if self.taken["process"] >= self.bounds.process:
                raise Unavailable(TOO_MANY, retry_after=RETRY_AFTER)
            # strict=False: what nobody is known to have asked for counts for the process alone.
            if any(self.taken[name] >= most for name, most in zip(names, self.bounds, strict=False)):
                raise RateLimited(RETRY_AFTER, TOO_MANY_OF_YOURS)
            self.taken.update(names)
        return lambda: self.give_back(names)

    def give_back(self, names: list[Any]) -> None:
        """One that was counted under these names is over."""
        with self._lock:
            self.taken.subtract(names)
            self.taken += Counter()  # which drops those of 0


class Streamed(StreamingHttpResponse):
    """
    A streamed answer. `is_allowed` is asked in a thread, every few seconds and before each piece: whether its reader is
    let in now. To be made in the thread of the request. Raises RateLimited, Unavailable.
    """

    places: Places
    _resource_closers: list[Callable[[], object]]  # Django's: what to do when it was answered

    def __init__(self, pieces: Any, *, is_allowed: Callable[[], bool], **options: Any) -> None:
        give_back = self.places.take(asker())
        super().__init__(pieces, **options)
        self.is_allowed = is_allowed
        # Also where it is lost on its way, as when a middleware fails.
        self._resource_closers.append(weakref.finalize(self, give_back))


class Rows(Streamed):
    """An answer in pieces of at most some dozens of KiB. Its first is made at once, so that its troubles are a page."""

    places = Places(Bounds(process=16, team=4, who=2))

    def __init__(self, pieces: Iterator[bytes], *, is_allowed: Callable[[], bool], **options: Any) -> None:
        super().__init__((), is_allowed=is_allowed, **options)
        try:
            first = next(pieces, b"")
        except BaseException:
            self.close()
            raise
        self.streaming_content = itertools.chain([first], pieces)
        self._resource_closers.append(getattr(pieces, "close", lambda: None))
        self._coming: Iterator[bytes] | None = None

    def next_piece(self) -> bytes | None:
        """The next piece, which may be empty; None at the end. Raises NotAllowed, and what the generator does."""
        if not self.is_allowed():
            raise NotAllowed
        if self._coming is None:  # not before: middleware wraps the content
            self._coming = iter(self)
        return next(self._coming, None)


class Events(Streamed):
    """
    An event stream: whatever an asynchronous iterator of `event(…)` yields. It is iterated in the event loop. Never
    compressed; where nothing is said for a while a comment keeps the connection alive.
    """

    places = Places(Bounds(process=1000, team=500, who=20))

    def __init__(self, events: AsyncIterator[bytes], *, is_allowed: Callable[[], bool], **options: Any) -> None:
        super().__init__(events, is_allowed=is_allowed, content_type=EVENT_STREAM, **options)
        self.events = events
        # nginx would keep it back until it has a buffer full.
        self.headers["X-Accel-Buffering"] = "no"


class NotAllowed(Exception):
    """The reader of a stream is not let in any more."""


def event(data: str, name: str = "", id: str = "") -> bytes:
    """An event as it goes over the wire; `data` may have several lines. Name and id have one."""
    lines = [f"{field}: {value}" for field, value in (("event", name), ("id", id)) if value]
    if any(len(line.splitlines()) > 1 for line in lines):
        raise ValueError("the name and the id of an event have no line breaks")
    lines += [f"data: {line}" for line in data.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return "".join(f"{line}\n" for line in [*lines, ""]).encode()
