"""
Chronicles kept in the database: where the keepers' histories are read from and their folds' results written to.

Histories are taken in many at once, with as many statements for two hundred as for one. Which state, which step and
which subject's row is the keepers' affair; this room knows facts and checkpoints.
"""

import json
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Q, QuerySet

from config import faults, rows
from timeline.checkpoints import about, keep_checkpoints
from timeline.chronology import (
    BEGINNING,
    CHECKPOINT_EVERY,
    Fact,
    Folded,
    Link,
    Outcome,
    Position,
    Standing,
    Step,
    Worth,
    by_position,
    fold,
    late_since,
    take_in,
)
from timeline.events import INCIDENT
from timeline.models import Effect, TimelineEvent

State = TypeVar("State")

OUTCOMES_KEPT = faults.point("outcomes: kept")

FACT_COLUMNS = (
    "id", "event", "occurred_at", "rank", "identity", "payload", "subject_kind", "subject_id", "named_kind", "named_id",
    "group_id", "integration_id", "recorded_at", "user_email", "user_name", "correction", "resource_kind",
    "resource_id", "hold", "presses", "why", "entries",
)  # fmt: skip

JSON_COLUMNS = ("payload", "correction", "entries")


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
        group=row["group_id"],
        native=row["integration_id"] is None,
        recorded_at=row["recorded_at"],
        user_email=row["user_email"],
        user_name=row["user_name"],
        correction=row["correction"],
        resource=link(row["resource_kind"], row["resource_id"]),
        hold=row["hold"],
        presses=row["presses"],
        why=row["why"],
        entries=row["entries"],
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


# --- taking in ------------------------------------------------------------------------------------------------


@dataclass
class Tail(Generic[State]):
    """
    The part of one subject's history that taking facts in asks for: all behind `start`. Where they sort last, that is
    nothing.
    """

    standing: Standing[State]
    start: Standing[State]
    facts: Iterable[Fact] = ()

    def before(self, position: Position) -> Standing[State]:
        """The checkpoint for whose sake the tail was read."""
        return self.start

    def after(self, position: Position | None) -> Iterable[Fact]:
        """What stands behind it."""
        return self.facts


def take_in_all(
    kind: str,
    standings: Mapping[int, Standing[State]],
    changed: Mapping[int, Sequence[Fact]],
    beginning: Standing[State],
    step: Step[State],
    *,
    new: Collection[int] = (),
) -> dict[int, Folded[State]]:
    """
    Fold what is new into the histories of subjects of a kind, each once, and keep their checkpoints.

    `changed`: by id, facts that arrived in the subject's history, left it, or mean something else now; `new`: the ids
    of those that are about to be written. Remembered (`Folded.read`) are the subject's own facts that did something
    else than was thought. `beginning` says of which version `step` is: what another version found is no ground for a
    late fact, which folds all again.
    """
    worth = worth_writing(kind, new)
    # Closed at once whatever a fold does, for a cursor that is left open closes itself in somebody else's transaction.
    with closing(histories(kind, standings, changed, beginning, new)) as opened:
        folds = {identity: take_in(history, changed[identity], step, worth) for identity, history in opened}
    keep_checkpoints(
        kind, folds, [identity for identity, each in folds.items() if is_behind(each, standings[identity])]
    )
    return folds


def fold_anew(
    kind: str, standings: Mapping[int, Standing[State]], beginning: Standing[State], step: Step[State]
) -> dict[int, Folded[State]]:
    """Fold whole histories from their beginnings, and keep their checkpoints; otherwise as `take_in_all`."""
    worth = worth_writing(kind, ())
    with closing(tails(kind, dict.fromkeys(standings, beginning))) as whole:
        folds = {identity: fold(beginning, facts, step, worth) for identity, facts in whole}
    keep_checkpoints(kind, folds, [identity for identity, each in standings.items() if is_long(each)])
    return folds


def worth_writing(kind: str, new: Collection[int]) -> Worth:
    """
    Which facts' outcomes are to be remembered by the folds of a kind: of those that are new, and of those that did
    something else than stands with them; of a resource's only its own, for what an incident's did the incident says.
    """
    if kind == INCIDENT:
        return lambda fact, outcome: fact.id in new or not fact.reads_as(outcome)
    return lambda fact, outcome: fact.subject[0] != INCIDENT and (fact.id in new or not fact.reads_as(outcome))


def histories(
    kind: str,
    standings: Mapping[int, Standing[State]],
    changed: Mapping[int, Sequence[Fact]],
    beginning: Standing[State],
    new: Collection[int],
) -> Generator[tuple[int, Tail[State]]]:
    """What folding each subject's changed facts needs; each is to be used before the next is asked for."""
    late: dict[int, Position] = {}
    for identity, standing in standings.items():
        since = late_since(standing, changed[identity])
        if since is None:
            yield identity, Tail(standing, standing)
        else:
            late[identity] = since
    starts = dict.fromkeys(late, beginning)
    trusted = {id_: at for id_, at in late.items() if has_checkpoints(standings[id_], beginning.version)}
    starts |= checkpoints_before(kind, trusted, beginning)
    with closing(tails(kind, starts)) as read_again:
        for identity, facts in read_again:
            waiting = sorted((fact for fact in changed[identity] if fact.id in new), key=by_position)
            yield identity, Tail(standings[identity], starts[identity], merge(facts, waiting, key=by_position))


