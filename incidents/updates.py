"""
Reading an incident's history: its updates as the vendor's document shows them, its notes, and its whole timeline.

What each fact did was found by the fold and stands with the fact (`entries`); here it is only laid out, newest first.
With `as_of` the history is read as it was known at a moment (incidents.known).
Not here: changing anything (incidents.lifecycle).
"""

import json
import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.db.models import F, IntegerField, QuerySet, Value

from config.paging import Order, Page, cursor_after, page, position
from config.statements import fetch
from config.times import parse_rfc3339
from incidents.known import Read, facts_of, known_then
from incidents.models import Incident
from incidents.serializers import UPDATES, person
from teams.models import User
from timeline.corrections import CORRECTED, told_text
from timeline.events import said
from timeline.models import CHRONOLOGY, Effect, TimelineEvent

# The namespace of the ids that facts have in the API. It never changes, or all of them would.
EVENT_IDS = UUID("7d1bb9e5-6a0c-4a52-9c8c-1f4c0f6a3e27")
EVENT_ID = re.compile(r"event-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch

# A fact may make several updates; `place` counts them from 0, and the last is the newest.
NEWEST_UPDATE: Order = [*CHRONOLOGY, ("place", "desc")]

COLUMNS = ("occurred_at", "rank", "identity", "entries", "user_email", "user_name", "user__uuid")
COMMENTED = "incident.commented"

# The facts of an incident that made an update, as rows of COLUMNS. In SQL, because this is what our API is asked for
# most, and to build it from querysets takes longer than to run it.
STANDING = """
SELECT f.occurred_at, f.rank, f.identity, f.entries, f.user_email, f.user_name, u.uuid
FROM timeline_timelineevent f LEFT JOIN teams_user u ON u.id = f.user_id
WHERE f.subject_kind = 'incident' AND f.subject_id = %(incident)s
    AND f.effect = 'applied' AND f.event <> 'incident.commented' AND f.entries <> '[]'
"""
# Who did some of an incident's facts; an array, because thousands of parameters take long to be put in.
ACTORS = """
SELECT f.id, u.uuid FROM timeline_timelineevent f JOIN teams_user u ON u.id = f.user_id
WHERE f.subject_kind = 'incident' AND f.subject_id = %s AND f.id = ANY(%s)
"""
# The fact at a cursor itself may have made more than one update.
FROM_CURSOR = "AND (f.occurred_at, f.rank, f.identity) <= (%(at)s, %(rank)s, %(identity)s)"
NEWEST_FIRST = "ORDER BY f.occurred_at DESC, f.rank DESC, f.identity DESC LIMIT %(most)s"

Row = dict[str, Any]


def event_id(identity: bytes | memoryview, place: int = 0) -> str:
    """The id of a fact, or of the update at a later place among those it made: the same in every rebuild."""
    text = bytes(identity).hex()
    return f"event-{uuid5(EVENT_IDS, f'{text}/{place}' if place else text)}"


# --- updates and notes ------------------------------------------------------------------------------------------------


def updates(incident: Incident, limit: int, cursor: str | None = None, as_of: datetime | None = None) -> Page:
    """The newest `limit` updates behind a cursor, each as UpdateSerializer describes."""
    after = tuple(place_of(cursor)) if cursor else None
    rows = stood_then(incident, as_of, limit, after) if as_of else standing(incident, limit, after)
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


def stood_then(incident: Incident, as_of: datetime, limit: int, after: tuple[Any, ...] | None) -> list[Row]:
    """Enough of the facts recorded by a moment, newest first, for more than `limit` updates that they had made then."""

    def enough(found: Read) -> bool:
        made = (
            (*fact.position, place)
            for fact, outcome in found
            for place, entry in enumerate(outcome.entries)
            if entry["action"] in UPDATES
        )
        return sum(after is None or each < after for each in made) > limit

    before = (after[0], after[1], bytes(after[2])) if after else None
    read = known_then(incident, as_of, before, limit, enough)
    actors = dict(fetch(ACTORS, [incident.pk, [fact.id for fact, _ in read]]))
    return [
        {
            "occurred_at": fact.occurred_at,
            "rank": fact.rank,
            "identity": fact.identity,
            "entries": outcome.entries,
            "user_email": fact.user_email,
            "user_name": fact.user_name,
            "user__uuid": actors.get(fact.id),
        }
        for fact, outcome in read
    ]


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
    shown = facts_of(incident).filter(event=COMMENTED, effect=Effect.APPLIED)
    rows, more = page(shown.values(*COLUMNS), CHRONOLOGY, limit, cursor)
    return Page([told(incident, row, 0, {}) for row in rows], more)


def note(incident: Incident, fact: TimelineEvent, by: User) -> dict[str, Any]:
    """A note that was just added."""
    row = {name: getattr(fact, name) for name in COLUMNS[:-1]} | {"user__uuid": by.uuid}
    return told(incident, row, 0, {})


# --- the timeline -----------------------------------------------------------------------------------------------------


def timeline(incident: Incident, limit: int, cursor: str | None = None, as_of: datetime | None = None) -> Page:
    """The newest `limit` events behind a cursor, each as TimelineEventSerializer describes."""
    facts = facts_of(incident).annotate(user_uuid=F("user__uuid"))
    found, more = told_then(facts, incident, as_of, limit, cursor) if as_of else page(facts, CHRONOLOGY, limit, cursor)
    correctors = correctors_of(incident, found)
    return Page([event(fact, correctors) for fact in found], more)


def told_then(
    facts: QuerySet[TimelineEvent], incident: Incident, as_of: datetime, limit: int, cursor: str | None
) -> Page:
    """The newest `limit` facts behind a cursor of those recorded by a moment, as they were known then."""
    after = tuple(position(facts, CHRONOLOGY, cursor)) if cursor else None
    before = (after[0], after[1], bytes(after[2])) if after else None
    # The fact at the cursor was shown already.
    found = known_then(incident, as_of, before, limit, lambda found: len(found) > limit + 1)
    read = [(fact, outcome) for fact, outcome in found if before is None or fact.position < before]
    rows = facts.in_bulk([fact.id for fact, _ in read[:limit]])
    shown = []
    for fact, outcome in read[:limit]:
        row = rows[fact.id]
        row.occurred_at, row.correction = fact.occurred_at, fact.correction
        row.entries, row.why = outcome.entries, outcome.why
        shown.append(row)
    return Page(shown, cursor_after(shown[-1], CHRONOLOGY) if len(read) > limit else None)


def correctors_of(incident: Incident, facts: Iterable[TimelineEvent]) -> dict[str, UUID | None]:
    """The UUIDs of the users of ours who made the corrections of facts, by the identities of those."""
    made = {fact.correction["by"] for fact in facts if fact.correction}
    if not made:
        return {}
    corrections = facts_of(incident).filter(event=CORRECTED, identity__in=map(bytes.fromhex, made))
    return {bytes(identity).hex(): uuid for identity, uuid in corrections.values_list("identity", "user__uuid")}


def one_event(incident: Incident, row: int) -> dict[str, Any]:
    """The event with a row's id."""
    return some_events(incident, [row])[row]


def some_events(incident: Incident, rows: Collection[int]) -> dict[int, dict[str, Any]]:
    """The events with some rows' ids, by these."""
    facts = facts_of(incident).annotate(user_uuid=F("user__uuid")).in_bulk(rows)
    correctors = correctors_of(incident, facts.values())
    return {row: event(fact, correctors) for row, fact in facts.items()}


def rows_of(incident: Incident, ids: Collection[str]) -> dict[str, int]:
    """Which rows an incident's events are, by their ids in the API. Those are digests, so all of its facts are read."""
    wanted = {each for each in ids if EVENT_ID(each)}
    if not wanted:
        return {}
    facts = facts_of(incident).values_list("identity", "id").iterator()
    return {text: row for identity, row in facts if (text := event_id(identity)) in wanted}


def event(fact: TimelineEvent, correctors: dict[str, UUID | None]) -> dict[str, Any]:
    """One event of the timeline."""
    late_by = fact.late_seconds
    uuid: UUID | None = fact.user_uuid  # type: ignore[attr-defined]
    return {
        "id": event_id(fact.identity),
        "event": fact.event,
        "message": fact.message,
        "occurred_at": fact.occurred_at,
        "recorded_at": fact.recorded_at,
        "late": late_by is not None,
        "late_by": late_by,
        "effect": Effect.NONE if fact.why else Effect.APPLIED,
        "why": fact.why or None,
        "user": person(str(uuid) if uuid else None, fact.user_email, fact.user_name),
        "source": source(fact),
        "changes": [change(entry) for entry in fact.entries],
        "hidden": fact.is_hidden,
        "corrected": correction(fact, correctors),
        "dated": dated(fact),
        "ignored": fact.ignored,
        "payload": fact.payload,
    }


def dated(fact: TimelineEvent) -> dict[str, Any] | None:
    """Who let an event that was dated ahead occur when it was received, as DatedSerializer describes; or None."""
    told = fact.dated
    if told is None:
        return None
    by = told["by"] or {}
    return {
        "by": person(by.get("id"), by.get("email"), by.get("name")),
        "at": parse_rfc3339(told["at"]),
        "dt_as_sent": told["as_sent"],
    }


def correction(fact: TimelineEvent, correctors: dict[str, UUID | None]) -> dict[str, Any] | None:
    """Who corrected a fact last, when and why, and what it was before any correction; None where nobody did."""
    told = fact.correction
    if told is None:
        return None
    uuid = correctors.get(told["by"])
    return {
        "by": person(str(uuid) if uuid else None, told["user_email"], told["user_name"]),
        "at": parse_rfc3339(told["at"]),
        "reason": told["reason"],
        "correction_id": event_id(bytes.fromhex(told["by"])),
        "was": {"occurred_at": fact.told_at, "message": told_text(fact.event, fact.payload)},
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
