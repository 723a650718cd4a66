"""
How a story is written down: happenings in time, each either an event that a source sends or an act of somebody of ours.

Events have the words and fields of the vendor's document. Nothing happens here; that is the player's part.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from config.times import rfc3339
from dashboard.demo.cast import ESCALATION_POLICY, PEOPLE, REGIONS, SOURCES, WATCHED, Person, Source, Watched

# How long a webhook is on its way: (shortest, longest), in milliseconds.
ON_ITS_WAY = (240, 1900)
# A vendor counts its incidents; so many numbers pass in a minute over all of its customers.
NUMBERS_A_MINUTE = 3
FIRST_NUMBER = 701_340

Payload = dict[str, Any]
# An incident at its source: (source, number).
Named = tuple[str, int]


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
    """Somebody of ours notes something on an incident, closes it, or deletes it or a monitor."""

    at: datetime
    verb: str
    by: str
    source: str
    kind: str
    number: int
    message: str = ""


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


def by(who: str | None) -> Payload:
    """The fields that say who acted: a person's key, the name of a program, or nobody."""
    person = PEOPLE.get(who or "")
    return {
        "user_email": person.email if person else None,
        "user_name": person.name if person else None,
        "integration_name": who if who and not person else None,
        "integration_type": who.lower() if who and not person else None,
    }


def at_source(person: Person) -> Payload:
    """A person as a target of escalation."""
    return {"type": "user", "id": person.number, "name": person.name}


ON_CALL_TEAM: Payload = {"type": "team", "id": 740, "name": "Platform on call"}


class Course:
    """The course of an incident, as its source tells it and our people work on it. Each method takes the moment."""

    def __init__(self, script: Script, on: str, name: str, begins: datetime, resource_type: str | None = None) -> None:
        self.script = script
        self.watched = WATCHED[on]
        self.source = SOURCES[self.watched.source]
        self.named = script.number_at(self.source.key, begins)
        self.name = name
        self.resource_type = resource_type or self.watched.kind

    def tell(self, action: str, at: datetime, words: str, fields: Payload | None = None, **sending: Any) -> bytes:
        """An event of this incident."""
        about_it = {
            "incident_id": self.named[1],
            "incident_name": self.name,
            "resource_type": self.resource_type,
            "resource_id": self.watched.id,
            "resource_name": self.watched.name,
        }
        message = f'Incident "{self.name}" {words}'
        return self.script.tell(self.source, f"incident.{action}", at, message, about_it | (fields or {}), **sending)

    def start(self, at: datetime, cause: str, regions: Sequence[str] = REGIONS[:2]) -> None:
        """It began; a source that watches also says that what it watches is down."""
        if self.source.key == "better_stack" and self.resource_type == self.watched.kind:
            told = {"cause": cause, "regions": list(regions)} if self.watched.kind == "monitor" else {}
            self.script.tell_of(self.watched, "down", at - timedelta(milliseconds=180), **told)
        self.start_again(at, cause, regions, opens=self.named)

    def start_again(self, at: datetime, cause: str, regions: Sequence[str], **sending: Any) -> None:
        """It is told as started; a second time, with what is known by then."""
        told = {"incident_cause": cause, "regions": list(regions), "escalation_policy_id": ESCALATION_POLICY}
        self.tell("started", at, f"started — {cause}", told, **sending)

    def acknowledge(self, at: datetime, who: str, **sending: Any) -> bytes:
        """A person (by key) or a program (by name) took it."""
        return self.tell("acknowledged", at, f"acknowledged by {called(who)}", by(who), **sending)

    def escalate(self, at: datetime, *people: str) -> None:
        """Further people were called, and the team on call."""
        targets = [*(at_source(PEOPLE[key]) for key in people), ON_CALL_TEAM]
        names = ", ".join(str(target["name"]) for target in targets)
        self.tell("escalated", at, f"escalated to {names}", {"escalation_targets": targets})

    def group(self, at: datetime, group: int) -> None:
        """It belongs to a group."""
        self.tell("grouped", at, f"grouped into incident group {group}", {"incident_group_id": group})

    def verify(self, at: datetime) -> None:
        """What it is about answers again and is watched for a while."""
        self.script.tell_of(self.watched, "verifying_recovery", at)

    def resolve(self, at: datetime, who: str | None = None) -> bytes:
        """It is over: a person said so, or it ended by itself."""
        words = f"resolved by {called(who)}" if who else "resolved automatically"
        body = self.tell("resolved", at, words, by(who))
        if self.resource_type == "heartbeat":
            self.script.tell_of(self.watched, "up", at + timedelta(milliseconds=420))
        return body

    def reopen(self, at: datetime, who: str | None = None) -> None:
        """It was not over."""
        self.tell("reopened", at, f"reopened by {called(who)}" if who else "reopened", by(who))

    def vanish(self, at: datetime) -> None:
        """It was deleted at its source."""
        self.tell("destroyed", at, "destroyed")

    def note(self, at: datetime, who: str, message: str) -> None:
        """One of ours writes down what was found."""
        self.act(at, "note", who, message)

    def close(self, at: datetime, who: str = "mara") -> None:
        """One of ours closes it."""
        self.act(at, "close", who)

    def delete(self, at: datetime, who: str = "mara") -> None:
        """One of ours deletes it here."""
        self.act(at, "delete", who)

    def act(self, at: datetime, verb: str, who: str, message: str = "") -> None:
        """One of ours does something."""
        self.script.happenings.append(Act(at, verb, who, self.source.key, "incident", self.named[1], message))


def called(who: str | None) -> str:
    """A person's address, as the vendor's messages have it, or a program's name."""
    return PEOPLE[who].email if who in PEOPLE else str(who)
