"""Incidents in Django admin."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.models import Incident
from monitors.models import Monitor
from tests.conftest import NOON, an_event
from timeline.models import TimelineEvent

LIST = "/admin/incidents/incident/"


@pytest.fixture
def incident(tell):
    tell(an_event("monitor.created"), an_event("incident.started", incident_cause="Connection <i>refused</i>\nby peer"))
    return Incident.objects.get()


def shown(client, query=""):
    return [each.pk for each in client.get(f"{LIST}?{query}").context["cl"].result_list]


def test_nothing_in_admin_writes_what_the_fold_keeps(staff, incident):
    before = Incident.objects.defer("search").values().get()
    form = {"status": "resolved", "title": "x", "severity": "minor", "is_live": ""}
    assert staff.post(f"{LIST}{incident.pk}/change/", form).status_code == 403
    assert staff.post(f"{LIST}{incident.pk}/change/", form | {"_saveasnew": "1"}).status_code == 403
    assert staff.post(f"{LIST}add/", form).status_code == 403
    assert Incident.objects.values().get() == before


def test_an_incidents_page_shows_its_timeline_its_resource_and_its_source(staff, incident):
    page = staff.get(f"{LIST}{incident.pk}/change/").content.decode()
    fact = TimelineEvent.objects.get(event="incident.started")
    assert f'<a href="/admin/timeline/timelineevent/{fact.pk}/change/">' in page
    assert f"/admin/timeline/timelineevent/?about=incident-{incident.pk}" in page
    assert f'<a href="/admin/monitors/monitor/{incident.resource_id}/change/">' in page
    assert f'<a href="/admin/integrations/integration/{incident.integration_id}/change/">' in page
    assert "Connection &lt;i&gt;refused&lt;/i&gt;\nby peer" in page


def test_the_timeline_beside_an_incident_is_bounded(staff, incident, tell):
    tell(
        *(an_event("incident.acknowledged", NOON.replace(microsecond=n * 1000), message=f"No. {n}") for n in range(120))
    )
    page = staff.get(f"{LIST}{incident.pk}/change/").content.decode()
    assert page.count("incident.acknowledged</td>") == 100
    assert "No. 119" in page and "No. 19<" not in page


def test_deleting_an_incident_is_a_fact_and_leaves_its_history(staff, operator, incident):
    asked = staff.get(f"{LIST}{incident.pk}/delete/").content.decode()
    assert "marked as deleted by a fact in its history" in asked and "can&#x27;t be taken back" in asked
    answer = staff.post(f"{LIST}{incident.pk}/delete/", {"post": "yes"})
    assert answer.headers["Location"] == LIST
    incident.refresh_from_db()
    assert (incident.status, incident.is_live, incident.destroyed_at is not None) == ("open", False, True)
    assert list(TimelineEvent.objects.filter(subject_kind="incident").order_by("id").values_list("event", "user")) == [
        ("incident.started", None),
        ("incident.destroyed", operator.pk),
    ]
    assert Monitor.objects.get().status == "up"
    assert staff.post(f"{LIST}{incident.pk}/delete/", {"post": "yes"}).status_code == 403


def test_deleting_selected_incidents_does_each_of_them_once(staff, incident, tell):
    tell(an_event("incident.started", incident_id=2), an_event("incident.destroyed", incident_id=2))
    chosen = {"action": "delete_selected", "_selected_action": [each.pk for each in Incident.objects.all()]}
    asked = staff.post(LIST, chosen).content.decode()
    assert "Delete 1 incident?" in asked
    staff.post(LIST, chosen | {"post": "yes"})
    assert TimelineEvent.objects.filter(event="incident.destroyed").count() == 2
    assert not Incident.objects.filter(destroyed_at=None).exists()


def test_incidents_are_found_by_words_number_id_and_filters(staff, incident, tell):
    tell(an_event("incident.started", incident_id=2, incident_name="Checkout’s queue", resource_id=5))
    other = Incident.objects.exclude(pk=incident.pk).get()
    assert shown(staff, "q=check+que") == [other.pk]
    assert shown(staff, f"q={incident.pk}") == [incident.pk]
    assert shown(staff, f"q={incident.uuid}") == [incident.pk]
    assert shown(staff, "q=%26+%7C+!+:*") == []
    assert shown(staff, "status__exact=open&is_live__exact=1") == [other.pk, incident.pk]
    assert shown(staff, "status__exact=closed") == []
    assert shown(staff, f"of=monitor-{incident.resource_id}") == [incident.pk]
    assert shown(staff, f"integration_id={incident.integration_id}") == [other.pk, incident.pk]
    assert shown(staff, "destroyed=yes") == []


def test_long_titles_are_cut_in_the_list_and_times_are_shown(staff, tell):
    tell(an_event("incident.started", incident_name="x" * 5000))
    page = staff.get(LIST).content.decode()
    assert "x" * 60 in page and "x" * 100 not in page.replace(f"action - {'x' * 5000}", "")
    assert '<time datetime="2026-05-13T12:00:00.000Z"' in page


def test_a_list_costs_the_same_for_one_row_and_for_thirty(staff, tell):
    tell(an_event("incident.started"))
    for query in ("", "q=my", "status__exact=open"):
        with CaptureQueriesContext(connection) as one:
            staff.get(f"{LIST}?{query}")
        tell(*(an_event("incident.started", incident_id=1000 * len(query) + n) for n in range(30)))
        with CaptureQueriesContext(connection) as thirty:
            staff.get(f"{LIST}?{query}")
        assert len(thirty) == len(one)


def test_admin_sees_the_incidents_of_all_teams(staff, incident, other_team):
    assert shown(staff) == [incident.pk]
    assert shown(staff, f"team__id__exact={other_team.pk}") == []
