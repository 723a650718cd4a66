"""
Examples for the API's document: one for every body and every answer, put together from what a field of a name looks
like, so that they tell one story throughout. Each is valid by the very schema that it stands beside.

Not here: the examples of events (timeline.openapi).
"""

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

NOON = "2026-05-13T12:00:00.000Z"
INCIDENT = "550e8400-e29b-41d4-a716-446655440000"
ALICE = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
EVENT = "event-6f1c2d3e-4b5a-5c7d-8e9f-0a1b2c3d4e5f"

# JSON's words for kinds of values, and what texts of a format look like.
KINDS = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
}
SHAPES = {"uuid": "^[0-9a-f]{8}-[0-9a-f-]{27}$", "date-time": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T.*Z$"}

# A field's name → what it may look like; the first that its schema lets pass is taken.
FIELDS: dict[str, list[Any]] = {
    "id": [84, EVENT, INCIDENT],
    "number": [84],
    "title": ["Shop is down"],
    "status": ["open", "up", "applied", "delivered", "accepted"],
    "severity": ["critical"],
    "type": ["timeout", "status", "monitor", "user", "better_stack"],
    "error_message": ["Connection timeout after 30000ms"],
    "affected_regions": [["eu-central-1"]],
    "affected_monitor_ids": [[789]],
    "monitor_id": [789],
    "incident_id": [INCIDENT, 201],
    "integration_id": [12],
    "endpoint_id": [5],
    "incident_group_id": [31],
    "heartbeat_id": [101],
    "started_at": [NOON],
    "updated_at": ["2026-05-13T12:06:00.000Z"],
    "acknowledged_at": ["2026-05-13T12:06:00.000Z"],
    "resolved_at": [None],
    "closed_at": [None],
    "destroyed_at": [None],
    "deactivated_at": [None],
    "disabled_at": [None],
    "disabled_reason": [None],
    "failing_since": [None],
    "expires_at": [None],
    "due_at": [None],
    "late_by": [None],
    "why": [None],
    "corrected": [None],
    "error": [None],
    "next_cursor": ["WyItaWQiLDg0XQ"],
    "limit": [20],
    "name": ["Shop"],
    "email": ["alice@example.com"],
    "user_id": [ALICE],
    "user_email": ["alice@example.com"],
    "user_name": ["Alice Johnson"],
    "assignee_id": [ALICE],
    "action": ["acknowledged", "comment_added"],
    "message": ["Incident acknowledged"],
    "note": ["The switch is being replaced."],
    "reason": ["Told by telephone."],
    "description": ["Pager of the night shift"],
    "old_value": ["open"],
    "new_value": ["acknowledged"],
    "field": [None],
    "created_at": [NOON],
    "occurred_at": [NOON],
    "dt_as_sent": ["2026-05-14T12:00:00.000Z"],
    "recorded_at": [NOON],
    "organization_id": ["org_123"],
    "team_id": ["team_456"],
    "url": ["https://www.example.com"],
    "period": [86400, "30d"],
    "grace": [3600],
    "event": ["incident.acknowledged"],
    "event_types": [["incident.started", "incident.resolved"]],
    "webhook_id": ["msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"],
    "secret": ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="],
    "prefix": ["wk_5f2c9a1b"],
    "scopes": [["read", "write"]],
    "role": ["responder"],
    "headers": [{"content-type": "application/json", "user-agent": "Better Stack"}],
    "body": ['{"dt": "2026-05-13T12:00:00.000Z", "event": "incident.started"}'],
    "body_encoding": ["utf-8"],
    "payload": [{"dt": NOON, "event": "incident.acknowledged", "incident_id": 201}],
    "response": ["ok"],
    "status_code": [200],
    "tries": [1],
    "uptime": [99.95],
    "up": [2590704.0],
    "down": [1296.0],
    "paused": [0.0],
    "pending": [0.0],
    "incidents": [3],
    "messages": [12],
    "mean_seconds_to_acknowledge": [180.0],
    "mean_seconds_to_resolve": [432.0],
    "since": ["2026-05-13T00:00:00.000Z"],
    "until": ["2026-05-14T00:00:00.000Z"],
    "success": [True],
    "provisional": [False],
    "hidden": [False],
    "late": [False],
    "effect": ["applied"],
    "live_incidents": [0],
    "status_inferred": [False],
    "enabled": [True],
    "active": [True],
    "signed": [False],
    "ids": [[INCIDENT]],
    "ignored": [["resource_id"]],
}
# Components whose fields do not all go together.
WHOLE: dict[str, Any] = {
    "BulkAcknowledgeBodyRequest": {"ids": [INCIDENT], "action": "acknowledge", "note": "The switch is being replaced."},
    "CorrectionBodyRequest": {"occurred_at": "2026-05-13T11:58:00.000Z", "reason": "The clock of the sensor was late."},
    "HidingBodyRequest": {"ids": [EVENT], "hidden": True, "reason": "A false alarm."},
    "GroupingBodyRequest": {"name": "Provider outage"},
    "TargetBodyRequest": {"type": "user", "id": ALICE},
    "NoteBodyRequest": {"message": "The switch is being replaced."},
    "EntryBodyRequest": {
        "message": "The first customers called.",
        "occurred_at": "2026-05-13T11:58:00.000Z",
        "reason": "Told by telephone.",
    },
    "EndpointBodyRequest": {"url": "https://hooks.example.com/watchkeeper", "event_types": ["incident.started"]},
    "StatusBodyRequest": {"status": "acknowledged", "note": "I am looking at it."},
}
# Answers to one of several leave out what does not go with how it went.
LEFT_OUT = {"BulkAnswer": {"error"}, "HidingAnswer": {"error"}, "Answer": {"ignored"}, "AnswerInArray": {"error"}}

ERRORS: dict[str, Schema] = {
    "400": {
        "code": "VALIDATION_ERROR",
        "message": "Not valid: severity.",
        "details": {"fields": {"severity": ["Expected one of: critical, major, minor, warning."]}},
    },
    "401": {"code": "UNAUTHORIZED", "message": "A valid API key is required."},
    "403": {"code": "FORBIDDEN", "message": "This key does not have the scope write."},
    "404": {"code": "NOT_FOUND", "message": "Incident not found"},
    "409": {"code": "CONFLICT", "message": "It is deleted; only notes can be added."},
    "412": {"code": "PRECONDITION_FAILED", "message": "It has changed since: its ETag is another one. Read it again."},
    "413": {"code": "PAYLOAD_TOO_LARGE", "message": "A request body has at most 4 MiB."},
    "415": {
        "code": "UNSUPPORTED_MEDIA_TYPE",
        "message": "Send JSON, with the header Content-Type: application/json.",
    },
    "422": {
        "code": "VALIDATION_ERROR",
        "message": "Not valid: incident_id.",
        "details": {"fields": {"incident_id": ["Must be an integer."]}, "id": 84},
    },
    "429": {"code": "RATE_LIMITED", "message": "Too many requests. Try again in 7 s."},
    "500": {
        "code": "INTERNAL_ERROR",
        "message": "Something went wrong on our side.",
        "details": {"request_id": "edba052a23bca9c604e5b45cc64b8d6d"},
    },
    "503": {"code": "UNAVAILABLE", "message": "The database does not answer."},
}


def put_in(document: Schema) -> None:
    """Give each body and each answer of a document an example, where it has none."""
    for status, content in contents(document):
        if "example" in content:
            continue
        if status in ERRORS:
            content["example"] = {"success": False, "error": ERRORS[status]}
        else:
            content["example"] = Maker(document["components"]["schemas"]).example(content["schema"])


def contents(document: Schema) -> Iterator[tuple[str, Schema]]:
    """(status, or nothing for a request; what is sent as JSON) of every body and answer."""
    for path in [*document["paths"].values(), *document.get("webhooks", {}).values()]:
        for operation in path.values():
            parts = {"": operation.get("requestBody", {})} | operation["responses"]
            told = {status: part["content"]["application/json"] for status, part in parts.items() if "content" in part}
            yield from told.items()


class Maker:
    """Makes examples by schemas that may refer to components."""

    def __init__(self, components: Schema) -> None:
        self.components = components

    def example(self, schema: Schema, name: str = "") -> Any:
        """What something looks like that is called `name` and has a schema."""
        if "const" in schema:
            return schema["const"]
        if "example" in schema:
            return schema["example"]
        for each in FIELDS.get(name, []):
            if self.fits(schema, each):
                return each
        if "$ref" in schema:
            component = schema["$ref"].rpartition("/")[2]
            return WHOLE[component] if component in WHOLE else self.of_component(component, name)
        for word in ("oneOf", "anyOf", "allOf"):
            if word in schema and "properties" not in schema:
                return self.example(schema[word][0], name)
        return self.of_type(schema, name)

    def of_component(self, component: str, name: str) -> Any:
        """What a component looks like."""
        schema = self.components[component]
        left = LEFT_OUT.get(component, set())
        if left and "properties" in schema:
            kept = {field: each for field, each in schema["properties"].items() if field not in left}
            return self.example(schema | {"properties": kept}, name)
        return self.example(schema, name)

    def of_type(self, schema: Schema, name: str) -> Any:
        """What something of a type looks like of which no more is known."""
        kinds = schema.get("type", "object")
        kind = kinds if isinstance(kinds, str) else kinds[0]
        if "enum" in schema:
            return schema["enum"][0]
        if kind == "object":
            return {field: self.example(each, field) for field, each in schema.get("properties", {}).items()}
        if kind == "array":
            return [self.example(schema["items"], name.removesuffix("s"))]
        if schema.get("format") == "date-time":
            return NOON
        if schema.get("format") == "uuid":
            return INCIDENT
        plain: dict[str, Any] = {"string": "Text", "integer": schema.get("minimum", 1), "number": 1.0, "boolean": True}
        return plain.get(kind)

    def fits(self, schema: Schema, value: Any) -> bool:
        """Whether a value is of a schema's kind, as far as what stands in FIELDS can be told apart."""
        if "$ref" in schema:
            return self.fits(self.components[schema["$ref"].rpartition("/")[2]], value)
        for word in ("oneOf", "anyOf", "allOf"):
            if word in schema:
                return any(self.fits(each, value) for each in schema[word])
        if "enum" in schema or "const" in schema:
            return value in schema.get("enum", [schema.get("const")])
        kinds = schema.get("type", KINDS[type(value)])
        if KINDS[type(value)] not in ([kinds] if isinstance(kinds, str) else kinds):
            return False
        if isinstance(value, list):
            return all(self.fits(schema.get("items", {}), each) for each in value)
        shape = schema.get("pattern") or SHAPES.get(schema.get("format", ""), "")
        return not isinstance(value, str) or bool(re.search(shape, value))
