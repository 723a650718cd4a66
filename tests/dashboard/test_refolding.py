"""What an older version left is brought up to date beside everything else, and comes to what this one finds."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from dashboard import rebuilding, refolding
from dashboard.refolding import Refolding, Renumbering
from dashboard.worker import Worker
from incidents import corrections, lifecycle
from incidents import fold as incident_fold
from incidents import keeper as incident_keeper
from incidents.models import Incident
from integrations import ingest
from monitors import fold as resource_fold
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event, make_integration, make_team, make_user
from tests.dashboard.test_rebuild import CLEAN, check, snapshot
from tests.floods import RECEIVED, tell_together
from timeline import chronology, kept
from timeline.events import EVENTS
from timeline.models import Checkpoint, TimelineEvent
from timeline.outbound.models import Message
from timeline.ranks import RANKS

LANDED = [action for action in RANKS if action != "ungrouped"]


def at(minutes):
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def history(transactional_db, monkeypatch):
    """Incidents, a monitor and a heartbeat with checkpoints, acts of staff and a correction."""
    for room in (chronology, kept):
        monkeypatch.setattr(room, "CHECKPOINT_EVERY", 7)
    integration = make_integration(make_team())
    user = make_user("alice@example.com", integration.team)
    tell_together(
        integration,
        [
            an_event("monitor.created", at(0)),
            an_event("heartbeat.created", at(0)),
            an_event("incident.started", at(1)),
            *(an_event("incident.escalated", at(10), more=n) for n in range(20)),
            an_event("incident.acknowledged", at(12)),
            an_event("incident.resolved", at(20)),
            an_event("incident.started", at(5), incident_id=202),
        ],
    )
    first = Incident.objects.get(source_id=201)
    lifecycle.reopen(first, by=user, at=at(30), note="Again.")
    hidden = TimelineEvent.objects.get(payload__more=3)
    corrections.correct(first, hidden.pk, by=user, at=at(40), reason="A test.", hidden=True)
    return integration


def age(*, folded=True):
    """Let everything be as it was before ranks were numbers and folds had versions."""
    place = "array_position(%s, split_part(event, '.', 2)) - 1"
    before = "CASE last_rank WHEN NULL THEN NULL ELSE last_rank / 100 - 1 END"
    # The places of those behind `ungrouped` are their numbers' all the same: it stands in a gap.
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE timeline_timelineevent SET rank = {place}", [LANDED])
        cursor.execute("UPDATE timeline_checkpoint SET rank = rank / 100 - 1")
        for table in ("incidents_incident", "monitors_monitor", "monitors_heartbeat"):
            cursor.execute(f"UPDATE {table} SET last_rank = {before}, fold_version = 0")


def bring_up_to_date():
    """What the worker does until nothing is left to be done; in how many runs."""
    renumbering, refolding_ = Renumbering(), Refolding()
    runs = 0
    while renumbering.run(RECEIVED) or not renumbering.done:
        runs += 1
    while refolding_.run(RECEIVED):
        runs += 1
    return runs


def behind():
    return rebuilding.behind(), TimelineEvent.objects.filter(rank__lt=100).count()


def test_what_was_stored_before_is_renumbered_and_folded_again_and_is_as_if_stored_now(history, capsys):
    now = snapshot()
    age()
    assert behind() == (4, TimelineEvent.objects.count())
    assert check(capsys) == (0, [*CLEAN[1], "4 incidents, monitors and heartbeats still to be folded again."])
    bring_up_to_date()
    assert behind() == (0, 0)
    assert check(capsys) == CLEAN
    assert snapshot() == now


def test_it_can_be_interrupted_anywhere_and_goes_on(history, monkeypatch, capsys):
    now = snapshot()
    age()
    monkeypatch.setattr(refolding, "FACTS_AT_ONCE", 4)
    monkeypatch.setattr(refolding, "SUBJECTS_AT_ONCE", 1)
    left = [behind()]
    for room in (Renumbering, Refolding):
        for _ in range(40):
            # As often as not it is another process that goes on, which knows nothing of the one before.
            if not room().run(RECEIVED):
                break
            left.append(behind())
    assert left == sorted(left, reverse=True)
    assert len(left) > 8
    assert bring_up_to_date() > 0
    assert check(capsys) == CLEAN
    assert snapshot() == now


def test_nothing_is_sent_and_nothing_recorded_for_it(history):
    from timeline.outbound.lifecycle import create_endpoint

    create_endpoint(history.team, at=NOON, url="https://example.com/hook", further=True, relay=True)
    age()
    facts = TimelineEvent.objects.count()
    bring_up_to_date()
    assert (Message.objects.count(), TimelineEvent.objects.count()) == (0, facts)


def test_the_worker_applies_nothing_before_all_ranks_are_numbers(history, monkeypatch, capsys):
    """
    The case that two numberings would get wrong: a close that was stored with a small number, and a resolve of the same
    millisecond that is told only now.
    """
    monkeypatch.setattr(refolding, "FACTS_AT_ONCE", 7)
    incident = Incident.objects.get(source_id=202)
    lifecycle.acknowledge(incident, by=None, at=at(40))
    closed = lifecycle.close(incident, by=None, at=at(50))
    age()
    ingest.receive_from(history, told(closed.occurred_at), {}, RECEIVED)
    worker = Worker()
    turns = {step.name: [] for step in worker.steps}
    while not turns["apply"] or not turns["apply"][-1]:
        for step in worker.steps:
            turns[step.name].append(worker.turn(step))
        assert history.deliveries.latest("id").status == ("applied" if turns["apply"][-1] else "received")
    assert len(turns["apply"]) > TimelineEvent.objects.count() // 7
    assert {each for each in turns["renumber"] if each} <= {1, *range(8)}
    bring_up_to_date()
    assert check(capsys) == CLEAN
    incident.refresh_from_db()
    assert (incident.status, incident.facts) == ("closed", 4)


def told(moment):
    import json

    from tests.conftest import rfc

    return json.dumps(an_event("incident.resolved", moment, incident_id=202) | {"dt": rfc(moment)}).encode()


def test_staff_act_on_what_is_still_to_be_brought_up_to_date(history, monkeypatch, capsys):
    """Also between any two of its steps; what they did is there then, and everything is as it would have been."""
    monkeypatch.setattr(refolding, "FACTS_AT_ONCE", 9)
    monkeypatch.setattr(refolding, "SUBJECTS_AT_ONCE", 1)
    age()
    first, second = (Incident.objects.get(source_id=number) for number in (201, 202))
    monitor = Monitor.objects.get()
    acts = iter(
        [
            lambda: lifecycle.acknowledge(first, by=None, at=at(60)),
            lambda: lifecycle.resolve(second, by=None, at=at(60)),
            lambda: corrections.correct(
                first, TimelineEvent.objects.get(payload__more=5).pk, by=None, at=at(61), reason="x", occurred_at=at(2)
            ),
            lambda: lifecycle.resolve(first, by=None, at=at(62)),
            lambda: corrections.add(second, by=None, at=at(63), message="x", occurred_at=at(5), reason="y"),
            lambda: lifecycle.reopen(second, by=None, at=at(64)),
        ]
    )
    for room in (Renumbering(), Refolding()):
        more = 1
        while more:
            more = room.run(RECEIVED)
            next(acts, lambda: None)()
    assert next(acts, None) is None
    bring_up_to_date()
    assert check(capsys) == CLEAN
    first.refresh_from_db()
    second.refresh_from_db()
    monitor.refresh_from_db()
    assert (first.status, second.status, monitor.status, monitor.live_incidents) == ("resolved", "open", "down", 1)


def test_a_late_fact_on_what_an_older_version_folded_reads_all_of_it_and_is_right_at_once(history, capsys):
    age()
    renumbering = Renumbering()
    while renumbering.run(RECEIVED):
        pass
    Incident.objects.filter(source_id=201).update(title="Of an older fold")
    Checkpoint.objects.update(state={"title": "Of an older fold"})
    tell_together(history, [an_event("incident.escalated", at(3), more=77)])
    incident = Incident.objects.get(source_id=201)
    assert (incident.fold_version, incident.title) == (incident_fold.VERSION, "My Website is Down")
    bring_up_to_date()
    assert check(capsys) == CLEAN


def test_facts_that_an_older_version_tells_while_it_is_replaced_are_brought_up_to_date_too(history, capsys):
    """It writes a place, and onto a row of this version what its own fold made of it."""
    last = TimelineEvent.objects.filter(subject_kind="incident").latest("occurred_at")
    TimelineEvent.objects.filter(pk=last.pk).update(rank=list(LANDED).index("corrected"))
    Incident.objects.filter(pk=last.subject_id).update(title="Of an older fold")
    assert check(capsys)[0] == 1
    bring_up_to_date()
    assert behind() == (0, 0)
    assert check(capsys) == CLEAN


def test_a_stored_rank_that_is_not_its_action_s_is_found_and_mended(history, capsys):
    fact = TimelineEvent.objects.get(event="incident.resolved")
    TimelineEvent.objects.filter(pk=fact.pk).update(rank=RANKS["up"])
    ended, lines = check(capsys)
    assert (ended, len(lines)) == (1, 2)
    assert lines[0].startswith(f"incident {fact.subject_id}: fact {fact.pk} is ")
    for each in rebuilding.rebuild():
        assert each
    assert check(capsys) == CLEAN
    assert TimelineEvent.objects.get(pk=fact.pk).rank == EVENTS["incident.resolved"].rank


def test_what_can_not_be_folded_again_is_left_and_hinders_none_of_the_others(history, monkeypatch, capsys):
    bad = Incident.objects.get(source_id=201).pk
    Incident.objects.update(fold_version=0)
    real = incident_keeper.fold_anew

    def failing(ids):
        if bad in ids:
            raise ValueError("cannot")
        real(ids)

    monkeypatch.setattr(incident_keeper, "fold_anew", failing)
    bring_up_to_date()
    assert list(Incident.objects.filter(fold_version=0).values_list("pk", flat=True)) == [bad]
    assert "could not be folded again" in capsys.readouterr().err


def test_what_a_newer_version_folded_is_left_alone_and_one_step_onto_it_is_of_this_version(history):
    newer = incident_fold.VERSION + 5
    Incident.objects.update(fold_version=newer)
    bring_up_to_date()
    assert set(Incident.objects.values_list("fold_version", flat=True)) == {newer}
    incident = Incident.objects.get(source_id=202)
    lifecycle.acknowledge(incident, by=None, at=at(60))
    assert incident.fold_version == incident_fold.VERSION


def test_facts_that_somebody_has_in_hand_are_left_for_the_next_time(history):
    age()
    fact = TimelineEvent.objects.first()
    held, free = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            TimelineEvent.objects.select_for_update().get(pk=fact.pk)
            held.set()
            free.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    renumbering = Renumbering()
    assert renumbering.run(RECEIVED) == TimelineEvent.objects.count()
    assert list(TimelineEvent.objects.filter(rank__lt=100)) == [fact]
    assert (renumbering.run(RECEIVED), renumbering.done) == (1, False)
    free.set()
    holder.join(30)
    while renumbering.run(RECEIVED):
        pass
    assert (renumbering.done, behind()[1]) == (True, 0)


def test_every_state_says_which_version_of_its_fold_found_it(history):
    for model, version in (
        (Incident, incident_fold.VERSION),
        (Monitor, resource_fold.VERSION),
        (Heartbeat, resource_fold.VERSION),
    ):
        assert set(model.objects.values_list("fold_version", flat=True)) == {version}


def test_what_changed_for_a_resource_is_found_once_when_it_is_folded_again_or_with_its_next_fact(history, capsys):
    """An incident's fact that an older fold read otherwise: its monitor counted no live incident."""
    incident, monitor = Incident.objects.get(source_id=202), Monitor.objects.get()
    TimelineEvent.objects.filter(subject_id=incident.pk).update(hold=0, presses="")
    Monitor.objects.update(live_incidents=0, status="up")
    Incident.objects.filter(pk=incident.pk).update(fold_version=0)
    refolding.fold_anew("incident", [incident.pk])
    monitor.refresh_from_db()
    assert (monitor.live_incidents, monitor.fold_version) == (0, chronology.DOUBTED)
    assert check(capsys) == (0, [*CLEAN[1], "1 incidents, monitors and heartbeats still to be folded again."])
    lifecycle.resolve(incident, by=None, at=at(60))
    monitor.refresh_from_db()
    assert (monitor.live_incidents, monitor.fold_version) == (1, resource_fold.VERSION)
    assert check(capsys) == CLEAN
