"""
The course of an incident, as a story has it: what its source tells of it, and how our people work on it.

Not here: how it is written down (scripts), and what happens in the end (story).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from dashboard.demo.cast import ESCALATION_POLICY, OWN, PEOPLE, REGIONS, SOURCES, WATCHED, Person
from dashboard.demo.scripts import HERE, Act, Named, Payload, Script

ON_CALL_TEAM: Payload = {"type": "team", "id": 740, "name": "Platform on call"}


class Work:
    """How our people work on an incident, whoever told of it. Each method takes the moment and who does it."""

    def __init__(self, script: Script, named: Named) -> None:
        self.script = script
        self.named = named

    def note(self, at: datetime, who: str, message: str) -> None:
        """Write down what was found."""
        self.act(at, "note", who, message=message)

    def close(self, at: datetime, who: str = "mara") -> None:
        """Close it."""
        self.act(at, "close", who)

    def delete(self, at: datetime, who: str = "mara") -> None:
        """Delete it here."""
        self.act(at, "delete", who)

    def assign(self, at: datetime, who: str, assignee: str) -> None:
        """Give it to somebody."""
        self.act(at, "assign", who, assignee=assignee)

    def grade(self, at: datetime, who: str, severity: str) -> None:
        """Say how bad it is."""
        self.act(at, "grade", who, severity=severity)

    def edit(self, at: datetime, who: str, **details: Any) -> None:
        """Say better what it is called, why it happened or where."""
        self.act(at, "edit", who, **details)

    def call(self, at: datetime, who: str, *people: str) -> None:
        """Call further people."""
        self.act(at, "call", who, people=people)

    def gather(self, at: datetime, who: str, group: str) -> None:
        """Put it into a group of ours, which is made for the first of them."""
        self.act(at, "gather", who, group=group)

    def add(self, at: datetime, who: str, occurred_at: datetime, message: str, reason: str) -> None:
        """Add an entry after the fact."""
        self.act(at, "add", who, occurred_at=occurred_at, message=message, reason=reason)

    def correct(self, at: datetime, who: str, entry: str, reason: str, **correction: Any) -> None:
        """Correct the last entry of an event."""
        self.act(at, "correct", who, entry=entry, reason=reason, **correction)

    def act(self, at: datetime, verb: str, who: str, *, opens: Named | None = None, **told: Any) -> None:
        """One of ours does something."""
        self.script.happenings.append(Act(at, verb, who, "incident", self.named, told, opens))


class Declared(Work):
    """An incident that no source tells of: one of ours declares it, and it is moved by hand."""

    def __init__(self, script: Script, at: datetime, who: str, *, affected: Sequence[str] = (), **told: Any) -> None:
        super().__init__(script, script.number_at(HERE, at))
        links = [(OWN[key].kind, OWN[key].number) for key in affected]
        self.act(at, "declare", who, opens=self.named, affected=links, **told)

    def take(self, at: datetime, who: str) -> None:
        """Acknowledge it."""
        self.act(at, "take", who)

    def settle(self, at: datetime, who: str) -> None:
        """Resolve it."""
        self.act(at, "settle", who)


class Course(Work):
    """An incident as its source tells it, and as our people work on it. Each method takes the moment."""

    def __init__(self, script: Script, on: str, name: str, begins: datetime, resource_type: str | None = None) -> None:
        self.watched = WATCHED[on]
        self.source = SOURCES[self.watched.source]
        super().__init__(script, script.number_at(self.source.key, begins))
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


def called(who: str | None) -> str:
    """A person's address, as the vendor's messages have it, or a program's name."""
    return PEOPLE[who].email if who in PEOPLE else str(who)
