"""Declaring incidents by hand."""

from datetime import timedelta

import pytest

from config.errors import Conflict, ValidationFailed
from incidents import lifecycle, updates
from incidents.declaring import declare
from incidents.models import Incident, Severity, Type
from monitors import lifecycle as monitors
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event
from tests.incidents.conftest import a_declaration
from timeline.events import validate
from timeline.models import TimelineEvent


def made(team, user, name, at=NOON - timedelta(days=1)):
    return monitors.create(Monitor, team, by=user, at=at, name=name, url="https://x.example", type="status")


def test_a_declared_incident_is_open_and_has_what_was_said(team, user):
    said = a_declaration(title="Checkout is slow", severity=Severity.CRITICAL, affected_regions=["eu", "us"])
    incident = declare(team, said, by=user, at=NOON)
    assert (incident.status, incident.severity, incident.type) == ("open", "critical", "timeout")
    assert (incident.title, incident.error_message) == ("Checkout is slow", "Timeout after 30 s")
    assert (incident.affected_regions, incident.started_at, incident.created_at) == (["eu", "us"], NOON, NOON)
    assert (incident.is_native, incident.is_live, incident.provisional) == (True, True, False)
    fact = TimelineEvent.objects.get()
    assert (fact.event, fact.user, fact.occurred_at, fact.recorded_at) == ("incident.started", user, NOON, NOON)
    assert fact.payload["message"] == ('Incident "Checkout is slow" declared by alice@example.com — Timeout after 30 s')
    assert (judged := validate(fact.payload, NOON)).fields == {} and not judged.ignored
    [update] = updates.updates(incident, 10).rows
    assert (update["action"], update["message"]) == ("created", "Incident created: Timeout after 30 s")
    assert update["user_email"] == "alice@example.com"


def test_without_a_title_it_is_called_by_its_cause(team, user):
    assert declare(team, a_declaration(error_message="x" * 1000), by=user, at=NOON).title == "x" * 255


def test_one_declared_after_the_fact_began_then_and_was_recorded_now(team, user, shop):
    began = NOON - timedelta(hours=3)
    incident = declare(team, a_declaration(started_at=began, resource=shop), by=user, at=NOON)
    fact = TimelineEvent.objects.get(event="incident.started")
    assert (incident.started_at, incident.updated_at) == (began, began)
    assert (fact.occurred_at, fact.recorded_at, fact.late_seconds) == (began, NOON, 3 * 3600)
    shop.refresh_from_db()
    assert (shop.status, shop.status_since, shop.status_inferred) == ("down", began, True)
    lifecycle.acknowledge(incident, by=user, at=NOON)
    assert incident.acknowledged_at == NOON


@pytest.mark.parametrize("years", [-30, 1])
def test_a_time_that_cannot_be_is_refused(team, user, years):
    with pytest.raises(ValidationFailed) as refused:
        declare(team, a_declaration(started_at=NOON.replace(year=NOON.year + years)), by=user, at=NOON)
    assert list(refused.value.fields) == ["started_at"]
    assert not Incident.objects.exists()


def test_it_is_about_the_monitor_named_or_else_the_first_affected_one_and_names_all(team, user, shop):
    till, mail = made(team, user, "Till"), made(team, user, "Mail")
    first = declare(team, a_declaration(affected=[till, shop]), by=user, at=NOON)
    assert (first.resource_id, first.resource_name) == (till.pk, "Till")
    second = declare(team, a_declaration(resource=mail, affected=[till, mail, shop]), by=user, at=NOON)
    assert (second.resource_type, second.resource_id) == ("monitor", mail.pk)
    fact = TimelineEvent.objects.get(subject_id=second.pk, subject_kind="incident")
    assert fact.payload["affected_monitors"] == [
        {"type": "monitor", "id": each.pk, "name": each.name} for each in (mail, till, shop)
    ]
    assert ', affecting "Mail", "Till" and "Shop" — ' in fact.payload["message"]
    for each in (shop, till, mail):
        each.refresh_from_db()
    assert [each.status for each in (shop, till, mail)] == ["pending", "down", "down"]


def test_a_sentence_does_not_name_more_than_people_read(team, user):
    affected = [made(team, user, f"No. {n}") for n in range(7)]
    declare(team, a_declaration(affected=affected), by=user, at=NOON)
    message = TimelineEvent.objects.get(event="incident.started").payload["message"]
    assert 'affecting "No. 0", "No. 1", "No. 2", "No. 3", "No. 4" and 2 more — ' in message


def test_a_second_live_one_of_a_native_monitor_is_refused_with_the_first_one_s_id(team, user, shop):
    first = declare(team, a_declaration(resource=shop), by=user, at=NOON)
    with pytest.raises(Conflict) as refused:
        declare(team, a_declaration(resource=shop), by=user, at=NOON)
    assert refused.value.details == {"incident_id": str(first.uuid), "number": first.number}
    assert f'Incident {first.number}, "Timeout after 30 s", of this monitor is live already.' == refused.value.message
    assert Incident.objects.count() == 1
    lifecycle.resolve(first, by=user, at=NOON)
    declare(team, a_declaration(resource=shop), by=user, at=NOON)


def test_a_mirrored_monitor_can_have_several(team, user, tell):
    tell(an_event("monitor.created"), an_event("incident.started"))
    mirrored = Monitor.objects.get()
    for _ in range(2):
        declare(team, a_declaration(resource=mirrored), by=user, at=NOON)
    mirrored.refresh_from_db()
    assert mirrored.live_incidents == 3


def test_one_of_a_heartbeat_can_be_declared_too(team, user):
    backup = monitors.create(Heartbeat, team, by=user, at=NOON, name="Backup", period=60, grace=60)
    incident = declare(team, a_declaration(resource=backup), by=user, at=NOON)
    assert (incident.resource_type, incident.resource_id) == ("heartbeat", backup.pk)


def test_none_is_declared_of_a_deleted_monitor(team, user, shop):
    monitors.destroy(shop, by=user, at=NOON)
    for how, name in (({"resource": shop}, "monitor_id"), ({"affected": [shop]}, "affected_monitor_ids")):
        with pytest.raises(ValidationFailed) as refused:
            declare(team, a_declaration(**how), by=user, at=NOON)
        assert refused.value.fields == {name: ["This monitor was deleted."]}


def test_the_system_can_declare_one(team, shop):
    incident = declare(team, a_declaration(resource=shop), by=None, at=NOON)
    fact = TimelineEvent.objects.get(subject_id=incident.pk, subject_kind="incident")
    assert (fact.user, fact.user_email) == (None, None)
    assert fact.payload["message"] == 'Incident "Timeout after 30 s" started, affecting "Shop" — Timeout after 30 s'


def test_a_declared_one_is_of_the_type_and_severity_said(team, user):
    for kind in Type:
        assert declare(team, a_declaration(type=kind), by=user, at=NOON).type == kind
