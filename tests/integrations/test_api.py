"""The list of deliveries, and one of them. Doors: tests/teams/test_api.py; the inbound door has tests of its own."""

import json
from base64 import b64decode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.errors import ApiError
from incidents.models import Incident
from integrations import applying, ingest
from integrations.models import InboundDelivery
from tests.conftest import NOON, an_event, make_integration, tell_it

RECEIVED = NOON.replace(hour=13)


def receive(integration, body, **headers):
    """What an integration sends, kept and not applied yet."""
    try:
        return ingest.receive_from(
            integration, body, {name.replace("_", "-"): text for name, text in headers.items()}, RECEIVED
        )
    except ApiError:
        return None


def the_delivery():
    return InboundDelivery.objects.get()


def shown(api, delivery=None):
    answer = api.get(f"/api/deliveries/{(delivery or the_delivery()).pk}")
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def listed(api, **asked):
    answer = api.get("/api/deliveries", asked)
    assert answer.status_code == 200, answer.content
    return [each["status"] for each in answer.json()["data"]["deliveries"]]


@pytest.fixture
def every_kind(integration):
    """Deliveries of each verdict but `duplicate`: applied, unrecognized, conflict, two quarantined, received."""
    event = an_event("incident.started")
    receive(integration, json.dumps(event).encode(), webhook_id="msg_1")
    applying.apply_due(RECEIVED)
    receive(integration, json.dumps(an_event("monitor.checked", monitor_id=1)).encode())
    receive(integration, json.dumps(event | {"message": "Other"}).encode(), webhook_id="msg_1")
    receive(integration, json.dumps(event | {"incident_id": "x"}).encode())
    receive(integration, b"\xff{nonsense")
    receive(integration, json.dumps(an_event("heartbeat.up")).encode())


def test_a_delivery_has_every_field_that_is_promised(api, integration):
    body = json.dumps(an_event("incident.started", message="Ünïcode")).encode()
    receive(integration, body, webhook_id="msg_1", content_type="application/json")
    applying.apply_due(RECEIVED.replace(minute=1))
    delivery = the_delivery()
    in_list = {
        "id": delivery.pk,
        "status": "applied",
        "event": "incident.started",
        "integration_id": integration.pk,
        "incident_id": str(Incident.objects.get().uuid),
        "webhook_id": "msg_1",
        "received_at": "2026-05-13T13:00:00.000Z",
        "applied_at": "2026-05-13T13:01:00.000Z",
        "waiting_until": None,
        "ignored": [],
        "size": None,
        "error": None,
    }
    whole = in_list | {
        "headers": {"webhook-id": "msg_1", "content-type": "application/json"},
        "body": body.decode(),
        "body_encoding": "utf-8",
    }
    assert shown(api) == whole
    assert api.get("/api/deliveries").json()["data"] == {
        "deliveries": [in_list],
        "pagination": {"limit": 20, "next_cursor": None},
    }


def test_a_delivery_that_is_not_of_an_incident_has_none(api, tell):
    tell(an_event("heartbeat.up"))
    assert (shown(api)["incident_id"], shown(api)["status"]) == (None, "applied")


def test_a_delivery_waits_until_it_is_applied(api, integration):
    receive(integration, json.dumps(an_event("incident.started")).encode())
    assert (shown(api)["status"], shown(api)["applied_at"], shown(api)["incident_id"]) == ("received", None, None)


def test_a_quarantined_delivery_says_why(api, integration):
    receive(integration, json.dumps(an_event("incident.started", incident_id="x")).encode())
    assert shown(api)["status"] == "quarantined"
    assert shown(api)["error"] == {
        "code": "VALIDATION_ERROR",
        "message": "Not valid: incident_id.",
        "details": {"fields": {"incident_id": ["Must be an integer."]}},
    }


