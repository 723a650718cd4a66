"""Monitors and heartbeats in Django admin."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.models import Incident
from integrations.models import Integration
from monitors.lifecycle import create
from monitors.models import NOTHING_CHECKS, Heartbeat, Monitor
from tests.conftest import NOON, an_event, make_team, make_user
from tests.incidents.test_resources import live_about
from tests.monitors.conftest import BACKUP, SHOP
from timeline.models import TimelineEvent

MONITORS, HEARTBEATS = "/admin/monitors/monitor/", "/admin/monitors/heartbeat/"


@pytest.fixture
def monitor(tell):
    tell(an_event("monitor.created"), an_event("incident.started"), an_event("heartbeat.up"))
    return Monitor.objects.get()


BOTH = pytest.mark.parametrize("which", ["shop", "backup"])
ADDRESSES = {"monitor": MONITORS, "heartbeat": HEARTBEATS}


def page_of(resource):
    return f"{ADDRESSES[resource.kind]}{resource.pk}/change/"


def latest():
    return TimelineEvent.objects.latest("id")


# --- the team's own -------------------------------------------------------------------------------------------


def test_a_monitor_is_added_to_a_team(staff, operator, team):
    asked = staff.get(f"{MONITORS}add/").content.decode()
    assert 'name="url"' in asked and 'name="status"' not in asked and NOTHING_CHECKS in asked
    said = {"team": team.pk, "name": "Shop", "url": "https://shop.example", "type": "keyword"}
    assert staff.post(f"{MONITORS}add/", said).status_code == 302
    monitor = Monitor.objects.get()
    assert (monitor.team, monitor.name, monitor.url, monitor.type) == (team, "Shop", "https://shop.example", "keyword")
    assert (monitor.status, monitor.provisional) == ("pending", False)
    assert (latest().event, latest().user) == ("monitor.created", operator)
    assert LogEntry.objects.get().object_id == str(monitor.pk)


def test_a_heartbeat_is_added_with_times_as_people_write_them(staff, team):
    said = {"team": team.pk, "name": "Backup", "period": "1 h 30 min", "grace": "0"}
    assert staff.post(f"{HEARTBEATS}add/", said).status_code == 302
    assert Heartbeat.objects.values_list("period", "grace").get() == (5_400, 0)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (MONITORS, {}),
        (MONITORS, SHOP | {"url": "ftp://shop.example"}),
        (MONITORS, SHOP | {"type": "http"}),
        (MONITORS, SHOP | {"name": "x" * 256}),
        (HEARTBEATS, BACKUP | {"period": "soon"}),
        (HEARTBEATS, BACKUP | {"period": "1 s"}),
        (HEARTBEATS, BACKUP | {"grace": "366 d"}),
    ],
)
def test_what_cannot_be_is_said_on_the_form(address, said, staff, team):
    answer = staff.post(f"{address}add/", {"team": team.pk, **said})
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert not TimelineEvent.objects.exists()


@BOTH
def test_one_of_a_teams_own_is_edited_by_its_verb(which, request, staff, operator):
    resource = request.getfixturevalue(which)
    asked = staff.get(page_of(resource)).content.decode()
    assert f'value="{resource.name}"' in asked
    said = {"name": "Other", "url": "https://other.example", "type": "tls", "period": "2 d", "grace": "1 min"}
    assert staff.post(page_of(resource), said).status_code == 302
    resource.refresh_from_db()
    assert resource.name == "Other"
    assert (latest().event, latest().user) == (f"{resource.kind}.updated", operator)
    facts = TimelineEvent.objects.count()
    assert staff.post(page_of(resource), said).status_code == 302
    assert TimelineEvent.objects.count() == facts


@BOTH
def test_its_page_and_its_list_pause_and_unpause_it(which, request, staff, operator):
    resource = request.getfixturevalue(which)
    address = ADDRESSES[resource.kind]
    for action, status in (("pause", "paused"), ("unpause", "pending")):
        assert f'name="action" value="{action}"' in staff.get(page_of(resource)).content.decode()
        for _ in range(2):
            staff.post(address, {"action": action, "_selected_action": [resource.pk]})
        resource.refresh_from_db()
        assert resource.status == status
        assert (latest().event, latest().user) == (f"{resource.kind}.{action}d", operator)
    assert TimelineEvent.objects.count() == 3


@BOTH
def test_deleting_one_leaves_a_tombstone_and_its_history(which, request, staff, operator):
    resource = request.getfixturevalue(which)
    address = f"{ADDRESSES[resource.kind]}{resource.pk}/delete/"
    assert "marked as deleted by a fact in its history" in staff.get(address).content.decode()
    staff.post(address, {"post": "yes"})
    resource.refresh_from_db()
    assert resource.destroyed_at is not None
    assert (TimelineEvent.objects.count(), latest().event, latest().user) == (2, f"{resource.kind}.destroyed", operator)
    assert staff.post(address, {"post": "yes"}).status_code == 403
    page = staff.get(page_of(resource)).content.decode()
    assert "deletelink" not in page and 'name="_save"' not in page and 'value="pause"' not in page


def test_deleting_one_resolves_what_is_live_about_it(staff, operator, shop):
    live_about(shop, operator)
    staff.post(f"{MONITORS}{shop.pk}/delete/", {"post": "yes"})
    shop.refresh_from_db()
    assert (shop.live_incidents, shop.destroyed_at is None) == (0, False)
    assert Incident.objects.get().status == "resolved"


def test_deleting_selected_monitors_leaves_tombstones_too(staff, team, operator):
    own = [create(Monitor, team, by=operator, at=NOON, **SHOP) for _ in range(3)]
    chosen = {"action": "delete_selected", "_selected_action": [each.pk for each in own]}
    assert "Delete 3 monitors?" in staff.post(MONITORS, chosen).content.decode()
    assert not Monitor.objects.exclude(destroyed_at=None).exists()
    for _ in range(2):
        staff.post(MONITORS, chosen | {"post": "yes"})
    assert Monitor.objects.exclude(destroyed_at=None).count() == 3
    assert TimelineEvent.objects.filter(event="monitor.destroyed").count() == 3


def test_an_operator_needs_the_permission_for_each(client, shop):
    olaf = make_user("olaf@example.com", is_staff=True)
    olaf.user_permissions.add(Permission.objects.get(codename="view_monitor"))
    client.force_login(olaf)
    assert client.get(page_of(shop)).status_code == 200
    assert client.post(page_of(shop), SHOP | {"name": "New"}).status_code == 403
    assert client.get(f"{MONITORS}add/").status_code == 403
    client.post(MONITORS, {"action": "pause", "_selected_action": [shop.pk]})
    assert client.post(f"{MONITORS}{shop.pk}/delete/", {"post": "yes"}).status_code == 403
    assert TimelineEvent.objects.count() == 1


# --- mirrored ones --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "model"), [(MONITORS, Monitor), (HEARTBEATS, Heartbeat)])
def test_a_mirrored_one_cannot_be_changed(staff, monitor, address, model):
    resource, facts = model.objects.get(), TimelineEvent.objects.count()
    before = model.objects.values().get()
    assert staff.post(page_of(resource), {"status": "up", "name": "x"}).status_code == 403
    assert staff.post(f"{address}{resource.pk}/delete/", {"post": "yes"}).status_code == 403
    for action in ("pause", "unpause", "delete_selected"):
        answer = staff.post(address, {"action": action, "_selected_action": [resource.pk], "post": "yes"}, follow=True)
        assert action == "delete_selected" or "is mirrored from Better Stack" in answer.content.decode()
    page = staff.get(page_of(resource)).content.decode()
    assert 'name="_save"' not in page and 'value="pause"' not in page and "deletelink" not in page
    assert NOTHING_CHECKS not in page
    assert model.objects.values().get() == before
    assert TimelineEvent.objects.count() == facts


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
