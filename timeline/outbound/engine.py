"""
The engine's half in the database: what is due is taken up under a lease, and what came of it is written down.

An endpoint is served by one worker at a time, so that order is kept: of each incident and resource the message that
waits for the longest time is sent, and none behind it until it is delivered or given up. Many endpoints, and many
incidents of one, are served side by side, so that nobody waits for another's slow receiver. What a killed worker had in
hand is taken up again when its leases end. Not here: sending (sender), how much at once (pacing), and what an attempt
comes to (settling, retrying).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction

from config import faults, rows
from config.queue import Leases
from timeline.outbound.installation import count_up, remember
from timeline.outbound.models import Endpoint, Installation
from timeline.outbound.pacing import InHand, Pace
from timeline.outbound.settling import Ended, Parcel, execute, settle

log = structlog.get_logger(__name__)

LEASED = faults.point("sending: endpoints leased")
TAKEN = faults.point("sending: messages taken up, before the commit")
HANDED_OUT = faults.point("sending: handed out")
COMMITTED = faults.point("sending: settled")

LASTING, MARGIN = timedelta(seconds=10), timedelta(seconds=2)

# From each endpoint that has such messages straight to the next, however many there are.
ENDPOINTS_WITH = """
{name} (id) AS (
    SELECT min(endpoint_id) FROM timeline_message WHERE status = '{name}'
UNION ALL
    SELECT (SELECT min(endpoint_id) FROM timeline_message WHERE status = '{name}' AND endpoint_id > {name}.id)
    FROM {name} WHERE id IS NOT NULL
)"""
WITH_WORK = f"""
WITH RECURSIVE {",".join(ENDPOINTS_WITH.format(name=name) for name in ("new", "due", "sending"))},
work (id, waits) AS (
    SELECT id, true FROM new WHERE id IS NOT NULL
UNION ALL
    SELECT id, true FROM due WHERE EXISTS (
        SELECT 1 FROM timeline_message WHERE status = 'due' AND endpoint_id = due.id AND due_at <= %s
    )
UNION ALL
    SELECT id, false FROM sending WHERE id IS NOT NULL
)
SELECT e.id, e.succeeded_at IS NOT NULL AND e.failing_since IS NULL, bool_or(work.waits),
    coalesce(e.lease_until BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => %s), false)