def is_long(standing: Standing[Any]) -> bool:
    """Whether a history is long enough to have left checkpoints."""
    return standing.facts >= CHECKPOINT_EVERY


def has_checkpoints(standing: Standing[Any], version: int) -> bool:
    """Whether a history has left some of that version of its fold."""
    return is_long(standing) and standing.version == version


def is_behind(folded: Folded[Any], standing: Standing[Any]) -> bool:
    """Whether a fold began before where its history stood, and passed checkpoints that are there already."""
    return folded.since != standing.last and is_long(standing)


CHECKPOINTS_BEFORE = """
SELECT history.id, last.occurred_at, last.rank, last.identity, last.facts, last.state
FROM jsonb_to_recordset(%(positions)s::jsonb) AS history(id bigint, occurred_at timestamptz, rank int, identity bytea)
CROSS JOIN LATERAL (
    SELECT occurred_at, rank, identity, facts, state FROM timeline_checkpoint AS c
    WHERE c.subject_kind = %(kind)s AND c.subject_id = history.id
        AND (c.occurred_at, c.rank, c.identity) < (history.occurred_at, history.rank, history.identity)
    ORDER BY c.occurred_at DESC, c.rank DESC, c.identity DESC LIMIT 1
) AS last
"""


def checkpoints_before(
    kind: str, late: Mapping[int, Position], beginning: Standing[State]
) -> dict[int, Standing[State]]:
    """By id, the nearest checkpoint before a position in each history that has one."""
    if not late:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(CHECKPOINTS_BEFORE, about(kind, late))
        return {
            identity: Standing(
                state_from(type(beginning.state), json.loads(state)),
                (at, rank, bytes(of_fact)),
                facts,
                beginning.version,
            )
            for identity, at, rank, of_fact, facts, state in cursor.fetchall()
        }


TAILS = """
SELECT history.id, {columns}
FROM jsonb_to_recordset(%(positions)s::jsonb) AS history(id bigint, occurred_at timestamptz, rank int, identity bytea)
LEFT JOIN LATERAL (
    SELECT * FROM timeline_timelineevent AS f
    WHERE {mine} AND (f.occurred_at, f.rank, f.identity) > (history.occurred_at, history.rank, history.identity)
    ORDER BY f.occurred_at, f.rank, f.identity
) AS fact ON true
"""
OF_INCIDENTS = "%(kind)s = 'incident' AND f.subject_kind = 'incident' AND f.subject_id = history.id"
OF_RESOURCES = "f.resource_kind = %(kind)s AND f.resource_id = history.id"


def tails(kind: str, starts: Mapping[int, Standing[Any]]) -> Generator[tuple[int, Iterator[Fact]]]:
    """
    Each history's facts behind where it is to be read from, in order. They come from the database bit by bit, for a
    history may be longer than memory; so each is to be read before the next is asked for.
    """
    if not starts:
        return
    columns = ", ".join(f"fact.{column}" for column in FACT_COLUMNS)
    sql = TAILS.format(columns=columns, mine=OF_INCIDENTS if kind == INCIDENT else OF_RESOURCES)
    after = {identity: start.last or BEGINNING for identity, start in starts.items()}
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, about(kind, after))
        for identity, found in groupby(read(cursor), key=itemgetter(0)):
            yield identity, (told(row[1:]) for row in found if row[1] is not None)


def read(cursor: Any) -> Iterator[tuple[Any, ...]]:
    """A cursor's rows, some at a time."""
    while some := cursor.fetchmany(500):
        yield from some


def told(values: Sequence[Any]) -> Fact:
    """A fact from the plain values of FACT_COLUMNS."""
    row = dict(zip(FACT_COLUMNS, values, strict=True))
    return fact_of(row | {name: json.loads(row[name]) for name in JSON_COLUMNS if row[name] is not None})


def state_from(kind: type[State], values: dict[str, Any]) -> State:
    """A fold's state (a dataclass) from a row's or a checkpoint's values; an old checkpoint may lack some."""
    return kind(**{name: value_from(name, values[name]) for name in names_of(kind) if name in values})  # type: ignore[arg-type]


@cache
def names_of(kind: type[Any]) -> list[str]:
    """The names of a state's values."""
    return [field.name for field in fields(kind)]


def value_from(name: str, value: Any) -> Any:
    """A state's value: lists are tuples there, and moments in JSON are text."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str) and name.endswith(("_at", "_since")):
        return datetime.fromisoformat(value)
    return value


# --- outcomes -------------------------------------------------------------------------------------------------


def keep_outcomes(read: Iterable[tuple[Fact, Outcome]], new: Collection[int] = ()) -> None:
    """Write what each fact did; those that are new are about to be written with it."""
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
            if fact.id not in new
        ],
    )
    OUTCOMES_KEPT()
