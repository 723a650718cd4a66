"""
Keeps monitors' and heartbeats' states equal to the fold of their facts: the only writer of their fold columns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from config import rows
from monitors.fold import ResourceState, step
from monitors.models import Heartbeat, Monitor
from timeline import kept
from timeline.chronology import Fact, Folded, Link, Position, Standing, refold, take_in
from timeline.events import HEARTBEAT, MONITOR

MODELS: dict[str, type[Monitor] | type[Heartbeat]] = {MONITOR: Monitor, HEARTBEAT: Heartbeat}

# Heartbeats have neither.
ONLY_MONITORS = ("url", "type")


def columns(kind: str) -> list[str]:
    """The fold's columns that resources of a kind have."""
    return [f.name for f in fields(ResourceState) if kind == MONITOR or f.name not in ONLY_MONITORS]


def lock(resources: Iterable[Link]) -> None:
    """Lock resources' rows until the transaction ends, always in the same order."""
    for kind, model in MODELS.items():
        ids = sorted(identity for each, identity in resources if each == kind)
        if ids:
            locked = model._default_manager.filter(id__in=ids).order_by("id").select_for_update(no_key=True)
            list(locked.values_list("id", flat=True))


def take_in_facts(changed: dict[Link, list[Fact]], arrived: set[bytes]) -> None:
    """
    Fold facts into their resources, whose rows are locked.

    `changed`: by resource, the facts that arrived in its chronology, left it, or mean something else since an
    incident was folded again. `arrived`: the identities of those that are new everywhere.
    """
    for kind, model in MODELS.items():
        touched = {link[1]: facts for link, facts in changed.items() if link[0] == kind}
        written = [
            written_row(kind, identity, fold_in((kind, identity), standing, touched[identity], arrived))
            for identity, standing in standings(kind, touched).items()
        ]
        rows.update(model, written)


def standings(kind: str, ids: Iterable[int]) -> dict[int, Standing[ResourceState]]:
    """Where the folds of resources stand, by id."""
    names = ["id", "facts", "last_occurred_at", "last_rank", "last_identity", *columns(kind)]
    found = MODELS[kind]._default_manager.filter(id__in=list(ids)).order_by("id").values(*names)
    return {row["id"]: standing_of(row) for row in found}


def standing_of(row: dict[str, Any]) -> Standing[ResourceState]:
    """Where a fold stands, from its row."""
    last = None
    if row["last_occurred_at"] is not None:
        last = (row["last_occurred_at"], row["last_rank"], bytes(row["last_identity"]))
    blank = asdict(ResourceState())
    return Standing(
        kept.state_from(ResourceState, blank | {k: v for k, v in row.items() if k in blank}), last, row["facts"]
    )


def fold_in(
    resource: Link, standing: Standing[ResourceState], changed: Sequence[Fact], arrived: set[bytes]
) -> Folded[ResourceState]:
    """Fold what changed into one resource, keeping the outcomes of its own facts and its checkpoints."""
    chronicle = kept.KeptChronicle(resource, standing, ResourceState())
    if all(fact.identity in arrived and fact.resource == resource for fact in changed):
        folded = take_in(chronicle, changed, step)
    else:
        folded = refold(chronicle, min(fact.position for fact in changed), step)
    kept.keep_outcomes((fact, outcome) for fact, outcome in folded.read if fact.subject == resource)
    kept.keep_checkpoints(resource, folded, standing.last)
    return folded


def fold_again(resource: Link) -> Folded[ResourceState]:
    """Fold the whole history of a resource, writing nothing."""
    return kept.fold_all(kept.KeptChronicle(resource, Standing(ResourceState()), ResourceState()), step)


def written_row(kind: str, identity: int, folded: Folded[ResourceState]) -> rows.Row:
    """The row that says what the fold found and where it stands."""
    state = asdict(folded.standing.state)
    return {
        "id": identity,
        **{name: state[name] for name in columns(kind)},
        "facts": folded.standing.facts,
        **last_columns(folded.standing.last),
    }


def last_columns(last: Position | None) -> dict[str, Any]:
    """Where a fold stands, as columns."""
    at, rank, identity = last or (None, None, None)
    return {"last_occurred_at": at, "last_rank": rank, "last_identity": identity}
