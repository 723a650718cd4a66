"""
The engine's half in the database: what is due is taken up under a lease, and what came of it written down.

An endpoint is served by one worker at a time, so that order is kept: of each incident and resource the message that
waits for the longest time is sent, and none behind it until it is delivered or given up. Many endpoints, and many
incidents of one, are served side by side, so that nobody waits for another's slow receiver. What a killed worker had in
hand is taken up again when its leases end. Not here: sending (sender), and what an attempt comes to (retrying).
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction

from config import faults, queue, rows
from timeline.outbound.installation import count_up, remember
from timeline.outbound.models import Attempt, Endpoint, Message, Progress
from timeline.outbound.retrying import Outcome, again_at, why_disabled

log = structlog.get_logger(__name__)

LEASED = faults.point("sending: endpoints leased")
TAKEN = faults.point("sending: messages taken up, before their attempts")
BEGUN = faults.point("sending: attempts begun, before the commit")
HANDED_OUT = faults.point("sending: handed out")
WRITTEN_DOWN = faults.point("sending: attempts ended, before the messages")
SETTLED = faults.point("sending: messages settled, before the commit")
COMMITTED = faults.point("sending: settled")

LASTING = timedelta(seconds=10)
RENEW_AFTER = 2.0  # seconds
# So much before its end a lease is as good as over.
MARGIN = 2.0

# How many messages of one endpoint, and of all, a worker has in hand.
WINDOW = 256
MOST_IN_HAND = 4_096
# So many new messages of an endpoint are looked at in one turn.
LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message in hand: where it goes, what it says, and the attempt that is being made."""

    message_id: int
    attempt_id: int
    endpoint_id: int
    webhook_id: str
    body: str
    tries: int


Ended = tuple[Parcel, Outcome]

# From each endpoint that has such messages straight to the next, however many there are.
ENDPOINTS_WITH = """
{name} (id) AS (
    SELECT min(endpoint_id) FROM timeline_message WHERE status = '{name}'
UNION ALL
    SELECT (SELECT min(endpoint_id) FROM timeline_message WHERE status = '{name}' AND endpoint_id > {name}.id)
    FROM {name} WHERE id IS NOT NULL
)"""
WITH_WORK = f"""
WITH RECURSIVE {",".join(ENDPOINTS_WITH.format(name=name) for name in ("new", "due", "sending"))}
SELECT id FROM timeline_endpoint AS e WHERE disabled_at IS NULL AND deleted_at IS NULL AND (
    id IN (SELECT id FROM new) OR id IN (SELECT id FROM sending)
    OR id IN (SELECT id FROM due) AND EXISTS (
        SELECT 1 FROM timeline_message WHERE status = 'due' AND endpoint_id = e.id AND due_at <= %s
    )
) ORDER BY id
"""  # noqa: S608 - names of our own

TURNS = "jsonb_to_recordset(%(turns)s::jsonb) AS turn(id bigint, room int)"
IN_HAND = "m.id, m.endpoint_id, m.webhook_id, m.body, m.tries"

TAKE_DUE = f"""
WITH taken AS (
    SELECT next.id FROM {TURNS} CROSS JOIN LATERAL (
        SELECT id FROM timeline_message
        WHERE status = 'due' AND endpoint_id = turn.id AND due_at <= %(at)s ORDER BY due_at, id LIMIT turn.room
    ) AS next
)
UPDATE timeline_message AS m SET status = 'sending', due_at = NULL, tries = m.tries + 1 FROM taken
WHERE m.id = taken.id RETURNING {IN_HAND}
"""  # noqa: S608 - names of our own

# New ones that nothing stands before are sent at once while there is room; the others get their places.
TAKE_NEW = f"""
WITH looked_at AS (
    SELECT new.*, turn.room, EXISTS (
        SELECT 1 FROM timeline_message AS earlier
        WHERE earlier.endpoint_id = new.endpoint_id AND earlier.subject_kind = new.subject_kind
            AND earlier.subject_id = new.subject_id AND earlier.id < new.id
            AND earlier.status IN ('new', 'behind', 'due', 'sending')
    ) AS is_behind
    FROM {TURNS} CROSS JOIN LATERAL (
        SELECT id, endpoint_id, subject_kind, subject_id FROM timeline_message
        WHERE status = 'new' AND endpoint_id = turn.id ORDER BY id LIMIT %(most)s
    ) AS new
), placed AS (
    SELECT id, is_behind, row_number() OVER (PARTITION BY endpoint_id, is_behind ORDER BY id) <= room AS has_room
    FROM looked_at
)
UPDATE timeline_message AS m SET
    status = CASE WHEN placed.is_behind THEN 'behind' WHEN placed.has_room THEN 'sending' ELSE 'due' END,
    due_at = CASE WHEN placed.is_behind OR placed.has_room THEN NULL ELSE %(at)s END,
    tries = m.tries + CASE WHEN placed.has_room AND NOT placed.is_behind THEN 1 ELSE 0 END
FROM placed WHERE m.id = placed.id RETURNING {IN_HAND}, m.status
"""  # noqa: S608 - names of our own

