"""Monitors and heartbeats in Django admin."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.models import Incident
from integrations.models import Integration
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event, make_team
from timeline.models import TimelineEvent

MONITORS, HEARTBEATS = "/admin/monitors/monitor/", "/admin/monitors/heartbeat/"


@pytest.fixture
def monitor(tell):
    tell(an_event("monitor.created"), an_event("incident.started"), an_event("heartbeat.up"))
    return Monitor.objects.get()


@pytest.mark.parametrize(("address", "model"), [(MONITORS, Monitor), (HEARTBEATS, Heartbeat)])
def test_what_a_resource_is_like_cannot_be_written(staff, monitor, address, model):
    resource = model.objects.get()
    before = model.objects.values().get()
    assert staff.post(f"{address}add/", {"name": "New"}).status_code == 403
    assert staff.post(f"{address}{resource.pk}/change/", {"status": "up", "name": "x"}).status_code == 403
    assert model.objects.values().get() == before


@pytest.mark.parametrize(("address", "model"), [(MONITORS, Monitor), (HEARTBEATS, Heartbeat)])
def test_deleting_a_resource_leaves_a_tombstone_and_its_history(staff, operator, monitor, address, model):
    resource = model.objects.get()
    facts = TimelineEvent.objects.count()
    asked = staff.get(f"{address}{resource.pk}/delete/").content.decode()
    assert "marked as deleted by a fact in its history" in asked
    staff.post(f"{address}{resource.pk}/delete/", {"post": "yes"})
    resource.refresh_from_db()
    assert resource.destroyed_at is not None
    fact = TimelineEvent.objects.latest("id")
    assert (TimelineEvent.objects.count(), fact.event, fact.user) == (facts + 1, f"{resource.kind}.destroyed", operator)
    assert staff.post(f"{address}{resource.pk}/delete/", {"post": "yes"}).status_code == 403
    assert "deletelink" not in staff.get(f"{address}{resource.pk}/change/").content.decode()


def test_deleting_selected_monitors_leaves_tombstones_too(staff, tell):
    tell(*(an_event("monitor.created", monitor_id=number) for number in range(3)))
    chosen = {"action": "delete_selected", "_selected_action": [each.pk for each in Monitor.objects.all()]}
    assert "Delete 3 monitors?" in staff.post(MONITORS, chosen).content.decode()
    assert not Monitor.objects.exclude(destroyed_at=None).exists()
    for _ in range(2):
        staff.post(MONITORS, chosen | {"post": "yes"})
    assert Monitor.objects.exclude(destroyed_at=None).count() == 3
    assert TimelineEvent.objects.filter(event="monitor.destroyed").count() == 3


def test_a_monitors_page_shows_its_incidents_and_its_chronology(staff, monitor):
    incident = Incident.objects.get()
    page = staff.get(f"{MONITORS}{monitor.pk}/change/").content.decode()
    assert f'<a href="/admin/incidents/incident/{incident.pk}/change/">' in page
    assert f"/admin/timeline/timelineevent/?in=monitor-{monitor.pk}" in page
    assert f"/admin/incidents/incident/?of=monitor-{monitor.pk}" in page
    assert 'Down</span> <span class="quiet">inferred' in page
    assert "https://www.example.com" in page


def test_monitors_are_found_by_name_id_state_team_and_integration(staff, monitor, tell):
    tell(an_event("monitor.created", monitor_id=1, monitor_name="Another"))
    other = Monitor.objects.exclude(pk=monitor.pk).get()
    integration = Integration.objects.get()

    def shown(query):
        return [each.pk for each in staff.get(f"{MONITORS}?{query}").context["cl"].result_list]

    assert shown("q=my+web") == [monitor.pk]
    assert shown(f"q={other.pk}") == [other.pk]
    assert shown("status__exact=down") == [monitor.pk]
    assert shown(f"integration_id={integration.pk}") == [other.pk, monitor.pk]
    assert shown(f"team__id__exact={integration.team_id}") == [other.pk, monitor.pk]
    assert shown(f"team__id__exact={make_team('Elsewhere').pk}") == []
    assert shown("destroyed=yes") == []


@pytest.mark.parametrize(("address", "event"), [(MONITORS, "monitor.created"), (HEARTBEATS, "heartbeat.created")])
def test_a_list_costs_the_same_for_one_row_and_for_thirty(staff, tell, address, event):
    kind = event.partition(".")[0]
    tell(an_event(event))
    with CaptureQueriesContext(connection) as one:
        staff.get(address)
    tell(*(an_event(event, NOON, **{f"{kind}_id": number}) for number in range(30)))
    with CaptureQueriesContext(connection) as thirty:
        staff.get(address)
    assert len(thirty) == len(one)


def test_a_monitors_page_costs_the_same_for_one_incident_and_for_thirty(staff, monitor, tell):
    address = f"{MONITORS}{monitor.pk}/change/"
    with CaptureQueriesContext(connection) as one:
        staff.get(address)
    tell(*(an_event("incident.started", incident_id=number) for number in range(30)))
    with CaptureQueriesContext(connection) as thirty:
        staff.get(address)
    assert len(thirty) == len(one)
