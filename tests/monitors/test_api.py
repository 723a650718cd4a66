"""The lists of monitors and heartbeats, and one of each. Doors: tests/teams/test_api.py."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event, tell_it


def of_monitor(name, number, minutes=0, **fields):
    return an_event(f"monitor.{name}", NOON + timedelta(minutes=minutes), monitor_id=number, **fields)


def of_heartbeat(name, number, minutes=0, **fields):
    return an_event(f"heartbeat.{name}", NOON + timedelta(minutes=minutes), heartbeat_id=number, **fields)


def listed(api, kind, **asked):
    """The ids at the source of what a list shows."""
    answer = api.get(f"/api/{kind}s", asked)
    assert answer.status_code == 200, answer.content
    return [each["source"][f"{kind}_id"] for each in answer.json()["data"][f"{kind}s"]]


def test_a_monitor_has_every_field_that_is_promised(api, tell, integration):
    tell(of_monitor("created", 789, monitor_type="status"), of_monitor("down", 789, 5))
    monitor = Monitor.objects.get()
    assert api.get(f"/api/monitors/{monitor.pk}").json() == {
        "success": True,
        "data": {
            "id": monitor.pk,
            "name": "My Website",
            "url": "https://www.example.com",
            "type": "status",
            "status": "down",
            "status_inferred": False,
            "status_since": "2026-05-13T12:05:00.000Z",
            "live_incidents": 0,
            "provisional": False,
            "destroyed_at": None,
            "source": {
                "integration_id": integration.pk,
                "organization_id": "org_123",
                "team_id": "team_456",
                "monitor_id": 789,
            },
        },
    }


def test_a_heartbeat_has_every_field_that_is_promised(api, tell, integration):
    tell(of_heartbeat("created", 101), of_heartbeat("destroyed", 101, 5))
    heartbeat = Heartbeat.objects.get()
    assert api.get(f"/api/heartbeats/{heartbeat.pk}").json() == {
        "success": True,
        "data": {
            "id": heartbeat.pk,
            "name": "Daily Backup",
            "status": "up",
            "status_inferred": True,
            "status_since": "2026-05-13T12:00:00.000Z",
            "live_incidents": 0,
            "provisional": False,
            "destroyed_at": "2026-05-13T12:05:00.000Z",
            "period": None,
            "grace": None,
            "source": {
                "integration_id": integration.pk,
                "organization_id": "org_123",
                "team_id": "team_456",
                "heartbeat_id": 101,
            },
        },
    }


def test_a_monitor_that_an_incident_holds_down_says_so(api, tell):
    tell(an_event("incident.started"))
    [shown] = api.get("/api/monitors").json()["data"]["monitors"]
    assert (shown["status"], shown["status_inferred"], shown["live_incidents"]) == ("down", True, 1)
    assert (shown["provisional"], shown["name"], shown["url"], shown["type"]) == (True, "My Website", "", "")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [3, 2, 1]),
        ({"destroyed": "any"}, [4, 3, 2, 1]),
        ({"status": "up"}, [1]),
        ({"status": "down,paused"}, [3, 2]),
        ({"status": "down,paused", "destroyed": "any"}, [4, 3, 2]),
        ({"status": "maintenance"}, []),
        ({"destroyed": "true"}, [4]),
        ({"destroyed": "false"}, [3, 2, 1]),
        ({"q": "shop"}, [2, 1]),
        ({"q": "OP a"}, [2]),
        ({"q": "100%_"}, [3]),
        ({"q": "%"}, [3]),
    ],
)
def test_monitors_are_filtered(asked, found, api, tell):
    tell(of_monitor("created", 1, monitor_name="Shop"))
    tell(of_monitor("down", 2, monitor_name="Shop API"))
    tell(of_monitor("paused", 3, monitor_name="100%_"))
    tell(of_monitor("down", 4), of_monitor("destroyed", 4, 1))
    assert listed(api, "monitor", **asked) == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [2, 1]),
        ({"status": "up"}, [1]),
        ({"status": "down"}, [2]),
        ({"q": "back"}, [1]),
        ({"destroyed": "true"}, []),
    ],
)
def test_heartbeats_are_filtered(asked, found, api, tell):
    tell(of_heartbeat("up", 1, heartbeat_name="Backup"))
    tell(of_heartbeat("down", 2, heartbeat_name="Report"))
    assert listed(api, "heartbeat", **asked) == found


@pytest.mark.parametrize("kind", ["monitors", "heartbeats"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "broken"),
        ("destroyed", "1"),
        ("status", ""),
        ("cursor", ""),
        ("q", "x" * 201),
        ("limit", "0"),
        ("limit", "101"),
        ("cursor", "x"),
    ],
)
def test_a_bad_value_is_a_400_that_names_its_parameter(kind, name, value, api):
    answer = api.get(f"/api/{kind}", {name: value})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert list(answer.json()["error"]["details"]["fields"]) == [name]


@pytest.mark.parametrize(("kind", "of"), [("monitor", of_monitor), ("heartbeat", of_heartbeat)])
def test_a_list_is_paged_through_everything_once_in_as_many_queries(kind, of, api, integration):
    for number in range(7):
        tell_it(integration, of("created", number))
    for limit in (1, 3, 6, 7, 8):
        found, more_of_it, costs = [], {}, set()
        while more_of_it is not None:
            with CaptureQueriesContext(connection) as context:
                data = api.get(f"/api/{kind}s", {"limit": limit} | more_of_it).json()["data"]
            ours = [each["sql"] for each in context if "apikey" not in each["sql"] and "rate_window" not in each["sql"]]
            costs.add(len(ours))
            found += [each["source"][f"{kind}_id"] for each in data[f"{kind}s"]]
            cursor = data["pagination"]["next_cursor"]
            more_of_it = {"cursor": cursor} if cursor else None
        assert found == [6, 5, 4, 3, 2, 1, 0]
        assert len(costs) == 1
