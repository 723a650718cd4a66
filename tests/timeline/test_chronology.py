import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import NOON
from tests.ledgers import Ledger
from timeline import chronology
from timeline.chronology import CHECKPOINT_EVERY, Fact, Outcome, Standing, fold, refold, take_in


def numbered(number, at=None, rank=0):
    """A fact that says its number; by default it occurred that many milliseconds past noon."""
    moment = NOON + timedelta(milliseconds=number if at is None else at)
    return Fact("number", moment, rank, number.to_bytes(32, "big"), {"n": number}, ("incident", 1))


class Reader:
    """A step whose state is all it has read, and that counts its calls. Each outcome says what was read before."""

    def __init__(self):
        self.calls = 0

    def __call__(self, state, fact):
        self.calls += 1
        return (*state, fact.payload["n"]), Outcome(why=repr(state))


@pytest.fixture
def reader():
    return Reader()


@pytest.fixture
def ledger(reader):
    return Ledger((), reader)


def test_a_position_is_moment_then_rank_then_identity():
    first = numbered(9, at=0, rank=0)
    facts = [numbered(1, at=1), numbered(3, at=0, rank=2), numbered(2, at=0, rank=2), first]
    assert [f.payload["n"] for f in sorted(facts, key=lambda f: f.position)] == [9, 2, 3, 1]


def test_a_fold_goes_from_where_it_stands_and_says_what_it_read(reader):
    start = Standing((5,), numbered(5).position, 1)
    facts = [numbered(6), numbered(7)]
    folded = fold(start, facts, reader)
    assert folded.standing == Standing((5, 6, 7), facts[1].position, 3)
    assert [(f, o.why) for f, o in folded.read] == [(facts[0], "(5,)"), (facts[1], "(5, 6)")]
    assert folded.since == start.last
    assert start.state == (5,)


def test_folding_nothing_changes_nothing(reader):
    start = Standing((5,), numbered(5).position, 1)
    folded = fold(start, [], reader)
    assert (folded.standing, folded.read, folded.checkpoints) == (start, [], [])


@pytest.mark.parametrize("count", [99, 100, 101, 200, 350])
def test_every_hundredth_fact_leaves_a_checkpoint(reader, count):
    facts = [numbered(n) for n in range(count)]
    folded = fold(Standing(()), facts, reader)
    assert CHECKPOINT_EVERY == 100
    assert [position for position, _ in folded.checkpoints] == [
        facts[n - 1].position for n in range(100, count + 1, 100)
    ]
    assert [len(state) for _, state in folded.checkpoints] == list(range(100, count + 1, 100))


def test_checkpoints_are_counted_from_the_beginning_of_the_history_and_not_of_a_batch(reader):
    folded = fold(Standing(tuple(range(99)), numbered(98).position, 99), [numbered(99), numbered(100)], reader)
    assert folded.checkpoints == [(numbered(99).position, tuple(range(100)))]


@pytest.mark.parametrize("there", [0, 10, 99, 100, 1_000])
def test_a_fact_that_sorts_last_is_one_step_however_long_the_history(ledger, reader, there):
    ledger.arrive([numbered(n) for n in range(there)])
    reader.calls = 0
    ledger.arrive([numbered(there)])
    assert reader.calls == 1
    assert ledger.standing.facts == there + 1


@pytest.mark.parametrize(("late", "steps"), [(998, 1_001 - 900), (950, 1_001 - 900), (500, 1_001 - 500), (0, 1_001)])
def test_a_late_fact_costs_the_tail_from_the_nearest_checkpoint(ledger, reader, late, steps):
    ledger.arrive([numbered(n) for n in range(1_000)])
    reader.calls = 0
    ledger.arrive([numbered(5_000 + late, at=late, rank=-1)])
    assert reader.calls == steps


def test_a_late_fact_just_behind_a_checkpoint_does_not_disturb_it(ledger, reader):
    ledger.arrive([numbered(n) for n in range(150)])
    checkpoint = ledger.checkpoints[0]
    reader.calls = 0
    ledger.arrive([numbered(5_000, at=99, rank=1)])
    assert reader.calls == 51
    assert ledger.checkpoints == [checkpoint]


