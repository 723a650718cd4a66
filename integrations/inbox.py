"""
Receiving: what came in is judged and kept, exactly as it was, before anybody is told that it was accepted.

One request is one insert. Nothing is applied here: that is integrations.applying, in the worker. What a team sees of
its deliveries, and replaying them, starts from the rows that this room writes.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.db import IntegrityError, connection, transaction

from config import faults, rows, strictjson
from config.vault import plain_digest
from integrations.models import InboundDelivery, Integration, Verdict, known_events
from timeline.events import VENDOR_EVENTS, EventType, Judged, Payload, passed, validate
from timeline.identity import bytes_identity, event_identity
from timeline.outbound.installation import this_installation

LARGEST_EVENT = 64 * 1024
MOST_EVENTS = 1000
# Of bytes that are no event, an integration keeps at most so many rows and bytes; what exceeds them is only counted.
MOST_RUBBISH_ROWS = 1000
MOST_RUBBISH_BYTES = 64 * 1024 * 1024


JUDGED = faults.point("inbox: judged, before the insert")
INSERTED = faults.point("inbox: inserted")
KNOWN = faults.point("inbox: known ones found")
SEEN = faults.point("inbox: webhook-id looked up, before the insert")
COMMITTED = faults.point("inbox: committed under a webhook-id")
KEPT_MANY = faults.point("inbox: an array kept, before counting")
COUNTED_SOME = faults.point("inbox: counted")
KEPT_RUBBISH = faults.point("inbox: rubbish kept or not, before counting")


class WrongLength(ValueError):
    """An array of no events, or of too many."""


ACCEPTED = "accepted"
REJECTED = "rejected"


@dataclass(frozen=True)
class Answer:
    """
    What became of one event: the delivery's id (None: not kept), a status of docs/record.md, and an error if it has
    one.
    """

    id: int | None
    status: str
    error: dict[str, Any] | None = None


@dataclass
class Arrival:
    """One event of a request, judged: its exact bytes and how it will be kept."""

    body: bytes
    judged: Judged
    identity: bytes
    status: str
    error: dict[str, Any] | None = None


def receive(integration: Integration, body: bytes, headers: dict[str, str], at: datetime) -> Answer | list[Answer]:
    """
    Judge and keep what an integration sent: one answer for an event, a list for an array of events.

    Raises strictjson.Refused for bytes that are no sound JSON and WrongLength for an array that is empty or too long;
    the bytes of both are kept in quarantine first.
    """
    slices: list[bytes] | None
    try:
        value, slices = strictjson.parse_each(body, MOST_EVENTS)
    except strictjson.Refused as refusal:
        keep_rubbish(integration, body, headers, at, {"code": refusal.code, "message": refusal.message})
        raise
    except strictjson.TooMany:
        slices = []
    if slices == []:
        problem = "An array has 1 to 1,000 events."
        keep_rubbish(integration, body, headers, at, {"code": "VALIDATION_ERROR", "message": problem})
        raise WrongLength(problem)
    if slices is None:
        return receive_one(integration, body, value, headers, at)
    return receive_many(integration, list(zip(slices, value, strict=True)), headers, at)


def receive_one(integration: Integration, body: bytes, value: Any, headers: dict[str, str], at: datetime) -> Answer:
    """Keep a single event; its `webhook-id` header is an identity too."""
    arrival = judge(body, value, at, integration.count_only, known_events(integration.type))
    webhook_id = headers.get("webhook-id")
    if arrival.status in UNKEPT:
        count_all(integration, [arrival], at)
        return unkept(arrival)
    if not webhook_id:
        return keep(integration, [arrival], headers, None, at)[0]
    try:
        with transaction.atomic():
            answer = keep_one(integration, arrival, headers, webhook_id, at)
    except IntegrityError:
        # Another request with the same webhook-id was committed meanwhile; now it can be seen.
        with transaction.atomic():
            answer = keep_one(integration, arrival, headers, webhook_id, at)
    COMMITTED()
    return answer


def keep_one(
    integration: Integration, arrival: Arrival, headers: dict[str, str], webhook_id: str, at: datetime
) -> Answer:
    """Keep an arrival, as a conflict if its webhook-id was another event's."""
    if arrival.status != Verdict.QUARANTINED:
        known = seen(integration, webhook_id)
        if known is not None and known != arrival.identity:
            arrival.status = Verdict.CONFLICT
    SEEN()
    [answer] = keep(integration, [arrival], headers, webhook_id, at)
    return answer


def seen(integration: Integration, webhook_id: str) -> bytes | None:
    """The identity of the event that came under a webhook-id."""
    found = (
        integration.deliveries.filter(webhook_digest=plain_digest(webhook_id))
        .exclude(status=Verdict.CONFLICT)
        .values_list("identity", flat=True)
        .first()
    )
    return None if found is None else bytes(found)


