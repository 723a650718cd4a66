"""
The vocabulary: every event of the incident log, its fields and its place among events of the same moment.

The one source of what an event may look like. What comes in, what a fact stores and what goes out are payloads of this
shape; `validate` judges the ones that strangers send. Pure: no database, no clock.

Source: the vendor's "Incident logs integration" document (19 event types); ours beyond it are marked.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from config.times import parse_rfc3339

MONITOR, HEARTBEAT, INCIDENT = "monitor", "heartbeat", "incident"
RESOURCES = (MONITOR, HEARTBEAT)
# What incidents are put into. It has no events of its own: its incidents' say who is in it.
INCIDENT_GROUP = "incident_group"

LARGEST_ID = 2**63 - 1
LONGEST_SPAN = 2**31 - 1
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD_AT_MOST = timedelta(hours=24)

# Which of two events of the same millisecond comes first. The number is stored with each fact, so once landed it never
# changes; a new action takes one from the gap where it belongs.
RANKS = {
    "created": 100,
    "unpaused": 200,
    "started": 300,
    "reopened": 400,
    "down": 500,
    "verifying_recovery": 600,
    "acknowledged": 700,
    "escalated": 800,
    "grouped": 900,
    "ungrouped": 950,
    "assigned": 1000,
    "severity_changed": 1100,
    "updated": 1200,
    "commented": 1300,
    "resolved": 1400,
    "up": 1500,
    "closed": 1600,
    "paused": 1700,
    "destroyed": 1800,
    "corrected": 1900,
}
# Before there were numbers, places in a list were stored: 0 to 18. No number is as low.
LOWEST_RANK = 100


def rank_now(stored: int) -> int:
    """The number of a stored rank, which may be a place of before."""
    return (stored + 1) * 100 if 0 <= stored < LOWEST_RANK else stored


SEVERITIES = ("critical", "major", "minor", "warning")

DIGEST = re.compile(r"[0-9a-f]{64}").fullmatch

Payload = dict[str, Any]
Check = Callable[[Any], str | None]


def text(value: Any) -> str | None:
    """What is wrong with a value that should be text."""
    return None if isinstance(value, str) else "Must be a string."


def identifier(value: Any) -> str | None:
    """What is wrong with a value that should be an id: an integer from 0 to 2^63−1."""
    if type(value) is not int:
        return "Must be an integer."
    return None if 0 <= value <= LARGEST_ID else "Must be from 0 to 9223372036854775807."


def texts(value: Any) -> str | None:
    """What is wrong with a value that should be an array of strings."""
    if not isinstance(value, list):
        return "Must be an array."
    return None if all(isinstance(item, str) for item in value) else "Must be an array of strings."


def targets(value: Any) -> str | None:
    """What is wrong with a value that should be an array of {type, id, name}."""
    if not isinstance(value, list):
        return "Must be an array."
    problems = filter(None, map(target, value))
    return next(problems, None)


def severity(value: Any) -> str | None:
    """What is wrong with a value that should say how bad an incident is."""
    return None if isinstance(value, str) and value.strip() in SEVERITIES else f"Must be {', '.join(SEVERITIES)}."


def seconds(value: Any) -> str | None:
    """What is wrong with a value that should be a span of time."""
    return None if type(value) is int and 0 <= value <= LONGEST_SPAN else "Must be a number of seconds, up to 68 years."


def truth(value: Any) -> str | None:
    """What is wrong with a value that should be true or false."""
    return None if isinstance(value, bool) else "Must be true or false."


def digest(value: Any) -> str | None:
    """What is wrong with a value that should be the identity of a fact."""
    return None if isinstance(value, str) and DIGEST(value) else "Must be 64 hexadecimal digits in lower case."


def target(value: Any) -> str | None:
    """What is wrong with a value that should be an escalation target."""
    if not isinstance(value, dict):
        return "Must be an array of objects."
    for field, check in (("type", text), ("id", identifier), ("name", text)):
        problem = check(value[field]) if value.get(field) is not None else None
        if problem:
            return f"In each object, {field}: {problem}"
    return None


def time(value: Any) -> str | None:
    """What is wrong with a value that should be a moment."""
    if not isinstance(value, str):
        return "Must be a string."
    try:
        parse_rfc3339(value.strip())
    except ValueError as error:
        return str(error)
    return None


COMMON: dict[str, Check] = {"dt": time, "event": text, "message": text, "organization_id": text, "team_id": text}
OF_A_MONITOR: dict[str, Check] = {
    "monitor_id": identifier,
    "monitor_url": text,
    "monitor_name": text,
    "monitor_type": text,
}
OF_A_HEARTBEAT: dict[str, Check] = {"heartbeat_id": identifier, "heartbeat_name": text}
# How often a heartbeat has to report and how late it may be, in seconds. Ours; its creation has them too.
TIMING: dict[str, Check] = {"heartbeat_period": seconds, "heartbeat_grace": seconds}
OF_AN_INCIDENT: dict[str, Check] = {
    "incident_id": identifier,
    "incident_name": text,
    "resource_type": text,
    "resource_id": identifier,
    "resource_name": text,
}
BY_WHOM: dict[str, Check] = {
    "user_email": text,
    "user_name": text,
    "integration_name": text,
    "integration_type": text,
}
ASSIGNEE: dict[str, Check] = {"assignee_id": identifier, "assignee_email": text, "assignee_name": text}
# Of which fact a correction says what (only what it changes), why, and what of the incident was another then: its
# status, and the names of all.
CORRECTION: dict[str, Check] = {
    "corrects": digest,
    "occurred_at": time,
    "text": text,
    "hidden": truth,
    "reason": text,
    "old_status": text,
    "new_status": text,
    "changes": texts,
}


@dataclass(frozen=True)
class EventType:
    """
    One event of the log.

    `fields`: its documented fields beyond the common ones, each with its check. `ours`: not one of the vendor's 19.
    """

    name: str
    fields: dict[str, Check]
    ours: bool = False

    @property
    def subject(self) -> str:
        """What it is about: monitor, heartbeat or incident."""
        return self.name.partition(".")[0]

    @property
    def action(self) -> str:
        """What happened: the name's second half."""
        return self.name.partition(".")[2]

    @property
    def subject_field(self) -> str:
        """The field with the subject's id, which must be there."""
        return f"{self.subject}_id"

    @property
    def rank(self) -> int:
        """Its place among events of the same millisecond."""
        return RANKS[self.action]


