"""
Whose turn it is: which of the deliveries that are due are taken up next, so that nobody who sends much makes those
wait who send little.

Each integration with deliveries waiting gets an equal share of a batch, and what some leave is shared out among those
with more. Where there are more integrations than places, they are served in a circle. Deliveries are locked as they
are claimed; those that another worker holds are left to it. Not here: what becomes of them (integrations.applying).
"""

import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import connection

from integrations.models import InboundDelivery

# Those that failed before are tried again a few at a time, for they may fail again.
MOST_POSTPONED = 20

# Of all time, looking at whole queues takes at most one part in so many.
SWEEPS_AT_MOST = 10
# A delivery may be committed when others behind it were taken already. Those that come later are found by a sweep.
LATE_AT_MOST = 1_000  # ids

# From each integration that has something waiting straight to the next, however much it has.
WAITING = """
WITH RECURSIVE waiting (integration_id) AS (
    SELECT min(integration_id) FROM integrations_inbounddelivery
    WHERE status = 'received'
UNION ALL
    SELECT (
        SELECT min(integration_id) FROM integrations_inbounddelivery
        WHERE status = 'received' AND integration_id > waiting.integration_id
    )
    FROM waiting WHERE integration_id IS NOT NULL
)
SELECT integration_id FROM waiting WHERE integration_id IS NOT NULL
"""

# Each in the order of the index delivery_turn.
FRESH = "due_at IS NULL"
POSTPONED = "due_at <= %(at)s"
# Further ahead than any pause lasts: they were postponed by a clock that has been set back since.
FROM_AHEAD = "due_at > %(at)s + interval '1 minute'"

CLAIM = """
SELECT delivery.id, team_id, delivery.integration_id, received_at, replayed_at, replayed_by_id, dated_at, body,
    identity, event, attempts
FROM jsonb_to_recordset(%(turns)s::jsonb) AS turn (integration_id bigint, after bigint)
CROSS JOIN LATERAL (
    SELECT * FROM integrations_inbounddelivery
    WHERE status = 'received' AND integration_id = turn.integration_id AND {due} AND id > turn.after
    ORDER BY due_at, id LIMIT %(share)s FOR NO KEY UPDATE SKIP LOCKED
) AS delivery
LIMIT %(most)s
"""

OLDEST = f"""
SELECT min(received_at) FROM ({WAITING}) AS turn CROSS JOIN LATERAL (
    (
        SELECT received_at FROM integrations_inbounddelivery
        WHERE status = 'received' AND integration_id = turn.integration_id AND due_at IS NULL
        ORDER BY due_at, id LIMIT 1
    ) UNION ALL (
        SELECT received_at FROM integrations_inbounddelivery
        WHERE status = 'received' AND integration_id = turn.integration_id AND due_at IS NOT NULL
        ORDER BY due_at, id LIMIT 1
    )
) AS first
"""  # noqa: S608 - SQL of our own


class Turns:
    """
    Remembers where in the circle it is, and how far it came, for one worker.

    What was taken up leaves its place in the index until PostgreSQL clears up, which takes its time where the table is
    large or somebody reads all of it. So whole queues are looked at as often as that is cheap; in between, those who
    were found to send are asked for what came behind what was taken last.
    """

    def __init__(self) -> None:
        self.last = 0
        self.passed: dict[int, int] = {}
        self.sweep_at = 0.0

    def claim(self, at: datetime, most: int) -> tuple[list[InboundDelivery], list[InboundDelivery]]:
        """
        Lock the next deliveries that are due: at most so many fresh ones, and some that failed before and were
        postponed.
        """
        begun = time.monotonic()
        if begun < self.sweep_at:
            return self.fresh(most), []
        self.passed = dict.fromkeys(waiting(), 0)
        taken = self.fresh(most)
        again = postponed(list(self.passed), at, min(most, MOST_POSTPONED))
        self.sweep_at = begun + SWEEPS_AT_MOST * (time.monotonic() - begun)
        return taken, again

    def fresh(self, most: int) -> list[InboundDelivery]:
        """Lock deliveries that were not tried yet, of those who are known to send."""
        taken = fresh({each: self.passed[each] for each in self.in_circle(most)}, most)
        for delivery in taken:
            self.passed[delivery.integration_id] = max(0, delivery.pk - LATE_AT_MOST)
        return taken

    def in_circle(self, most: int) -> list[int]:
        """The next so many of those who are known to send."""
        senders = sorted(self.passed)
        here = bisect_right(senders, self.last)
        found = [*senders[here:], *senders[:here]][:most]
        self.last = found[-1] if len(found) < len(senders) else 0
        return found


def waiting() -> list[int]:
    """The ids of integrations with deliveries waiting, in order."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return [integration_id for (integration_id,) in cursor.fetchall()]


def fresh(turns: Mapping[int, int], most: int) -> list[InboundDelivery]:
    """Claim deliveries that were not tried yet, for each integration the same number as far as it has so many."""
    taken: list[InboundDelivery] = []
    while turns and len(taken) < most:
        share = -(-(most - len(taken)) // len(turns))
        some = claimed(FRESH, turns, share, most - len(taken))
        taken += some
        turns = last_of_those_with(share, some)
    return taken


def postponed(integrations: Sequence[int], at: datetime, most: int) -> list[InboundDelivery]:
    """Claim deliveries whose next try is due."""
    if not integrations:
        return []
    turns, share = dict.fromkeys(integrations, 0), -(-most // len(integrations))
    due = claimed(POSTPONED, turns, share, most, at=at)
    return due + claimed(FROM_AHEAD, turns, share, most - len(due), at=at)


def claimed(
    due: str, turns: Mapping[int, int], share: int, most: int, at: datetime | None = None
) -> list[InboundDelivery]:
    """Lock deliveries of integrations, of each at most a share of those with ids behind the one given."""
    parameters = {
        "turns": json.dumps([{"integration_id": each, "after": after} for each, after in turns.items()]),
        "share": share,
        "most": most,
        "at": at,
    }
    return list(InboundDelivery.objects.raw(CLAIM.format(due=due), parameters))


def last_of_those_with(share: int, taken: Sequence[InboundDelivery]) -> dict[int, int]:
    """The last id taken of each integration that had its whole share, and so may have more."""
    of_each = Counter(delivery.integration_id for delivery in taken)
    return {each.integration_id: each.pk for each in taken if of_each[each.integration_id] == share}


def oldest_waiting() -> datetime | None:
    """When the delivery was received that has been waiting for the longest time; None if none waits."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST)
        oldest: datetime | None = cursor.fetchone()[0]
        return oldest
