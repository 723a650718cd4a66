"""
Stored ranks that are not their actions' numbers: those of before ranks were numbers, or whatever went wrong.

Facts of before are given their numbers bit by bit, beside everything else: those that somebody has in hand are left for
the next time, and nobody is waited for. Not here: folding again what they are about (dashboard.refolding).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from timeline.chronology import Fact, Link, by_position
from timeline.events import EVENTS
from timeline.ranks import LOWEST_RANK

# Both find their facts in the index fact_to_renumber.
NEXT = f"""
SELECT id, subject_kind, subject_id, resource_kind, resource_id FROM timeline_timelineevent
WHERE rank < {LOWEST_RANK} AND id > %s ORDER BY id LIMIT %s
"""  # noqa: S608 - a number of our own
RENUMBER = f"""
UPDATE timeline_timelineevent AS fact SET rank = (fact.rank + 1) * 100
FROM (
    SELECT id FROM timeline_timelineevent WHERE rank < {LOWEST_RANK} AND id = ANY(%s) FOR NO KEY UPDATE SKIP LOCKED
) AS free
WHERE fact.id = free.id
"""  # noqa: S608 - a number of our own


@dataclass(frozen=True)
class Some:
    """Facts that are to be renumbered, by id, and all in whose chronologies they stand."""

    facts: list[int]
    subjects: set[Link]


def next_of(after: int, most: int) -> Some:
    """The next facts behind an id."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT, [after, most])
        found = cursor.fetchall()
    subjects = {link for _, *columns in found for link in (tuple(columns[:2]), tuple(columns[2:])) if link[0]}
    return Some([row[0] for row in found], subjects)


def renumber(facts: list[int]) -> None:
    """Give facts the numbers of their ranks, but for those that somebody has in hand."""
    with connection.cursor() as cursor:
        cursor.execute(RENUMBER, [facts])


def renumbered(facts: Iterable[Fact]) -> list[Fact]:
    """Facts in the order that their actions' ranks say, whatever ranks are stored."""
    found = list(facts)
    for fact in found:
        fact.rank = EVENTS[fact.event].rank
    return sorted(found, key=by_position)


RANKS_AS_ACTIONS_SAY = f"""
UPDATE timeline_timelineevent AS f SET rank = said.rank
FROM (VALUES {", ".join(f"('{each.name}', {each.rank})" for each in EVENTS.values())}) AS said(event, rank)
WHERE f.subject_kind = %s AND f.subject_id = %s AND f.event = said.event AND f.rank <> said.rank
"""  # noqa: S608 - names and numbers of our own


def put_ranks_right(subject: Link) -> None:
    """Write the ranks that a subject's own facts have by their actions, where others are stored."""
    with connection.cursor() as cursor:
        cursor.execute(RANKS_AS_ACTIONS_SAY, subject)
