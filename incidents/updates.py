"""
Reading an incident's history: its updates as the vendor's document shows them, its notes, and its whole timeline.

What each fact did was found by the fold and stands with the fact (`entries`); here it is only laid out, newest first.
With `as_of` the history is read as it was known at a moment: folded again, in memory, from the facts recorded by then.
Not here: changing anything (incidents.lifecycle).
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.db.models import F, IntegerField, QuerySet, Value

from config.paging import Order, Page, cursor_after, page, position
from config.statements import fetch
from incidents.fold import IncidentState, step
from incidents.models import Incident
from incidents.serializers import UPDATES, person
from teams.models import User
from timeline.chronology import Fact, Outcome, Standing, fold
from timeline.events import INCIDENT, said
from timeline.kept import FACT_COLUMNS, chronology_of, fact_of
from timeline.models import Effect, TimelineEvent

# The namespace of the ids that facts have in the API. It never changes, or all of them would.
EVENT_IDS = UUID("7d1bb9e5-6a0c-4a52-9c8c-1f4c0f6a3e27")

NEWEST: Order = [("occurred_at", "desc"), ("rank", "desc"), ("identity", "desc")]
# A fact may make several updates; `place` counts them from 0, and the last is the newest.
NEWEST_UPDATE: Order = [*NEWEST, ("place", "desc")]

COLUMNS = ("occurred_at", "rank", "identity", "entries", "user_email", "user_name", "user__uuid")
COMMENTED = "incident.commented"

# The facts of an incident that made an update, as rows of COLUMNS. In SQL, because this is what our API is asked for
# most, and to build it from querysets takes longer than to run it.
STANDING = """
SELECT f.occurred_at, f.rank, f.identity, f.entries, f.user_email, f.user_name, u.uuid
FROM timeline_timelineevent f LEFT JOIN teams_user u ON u.id = f.user_id
WHERE f.subject_kind = 'incident' AND f.subject_id = %(incident)s
    AND f.effect = 'applied' AND f.event <> 'incident.commented'
"""
# The fact at a cursor itself may have made more than one update.
FROM_CURSOR = "AND (f.occurred_at, f.rank, f.identity) <= (%(at)s, %(rank)s, %(identity)s)"
NEWEST_FIRST = "ORDER BY f.occurred_at DESC, f.rank DESC, f.identity DESC LIMIT %(most)s"

Row = dict[str, Any]


def event_id(identity: bytes | memoryview, place: int = 0) -> str:
    """The id of a fact, or of the update at a later place among those it made: the same in every rebuild."""
    text = bytes(identity).hex()
    return f"event-{uuid5(EVENT_IDS, f'{text}/{place}' if place else text)}"


def facts_of(incident: Incident, as_of: datetime | None = None) -> QuerySet[TimelineEvent]:
    """An incident's facts, those recorded by a moment if one is given."""
    facts = chronology_of((INCIDENT, incident.pk))
    return facts if as_of is None else facts.filter(recorded_at__lte=as_of)


def outcomes(incident: Incident, as_of: datetime) -> dict[bytes, Outcome]:
    """What each fact did, by identity, as far as was known at a moment."""
    known = map(fact_of, facts_of(incident, as_of).values(*FACT_COLUMNS).iterator())
    read: list[tuple[Fact, Outcome]] = fold(Standing(IncidentState()), known, step).read
    return {fact.identity: outcome for fact, outcome in read}


# --- updates and notes ------------------------------------------------------------------------------------------------


def updates(incident: Incident, limit: int, cursor: str | None = None, as_of: datetime | None = None) -> Page:
    """The newest `limit` updates behind a cursor, each as UpdateSerializer describes."""
    after = tuple(place_of(cursor)) if cursor else None
    rows = stood_then(incident, as_of) if as_of else standing(incident, limit, after)
    found = [
        (row, place)
        for row in rows
        for place in reversed(range(len(row["entries"])))
        if row["entries"][place]["action"] in UPDATES and (after is None or where(row, place) < after)
    ]
    shown = found[:limit]
    people = uuids(row["entries"][place] for row, place in shown)
    more = cursor_after(shown[-1][0] | {"place": shown[-1][1]}, NEWEST_UPDATE) if len(found) > limit else None
    return Page([told(incident, row, place, people) for row, place in shown], more)


def standing(incident: Incident, limit: int, after: tuple[Any, ...] | None) -> list[Row]:
    """Enough of the facts that made an update, newest first, for `limit` updates and one more."""
    asked: Row = {"incident": incident.pk, "most": limit + 2}
    if after:
        asked |= zip(("at", "rank", "identity"), after[:3], strict=True)
    rows = fetch(f"{STANDING} {FROM_CURSOR if after else ''} {NEWEST_FIRST}", asked)
    found = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return [row | {"entries": json.loads(row["entries"])} for row in found]