def vocabulary() -> dict[str, EventType]:
    """Every event type under its name."""
    down = OF_A_MONITOR | {"cause": text, "regions": texts}
    started = OF_AN_INCIDENT | {"incident_cause": text, "regions": texts, "escalation_policy_id": identifier}
    acted = OF_AN_INCIDENT | BY_WHOM
    types = [
        *(
            EventType(f"monitor.{action}", OF_A_MONITOR)
            for action in ("created", "destroyed", "paused", "unpaused", "verifying_recovery")
        ),
        EventType("monitor.down", down),
        *(
            EventType(f"heartbeat.{action}", OF_A_HEARTBEAT)
            for action in ("created", "destroyed", "down", "paused", "unpaused", "up")
        ),
        EventType("monitor.updated", OF_A_MONITOR, ours=True),
        EventType("heartbeat.updated", OF_A_HEARTBEAT | TIMING, ours=True),
        EventType("incident.started", started),
        *(EventType(f"incident.{action}", acted) for action in ("acknowledged", "reopened", "resolved")),
        EventType("incident.destroyed", OF_AN_INCIDENT),
        EventType("incident.escalated", OF_AN_INCIDENT | {"escalation_targets": targets}),
        EventType("incident.grouped", OF_AN_INCIDENT | {"incident_group_id": identifier}),
        EventType("incident.closed", acted, ours=True),
        EventType("incident.commented", acted | {"comment": text, "reason": text}, ours=True),
        EventType("incident.severity_changed", acted | {"severity": severity}, ours=True),
        EventType("incident.assigned", acted | ASSIGNEE, ours=True),
        EventType(
            "incident.updated", acted | {"title": text, "error_message": text, "affected_regions": texts}, ours=True
        ),
        EventType("incident.corrected", acted | CORRECTION, ours=True),
    ]
    return {each.name: each for each in types}