# What somebody had in hand whose lease ended. Nobody knows what came of it, so it does not count.
ABANDONED = """
UPDATE timeline_message SET status = 'due', due_at = %(at)s, tries = greatest(tries - 1, 0)
WHERE status = 'sending' AND endpoint_id = ANY(%(ids)s::bigint[])
"""

# Behind what is over comes the next of the same incident or resource, if it was waiting for it.
NEXT = """
UPDATE timeline_message AS m SET status = 'due', due_at = %(at)s
FROM (
    SELECT first.id FROM (
        SELECT DISTINCT endpoint_id, subject_kind, subject_id FROM timeline_message WHERE id = ANY(%(ids)s::bigint[])
    ) AS lane CROSS JOIN LATERAL (
        SELECT id, status FROM timeline_message
        WHERE endpoint_id = lane.endpoint_id AND subject_kind = lane.subject_kind AND subject_id = lane.subject_id
            AND status IN ('new', 'behind', 'due', 'sending')
        ORDER BY id LIMIT 1
    ) AS first WHERE first.status = 'behind'
) AS next
WHERE m.id = next.id
"""
WAKE = """
UPDATE timeline_message SET due_at = %(at)s
WHERE status = 'due' AND endpoint_id = ANY(%(ids)s::bigint[]) AND due_at > %(at)s
"""
OLDEST = """
SELECT min(m.due_at) FROM timeline_endpoint AS e CROSS JOIN LATERAL (
    SELECT due_at FROM timeline_message WHERE status = 'due' AND endpoint_id = e.id ORDER BY due_at, id LIMIT 1
) AS m WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL
"""


@dataclass
class Engine:
    """
    One worker's hold on what is to be sent: the fencing tokens of the endpoints it serves, and when (of
    time.monotonic) its leases are as good as over.
    """

    tokens: dict[int, int] = field(default_factory=dict)
    good_until: float = 0.0
    renew_at: float = 0.0

    def turn(self, at: datetime, ended: Sequence[Ended], in_hand: Mapping[int, int]) -> list[Parcel]:
        """
        Write down what came of attempts, and take up what is due. `in_hand`: by endpoint, how many messages are being
        sent, those that ended left out.
        """
        with transaction.atomic():
            self.hold(in_hand)
            settle([each for each in ended if each[0].endpoint_id in self.tokens], at)
            taken, counted = self.take(at, in_hand)
        if ended:
            COMMITTED()
        if counted:
            remember(*counted)
            HANDED_OUT()
        return taken

    def hold(self, in_hand: Mapping[int, int]) -> None:
        """Keep the leases that are still ours, and lock their endpoints."""
        begun = time.monotonic()
        mine = queue.held(Endpoint, self.tokens)
        lost = self.tokens.keys() - mine
        if lost:
            log.warning("leases lost", endpoints=sorted(lost))
        self.tokens = {identity: token for identity, token in self.tokens.items() if identity in mine}
        if begun >= self.renew_at:
            queue.renew(Endpoint, mine, LASTING)
            self.renew_at = begun + RENEW_AFTER
            self.good_until = begun + LASTING.total_seconds() - MARGIN

    def take(self, at: datetime, in_hand: Mapping[int, int]) -> tuple[list[Parcel], tuple[str, int] | None]:
        """Take up what is due, where anything is; and where the counter is then, if something was taken up."""
        wanted = with_work(at)
        self.lease([each for each in wanted if each not in self.tokens], at)
        room = self.room(wanted, in_hand)
        installation = count_up() if room else None
        parcels = begun(taken(room, at), at) if installation else []
        self.let_go({each.endpoint_id for each in parcels} | {each for each, number in in_hand.items() if number})
        return parcels, (installation.public_id, installation.counter) if installation and parcels else None

    def lease(self, ids: Sequence[int], at: datetime) -> None:
        """Take over endpoints that nobody serves, with what their last servant left."""
        new = queue.lease(Endpoint, ids, LASTING)
        if new:
            # All leases are renewed at the next turn; until then the newest is not the first to end.
            self.good_until = self.good_until if self.tokens else time.monotonic() + LASTING.total_seconds() - MARGIN
            self.tokens |= new
            execute(ABANDONED, at=at, ids=rows.as_array(new))
            LEASED()

    def room(self, wanted: Sequence[int], in_hand: Mapping[int, int]) -> dict[int, int]:
        """For how many more messages there is room, by endpoint, for those of ours that have work."""
        left = MOST_IN_HAND - sum(in_hand.values())
        found: dict[int, int] = {}
        for identity in wanted:
            room = min(WINDOW - in_hand.get(identity, 0), left)
            if identity in self.tokens and room > 0:
                found[identity] = room
                left -= room
        return found

    def let_go(self, busy: set[int]) -> None:
        """Give back the endpoints that nothing is sent to."""
        idle = self.tokens.keys() - busy
        queue.release(Endpoint, idle)
        self.tokens = {identity: token for identity, token in self.tokens.items() if identity not in idle}

    def stop(self, at: datetime, ended: Sequence[Ended]) -> None:
        """Write down what came of attempts, give back all else, and let go of everything."""
        with transaction.atomic():
            self.hold({})
            settle([each for each in ended if each[0].endpoint_id in self.tokens], at)
            execute(ABANDONED, at=at, ids=rows.as_array(self.tokens))
            self.let_go(set())