def receive_many(
    integration: Integration, events: Sequence[tuple[bytes, Any]], headers: dict[str, str], at: datetime
) -> list[Answer]:
    """Keep the events of an array, in one insert, each judged by itself."""
    known = known_events(integration.type)
    ours = cache(our_id)
    arrivals = [judge(body, value, at, integration.count_only, known, ours=ours) for body, value in events]
    firsts: dict[bytes, Arrival] = {}
    for arrival in arrivals:
        if arrival.status not in UNKEPT and firsts.setdefault(arrival.identity, arrival).status == Verdict.QUARANTINED:
            # Of the same event, ill written and well (an id of 1.0, then of 1), the well written one is kept.
            firsts[arrival.identity] = arrival
    kept = dict(zip(firsts, keep(integration, list(firsts.values()), headers, None, at), strict=True))
    KEPT_MANY()
    count_all(integration, arrivals, at)
    return [answer_in_array(arrival, firsts, kept) for arrival in arrivals]


def answer_in_array(arrival: Arrival, firsts: dict[bytes, Arrival], kept: dict[bytes, Answer]) -> Answer:
    """The answer to one event of an array; the second of two same ones is a duplicate."""
    if arrival.status in UNKEPT:
        return unkept(arrival)
    answer = kept[arrival.identity]
    if firsts[arrival.identity] is arrival or arrival.status == firsts[arrival.identity].status == Verdict.QUARANTINED:
        return answer
    return answer_to(arrival, None, answer.id)


# --- judging --------------------------------------------------------------------------------------------------

# A sound event that its integration wants counted and not kept.
COUNTED = "counted"
UNKEPT = (REJECTED, COUNTED)


# What this installation sent itself, or passed on: it is here already.
RETURNED = {"code": "RETURNED", "message": "It came back: this installation sent it, or passed it on, itself."}


def our_id() -> str:
    """The id of this installation."""
    return this_installation().public_id


def came_back(payload: Payload, ours: Callable[[], str] = our_id) -> bool:
    """Whether an event names this installation among those that it came through."""
    through = passed(payload)
    return bool(through) and ours() in through


def judge(
    body: bytes,
    value: Any,
    at: datetime,
    count_only: Sequence[str] = (),
    known: dict[str, EventType] = VENDOR_EVENTS,
    *,
    ours: Callable[[], str] = our_id,
) -> Arrival:
    """
    Judge one event that was received at a moment; unknown ones named in `count_only` are not kept. `ours` is asked for
    this installation's id where an event names any.
    """
    judged = validate(value, at, known)
    if len(body) > LARGEST_EVENT:
        problem = {"code": "PAYLOAD_TOO_LARGE", "message": "An event has at most 64 KiB."}
        return Arrival(body, judged, b"", REJECTED, problem)
    identity = event_identity(value) if isinstance(value, dict) else bytes_identity(body)
    if came_back(judged.payload, ours):
        return Arrival(body, judged, identity, Verdict.DUPLICATE, RETURNED)
    if judged.fields:
        return Arrival(body, judged, identity, Verdict.QUARANTINED, wrong_fields(judged))
    if judged.type is None:
        counted = judged.event in count_only
        return Arrival(body, judged, identity, COUNTED if counted else Verdict.UNRECOGNIZED)
    return Arrival(body, judged, identity, Verdict.RECEIVED)


def wrong_fields(judged: Judged) -> dict[str, Any]:
    """The error of an event with wrong fields."""
    return {
        "code": "VALIDATION_ERROR",
        "message": f"Not valid: {', '.join(judged.fields)}.",
        "details": {"fields": judged.fields},
    }


def unkept(arrival: Arrival) -> Answer:
    """The answer to an event that leaves no delivery."""
    return Answer(None, REJECTED, arrival.error) if arrival.status == REJECTED else Answer(None, Verdict.UNRECOGNIZED)


# --- keeping --------------------------------------------------------------------------------------------------

# An event that was kept without being accepted (quarantined, or in conflict) and now comes in good order is accepted;
# also while what was kept is on its way through a replay, which may put it back into quarantine.
PROMOTE = """
ON CONFLICT (integration_id, identity) DO UPDATE SET
    status = excluded.status, error = NULL, body = excluded.body, headers = excluded.headers, event = excluded.event,
    received_at = excluded.received_at, webhook_id = excluded.webhook_id, webhook_digest = excluded.webhook_digest,
    is_event = excluded.is_event, attempts = 0, due_at = NULL, replayed_at = NULL, replayed_by_id = NULL
WHERE excluded.status IN ('received', 'unrecognized') AND (
    integrations_inbounddelivery.status IN ('quarantined', 'conflict')
    OR integrations_inbounddelivery.status IN ('received', 'unrecognized')
        AND integrations_inbounddelivery.replayed_at IS NOT NULL AND integrations_inbounddelivery.body <> excluded.body
)
"""


