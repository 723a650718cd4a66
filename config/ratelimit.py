"""How often somebody may do something: counters in fixed windows of time, kept in one UNLOGGED table.

One statement counts and answers, so that all web processes share the count. What a counter's key means is its
caller's affair; it is hashed before it is stored. At the edge between two windows twice the limit may pass,
which is good enough against floods and guessing, and is not meant for billing.
"""

import random
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from config import clock
from config.errors import RateLimited
from config.forwarded import client_address
from config.statements import fetch

# One in so many new windows also sweeps out old ones.
SWEEP_ONE_IN = 200
# What has a large limit is counted so many at a time, but never more at once than this part of its limit.
AHEAD_AT_MOST = 10
AHEAD_ONE_IN = 600
# So many keys at most are remembered with what is left of their portion.
MOST_IN_ADVANCE = 10_000


class Verdict(NamedTuple):
    """Whether it may go on, and otherwise in how many seconds it may."""

    allowed: bool
    retry_after: int

    def enforce(self) -> None:
        """Raise RateLimited unless allowed."""
        if not self.allowed:
            raise RateLimited(self.retry_after)


def hit(key: str, limit: int, seconds: int = 60) -> Verdict:
    """
    Count one more of `key` in its present window of `seconds`; not allowed if more than `limit`.

    Where the limit is large, each process counts some in advance and uses them up, for what is that common is asked for
    often. More than the limit never pass; the last few that each process holds may be refused too early.
    """
    tick = clock.tick()
    until, left = _in_advance.pop(key, (tick, 0))
    if not left or tick >= until:
        ahead = max(1, min(AHEAD_AT_MOST, limit // AHEAD_ONE_IN))
        hits, remaining = _count(key, seconds, ahead)
        until, left = tick + remaining, min(ahead, limit - (hits - ahead))
        if left < 1:
            return _verdict(False, remaining)
    if left > 1:
        if len(_in_advance) > MOST_IN_ADVANCE:
            _in_advance.clear()
        _in_advance[key] = (until, left - 1)
    return Verdict(True, 0)


# Key → until which tick, and how many. Two threads may take the same one now and then, which does no harm here.
_in_advance: dict[str, tuple[float, int]] = {}


def _count(key: str, seconds: int, number: int) -> tuple[int, float]:
    """Count so many more; how many they are now, and for how many seconds the window lasts yet."""
    asked: dict[str, Any] = {"key": _digest(key, seconds), "number": number, "seconds": seconds, "held": clock.held()}
    [(hits, left)] = fetch(_COUNT, asked)
    if hits == number and random.randrange(SWEEP_ONE_IN) == 0:  # noqa: S311 - nothing to guess
        with connection.cursor() as cursor:
            cursor.execute(_SWEEP, asked)
    return hits, left


def standing(key: str, limit: int, seconds: int = 60) -> Verdict:
    """As `hit`, without counting: allowed while `key` has not reached `limit`."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, {"key": _digest(key, seconds), "seconds": seconds, "held": clock.held()})
        found = cursor.fetchone()
    return _verdict(found[0] < limit, found[1]) if found else Verdict(True, 0)


def take_back(key: str, seconds: int = 60) -> None:
    """Count one less of `key` in its present window: what was counted before it was tried turned out well."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_BACK, {"key": _digest(key, seconds), "held": clock.held()})


# All processes go by the database's clock. A window that ends later than the next one was opened before that clock was
# set back, and counts no more.
_NOW = "coalesce(%(held)s::timestamptz, clock_timestamp())"
_SECONDS = "%(seconds)s::int"
_IS_OPEN = f"w.ends_at BETWEEN excluded.ends_at AND excluded.ends_at + make_interval(secs => {_SECONDS})"
_COUNT = f"""
    WITH present (at, ends_at) AS (
        SELECT at, to_timestamp((floor(extract(epoch FROM at) / {_SECONDS}) + 1) * {_SECONDS})
        FROM (SELECT {_NOW}) AS clock (at)
    )
    INSERT INTO config_rate_window AS w (key, ends_at, hits) SELECT %(key)s, ends_at, %(number)s FROM present
    ON CONFLICT (key) DO UPDATE SET
        hits = CASE WHEN {_IS_OPEN} THEN w.hits ELSE 0 END + excluded.hits,
        ends_at = CASE WHEN {_IS_OPEN} THEN w.ends_at ELSE excluded.ends_at END
    RETURNING hits, extract(epoch FROM ends_at - (SELECT at FROM present))::float8
"""  # noqa: S608 - SQL of our own
_TAKE_BACK = f"UPDATE config_rate_window SET hits = greatest(hits - 1, 0) WHERE key = %(key)s AND ends_at > {_NOW}"  # noqa: S608
_LOOK = f"""
    SELECT hits, extract(epoch FROM ends_at - at)::float8 FROM config_rate_window, (SELECT {_NOW}) AS clock (at)
    WHERE key = %(key)s AND ends_at > at AND ends_at <= at + make_interval(secs => 2 * {_SECONDS})
"""  # noqa: S608 - SQL of our own
_SWEEP = f"""
    DELETE FROM config_rate_window WHERE key = ANY(ARRAY(
        SELECT key FROM config_rate_window
        WHERE ends_at < {_NOW} - interval '1 hour' LIMIT 1000 FOR UPDATE SKIP LOCKED))
"""  # noqa: S608 - SQL of our own


def _digest(key: str, seconds: int) -> bytes:
    return sha256(f"{seconds} {key}".encode(errors="surrogatepass")).digest()


def _verdict(allowed: bool, left: float) -> Verdict:
    return Verdict(True, 0) if allowed else Verdict(False, max(1, ceil(left)))


class Throttle(BaseThrottle):
    """A DRF throttle on `hit`. Say in a subclass whom it counts (`key`), and how many a minute (`limit`)."""

    limit: int

    def key(self, request: Request, view: APIView) -> str | None:
        """Whom to count; None for somebody without a limit."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        key = self.key(request, view)
        self.verdict = Verdict(True, 0) if key is None else hit(key, self.limit)
        return self.verdict.allowed

    def wait(self) -> float:
        return self.verdict.retry_after


# Guessing of passwords, keys and links: each kind has a count of its own, so that a job with a wrong key locks nobody
# out of the login.

LOGINS, KEYS, LINKS = "failed login", "wrong key", "wrong link"


def check_failures(request: Request | HttpRequest, of: str) -> None:
    """Raise RateLimited if this address has used up its failures of the minute, of one kind."""
    standing(failures(request, of), settings.FAILED_LOGINS_PER_MINUTE).enforce()


def count_failure(request: Request | HttpRequest, of: str) -> None:
    """Count a failure of one kind of this address. Raises RateLimited when they are too many."""
    hit(failures(request, of), settings.FAILED_LOGINS_PER_MINUTE).enforce()


def failures(request: Request | HttpRequest, of: str) -> str:
    """The key under which failures of one kind are counted for this request's address."""
    return f"{of} {neighbourhood(client_address(request))}"


def neighbourhood(address: str) -> str:
    """What one subscriber has: an IPv4 address, or the /64 of an IPv6 address. Other text stays as it is."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or IPv6Address(int(ip) >> 64 << 64))
    return str(ip)
