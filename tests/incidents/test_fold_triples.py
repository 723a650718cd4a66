"""
Every triple of the 7 incident types, in every way three moments can lie (13 weak orders), in every order of
arrival (6): 26,754 histories. Each is taken in one event at a time, by a step where it sorts last and by
refolding the tail where it comes late, and must come to what one fold of the sorted facts comes to, after the
last event and after each before it.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice, permutations, product

import pytest

from incidents.fold import IncidentState, step
from tests.histories import INCIDENT_TYPES, event, fact
from tests.ledgers import Ledger
from timeline import chronology
from timeline.chronology import Fact, Outcome, Standing, Step, fold

WEAK_ORDERS = tuple(
    moments for moments in product(range(3), repeat=3) if sorted(set(moments)) == list(range(len(set(moments))))
)
ARRIVALS = tuple(permutations(range(3)))
NOTHING = IncidentState()

# What a set of facts comes to: where its fold stands, and what each fact did.
Reading = tuple[Standing[IncidentState], dict[bytes, Outcome]]


def triples() -> Iterator[list[Fact]]:
    """All triples of types in all weak orders; the place in the triple tells events of one type and moment apart."""
    facts = {
        (name, at, place): fact(event(name, at, message=f"{name}, number {place}"))
        for name, at, place in product(INCIDENT_TYPES, range(3), range(3))
    }
    for names, moments in product(product(INCIDENT_TYPES, repeat=3), WEAK_ORDERS):
        yield [facts[name, at, place] for place, (name, at) in enumerate(zip(names, moments, strict=True))]


def taken_once() -> Step[IncidentState]:
    """The fold's step, taken once for each state and fact and remembered: it is pure, and histories share steps."""
    known: dict[tuple[int, bytes], tuple[IncidentState, IncidentState, Outcome]] = {}

    def remembered(state: IncidentState, one: Fact) -> tuple[IncidentState, Outcome]:
        key = (id(state), one.identity)
        if key not in known:
            known[key] = (state, *step(state, one))  # the state is kept, so that its id stays its own
        return known[key][1:]

    return remembered


def at_once(facts: Iterable[Fact]) -> Reading:
    """What one fold of the facts in order comes to."""
    folded = fold(Standing(NOTHING), sorted(facts, key=lambda each: each.position), step)
    return folded.standing, {each.identity: outcome for each, outcome in folded.read}


def one_by_one(facts: Iterable[Fact], step: Step[IncidentState]) -> Iterator[Reading]:
    """What the facts come to after each of them has arrived."""
    ledger = Ledger(NOTHING, step)
    for each in facts:
        ledger.arrive([each])
        yield ledger.standing, dict(ledger.outcomes)


def compared(some: Iterable[list[Fact]]) -> tuple[int, list[str]]:
    """How many histories were tried, and those that came to something else than the fold of their sorted facts."""
    expected: dict[frozenset[bytes], Reading] = {}
    steps, tried, different = taken_once(), 0, []
    for triple in some:
        for arrival in ARRIVALS:
            told = [triple[place] for place in arrival]
            for count, reading in enumerate(one_by_one(told, steps), start=1):
                key = frozenset(each.identity for each in told[:count])
                if key not in expected:
                    expected[key] = at_once(told[:count])
                if reading != expected[key]:
                    different.append(", ".join(f"{each.event} at {each.occurred_at:%f}" for each in told[:count]))
            tried += 1
    return tried, different


def test_any_three_incident_events_come_to_the_same_in_every_order_of_arrival() -> None:
    assert (len(INCIDENT_TYPES), len(WEAK_ORDERS), len(ARRIVALS)) == (7, 13, 6)
    assert compared(triples()) == (26_754, [])


def test_so_they_do_when_late_ones_are_refolded_from_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronology, "CHECKPOINT_EVERY", 1)
    some = list(islice(triples(), None, None, 1 if os.environ.get("WATCHKEEPER_TEST_FULL") else 11))
    assert compared(some) == (len(some) * len(ARRIVALS), [])


def test_three_facts_that_arrive_at_once_come_to_what_they_come_to_one_by_one() -> None:
    for triple in islice(triples(), None, None, 5):
        ledger = Ledger(NOTHING, step)
        ledger.arrive(reversed(triple))
        assert (ledger.standing, ledger.outcomes) == at_once(triple)


def test_repeated_facts_are_nothing_new() -> None:
    facts = [fact(event(name, at)) for at, name in enumerate(INCIDENT_TYPES)]
    ledger = Ledger(NOTHING, step)
    for each in [*facts, *reversed(facts), *facts]:
        ledger.arrive([each, each])
    assert (ledger.standing, ledger.outcomes) == at_once(facts)
