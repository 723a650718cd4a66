"""
The one writer of facts. Whoever records takes the facts in with a keeper in the same transaction (incidents.keeper,
monitors.keeper), so that no fact stands without its fold: afterwards, or, where many come at once, before, so that each
is written with what it did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from config import rows
from timeline.chronology import Fact
from timeline.events import INCIDENT
from timeline.models import Effect, TimelineEvent
from timeline.outbound.births import Happened, announce, ended_live


@dataclass(slots=True)
class Recording:
    """
    A fact to be recorded, and whose it is. `integration_id` is None for our own, `user_id` for nobody's. `ended`: it
    closes an incident that was live; what is folded before it is recorded says so itself.

    `reading`: what of an integration's event was read otherwise than it was sent, or None. `ignored`: the names of
    fields that are left out, for they had a wrong type. `dated`: {by: {id, email, name}, at, as_sent}, who let an event
    that was dated ahead occur when it was received.
    """

    fact: Fact
    team_id: int
    integration_id: int | None = None
    user_id: int | None = None
    ended: bool = False
    reading: dict[str, Any] | None = None


RECORDED_BEFORE = """
SELECT told.integration_id, told.identity, fact.id
FROM jsonb_to_recordset(%s::jsonb) AS told(integration_id bigint, identity bytea)
JOIN timeline_timelineevent AS fact ON fact.integration_id = told.integration_id AND fact.identity = told.identity
"""


def unrecorded(recordings: Sequence[Recording]) -> list[Recording]:
    """
    Those of integrations' facts that are new; the others get the id that they have.

    The facts' subjects are locked, so that nobody else records the same meanwhile.
    """
    told = [{"integration_id": each.integration_id, "identity": each.fact.identity} for each in recordings]
    with connection.cursor() as cursor:
        cursor.execute(RECORDED_BEFORE, [rows.as_json(told)])
        known = {(integration_id, bytes(identity)): fact_id for integration_id, identity, fact_id in cursor.fetchall()}
    for each in recordings:
        each.fact.id = known.get((each.integration_id, each.fact.identity), 0)
    return [each for each in recordings if not each.fact.id]


def record(recordings: Sequence[Recording]) -> list[Fact]:
    """
    Write facts in one statement, and the messages that they cause; the answer has those that were new, each with its
    row's id.
    """
    # Two integrations may tell the same event; those are two facts.
    told = {(each.team_id, each.integration_id, each.fact.identity): each for each in recordings}
    written = rows.insert(
        TimelineEvent,
        [row(each) for each in recordings],
        on_conflict="ON CONFLICT DO NOTHING",
        returning=("id", "team_id", "integration_id", "identity"),
    )
    new = []
    for identity_of_row, team_id, integration_id, identity in written:
        recording = told[team_id, integration_id, bytes(identity)]
        recording.fact.id = identity_of_row
        new.append(recording)
    happened = sorted(new, key=id_of)
    announce([Happened(each.fact, each.team_id, ended=each.ended or ended_live(each.fact)) for each in happened])
    return [each.fact for each in new]


def id_of(recording: Recording) -> int:
    """The row's id. In their order messages are born, so that those of one subject are sent as it was recorded."""
    return recording.fact.id


def row(recording: Recording) -> rows.Row:
    """
    A recording as a row, with what the fold read of it if it was taken in before. A resource's own fact stands in its
    own chronology from the start.
    """
    fact = recording.fact
    if fact.subject[0] != INCIDENT:
        fact.resource = fact.subject
    kind, identity = fact.named or (None, None)
    resource_kind, resource_id = fact.resource or (None, None)
    return {
        "team_id": recording.team_id,
        "integration_id": recording.integration_id,
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
        "reading": recording.reading,
        "user_id": recording.user_id,
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
