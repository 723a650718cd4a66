"""
What came of attempts, written down: the attempts themselves, how far their messages are, who is next behind them, and
how their endpoints are doing.

All of it in the engine's transaction, for endpoints that it holds and has locked. What an attempt comes to is decided
in retrying.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import connection

from config import faults, rows
from timeline.outbound.models import Attempt, Endpoint, Message, Progress
from timeline.outbound.retrying import Outcome, again_at, why_disabled, woken_up_to

log = structlog.get_logger(__name__)

WRITTEN_DOWN = faults.point("sending: attempts written down, before the messages")
SETTLED = faults.point("sending: messages settled, before the commit")

# Behind what is over comes the next of the same incident or resource, if it was waiting for it; and what came after it
# though it is about another subject.
NEXT = """
UPDATE timeline_message SET status = 'due', due_at = %(at)s
WHERE id = ANY(ARRAY(
    SELECT first.id FROM (
        SELECT endpoint_id, subject_kind, subject_id FROM timeline_message WHERE id = ANY(%(ids)s::bigint[])
    UNION
        SELECT endpoint_id, subject_kind, subject_id FROM timeline_message
        WHERE endpoint_id = ANY(%(endpoints)s::bigint[]) AND status = 'behind' AND after IS NOT NULL
            AND after && %(ids)s::bigint[]
    ) AS lane CROSS JOIN LATERAL (
        SELECT id, status, after FROM timeline_message
        WHERE endpoint_id = lane.endpoint_id AND subject_kind = lane.subject_kind AND subject_id = lane.subject_id
            AND status IN ('new', 'behind', 'due', 'sending')
        ORDER BY id LIMIT 1
    ) AS first WHERE first.status = 'behind' AND NOT EXISTS (
        SELECT 1 FROM timeline_message AS before
        WHERE before.id = ANY(first.after) AND before.status IN ('new', 'behind', 'due', 'sending')
    )
))
"""
# What failed once keeps to its pause, which is short, or is what the receiver asked for.
WAKE = """
UPDATE timeline_message AS m SET due_at = %(at)s
FROM jsonb_to_recordset(%(back)s::jsonb) AS back(id bigint, up_to int)
WHERE m.status = 'due' AND m.endpoint_id = back.id AND m.due_at > %(at)s AND m.tries BETWEEN 2 AND back.up_to
"""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message in hand: where it goes, what it says, and the lease under which it was taken up."""

    message_id: int
    endpoint_id: int
    webhook_id: str
    body: str
    tries: int
    token: int


Ended = tuple[Parcel, Outcome]


def settle(ended: Sequence[Ended], at: datetime) -> None:
    """Write down what came of attempts, for their messages and endpoints, which are locked."""
    if not ended:
        return
    ended = [(parcel, outcome.not_after(at)) for parcel, outcome in ended]
    rows.insert(Attempt, [attempt_row(parcel, outcome) for parcel, outcome in ended])
    WRITTEN_DOWN()
    settled = [message_row(parcel, outcome) for parcel, outcome in ended]
    rows.update(Message, settled, only="t.status = 'sending'")
    over = [row["id"] for row in settled if row["ended_at"]]
    endpoints = {parcel.endpoint_id for parcel, _ in ended}
    execute(NEXT, at=at, ids=rows.as_array(over), endpoints=rows.as_array(endpoints))
    judge_endpoints(ended, at)
    SETTLED()


def attempt_row(parcel: Parcel, outcome: Outcome) -> rows.Row:
    """An attempt as columns."""
    return {
        "message_id": parcel.message_id,
        "started_at": outcome.started_at,
        "ended_at": outcome.ended_at,
        "status_code": outcome.status_code,
        "error": outcome.words,
        "excerpt": outcome.excerpt,
    }


def message_row(parcel: Parcel, outcome: Outcome) -> rows.Row:
    """What an attempt makes of its message, as columns."""
    due_at = None if outcome.delivered else again_at(outcome, parcel.tries)
    status = Progress.DELIVERED if outcome.delivered else Progress.DUE if due_at else Progress.DEAD
    return {
        "id": parcel.message_id,
        "status": status,
        "due_at": due_at,
        "ended_at": None if due_at else outcome.ended_at,
        "why": outcome.words,
    }


def judge_endpoints(ended: Sequence[Ended], at: datetime) -> None:
    """Keep how each endpoint is doing, disable those that are gone, and wake what waits for those that are back."""
    by_endpoint: dict[int, list[Ended]] = defaultdict(list)
    for each in ended:
        by_endpoint[each[0].endpoint_id].append(each)
    found = Endpoint.objects.filter(pk__in=by_endpoint).only("id", "succeeded_at", "failing_since")
    before = {each.pk: each for each in found}
    judged = {identity: endpoint_row(before[identity], some) for identity, some in by_endpoint.items()}
    rows.update(Endpoint, list(judged.values()))
    for identity, some in by_endpoint.items():
        disable_if_gone(identity, some, judged[identity]["failing_since"])
    wake(
        [each for each in before.values() if any(outcome.delivered for _, outcome in by_endpoint[each.pk])], judged, at
    )


def endpoint_row(endpoint: Endpoint, ended: Iterable[Ended]) -> rows.Row:
    """How an endpoint is doing after some more attempts, as columns."""
    succeeded_at, failing_since = endpoint.succeeded_at, endpoint.failing_since
    for _, outcome in sorted(ended, key=lambda each: each[1].ended_at):
        if outcome.delivered:
            succeeded_at, failing_since = outcome.ended_at, None
        else:
            failing_since = min(failing_since or outcome.ended_at, outcome.ended_at)
    return {"id": endpoint.pk, "succeeded_at": succeeded_at, "failing_since": failing_since}


def disable_if_gone(identity: int, ended: Iterable[Ended], failing_since: datetime | None) -> None:
    """Disable an endpoint that says it is gone, or took nothing for too long."""
    failed = [(parcel, outcome) for parcel, outcome in ended if not outcome.delivered]
    reasons = (why_disabled(outcome, failing_since or outcome.ended_at, parcel.tries) for parcel, outcome in failed)
    why = next(filter(None, reasons), "")
    if why:
        last = max(outcome.ended_at for _, outcome in failed)
        Endpoint.objects.filter(pk=identity, disabled_at=None).update(disabled_at=last, disabled_why=why)
        log.warning("endpoint disabled", endpoint=identity, why=why)


def wake(succeeding: Iterable[Endpoint], judged: Mapping[int, rows.Row], at: datetime) -> None:
    """Let what failed while an endpoint took nothing be sent at once where it took something now."""
    back = [
        {"id": endpoint.pk, "up_to": woken_up_to(endpoint.failing_since, judged[endpoint.pk]["succeeded_at"])}
        for endpoint in succeeding
        if endpoint.failing_since
    ]
    if back:
        execute(WAKE, at=at, back=rows.as_json(back))


def execute(sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Run a statement; the rows that it returns."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []
