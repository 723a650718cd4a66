"""
Trouble that comes again and again, as long as a database is away for example: told at once, and from then on once a
minute, with how often it came, so that a log is not filled with it.

For loops, which meet the same trouble several times a second. What happens to a request is told each time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TOLD_EVERY = 60.0


@dataclass
class _Told:
    at: float
    since: int = 0


@dataclass
class Troubles:
    """What one process, or a part of it, was in trouble with. Where: a name, such as a step's."""

    told: dict[tuple[str, str], _Told] = field(default_factory=dict)

    def tell(self, say: Callable[..., Any], words: str, where: str, trouble: BaseException, **fields: Any) -> None:
        """Say it, unless the same was said within a minute: the same kind of error at the same place."""
        now = time.monotonic()
        last = self.told.get((where, type(trouble).__name__))
        if last is not None and now - last.at < TOLD_EVERY:
            last.since += 1
            return
        self.told[where, type(trouble).__name__] = _Told(now)
        more = {"times_since": last.since} if last is not None and last.since else {}
        say(words, step=where, **fields, **more)

    def are_over(self, where: str) -> None:
        """All goes well there: what goes wrong next is told at once."""
        if self.told:
            self.told = {place: told for place, told in self.told.items() if place[0] != where}
