from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.fold import IncidentState
from monitors.fold import ResourceState
from tests.conftest import NOON
from tests.floods import unfolded
from timeline import checkpoints, kept
from timeline.chronology import Fact, Outcome, Standing, fold
from timeline.events import EVENTS
from timeline.models import Checkpoint, TimelineEvent
from timeline.record import NewFact, record
from timeline.renumbering import renumbered

SUBJECT = ("incident", 5)
BEGINNING = Standing(IncidentState(), version=3)
# A rank, and one before it.
FIRST, SECOND = 100, 200


def numbered(number, at=None, rank=SECOND, event="incident.escalated", subject=SUBJECT):
    """A fact that says its number; by default it occurred that many milliseconds past noon."""
    moment = NOON + timedelta(milliseconds=number if at is None else at)
    assert event in EVENTS
    return Fact(event, moment, rank, number.to_bytes(32, "big"), {"n": number}, subject, user_name=str(number))


def counting(state, fact):
    """A step that keeps the last fact's number as the incident's title."""
    after = IncidentState(
        title=f"{state.title}{fact.payload['n']} "[-60:], started_at=state.started_at or fact.occurred_at
    )
    return after, Outcome(why="" if fact.payload["n"] % 2 else "even")


def whole_fold():
    """The fold of all that is stored."""
    return fold(BEGINNING, kept.facts_of(SUBJECT), counting)


# What a fact is called here that was not written.
UNSTORED = {0}


def states_kept():
    """The states of the checkpoints."""
    return [kept.state_from(IncidentState, each.state) for each in checkpoints.checkpoints_of(SUBJECT)]


@pytest.fixture
def write(team, integration):
    """Record facts of the integration."""
    return lambda *facts: record([NewFact(fact, team.pk, integration.pk) for fact in facts], unfolded)


def take_in(facts, standing=None):
    """Fold facts into the subject's history and keep what that brings."""
    start = standing or BEGINNING
    [folded] = kept.take_in_all("incident", {5: start}, {5: facts}, BEGINNING, counting, new=UNSTORED).values()
    kept.keep_outcomes(folded.read, UNSTORED)
    return folded


def start_before(standing, position):
    """Where a history is read from for the sake of a position."""
    late = {5: position} if standing.facts >= 100 else {}
    return kept.checkpoints_before("incident", late, BEGINNING).get(5, BEGINNING)


def numbers(facts):
    return [fact.payload["n"] for fact in facts]


def test_a_fact_comes_back_as_it_was_recorded(write):
    one = numbered(3)
    one.named, one.user_email, one.recorded_at = ("monitor", 8), "a@example.com", NOON + timedelta(hours=1)
    write(one)
    assert kept.facts_of(SUBJECT) == [one]


def test_a_fact_of_ours_comes_back_as_native(team):
    record([NewFact(numbered(3), team.pk)], unfolded)
    assert kept.facts_of(SUBJECT)[0].native


def test_a_chronology_is_ordered_by_moment_rank_and_identity_bytes(write):
    write(
        numbered(255, at=1, rank=2),
        numbered(7, at=1, rank=2),
        numbered(256, at=1, rank=2),
        numbered(128, at=1, rank=2),
        numbered(9, at=1, rank=1),
        numbered(300, at=0, rank=9),
        numbered(1, at=2, rank=0),
    )
    facts = kept.facts_of(SUBJECT)
    assert numbers(facts) == [300, 9, 7, 128, 255, 256, 1]
    assert [fact.position for fact in facts] == sorted(fact.position for fact in facts)
    for place, fact in enumerate(facts, start=1):
        assert kept.facts_of(SUBJECT, fact.position) == facts[place:]


def test_a_chronology_has_nothing_of_another_subject(write):
    write(numbered(1), numbered(2, subject=("incident", 6)))
    write(numbered(3, event="monitor.down", subject=("monitor", 5)))
    assert numbers(kept.facts_of(SUBJECT)) == [1]
    assert numbers(kept.facts_of(("monitor", 5))) == [3]
    assert kept.facts_of(("heartbeat", 5)) == []


def test_a_resource_s_chronology_has_the_facts_of_incidents_that_stand_in_it(write):
    write(numbered(1), numbered(2), numbered(3, event="monitor.down", subject=("monitor", 5)))
    TimelineEvent.objects.filter(payload__n=2).update(resource_kind="monitor", resource_id=5, hold=1, presses="hold")
    facts = kept.facts_of(("monitor", 5))
    assert numbers(facts) == [2, 3]
    assert (facts[0].resource, facts[0].hold, facts[0].presses) == (("monitor", 5), 1, "hold")


def test_before_a_position_is_the_nearest_checkpoint_strictly_before_it(write):
    folded = take_in(write(*(numbered(n) for n in range(350))))
    assert list(checkpoints.checkpoints_of(SUBJECT).values_list("facts", flat=True)) == [100, 200, 300]
    for number, facts in ((0, 0), (99, 0), (100, 100), (299, 200)):
        assert start_before(folded.standing, numbered(number).position).facts == facts
    nearest = start_before(folded.standing, numbered(9_999).position)
    assert (nearest.facts, nearest.last) == (300, numbered(299).position)
    assert nearest.state == dict(folded.checkpoints)[nearest.last]


