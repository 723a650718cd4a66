import random
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from dashboard import rebuilding
from incidents import keeper
from incidents.fold import step
from incidents.models import Incident
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event, make_integration, make_team, tell_it
from tests.floods import tell_in_batches, tell_together
from timeline import kept
from timeline.chronology import fold
from timeline.models import Checkpoint, TimelineEvent

ACTIONS = ("started", "acknowledged", "resolved", "reopened", "escalated", "grouped")


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def told(action, minutes=0, **fields):
    return an_event(f"incident.{action}", at(minutes), **fields)


def differences():
    """What folding everything again would change."""
    subjects = [(kind, row) for kind, model in rebuilding.subjects() for row in model.objects.values()]
    return [str(each) for kind, row in subjects for each in rebuilding.differences((kind, row["id"]), row)]


def test_an_incident_s_row_is_the_fold_of_its_facts_in_any_order(tell):
    tell(told("resolved", 9), told("started", 1), told("acknowledged", 5))
    incident = Incident.objects.get()
    assert (incident.status, incident.started_at, incident.acknowledged_at, incident.resolved_at) == (
        "resolved", at(1), at(5), at(9),
    )  # fmt: skip
    assert (incident.is_live, incident.provisional, incident.facts, incident.updated_at) == (False, False, 3, at(9))
    assert differences() == []


def test_a_late_fact_changes_what_later_ones_did(tell):
    tell(told("started", 1), told("acknowledged", 5))
    acknowledged = TimelineEvent.objects.get(event="incident.acknowledged")
    assert acknowledged.entries[0]["old"] == "open"
    tell(told("resolved", 3))
    acknowledged.refresh_from_db()
    assert (acknowledged.effect, acknowledged.why, acknowledged.entries) == ("none", "It was resolved then.", [])
    assert Incident.objects.get().status == "resolved"
    tell(told("reopened", 4))
    acknowledged.refresh_from_db()
    assert (acknowledged.effect, acknowledged.why) == ("applied", "")
    assert differences() == []


@pytest.fixture
def work(monkeypatch):
    """Counts the folds' steps and the facts that are read from histories."""
    done = Counter()
    take_in, told_by_row = kept.take_in, kept.told

    def counted(*args, **named):
        folded = take_in(*args, **named)
        done["steps"] += folded.steps
        return folded

    monkeypatch.setattr(kept, "take_in", counted)
    monkeypatch.setattr(kept, "told", lambda row: done.update(["read"]) or told_by_row(row))
    return done


def test_a_batch_folds_each_incident_once(integration, work):
    tell_together(integration, [told("escalated", n, incident_id=201 + n % 2) for n in range(40)])
    # Both are about one monitor, in whose history they stand too.
    assert work["steps"] == 20 + 20 + 40


@pytest.mark.parametrize("length", [10, 1_000])
def test_a_fact_that_sorts_last_is_a_step_and_reads_nothing_however_long_the_history(integration, work, length):
    tell_together(integration, [told("escalated", n, more=n) for n in range(length)])
    work.clear()
    tell_together(integration, [told("acknowledged", length)])
    # One of the incident, one of its monitor.
    assert work == {"steps": 2}
    assert Incident.objects.get().facts == length + 1


@pytest.mark.parametrize(("length", "tail"), [(250, 1), (1_000, 1), (1_000, 300)])
def test_a_late_fact_reads_its_tail_from_the_checkpoint_before_it(integration, work, length, tail):
    tell_together(integration, [told("escalated", n, more=n) for n in range(length)])
    work.clear()
    tell_together(integration, [told("grouped", length - tail - 0.5)])
    read = tail + (length - tail) % 100
    assert work == {"read": 2 * read, "steps": 2 * (read + 1)}


