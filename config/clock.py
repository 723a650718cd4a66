"""What time it is, to the millisecond, and a way to hold it still.

Time enters the house at its doors and in the worker, through `now()`; everything below takes `at=`. Demo data
and tests hold the clock with `at(moment)`. In production nobody does, and `now()` is the machine's clock.

Not for parsing or writing times: that is `config.times`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_held: ContextVar[datetime | None] = ContextVar("held clock", default=None)


def now() -> datetime:
    """The present moment, or the one held by `at`: aware, UTC, cut to whole milliseconds."""
    return _held.get() or milliseconds(datetime.now(UTC))


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
