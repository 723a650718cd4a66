"""
Passwords are hashed by threads of their own, a few at a time, which give way to everything else.

To hash one takes a processor a third of a second, which is its purpose, and anybody may ask for it. So a process hashes
two at a time at most, with less right to a processor than whoever draws a page; a line before them is bounded, and
beyond it is 429. Not here: how often somebody may try (config.ratelimit), and which requests wait in a lane of their
own for it (config.front).
"""

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from config.errors import RateLimited

AT_ONCE = 2
# So many may wait besides.
LONGEST_LINE = 20
# In steps of `nice`: about a tenth of what others get while those need all there is, and all when they need none.
GIVES_WAY = 10
RETRY_AFTER = 3
TOO_MANY = "Too many people log in at this moment. Try again in a few seconds."

P = ParamSpec("P")
T = TypeVar("T")

_places = threading.BoundedSemaphore(AT_ONCE + LONGEST_LINE)


class GivingWay(PBKDF2PasswordHasher):
    """Django's own, whose work is done here."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        return in_turn(super().encode, password, salt, iterations)


def in_turn(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the work comes to, done by one of the threads. Raises RateLimited where too many wait already."""
    if not _places.acquire(blocking=False):
        raise RateLimited(RETRY_AFTER, TOO_MANY)
    try:
        return _threads().submit(work, *args, **kwargs).result()
    finally:
        _places.release()


@cache
def _threads() -> ThreadPoolExecutor:
    """Made when they are first needed, for threads are lost where a process forks."""
    return ThreadPoolExecutor(AT_ONCE, "hashing", initializer=_give_way)


def _give_way() -> None:
    # Linux knows a priority of each thread. What they compute holds no lock that others wait for.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GIVES_WAY)