def test_a_late_fact_just_before_a_checkpoint_moves_it(ledger):
    facts = [numbered(n) for n in range(150)]
    ledger.arrive(facts)
    ledger.arrive([numbered(5_000, at=99, rank=-1)])
    [(position, standing)] = ledger.checkpoints
    assert position == numbered(5_000, at=99, rank=-1).position
    assert (standing.facts, standing.state[-1]) == (100, 5_000)


def test_a_batch_folds_a_history_once(ledger, reader):
    ledger.arrive([numbered(n) for n in range(0, 100, 2)])
    reader.calls = 0
    ledger.arrive([numbered(n) for n in range(1, 100, 2)])
    assert reader.calls == 100


def test_a_fact_that_is_there_already_is_nothing_new(ledger, reader):
    ledger.arrive([numbered(1), numbered(2)])
    reader.calls = 0
    ledger.arrive([numbered(2), numbered(1), numbered(2)])
    ledger.arrive([])
    assert reader.calls == 0
    assert ledger.standing.state == (1, 2)


def test_one_fact_twice_in_a_batch_is_one_fact(ledger):
    ledger.arrive([numbered(2), numbered(1), numbered(2)])
    assert ledger.standing.state == (1, 2)
    assert [fact.payload["n"] for fact in ledger.facts] == [1, 2]


def test_a_refold_reads_the_meaning_of_a_fact_that_stands_already(ledger, reader):
    facts = [numbered(n) for n in range(250)]
    ledger.arrive(facts)
    ledger.facts[220] = Fact(**{s: getattr(facts[220], s) for s in Fact.__slots__} | {"payload": {"n": -1}})
    folded = refold(ledger, facts[220].position, reader)
    assert [f.payload["n"] for f, _ in folded.read][:21] == [*range(200, 220), -1]
    assert folded.since == facts[199].position
    assert folded.standing.facts == 250


def test_a_ledger_knows_where_to_begin_before_and_what_stands_behind_a_position(ledger):
    facts = [numbered(n) for n in range(250)]
    ledger.arrive(facts)
    assert ledger.before(facts[0].position) == Standing(())
    assert ledger.before(facts[99].position) == Standing(())
    assert ledger.before(facts[100].position).facts == 100
    assert ledger.before(facts[199].position).facts == 100
    assert ledger.before(numbered(9_999).position).facts == 200
    assert ledger.after(facts[199].position) == facts[200:]
    assert ledger.after(None) == facts
    assert ledger.after(facts[-1].position) == []


steady = settings(deadline=None, derandomize=True, database=None, max_examples=100)
facts_in_any_order = st.lists(
    st.builds(numbered, st.integers(0, 30), at=st.integers(0, 5), rank=st.integers(0, 2)),
    max_size=30,
    unique_by=lambda fact: fact.identity,
)


@steady
@given(facts_in_any_order, st.sampled_from((1, 2, 3, 7)), st.randoms(use_true_random=False))
def test_state_outcomes_and_checkpoints_are_functions_of_the_set(facts, every, chance):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chronology, "CHECKPOINT_EVERY", every)
        ledger = Ledger((), Reader())
        arriving = facts + chance.sample(facts, len(facts) // 3)
        chance.shuffle(arriving)
        while arriving:
            size = chance.randint(1, 5)
            ledger.arrive(arriving[:size])
            arriving = arriving[size:]
        whole = fold(Standing(()), sorted(facts, key=lambda fact: fact.position), Reader())
    assert ledger.standing == whole.standing
    assert ledger.outcomes == {fact.identity: outcome for fact, outcome in whole.read}
    assert [(at, standing.state) for at, standing in ledger.checkpoints] == whole.checkpoints
    assert [standing.facts for _, standing in ledger.checkpoints] == list(range(every, len(facts) + 1, every))


def test_taking_in_what_stands_exactly_where_the_fold_stands_reads_it_again_and_not_twice(reader):
    ledger = Ledger((), reader)
    facts = [numbered(n) for n in random.Random(1).sample(range(5), 5)]
    ledger.arrive(facts)
    folded = take_in(ledger, [ledger.facts[-1]], reader)
    assert folded.standing.state == (0, 1, 2, 3, 4)