@pytest.mark.parametrize("seed", range(2))
def test_a_history_of_350_in_random_batches_is_its_fold_with_all_its_checkpoints(integration, seed):
    chance = random.Random(seed)
    events = [told(chance.choice(ACTIONS), n // 3, more=n) for n in range(350)]
    chance.shuffle(events)
    tell_in_batches(integration, events, chance)
    incident = Incident.objects.get()
    whole = fold(keeper.BEGINNING, kept.facts_of(("incident", incident.pk)), step)
    assert keeper.standings([incident.pk])[incident.pk] == whole.standing
    assert (incident.facts, Monitor.objects.get().facts) == (350, 350)
    # Three of the incident and three of its monitor.
    assert Checkpoint.objects.count() == 6
    assert differences() == []


def test_one_late_fact_in_a_long_history_moves_every_checkpoint_behind_it(integration):
    tell_together(integration, [told("escalated", n, more=n) for n in range(100, 450)])
    tell_together(integration, [told("started", 1)])
    assert Incident.objects.get().started_at == at(1)
    assert differences() == []
    assert list(
        Checkpoint.objects.filter(subject_kind="incident").order_by("facts").values_list("occurred_at", flat=True)
    ) == [
        at(198),
        at(298),
        at(398),
    ]


# --- what it means for resources ------------------------------------------------------------------------------

UNNAMED = {"resource_type": None, "resource_id": None, "resource_name": None}
OTHER = {"resource_type": "monitor", "resource_id": 790, "resource_name": "Other"}
BACKUP = {"resource_type": "heartbeat", "resource_id": 101, "resource_name": "Backup"}


def test_what_names_its_resource_late_puts_all_later_facts_into_the_resource_s_history(tell):
    tell(told("acknowledged", 5, **UNNAMED), told("escalated", 7, **UNNAMED))
    assert not TimelineEvent.objects.exclude(resource_id=None).exists()
    tell(told("started", 1))
    monitor = Monitor.objects.get()
    assert (monitor.status, monitor.status_since, monitor.live_incidents, monitor.facts) == ("down", at(1), 1, 3)
    assert TimelineEvent.objects.filter(resource_kind="monitor", resource_id=monitor.pk).count() == 3
    assert differences() == []


def test_what_names_its_resource_last_leaves_earlier_facts_out_of_the_resource_s_history(tell):
    tell(told("started", 1, **UNNAMED), told("acknowledged", 5))
    monitor = Monitor.objects.get()
    assert (monitor.status, monitor.status_since, monitor.live_incidents, monitor.facts) == ("down", at(5), 1, 1)
    assert differences() == []


@pytest.mark.parametrize("other", [OTHER, BACKUP])
def test_an_incident_that_turns_out_to_be_about_another_resource_releases_the_first(tell, other):
    tell(an_event("monitor.created", at(0)), told("started", 5), told("acknowledged", 6))
    monitor = Monitor.objects.get(source_id=789)
    assert (monitor.status, monitor.live_incidents) == ("down", 1)
    tell(told("escalated", 1, **other))
    monitor.refresh_from_db()
    assert (monitor.status, monitor.status_since, monitor.live_incidents, monitor.facts) == ("up", at(0), 0, 1)
    model = Monitor if other is OTHER else Heartbeat
    about = model.objects.get(source_id=other["resource_id"])
    assert (about.status, about.status_since, about.live_incidents, about.facts) == ("down", at(1), 1, 3)
    incident = Incident.objects.get()
    assert (incident.resource_type, incident.resource_id, incident.resource_name) == (
        other["resource_type"], about.pk, other["resource_name"],
    )  # fmt: skip
    assert differences() == []


def test_an_incident_that_turns_out_to_be_about_something_unknown_releases_its_resource(tell):
    tell(told("started", 5))
    tell(told("escalated", 1, resource_type="server", resource_id=5, resource_name="web-1"))
    monitor = Monitor.objects.get()
    assert (monitor.status, monitor.live_incidents, monitor.facts, monitor.name) == ("pending", 0, 0, "")
    assert (Incident.objects.get().resource_type, Incident.objects.get().resource_id) == ("server", 5)
    assert differences() == []


def test_a_long_history_moves_to_another_resource_with_its_checkpoints(integration):
    tell_together(integration, [told("escalated", n, more=n) for n in range(10, 260)])
    tell_together(integration, [an_event("monitor.down", at(50 + n), more=n) for n in range(60)])
    tell_together(integration, [told("started", 1, **OTHER)])
    assert Monitor.objects.get(source_id=789).facts == 60
    assert Monitor.objects.get(source_id=790).facts == 251
    assert differences() == []


def test_two_incidents_hold_a_resource_until_both_have_ended(tell):
    tell(told("started", 1), told("started", 2, incident_id=202))
    tell(told("resolved", 3))
    assert (Monitor.objects.get().status, Monitor.objects.get().live_incidents) == ("down", 1)
    tell(told("destroyed", 4, incident_id=202))
    assert (Monitor.objects.get().status, Monitor.objects.get().live_incidents) == ("up", 0)
    assert Monitor.objects.get().status_since == at(4)


def test_a_late_end_of_one_incident_is_read_by_its_resource_where_it_stands_in_time(tell):
    tell(told("started", 1), told("started", 5, incident_id=202), told("resolved", 7, incident_id=202))
    assert Monitor.objects.get().status == "down"
    tell(told("resolved", 3))
    monitor = Monitor.objects.get()
    assert (monitor.status, monitor.status_since, monitor.live_incidents) == ("up", at(7), 0)
    assert differences() == []


def test_one_batch_may_touch_everything(integration):
    events = [
        told("started", 1),
        told("started", 2, incident_id=202, **OTHER),
        told("resolved", 9, incident_id=202, **OTHER),
        told("started", 3, incident_id=203, **BACKUP),
        an_event("monitor.created", at(0)),
        an_event("heartbeat.paused", at(4)),
        an_event("monitor.destroyed", at(8)),
        told("escalated", 0, incident_id=204, **UNNAMED),
    ]
    random.Random(3).shuffle(events)
    answers = tell_together(integration, events)
    assert {answer.status for answer in answers} == {"accepted"}
    states = {
        each.source_id: (each.status, each.live_incidents)
        for each in (*Monitor.objects.all(), *Heartbeat.objects.all())
    }
    assert states == {789: ("down", 1), 790: ("up", 0), 101: ("paused", 1)}
    assert differences() == []


# --- locking --------------------------------------------------------------------------------------------------


def test_resources_are_locked_before_incidents_and_each_in_the_order_of_ids(tell):
    tell(told("started", 1), told("started", 1, incident_id=202, **BACKUP))
    ids = list(Incident.objects.values_list("id", flat=True))
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        keeper.lock(reversed(ids), {("monitor", 999_999)})
    locks = [query["sql"] for query in queries if "FOR NO KEY UPDATE" in query["sql"]]
    assert [
        '"monitors_monitor"' in locks[0],
        '"monitors_heartbeat"' in locks[1],
        '"incidents_incident"' in locks[2],
    ] == [True] * 3
    assert len(locks) == 3
    assert all("ORDER BY" in lock for lock in locks)


def test_three_that_lock_an_incident_while_its_resource_becomes_known_do_not_wait_in_a_circle(transactional_db):
    integration = make_integration(make_team())
    tell_it(integration, told("escalated", 1, **UNNAMED), an_event("monitor.created", at(0)))
    incident, monitor = Incident.objects.get(), ("monitor", Monitor.objects.get().pk)
    ready, failures = threading.Barrier(3), []

    def waiting_for(count):
        """Until so many connections wait for a lock."""
        with connection.cursor() as cursor:
            for _ in range(500):
                # A transaction would else see the same activities each time.
                cursor.execute("SELECT pg_stat_clear_snapshot()")
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                if cursor.fetchone() == (count,):
                    return
                time.sleep(0.01)

    def naming():
        with transaction.atomic():
            keeper.lock([incident.pk], {monitor})
            ready.wait(10)
            waiting_for(2)
            Incident.objects.filter(pk=incident.pk).update(resource_type="monitor", resource_id=monitor[1])

    def locking(*resources):
        ready.wait(10)
        with transaction.atomic():
            keeper.lock([incident.pk], resources)

    def run(job, *args):
        try:
            job(*args)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    jobs = [(naming,), (locking,), (locking, monitor)]
    threads = [threading.Thread(target=run, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def test_locking_nothing_asks_nothing_of_the_resources(db):
    with transaction.atomic():
        keeper.lock([], set())


def test_an_incident_without_facts_stands_at_the_beginning(team):
    incident = Incident.objects.create(team=team, status="closed", title="Never happened")
    assert keeper.standings([incident.pk]) == {incident.pk: keeper.BEGINNING}
