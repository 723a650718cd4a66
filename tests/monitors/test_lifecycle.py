from datetime import timedelta

import pytest

from config.errors import Conflict
from dashboard.rebuilding import check
from integrations.models import Integration
from monitors import lifecycle
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event
from tests.monitors.conftest import BACKUP, SHOP
from timeline.events import EVENTS, validate
from timeline.models import TimelineEvent

MINUTE = timedelta(minutes=1)
LATER = NOON + 120 * MINUTE
VERBS = (lifecycle.edit, lifecycle.pause, lifecycle.unpause, lifecycle.destroy)


def told(resource):
    """What the record has of a resource: (event, sentences)."""
    facts = TimelineEvent.objects.filter(subject_kind=resource.kind, subject_id=resource.pk).order_by("id")
    return [(fact.event, [entry["message"] for entry in fact.entries]) for fact in facts]


# --- making ---------------------------------------------------------------------------------------------------


def test_a_new_monitor_is_pending_and_its_creation_is_a_fact(shop, manager, team):
    fact = TimelineEvent.objects.get()
    assert (shop.name, shop.url, shop.type, shop.status) == ("Shop", "https://shop.example", "status", "pending")
    assert (shop.provisional, shop.is_native, shop.is_unchecked, shop.created_at) == (False, True, True, NOON)
    assert (fact.event, fact.user, fact.integration_id, fact.team) == ("monitor.created", manager, None, team)
    assert fact.payload == {
        "dt": "2026-05-13T12:00:00.000Z",
        "event": "monitor.created",
        "message": 'Monitor "Shop" created',
        "organization_id": team.organization.public_id,
        "team_id": team.public_id,
        "monitor_id": shop.pk,
        "monitor_name": "Shop",
        "monitor_url": "https://shop.example",
        "monitor_type": "status",
    }


def test_a_new_heartbeat_is_pending_and_knows_when_it_has_to_report(backup):
    assert (backup.name, backup.period, backup.grace) == ("Nightly backup", 86_400, 3_600)
    assert (backup.status, backup.provisional) == ("pending", False)
    assert TimelineEvent.objects.get().payload["message"] == 'Heartbeat "Nightly backup" created'


# --- editing --------------------------------------------------------------------------------------------------


def test_an_edit_says_what_changed_from_what_to_what(shop, manager):
    fact = lifecycle.edit(shop, by=manager, at=LATER, name="Till", url="https://till.example/", type="status")
    assert (shop.name, shop.url, shop.type, shop.status) == ("Till", "https://till.example/", "status", "pending")
    assert (fact.event, fact.payload["message"]) == ("monitor.updated", 'Monitor "Till" updated')
    assert [(entry["field"], entry["old"], entry["new"]) for entry in fact.entries] == [
        ("name", "Shop", "Till"),
        ("url", "https://shop.example", "https://till.example/"),
    ]
    assert fact.entries[0]["message"] == "Name changed from Shop to Till"


def test_a_heartbeats_times_are_told_in_words(backup, manager):
    fact = lifecycle.edit(backup, by=manager, at=LATER, period=5_400, grace=0)
    assert [entry["message"] for entry in fact.entries] == [
        "Period changed from 1 d to 1 h 30 min",
        "Grace changed from 1 h to 0 s",
    ]
    backup.refresh_from_db()
    assert (backup.period, backup.grace, backup.name) == (5_400, 0, "Nightly backup")


@pytest.mark.parametrize("details", [{}, {"name": "Shop"}, SHOP])
def test_an_edit_that_changes_nothing_writes_nothing(details, shop, manager):
    assert lifecycle.edit(shop, by=manager, at=LATER, **details) is None
    assert TimelineEvent.objects.count() == 1


# --- pausing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["shop", "backup"])
def test_paused_and_unpaused_it_waits_for_a_check(which, request, manager):
    resource = request.getfixturevalue(which)
    lifecycle.pause(resource, by=manager, at=LATER)
    assert (resource.status, resource.status_since) == ("paused", LATER)
    lifecycle.unpause(resource, by=manager, at=LATER + MINUTE)
    assert (resource.status, resource.status_inferred, resource.status_since) == ("pending", False, LATER + MINUTE)
    assert told(resource)[1:] == [
        (f"{resource.kind}.paused", ["Paused"]),
        (f"{resource.kind}.unpaused", ["Unpaused, waiting for a check"]),
    ]


