"""
How a story is written down: happenings in time, each either an event that a source sends or an act of somebody of ours.

Events have the words and fields of the vendor's document. Nothing happens here; that is the player's part. Not here:
the course of an incident (courses).
"""

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from config.times import rfc3339
from dashboard.demo.cast import SOURCES, Own, Source, Watched

# How long a webhook is on its way: (shortest, longest), in milliseconds.
ON_ITS_WAY = (240, 1900)
# A vendor counts its incidents; so many numbers pass in a minute over all of its customers.
NUMBERS_A_MINUTE = 3
FIRST_NUMBER = 701_340

Payload = dict[str, Any]
# An incident at its source, or one of ours, or a monitor or heartbeat of ours: (source or HERE, number).
Named = tuple[str, int]
HERE = "here"


def minutes(number: float) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=number)


@dataclass(frozen=True)
class Sent:
    """A request of a source, as it arrives."""

    at: datetime
    source: str
    body: bytes
    headers: dict[str, str]
    opens: Named | None = None


@dataclass(frozen=True)
class Act:
    """Somebody of ours works on an incident, or manages a monitor or heartbeat of ours. `told`: what the verb takes."""

    at: datetime
    verb: str
    by: str
    kind: str
    named: Named
    told: Payload = field(default_factory=dict)
    opens: Named | None = None


Happening = Sent | Act


@dataclass
class Script:
    """A story being written. `chance` decides what the author leaves open, always in the same way."""

    now: datetime
    chance: random.Random
    happenings: list[Happening] = field(default_factory=list)
    busy: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    numbers: set[Named] = field(default_factory=set)

    def ago(self, **span: float) -> datetime:
        """A moment before now, off by some seconds as real ones are."""
        return self.now - timedelta(**span) + timedelta(milliseconds=self.chance.randint(0, 20_000))

    def in_order(self) -> list[Happening]:
        """What happens, first things first."""
        return sorted(self.happenings, key=lambda each: each.at)

    def send(
        self,
        source: Source,
        body: bytes,
        at: datetime,
        *,
        after: timedelta | None = None,
        webhook_id: str | None = None,
        opens: Named | None = None,
    ) -> None:
        """Let a source send bytes at a moment; they arrive a little later, or `after` that long."""
        arrives = at + (after or timedelta(milliseconds=self.chance.randint(*ON_ITS_WAY)))
        headers = {"content-type": "application/json", "user-agent": source.agent}
        if source.numbers_deliveries:
            headers["webhook-id"] = webhook_id or f"msg_{self.chance.getrandbits(64):016x}"
            headers["webhook-timestamp"] = str(int(arrives.timestamp()))
        self.happenings.append(Sent(arrives, source.key, body, headers, opens))

    def tell(self, source: Source, event: str, at: datetime, message: str, fields: Payload, **sending: Any) -> bytes:
        """Let a source send one event; the answer is its bytes."""
        payload = {
            "dt": rfc3339(at),
            "event": event,
            "message": message,
            "organization_id": source.organization_id,
            "team_id": source.team_id,
            **fields,
        }
        body = json.dumps(payload, ensure_ascii=False).encode()
        self.send(source, body, at, **sending)
        return body

    def tell_of(self, watched: Watched, action: str, at: datetime, **fields: Any) -> None:
        """Let its source tell what happened to a monitor or heartbeat."""
        words = MESSAGES[action] + (f" — {fields['cause']}" if "cause" in fields else "")
        message = f'{watched.kind.capitalize()} "{watched.name}" {words}'
        self.tell(SOURCES[watched.source], f"{watched.kind}.{action}", at, message, about(watched) | fields)

    def manage(self, own: Own, verb: str, at: datetime, who: str, **told: Any) -> None:
        """Let one of ours do something with a monitor or heartbeat of ours."""
        self.happenings.append(Act(at, verb, who, own.kind, (HERE, own.number), told))

    def number_at(self, source: str, at: datetime) -> Named:
        """The next free number of an incident that begins at a moment."""
        number = FIRST_NUMBER + int((at - self.now + timedelta(days=40)).total_seconds() // (60 / NUMBERS_A_MINUTE))
        while (source, number) in self.numbers:
            number += 1
        self.numbers.add((source, number))
        return source, number

    def is_free(self, key: str, start: datetime, end: datetime) -> bool:
        """Whether nothing else happens to a monitor or heartbeat then, nor shortly before or after."""
        apart = timedelta(hours=1)
        return all(end + apart < begun or ended + apart < start for begun, ended in self.busy.get(key, []))

    def occupy(self, key: str, start: datetime, end: datetime) -> None:
        """Let nothing else happen to a monitor or heartbeat then."""
        self.busy.setdefault(key, []).append((start, end))


MESSAGES = {
    "created": "created",
    "destroyed": "destroyed",
    "down": "is down",
    "up": "is up",
    "paused": "paused",
    "unpaused": "unpaused",
    "verifying_recovery": "is verifying recovery",
}


def about(watched: Watched) -> Payload:
    """The fields that say which monitor or heartbeat."""
    fields: Payload = {f"{watched.kind}_id": watched.id, f"{watched.kind}_name": watched.name}
    if watched.kind == "monitor":
        fields |= {"monitor_url": watched.url, "monitor_type": watched.type}
    return fields