def test_a_late_fact_refolds_from_its_checkpoint_and_moves_those_behind_it(write):
    facts = write(*(numbered(n) for n in range(350)))
    first = take_in(facts)
    again = take_in(write(numbered(5_000, at=150, rank=FIRST)), first.standing)
    assert again.steps == 251
    assert again.since == facts[99].position
    whole = whole_fold()
    assert again.standing == whole.standing
    stored = list(checkpoints.checkpoints_of(SUBJECT))
    assert [
        (checkpoints.position_of(each), kept.state_from(IncidentState, each.state)) for each in stored
    ] == whole.checkpoints
    assert [each.facts for each in stored] == [100, 200, 300]


def test_what_an_older_version_of_a_fold_found_is_no_ground_for_a_late_fact(write):
    first = take_in(write(*(numbered(n) for n in range(250))))
    older = replace(first.standing, version=2)
    again = take_in(write(numbered(5_000, at=120, rank=FIRST)), older)
    assert (again.steps, again.since, again.standing.version) == (251, None, 3)
    assert [each.facts for each in checkpoints.checkpoints_of(SUBJECT)] == [100, 200]
    assert states_kept() == [state for _, state in whole_fold().checkpoints]


def test_one_more_step_onto_what_an_older_version_found_is_the_older_s(write):
    first = take_in(write(*(numbered(n) for n in range(20))))
    again = take_in(write(numbered(30)), replace(first.standing, version=2))
    assert (again.steps, again.standing.version) == (1, 2)


def test_what_was_read_before_all_ranks_were_numbers_is_of_no_version(write):
    write(*(numbered(n) for n in range(20)))
    TimelineEvent.objects.filter(payload__n=7).update(rank=8)
    [folded] = kept.fold_anew("incident", {5: BEGINNING}, BEGINNING, counting).values()
    assert (folded.standing.facts, folded.standing.version) == (20, 0)
    assert {fact.rank for fact in renumbered(kept.facts_of(SUBJECT))} == {EVENTS["incident.escalated"].rank}


def test_folding_anew_writes_all_checkpoints_again_and_remembers_what_did_something_else(write):
    first = take_in(write(*(numbered(n) for n in range(250))))
    for number, each in enumerate(checkpoints.checkpoints_of(SUBJECT)):
        Checkpoint.objects.filter(pk=each.pk).update(state={}, occurred_at=NOON - timedelta(days=number))
    TimelineEvent.objects.filter(payload__n=33).update(why="Wrong.")
    [folded] = kept.fold_anew("incident", {5: replace(first.standing, version=2)}, BEGINNING, counting).values()
    assert folded.standing == first.standing
    assert (folded.steps, numbers(fact for fact, _ in folded.read)) == (250, [33])
    assert [checkpoints.position_of(each) for each in checkpoints.checkpoints_of(SUBJECT)] == [
        at for at, _ in first.checkpoints
    ]
    assert states_kept() == [state for _, state in first.checkpoints]


def test_a_late_fact_that_is_not_stored_yet_is_read_where_it_belongs(write):
    first = take_in(write(*(numbered(n) for n in range(250))))
    late = [numbered(5_000 + n, at=at, rank=FIRST) for n, at in enumerate((248, 120, 251))]
    again = take_in(late, first.standing)
    write(*late)
    whole = whole_fold()
    assert (again.standing, again.steps) == (whole.standing, 153)
    assert [each.facts for each in checkpoints.checkpoints_of(SUBJECT)] == [100, 200]


def test_of_what_is_read_again_only_what_did_something_else_is_remembered(write):
    first = take_in(write(*(numbered(n) for n in range(150))))
    for fact, outcome in first.read:
        fact.read_as(outcome)
    again = take_in(write(numbered(5_000, at=120, rank=FIRST)), first.standing)
    assert (again.steps, numbers(fact for fact, _ in again.read)) == (51, [5_000])
    assert TimelineEvent.objects.filter(why="even").count() == 76


def test_a_refold_from_the_very_beginning_replaces_all_checkpoints(write):
    facts = write(*(numbered(n) for n in range(200)))
    first = take_in(facts)
    again = take_in(write(numbered(5_000, at=-1)), first.standing)
    assert (again.since, again.steps) == (None, 201)
    positions = [checkpoints.position_of(each) for each in checkpoints.checkpoints_of(SUBJECT)]
    assert positions == [facts[98].position, facts[198].position]


def test_a_history_that_became_shorter_loses_the_checkpoints_behind_its_end(write):
    facts = write(*(numbered(n) for n in range(101)))
    first = take_in(facts)
    TimelineEvent.objects.filter(payload__n__in=[50, 60]).delete()
    again = take_in([facts[50]], first.standing)
    assert again.standing.facts == 99
    assert not checkpoints.checkpoints_of(SUBJECT).exists()


