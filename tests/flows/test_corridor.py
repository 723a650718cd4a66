"""
The first corridor, from end to end: what a vendor sends over HTTP is what staff and the API read.
"""

import json
import random

import pytest
from django.test import Client

from config import clock
from incidents.models import Incident
from integrations import applying
from integrations.models import InboundDelivery
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event, make_integration
from timeline.events import VENDOR_EVENTS
from timeline.models import TimelineEvent

RECEIVED = NOON.replace(hour=13)


def everything(integration):
    """All that is shown of what an integration told, without ids and arrival."""
    incidents = Incident.objects.filter(integration_id=integration.pk).order_by("source_id")
    ours = ("id", "uuid", "created_at", "resource_id")
    columns = [f.name for f in Incident._meta.concrete_fields if f.name not in ours]
    facts = TimelineEvent.objects.filter(integration_id=integration.pk).order_by("occurred_at", "rank", "identity")
    resources = [
        row
        for model in (Monitor, Heartbeat)
        for row in model.objects.filter(integration_id=integration.pk)
        .order_by("source_id")
        .values("name", "status", "status_inferred", "live_incidents")
    ]
    return (
        list(incidents.values(*columns)),
        list(facts.values("event", "effect", "why", "entries", "hold", "presses")),
        resources,
    )


def post(client, path, event):
    return client.post(path, json.dumps(event), content_type="application/json")


def test_all_19_events_are_accepted_applied_and_shown(client: Client, integration):
    minutes = range(len(VENDOR_EVENTS))
    events = [an_event(name, NOON.replace(minute=minute)) for name, minute in zip(VENDOR_EVENTS, minutes, strict=True)]
    with clock.at(RECEIVED):
        for event in events:
            answer = post(client, f"/api/webhooks/incident-log/{integration.token}", event)
            assert answer.status_code == 202, answer.content
            assert answer.json()["data"]["status"] == "accepted"
    assert applying.apply_due(RECEIVED) == 19
    assert InboundDelivery.objects.filter(status="applied").count() == 19
    assert TimelineEvent.objects.count() == 19
    incident = Incident.objects.get()
    assert (incident.title, incident.status) == ("My Website is Down", "resolved")
    assert incident.destroyed_at is not None


@pytest.mark.parametrize("seed", range(5))
def test_any_order_with_repeats_in_any_batches_shows_the_same(client: Client, team, seed):
    chance = random.Random(seed)
    events = [an_event(name, NOON.replace(minute=chance.randrange(10))) for name in VENDOR_EVENTS]
    shown = []
    for name in ("in order", "shuffled"):
        integration = make_integration(team, name)
        sent = events if name == "in order" else chance.sample(events + chance.sample(events, 6), 25)
        for event in sent:
            with clock.at(RECEIVED):
                assert post(client, f"/api/webhooks/incident-log/{integration.token}", event).status_code in (200, 202)
            if chance.random() < 0.3:
                applying.apply_due(RECEIVED)
        while applying.apply_due(RECEIVED):
            pass
        shown.append(everything(integration))
    assert [without_keys(part) for part in shown[0]] == [without_keys(part) for part in shown[1]]


def without_keys(rows):
    """Rows without what differs between integrations."""
    return [{k: v for k, v in row.items() if k not in ("source_key", "integration", "integration_id")} for row in rows]


def test_a_key_bound_to_the_integration_opens_the_same_door(client: Client, integration, ingest_key):
    event = an_event("incident.started", incident_cause="Connection refused")
    with clock.at(RECEIVED):
        answer = client.post(
            "/api/webhooks/incident-log",
            json.dumps(event),
            content_type="text/plain",
            headers={"x-api-key": ingest_key},
        )
        again = post(client, f"/api/webhooks/incident-log/{integration.token}", event)
    assert answer.status_code == 202
    assert (again.status_code, again.json()["data"]["status"]) == (200, "duplicate")
    assert again.json()["data"]["id"] == answer.json()["data"]["id"]
