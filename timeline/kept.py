"""
Chronicles kept in the database: where the keepers' histories are read from and their folds' results written to.

Which state, which step and which subject's row is the keepers' affair; this room knows facts and checkpoints.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import Q, QuerySet

from config import rows
from timeline.chronology import CHECKPOINT_EVERY, Fact, Folded, Link, Outcome, Position, Standing, Step, fold
from timeline.events import INCIDENT
from timeline.models import Checkpoint, Effect, TimelineEvent

State = TypeVar("State")

FACT_COLUMNS = (
    "id", "event", "occurred_at", "rank", "identity", "payload", "subject_kind", "subject_id", "named_kind", "named_id",
    "integration_id", "recorded_at", "user_email", "user_name", "resource_kind", "resource_id", "hold", "presses",
)  # fmt: skip


def fact_of(row: dict[str, Any]) -> Fact:
    """A fact from a row of FACT_COLUMNS."""
    return Fact(
        id=row["id"],
        event=row["event"],
        occurred_at=row["occurred_at"],
        rank=row["rank"],
        identity=bytes(row["identity"]),
        payload=row["payload"],
        subject=(row["subject_kind"], row["subject_id"]),
        named=link(row["named_kind"], row["named_id"]),
        native=row["integration_id"] is None,
        recorded_at=row["recorded_at"],
        user_email=row["user_email"],
        user_name=row["user_name"],
        resource=link(row["resource_kind"], row["resource_id"]),
        hold=row["hold"],
        presses=row["presses"],
    )


def link(kind: str | None, identity: int | None) -> Link | None:
    """(kind, id) where both are there."""
    return (kind, identity) if kind is not None and identity is not None else None


def chronology_of(subject: Link) -> QuerySet[TimelineEvent]:
    """All that stands in a subject's chronology, in order."""
    kind, identity = subject
    mine = (
        Q(subject_kind=kind, subject_id=identity) if kind == INCIDENT else Q(resource_kind=kind, resource_id=identity)
    )
    return TimelineEvent.objects.filter(mine).order_by("occurred_at", "rank", "identity")


def facts_of(subject: Link, after: Position | None = None) -> list[Fact]:
    """A subject's facts in order: all, or those after a position."""
    events = chronology_of(subject)
    if after:
        events = events.filter(beyond(after))
    return [fact_of(row) for row in events.values(*FACT_COLUMNS).iterator()]


def beyond(position: Position) -> Q:
    """What stands after a position."""
    at, rank, identity = position
    later = Q(occurred_at=at) & (Q(rank__gt=rank) | Q(rank=rank, identity__gt=identity))
    return Q(occurred_at__gte=at) & (Q(occurred_at__gt=at) | later)


class KeptChronicle(Generic[State]):
    """One subject's history in the database, from where its row says the fold stands."""

    def __init__(self, subject: Link, standing: Standing[State], beginning: State) -> None:
        self.subject = subject
        self.standing = standing
        self.beginning = beginning

    def before(self, position: Position) -> Standing[State]:
        """The nearest checkpoint before a position, or the very beginning."""
        kept = checkpoints_of(self.subject).exclude(beyond(position)).exclude(at(position)).last()
        if kept is None:
            return Standing(self.beginning)
        state = state_from(type(self.beginning), kept.state)
        return Standing(state, position_of(kept), kept.facts)

    def after(self, position: Position | None) -> Sequence[Fact]:
        """All its facts after a position (None: all), in order."""
        return facts_of(self.subject, position)


def fold_all(chronicle: KeptChronicle[State], step: Step[State]) -> Folded[State]:
    """Fold all of a history from its beginning, whatever its row says."""
    return fold(Standing(chronicle.beginning), chronicle.after(None), step)


def at(position: Position) -> Q:
    """What stands at a position."""
    return Q(occurred_at=position[0], rank=position[1], identity=position[2])


def checkpoints_of(subject: Link) -> QuerySet[Checkpoint]:
    """A subject's checkpoints in order."""
    kept = Checkpoint.objects.filter(subject_kind=subject[0], subject_id=subject[1])
    return kept.order_by("occurred_at", "rank", "identity")


def position_of(checkpoint: Checkpoint) -> Position:
    """Where a checkpoint stands."""
    return (checkpoint.occurred_at, checkpoint.rank, bytes(checkpoint.identity))


def state_from(kind: type[State], values: dict[str, Any]) -> State:
    """A fold's state (a dataclass) from a row's or a checkpoint's values."""
    return kind(**{field.name: value_from(field.name, values[field.name]) for field in fields(kind)})  # type: ignore[arg-type]


def value_from(name: str, value: Any) -> Any:
    """A state's value: lists are tuples there, and moments in JSON are text."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str) and name.endswith(("_at", "_since")):
        return datetime.fromisoformat(value)
    return value


def keep_checkpoints(subject: Link, folded: Folded[Any], was: Position | None) -> None:
    """Write the checkpoints that a fold passed; a refold drops those behind its start first."""
    if was is not None and (folded.since is None or folded.since < was):
        behind = beyond(folded.since) if folded.since else Q()
        checkpoints_of(subject).filter(behind).delete()
    count = folded.standing.facts - len(folded.read)
    first = count - count % CHECKPOINT_EVERY
    Checkpoint.objects.bulk_create(
        Checkpoint(
            subject_kind=subject[0],
            subject_id=subject[1],
            occurred_at=position[0],
            rank=position[1],
            identity=position[2],
            facts=first + number * CHECKPOINT_EVERY,
            state=as_json(state),
        )
        for number, (position, state) in enumerate(folded.checkpoints, start=1)
    )


def as_json(state: Any) -> dict[str, Any]:
    """A fold's state as plain JSON."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(state).items()}


def keep_outcomes(read: Iterable[tuple[Fact, Outcome]]) -> None:
    """Write what each fact did."""
    rows.update(
        TimelineEvent,
        [
            {
                "id": fact.id,
                "resource_kind": outcome.resource[0] if outcome.resource else None,
                "resource_id": outcome.resource[1] if outcome.resource else None,
                "effect": Effect.NONE if outcome.why else Effect.APPLIED,
                "why": outcome.why,
                "entries": outcome.entries,
                "hold": outcome.hold,
                "presses": outcome.presses,
            }
            for fact, outcome in read
        ],
    )