def stood_then(incident: Incident, as_of: datetime) -> list[Row]:
    """The facts recorded by a moment, newest first, with the updates that they had made by then."""
    rows = list(facts_of(incident, as_of).exclude(event=COMMENTED).reverse().values(*COLUMNS))
    # Read after the rows, so that it knows of each of them.
    read = outcomes(incident, as_of)
    return [row | {"entries": read[bytes(row["identity"])].entries} for row in rows]


def place_of(cursor: str) -> list[Any]:
    """The place of the update behind which a cursor stands. Raises ValidationFailed."""
    facts = TimelineEvent.objects.annotate(place=Value(0, output_field=IntegerField()))
    return position(facts, NEWEST_UPDATE, cursor)


def where(row: Row, place: int) -> tuple[datetime, int, bytes, int]:
    """Where an update stands among all of the incident."""
    return (row["occurred_at"], row["rank"], bytes(row["identity"]), place)


def uuids(entries: Iterable[dict[str, Any]]) -> dict[int, UUID]:
    """The UUIDs of the users of ours that entries are about."""
    ids = {entry["user"]["id"] for entry in entries if entry.get("user")} - {None}
    return dict(fetch("SELECT id, uuid FROM teams_user WHERE id = ANY(%s)", [list(ids)])) if ids else {}


def told(incident: Incident, row: Row, place: int, people: dict[int, UUID]) -> dict[str, Any]:
    """One update or note, field by field as the vendor's document has it."""
    entry = row["entries"][place]
    about = entry.get("user")
    return {
        "id": event_id(row["identity"], place),
        "incident_id": incident.uuid,
        "action": entry["action"],
        "user_id": people.get(about["id"]) if about else row["user__uuid"],
        "user_email": about["email"] if about else row["user_email"],
        "user_name": about["name"] if about else row["user_name"],
        "message": entry["message"],
        "old_value": entry["old"],
        "new_value": entry["new"],
        "created_at": row["occurred_at"],
    }


def notes(incident: Incident, limit: int, cursor: str | None = None) -> Page:
    """The newest `limit` investigation notes behind a cursor, each as NoteSerializer describes."""
    rows, more = page(facts_of(incident).filter(event=COMMENTED).values(*COLUMNS), NEWEST, limit, cursor)
    return Page([told(incident, row, 0, {}) for row in rows], more)


def note(incident: Incident, fact: TimelineEvent, by: User) -> dict[str, Any]:
    """A note that was just added."""
    row = {name: getattr(fact, name) for name in COLUMNS[:-1]} | {"user__uuid": by.uuid}
    return told(incident, row, 0, {})


# --- the timeline -----------------------------------------------------------------------------------------------------


def timeline(incident: Incident, limit: int, cursor: str | None = None, as_of: datetime | None = None) -> Page:
    """The newest `limit` events behind a cursor, each as TimelineEventSerializer describes."""
    facts = facts_of(incident, as_of).annotate(user_uuid=F("user__uuid"))
    found, more = page(facts, NEWEST, limit, cursor)
    if as_of and found:
        read = outcomes(incident, as_of)
        for fact in found:
            then = read[bytes(fact.identity)]
            fact.entries, fact.why = then.entries, then.why
    return Page([event(fact) for fact in found], more)


def event(fact: TimelineEvent) -> dict[str, Any]:
    """One event of the timeline."""
    late_by = fact.late_seconds
    uuid: UUID | None = fact.user_uuid  # type: ignore[attr-defined]
    return {
        "id": event_id(fact.identity),
        "event": fact.event,
        "message": fact.payload["message"],
        "occurred_at": fact.occurred_at,
        "recorded_at": fact.recorded_at,
        "late": late_by is not None,
        "late_by": late_by,
        "effect": Effect.NONE if fact.why else Effect.APPLIED,
        "why": fact.why or None,
        "user": person(str(uuid) if uuid else None, fact.user_email, fact.user_name),
        "source": source(fact),
        "changes": [change(entry) for entry in fact.entries],
        "payload": fact.payload,
    }


def source(fact: TimelineEvent) -> dict[str, Any] | None:
    """Which integration told us, and from which of the source's teams; None for our own."""
    if fact.integration_id is None:
        return None
    return {
        "integration_id": fact.integration_id,
        "organization_id": said(fact.payload, "organization_id"),
        "team_id": said(fact.payload, "team_id"),
    }


def change(entry: dict[str, Any]) -> dict[str, Any]:
    """One thing that an event changed."""
    return {
        "action": entry["action"],
        "field": entry["field"],
        "old_value": entry["old"],
        "new_value": entry["new"],
        "message": entry["message"],
    }
