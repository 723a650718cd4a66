"""What the API says of itself: the document is sound and complete, and answers are as it says; the page shows it (see
tests/browser/test_api_docs.py too)."""

import json
import re
from datetime import timedelta
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern
from jsonschema import Draft202012Validator

from dashboard import api_urls
from incidents.api_bulk import ACTIONS
from incidents.lifecycle import ONLY_RECORDED
from incidents.models import Incident, IncidentGroup
from integrations.models import InboundDelivery
from monitors.models import NOTHING_CHECKS, Heartbeat, Monitor
from teams.models import Membership, Role
from tests.conftest import NOON, an_event
from tests.endpoints import make_attempt, make_endpoint, make_message
from timeline.outbound.lifecycle import disable

HIDDEN = {"/api/openapi.json", "/api/docs"}
# What is no address, and counted only.
WITH_A_SLASH = {"/api/webhooks/incident-log/", "/api/webhooks/incident-log/{token}/"}


@pytest.fixture
def document(client):
    return client.get("/api/openapi.json").json()


def operations(document):
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def answer_schema(document, method, path, status):
    """The JSON schema of an operation's answer, with the document's components."""
    answer = operations(document)[method, path]["responses"][str(status)]
    return {**answer["content"]["application/json"]["schema"], "components": document["components"]}


def conforms(document, method, path, answer):
    """Whether an answer is as the document says."""
    schema = answer_schema(document, method, path, answer.status_code)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(answer.json())
    return True


def test_the_document_is_sound_and_made_without_a_warning():
    written = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=written)
    assert json.loads(written.getvalue())["openapi"] == "3.1.0"