@pytest.mark.parametrize("body", [b"\xff\xfe nonsense", b"\x00\xed\xa0\x80"])
def test_bytes_that_are_no_text_are_shown_in_base64(body, api, integration):
    receive(integration, body)
    assert shown(api)["body_encoding"] == "base64"
    assert b64decode(shown(api)["body"]) == body


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\x00\x01", '{"a": "\\u0000", "😀'.encode(), b"[" * 5000])
def test_text_that_is_no_json_is_shown_as_it_came(body, api, integration):
    receive(integration, body)
    assert shown(api)["body_encoding"] == "utf-8"
    assert shown(api)["body"].encode() == body
    assert shown(api)["error"]["code"] in ("MALFORMED_JSON", "UNSAFE_JSON")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["received", "quarantined", "quarantined", "conflict", "unrecognized", "applied"]),
        ({"status": "quarantined"}, ["quarantined", "quarantined"]),
        ({"status": "received"}, ["received"]),
        ({"status": "applied"}, ["applied"]),
        ({"status": "unrecognized,conflict"}, ["conflict", "unrecognized"]),
        ({"status": "duplicate"}, []),
        ({"integration_id": "9223372036854775807"}, []),
    ],
)
def test_deliveries_are_filtered(asked, found, every_kind, api):
    assert listed(api, **asked) == found


def test_deliveries_of_one_integration_are_asked_for_by_its_id(every_kind, api, team, integration):
    second = make_integration(team, "Second")
    tell_it(second, an_event("incident.started"))
    assert listed(api, integration_id=second.pk) == ["applied"]
    assert len(listed(api, integration_id=integration.pk)) == 6
    assert listed(api, integration_id=integration.pk, status="conflict") == ["conflict"]
    assert listed(api, integration_id=second.pk, status="conflict") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "accepted"),
        ("status", "applied,,received"),
        ("integration_id", "x"),
        ("integration_id", "-1"),
        ("integration_id", "9223372036854775808"),
        ("limit", "101"),
        ("cursor", "x"),
    ],
)
def test_a_bad_value_is_a_400_that_names_its_parameter(name, value, api):
    answer = api.get("/api/deliveries", {name: value})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert list(answer.json()["error"]["details"]["fields"]) == [name]


def test_the_list_is_paged_through_everything_once(every_kind, api):
    whole = [each["id"] for each in api.get("/api/deliveries").json()["data"]["deliveries"]]
    for limit in (1, 2, 5, 6, 7):
        found, more_of_it = [], {}
        while more_of_it is not None:
            data = api.get("/api/deliveries", {"limit": limit} | more_of_it).json()["data"]
            found += [each["id"] for each in data["deliveries"]]
            cursor = data["pagination"]["next_cursor"]
            more_of_it = {"cursor": cursor} if cursor else None
        assert found == whole


@pytest.mark.usefixtures("still")
def test_a_list_costs_as_many_queries_for_many_as_for_few_and_reads_no_bodies(api, integration):
    def queries():
        with CaptureQueriesContext(connection) as context:
            assert api.get("/api/deliveries?limit=100").status_code == 200
        assert not any('"integrations_inbounddelivery"."body"' in each["sql"] for each in context)
        return len(context)

    tell_it(integration, an_event("incident.started"))
    queries()
    few = queries()
    tell_it(integration, *(an_event("incident.started", incident_id=number) for number in range(20)))
    assert queries() == few


# --- integrations -----------------------------------------------------------------------------------------------------


def test_integrations_are_listed_without_their_secrets(api, integration, team, other_team):
    make_integration(other_team, "Theirs")
    shut = make_integration(team, "Old", type="other", deactivated_at=NOON, signing_secret_ciphertext=b"sealed")
    answer = api.get("/api/integrations")
    assert integration.token not in answer.content.decode()
    assert answer.json()["data"]["pagination"] == {"limit": 20, "next_cursor": None}
    first, second = answer.json()["data"]["integrations"]
    assert first == {
        "id": shut.pk,
        "name": "Old",
        "type": "other",
        "active": False,
        "signed": True,
        "created_at": first["created_at"],
        "deactivated_at": "2026-05-13T12:00:00.000Z",
    }
    assert (second["id"], second["type"], second["active"], second["signed"]) == (
        integration.pk,
        "better_stack",
        True,
        False,
    )
