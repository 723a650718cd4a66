"""
The incident log in the API's document: every event as a component of its own, and the webhooks that we send.

Their fields are those of timeline.events, the one source; here are the words for them, and an example of each. Not
here: what the door answers (integrations.serializers), how messages are signed and tried again (docs/record.md).
"""

from collections.abc import Callable
from typing import Any

from config.numbers import LARGEST_ID
from timeline.events import COMMON, EVENTS, EventType
from timeline.outbound.shapes import TEST
from timeline.values import (
    LONGEST_SPAN,
    SEVERITIES,
    digest,
    identifier,
    party,
    seconds,
    severity,
    targets,
    text,
    texts,
    time,
    truth,
)

Schema = dict[str, Any]

LOG, OTHER = "LogEvent", "OtherEvent"

ID: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}
TARGET: Schema = {
    "type": "object",
    "description": "One to whom it was escalated.",
    "properties": {
        "type": {"type": ["string", "null"], "description": "`user` or `team`."},
        "id": {**ID, "type": ["integer", "null"], "description": "The user's or team's id in the log."},
        "name": {"type": ["string", "null"], "description": "What the user or team is called."},
    },
}
# What a field's check lets pass, as JSON Schema has it.
SHAPES: dict[Callable[[Any], str | None], Schema] = {
    text: {"type": "string"},
    party: {"type": "string"},
    identifier: ID,
    texts: {"type": "array", "items": {"type": "string"}},
    targets: {"type": "array", "items": TARGET},
    severity: {"type": "string", "enum": list(SEVERITIES)},
    seconds: {"type": "integer", "minimum": 0, "maximum": LONGEST_SPAN},
    truth: {"type": "boolean"},
    digest: {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    time: {"type": "string", "format": "date-time"},
}

# Field → what it says, and an example.
FIELDS: dict[str, tuple[str, Any]] = {
    "dt": ("When it happened: RFC 3339.", "2026-05-13T12:00:00.000Z"),
    "event": ("Which event it is.", None),
    "message": ("What happened, in a sentence. It is shown, and never parsed.", None),
    "organization_id": ("The sender's organization.", "org_123"),
    "team_id": ("The sender's team.", "team_456"),
    "monitor_id": ("The monitor's id.", 789),
    "monitor_url": ("Where it looks.", "https://www.example.com"),
    "monitor_name": ("What the monitor is called.", "My Website"),
    "monitor_type": ("What is looked at there.", "status"),
    "cause": ("What was found wrong.", "Connection refused"),
    "regions": ("From where it was seen.", ["us-east-1", "eu-central-1"]),
    "heartbeat_id": ("The heartbeat's id.", 101),
    "heartbeat_name": ("What the heartbeat is called.", "Daily Backup"),
    "heartbeat_period": ("It has to report once in so many seconds.", 86400),
    "heartbeat_grace": ("By how many seconds a report may be late.", 3600),
    "incident_id": ("The incident's id: its `number` here.", 201),
    "incident_name": ("What the incident is called.", "My Website is Down"),
    "incident_cause": ("What went wrong.", "Connection refused"),
    "resource_type": ("What it is about: `monitor`, `heartbeat`, or another word.", "monitor"),
    "resource_id": ("The id of what it is about.", 789),
    "resource_name": ("What that is called.", "My Website"),
    "escalation_policy_id": ("The escalation policy that it runs.", 111),
    "user_email": ("The e-mail address of who acted; null for the system.", "alice@example.com"),
    "user_name": ("The name of who acted.", "Alice Johnson"),
    "integration_name": ("The integration that acted, where one did.", None),
    "integration_type": ("That integration's type.", None),
    "escalation_targets": ("To whom it was escalated.", [{"type": "user", "id": 123, "name": "Bob Smith"}]),
    "incident_group_id": ("The group's id.", 999),
    "comment": ("The words of the note.", "The switch was replaced."),
    "reason": ("Why it was added or corrected after the fact.", "Told by telephone."),
    "severity": ("How bad it is from then on.", "critical"),
    "assignee_id": ("The id of who has it; null for nobody.", 123),
    "assignee_email": ("The e-mail address of who has it.", "bob@example.com"),
    "assignee_name": ("The name of who has it.", "Bob Smith"),
    "title": ("What it is called from then on.", "Checkout is down"),
    "error_message": ("What went wrong, as is known now.", "Connection timeout after 30000ms"),
    "affected_regions": ("Where it is felt.", ["eu-central-1"]),
    "corrects": ("The identity of the fact that is corrected.", "0123456789abcdef" * 4),
    "occurred_at": ("When that occurred.", "2026-05-13T11:58:00.000Z"),
    "text": ("How that reads.", "The first customers called."),
    "hidden": ("Whether that is left out.", False),
    "old_status": ("The incident's status before the correction.", "open"),
    "new_status": ("Its status since.", "resolved"),
    "changes": ("What of the incident is another since.", ["status"]),
}

# What each event tells.
TELLS = {
    "created": "was created",
    "destroyed": "was deleted",
    "down": "is down",
    "up": "is up",
    "paused": "was paused",
    "unpaused": "was unpaused",
    "verifying_recovery": "answers again, and is watched before it counts as up",
    "updated": "was changed: its fields are as they are from then on",
    "started": "began",
    "acknowledged": "was acknowledged",
    "reopened": "was reopened",
    "resolved": "was resolved",
    "closed": "was closed",
    "escalated": "was escalated",
    "grouped": "was put into a group",
    "ungrouped": "was taken out of its group",
    "commented": "was commented on",
    "severity_changed": "is worse, or not as bad, as was said",
    "assigned": "was given to somebody, or to nobody",
    "corrected": "had something of its history corrected",
}


def component_of(event: str) -> str:
    """The name of an event's component: `incident.started` is `IncidentStartedEvent`."""
    return "".join(word.capitalize() for word in event.replace(".", "_").split("_")) + "Event"


def components() -> dict[str, Schema]:
    """The components of all events, of the log's 19 together, and of any other event."""
    known = {component_of(name): schema_of(kind) for name, kind in EVENTS.items()}
    log = [name for name, kind in EVENTS.items() if not kind.ours]
    mapping = {name: reference(component_of(name)) for name in log}
    together: Schema = {
        "description": f"One of the {len(log)} events of the incident log.",
        "oneOf": [{"$ref": each} for each in mapping.values()],
        "discriminator": {"propertyName": "event", "mapping": mapping},
    }
    return known | {component_of(TEST): test_event(), LOG: together, OTHER: other_event()}


def reference(component: str) -> str:
    """The address of a component."""
    return f"#/components/schemas/{component}"


def schema_of(kind: EventType) -> Schema:
    """An event's schema, with an example."""
    needed = [*COMMON, kind.subject_field]
    fields = {name: field_of(name, check, name in needed) for name, check in (COMMON | kind.fields).items()}
    ours = " Beyond the log's 19, for endpoints with `further`." if kind.ours else ""
    words = f"The {kind.subject} {TELLS.get(kind.action, 'changed')}.{ours} Further fields may come with it."
    return {
        "type": "object",
        "description": words,
        "required": needed,
        "properties": fields | {"event": {"type": "string", "const": kind.name, "description": FIELDS["event"][0]}},
        "example": example_of(kind),
    }


def field_of(name: str, check: Callable[[Any], str | None], needed: bool) -> Schema:
    """A field's schema. What is not needed may be missing or null."""
    shape = dict(SHAPES[check])
    if not needed:
        shape |= {"type": [shape["type"], "null"]} | ({"enum": [*shape["enum"], None]} if "enum" in shape else {})
    return shape | {"description": FIELDS[name][0] if name in FIELDS else name.replace("_", " ").capitalize() + "."}


def example_of(kind: EventType) -> Schema:
    """An event as it comes and goes."""
    said = {name: FIELDS[name][1] if name in FIELDS else None for name in COMMON | kind.fields}
    named = said.get(f"{kind.subject}_name")
    sentence = f'{kind.subject.capitalize()} "{named}" {kind.action.replace("_", " ")}'
    return said | {"event": kind.name, "message": sentence}


def test_event() -> Schema:
    """What an endpoint is sent to try it."""
    fields = {name: field_of(name, check, True) for name, check in COMMON.items()}
    said = {name: FIELDS[name][1] for name in COMMON}
    return {
        "type": "object",
        "description": "Nothing happened: somebody tries whether the endpoint takes messages.",
        "required": list(COMMON),
        "properties": fields | {"event": {"type": "string", "const": TEST, "description": FIELDS["event"][0]}},
        "example": said | {"event": TEST, "message": "This is a test"},
    }


def other_event() -> Schema:
    """An event that the log may have one day; it is kept, and applied by a version that knows it."""
    fields = {name: field_of(name, check, True) for name, check in COMMON.items()}
    said = {name: FIELDS[name][1] for name in COMMON}
    return {
        "type": "object",
        "description": "An event of a name that is not known yet: kept as `unrecognized`.",
        "required": list(COMMON),
        "properties": fields,
        "example": said | {"event": "monitor.checked", "message": 'Monitor "My Website" checked'},
    }


# --- what we send -----------------------------------------------------------------------------------------------------

SIGNED = {
    "webhook-id": ("The message's id: the same whenever it is sent again.", "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"),
    "webhook-timestamp": ("When it was sent, in seconds since 1970.", "1778673600"),
    "webhook-signature": (
        "`v1,` and the signature after the Standard Webhooks specification; two while a secret is being rotated.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
}
ANSWERS: Schema = {
    "2XX": {"description": "Taken. Anything else is tried again."},
    "410": {"description": "The endpoint is gone, and is disabled."},
    "4XX": {"description": "Given up at once, but for 408, 409, 425 and 429."},
}


def webhooks() -> dict[str, Schema]:
    """Each event that we send, as OpenAPI describes webhooks."""
    return {name: {"post": sent(name)} for name in [*EVENTS, TEST]}


def sent(event: str) -> Schema:
    """The request by which we tell of an event."""
    subject, _, action = event.partition(".")
    schema = {"$ref": reference(component_of(event))}
    return {
        "operationId": f"send_{event.replace('.', '_')}",
        "summary": f"{subject.capitalize()} {action.replace('_', ' ')}",
        "description": "Sent to every endpoint that takes this event.",
        "tags": ["events"],
        "security": [],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": words,
                "schema": {"type": "string"},
                "example": shown,
            }
            for name, (words, shown) in SIGNED.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": ANSWERS,
    }
