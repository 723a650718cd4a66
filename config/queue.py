"""
Rows that become due: work is claimed with SKIP LOCKED, held under a lease, tried again after pauses, and given up.

What the rows are is the callers' affair. Two ways of holding work: for as long as a transaction lasts, where that is a
moment (the inbound deliveries: integrations.turns); or under a lease, where the work is outside of the database
(outbound messages: timeline.outbound.engine). A lease ends by itself, so nobody waits for a killed worker; and each new
one has a greater token, by which those who were late are told apart, and may write nothing more. Leases go by the
database's clock, which all workers share; one that ends later than any lasts is from before that clock was set back,
and is over: its holder, should it live, renews it soon.
"""

import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
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
    WHERE id = ANY(%(ids)s::bigint[]) AND (
        lease_until IS NULL OR lease_until <= clock_timestamp()
        OR lease_until > clock_timestamp() + make_interval(secs => %(seconds)s)
    )
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


@dataclass(frozen=True)
class Leases:
    """
    The leases that one worker has of a model's rows: by id their fencing tokens; until when, by time.monotonic(), it
    may count on all of them; and from when on they are to be renewed.

    A value, which its methods answer anew: who keeps the new one only after the commit knows of nothing that was rolled
    back. `margin`: so much before their ends leases are as good as over.
    """

    model: Model
    lasting: timedelta
    margin: timedelta
    tokens: Mapping[int, int] = field(default_factory=dict)
    good_until: float = 0.0
    renew_at: float = 0.0

    def kept(self, concerned: Collection[int]) -> "Leases":
        """
        Those that are still ours, renewed where it is time. Of the rows concerned (when leases are renewed, of all)
        that is certain, for they are locked until the transaction ends.
        """
        begun = time.monotonic()
        renewing = bool(self.tokens) and begun >= self.renew_at
        looked_at = self.tokens.keys() if renewing else self.tokens.keys() & concerned
        ours = held(self.model, {identity: self.tokens[identity] for identity in looked_at})
        left = self._of(self.tokens.keys() - (looked_at - ours))
        if not renewing:
            return left
        _write(RENEW, self.model, ours, seconds=self.lasting.total_seconds())
        return left._good_from(begun)

    def taken(self, ids: Collection[int]) -> "Leases":
        """With those of some rows that nobody held."""
        begun = time.monotonic()
        new = lease(self.model, ids, self.lasting)
        more = replace(self, tokens={**self.tokens, **new})
        # All are renewed together: until then, the new ones are not those that end first.
        return more._good_from(begun) if new and not self.tokens else more

    def without(self, ids: Collection[int]) -> "Leases":
        """Some of them, which are certainly ours, given back."""
        _write(RELEASE, self.model, self.tokens.keys() & ids)
        return self._of(self.tokens.keys() - ids)

    @property
    def are_good(self) -> bool:
        """Whether what is done under them now is done by nobody else."""
        return time.monotonic() < self.good_until

    def _of(self, ids: Collection[int]) -> "Leases":
        return replace(self, tokens={identity: token for identity, token in self.tokens.items() if identity in ids})

    def _good_from(self, begun: float) -> "Leases":
        good_for = (self.lasting - self.margin).total_seconds()
        return replace(self, good_until=begun + good_for, renew_at=begun + good_for / 4)


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


def _write(sql: str, model: Model, ids: Collection[int], **parameters: float) -> None:
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(sql.format(table=table(model)), {"ids": as_array(ids), **parameters})