def test_pausing_what_is_paused_or_unpausing_what_is_not_writes_nothing(shop, manager):
    assert lifecycle.unpause(shop, by=manager, at=LATER) is None
    lifecycle.pause(shop, by=manager, at=LATER)
    stale = Monitor.objects.get()
    stale.status = "pending"
    assert lifecycle.pause(stale, by=manager, at=LATER + MINUTE) is None
    assert stale.status == "paused"
    assert TimelineEvent.objects.count() == 2


# --- deleting -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "word"), [("shop", "Shop"), ("backup", "Nightly backup")])
def test_a_deleted_one_is_a_tombstone_that_keeps_its_history(which, word, request, manager):
    resource = request.getfixturevalue(which)
    fact = lifecycle.destroy(resource, by=manager, at=LATER)
    assert resource.destroyed_at == LATER
    assert (fact.event, fact.user, fact.effect) == (f"{resource.kind}.destroyed", manager, "applied")
    assert fact.payload["message"] == f'{resource.kind.capitalize()} "{word}" destroyed'
    assert type(resource).objects.get().facts == TimelineEvent.objects.count() == 2


def test_deleting_it_again_writes_nothing(shop, manager):
    lifecycle.destroy(shop, by=manager, at=LATER)
    stale = Monitor.objects.get()
    stale.destroyed_at = None
    assert lifecycle.destroy(stale, by=manager, at=LATER + MINUTE) is None
    assert stale.destroyed_at == LATER
    assert TimelineEvent.objects.count() == 2


def test_a_deleted_one_cannot_be_changed(shop, manager):
    lifecycle.destroy(shop, by=manager, at=LATER)
    for verb in (lifecycle.edit, lifecycle.pause, lifecycle.unpause):
        with pytest.raises(Conflict, match="This monitor was deleted"):
            verb(shop, by=manager, at=LATER)


def test_what_a_live_incident_holds_down_is_not_deleted_alone(shop, manager):
    Monitor.objects.update(live_incidents=1)
    with pytest.raises(Conflict, match="A live incident is about this monitor"):
        lifecycle.destroy(shop, by=manager, at=LATER)


# --- what is not ours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", ["monitor", "heartbeat"])
def test_a_mirrored_one_cannot_be_changed_and_the_refusal_names_the_integration(kind, verb, manager, tell):
    tell(an_event(f"{kind}.created"))
    resource = {"monitor": Monitor, "heartbeat": Heartbeat}[kind].objects.get()
    with pytest.raises(Conflict) as refused:
        verb(resource, by=manager, at=LATER)
    integration = Integration.objects.get()
    assert refused.value.message == f"This {kind} is mirrored from Better Stack, so it can’t be changed here."
    assert refused.value.details == {"integration": {"id": integration.pk, "name": "Better Stack"}}
    assert TimelineEvent.objects.count() == 1


# --- all of them ----------------------------------------------------------------------------------------------


def test_every_act_is_a_sound_event_and_folding_all_again_finds_the_same(shop, backup, manager):
    for resource, other in ((shop, {"name": "Till"}), (backup, {"grace": 60})):
        lifecycle.edit(resource, by=manager, at=LATER, **other)
        lifecycle.pause(resource, by=manager, at=LATER)
        lifecycle.unpause(resource, by=manager, at=LATER)
        lifecycle.destroy(resource, by=manager, at=LATER)
    for fact in TimelineEvent.objects.all():
        assert (judged := validate(fact.payload, LATER, EVENTS)).fields == {} and not judged.ignored
        assert (fact.effect, fact.user) == ("applied", manager)
    assert TimelineEvent.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_a_rebuild_agrees_with_every_act(shop, backup, manager):
    lifecycle.edit(backup, by=manager, at=LATER, **BACKUP | {"period": 60})
    lifecycle.pause(shop, by=manager, at=LATER)
    lifecycle.unpause(shop, by=manager, at=LATER)
    assert list(check()) == []
