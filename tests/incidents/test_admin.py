"""Incidents in Django admin."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.declaring import declare
from incidents.grouping import group, incidents_of
from incidents.lifecycle import ONLY_RECORDED
from incidents.models import Incident, IncidentGroup
from monitors.models import Monitor
from tests.conftest import NOON, an_event, make_user
from tests.incidents.conftest import a_declaration
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
    assert "This field is required." in staff.post(f"{LIST}1/change/", form | {"_saveasnew": "1"}).content.decode()
    assert "This field is required." in staff.post(f"{LIST}add/", form).content.decode()
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


# --- working on incidents ---------------------------------------------------------------------------------------------


def told_to(client, action, *incidents, **typed):
    """The answer to an action on incidents; with what was typed in its form, if it has one."""
    chosen = {"action": action, "_selected_action": [each.pk for each in incidents]}
    return client.post(LIST, chosen | ({"post": "yes"} | typed if typed else {}), follow=True)


def said(answer):
    return [str(message) for message in answer.context["messages"]]


def events():
    found = TimelineEvent.objects.filter(subject_kind="incident").order_by("occurred_at", "id")
    return [each.removeprefix("incident.") for each in found.values_list("event", flat=True)]


def test_moves_are_tools_and_actions_with_the_same_history(staff, operator, incident):
    page = staff.get(f"{LIST}{incident.pk}/change/").content.decode()
    assert all(f'name="action" value="{verb}"' in page for verb in ("acknowledge", "resolve", "escalate", "assign"))
    assert 'name="action" value="close"' not in page and 'name="action" value="reopen"' not in page
    assert said(told_to(staff, "acknowledge", incident)) == ["1 acknowledged."]
    assert said(told_to(staff, "acknowledge", incident)) == ["0 acknowledged. Nothing to do for 1."]
    told_to(staff, "close", incident)
    [refusal] = said(told_to(staff, "resolve", incident))[1:]
    assert refusal.startswith("My Website is Down: It is closed; it can only be reopened. Olga Operator closed it at")
    told_to(staff, "reopen", incident)
    assert events() == ["started", "acknowledged", "closed", "reopened"]
    assert TimelineEvent.objects.filter(user=operator).count() == 3
    history = staff.get(f"{LIST}{incident.pk}/history/").content.decode()
    assert "Acknowledged." in history and "Reopened." in history


@pytest.mark.parametrize(
    ("action", "typed", "event"),
    [
        ("escalate", {"people": "", "note": "Help."}, "escalated"),
        ("escalate", {"people": "ALICE@example.com , alice@example.com"}, "escalated"),
        ("assign", {"assignee": "alice@example.com"}, "assigned"),
        ("change_severity", {"severity": "critical"}, "severity_changed"),
        ("edit", {"title": "Shop", "affected_regions": "eu , us"}, "updated"),
        ("group", {"name": "Outage"}, "grouped"),
        ("comment", {"message": "Looked at it."}, "commented"),
        (
            "add_entry",
            {"message": "It flickered.", "occurred_at": "2026-05-13T11:00", "reason": "Forgotten."},
            "commented",
        ),
    ],
)
def test_what_needs_to_be_told_more_is_asked_first(staff, operator, user, incident, action, typed, event):
    asked = told_to(staff, action, incident).content.decode()
    assert all(f'name="{name}"' in asked for name in typed) and "recorded here only" in asked
    assert events() == ["started"]
    answer = told_to(staff, action, incident, **typed)
    assert said(answer)[0].startswith("1 ")
    assert event in events()
    assert TimelineEvent.objects.filter(event=f"incident.{event}", user=operator).exists()


def test_an_operator_who_escalates_is_told_before_and_after_that_nobody_is_notified(staff, incident):
    assert ONLY_RECORDED in told_to(staff, "escalate", incident).content.decode()
    assert said(told_to(staff, "escalate", incident, people="")) == ["1 escalated.", ONLY_RECORDED]
    assert ONLY_RECORDED not in told_to(staff, "assign", incident).content.decode()


@pytest.mark.parametrize(
    ("action", "typed", "wrong"),
    [
        ("escalate", {"people": "nobody@example.com"}, "nobody@example.com is no active member of the team."),
        ("assign", {"assignee": "operator@example.com"}, "operator@example.com is no active member of the team."),
        ("assign", {"assignee": "x"}, "Enter a valid email address."),
        ("assign", {"assignee": ""}, "Enter an address, or tick that nobody is to have it."),
        ("assign", {"assignee": "alice@example.com", "nobody": "on"}, "Enter an address, or tick that"),
        ("change_severity", {"severity": ""}, "This field is required."),
        ("change_severity", {"severity": "bad"}, "Select a valid choice."),
        ("edit", {"title": "x" * 256}, "at most 255 characters"),
        ("edit", {"affected_regions": "," .join(["eu"] * 101)}, "At most 100 regions"),
        ("group", {"number": "9223372036854775807"}, "Its team has no group of this number."),
        ("group", {"number": "x"}, "Enter a whole number."),
        ("comment", {"message": ""}, "This field is required."),
        ("add_entry", {"message": "x", "occurred_at": "2199-05-13T11:00", "reason": "y"}, "Must be from 2000-01-01 to"),
    ],
)  # fmt: skip
def test_what_is_typed_wrong_is_said_and_nothing_is_written(staff, incident, action, typed, wrong):
    answer = told_to(staff, action, incident, **typed)
    assert answer.status_code == 200 and wrong in answer.content.decode().replace("&#x27;", "'")
    assert events() == ["started"]


def test_each_team_s_incidents_get_a_new_group_of_their_own(staff, operator, incident, other_team):
    stranger = make_user("stranger@example.com", other_team)
    theirs = declare(other_team, a_declaration(), by=stranger, at=NOON)
    told_to(staff, "group", incident, theirs, name="Outage")
    groups = IncidentGroup.objects.order_by("id")
    assert {each.team for each in groups} == {incident.team, other_team}
    assert {incidents_of(each).get() for each in groups} == {incident, theirs}
    page = staff.get(f"/admin/incidents/incidentgroup/{groups[0].pk}/change/").content.decode()
    assert "Outage" in page and incidents_of(groups[0]).get().title in page
    chosen = {"action": "resolve_all", "_selected_action": [each.pk for each in groups]}
    asked = staff.post("/admin/incidents/incidentgroup/", chosen).content.decode()
    assert "2 live incidents are resolved" in asked
    sure = chosen | {"post": "yes", "seen": re.search(r'name="seen" value="([^"]+)"', asked)[1]}
    late = declare(incident.team, a_declaration(), by=operator, at=NOON)
    group(late, groups.get(team=incident.team), by=operator, at=NOON)
    for resolved in (2, 0):
        answer = said(staff.post("/admin/incidents/incidentgroup/", sure, follow=True))
        assert answer == [f"{resolved} resolved. Live still: 1. Run it again for those."]


def test_an_incident_is_declared_by_its_verb(staff, operator, team, shop):
    typed = {"team": team.pk, "severity": "minor", "type": "timeout", "error_message": "Timeout", "monitor": shop.pk}
    began = {"started_at_0": "2026-05-13", "started_at_1": "09:00:00"}
    assert "Separated by commas." in staff.get(f"{LIST}add/").content.decode()
    answer = staff.post(f"{LIST}add/", typed | began | {"affected_regions": "eu"})
    assert answer.headers["Location"] == LIST, answer.context["errors"]
    incident = Incident.objects.get()
    assert (incident.severity, incident.affected_regions, incident.resource_id) == ("minor", ["eu"], shop.pk)
    assert incident.started_at.hour == 9
    assert TimelineEvent.objects.get(event="incident.started").user == operator
    again = staff.post(f"{LIST}add/", typed).content.decode()
    assert "An incident of this monitor is live already." in again


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({}, "This field is required."),
        ({"monitor": "7"}, "The team has no monitor of this number."),
        ({"started_at_0": "2199-12-31", "started_at_1": "09:00:00"}, "Must be from 2000-01-01 to now."),
    ],
)
def test_what_cannot_be_declared_is_said(staff, team, typed, wrong):
    usual = {"team": team.pk, "severity": "minor", "type": "timeout", "error_message": "Timeout"} if typed else {}
    assert wrong in staff.post(f"{LIST}add/", usual | typed).content.decode()
    assert not Incident.objects.exists()


def test_who_may_only_look_at_incidents_can_do_nothing_to_them(client, incident):
    looker = make_user("looker@example.com", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_incident"))
    client.force_login(looker)
    page = client.get(f"{LIST}{incident.pk}/change/").content.decode()
    assert 'name="action" value="acknowledge"' not in page
    told_to(client, "acknowledge", incident)
    assert client.get(f"{LIST}add/").status_code == 403
    assert events() == ["started"]
