import random
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from monitors import keeper
from monitors.fold import ResourceState, step
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event
from tests.floods import tell_in_batches, tell_together
from timeline import checkpoints, kept
from timeline.chronology import fold
from timeline.models import Checkpoint, TimelineEvent


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def says_what_its_facts_say(resource):
    """Whether the row, its facts' readings and its checkpoints are the fold of its whole chronology."""
    resource.refresh_from_db()
    subject = (resource.kind, resource.pk)
    whole = fold(keeper.BEGINNING, kept.facts_of(subject), step)
    row = keeper.standings(resource.kind, [resource.pk])[resource.pk]
    stored = [
        (checkpoints.position_of(each), kept.state_from(ResourceState, each.state))
        for each in checkpoints.checkpoints_of(subject)
    ]
    return row == whole.standing and stored == whole.checkpoints


def test_a_resource_s_first_facts_in_any_order_are_folded(tell):
    tell(an_event("monitor.down", at(5)), an_event("monitor.created", at(1)), an_event("monitor.paused", at(3)))
    monitor = Monitor.objects.get()
    assert (monitor.status, monitor.status_since, monitor.facts) == ("paused", at(3), 3)
    assert (monitor.last_occurred_at, monitor.last_rank) == (at(5), 500)
    assert says_what_its_facts_say(monitor)


def test_a_late_fact_is_put_where_it_belongs_and_what_stands_behind_is_read_again(tell):
    tell(an_event("monitor.created", at(1)), an_event("monitor.down", at(5)))
    down = TimelineEvent.objects.get(event="monitor.down")
    assert down.entries[0]["old"] == "up"
    tell(an_event("monitor.paused", at(3)))
    down.refresh_from_db()
    assert (down.effect, down.why, down.entries) == ("none", "It was paused.", [])
    tell(an_event("monitor.unpaused", at(4)))
    down.refresh_from_db()
    assert (down.effect, down.why, down.entries[0]["old"]) == ("applied", "", "up")
    assert says_what_its_facts_say(Monitor.objects.get())


def test_a_heartbeat_is_kept_alike(tell):
    tell(an_event("heartbeat.down", at(5)), an_event("heartbeat.created", at(1)), an_event("heartbeat.up", at(7)))
    heartbeat = Heartbeat.objects.get()
    assert (heartbeat.name, heartbeat.status, heartbeat.status_inferred) == ("Daily Backup", "up", False)
    assert says_what_its_facts_say(heartbeat)


def test_a_resource_that_only_incidents_name_is_provisional(tell):
    tell(an_event("incident.started", at(5)))
    monitor = Monitor.objects.get()
    assert (monitor.provisional, monitor.name, monitor.status, monitor.status_inferred) == (
        True,
        "My Website",
        "down",
        True,
    )
    assert (monitor.live_incidents, monitor.facts) == (1, 1)
    assert says_what_its_facts_say(monitor)


def test_a_rename_by_order_and_not_by_arrival(tell):
    tell(an_event("monitor.created", at(5), monitor_name="New"), an_event("monitor.down", at(1), monitor_name="Old"))
    assert Monitor.objects.get().name == "New"


@pytest.mark.parametrize("seed", range(2))
def test_a_history_of_350_in_random_batches_is_its_fold_with_all_its_checkpoints(integration, seed):
    chance = random.Random(seed)
    names = ["monitor.created", "monitor.down", "monitor.paused", "monitor.unpaused", "monitor.verifying_recovery"]
    told = [an_event(chance.choice(names), NOON + timedelta(milliseconds=n // 2), more=n) for n in range(350)]
    chance.shuffle(told)
    tell_in_batches(integration, told, chance)
    monitor = Monitor.objects.get()
    assert monitor.facts == 350
    assert Checkpoint.objects.count() == 3
    assert says_what_its_facts_say(monitor)


def test_a_fact_that_sorts_last_reads_no_history(tell, integration):
    tell(*(an_event("monitor.down", NOON + timedelta(seconds=n)) for n in range(3)))
    with CaptureQueriesContext(connection) as short:
        tell(an_event("monitor.down", NOON + timedelta(seconds=10)))
    tell_together(integration, [an_event("monitor.down", NOON + timedelta(seconds=20 + n)) for n in range(120)])
    with CaptureQueriesContext(connection) as long:
        tell(an_event("monitor.down", NOON + timedelta(seconds=900)))
    assert len(long) == len(short)


def test_locks_are_taken_in_one_order(team, django_assert_num_queries):
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        keeper.lock({("heartbeat", 3), ("monitor", 9), ("monitor", 2)})
    assert ["monitors_monitor" in q["sql"] for q in queries] == [True, False]
    assert all("ORDER BY" in q["sql"] and "FOR NO KEY UPDATE" in q["sql"] for q in queries)


def test_a_resource_that_lost_all_its_facts_is_blank_again(tell):
    tell(
        an_event("incident.started", at(5)),
        an_event("incident.acknowledged", at(1), resource_id=790, resource_name="Other"),
    )
    left, about = Monitor.objects.get(source_id=789), Monitor.objects.get(source_id=790)
    assert (left.status, left.name, left.live_incidents, left.facts, left.last_occurred_at) == (
        "pending",
        "",
        0,
        0,
        None,
    )
    assert (about.status, about.name, about.live_incidents, about.facts) == ("down", "Other", 1, 2)
    assert says_what_its_facts_say(left)
    assert says_what_its_facts_say(about)


def test_a_checkpoint_of_before_a_state_had_all_that_it_has_now_is_read_with_the_defaults():
    state = ResourceState(name="Shop", status="down", live_incidents=2)
    old = {
        name: value for name, value in checkpoints.as_json(state).items() if name not in ("native", "period", "grace")
    }
    assert kept.state_from(ResourceState, old) == state
