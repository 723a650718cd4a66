"""
The one writer of facts, and the one order in which they come about: they are numbered, folded, and written with what
they did, in one transaction, so that no fact stands without its fold.

Folding is the keepers' affair (incidents.keeper, monitors.keeper), and handed in. Not here: what is told
(timeline.acts, integrations.incident_log).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from config import faults, rows
from timeline.chronology import Fact
from timeline.events import INCIDENT
from timeline.models import Effect, TimelineEvent
from timeline.outbound.births import Happened, announce

FOLDED = faults.point("facts: folded, before they are written")
WRITTEN = faults.point("facts: written, before their messages")

# Folds new facts into their subjects, whose rows are locked.
Fold = Callable[[Sequence[Fact]], None]


@dataclass(frozen=True, slots=True)
class NewFact:
    """
    A fact to be recorded, and whose it is. `integration_id` is None for our own, `user_id` for nobody's.

    `reading`: what of an integration's event was read otherwise than it was sent, or None. `ignored`: the names of
    fields that are left out, for they had a wrong type. `dated`: {by: {id, email, name}, at, as_sent}, who let an event
    that was dated ahead occur when it was received.
    """

    fact: Fact
    team_id: int
    integration_id: int | None = None
    user_id: int | None = None
    reading: dict[str, Any] | None = None


NUMBERS = """
SELECT told.place, coalesce(known.id, nextval({sequence})), known.id IS NULL
FROM jsonb_to_recordset(%s::jsonb) AS told(place int, team_id bigint, integration_id bigint, identity bytea)
LEFT JOIN LATERAL ({known} LIMIT 1) AS known ON true
ORDER BY told.place
"""
# Where a fact is found that is recorded already: an integration's, and one of our own. To plan both takes longer
# than to look.
THEIRS = """
    SELECT id FROM timeline_timelineevent
    WHERE integration_id = told.integration_id AND identity = told.identity
"""
OURS = """
    SELECT id FROM timeline_timelineevent
    WHERE told.integration_id IS NULL AND integration_id IS NULL
        AND team_id = told.team_id AND identity = told.identity
"""


def number(new: Sequence[NewFact]) -> list[NewFact]:
    """
    Give facts their ids: those that are recorded already the one that they have, others the next ones. The answer has
    these. Their subjects are locked, so that nobody else records the same meanwhile.
    """
    if not new:
        return []
    told = [
        {
            "place": place,
            "team_id": each.team_id,
            "integration_id": each.integration_id,
            "identity": each.fact.identity,
        }
        for place, each in enumerate(new)
    ]
    with connection.cursor() as cursor:
        cursor.execute(numbers_sql(new), [rows.as_json(told)])
        found = cursor.fetchall()
    for place, fact_id, _ in found:
        new[place].fact.id = fact_id
    return [new[place] for place, _, is_new in found if is_new]


def numbers_sql(new: Sequence[NewFact]) -> str:
    """The statement that numbers facts, with a look only where facts like these are."""
    are_ours = {each.integration_id is None for each in new}
    known = "UNION ALL".join([THEIRS] * (False in are_ours) + [OURS] * (True in are_ours))
    return NUMBERS.format(sequence=rows.sequence(TimelineEvent), known=known)


def record(new: Sequence[NewFact], fold: Fold) -> list[Fact]:
    """
    Record facts about locked subjects: number them, fold those that are new, and write them with what they did and the
    messages that they cause. The answer has those that were new.
    """
    return record_numbered(number(new), fold)


def record_numbered(new: Sequence[NewFact], fold: Fold) -> list[Fact]:
    """As `record`, for new facts that have their ids."""
    if not new:
        return []
    facts = [each.fact for each in new]
    fold(facts)
    FOLDED()
    written = rows.insert(
        TimelineEvent, [row(each) for each in new], on_conflict="ON CONFLICT DO NOTHING", returning=("id",)
    )
    if len(written) != len(new):
        raise RuntimeError("a fact was recorded by somebody else while its subject was locked")
    WRITTEN()
    announce([Happened(each.fact, each.team_id) for each in new])
    return facts


def row(new: NewFact) -> rows.Row:
    """
    A new fact as a row, with what the fold read of it. A resource's own fact stands in its own chronology from the
    start.
    """
    fact = new.fact
    if fact.subject[0] != INCIDENT:
        fact.resource = fact.subject
    kind, identity = fact.named or (None, None)
    resource_kind, resource_id = fact.resource or (None, None)
    return {
        "id": fact.id,
        "team_id": new.team_id,
        "integration_id": new.integration_id,
        "event": fact.event,
        "subject_kind": fact.subject[0],
        "subject_id": fact.subject[1],
        "named_kind": kind,
        "named_id": identity,
        "group_id": fact.group,
        "occurred_at": fact.occurred_at,
        "recorded_at": fact.recorded_at or fact.occurred_at,
        "rank": fact.rank,
        "identity": fact.identity,
        "payload": fact.payload,
        "reading": new.reading,
        "user_id": new.user_id,
        "user_email": fact.user_email,
        "user_name": fact.user_name,
        "correction": fact.correction,
        "resource_kind": resource_kind,
        "resource_id": resource_id,
        "effect": Effect.NONE if fact.why else Effect.APPLIED,
        "why": fact.why,
        "entries": fact.entries,
        "hold": fact.hold,
        "presses": fact.presses,
    }
