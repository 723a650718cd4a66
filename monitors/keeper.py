"""
Keeps monitors' and heartbeats' states equal to the fold of their facts: the only writer of their fold columns.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from config import faults, rows
from monitors.fold import VERSION, ResourceState, step
from monitors.models import Heartbeat, Monitor
from timeline import kept
from timeline.chronology import DOUBTED, Fact, Folded, Link, Position, Standing, fold
from timeline.events import HEARTBEAT, MONITOR
from timeline.ranks import rank_now
from timeline.renumbering import renumbered

MODELS: dict[str, type[Monitor] | type[Heartbeat]] = {MONITOR: Monitor, HEARTBEAT: Heartbeat}

FOLDED = faults.point("resources: folded, before the rows")
WRITTEN = faults.point("resources: rows of a kind written")

BLANK = ResourceState()
BEGINNING = Standing(BLANK, version=VERSION)

# Columns that only one kind has.
ONLY = {MONITOR: ("url", "type"), HEARTBEAT: ("period", "grace")}


@cache
def columns(kind: str) -> list[str]:
    """The fold's columns that resources of a kind have."""
    others = {name for each, names in ONLY.items() if each != kind for name in names}
    return [f.name for f in fields(ResourceState) if f.name not in others]


def lock(resources: Iterable[Link]) -> None:
    """Lock resources' rows until the transaction ends, always in the same order."""
    wanted = set(resources)
    for kind, model in MODELS.items():
        rows.select(model, ["id"], {identity for each, identity in wanted if each == kind}, lock=True)


def take_in_facts(changed: Mapping[Link, Sequence[Fact]], new: Collection[int]) -> None:
    """
    Fold facts into their resources, whose rows are locked.

    `changed`: by resource, the facts that arrived in its chronology, left it, or mean something else since an
    incident was folded again; `new`: the ids of those that are about to be written.
    """
    for kind in MODELS:
        touched = {link[1]: facts for link, facts in changed.items() if link[0] == kind}
        if touched:
            folds = kept.take_in_all(kind, standings(kind, touched), touched, BEGINNING, step, new=new)
            write(kind, folds, new)


def fold_anew(kind: str, ids: Collection[int]) -> None:
    """Fold resources of a kind again as this version does, all of their histories; they are locked."""
    write(kind, kept.fold_anew(kind, standings(kind, ids), BEGINNING, step))


def doubt(resources: Collection[Link]) -> None:
    """Let resources, which are locked, be folded again whole: by the worker, or with their next fact."""
    for kind, model in MODELS.items():
        ids = [identity for each, identity in resources if each == kind]
        if ids:
            model._default_manager.filter(pk__in=ids).update(fold_version=DOUBTED)


def write(kind: str, folds: Mapping[int, Folded[ResourceState]], new: Collection[int] = ()) -> None:
    """Write what folds of resources of a kind found, and what their own facts did."""
    read = [pair for folded in folds.values() for pair in folded.read]
    for fact, outcome in read:
        fact.read_as(outcome)
    kept.keep_outcomes(read, new)
    FOLDED()
    rows.update(MODELS[kind], [written_row(kind, identity, folded) for identity, folded in folds.items()])
    WRITTEN()


def standings(kind: str, ids: Collection[int]) -> dict[int, Standing[ResourceState]]:
    """Where the folds of resources stand, by id."""
    names = ["id", "facts", "last_occurred_at", "last_rank", "last_identity", "fold_version", *columns(kind)]
    found = (dict(zip(names, row, strict=True)) for row in rows.select(MODELS[kind], names, ids))
    return {row["id"]: standing_of(row) for row in found}


def standing_of(row: dict[str, Any]) -> Standing[ResourceState]:
    """Where a fold stands, from its row."""
    last = None
    if row["last_occurred_at"] is not None:
        last = (row["last_occurred_at"], rank_now(row["last_rank"]), bytes(row["last_identity"]))
    version = row["fold_version"] if row["facts"] else VERSION
    return Standing(kept.state_from(ResourceState, vars(BLANK) | row), last, row["facts"], version)


def fold_again(resource: Link) -> Folded[ResourceState]:
    """Fold the whole history of a resource, writing nothing."""
    return fold(BEGINNING, renumbered(kept.facts_of(resource)), step)


def written_row(kind: str, identity: int, folded: Folded[ResourceState]) -> rows.Row:
    """The row that says what the fold found and where it stands."""
    state = folded.standing.state
    return {
        "id": identity,
        **{name: getattr(state, name) for name in columns(kind)},
        "facts": folded.standing.facts,
        **last_columns(folded.standing.last),
        "fold_version": min(folded.standing.version, VERSION),
    }


def last_columns(last: Position | None) -> dict[str, Any]:
    """Where a fold stands, as columns."""
    at, rank, identity = last or (None, None, None)
    return {"last_occurred_at": at, "last_rank": rank, "last_identity": identity}
