"""
The vocabulary: every event of the incident log, its fields and its place among events of the same moment.

The one source of what an event may look like. What comes in, what a fact stores and what goes out are payloads of this
shape; `validate` judges the ones that strangers send. Pure: no database, no clock.

Source: the vendor's "Incident logs integration" document (19 event types); ours beyond it are marked.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from config.times import parse_rfc3339
from timeline.ranks import RANKS
from timeline.values import (
    Check,
    digest,
    identifier,
    party,
    reading,
    seconds,
    severity,
    targets,
    text,
    texts,
    time,
    truth,
)

MONITOR, HEARTBEAT, INCIDENT = "monitor", "heartbeat", "incident"
RESOURCES = (MONITOR, HEARTBEAT)
# What incidents are put into. It has no events of its own: its incidents' say who is in it.
INCIDENT_GROUP = "incident_group"

# Fixed bounds, never now(): what was good when it was written stays good.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
# What is further ahead of its receipt waits (integrations.waiting).
AHEAD_AT_MOST = timedelta(minutes=10)

Payload = dict[str, Any]

COMMON: dict[str, Check] = {"dt": time, "event": text, "message": text, "organization_id": party, "team_id": party}
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
        EventType("incident.ungrouped", acted, ours=True),
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
# Of an act on an incident that is mirrored there: whose incident it is.
INCIDENT_ORIGIN = "incident_origin"
# When somebody acted, where the act stands later: behind what a source told whose clock is ahead.
ACTED_AT = "acted_at"


@dataclass(frozen=True)
class IncidentOrigin:
    """Whose incident an act is about: the installation, and the ids that organization, team and incident have there."""

    installation: str
    organization_id: str
    team_id: str
    incident_id: int


def incident_origin(payload: Payload) -> IncidentOrigin | None:
    """Whose incident an event says that it is about; None where it says nothing sound of that."""
    told = payload[INCIDENT_ORIGIN] if isinstance(payload.get(INCIDENT_ORIGIN), dict) else {}
    installation, organization, team = (said(told, name) for name in ("installation", "organization_id", "team_id"))
    number: Any = told.get("incident_id")
    sound = installation and organization and team and identifier(number) is None
    return IncidentOrigin(installation or "", organization or "", team or "", number) if sound else None


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

    `payload`: the event as it is read: every documented field has its documented type, and those in `ignored`, which
    had a wrong one, are absent. `event`: its name, where it has one. `type`: None for a name we do not know.
    `occurred_at`: None where `dt` is wrong. `fields`: what is wrong, by field name, in the shape of the API's
    `details.fields`; empty for a sound event. `is_ahead`: it says that it occurs later than can be believed.
    """

    payload: Payload
    event: str | None
    type: EventType | None
    occurred_at: datetime | None
    fields: dict[str, list[str]]
    ignored: tuple[str, ...] = ()
    is_ahead: bool = False

    @property
    def believable_at(self) -> datetime:
        """From when on it is not ahead any more; what lies beyond all that can be kept is as if at its end."""
        assert self.occurred_at
        return min(self.occurred_at, LATEST) - AHEAD_AT_MOST


def validate(payload: Any, received_at: datetime, known: dict[str, EventType] = VENDOR_EVENTS) -> Judged:
    """
    Judge an event received at a moment.

    Required and not null are the five common fields and the subject's id. Any other documented field may be missing or
    null, and is ignored where it has a wrong type; unknown fields may be anything.
    """
    if not isinstance(payload, dict):
        return Judged({}, None, None, None, {"event": ["An event is a JSON object."]})
    name = said(payload, "event")
    kind = known.get(name) if name else None
    fields, meant, ignored = read_fields(payload, kind)
    occurred_at = None if "dt" in fields else parse_rfc3339(payload["dt"].strip())
    if occurred_at and occurred_at < EARLIEST:
        fields["dt"] = ["Must be from 2000-01-01 on."]
    if meant or ignored:
        payload = {field: value for field, value in payload.items() if field not in ignored} | meant
    is_ahead = occurred_at is not None and occurred_at > received_at + AHEAD_AT_MOST
    return Judged(payload, name, kind, occurred_at, fields, ignored, is_ahead)


def read_fields(
    payload: Payload, kind: EventType | None
) -> tuple[dict[str, list[str]], dict[str, Any], tuple[str, ...]]:
    """What is wrong with required fields, how values of other types are meant, and which optional ones are ignored."""
    wrong: dict[str, list[str]] = {}
    meant: dict[str, Any] = {}
    ignored: list[str] = []
    subject = kind.subject_field if kind else None
    checks = [*COMMON.items(), (subject, kind.fields[subject])] if kind and subject else COMMON.items()
    for field, check in checks:
        problem = required(payload.get(field), check)
        if problem and not take_as_meant(meant, payload, field, check):
            wrong[field] = [problem]
    for field, check in kind.fields.items() if kind else ():
        if field == subject or payload.get(field) is None or not check(payload[field]):
            continue
        if not take_as_meant(meant, payload, field, check):
            ignored.append(field)
    return wrong, meant, tuple(ignored)


def take_as_meant(meant: dict[str, Any], payload: Payload, field: str, check: Check) -> bool:
    """Whether a value that fails its check is meant as one that passes, which is noted then."""
    value = reading(payload.get(field), check)
    if value is not None:
        meant[field] = value
    return value is not None


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