EVENTS = vocabulary()
VENDOR_EVENTS = {name: each for name, each in EVENTS.items() if not each.ours}

# What an event of another Watchkeeper says besides (timeline.outbound.shapes): whose own act it was, through which
# installations it came, and the identity of the fact there.
ORIGIN, VIA, IDENTITY = "origin", "via", "identity"


def passed(payload: Payload) -> list[str]:
    """The installations that an event names: whose own act it was, and those that passed it on."""
    via, origin = payload.get(VIA), said(payload, ORIGIN)
    listed = [each for each in via if isinstance(each, str)] if isinstance(via, list) else []
    return [origin, *listed] if origin and origin not in listed else listed


def told_identity(payload: Payload) -> bytes | None:
    """The identity that another Watchkeeper says the fact has there."""
    value = payload.get(IDENTITY)
    return bytes.fromhex(value) if value is not None and digest(value) is None else None


@dataclass(frozen=True)
class Judged:
    """
    What `validate` found in an event.

    `event`: its name, where it has one. `type`: None for a name we do not know. `fields`: what is wrong, by field name,
    in the shape of the API's `details.fields`; empty for a sound event. `occurred_at` is None where `dt` is wrong.
    """

    payload: Payload
    event: str | None
    type: EventType | None
    occurred_at: datetime | None
    fields: dict[str, list[str]]


def validate(payload: Any, received_at: datetime, known: dict[str, EventType] = VENDOR_EVENTS) -> Judged:
    """
    Judge an event received at a moment.

    Required and not null are the five common fields and the subject's id. Any other documented field may be missing or
    null, and has its documented type if it is there; unknown fields may be anything.
    """
    if not isinstance(payload, dict):
        return Judged({}, None, None, None, {"event": ["An event is a JSON object."]})
    name = said(payload, "event")
    kind = known.get(name) if name else None
    fields = {field: [problem] for field, problem in problems(payload, kind)}
    occurred_at = None if "dt" in fields else parse_rfc3339(payload["dt"].strip())
    if occurred_at and not EARLIEST <= occurred_at <= received_at + AHEAD_AT_MOST:
        fields["dt"] = ["Must be from 2000-01-01 to 24 hours after it is received."]
    return Judged(payload, name, kind, occurred_at, fields)


def problems(payload: Payload, kind: EventType | None) -> list[tuple[str, str]]:
    """(field, what is wrong) for each wrong field."""
    found = [(field, required(payload.get(field), check)) for field, check in COMMON.items()]
    if kind:
        subject = kind.subject_field
        found.append((subject, required(payload.get(subject), kind.fields[subject])))
        found += [
            (field, check(payload[field]))
            for field, check in kind.fields.items()
            if field != subject and payload.get(field) is not None
        ]
    return [(field, problem) for field, problem in found if problem]


def required(value: Any, check: Check) -> str | None:
    """What is wrong with a value that must be there; text that is only white space is not there."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return "This field is required."
    return check(value)


def said(payload: Payload, field: str) -> str | None:
    """A text field without white space around it; None if it is missing, null, empty or no text."""
    value = payload.get(field)
    return (value.strip() or None) if isinstance(value, str) else None


def named_resource(payload: Payload) -> tuple[str, int] | None:
    """(type, id at the source) of the resource that an incident's event names; None unless it names both."""
    kind, identity = said(payload, "resource_type"), payload.get("resource_id")
    return (kind, identity) if kind and isinstance(identity, int) else None
