"""
The one writer of new deliveries: events, and bytes that are none, as many as there are, in one statement with one
commit.

The statement asks the gate again (integrations.doors), finds what is known already, by event and by webhook-id, and
writes the rest; so nothing that was read before can be out of date. Not here: what is written (integrations.judging),
and what is only counted (integrations.counts).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.db import IntegrityError, connection

from config import faults, rows
from config.bodies import MIB
from config.statements import fetch
from config.vault import plain_digest
from integrations.doors import Door, gate_sql
from integrations.judging import COUNTED, UNPROVED, Arrival
from integrations.models import InboundDelivery, Verdict

# Of bytes that are no event, an integration keeps at most so many rows and bytes; what exceeds them is only counted.
MOST_RUBBISH_ROWS = 1000
MOST_RUBBISH_BYTES = 64 * MIB
# So often a statement is repeated where somebody else kept the same at the same moment.
TRIES = 5

# What is only counted.
NOT_KEPT = (COUNTED, UNPROVED)

STORED = faults.point("ingest: kept, before counting")

# What was kept without being accepted (quarantined, or in conflict) and now comes in good order is accepted; also while
# what was kept is on its way through a replay, which may put it back into quarantine.
PROMOTED = """
    {new}.status IN ('received', 'waiting', 'unrecognized') AND (
        d.status IN ('quarantined', 'conflict')
        OR d.status IN ('received', 'unrecognized') AND d.replayed_at IS NOT NULL AND d.body <> {new}.body)
"""
# An event's webhook-id may turn out to be another event's: that of a delivery that is there, or else of the first that
# is written with it now.
USED = """
    LEFT JOIN LATERAL (
        SELECT d.identity FROM integrations_inbounddelivery d
        WHERE d.integration_id = g.integration_id AND d.webhook_digest = e.webhook_digest
            AND d.webhook_digest IS NOT NULL AND d.status <> 'conflict' LIMIT 1
    ) used ON true
"""
NAMED = "named AS (PARTITION BY j.integration_id, j.webhook_digest ORDER BY j.id IS NULL, j.place)"
UNLESS_IN_CONFLICT = """
    CASE WHEN j.webhook_digest IS NOT NULL AND coalesce(
        j.used_by, first_value(CASE WHEN j.id IS NOT NULL THEN j.identity END) OVER named
    ) <> j.identity THEN 'conflict' ELSE j.status END
"""
# How much room there is for bytes that are no event, and how much of it those before in the statement take up.
ROOM = """
    LEFT JOIN LATERAL (
        SELECT count(*) AS row_count, coalesce(sum(octet_length(d.body)), 0) AS byte_count
        FROM integrations_inbounddelivery d
        WHERE d.integration_id = g.integration_id AND NOT d.is_event AND NOT e.is_event
    ) room ON true
"""
FITS = """
    j.is_event OR j.row_count + count(*) FILTER (WHERE j.takes_room) OVER taken <= %(most_rows)s
        AND j.byte_count + sum(octet_length(j.body)) FILTER (WHERE j.takes_room) OVER taken <= %(most_bytes)s
"""
TAKEN = "taken AS (PARTITION BY j.integration_id ORDER BY j.place)"

# What `writes` is written or promoted where it is not known. Ids are in the order in which events came; those who write
# the same events at once do so in the same order, and so never wait for each other in a circle.
KEEP = """{gate},
judged AS MATERIALIZED (
    SELECT e.*, g.integration_id, g.team_id, known.id AS known_id,
        CASE WHEN e.writes AND (known.id IS NULL OR known.promoted) THEN nextval({sequence}) END AS id,
        e.writes AND known.id IS NULL AND NOT e.is_event AS takes_room{columns}
    FROM jsonb_to_recordset(%(events)s::jsonb) AS e(place int, door int, writes bool, body bytea, headers jsonb,
        webhook_id text, webhook_digest bytea, identity bytea, is_event bool, event text, size bigint, status text,
        error jsonb, ignored text[], due_at timestamptz)
    JOIN gate g ON g.n = e.door AND g.as_known
    LEFT JOIN LATERAL (
        SELECT d.id, {promoted_e} AS promoted FROM integrations_inbounddelivery d
        WHERE d.integration_id = g.integration_id AND d.identity = e.identity LIMIT 1
    ) known ON true
    {joins}
), decided AS MATERIALIZED (
    SELECT j.*, {fits} AS fits, {verdict} AS verdict
    FROM judged j
    {windows}
), written AS (
    INSERT INTO integrations_inbounddelivery AS d (id, team_id, integration_id, received_at, body, headers, webhook_id,
        webhook_digest, identity, is_event, event, size, status, error, ignored, due_at, attempts)
    SELECT id, team_id, integration_id, %(at)s::timestamptz, body, headers, webhook_id,
        webhook_digest, identity, is_event, event, size, verdict, error, ignored, due_at, 0
    FROM decided WHERE id IS NOT NULL AND fits AND (known_id IS NULL OR verdict <> 'conflict')
    ORDER BY integration_id, identity
    ON CONFLICT (integration_id, identity) DO UPDATE SET
        status = excluded.status, error = NULL, body = excluded.body, headers = excluded.headers,
        event = excluded.event, received_at = excluded.received_at, webhook_id = excluded.webhook_id,
        webhook_digest = excluded.webhook_digest, is_event = excluded.is_event, ignored = excluded.ignored,
        dated_at = NULL, attempts = 0, due_at = excluded.due_at, replayed_at = NULL, replayed_by_id = NULL
    WHERE {promoted}
    RETURNING id, integration_id, identity
)
SELECT j.place, j.verdict, w.id, j.known_id, j.fits
FROM decided j LEFT JOIN written w ON w.integration_id = j.integration_id AND w.identity = j.identity
"""


@cache
def keep_sql(*, with_keys: bool, with_webhook_ids: bool, with_rubbish: bool) -> str:
    """
    The statement, for doors that are asked for by keys and by tokens, or by tokens alone, and so on.

    Of what nobody asks for nothing stands in it: PostgreSQL opens what a plan may look at before it knows that it will
    not. Without needless spaces, for the driver reads long statements anew each time.
    """
    joins = [USED] * with_webhook_ids + [ROOM] * with_rubbish
    columns = [", used.identity AS used_by"] * with_webhook_ids + [", room.row_count, room.byte_count"] * with_rubbish
    windows = [NAMED] * with_webhook_ids + [TAKEN] * with_rubbish
    sql = KEEP.format(
        sequence=rows.sequence(InboundDelivery),
        gate=gate_sql(with_keys=with_keys),
        promoted=PROMOTED.format(new="excluded"),
        promoted_e=PROMOTED.format(new="e"),
        columns="".join(columns),
        joins="".join(joins),
        fits=FITS if with_rubbish else "true",
        verdict=UNLESS_IN_CONFLICT if with_webhook_ids else "j.status",
        windows=f"WINDOW {', '.join(windows)}" if windows else "",
    )
    return " ".join(sql.split())


@dataclass(frozen=True, slots=True)
class Parcel:
    """An arrival with all that is kept of it: through which door it came, with which headers and webhook-id."""

    door: Door
    arrival: Arrival
    headers: Mapping[str, str]
    webhook_id: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a parcel: the id of its new delivery, or of the one that was there; its verdict, as it stands."""

    verdict: str
    new: int | None = None
    old: int | None = None


