"""The list of incidents with its filters, and one incident. Doors: tests/teams/test_api.py; history: test_updates."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.models import Incident
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, act, an_event, make_integration, rfc, tell_it


def started(number, minutes=0, **fields):
    return an_event("incident.started", NOON + timedelta(minutes=minutes), incident_id=number, **fields)


def of(name, number, minutes, **fields):
    """A later event, which says nothing of the incident's name: another name would be its title from then on."""
    return an_event(name, NOON + timedelta(minutes=minutes), incident_id=number, **({"incident_name": None} | fields))


def listed(api, **asked):
    """The numbers at the source of the incidents in a list."""
    answer = api.get("/api/incidents", asked)
    assert answer.status_code == 200, answer.content
    return [each["source"]["incident_id"] for each in answer.json()["data"]["incidents"]]


def wrong(api, **asked):
    """The names of the parameters that a list refuses."""
    answer = api.get("/api/incidents", asked)
    assert answer.status_code == 400, answer.content
    error = answer.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    return list(error["details"]["fields"])


@pytest.fixture
def five(tell, user):
    """1 closed and critical, 2 resolved, 3 acknowledged and Alice's, 4 open, 5 (of a heartbeat) open and deleted."""
    tell(
        started(1, 0, incident_name="Checkout is slow", incident_cause="Connection timeout after 30000ms"),
        started(2, 1, incident_name="Login is down", resource_id=790, resource_name="eu-west login"),
        started(3, 2, incident_name="Shop API can't be reached", resource_type="status_page", resource_id=7),
        started(4, 3, incident_name="Nightly report", resource_id=None),
        started(5, 4, incident_name="Backup", resource_type="heartbeat", resource_id=101, resource_name="Backup"),
        of("incident.resolved", 1, 5),
        of("incident.resolved", 2, 6),
        of("incident.acknowledged", 3, 7),
        of("incident.destroyed", 5, 8, resource_type="heartbeat", resource_id=101),
    )
    incidents = {each.source_id: each for each in Incident.objects.all()}
    hour = NOON + timedelta(hours=1)
    act(incidents[1], "incident.severity_changed", by=user, at=hour, severity="critical")
    act(incidents[1], "incident.closed", by=user, at=hour + timedelta(minutes=1))
    act(incidents[2], "incident.severity_changed", by=user, at=hour + timedelta(minutes=2), severity="warning")
    assignee = {"assignee_id": user.pk, "assignee_email": user.email, "assignee_name": user.name}
    act(incidents[3], "incident.assigned", by=user, at=hour + timedelta(minutes=3), **assignee)
    return incidents


# --- one incident -----------------------------------------------------------------------------------------------------


def test_an_incident_has_every_field_that_is_promised(api, tell, integration):
    tell(started(201, incident_cause="Connection refused", regions=["us-east", "eu-west"], escalation_policy_id=111))
    incident = Incident.objects.get()
    assert api.get(f"/api/incidents/{incident.uuid}").json() == {
        "success": True,
        "data": {
            "id": str(incident.uuid),
            "number": incident.pk,
            "title": "My Website is Down",
            "status": "open",
            "severity": "major",
            "type": "other",
            "error_message": "Connection refused",
            "affected_regions": ["us-east", "eu-west"],
            "resource": {"type": "monitor", "id": Monitor.objects.get().pk, "name": "My Website"},
            "assignee": None,
            "started_at": "2026-05-13T12:00:00.000Z",
            "acknowledged_at": None,
            "resolved_at": None,
            "closed_at": None,
            "destroyed_at": None,
            "provisional": False,
            "incident_group_id": None,
            "source": {
                "integration_id": integration.pk,
                "organization_id": "org_123",
                "team_id": "team_456",
                "incident_id": 201,
            },
            "updated_at": "2026-05-13T12:00:00.000Z",
        },
    }


def test_moments_group_assignee_and_tombstone_are_shown(api, tell, five, user):
    tell(of("incident.grouped", 3, 10, incident_group_id=2**63 - 1, resource_id=None))
    first = api.get(f"/api/incidents/{five[1].uuid}").json()["data"]
    assert (first["resolved_at"], first["closed_at"]) == ("2026-05-13T12:05:00.000Z", "2026-05-13T13:01:00.000Z")
    third = api.get(f"/api/incidents/{five[3].uuid}").json()["data"]
    assert third["incident_group_id"] == 2**63 - 1
    assert third["assignee"] == {"id": str(user.uuid), "email": "alice@example.com", "name": "Alice Johnson"}
    assert third["resource"] == {"type": "status_page", "id": 7, "name": "My Website"}
    assert third["updated_at"] == "2026-05-13T13:03:00.000Z"
    fifth = api.get(f"/api/incidents/{five[5].uuid}").json()["data"]
    assert fifth["destroyed_at"] == "2026-05-13T12:08:00.000Z"
    assert fifth["resource"]["id"] == Heartbeat.objects.get().pk


def test_a_resource_without_both_type_and_id_is_null(api, five):
    assert api.get(f"/api/incidents/{five[4].uuid}").json()["data"]["resource"] is None


def test_a_native_incident_has_no_source(api, team, user):
    incident = Incident.objects.create(team=team)
    act(incident, "incident.started", by=user, at=NOON, incident_cause="Declared by hand", severity="minor")
    shown = api.get(f"/api/incidents/{incident.uuid}").json()["data"]
    assert (shown["source"], shown["resource"], shown["severity"]) == (None, None, "minor")


def test_an_incident_whose_start_was_not_told_is_provisional(api, tell):
    tell(of("incident.acknowledged", 9, 5))
    [shown] = api.get("/api/incidents").json()["data"]["incidents"]
    assert (shown["provisional"], shown["status"]) == (True, "acknowledged")
    assert shown["started_at"] == shown["acknowledged_at"] == "2026-05-13T12:05:00.000Z"


def test_an_assignee_whom_only_the_source_knows_has_no_id(api, tell):
    tell(started(1))
    Incident.objects.update(assignee_email="bob@example.com")
    [shown] = api.get("/api/incidents").json()["data"]["incidents"]
    assert shown["assignee"] == {"id": None, "email": "bob@example.com", "name": None}


# --- filters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"status": "open"}, [4]),
        ({"status": "acknowledged"}, [3]),
        ({"status": "open,resolved"}, [4, 2]),
        ({"status": " open , closed "}, [4, 1]),
        ({"severity": "critical"}, [1]),
        ({"severity": "critical,warning"}, [2, 1]),
        ({"severity": "minor"}, []),
        ({"resource_type": "heartbeat"}, []),
        ({"resource_type": "heartbeat", "destroyed": "any"}, [5]),
        ({"resource_type": "status_page"}, [3]),
        ({"resource_type": "status_page", "resource_id": "7"}, [3]),
        ({"resource_id": "9223372036854775807"}, []),
        ({"started_after": "2026-05-13T12:02:00Z"}, [4, 3]),
        ({"started_before": "2026-05-13T12:02:00Z"}, [2, 1]),
        ({"started_after": "2026-05-13T14:01:00+02:00", "started_before": "2026-05-13T12:03:00.000000000Z"}, [3, 2]),
        ({"started_after": "0001-01-01T00:00:00Z", "started_before": "9999-12-31T23:59:59.999Z"}, [4, 3, 2, 1]),
        ({"destroyed": "true"}, [5]),
        ({"destroyed": "false"}, [4, 3, 2, 1]),
        ({"destroyed": "any"}, [5, 4, 3, 2, 1]),
        ({"status": "open", "destroyed": "any"}, [5, 4]),
        ({"status": "open", "destroyed": "true"}, [5]),
        ({"assignee": "00000000-0000-4000-8000-000000000000"}, []),
        ({"q": "check"}, [1]),
        ({"q": "CHECKOUT slo"}, [1]),
        ({"q": "slow checkout"}, [1]),
        ({"q": "imeout"}, []),
        ({"q": "timeout 30000ms"}, [1]),
        ({"q": "eu-west"}, [2]),
        ({"q": "eu-w"}, [2]),
        ({"q": "west"}, [2]),
        ({"q": "can't"}, [3]),
        ({"q": "'); DROP TABLE x; --"}, []),
        ({"q": "back & !up | <-> :* \\"}, []),
        ({"q": "\\'"}, []),
        ({"q": "!!!"}, []),
        ({"q": "x" * 200}, []),
        ({"q": "𝔘" * 200}, []),
        ({"q": "  ", "resource_type": ""}, [4, 3, 2, 1]),
        ({"unknown": "parameter"}, [4, 3, 2, 1]),
    ],
)
def test_a_filter_leaves_what_it_says(asked, found, five, api):
    assert listed(api, **asked) == found


