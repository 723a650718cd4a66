from datetime import timedelta

import pytest

from config.errors import Conflict
from incidents import lifecycle
from incidents.models import Incident
from monitors.models import Monitor
from tests.conftest import NOON, an_event
from timeline.events import EVENTS, validate
from timeline.models import TimelineEvent

LATER = NOON + timedelta(hours=2)


@pytest.fixture
def incident(tell):
    tell(an_event("incident.started", incident_cause="Timeout"))
    return Incident.objects.get()


def tell_status(tell, *names):
    tell(*(an_event(f"incident.{name}", NOON + timedelta(minutes=n)) for n, name in enumerate(names, 1)))


# --- notes ----------------------------------------------------------------------------------------------------


def test_a_note_changes_nothing_but_the_history(incident, user):
    before = Incident.objects.values().get()
    fact = lifecycle.comment(incident, by=user, at=LATER, message="Rebooted 😀 \u202e")
    after = Incident.objects.values().get()
    changed = {k for k in after if after[k] != before[k]}
    assert changed == {"facts", "updated_at", "last_rank", "last_identity"}
    assert (fact.event, fact.effect, fact.user) == ("incident.commented", "applied", user)
    assert fact.entries == [
        {"action": "comment_added", "field": None, "old": None, "new": None, "message": "Rebooted 😀 \u202e"}
    ]
    assert incident.updated_at == LATER


def test_the_same_note_twice_is_two_notes(incident, user):
    for _ in range(2):
        lifecycle.comment(incident, by=user, at=LATER, message="Still looking.")
    assert TimelineEvent.objects.filter(event="incident.commented").count() == 2


def test_a_deleted_incident_can_still_be_noted_on(incident, user):
    lifecycle.destroy(incident, by=user, at=LATER)
    lifecycle.comment(incident, by=user, at=LATER, message="Was a false alarm.")
    assert incident.destroyed_at == LATER


def test_a_note_on_an_incident_without_a_title_gives_it_none(tell, user):
    tell(an_event("incident.started", incident_name=None))
    incident = Incident.objects.get()
    fact = lifecycle.comment(incident, by=user, at=LATER, message="What is it?")
    assert fact.payload["message"] == f'Alice Johnson commented on incident "Incident {incident.pk}"'
    assert (fact.payload["incident_name"], incident.title) == (None, "")
    tell(an_event("incident.acknowledged", LATER + timedelta(hours=1), incident_name="Shop is down"))
    incident.refresh_from_db()
    assert incident.title == "Shop is down"


def test_a_note_does_not_take_a_monitor_s_newer_name_away(incident, user, tell):
    tell(an_event("monitor.created", NOON + timedelta(minutes=10), monitor_name="Renamed"))
    assert Monitor.objects.get().name == "Renamed"
    lifecycle.comment(incident, by=user, at=LATER, message="Looked at it.")
    assert Monitor.objects.get().name == "Renamed"


def test_a_note_does_not_hide_a_name_that_a_late_event_tells(incident, user, tell):
    lifecycle.comment(incident, by=user, at=LATER, message="Looked at it.")
    tell(an_event("incident.escalated", NOON + timedelta(minutes=10), resource_name="Renamed"))
    assert Incident.objects.get().resource_name == "Renamed"


# --- closing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [("resolved",), ("acknowledged",), ("acknowledged", "resolved")])
def test_an_acknowledged_or_resolved_incident_can_be_closed(incident, user, tell, told):
    tell_status(tell, *told)
    fact = lifecycle.close(incident, by=user, at=LATER)
    assert (incident.status, incident.closed_at, incident.is_live) == ("closed", LATER, False)
    assert incident.resolved_at == (NOON + timedelta(minutes=len(told)) if "resolved" in told else LATER)
    assert fact.entries[0]["old"] == told[-1]
    assert (judged := validate(fact.payload, LATER, EVENTS)).fields == {} and not judged.ignored
    assert Monitor.objects.get().status == "up"


def test_closing_a_closed_one_writes_nothing_even_from_a_stale_page(incident, user, tell):
    tell_status(tell, "resolved")
    stale = Incident.objects.get()
    assert stale.status == "resolved"
    lifecycle.close(incident, by=user, at=LATER)
    assert lifecycle.close(stale, by=user, at=LATER) is None
    assert stale.status == "closed"
    assert TimelineEvent.objects.filter(event="incident.closed").count() == 1


def test_an_open_one_cannot_be_closed(incident, user):
    with pytest.raises(Conflict):
        lifecycle.close(incident, by=user, at=LATER)
    assert not TimelineEvent.objects.filter(event="incident.closed").exists()


def test_closing_what_a_source_with_a_fast_clock_resolved_has_its_effect(incident, user, tell):
    tell(an_event("incident.resolved", LATER + timedelta(seconds=2)), at=LATER)
    fact = lifecycle.close(incident, by=user, at=LATER)
    assert (fact.effect, incident.status) == ("applied", "closed")


def test_what_a_source_tells_late_is_folded_before_our_closing(incident, user, tell):
    tell_status(tell, "resolved")
    lifecycle.close(incident, by=user, at=LATER)
    tell(an_event("incident.reopened", NOON + timedelta(minutes=30)), at=LATER)
    incident.refresh_from_db()
    closed = TimelineEvent.objects.get(event="incident.closed")
    assert (incident.status, closed.effect, closed.why) == ("open", "none", "It was open then.")


# --- deleting -------------------------------------------------------------------------------------------------


def test_a_deleted_incident_is_a_tombstone_that_keeps_its_history(incident, user):
    fact = lifecycle.destroy(incident, by=user, at=LATER)
    assert (incident.destroyed_at, incident.status, incident.is_live) == (LATER, "open", False)
    assert (fact.event, fact.user) == ("incident.destroyed", user)
    # The vendor's own incident.destroyed has no fields for who did it.
    assert "user_email" not in fact.payload
    assert Monitor.objects.get().status == "up"
    assert TimelineEvent.objects.count() == 2


def test_deleting_it_again_writes_nothing(incident, user):
    stale = Incident.objects.get()
    lifecycle.destroy(incident, by=user, at=LATER)
    assert lifecycle.destroy(stale, by=user, at=LATER) is None
    assert stale.destroyed_at == LATER


def test_an_act_that_fails_leaves_nothing(incident, user, monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(lifecycle.keeper, "take_in_facts", fail)
    with pytest.raises(RuntimeError):
        lifecycle.comment(incident, by=user, at=LATER, message="x")
    assert TimelineEvent.objects.count() == 1


# --- what its acts are about ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, True),
        ({"resource_type": None}, False),
        ({"resource_type": "server", "resource_id": 2**63 - 1}, False),
    ],
)
def test_an_act_names_the_incident_s_resource_if_we_know_it(tell, user, fields, named):
    tell(an_event("incident.started", **fields))
    incident = Incident.objects.get()
    fact = lifecycle.comment(incident, by=user, at=LATER, message="x")
    assert (fact.named_id is not None) == (fact.resource_id is not None) == named
    assert lifecycle.resource_of(incident) == (("monitor", Monitor.objects.get().pk) if named else None)
    assert (fact.payload["resource_type"], fact.payload["resource_id"]) == (
        incident.resource_type,
        incident.resource_id,
    )


def test_acts_on_a_deleted_monitor_s_incident_go_on(incident, user, tell):
    tell(an_event("monitor.destroyed", NOON + timedelta(minutes=1)))
    lifecycle.comment(incident, by=user, at=LATER, message="x")
    assert Monitor.objects.get().facts == 3
