"""
What an attempt comes to: delivered, to be tried again, or given up; and what that means for the endpoint. Pure.

Source: the Standard Webhooks specification, "Delivery"; docs/record.md, "What is sent".
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from config.queue import Retries

RETRIES = Retries(
    pauses=(
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
    ),
    jitter=0.2,
)
# What a receiver asks for by Retry-After is granted within these.
LONGEST_WISH = timedelta(hours=24)
# Refusals that may pass; after any other of 400 to 499 the message is given up.
PASSING = (408, 409, 425, 429)
GONE = 410
# An endpoint that took nothing for so long is disabled.
PATIENCE = timedelta(days=5)
# From so many failed tries on, which takes some minutes, a failure is none that passes in a moment.
CERTAIN = 3


@dataclass(frozen=True)
class Outcome:
    """
    What came of sending. `status_code` None: no answer, and `error` says why. `retry_after` is the header's text,
    `excerpt` the answer's beginning.
    """

    started_at: datetime
    ended_at: datetime
    status_code: int | None = None
    error: str = ""
    excerpt: str = ""
    retry_after: str | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.status_code is not None and 200 <= self.status_code < 300

    def not_after(self, at: datetime) -> "Outcome":
        """As it is, or that much earlier that it ended at `at`: the clock was set back since it ended."""
        ahead = max(timedelta(0), self.ended_at - at)
        return replace(self, started_at=self.started_at - ahead, ended_at=self.ended_at - ahead) if ahead else self

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def final(self) -> bool:
        """Whether the receiver will not take it later either."""
        return self.status_code is not None and 400 <= self.status_code < 500 and self.status_code not in PASSING

    @property
    def words(self) -> str:
        """What was wrong, in words; empty where it was delivered."""
        if self.delivered:
            return ""
        if self.status_code is None:
            return self.error
        if 300 <= self.status_code < 400:
            return f"The answer was a redirect ({self.status_code}), which is not followed."
        return f"The answer was {self.status_code}."


def again_at(outcome: Outcome, tries: int, chance: Callable[[], float] = random.random) -> datetime | None:
    """When a message is tried again after so many failed tries; None: it is given up."""
    pause = None if outcome.final else RETRIES.pause(tries, chance)
    if pause is None:
        return None
    wished = wish(outcome.retry_after, outcome.ended_at)
    return outcome.ended_at + max(pause, min(wished, LONGEST_WISH))


def wish(retry_after: str | None, at: datetime) -> timedelta:
    """How long a receiver asks to wait, by seconds or a date (RFC 9110, 10.2.3); zero where it says nothing sound."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**6))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return timedelta(0)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(timedelta(0), aware - at)


def why_disabled(outcome: Outcome, failing_since: datetime, tries: int) -> str:
    """
    Why an endpoint is disabled after the last of so many failed tries; empty where it is not. After a quiet time one
    failure that may pass says nothing yet.
    """
    if outcome.status_code == GONE:
        return "It answered 410: it is gone."
    if outcome.ended_at - failing_since >= PATIENCE and (outcome.final or tries >= CERTAIN):
        return "It has taken nothing for five days."
    return ""


def woken_up_to(failing_since: datetime, at: datetime) -> int:
    """
    How often a message can have failed since an endpoint fails: when that succeeds again, what failed so often is sent
    at once. What failed before, while others were taken, keeps to its pauses.
    """
    streak, least = at - failing_since, timedelta(0)
    for tries, pause in enumerate(RETRIES.pauses, start=1):
        least += pause * (1 - RETRIES.jitter)
        if least > streak:
            return tries
    return RETRIES.most
