from datetime import timedelta

import pytest

from monitors import lifecycle
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event
from timeline.events import EVENTS, validate
from timeline.models import TimelineEvent

LATER = NOON + timedelta(hours=2)


@pytest.fixture
def monitor(tell):
    tell(an_event("monitor.created", monitor_type="status"))
    return Monitor.objects.get()


def test_a_deleted_monitor_is_a_tombstone_that_keeps_its_history(monitor, user):
    fact = lifecycle.destroy(monitor, by=user, at=LATER)
    assert monitor.destroyed_at == LATER
    assert (fact.event, fact.user, fact.integration_id, fact.effect) == ("monitor.destroyed", user, None, "applied")
    assert fact.payload["message"] == 'Monitor "My Website" destroyed'
    assert {k: fact.payload[k] for k in ("monitor_id", "monitor_name", "monitor_url", "monitor_type")} == {
        "monitor_id": monitor.pk,
        "monitor_name": "My Website",
        "monitor_url": "https://www.example.com",
        "monitor_type": "status",
    }
    assert validate(fact.payload, LATER, EVENTS).fields == {}
    assert Monitor.objects.get().facts == TimelineEvent.objects.count() == 2


def test_deleting_it_again_writes_nothing(monitor, user):
    lifecycle.destroy(monitor, by=user, at=LATER)
    stale = Monitor.objects.get()
    stale.destroyed_at = None
    assert lifecycle.destroy(stale, by=user, at=LATER + timedelta(hours=1)) is None
    assert stale.destroyed_at == LATER
    assert TimelineEvent.objects.filter(event="monitor.destroyed").count() == 1


def test_a_heartbeat_is_deleted_alike(tell, user):
    tell(an_event("heartbeat.created"))
    heartbeat = Heartbeat.objects.get()
    fact = lifecycle.destroy(heartbeat, by=user, at=LATER)
    assert heartbeat.destroyed_at == LATER
    assert fact.payload["message"] == 'Heartbeat "Daily Backup" destroyed'
    assert "monitor_url" not in fact.payload
    assert validate(fact.payload, LATER, EVENTS).fields == {}


def test_what_a_source_tells_afterwards_still_joins_its_history(monitor, user, tell):
    lifecycle.destroy(monitor, by=user, at=LATER)
    tell(an_event("monitor.down", LATER + timedelta(minutes=1)), at=LATER + timedelta(minutes=2))
    monitor.refresh_from_db()
    assert (monitor.status, monitor.destroyed_at) == ("down", LATER)


def test_a_monitor_without_a_name_gets_none_by_being_deleted(tell, user):
    tell(an_event("monitor.created", monitor_name=None))
    monitor = Monitor.objects.get()
    fact = lifecycle.destroy(monitor, by=user, at=LATER)
    assert fact.payload["message"] == f'Monitor "monitor {monitor.pk}" destroyed'
    assert fact.payload["monitor_name"] is None
    assert monitor.name == ""