FROM timeline_endpoint AS e JOIN work ON work.id = e.id
WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM timeline_installation WHERE paused_at IS NOT NULL)
GROUP BY e.id
"""  # noqa: S608 - names of our own

TURNS = "jsonb_to_recordset(%(turns)s::jsonb) AS turn(id bigint, room int)"
IN_HAND = "m.id, m.endpoint_id, m.webhook_id, m.body, m.tries"

# Rows to be written are found as an array of ids: how many they are nobody can estimate, and whoever joins them to all
# messages there ever were may read all of these.

# While it is being sent, `due_at` is when it was taken up.
TAKE_UP = f"""
UPDATE timeline_message AS m SET status = 'sending', due_at = %(at)s, tries = m.tries + 1
WHERE m.id = ANY(ARRAY(SELECT id FROM taken)) RETURNING {IN_HAND}
"""  # noqa: S608 - names of our own
TAKE_DUE = f"""
WITH taken AS (
    SELECT next.id FROM {TURNS} CROSS JOIN LATERAL (
        SELECT id FROM timeline_message
        WHERE status = 'due' AND endpoint_id = turn.id AND due_at <= %(at)s ORDER BY due_at, id LIMIT turn.room
    ) AS next
){TAKE_UP}
"""  # noqa: S608 - names of our own

# Of the new ones those that nothing stands before are sent, while there is room. Those that something stands before are
# told so and not looked at again until that is over; a few more than there is room for are looked at, to get past them.
TAKE_NEW = f"""
WITH looked_at AS (
    SELECT new.*, turn.room, EXISTS (
        SELECT 1 FROM timeline_message AS earlier
        WHERE earlier.endpoint_id = new.endpoint_id AND earlier.subject_kind = new.subject_kind
            AND earlier.subject_id = new.subject_id AND earlier.id < new.id
            AND earlier.status IN ('new', 'behind', 'due', 'sending')
    ) OR new.after IS NOT NULL AND EXISTS (
        SELECT 1 FROM timeline_message AS first
        WHERE first.id = ANY(new.after) AND first.status IN ('new', 'behind', 'due', 'sending')
    ) AS is_behind
    FROM {TURNS} CROSS JOIN LATERAL (
        SELECT id, endpoint_id, subject_kind, subject_id, after FROM timeline_message
        WHERE status = 'new' AND endpoint_id = turn.id ORDER BY id LIMIT 2 * turn.room + 20
    ) AS new
), placed AS (
    SELECT id, is_behind, row_number() OVER (PARTITION BY endpoint_id, is_behind ORDER BY id) <= room AS has_room
    FROM looked_at
), waiting AS (
    UPDATE timeline_message SET status = 'behind' WHERE id = ANY(ARRAY(SELECT id FROM placed WHERE is_behind))
), taken AS (
    SELECT id FROM placed WHERE has_room AND NOT is_behind
){TAKE_UP}
"""  # noqa: S608 - names of our own

# What is said to be in somebody's hand and is in nobody's. Nobody knows what came of it, so it does not count; the
# attempt has no end.
LEFT_BEHIND = """
WITH lost AS (
    SELECT id, due_at FROM timeline_message
    WHERE status = 'sending' AND endpoint_id = ANY(%(ids)s::bigint[]) AND NOT id = ANY(%(in_hand)s::bigint[])
), interrupted AS (
    INSERT INTO timeline_attempt (message_id, started_at, error, excerpt)
    SELECT id, coalesce(due_at, %(at)s), '', '' FROM lost
)
UPDATE timeline_message SET status = 'due', due_at = %(at)s, tries = greatest(tries - 1, 0)
WHERE id = ANY(ARRAY(SELECT id FROM lost))
"""

# What is due later than it was to be when its last attempt ended, because the clock has been set back since, keeps its
# pause from now on.
SOONER = """
WITH late AS (
    SELECT m.id, m.due_at, attempt.ended_at FROM timeline_message AS m CROSS JOIN LATERAL (
        SELECT ended_at FROM timeline_attempt WHERE message_id = m.id ORDER BY id DESC LIMIT 1
    ) AS attempt
    WHERE m.status = 'due' AND m.due_at > %(at)s AND attempt.ended_at > %(at)s AND m.due_at > attempt.ended_at
)
UPDATE timeline_message AS m SET due_at = least(late.due_at, greatest(%(at)s, %(at)s + (late.due_at - late.ended_at)))
FROM late WHERE m.id = late.id AND m.status = 'due'
"""
# For how long an endpoint has been failing is not told by a clock that was set meanwhile.
FAILING = """
UPDATE timeline_endpoint SET failing_since = least(failing_since + %(by)s, %(at)s)
WHERE failing_since IS NOT NULL AND (%(by)s > interval '0' OR failing_since > %(at)s)
"""

# Since when the message waits that is due for the longest time; and the new one, which may be an old one that was asked
# for again.
OLDEST = """
SELECT min(least(due.due_at, new.since)) FROM timeline_endpoint AS e
LEFT JOIN LATERAL (
    SELECT due_at FROM timeline_message WHERE status = 'due' AND endpoint_id = e.id ORDER BY due_at, id LIMIT 1
) AS due ON true
LEFT JOIN LATERAL (
    SELECT coalesce(due_at, created_at) AS since FROM timeline_message
    WHERE status = 'new' AND endpoint_id = e.id ORDER BY id LIMIT 1
) AS new ON true
WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Work:
    """
    An endpoint with something to do. `is_well`: it took what it was sent last; `waits`: something is to be taken up;
    `is_held`: somebody has a lease.
    """

    id: int
    is_well: bool
    waits: bool
    is_held: bool


