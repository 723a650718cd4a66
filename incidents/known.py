"""
What was known of an incident at a moment: its facts recorded by then, folded again in memory, as they stood then.

The fold begins at a checkpoint where it can: one before which nothing was recorded after that moment, and nothing stood
elsewhere or read otherwise at it than it does now. So the newest facts cost the same in a history of any length. What
is read from its beginning all the same, and is long, is heavy (config.heavy). Not here: how what was known is shown
(incidents.updates).
"""

import json
from collections.abc import Callable
from datetime import datetime

from django.db.models import QuerySet

from config.heavy import heavy
from config.statements import fetch
from incidents.fold import VERSION, IncidentState, step
from incidents.keeper import BEGINNING
from incidents.models import Incident
from timeline.chronology import CHECKPOINT_EVERY, Fact, Outcome, Position, Standing, fold
from timeline.corrections import CORRECTED, correct_all, corrects, past, told_at
from timeline.events import INCIDENT
from timeline.kept import FACT_COLUMNS, beyond, chronology_of, fact_of, state_from
from timeline.models import LATEST, TimelineEvent
from timeline.renumbering import renumbered

# Facts with what they did, as far as was known.
Read = list[tuple[Fact, Outcome]]

STARTS = """
SELECT c.occurred_at, c.rank, c.identity, c.facts, c.state
FROM incidents_incident AS i JOIN timeline_checkpoint AS c ON c.subject_kind = 'incident' AND c.subject_id = i.id
WHERE i.id = %(incident)s AND i.fold_version = %(version)s AND c.known_at <= %(as_of)s
    AND c.occurred_at < %(unsettled)s AND (c.occurred_at, c.rank, c.identity) < (%(at)s, %(rank)s, %(fact)s)
ORDER BY c.occurred_at DESC, c.rank DESC, c.identity DESC OFFSET %(back)s LIMIT 1
"""
HOW_MANY = "SELECT facts FROM incidents_incident WHERE id = %s"


def known_then(
    incident: Incident, as_of: datetime, before: Position | None, most: int, enough: Callable[[Read], bool]
) -> Read:
    """
    The newest facts at or before a position (None: of all) that were recorded by a moment, newest first, with what each
    did as far as was known then: what was corrected later is as it was told. So many at least as are `enough`, where
    there are; that is first tried with a little more than `most` of them.
    """
    unsettled = unsettled_since(incident, as_of)
    back = most // CHECKPOINT_EVERY + 1
    while True:
        start = start_of(incident, as_of, unsettled, before, back)
        read = read_from(incident, as_of, start)[::-1]
        found = [each for each in read if before is None or each[0].position <= before]
        if start.last is None or enough(found):
            return found
        back *= 4


def start_of(
    incident: Incident, as_of: datetime, unsettled: datetime, before: Position | None, back: int
) -> Standing[IncidentState]:
    """Where to begin to read: at the last checkpoint but so many of those that can be used, or at the beginning."""
    at, rank, fact = before or (LATEST, 0, b"")
    place = {"at": at, "rank": rank, "fact": fact, "back": back}
    known = {"incident": incident.pk, "version": VERSION, "as_of": as_of, "unsettled": unsettled}
    for occurred_at, rank_there, identity, facts, state in fetch(STARTS, place | known):
        last = (occurred_at, rank_there, bytes(identity))
        return Standing(state_from(IncidentState, json.loads(state)), last, facts, VERSION)
    return BEGINNING


def unsettled_since(incident: Incident, as_of: datetime) -> datetime:
    """From when on a fact may have stood elsewhere, or read otherwise, at a moment than it does now."""
    corrections = [fact_of(row) for row in facts_of(incident).filter(event=CORRECTED).values(*FACT_COLUMNS)]
    later = {corrects(each) for each in corrections if each.recorded_at and each.recorded_at > as_of} - {None}
    if not later:
        return LATEST
    moments = [past(each.payload, each.occurred_at) for each in corrections if corrects(each) in later]
    corrected = facts_of(incident).filter(identity__in=later).values_list("payload", flat=True)
    return min([*filter(None, moments), *map(told_at, corrected)], default=LATEST)


def read_from(incident: Incident, as_of: datetime, start: Standing[IncidentState]) -> Read:
    """All facts behind a start that were recorded by a moment, in order, with what each did as was known then."""
    recorded = facts_of(incident).filter(recorded_at__lte=as_of)
    behind, others = recorded, recorded.none()
    if start.last:
        behind = recorded.filter(beyond(start.last))
        others = recorded.filter(event=CORRECTED).exclude(beyond(start.last))
    [(facts,)] = fetch(HOW_MANY, [incident.pk])
    with heavy(facts - start.facts):
        known = renumbered(fact_of(row) for row in behind.values(*FACT_COLUMNS).iterator())
        corrected = correct_all(known, [fact_of(row) for row in others.values(*FACT_COLUMNS)])
        return fold(start, corrected, step).read


def facts_of(incident: Incident) -> QuerySet[TimelineEvent]:
    """An incident's facts in order."""
    return chronology_of((INCIDENT, incident.pk))
