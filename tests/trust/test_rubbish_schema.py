"""
The API against its own OpenAPI document: requests made up from it, as it says and as it does not say, and every answer
is one that it describes.

What is sent by hand stands in tests/corpus/rubbish; what the document should say, in tests/dashboard/test_schema.py.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response, openapi
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from dashboard.schema import document
from incidents.grouping import make_group
from incidents.models import Incident
from integrations.models import InboundDelivery
from monitors.lifecycle import create
from monitors.models import Heartbeat, Monitor
from teams.models import Membership, Role
from tests.conftest import NOON, an_event
from tests.endpoints import make_endpoint, make_message
from tests.trust.conftest import FULL

EXAMPLES = 100 if FULL else 10
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


DOOR = "/api/webhooks/"


def is_unsaid(response: Response, case: Case) -> bool:
    """
    Whether the document can't say if a request is right: text is trimmed before it is looked at, blank parameters count
    as not given, 5.0 is no whole number to us and one to JSON Schema, events are judged by the door, one by one.
    """
    asked = parse_qsl(urlsplit(response.request.url).query, keep_blank_values=True)
    texts = [value for _, value in asked] + [text for text in bodily(case.body) if isinstance(text, str)]
    fractions = any(isinstance(value, float) and value.is_integer() for value in bodily(case.body))
    return case.path.startswith(DOOR) or fractions or any(not text or text != text.strip() for text in texts)


def bodily(body: Any) -> list[Any]:
    """The values in a body, at any depth."""
    inner = list(body.values()) if isinstance(body, dict) else body if isinstance(body, list) else []
    return [*inner, *(value for each in inner for value in bodily(each))]


# What the document can't say of a body: which records there are, and what time it is.
OF_THE_RECORD = {
    "affected_monitor_ids", "assignee_id", "event_types", "incident_group_id", "monitor_id", "name", "occurred_at",
    "since", "started_at", "targets", "until", "url",
}  # fmt: skip


def is_judged_by_the_record(response: Response, case: Case) -> bool:
    """Whether a body was refused for what the document can't say, or its status for the one that there is."""
    if response.status_code == 412:
        return True
    details = response.json()["error"].get("details", {}) if response.status_code == 400 else {}
    return "validTransitions" in details or ("fields" in details and set(details["fields"]) <= OF_THE_RECORD)


def what_is_right_is_taken(context: CheckContext, response: Response, case: Case) -> bool | None:
    """A request that is as the document says is accepted; but what a cursor may be, it can't say."""
    if "cursor" in (case.query or {}) or is_unsaid(response, case) or is_judged_by_the_record(response, case):
        return None
    return positive_data_acceptance(context, response, case)


def what_is_wrong_is_refused(context: CheckContext, response: Response, case: Case) -> bool | None:
    """One that is not as the document says is refused."""
    return None if is_unsaid(response, case) else negative_data_rejection(context, response, case)


CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
    what_is_right_is_taken,
    what_is_wrong_is_refused,
]

# Keys are right in all requests but those of a test of its own; and NUL in text is refused whatever a document says.
GENERATION = GenerationConfig(with_security_parameters=False, allow_x00=False)
CONFIG = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=GENERATION)))
OPERATIONS = [found.ok() for found in openapi.from_dict(json.loads(document()), config=CONFIG).get_all_operations()]


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Between requests the server lets go of its database connection; that of a test has to stay."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def there_is(tell, integration, team, user) -> dict[str, dict[str, Any]]:
    """What paths can name: path's beginning → its parameters. Alice manages the team, so that she may do all of it."""
    Membership.objects.filter(user=user).update(role=Role.MANAGER)
    tell(an_event("incident.started"), an_event("heartbeat.up"), an_event("incident.started", incident_id="x"))
    monitor = create(Monitor, team, by=user, at=NOON, name="Shop", url="https://shop.example", type="status")
    heartbeat = create(Heartbeat, team, by=user, at=NOON, name="Backup", period=60, grace=0)
    endpoint = make_endpoint(team)
    return {
        "/api/incidents/": {"uuid": str(Incident.objects.get().uuid)},
        "/api/incident-groups/": {"id": make_group(team, "Outage", at=NOON).pk},
        "/api/monitors/": {"id": monitor.pk},
        "/api/heartbeats/": {"id": heartbeat.pk},
        "/api/deliveries/": {"id": InboundDelivery.objects.latest("id").pk},
        "/api/endpoints/": {"id": endpoint.pk},
        "/api/messages/": {"id": make_message(endpoint).pk},
        DOOR: {"token": integration.token},
    }


def requests(operation: Any, mode: GenerationMode, there_is: dict[str, dict[str, Any]]) -> st.SearchStrategy[Case]:
    """Made-up requests of an operation: on what is there and, where it names something, on what is not."""
    known = next((names for path, names in there_is.items() if operation.path.startswith(path)), None)
    made_up = operation.as_strategy(generation_mode=mode)
    if known is None or "{" not in operation.path:
        return made_up
    return st.one_of(made_up, operation.as_strategy(generation_mode=mode, path_parameters=known))


def key_for(operation: Any, api_key: str, ingest_key: str) -> dict[str, str]:
    """The header with the key that opens an operation. Schemathesis opens no gzip of an application in its process."""
    plain = {"Accept-Encoding": "identity"}
    if "{token}" in operation.path:
        return plain
    return plain | {"X-API-Key": ingest_key if operation.path.startswith(DOOR) else api_key}


# What asks for nothing can't be asked for wrongly.
ASKED = [(each, POSITIVE) for each in OPERATIONS]
ASKED += [(each, NEGATIVE) for each in OPERATIONS if each.label != "GET /api/me"]


@pytest.mark.parametrize(
    ("operation", "mode"),
    ASKED,
    ids=[f"{each.label}-{'as-it-says' if mode is POSITIVE else 'as-it-does-not'}" for each, mode in ASKED],
)
def test_every_answer_is_one_that_the_document_describes(operation, mode, there_is, api_key, ingest_key):
    headers = key_for(operation, api_key, ingest_key)

    @given(case=requests(operation, mode, there_is))
    @settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    def ask(case: Case) -> None:
        case.validate_response(case.call(app=application, headers=headers), checks=CHECKS)

    ask()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_without_a_key_every_operation_answers_as_the_document_describes(operation, there_is):
    @given(case=operation.as_strategy())
    @settings(max_examples=3, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    def ask(case: Case) -> None:
        answer = case.call(app=application, headers={"X-API-Key": "wk_wrong"})
        assert answer.status_code == 401
        case.validate_response(answer, checks=CHECKS[:6])

    ask()
