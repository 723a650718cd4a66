"""Chronicles without a database, for tests of the folds: what is known of one subject, in whatever order it arrived."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import Generic

from timeline.chronology import Fact, Folded, Outcome, Position, Standing, State, Step, by_position, take_in


class Ledger(Generic[State]):
    """A chronicle in memory: facts are taken in as they arrive, by the keepers' own algorithm."""

    def __init__(self, initial: State, step: Step[State]) -> None:
        self.beginning = Standing(initial)
        self.standing = self.beginning
        self.step = step
        self.facts: list[Fact] = []
        self.outcomes: dict[bytes, Outcome] = {}
        self.checkpoints: list[tuple[Position, Standing[State]]] = []

    def arrive(self, facts: Iterable[Fact]) -> None:
        """Take facts in; one that is there already is nothing new."""
        new = {fact.identity: fact for fact in facts if fact.identity not in self.outcomes}
        for fact in new.values():
            insort(self.facts, fact, key=by_position)
        if new:
            self.keep(take_in(self, list(new.values()), self.step))

    def keep(self, folded: Folded[State]) -> None:
        """Remember what folding brought."""
        self.standing = folded.standing
        self.outcomes |= {fact.identity: outcome for fact, outcome in folded.read}
        kept = [(at, s) for at, s in self.checkpoints if folded.since is not None and at <= folded.since]
        self.checkpoints = kept + folded.passed()

    def before(self, position: Position) -> Standing[State]:
        """The nearest checkpoint before a position, or the very beginning."""
        place = bisect_left(self.checkpoints, position, key=lambda each: each[0])
        return self.checkpoints[place - 1][1] if place else self.beginning

    def after(self, position: Position | None) -> Sequence[Fact]:
        """All facts after a position (None: all), in order."""
        if position is None:
            return self.facts
        return self.facts[bisect_left(self.facts, position, key=by_position) + 1 :]
