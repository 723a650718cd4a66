"""
How facts in any order of arrival become one state: the algorithm that the keepers and the tests share.

A chronology is the facts of one subject ordered by position. Its state is the left fold of them. A fact that sorts last
is one step from where the fold stands; a late one refolds the tail behind it, from the nearest checkpoint. Pure: where
facts, checkpoints and states are kept is told by the `Chronicle` (a keeper's rows; in tests, lists).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

from timeline.events import EARLIEST, IDENTITY, INCIDENT_ORIGIN, ORIGIN, Payload
from timeline.ranks import LOWEST_RANK

# A checkpoint costs a row, a late fact without one costs this many steps.
CHECKPOINT_EVERY = 100

Position = tuple[datetime, int, bytes]
# Before every fact there can be.
BEGINNING: Position = (EARLIEST, -1, b"")
# The version of a state that is to be found anew from all of its facts, with the next one if not before.
DOUBTED = -1

Link = tuple[str, int]
Correction = dict[str, Any]


@dataclass(slots=True)
class Fact:
    """
    One thing that happened, as the folds read it.

    `subject` and `named` are (kind, local id), `group` is our id of the incident group that it names; `payload` is the
    event as it was sent; `native` says it is our own. `id` is the row's, which it has
    before it is written. `correction` is what
    staff said of it later (timeline.corrections); `occurred_at` is then the corrected time. The last five are the
    fold's earlier reading of it, so that a keeper can tell what a refold changed.
    """

    event: str
    occurred_at: datetime
    rank: int
    identity: bytes
    payload: Payload
    subject: Link
    named: Link | None = None
    group: int | None = None
    native: bool = False
    recorded_at: datetime | None = None
    user_email: str | None = None
    user_name: str | None = None
    id: int = 0
    correction: Correction | None = None
    resource: Link | None = None
    hold: int = 0
    presses: str = ""
    why: str = ""
    entries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kin(self) -> bool:
        """
        Whether a Watchkeeper speaks of its own: this one, or another one whose acts come in as it has them. Those carry
        their identity, which nothing else can.
        """
        return self.native or (ORIGIN in self.payload and self.payload.get(IDENTITY) == self.identity.hex())

    @property
    def taken(self) -> bool:
        """Whether it was done where the incident is mirrored, here or elsewhere."""
        return INCIDENT_ORIGIN in self.payload

    @property
    def hidden(self) -> bool:
        """Whether it is to be left out."""
        return self.correction is not None and self.correction["hidden"]

    @property
    def text(self) -> str | None:
        """How it is to read, where that was corrected."""
        return self.correction["message"] if self.correction else None

    @property
    def position(self) -> Position:
        """Its place in every chronology it stands in."""
        return (self.occurred_at, self.rank, self.identity)

    def reads_as(self, outcome: "Outcome") -> bool:
        """Whether the fold's earlier reading was the same."""
        return (
            self.resource == outcome.resource
            and self.hold == outcome.hold
            and self.presses == outcome.presses
            and self.why == outcome.why
            and self.entries == outcome.entries
        )

    def read_as(self, outcome: "Outcome") -> None:
        """Take the fold's new reading for the earlier one from now on."""
        self.resource, self.hold, self.presses = outcome.resource, outcome.hold, outcome.presses
        self.why, self.entries = outcome.why, outcome.entries


@dataclass(slots=True)
class Outcome:
    """
    What a fact did.

    `why`: why it had no effect, else empty. `entries`: what the updates endpoint shows of it, each {action, field, old,
    new, message}. `resource`: in which resource's chronology it also stands; `hold`: by how much it changes the
    number of live incidents there (−1, 0, 1); `presses`: "hold" or "release" where it moves that resource's state.
    """

    why: str = ""
    entries: list[dict[str, Any]] = field(default_factory=list)
    resource: Link | None = None
    hold: int = 0
    presses: str = ""


# What facts are sorted by.
by_position = attrgetter("position")