@dataclass
class Engine:
    """One worker's hold on what is to be sent. Its leases are those of the last turn that was committed."""

    leases: Leases = field(default_factory=lambda: Leases(Endpoint, LASTING, MARGIN))
    pace: Pace = field(default_factory=Pace)

    def turn(self, at: datetime, ended: Sequence[Ended], in_hand: InHand, *, unsure: bool = False) -> list[Parcel]:
        """
        Write down what came of attempts, and take up what is due. `in_hand`: by endpoint, the messages that are being
        sent, those that ended left out. `unsure`: since the last turn that is known to have been committed something
        may have been taken up, or let go, that is not in hand now.
        """
        if not (ended or self.leases.tokens or with_work(at)):
            return []
        with transaction.atomic():
            leases = self.leases.kept(self.concerned(ended, in_hand, unsure))
            self.settle(leases, ended, at)
            if unsure:
                left_behind(leases.tokens, [*in_hand.values(), {parcel.message_id for parcel, _ in ended}], at)
            leases, taken_up, installation = self.take(leases, in_hand, at)
            busy = {parcel.endpoint_id for parcel in taken_up} | {each for each, some in in_hand.items() if some}
            leases = leases.without(leases.tokens.keys() - busy)
        self.leases = leases
        if ended:
            COMMITTED()
        if installation:
            remember(installation.public_id, installation.counter)
            HANDED_OUT()
        return taken_up

    def concerned(self, ended: Sequence[Ended], in_hand: InHand, unsure: bool) -> set[int]:
        """The endpoints of which something is written down before anything is taken up."""
        idle = {each for each in self.leases.tokens if unsure or not in_hand.get(each)}
        return idle | {parcel.endpoint_id for parcel, _ in ended}

    def settle(self, leases: Leases, ended: Sequence[Ended], at: datetime) -> None:
        """Write down what came of attempts that were begun under leases which are still ours."""
        if lost := self.leases.tokens.keys() - leases.tokens.keys():
            log.warning("leases lost", endpoints=sorted(lost))
        settle([each for each in ended if leases.tokens.get(each[0].endpoint_id) == each[0].token], at)
        for parcel, outcome in ended:
            self.pace.learn(parcel.endpoint_id, outcome.seconds if outcome.delivered else None)

    def take(self, leases: Leases, in_hand: InHand, at: datetime) -> tuple[Leases, list[Parcel], Installation | None]:
        """Take up what there is room for, from endpoints that are ours or nobody's."""
        room = self.pace.room(wanted(leases, with_work(at)), in_hand)
        leases = leases.kept(room)
        before = leases.tokens
        leases = leases.taken(room.keys() - before.keys())
        if new := leases.tokens.keys() - before.keys():
            left_behind(new, [], at)
            LEASED()
        room = {each: number for each, number in room.items() if each in leases.tokens}
        installation = count_up(at) if room else None
        taken_up = taken(room, leases.tokens, at) if installation else []
        if taken_up:
            TAKEN()
        return leases, taken_up, installation

    def stop(self, at: datetime, ended: Sequence[Ended]) -> None:
        """Write down what came of attempts, give back all else, and let go of everything."""
        with transaction.atomic():
            leases = self.leases.kept(self.leases.tokens.keys())
            self.settle(leases, ended, at)
            left_behind(leases.tokens, [], at)
            leases = leases.without(leases.tokens.keys())
        self.leases = leases


def after_a_jump(at: datetime, by: float) -> None:
    """
    Put right what was scheduled by a clock that was set since: forward by so many seconds; back by any, or before this
    worker began, where `by` is 0.0.
    """
    with transaction.atomic():
        execute(SOONER, at=at)
        execute(FAILING, at=at, by=timedelta(seconds=max(by, 0.0)))


def with_work(at: datetime) -> list[Work]:
    """The enabled endpoints for which something is new, due, or being sent; none while sending is paused."""
    with connection.cursor() as cursor:
        cursor.execute(WITH_WORK, [at, LASTING.total_seconds()])
        return [Work(*row) for row in cursor.fetchall()]


def wanted(leases: Leases, found: Iterable[Work]) -> dict[int, bool]:
    """What could be taken up: something waits and is ours to send, or is nobody's. And whether its endpoint is well."""
    ours = leases.tokens
    return {each.id: each.is_well for each in found if (each.waits if each.id in ours else not each.is_held)}


def left_behind(endpoints: Mapping[int, int] | set[int], in_hand: Sequence[Any], at: datetime) -> None:
    """Let what is being sent to endpoints of ours, and is not in hand, be sent again."""
    known = rows.as_array({message_id for some in in_hand for message_id in some})
    execute(LEFT_BEHIND, at=at, ids=rows.as_array(endpoints), in_hand=known)


def taken(room: Mapping[int, int], tokens: Mapping[int, int], at: datetime) -> list[Parcel]:
    """Take up messages: those that were due first, then new ones."""
    due = execute(TAKE_DUE, at=at, turns=turns(room))
    left = dict(room)
    for row in due:
        left[row[1]] -= 1
    new = execute(TAKE_NEW, at=at, turns=turns({each: number for each, number in left.items() if number}))
    sending = due + sorted(new)
    return [
        Parcel(message, endpoint, webhook_id, body, tries, tokens[endpoint])
        for message, endpoint, webhook_id, body, tries in sending
    ]


def turns(room: Mapping[int, int]) -> str:
    """Endpoints and their room as a parameter."""
    return rows.as_json([{"id": identity, "room": number} for identity, number in room.items()])


def oldest_waiting() -> datetime | None:
    """Since when the message waits that waits for the longest time; a moment to come, or None, if none does."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST)
        oldest: datetime | None = cursor.fetchone()[0]
        return oldest
