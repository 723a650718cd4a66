from datetime import timedelta

import pytest

from integrations.incident_log import SourceRecord, hear, link, named_record
from tests.conftest import NOON, an_event
from timeline.events import EVENTS, VENDOR_EVENTS, validate

IDENTITY = b"\7" * 32


def heard(integration, event):
    return hear(validate(event, NOON), IDENTITY, integration.pk)


def record(integration, kind, identity, organization="org_123", team="team_456"):
    return SourceRecord(integration.pk, organization, team, kind, identity)


@pytest.mark.parametrize("name", VENDOR_EVENTS)
def test_every_event_is_about_the_record_that_its_name_says(integration, name):
    one = heard(integration, an_event(name))
    kind = name.partition(".")[0]
    assert one.subject == record(integration, kind, {"monitor": 789, "heartbeat": 101, "incident": 201}[kind])
    assert one.named == (record(integration, "monitor", 789) if kind == "incident" else None)
    assert one.records == [each for each in (one.subject, one.named) if each]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"resource_type": "heartbeat", "resource_id": 0}, ("heartbeat", 0)),
        ({"resource_type": " monitor "}, ("monitor", 789)),
        ({"resource_type": "Monitor"}, None),
        ({"resource_type": "server"}, None),
        ({"resource_type": "incident", "resource_id": 201}, None),
        ({"resource_id": None}, None),
        ({"resource_type": None}, None),
        ({"resource_type": "x" * 60_000}, None),
    ],
)
def test_a_resource_has_a_record_if_its_type_is_one_that_we_watch(integration, fields, named):
    found = named_record(integration.pk, an_event("incident.started", **fields))
    assert found == (record(integration, *named) if named else None)


def test_a_monitor_s_event_names_nothing_by_the_way(integration):
    event = an_event("monitor.down", resource_type="heartbeat", resource_id=5)
    assert heard(integration, event).named is None


def test_organization_and_team_are_read_without_white_space(integration):
    one = heard(integration, an_event("monitor.down", organization_id=" org_123 ", team_id="\tteam_456"))
    assert one.subject.key == record(integration, "monitor", 789).key


def test_the_fact_is_the_event_about_our_records(integration):
    event = an_event("incident.acknowledged", user_email=" a@example.com ", user_name="", more=[1])
    one = heard(integration, event)
    ids = {one.subject.key: 5, one.named.key: 8}
    fact = one.fact(ids, NOON + timedelta(minutes=3))
    assert (fact.event, fact.occurred_at, fact.recorded_at) == (event["event"], NOON, NOON + timedelta(minutes=3))
    assert (fact.rank, fact.identity) == (EVENTS["incident.acknowledged"].rank, IDENTITY)
    assert (fact.subject, fact.named) == (("incident", 5), ("monitor", 8))
    assert (fact.user_email, fact.user_name) == ("a@example.com", None)
    assert fact.payload == event
    assert not fact.native


def test_a_link_is_our_id_under_the_vendor_s_key(integration):
    one = record(integration, "monitor", 789)
    assert link(one, {one.key: 3}) == ("monitor", 3)