State = TypeVar("State")
Step = Callable[[State, Fact], tuple[State, Outcome]]
Worth = Callable[[Fact, Outcome], bool]


@dataclass
class Standing(Generic[State]):
    """
    Where a fold stands: the state after `facts` facts, of which the last is at `last` (None before the first).
    `version`: which version of the fold read all of them. One step onto what an older version found is the older's.
    """

    state: State
    last: Position | None = None
    facts: int = 0
    version: int = 0


class Chronicle(Protocol[State]):
    """One subject's history, wherever it is kept."""

    standing: Standing[State]

    def before(self, position: Position) -> Standing[State]:
        """The nearest checkpoint before a position, or the very beginning."""

    def after(self, position: Position | None) -> Iterable[Fact]:
        """All its facts after a position (None: all), in order, those that just arrived included."""


@dataclass
class Folded(Generic[State]):
    """
    What folding brought: where it stands now, the facts read with what they did (all, or those worth it), and the
    checkpoints passed. It began after `since`, and took so many steps. `known`: for each checkpoint, when the last of
    what was read up to it was recorded.
    """

    standing: Standing[State]
    read: list[tuple[Fact, Outcome]]
    checkpoints: list[tuple[Position, State]]
    since: Position | None
    steps: int
    known: list[datetime] = field(default_factory=list)

    def passed(self) -> list[tuple[Position, Standing[State]]]:
        """The checkpoints, each with where the fold stood there."""
        first = (self.standing.facts - self.steps) // CHECKPOINT_EVERY + 1
        numbered = enumerate(self.checkpoints, start=first)
        return [(at, Standing(state, at, number * CHECKPOINT_EVERY)) for number, (at, state) in numbered]


def everything(fact: Fact, outcome: Outcome) -> bool:
    """Every fact is worth remembering."""
    return True


def fold(start: Standing[State], facts: Iterable[Fact], step: Step[State], worth: Worth = everything) -> Folded[State]:
    """Fold facts, in order, onto where a fold stands. Only those worth it are remembered, however many there are."""
    state, last, count, version = start.state, start.last, start.facts, start.version
    read: list[tuple[Fact, Outcome]] = []
    checkpoints: list[tuple[Position, State]] = []
    known: list[datetime] = []
    latest: datetime | None = None
    for fact in facts:
        state, outcome = step(state, fact)
        recorded_at = fact.recorded_at or fact.occurred_at
        latest = recorded_at if latest is None or recorded_at > latest else latest
        last, count = fact.position, count + 1
        if fact.rank < LOWEST_RANK:  # it stands where it stood before ranks were numbers, until it was renumbered
            version = 0
        if worth(fact, outcome):
            read.append((fact, outcome))
        if count % CHECKPOINT_EVERY == 0:
            checkpoints.append((last, state))
            known.append(latest)
    return Folded(Standing(state, last, count, version), read, checkpoints, start.last, count - start.facts, known)


def take_in(
    chronicle: Chronicle[State], arrived: Sequence[Fact], step: Step[State], worth: Worth = everything
) -> Folded[State]:
    """Fold facts that arrived, in whatever order, into a history: one step each where they sort last, else the tail."""
    since = late_since(chronicle.standing, arrived)
    if since is None:
        return fold(chronicle.standing, sorted(arrived, key=by_position), step, worth)
    return refold(chronicle, since, step, worth)


def late_since(standing: Standing[State], arrived: Iterable[Fact]) -> Position | None:
    """The position from which a history must be read again for facts that arrived; None where all sort last."""
    if standing.version == DOUBTED:
        return BEGINNING
    first = min(map(by_position, arrived))
    return None if standing.last is None or first > standing.last else first


def refold(
    chronicle: Chronicle[State], position: Position, step: Step[State], worth: Worth = everything
) -> Folded[State]:
    """Fold again whatever stands at a position and behind it."""
    start = chronicle.before(position)
    return fold(start, chronicle.after(start.last), step, worth)
