"""Tests of monitors.history: how long a resource was in which state, whatever checkpoints there are."""

from datetime import timedelta

import pytest

from monitors import lifecycle
from monitors.history import seconds_by_status
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event
from timeline import chronology

HOUR = timedelta(hours=1)


def told(name, hours, **fields):
    return an_event(name, NOON + hours * HOUR, **fields)


def hours(resource, since, until):
    found = seconds_by_status(resource, NOON + since * HOUR, NOON + until * HOUR)
    return {status: spent / 3600 for status, spent in found.items() if spent}


@pytest.fixture
def site(tell):
    """A mirrored monitor: up from 0, down from 2 (seen again at 4), up at 5, paused from 8 to 9, deleted at 12."""
    tell(
        told("monitor.created", 0),
        told("incident.started", 2),
        told("monitor.verifying_recovery", 4),
        told("incident.resolved", 5),
        told("monitor.paused", 8),
        told("monitor.unpaused", 9),
        told("monitor.destroyed", 12),
        at=NOON + 20 * HOUR,
    )
    return Monitor.objects.get()


def test_each_state_counts_for_as_long_as_it_lasted(site):
    assert hours(site, 0, 10) == {"up": 6, "down": 3, "paused": 1}


def test_what_was_before_counts_from_the_beginning_of_the_period_and_what_lasts_until_its_end(site):
    assert hours(site, 3, 4.5) == {"down": 1.5}
    assert hours(site, 1, 3) == {"up": 1, "down": 1}


def test_neither_before_it_was_known_nor_after_it_was_deleted_does_anything_count(site):
    assert hours(site, -5, -1) == {}
    assert hours(site, -5, 1) == {"up": 1}
    assert hours(site, 11, 15) == {"up": 1}
    assert hours(site, 13, 15) == {}


def test_it_comes_to_the_same_from_a_checkpoint(tell, monkeypatch):
    monkeypatch.setattr(chronology, "CHECKPOINT_EVERY", 2)
    monkeypatch.setattr("timeline.kept.CHECKPOINT_EVERY", 2)
    for hour in range(0, 12, 2):
        number = 500 + hour
        tell(
            told("incident.started", hour, incident_id=number), told("incident.resolved", hour + 1, incident_id=number)
        )
    assert hours(Monitor.objects.get(), 3, 10) == {"up": 4, "down": 3}


def test_our_own_is_pending_until_it_is_checked(team, user):
    made = lifecycle.create(Heartbeat, team, by=user, at=NOON, name="Backup", period=60, grace=0)
    lifecycle.pause(made, by=user, at=NOON + HOUR)
    assert hours(made, 0, 3) == {"pending": 1, "paused": 2}
