"""
Checkpoints kept in the database: where folds passed, so that a late fact costs the tail behind it, and so does a look
at what was known at a moment.

A checkpoint's `known_at` is the latest moment at which anything at or before it was recorded: whoever asks what was
known then or later may begin there, but for what was corrected since (incidents.known). Not here: folding
(timeline.kept).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from config import faults, rows
from timeline.chronology import BEGINNING, Folded, Link, Position
from timeline.events import INCIDENT
from timeline.models import Checkpoint

DROPPED = faults.point("checkpoints: old ones dropped, before the new")
CHECKPOINTS_KEPT = faults.point("checkpoints: kept")

# Nothing was recorded before.
NEVER = datetime.min.replace(tzinfo=UTC)


def about(kind: str, positions: Mapping[int, Position]) -> dict[str, str]:
    """The parameters of a statement about positions in the histories of a kind, by id."""
    named = [
        {"id": identity, "occurred_at": at, "rank": rank, "identity": of_fact}
        for identity, (at, rank, of_fact) in positions.items()
    ]
    return {"kind": kind, "positions": rows.as_json(named)}


def as_json(state: Any) -> dict[str, Any]:
    """A fold's state as plain JSON."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in vars(state).items()}


def checkpoints_of(subject: Link) -> QuerySet[Checkpoint]:
    """A subject's checkpoints in order."""
    kept = Checkpoint.objects.filter(subject_kind=subject[0], subject_id=subject[1])
    return kept.order_by("occurred_at", "rank", "identity")


def position_of(checkpoint: Checkpoint) -> Position:
    """Where a checkpoint stands."""
    return (checkpoint.occurred_at, checkpoint.rank, bytes(checkpoint.identity))


DROP_BEHIND = """
DELETE FROM timeline_checkpoint AS c
USING jsonb_to_recordset(%(positions)s::jsonb) AS history(id bigint, occurred_at timestamptz, rank int, identity bytea)
WHERE c.subject_kind = %(kind)s AND c.subject_id = history.id
    AND (c.occurred_at, c.rank, c.identity) > (history.occurred_at, history.rank, history.identity)
"""


def keep_checkpoints(kind: str, folds: Mapping[int, Folded[Any]], behind: Iterable[int] = ()) -> None:
    """Write the checkpoints that folds of subjects of a kind passed, after dropping what stands behind some of them."""
    dropped = {identity: folds[identity].since or BEGINNING for identity in behind}
    if dropped:
        with connection.cursor() as cursor:
            cursor.execute(DROP_BEHIND, about(kind, dropped))
        DROPPED()
    latest = known_before(kind, {id_: each.since for id_, each in folds.items() if each.checkpoints})
    passed = [
        Checkpoint(
            subject_kind=kind,
            subject_id=subject_id,
            occurred_at=occurred_at,
            rank=rank,
            identity=identity,
            facts=standing.facts,
            state=as_json(standing.state),
            known_at=later(latest[subject_id], known_at),
        )
        for subject_id, folded in folds.items()
        for ((occurred_at, rank, identity), standing), known_at in zip(folded.passed(), folded.known, strict=True)
    ]
    if passed:
        Checkpoint.objects.bulk_create(passed, batch_size=1000)
        CHECKPOINTS_KEPT()


# What stood before a fold began: the last checkpoint there, and what was recorded behind it.
KNOWN_BEFORE = """
SELECT history.id, last.id, last.known_at, (
    SELECT max(f.recorded_at) FROM timeline_timelineevent AS f
    WHERE f.subject_kind = %(kind)s AND f.subject_id = history.id
        AND (f.occurred_at, f.rank, f.identity) <= (history.occurred_at, history.rank, history.identity)
        AND (last.id IS NULL OR (f.occurred_at, f.rank, f.identity) > (last.occurred_at, last.rank, last.identity))
)
FROM jsonb_to_recordset(%(positions)s::jsonb) AS history(id bigint, occurred_at timestamptz, rank int, identity bytea)
LEFT JOIN LATERAL (
    SELECT * FROM timeline_checkpoint AS c
    WHERE c.subject_kind = %(kind)s AND c.subject_id = history.id
        AND (c.occurred_at, c.rank, c.identity) <= (history.occurred_at, history.rank, history.identity)
    ORDER BY c.occurred_at DESC, c.rank DESC, c.identity DESC LIMIT 1
) AS last ON true
"""


def known_before(kind: str, starts: Mapping[int, Position | None]) -> dict[int, datetime | None]:
    """
    By id, when the last of what stands up to a position in each history was recorded; NEVER at the beginning, None
    where that is not known: of resources it is not asked, and checkpoints of older versions don't say.
    """
    if kind != INCIDENT:
        return dict.fromkeys(starts)
    found: dict[int, datetime | None] = dict.fromkeys(starts, NEVER)
    begun = {identity: start for identity, start in starts.items() if start is not None}
    if begun:
        with connection.cursor() as cursor:
            cursor.execute(KNOWN_BEFORE, about(kind, begun))
            for identity, checkpoint, known_at, recorded_at in cursor.fetchall():
                found[identity] = later(known_at if checkpoint else NEVER, recorded_at or NEVER)
    return found


def later(one: datetime | None, other: datetime) -> datetime | None:
    """The later of two moments, of which the first may be unknown."""
    return None if one is None else max(one, other)