def test_resources_and_assignees_are_asked_for_by_our_ids(five, api, user):
    second = Monitor.objects.get(source_id=790)
    assert listed(api, resource_type="monitor", resource_id=second.pk) == [2]
    assert listed(api, assignee=user.uuid) == [3]
    assert listed(api, assignee=str(user.uuid).upper()) == [3]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"sort_by": "started_at"}, [5, 4, 3, 2, 1]),
        ({"sort_order": "asc"}, [1, 2, 3, 4, 5]),
        ({"sort_by": "updated_at"}, [3, 2, 1, 5, 4]),
        ({"sort_by": "updated_at", "sort_order": "asc"}, [4, 5, 1, 2, 3]),
        ({"sort_by": "severity"}, [1, 5, 4, 3, 2]),
        ({"sort_by": "severity", "sort_order": "asc"}, [2, 5, 4, 3, 1]),
        ({"sort_by": "status"}, [1, 2, 3, 5, 4]),
        ({"sort_by": "status", "sort_order": "asc"}, [5, 4, 3, 2, 1]),
    ],
)
def test_a_list_is_sorted_as_asked_page_by_page_too(asked, found, five, api):
    asked = asked | {"destroyed": "any"}
    assert listed(api, **asked) == found
    assert through(api, "/api/incidents", "incidents", limit=1, **asked) == [str(five[each].uuid) for each in found]
    assert through(api, "/api/incidents", "incidents", limit=2, **asked) == [str(five[each].uuid) for each in found]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "broken"),
        ("status", "open,"),
        ("status", "Open"),
        ("severity", "bad"),
        ("resource_id", "one"),
        ("resource_id", "-1"),
        ("resource_id", "1.0"),
        ("resource_id", "9223372036854775808"),
        ("resource_id", "9" * 5000),
        ("assignee", "alice@example.com"),
        ("assignee", "550e8400e29b41d4a716446655440000"),
        ("started_after", "yesterday"),
        ("started_after", "2026-05-13"),
        ("started_after", "2026-05-13 12:00:00Z"),
        ("started_after", "2026-05-13T12:00:00"),
        ("started_after", "2026-02-30T12:00:00Z"),
        ("started_before", "9999-12-31T23:59:59-14:00"),
        ("started_before", "2026-05-13T24:00:00Z"),
        ("destroyed", "yes"),
        ("destroyed", "True"),
        ("destroyed", ""),
        ("status", ""),
        ("status", " "),
        ("cursor", ""),
        ("limit", ""),
        ("sort_by", ""),
        ("started_after", ""),
        ("assignee", ""),
        ("q", "x" * 201),
        ("sort_by", "title"),
        ("sort_order", "down"),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", "1e1"),
        ("cursor", "nonsense"),
        ("cursor", "e30"),
        ("cursor", "é"),
        ("cursor", "A" * 5000),
        ("status", ["open", "closed"]),
    ],
)
def test_a_bad_value_is_a_400_that_names_its_parameter(name, value, api):
    assert wrong(api, **{name: value}) == [name]


def test_all_bad_values_are_named_at_once(api):
    assert sorted(wrong(api, limit="0", status="x", q="x" * 300)) == ["limit", "q", "status"]


@pytest.mark.parametrize("raw", ["q=%00", "q=a%00b", "status=%FF", "q=%ED%A0%80"])
def test_nul_and_broken_utf_8_are_a_400(raw, api):
    assert api.get(f"/api/incidents?{raw}").status_code == 400


def test_a_cursor_belongs_to_its_order(five, api):
    cursor = api.get("/api/incidents", {"limit": 1}).json()["data"]["pagination"]["next_cursor"]
    assert wrong(api, cursor=cursor, sort_by="severity") == ["cursor"]
    assert listed(api, cursor=cursor) == [3, 2, 1]


# --- paging -----------------------------------------------------------------------------------------------------------


def through(api, path, name, **asked):
    """The ids of a whole list, read page by page."""
    found, more = [], {}
    while more is not None:
        data = api.get(path, asked | more).json()["data"]
        found += [each["id"] for each in data[name]]
        cursor = data["pagination"]["next_cursor"]
        more = {"cursor": cursor} if cursor else None
        assert len(data[name]) == asked["limit"] or more is None
    return found


def test_paging_goes_through_everything_once_ties_included(api, integration):
    tell_it(integration, *(started(number, number // 5) for number in range(1, 24)))
    whole = api.get("/api/incidents", {"limit": 100}).json()["data"]["incidents"]
    assert len(whole) == 23
    assert [each["started_at"] for each in whole] == sorted((each["started_at"] for each in whole), reverse=True)
    for limit in (1, 2, 5, 7, 22, 23, 24):
        assert through(api, "/api/incidents", "incidents", limit=limit) == [each["id"] for each in whole]


def test_a_new_incident_between_two_pages_neither_repeats_nor_hides_an_old_one(api, five, tell):
    first = api.get("/api/incidents", {"limit": 2}).json()["data"]
    tell(started(6, 30))
    assert listed(api, limit=2, cursor=first["pagination"]["next_cursor"]) == [2, 1]


def test_the_default_is_a_page_of_20(api, integration):
    tell_it(integration, *(started(number) for number in range(21)))
    data = api.get("/api/incidents").json()["data"]
    assert (len(data["incidents"]), data["pagination"]["limit"]) == (20, 20)
    assert data["pagination"]["next_cursor"] is not None


@pytest.mark.usefixtures("still")
def test_a_list_costs_as_many_queries_for_many_as_for_few(api, five, integration, user):
    def queries(path):
        with CaptureQueriesContext(connection) as context:
            assert api.get(path).status_code == 200
        return len(context)

    paths = ["/api/incidents?limit=100", "/api/incidents?limit=100&q=c", f"/api/incidents/{five[3].uuid}"]
    queries(paths[0])  # notes that the key was used
    few = [queries(path) for path in paths]
    tell_it(integration, *(started(number, incident_name="Cold") for number in range(10, 40)))
    Incident.objects.update(assignee=user, assignee_email=user.email)
    assert [queries(path) for path in paths] == few


def test_times_are_utc_with_milliseconds(api, tell):
    tell(started(1, dt="2026-05-13T14:00:00.123987654+02:00"))
    [shown] = api.get("/api/incidents").json()["data"]["incidents"]
    assert shown["started_at"] == rfc(NOON + timedelta(milliseconds=123))


def test_two_integrations_with_the_same_numbers_have_incidents_of_their_own(api, team, integration):
    second = make_integration(team, "Second")
    tell_it(integration, started(1))
    tell_it(second, started(1))
    shown = api.get("/api/incidents").json()["data"]["incidents"]
    assert {each["source"]["integration_id"] for each in shown} == {integration.pk, second.pk}
    assert all(a["id"] != b["id"] for a, b in pairwise(shown))
