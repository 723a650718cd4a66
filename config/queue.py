"""
Rows that become due: work is claimed with SKIP LOCKED, held under a lease, tried again after pauses, and given up.

What the rows are is the callers' affair. Two ways of holding work: for as long as a transaction lasts, where that is a
moment (the inbound deliveries: integrations.turns); or under a lease, where the work is outside of the database
(outbound messages: timeline.outbound.engine). A lease ends by itself, so nobody waits for a killed worker; and each new
one has a greater token, by which those who were late are told apart, and may write nothing more. Leases go by the
database's clock, which all workers share.
"""

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, models

from config.rows import as_array, as_json, table


@dataclass(frozen=True)
class Retries:
    """
    When work that failed is tried again: the pauses after the first, the second, … failure. After one more it is given
    up. Each pause is longer or shorter by up to `jitter` of it, so that what failed together does not come together.
    """

    pauses: tuple[timedelta, ...]
    jitter: float = 0.0

    @property
    def most(self) -> int:
        """How often something is tried in all."""
        return len(self.pauses) + 1

    def pause(self, failures: int, chance: Callable[[], float] = random.random) -> timedelta | None:
        """The pause after so many failures; None: it is given up."""
        if failures >= self.most:
            return None
        return self.pauses[failures - 1] * (1 + self.jitter * (2 * chance() - 1))


# Models with leases have the columns lease_token and lease_until.
LEASE = """
UPDATE {table} AS leased SET lease_token = lease_token + 1,
    lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
FROM (
    SELECT id FROM {table}
    WHERE id = ANY(%(ids)s::bigint[]) AND (lease_until IS NULL OR lease_until <= clock_timestamp())
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
) AS free
WHERE leased.id = free.id RETURNING leased.id, leased.lease_token
"""
HELD = """
SELECT row.id FROM {table} AS row
JOIN jsonb_to_recordset(%(held)s::jsonb) AS held(id bigint, token bigint)
    ON held.id = row.id AND held.token = row.lease_token
ORDER BY row.id FOR NO KEY UPDATE OF row
"""
RENEW = """
UPDATE {table} SET lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = ANY(%(ids)s::bigint[])
"""
# Who gives a lease back may write nothing more under it.
RELEASE = """
UPDATE {table} SET lease_until = NULL, lease_token = lease_token + 1 WHERE id = ANY(%(ids)s::bigint[])
"""

Model = type[models.Model]


def lease(model: Model, ids: Collection[int], lasting: timedelta) -> dict[int, int]:
    """Take leases of those rows that nobody holds; id → fencing token."""
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(LEASE.format(table=table(model)), {"ids": as_array(ids), "seconds": lasting.total_seconds()})
        return dict(cursor.fetchall())


def held(model: Model, tokens: Mapping[int, int]) -> set[int]:
    """Which of the leases are still ours; their rows are locked, so that they stay so in this transaction."""
    if not tokens:
        return set()
    claims = as_json([{"id": identity, "token": token} for identity, token in tokens.items()])
    with connection.cursor() as cursor:
        cursor.execute(HELD.format(table=table(model)), {"held": claims})
        return {identity for (identity,) in cursor.fetchall()}


def renew(model: Model, ids: Collection[int], lasting: timedelta) -> None:
    """Let leases that are ours (`held`) last from now on."""
    _write(RENEW, model, ids, seconds=lasting.total_seconds())


def release(model: Model, ids: Collection[int]) -> None:
    """Give leases that are ours (`held`) back."""
    _write(RELEASE, model, ids)


def _write(sql: str, model: Model, ids: Collection[int], **parameters: float) -> None:
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(sql.format(table=table(model)), {"ids": as_array(ids), **parameters})
