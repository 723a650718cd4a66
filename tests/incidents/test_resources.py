"""Deleting a monitor or heartbeat of the team's own together with what is live about it."""

from datetime import timedelta

import pytest
from django.db import transaction

from config.errors import Conflict
from dashboard.rebuilding import check
from incidents import resources
from incidents.declaring import declare
from incidents.models import Incident
from monitors import keeper as resource_keeper
from monitors import lifecycle
from monitors.models import Monitor
from tests.conftest import NOON, act, an_event
from tests.incidents.conftest import a_declaration
from tests.incidents.test_moves import pressed_at_once
from timeline.models import TimelineEvent

LATER = NOON + timedelta(hours=2)


@pytest.fixture
def monitor(team, user):
    return lifecycle.create(Monitor, team, by=user, at=NOON, name="Shop", url="https://shop.example", type="status")


def live_about(monitor, user, **fields):
    """A live native incident about a monitor."""
    about = {"resource_type": "monitor", "resource_id": monitor.pk, "concerns_native": True}
    incident = Incident.objects.create(team=monitor.team, resource_name="Shop", **about | fields)
    with transaction.atomic():
        resource_keeper.lock([("monitor", monitor.pk)])
        act(incident, "incident.started", by=user, at=NOON, incident_name="The shop is shut")
    incident.refresh_from_db()
    return incident


def test_what_is_live_about_it_is_resolved_first_by_the_same_person(monitor, user):
    incident = live_about(monitor, user)
    monitor.refresh_from_db()
    assert (incident.is_live, monitor.status, monitor.live_incidents) == (True, "down", 1)
    fact = resources.destroy(monitor, by=user, at=LATER)
    incident.refresh_from_db()
    assert (incident.status, incident.resolved_at) == ("resolved", LATER)
    assert (monitor.destroyed_at, monitor.live_incidents, monitor.status) == (fact.occurred_at, 0, "pending")
    latest = TimelineEvent.objects.order_by("-id")[:2]
    assert [(each.event, each.user) for each in latest] == [("monitor.destroyed", user), ("incident.resolved", user)]


def test_one_with_nothing_live_about_it_is_just_deleted(monitor, user):
    assert resources.destroy(monitor, by=user, at=LATER).event == "monitor.destroyed"
    assert resources.destroy(monitor, by=user, at=LATER) is None


def test_where_deleting_fails_nothing_is_resolved(monitor, user, monkeypatch):
    incident = live_about(monitor, user)

    def breaks(*args, **kwargs):
        raise Conflict("No.")

    monkeypatch.setattr(lifecycle, "destroy", breaks)
    with pytest.raises(Conflict):
        resources.destroy(monitor, by=user, at=LATER)
    incident.refresh_from_db()
    assert incident.is_live


def test_a_mirrored_one_is_not_deleted_and_what_is_live_about_it_stays_so(tell, user):
    tell(an_event("monitor.created"), an_event("incident.started"))
    with pytest.raises(Conflict, match="mirrored from Better Stack"):
        resources.destroy(Monitor.objects.get(), by=user, at=LATER)
    assert Incident.objects.get().is_live


@pytest.mark.django_db(transaction=True)
def test_a_rebuild_agrees(monitor, user):
    live_about(monitor, user)
    resources.destroy(monitor, by=user, at=LATER)
    assert list(check()) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_nothing_stays_live_about_what_is_deleted_while_somebody_declares(turn, team, monitor, user):
    declaring = Monitor.objects.get()
    declaration = a_declaration(resource=declaring)
    pressed_at_once(
        lambda: declare(team, declaration, by=user, at=LATER),
        lambda: resources.destroy(monitor, by=user, at=LATER),
        lambda: lifecycle.pause(Monitor.objects.get(pk=monitor.pk), by=user, at=LATER),
    )
    monitor.refresh_from_db()
    assert (monitor.destroyed_at is None, monitor.live_incidents) == (False, 0)
    assert not Incident.objects.live().exists()
    assert list(check()) == []


@pytest.mark.django_db(transaction=True)
def test_of_many_who_pause_at_once_one_does(monitor, user):
    came_to = pressed_at_once(
        *[lambda: lifecycle.pause(Monitor.objects.get(pk=monitor.pk), by=user, at=LATER) for _ in range(6)]
    )
    assert sorted(type(each).__name__ for each in came_to) == ["NoneType"] * 5 + ["TimelineEvent"]


def test_it_is_deleted_no_sooner_than_what_is_live_about_it_is_resolved(monitor, user):
    """The incident's last fact lies ahead of the moment of deletion, which two machines' clocks may bring about."""
    incident = live_about(monitor, user)
    act(incident, "incident.acknowledged", by=user, at=LATER + timedelta(seconds=5))
    deleted = resources.destroy(monitor, by=user, at=LATER)
    resolved = TimelineEvent.objects.get(event="incident.resolved")
    assert resolved.occurred_at > LATER + timedelta(seconds=5)
    assert deleted.occurred_at >= resolved.occurred_at
