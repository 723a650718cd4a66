"""Tests of integrations.at_once: the short way takes the common case in one statement, and nothing else."""

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.vault import seal
from integrations import at_once
from integrations.models import InboundDelivery
from teams.authentication import make_key
from teams.models import APIKey, Scope
from tests.conftest import NOON, an_event, make_integration, make_team

AT = NOON
BODY = json.dumps(an_event("incident.started")).encode()


def receive(integration, body=BODY, headers=None):
    return at_once.receive_by_token(integration.token, body, headers or {}, AT)


def test_the_common_case_is_kept_in_one_statement(integration):
    with CaptureQueriesContext(connection) as asked:
        answer = receive(integration, headers={"user-agent": "Vendor/1", "webhook-id": "msg_1"})
    assert len(asked) == 1
    [delivery] = InboundDelivery.objects.all()
    assert (answer.id, answer.status, answer.error) == (delivery.id, "accepted", None)
    assert bytes(delivery.body) == BODY
    assert (delivery.team_id, delivery.integration_id) == (integration.team_id, integration.pk)
    assert (delivery.status, delivery.event, delivery.is_event) == ("received", "incident.started", True)
    assert delivery.headers == {"user-agent": "Vendor/1", "webhook-id": "msg_1"}
    assert (delivery.received_at, delivery.webhook_id, delivery.attempts) == (AT, "msg_1", 0)


def test_it_keeps_what_the_long_way_keeps(integration, client):
    other = make_integration(integration.team, "Other")
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1", "user-agent": "Vendor/1"}
    sent = {"content_type": "application/json", "headers": headers}
    client.post(f"/api/webhooks/incident-log/{integration.token}", BODY, **sent)
    client.post(f"/api/webhooks/incident-log/{other.token}", b"[" + BODY + b"]", **sent)
    short, long = (InboundDelivery.objects.filter(integration=each).values().get() for each in (integration, other))
    differing = {"id", "integration_id", "received_at", "webhook_id", "webhook_digest"}
    assert {k: v for k, v in short.items() if k not in differing} == {
        k: v for k, v in long.items() if k not in differing
    }


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"[" + BODY + b"]",
        b'"text"',
        json.dumps(an_event("incident.started", incident_id=None)).encode(),
        json.dumps(an_event("monitor.checked")).encode(),
        json.dumps(an_event("incident.started", message="x" * 70_000)).encode(),
    ],
    ids=["broken", "empty array", "array", "text", "wrong fields", "unknown", "too large"],
)
def test_any_other_event_is_left_to_the_long_way(integration, body):
    assert receive(integration, body) is None
    assert not InboundDelivery.objects.exists()


def test_what_is_there_already_is_left_to_the_long_way(integration):
    assert receive(integration, headers={"webhook-id": "msg_1"})
    assert receive(integration) is None
    another = json.dumps(an_event("incident.resolved")).encode()
    assert receive(integration, another, headers={"webhook-id": "msg_1"}) is None
    assert InboundDelivery.objects.count() == 1


def test_a_shut_door_an_abandoned_team_and_a_signing_integration_are_left_to_the_long_way(team):
    shut = make_integration(team, "Shut", deactivated_at=timezone.now())
    signing = make_integration(team, "Signing", signing_secret_ciphertext=seal("whsec_x"))
    abandoned = make_team("Abandoned")
    abandoned.deactivated_at = timezone.now()
    abandoned.save()
    for each in (shut, signing, make_integration(abandoned)):
        assert receive(each) is None
    assert at_once.receive_by_token("whi_unknown", BODY, {}, AT) is None
    assert not InboundDelivery.objects.exists()


def test_a_key_takes_the_short_way_too_if_it_may_send(integration, user, ingest_key):
    key = APIKey.objects.get(ingest__integration=integration)
    answer = at_once.receive_by_key(key, BODY, {}, AT)
    assert (answer.status, InboundDelivery.objects.get().integration_id) == ("accepted", integration.pk)
    reader, _ = make_key(integration.team, user, "reader", [Scope.READ])
    unbound, _ = make_key(integration.team, user, "unbound", [Scope.INGEST])
    another = json.dumps(an_event("incident.resolved")).encode()
    for each in (reader, unbound):
        assert at_once.receive_by_key(each, another, {}, AT) is None


def test_both_ways_in_are_short_over_http(integration, ingest_key):
    client = Client()
    with CaptureQueriesContext(connection) as by_token:
        answer = client.post(f"/api/webhooks/incident-log/{integration.token}", BODY, "application/json")
    assert (answer.status_code, answer.json()["data"]["status"], len(by_token)) == (202, "accepted", 1)
    APIKey.objects.update(last_used_at=timezone.now())
    another = json.dumps(an_event("incident.resolved")).encode()
    with CaptureQueriesContext(connection) as by_key:
        answer = client.post(
            "/api/webhooks/incident-log", another, "application/json", headers={"X-API-Key": ingest_key}
        )
    assert (answer.status_code, answer.json()["data"]["status"], len(by_key)) == (202, "accepted", 2)