def with_work(at: datetime) -> list[int]:
    """The enabled endpoints for which something is new, due, or was being sent."""
    with connection.cursor() as cursor:
        cursor.execute(WITH_WORK, [at])
        return [identity for (identity,) in cursor.fetchall()]


def taken(room: Mapping[int, int], at: datetime) -> list[tuple[Any, ...]]:
    """Take up messages: those that were due first, then new ones; rows of IN_HAND."""
    due = execute(TAKE_DUE, at=at, turns=turns(room))
    left = dict(room)
    for row in due:
        left[row[1]] -= 1
    new = execute(TAKE_NEW, at=at, turns=turns(left), most=LOOKED_AT)
    return due + sorted(row[:-1] for row in new if row[-1] == Progress.SENDING)


def turns(room: Mapping[int, int]) -> str:
    """Endpoints and their room as a parameter."""
    return rows.as_json([{"id": identity, "room": number} for identity, number in room.items()])


def begun(taken_up: Sequence[tuple[Any, ...]], at: datetime) -> list[Parcel]:
    """Write down that attempts begin."""
    if not taken_up:
        return []
    TAKEN()
    attempts = [{"message_id": row[0], "started_at": at, "error": "", "excerpt": ""} for row in taken_up]
    ids = {message: attempt for attempt, message in rows.insert(Attempt, attempts, returning=("id", "message_id"))}
    BEGUN()
    return [Parcel(row[0], ids[row[0]], *row[1:]) for row in taken_up]


# --- what came of it ------------------------------------------------------------------------------------------


def settle(ended: Sequence[Ended], at: datetime) -> None:
    """Write down what came of attempts, for their messages and endpoints, which are locked."""
    if not ended:
        return
    rows.update(Attempt, [attempt_row(parcel, outcome) for parcel, outcome in ended])
    WRITTEN_DOWN()
    settled = [message_row(parcel, outcome) for parcel, outcome in ended]
    rows.update(Message, settled, only="t.status = 'sending'")
    execute(NEXT, at=at, ids=rows.as_array([row["id"] for row in settled if row["ended_at"]]))
    judge_endpoints(ended, at)
    SETTLED()


def attempt_row(parcel: Parcel, outcome: Outcome) -> rows.Row:
    """An attempt that ended, as columns."""
    return {
        "id": parcel.attempt_id,
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
    by_endpoint: dict[int, list[Outcome]] = defaultdict(list)
    for parcel, outcome in ended:
        by_endpoint[parcel.endpoint_id].append(outcome)
    found = Endpoint.objects.filter(pk__in=by_endpoint).only("id", "succeeded_at", "failing_since")
    judged = {each.pk: endpoint_row(each, by_endpoint[each.pk]) for each in found.order_by("id")}
    back = [each.pk for each in found if each.failing_since and judged[each.pk]["failing_since"] is None]
    rows.update(Endpoint, list(judged.values()))
    for identity, outcomes in by_endpoint.items():
        disable_if_gone(identity, outcomes, judged[identity]["failing_since"])
    if back:
        execute(WAKE, at=at, ids=rows.as_array(back))


def endpoint_row(endpoint: Endpoint, outcomes: Iterable[Outcome]) -> rows.Row:
    """How an endpoint is doing after some more attempts, as columns."""
    succeeded_at, failing_since = endpoint.succeeded_at, endpoint.failing_since
    for outcome in sorted(outcomes, key=lambda each: each.ended_at):
        if outcome.delivered:
            succeeded_at, failing_since = outcome.ended_at, None
        else:
            failing_since = failing_since or outcome.ended_at
    return {"id": endpoint.pk, "succeeded_at": succeeded_at, "failing_since": failing_since}


def disable_if_gone(identity: int, outcomes: Iterable[Outcome], failing_since: datetime | None) -> None:
    """Disable an endpoint that says it is gone, or took nothing for too long."""
    reasons = (why_disabled(each, failing_since or each.ended_at) for each in outcomes if not each.delivered)
    why = next(filter(None, reasons), "")
    if why:
        last = max(each.ended_at for each in outcomes)
        Endpoint.objects.filter(pk=identity, disabled_at=None).update(disabled_at=last, disabled_why=why)
        log.warning("endpoint disabled", endpoint=identity, why=why)


def oldest_due() -> datetime | None:
    """Since when the message has been due that waits for the longest time; a moment to come if none is."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST)
        oldest: datetime | None = cursor.fetchone()[0]
        return oldest


def execute(sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Run a statement; the rows that it returns."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []
