"""Tests of incidents.reports and its API: what a period of a monitor or heartbeat came to."""

from datetime import timedelta

import pytest
import time_machine

from incidents import corrections
from incidents.models import Incident
from incidents.reports import stats
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event, make_integration
from timeline.models import TimelineEvent

HOUR = timedelta(hours=1)
DAY = 24 * HOUR


def told(name, days, **fields):
    return an_event(name, NOON + days * DAY, **fields)


@pytest.fixture
def site(tell):
    """A monitor that was down for one day of the last thirty, in two incidents, and for long before."""
    tell(
        told("monitor.created", -60),
        told("incident.started", -50, incident_id=1),
        told("incident.resolved", -45, incident_id=1),
        told("incident.started", -20, incident_id=2),
        told("incident.acknowledged", -19.75, incident_id=2),
        told("incident.resolved", -19.5, incident_id=2),
        told("incident.started", -10, incident_id=3),
        told("incident.resolved", -9.5, incident_id=3),
        at=NOON,
    )
    return Monitor.objects.get()


def test_a_period_has_its_uptime_its_incidents_and_how_long_they_took(site):
    found = stats(site, "30d", NOON)
    assert (found["since"], found["until"]) == (NOON - 30 * DAY, NOON)
    assert found["uptime"] == round(100 * 29 / 30, 3)
    assert found["seconds"] == {"up": 29 * 86400, "down": 86400, "paused": 0, "pending": 0}
    assert (found["incidents"], found["mean_seconds_to_acknowledge"], found["mean_seconds_to_resolve"]) == (
        2, 21600, 43200,
    )  # fmt: skip


@pytest.mark.parametrize(("period", "uptime", "number"), [("7d", 100, 0), ("90d", 90, 3)])
def test_each_period_has_its_own(site, period, uptime, number):
    found = stats(site, period, NOON)
    assert (found["uptime"], found["incidents"]) == (uptime, number)


def test_a_second_of_downtime_is_never_rounded_away(site, tell):
    blink = told("incident.started", -1, incident_id=4)
    tell(blink, an_event("incident.resolved", NOON - DAY + timedelta(seconds=1), incident_id=4))
    found = stats(site, "7d", NOON)
    assert (found["seconds"]["down"], found["uptime"]) == (1, 99.999)


def test_what_is_corrected_is_counted_as_corrected(site, user):
    end = TimelineEvent.objects.get(event="incident.resolved", occurred_at=NOON - 9.5 * DAY)
    incident = Incident.objects.get(pk=end.subject_id)
    corrections.correct(incident, end.pk, by=user, at=NOON, occurred_at=NOON - 9 * DAY, reason="It took longer.")
    found = stats(site, "30d", NOON)
    assert (found["seconds"]["down"], found["mean_seconds_to_resolve"]) == (1.5 * 86400, 64800)


def test_of_what_nothing_is_known_there_is_no_uptime(team):
    found = stats(Heartbeat.objects.create(team=team, name="New"), "7d", NOON)
    assert (found["uptime"], found["incidents"], found["mean_seconds_to_resolve"]) == (None, 0, None)


@pytest.mark.parametrize("asked", ["?period=7d", "?period=30d", "?period=90d", ""])
def test_the_api_tells_it(site, api, asked):
    with time_machine.travel(NOON, tick=False):
        answer = api.get(f"/api/monitors/{site.pk}/stats{asked}")
    data = answer.json()["data"]
    assert (answer.status_code, data["period"]) == (200, asked.partition("=")[2] or "30d")
    assert data["until"] == "2026-05-13T12:00:00.000Z"


def test_a_heartbeat_has_them_too(api, tell):
    tell(an_event("heartbeat.created", NOON - DAY), an_event("heartbeat.up", NOON - DAY / 2), at=NOON)
    with time_machine.travel(NOON, tick=False):
        data = api.get(f"/api/heartbeats/{Heartbeat.objects.get().pk}/stats?period=7d").json()["data"]
    assert data["uptime"] == 100


@pytest.mark.parametrize("period", ["1d", "30", "30D", "7d,30d"])
def test_any_other_period_is_refused(site, api, period):
    answer = api.get(f"/api/monitors/{site.pk}/stats", {"period": period})
    assert (answer.status_code, list(answer.json()["error"]["details"]["fields"])) == (400, ["period"])


def test_another_teams_is_not_found(other_team, api):
    theirs = Monitor.objects.create(team=other_team, name="Theirs")
    make_integration(other_team)
    assert api.get(f"/api/monitors/{theirs.pk}/stats").json() == api.get("/api/monitors/987654/stats").json()