def keep(parcels: Sequence[Parcel], at: datetime) -> list[Kept | None]:
    """
    Keep what was received at a moment. None for each parcel whose door is shut, or other than it was: of it nothing is
    kept.
    """
    kept: dict[int, Kept | None] = {}
    for _ in range(TRIES):
        left = [place for place in range(len(parcels)) if place not in kept]
        if not left:
            break
        kept |= try_to_keep({place: parcels[place] for place in left}, at)
    else:
        raise RuntimeError("somebody else keeps the same events again and again")
    return [kept[place] for place in range(len(parcels))]


def try_to_keep(parcels: Mapping[int, Parcel], at: datetime) -> dict[int, Kept | None]:
    """Run the statement; those are missing that somebody else keeps at this very moment."""
    doors = {id(each.door): each.door for each in parcels.values()}
    numbers = {one: number for number, one in enumerate(doors)}
    writers = first_of_each(parcels)
    events = [row(place, numbers[id(each.door)], each, writes=place in writers) for place, each in parcels.items()]
    asked = [{"n": numbers[one]} | door.asked for one, door in doors.items()]
    values: dict[str, Any] = {"doors": rows.as_json(asked), "events": rows.as_json(events), "at": at}
    has_rubbish = any(not each.arrival.is_event for each in parcels.values())
    if has_rubbish:
        values |= {"most_rows": MOST_RUBBISH_ROWS, "most_bytes": MOST_RUBBISH_BYTES}
    try:
        found = fetch(
            keep_sql(
                with_keys=any("key" in door.asked for door in doors.values()),
                with_webhook_ids=any("webhook_digest" in event for event in events),
                with_rubbish=has_rubbish,
            ),
            values,
        )
    except IntegrityError:
        if connection.in_atomic_block:
            raise
        return {}  # another event was kept with the same webhook-id meanwhile; now it can be seen
    STORED()
    answers: dict[int, Kept | None] = dict.fromkeys(parcels.keys() - {place for place, *_ in found})
    for place, verdict, made, known, fits in found:
        if place in writers and made is not None:
            answers[place] = Kept(verdict, new=made)
        elif made is not None or known is not None or not fits or parcels[place].arrival.status in NOT_KEPT:
            answers[place] = Kept(verdict, old=known if made is None else made)
    return answers


def first_of_each(parcels: Mapping[int, Parcel]) -> set[int]:
    """
    Of parcels with the same event, the one that is written: the first, but of an event that is written ill and well
    (an id of 1.0, then of 1), the first that is written well.
    """
    firsts: dict[tuple[int, bytes], int] = {}
    for place, each in parcels.items():
        if each.arrival.status in NOT_KEPT:
            continue
        first = firsts.setdefault((each.door.integration_id, each.arrival.identity), place)
        if parcels[first].arrival.status == Verdict.QUARANTINED != each.arrival.status:
            firsts[each.door.integration_id, each.arrival.identity] = place
    return set(firsts.values())


# Only what is accepted uses its webhook-id up.
USE_THEIR_ID = (Verdict.RECEIVED, Verdict.WAITING, Verdict.UNRECOGNIZED)


def row(place: int, door: int, parcel: Parcel, *, writes: bool) -> rows.Row:
    """A parcel as the statement takes it; what is not written has no body."""
    arrival, webhook_id = parcel.arrival, parcel.webhook_id
    found: rows.Row = {
        "place": place,
        "door": door,
        "writes": writes,
        "identity": arrival.identity,
        "is_event": arrival.is_event,
        "status": arrival.status,
    }
    if webhook_id and arrival.status in USE_THEIR_ID:
        found["webhook_digest"] = plain_digest(webhook_id)
    if not writes:
        return found
    optional = {
        "webhook_id": webhook_id,
        "event": arrival.event,
        "size": arrival.size,
        "error": arrival.error,
        "ignored": list(arrival.ignored) or None,
        "due_at": arrival.due_at,
    }
    found |= {"body": arrival.body, "headers": parcel.headers}
    return found | {name: value for name, value in optional.items() if value is not None}
