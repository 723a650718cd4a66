"""
Turns: of transactions that do the same thing, one at a time, by PostgreSQL's advisory locks.

A turn is known by a name, which all versions of the house make the same number of. Not here: rows that become due
(config.queue).
"""

from hashlib import sha256

from django.db import connection

# What had another number in versions before this one, which may still run beside it.
LANDED = {"create_team": 2606714577777954527}


def wait_for_turn(name: str) -> None:
    """Wait until no other transaction has this name's turn, and keep it until this one ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number_of(name)])


def take_free_turn(name: str) -> bool:
    """Whether no other transaction has this name's turn; it is kept then until this one ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number_of(name)])
        [is_free] = cursor.fetchone()
    return bool(is_free)


def number_of(name: str) -> int:
    """The number by which PostgreSQL knows a name's turn. It never changes: old and new processes may run at once."""
    return LANDED.get(name) or int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
