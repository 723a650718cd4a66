"""What time it is, to the millisecond, and a way to hold it still.

Time enters the house at its doors and in the worker, through `now()`; everything below takes `at=`. Demo data
and tests hold the clock with `at(moment)`. In production nobody does, and `now()` is the machine's clock.

That clock may be set, forwards and back. So pauses and patience go by `tick()`; what several processes compare goes by
the database's clock (`held()` is for the SQL that asks it); and a `Watch` notices when the clock was set.

Not for parsing or writing times: that is `config.times`.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

_held: ContextVar[datetime | None] = ContextVar("held clock", default=None)
# For the tests alone, as config.faults is: a file with the seconds by which the clock of our processes is set wrong.
_set_by = Path(os.environ["WATCHKEEPER_FAULTS"], "clock") if os.environ.get("WATCHKEEPER_FAULTS") else None

# A clock that is off by less was not set; how long it is said that it was.
LEAST_JUMP = 1.0
SAID_FOR = 600.0


def now() -> datetime:
    """The present moment, or the one held by `at`: aware, UTC, cut to whole milliseconds."""
    return _held.get() or milliseconds(_wall())


def held() -> datetime | None:
    """The moment held by `at`, if one is: for SQL that otherwise asks the database's own clock."""
    return _held.get()


def tick() -> float:
    """Seconds of a clock that nobody can set, for pauses; where the clock is held by `at`, those of the held one."""
    moment = _held.get()
    return moment.timestamp() if moment else time.monotonic()


def _wall() -> datetime:
    wall = datetime.now(UTC)
    if _set_by:
        with suppress(FileNotFoundError):
            wall += timedelta(seconds=float(_set_by.read_text()))
    return wall


@dataclass
class Watch:
    """Notices when the machine's clock is set, by the clock that nobody can set."""

    ahead: float = field(default_factory=lambda: _wall().timestamp() - time.monotonic())
    jump: float = 0.0
    noticed: float = 0.0

    def jumped(self) -> float:
        """By how many seconds the clock was set since this was last asked, back below 0; 0.0: by hardly any."""
        ahead = _wall().timestamp() - time.monotonic()
        by, self.ahead = ahead - self.ahead, ahead
        if abs(by) < LEAST_JUMP:
            return 0.0
        self.jump, self.noticed = by, time.monotonic()
        return by

    def words(self) -> str:
        """What is said of it for a while; empty where it was not set lately."""
        if not self.jump or time.monotonic() - self.noticed > SAID_FOR:
            return ""
        return f"The clock was set {'forward' if self.jump > 0 else 'back'} by {abs(self.jump):.0f} s."


def milliseconds(moment: datetime) -> datetime:
    """The same moment in UTC, its microseconds cut down (never rounded up) to whole milliseconds."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@contextmanager
def at(moment: datetime) -> Iterator[datetime]:
    """Hold the clock at `moment` (aware) for this thread of work; held clocks nest."""
    if moment.tzinfo is None:
        raise ValueError("a held clock needs a moment with a time zone")
    token = _held.set(milliseconds(moment))
    try:
        yield now()
    finally:
        _held.reset(token)
