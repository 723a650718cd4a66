"""
Corrections kept in the database: which ones hold for facts that arrive or are stored, and that these are as they say.

What corrections come to is timeline.corrections' affair; what that makes of incidents, the keepers'.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from django.db import connection

from config import rows
from timeline.chronology import Correction, Fact, Link
from timeline.corrections import CORRECTED, correct, corrects, in_force
from timeline.events import INCIDENT
from timeline.kept import FACT_COLUMNS, link, told
from timeline.models import TimelineEvent

# An incident's id, and the identity of one of its facts.
Named = tuple[int, bytes]

# OFFSET 0: each is to be looked up in the index, however few corrections the database believes that there are.
NAMING = f"""
SELECT {", ".join(f"f.{column}" for column in FACT_COLUMNS)}
FROM jsonb_to_recordset(%s::jsonb) AS named(id bigint, hex text)
CROSS JOIN LATERAL (
    SELECT * FROM timeline_timelineevent
    WHERE subject_kind = 'incident' AND event = '{CORRECTED}'
        AND subject_id = named.id AND payload ->> 'corrects' = named.hex
    OFFSET 0
) AS f
"""  # noqa: S608 - names of our own
NAMED = f"""
SELECT {", ".join(f"f.{column}" for column in FACT_COLUMNS)}
FROM timeline_timelineevent AS f
JOIN jsonb_to_recordset(%s::jsonb) AS named(id bigint, identity bytea)
    ON f.subject_id = named.id AND f.identity = named.identity
WHERE f.subject_kind = 'incident'
"""  # noqa: S608 - names of our own


def apply(by_incident: Mapping[int, Sequence[Fact]]) -> list[tuple[Fact, Fact]]:
    """
    Let new facts that arrive at incidents be as corrections say, and the stored ones that they correct; the answer has
    each stored one that changes, as it was and as it is. The incidents are locked.
    """
    arrived = {(id_, each.identity): each for id_, facts in by_incident.items() for each in facts}
    named = {(id_, identity) for (id_, _), each in arrived.items() if (identity := corrects(each))}
    holding = corrections_of(named | arrived.keys(), by_incident)
    new = {each: fact for each, fact in arrived.items() if each in holding}
    for each, fact in new.items():
        correct(fact, holding[each])
    changed = [
        pair
        for fact in facts_named(holding.keys() - new.keys())
        if (pair := amended(fact, holding[fact.subject[1], fact.identity]))
    ]
    keep([now for _, now in changed])
    return changed


def amended(fact: Fact, correction: Correction) -> tuple[Fact, Fact] | None:
    """A stored fact as it was and as it is to be; None where that is the same."""
    now = replace(fact)
    correct(now, correction)
    return None if now == fact else (fact, now)


def corrections_of(wanted: Collection[Named], arriving: Mapping[int, Sequence[Fact]]) -> dict[Named, Correction]:
    """What holds for facts by all corrections, those that are arriving included; nothing for most facts."""
    naming = {id_: {each.identity: each for each in facts} for id_, facts in arriving.items()}
    for each in read(NAMING, [{"id": id_, "hex": identity.hex()} for id_, identity in wanted]):
        naming[each.subject[1]].setdefault(each.identity, each)
    return {
        (id_, identity): correction
        for id_, facts in naming.items()
        for identity, correction in in_force(facts.values()).items()
    }


def facts_named(named: Collection[Named]) -> list[Fact]:
    """The stored facts among some of incidents'."""
    return read(NAMED, [{"id": id_, "identity": identity} for id_, identity in named])


def resources_named(incident_ids: Collection[int]) -> set[Link]:
    """Every monitor and heartbeat that the facts of some incidents name."""
    if not incident_ids:
        return set()
    facts = TimelineEvent.objects.filter(subject_kind=INCIDENT, subject_id__in=incident_ids)
    return {named for each in facts.values_list("named_kind", "named_id").distinct() if (named := link(*each))}


def read(sql: str, named: Sequence[rows.Row]) -> list[Fact]:
    """Stored facts."""
    if not named:
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql, [rows.as_json(named)])
        return [told(row) for row in cursor.fetchall()]


def keep(facts: Sequence[Fact]) -> None:
    """Write what corrections make of stored facts."""
    columns = [{"id": each.id, "occurred_at": each.occurred_at, "correction": each.correction} for each in facts]
    rows.update(TimelineEvent, columns)