def test_a_history_that_lost_everything_is_at_its_beginning(write):
    facts = write(numbered(1), numbered(2))
    first = take_in(facts)
    TimelineEvent.objects.all().delete()
    assert take_in([facts[0]], first.standing).standing == BEGINNING


def test_checkpoints_of_others_are_left_alone(write):
    Checkpoint.objects.create(
        subject_kind="incident", subject_id=6, occurred_at=NOON, rank=0, identity=b"\1" * 32, facts=100, state={}
    )
    facts = write(*(numbered(n) for n in range(100)))
    take_in([facts[0]], take_in(facts).standing)
    assert Checkpoint.objects.filter(subject_id=6).count() == 1
    assert checkpoints.checkpoints_of(SUBJECT).count() == 1


def told_late(write, ids, length=150):
    """Histories, each with a fact that comes late; what taking those in costs: (statements, steps)."""
    subjects = [("incident", number) for number in ids]
    standings, late = {}, {}
    for subject in subjects:
        first = write(*(numbered(subject[1] * 10_000 + n, at=n, subject=subject) for n in range(length)))
        beginning = {subject[1]: BEGINNING}
        [folded] = kept.take_in_all("incident", beginning, {subject[1]: first}, BEGINNING, counting).values()
        standings[subject[1]] = folded.standing
        late[subject[1]] = [numbered(subject[1] * 10_000 + 9_000, at=140, rank=FIRST, subject=subject)]
    with CaptureQueriesContext(connection) as queries:
        folds = kept.take_in_all("incident", standings, late, BEGINNING, counting, new=UNSTORED)
    assert {identity: each.standing.facts for identity, each in folds.items()} == dict.fromkeys(standings, length + 1)
    return len(queries), sum(each.steps for each in folds.values())


def test_what_comes_late_in_many_histories_is_read_for_all_of_them_together(write):
    one, many = told_late(write, [1]), told_late(write, range(2, 10))
    assert many == (one[0], one[1] * 8)
    assert one[1] == 51


def test_a_fold_that_fails_leaves_nothing_open(write):
    first = take_in(write(*(numbered(n) for n in range(20))))

    def failing(state, fact):
        raise ValueError("cannot")

    with pytest.raises(ValueError, match="cannot") as failure:
        late = {5: [numbered(99, at=3)]}
        kept.take_in_all("incident", {5: first.standing}, late, BEGINNING, failing, new=UNSTORED)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors")
        # While all that the failure holds on to is still there.
        assert (cursor.fetchone(), failure.traceback is None) == ((0,), False)


def test_what_each_fact_did_is_written_on_it(write):
    [one, two] = write(numbered(1), numbered(2))
    entry = {"action": "updated", "field": None, "old": None, "new": "é😀", "message": "x"}
    kept.keep_outcomes(
        [
            (one, Outcome(why="It was.")),
            (two, Outcome(entries=[entry], resource=("monitor", 3), hold=-1, presses="release")),
        ]
    )
    columns = ("effect", "why", "entries", "resource_kind", "resource_id", "hold", "presses")
    assert list(TimelineEvent.objects.order_by("occurred_at").values_list(*columns)) == [
        ("none", "It was.", [], None, None, 0, ""),
        ("applied", "", [entry], "monitor", 3, -1, "release"),
    ]
    kept.keep_outcomes([(two, Outcome())])
    assert TimelineEvent.objects.filter(pk=two.id).values_list(*columns).get() == ("applied", "", [], None, None, 0, "")


def test_an_incident_s_state_survives_its_way_through_json():
    state = IncidentState(
        title="é😀", status="closed", error_message="", affected_regions=("a", "b, c"), escalation_policy_id=2**63 - 1,
        assignee_id=7, assignee_email="2026-05-13T12:00:00", resource_type="monitor", resource_id=0,
        started_at=NOON, acknowledged_at=NOON + timedelta(milliseconds=1), resolved_at=NOON, closed_at=NOON,
        destroyed_at=NOON, provisional=False,
    )  # fmt: skip
    assert kept.state_from(IncidentState, checkpoints.as_json(state)) == state


def test_a_resource_s_state_survives_its_way_through_json():
    state = ResourceState("n", "u", "t", "paused", True, NOON, False, NOON + timedelta(days=1), 3)
    assert kept.state_from(ResourceState, checkpoints.as_json(state)) == state


def test_folding_the_kept_history_is_folding_the_facts(write):
    facts = write(*(numbered(n) for n in range(120)))
    whole, plain = whole_fold(), fold(BEGINNING, facts, counting)
    assert (whole.standing, whole.checkpoints) == (plain.standing, plain.checkpoints)
    assert [(fact.id, outcome) for fact, outcome in whole.read] == [(fact.id, outcome) for fact, outcome in plain.read]