def test_the_document_is_open_to_everybody_and_as_the_command_writes_it(client):
    answer = client.get("/api/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    written = StringIO()
    call_command("spectacular", "--format", "openapi-json", stdout=written)
    assert answer.json() == json.loads(written.getvalue())


def test_every_path_of_the_api_is_described(document):
    routes = [each for each in api_urls.urlpatterns if isinstance(each, URLPattern)]
    paths = {"/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(each.pattern)) for each in routes}
    assert set(document["paths"]) == paths - HIDDEN - WITH_A_SLASH


def test_every_operation_says_what_it_is_and_what_can_happen(document):
    found = operations(document)
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    for (method, path), operation in found.items():
        assert operation["summary"] and operation["description"]
        opened_by_path = "{token}" in path
        assert operation["security"] == ([] if opened_by_path else [{"X-API-Key": []}, {"Bearer": []}])
        statuses = set(operation["responses"])
        assert {"400", "401", "500", "503"} <= statuses
        assert ("403" in statuses) is not opened_by_path
        assert ("404" in statuses) is ("{uuid}" in path or "{id}" in path)
        assert ("429" in statuses) is ("webhooks" not in path)
        assert ("413" in statuses) is (method in ("POST", "PUT", "DELETE"))
        assert ("409" in statuses) is (method != "GET" and "webhooks" not in path)
        assert ("422" in statuses) is ("webhooks" in path)
        for name in re.findall(r"{(\w+)}", path):
            [parameter] = [each for each in operation["parameters"] if each["name"] == name]
            assert (parameter["in"], parameter["required"]) == ("path", True)
            assert parameter["description"]


def test_every_answer_is_in_the_envelope(document):
    for (method, path), operation in operations(document).items():
        for status, answer in operation["responses"].items():
            if status == "304":
                assert "content" not in answer
                continue
            schema = answer["content"]["application/json"]["schema"]
            if status >= "400":
                assert schema == {"$ref": "#/components/schemas/Error"}, (method, path, status)
            else:
                assert schema["properties"]["success"]["const"] is True
                assert schema["required"] == ["success", "data"]


def test_what_changes_one_record_or_adds_to_it_says_its_etag_and_if_match(document):
    tagged = {"/api/incidents", "/api/monitors", "/api/heartbeats"}
    verbs = {"/status", "/reopen", "/escalate", "/group", "/ungroup", "/pause", "/unpause", ""}
    ones = {f"{path}/{{{name}}}{verb}" for path in tagged for name in ("uuid", "id") for verb in verbs}
    for (method, path), operation in operations(document).items():
        answers = [each for status, each in operation["responses"].items() if status in ("200", "201")]
        has_tag = any("ETag" in each.get("headers", {}) for each in answers) and "updates" not in path
        assert has_tag is (path in ones or (path in tagged and method == "POST")), (method, path)
        asks = "If-Match" in {each["name"] for each in operation.get("parameters", [])}
        adds = method == "POST" and path.startswith("/api/incidents/{uuid}/") and path not in ones
        assert asks is ("412" in operation["responses"]) is (adds or (path in ones and method != "GET")), (method, path)


def described(schema, components, where=""):
    """(where, field) of every field in a schema that no words stand beside."""
    if isinstance(schema, list):
        return [each for part in schema for each in described(part, components, where)]
    if not isinstance(schema, dict):
        return []
    fields = schema.get("properties", {})
    here = [(where, name) for name, field in fields.items() if isinstance(field, dict) and not field.get("description")]
    return here + [each for name, part in schema.items() for each in described(part, components, f"{where}/{name}")]


def test_every_field_parameter_and_tag_is_described(document):
    assert described({**document["components"]["schemas"]}, document["components"]["schemas"]) == []
    for (method, path), operation in operations(document).items():
        assert described(operation, document) == [], (method, path)
        assert [each["name"] for each in operation.get("parameters", []) if not each.get("description")] == [], path
        assert set(operation["tags"]) <= {each["name"] for each in document["tags"]}
    assert all(each["description"] for each in document["tags"])


def test_the_introduction_tells_what_holds_for_every_operation(document):
    words = document["info"]["description"]
    for heading in ("Keys", "Answers and errors", "Bodies", "Times", "Lists", "Changing what you saw", "Sending again"):
        assert f"\n## {heading}\n" in words
    for name in ("X-API-Key", "next_cursor", "destroyed=any", "If-Match", "Idempotency-Key", "Retry-After", "10,000"):
        assert name in words


def test_a_body_takes_no_other_fields(document):
    bodies = {name: each for name, each in document["components"]["schemas"].items() if name.endswith("BodyRequest")}
    assert len(bodies) > 10
    assert {each["additionalProperties"] for each in bodies.values()} == {False}


def test_what_is_done_to_several_takes_the_fields_that_its_action_takes_and_says_so(document):
    work = document["components"]["schemas"]["BulkWorkRequest"]
    assert operations(document)["POST", "/api/incidents/bulk"]["requestBody"]["content"]["application/json"][
        "schema"
    ] == {"$ref": "#/components/schemas/BulkWorkRequest"}
    assert work["discriminator"]["propertyName"] == "action"
    bodies = {
        action: document["components"]["schemas"][place.rpartition("/")[2]]
        for action, place in work["discriminator"]["mapping"].items()
    }
    assert list(bodies) == list(ACTIONS)
    takes = {}
    for action, body in bodies.items():
        assert body["properties"]["action"]["const"] == action
        takes[action] = {each: each in body["required"] for each in body["properties"] if each not in ("ids", "action")}
    assert takes == {
        **{move: {"note": False} for move in ("acknowledge", "resolve", "close", "reopen")},
        "escalate": {"targets": True},
        "group": {"incident_group_id": False, "name": False},
        "ungroup": {},
        "assign": {"assignee_id": True},
        "change_severity": {"severity": True},
        "comment": {"message": True},
        "delete": {},
    }


def test_both_ways_to_present_a_key_are_described(document):
    assert document["components"]["securitySchemes"] == {
        "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "Bearer": {"type": "http", "scheme": "bearer"},
    }


def test_objects_are_described_with_all_of_their_fields_required(document):
    for name in (
        "Incident",
        "Monitor",
        "Heartbeat",
        "WholeDelivery",
        "Update",
        "Note",
        "TimelineEvent",
        "Pagination",
        "Group",
        "Endpoint",
        "EndpointWithSecret",
        "WholeMessage",
        "Attempt",
    ):
        schema = document["components"]["schemas"][name]
        assert sorted(schema["required"]) == sorted(schema["properties"]), name


@pytest.fixture
def told(tell, team):
    """One record of each kind, with as much in it as it can have; of the outbound ones, the endpoint."""
    acted = {"user_email": "bob@example.com", "user_name": "Bob"}
    tell(
        an_event("incident.started", NOON, incident_cause="Timeout", regions=["eu"], escalation_policy_id=1),
        an_event("incident.acknowledged", NOON + timedelta(minutes=1), **acted),
        an_event("incident.acknowledged", NOON + timedelta(minutes=2), **acted),
        an_event("incident.escalated", NOON + timedelta(minutes=3), escalation_targets=[{"type": "user", "id": 1}]),
        an_event("incident.grouped", NOON + timedelta(minutes=4), incident_group_id=1),
        an_event("incident.started", NOON + timedelta(minutes=5), resource_type="other", incident_id=2, dt="x"),
        an_event("incident.started", NOON + timedelta(minutes=5), resource_type="other", incident_id=3),
        an_event("monitor.checked"),
        an_event("heartbeat.up"),
        an_event("monitor.down", monitor_type="status"),
    )
    endpoint = make_endpoint(team, description="Status page", event_types=["monitor.down"])
    make_attempt(make_message(endpoint, status="dead", ended_at=NOON, why="The answer was 404."), excerpt="?")
    disable(endpoint, at=NOON, why="It answered 410: it is gone.")
    return endpoint


def test_answers_are_as_the_document_says(document, api, user, told):
    Membership.objects.filter(user=user).update(role=Role.MANAGER)  # who may read everything
    incident = Incident.objects.get(source_id=201).uuid
    noted = api.post(f"/api/incidents/{incident}/updates", {"message": "Hm."}, content_type="application/json")
    assert conforms(document, "POST", "/api/incidents/{uuid}/updates", noted)
    ids = {"uuid": incident, "monitors": Monitor.objects.get().pk, "heartbeats": Heartbeat.objects.get().pk}
    ids["incident-groups"] = IncidentGroup.objects.get().pk
    ids["deliveries"] = InboundDelivery.objects.get(status="quarantined").pk
    ids |= {"endpoints": told.pk, "messages": told.messages.get().pk}
    for method, path in operations(document):
        if method == "GET":
            url = path.format(uuid=incident, id=ids.get(path.split("/")[2]))
            answer = api.get(url)
            assert answer.status_code == 200
            assert conforms(document, method, path, answer)
            assert conforms(document, method, path, Client().get(url))
            assert conforms(document, method, path, api.get(url + "?%00"))


def test_every_documented_parameter_is_looked_at_and_validated(document, api, user, told, team):
    Membership.objects.filter(user=user).update(role=Role.MANAGER)  # who may read everything
    incident = Incident.objects.get(source_id=201).uuid
    models = {"monitors": Monitor, "heartbeats": Heartbeat}
    ids = {kind: model.objects.create(team=team).pk for kind, model in models.items()}
    ids |= {"endpoints": told.pk, "messages": told.messages.get().pk}
    for (method, path), operation in operations(document).items():
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query" and parameter["name"] not in ("q", "resource_type"):
                answer = api.get(path.format(uuid=incident, id=ids.get(path.split("/")[2])), {parameter["name"]: "~"})
                assert list(answer.json()["error"]["details"]["fields"]) == [parameter["name"]]
                assert conforms(document, method, path, answer)


def test_the_door_answers_as_the_document_says(document, client, integration, ingest_key, api):
    by_key = "/api/webhooks/incident-log"
    by_token = by_key + "/{token}"

    def send(body, **headers):
        return client.post(by_key, body, content_type="application/json", headers={"X-API-Key": ingest_key} | headers)

    event = json.dumps(an_event("incident.started"))
    assert conforms(document, "POST", by_key, first := send(event))
    assert first.status_code == 202
    assert conforms(document, "POST", by_key, again := send(event))
    assert again.status_code == 200
    mixed = [an_event("heartbeat.up"), an_event("heartbeat.up", heartbeat_id="x"), json.loads(event)]
    assert conforms(document, "POST", by_key, array := send(json.dumps(mixed)))
    assert [each["status"] for each in array.json()["data"]] == ["accepted", "quarantined", "duplicate"]
    for body, status in (("{", 400), ("{}", 422), ("[]", 422), ('"' + "x" * 70_000 + '"', 413), ("x" * 2**23, 413)):
        assert conforms(document, "POST", by_key, refused := send(body))
        assert refused.status_code == status
    assert conforms(document, "POST", by_key, client.post(by_key, event, content_type="application/json"))
    assert conforms(document, "POST", by_key, api.post(by_key, event, content_type="application/json"))
    for token, status in ((integration.token, 200), ("wrong", 401)):
        answer = client.post(f"{by_key}/{token}", event, content_type="application/json")
        assert conforms(document, "POST", by_token, answer)
        assert answer.status_code == status


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_loads_nothing_from_elsewhere_and_has_no_script_or_style_in_it(client):
    page = client.get("/api/docs")
    assert page.status_code == 200
    text = page.content.decode()
    leads_to = {"/", "#reference"}  # the pages, and further down
    loaded = [each for each in re.findall(r'(?:src|href|data-document)="([^"]*)"', text) if each not in leads_to]
    assert len(loaded) >= 6
    for address in loaded:
        assert (urlsplit(address).netloc, address[0]) == ("", "/")
        assert address == "/api/openapi.json" or finders.find(address.removeprefix("/static/")), address
    assert "<style" not in text
    assert " style=" not in text
    assert re.search(r"<script(?![^>]* src=)", text) is None


def test_the_page_tells_the_first_ten_minutes_with_the_address_at_hand(client):
    text = client.get("/api/docs", headers={"Host": "localhost:8123"}).content.decode()
    assert "export API=http://localhost:8123/api<" in text
    assert text.count("data-step") >= 7
    assert text.index("The first ten minutes") < text.index('id="swagger-ui"')


def test_only_get_is_answered_and_in_the_envelope(client):
    for path in HIDDEN:
        answer = client.post(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")


def test_it_says_that_escalating_notifies_nobody_and_that_nothing_is_checked_yet(document):
    described = {each["operationId"]: each.get("description", "") for each in operations(document).values()}
    assert all(ONLY_RECORDED in described[name] for name in ("escalate_incident", "work_on_incidents"))
    own = ("create_monitor", "create_heartbeat", "unpause_monitor", "unpause_heartbeat")
    assert all(NOTHING_CHECKS in described[name] for name in own)
