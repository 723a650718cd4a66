"""
The one writer of facts. Whoever records takes the facts in with a keeper in the same transaction (incidents.keeper,
monitors.keeper), so that no fact stands without its fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from config import rows
from timeline.chronology import Fact
from timeline.events import INCIDENT
from timeline.models import TimelineEvent


@dataclass(slots=True)
class Recording:
    """A fact to be recorded, and whose it is. `integration_id` is None for our own, `user_id` for nobody's."""

    fact: Fact
    team_id: int
    integration_id: int | None = None
    user_id: int | None = None


def record(recordings: Sequence[Recording]) -> list[Fact]:
    """Write facts in one statement; the answer has those that were new, each with its row's id."""
    # Two integrations may tell the same event; those are two facts.
    facts = {(each.team_id, each.integration_id, each.fact.identity): each.fact for each in recordings}
    written = rows.insert(
        TimelineEvent,
        [row(each) for each in recordings],
        on_conflict="ON CONFLICT DO NOTHING",
        returning=("id", "team_id", "integration_id", "identity"),
    )
    new = []
    for identity_of_row, team_id, integration_id, identity in written:
        fact = facts[team_id, integration_id, bytes(identity)]
        fact.id = identity_of_row
        new.append(fact)
    return new


def row(recording: Recording) -> rows.Row:
    """A recording as a row. A resource's own fact stands in its own chronology from the start."""
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
        "occurred_at": fact.occurred_at,
        "recorded_at": fact.recorded_at or fact.occurred_at,
        "rank": fact.rank,
        "identity": fact.identity,
        "payload": fact.payload,
        "user_id": recording.user_id,
        "user_email": fact.user_email,
        "user_name": fact.user_name,
        "resource_kind": resource_kind,
        "resource_id": resource_id,
        "effect": "applied",
        "why": "",
        "entries": [],
        "hold": 0,
        "presses": "",
    }