def keep(
    integration: Integration, arrivals: Sequence[Arrival], headers: dict[str, str], webhook_id: str | None, at: datetime
) -> list[Answer]:
    """Write arrivals of different identities in one statement, and answer each."""
    JUDGED()
    new = rows.insert(
        InboundDelivery,
        [row(integration, arrival, headers, webhook_id, at) for arrival in arrivals],
        on_conflict=PROMOTE,
        in_order_of="identity",
        returning=("integrations_inbounddelivery.identity", "integrations_inbounddelivery.id"),
    )
    INSERTED()
    ids = {bytes(identity): delivery for identity, delivery in new}
    known = [arrival.identity for arrival in arrivals if arrival.identity not in ids]
    old = {}
    if known:
        found = integration.deliveries.filter(identity__in=known)
        old = {bytes(identity): delivery for identity, delivery in found.values_list("identity", "id")}
        KNOWN()
    return [answer_to(arrival, ids.get(arrival.identity), old.get(arrival.identity)) for arrival in arrivals]


def answer_to(arrival: Arrival, new: int | None, old: int | None) -> Answer:
    """What its sender is told of a kept arrival."""
    if arrival.status in (Verdict.QUARANTINED, Verdict.CONFLICT):
        return Answer(new or old, arrival.status, arrival.error)
    if new is None:
        return Answer(old, Verdict.DUPLICATE)
    return Answer(new, ACCEPTED if arrival.status == Verdict.RECEIVED else arrival.status)


def row(
    integration: Integration, arrival: Arrival, headers: dict[str, str], webhook_id: str | None, at: datetime
) -> rows.Row:
    """An arrival as a delivery's row. Only what was accepted uses its webhook-id up."""
    used = webhook_id if webhook_id and arrival.status != Verdict.QUARANTINED else None
    return {
        "team_id": integration.team_id,
        "integration_id": integration.pk,
        "received_at": at,
        "body": arrival.body,
        "headers": headers,
        "webhook_id": webhook_id,
        "webhook_digest": plain_digest(used) if used else None,
        "identity": arrival.identity,
        "is_event": True,
        "event": arrival.judged.event,
        "status": arrival.status,
        "error": arrival.error,
        "attempts": 0,
    }


KEEP_RUBBISH = """
INSERT INTO integrations_inbounddelivery
    (team_id, integration_id, received_at, body, headers, webhook_id, identity, is_event, status, error, attempts)
SELECT %(team)s, %(integration)s, %(at)s, %(body)s, %(headers)s::jsonb, %(webhook_id)s, %(identity)s,
    false, 'quarantined', %(error)s::jsonb, 0
WHERE (
    SELECT count(*) < %(rows)s AND coalesce(sum(octet_length(body)), 0) + %(size)s <= %(bytes)s
    FROM integrations_inbounddelivery WHERE integration_id = %(integration)s AND NOT is_event
)
ON CONFLICT (integration_id, identity) DO NOTHING RETURNING id
"""


def keep_rubbish(
    integration: Integration, body: bytes, headers: dict[str, str], at: datetime, error: dict[str, Any]
) -> None:
    """Keep bytes that are no sound JSON: identical ones once, up to a bound, and beyond it their number."""
    identity = bytes_identity(body)
    values: dict[str, Any] = {
        "team": integration.team_id,
        "integration": integration.pk,
        "at": at,
        "body": body,
        "headers": rows.as_json([headers])[1:-1],
        "webhook_id": headers.get("webhook-id"),
        "identity": identity,
        "error": rows.as_json([error])[1:-1],
        "rows": MOST_RUBBISH_ROWS,
        "bytes": MOST_RUBBISH_BYTES,
        "size": len(body),
    }
    with connection.cursor() as cursor:
        cursor.execute(KEEP_RUBBISH, values)
        KEPT_RUBBISH()
        if cursor.fetchone() is None and not integration.deliveries.filter(identity=identity).exists():
            count(integration, "not_kept", at)


def count_all(integration: Integration, arrivals: Sequence[Arrival], at: datetime) -> None:
    """Count the events that are only to be counted."""
    counted = Counter(arrival.judged.event or "" for arrival in arrivals if arrival.status == COUNTED)
    for name, number in sorted(counted.items()):
        count(integration, name, at, number)


COUNT = """
INSERT INTO integrations_doorcount AS c (day, integration_id, reason, count) VALUES (%s, %s, %s, %s)
ON CONFLICT (day, integration_id, reason) DO UPDATE SET count = c.count + excluded.count
"""


def count(integration: Integration | None, reason: str, at: datetime, number: int = 1) -> None:
    """Count something that the door did not keep; without an integration where it is nobody's."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [at.date(), integration.pk if integration else None, reason, number])
    COUNTED_SOME()
