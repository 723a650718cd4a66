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

from django.db import IntegrityError, transaction

from config import faults, rows, strictjson
from config.vault import plain_digest
from integrations import aside
from integrations.aside import LARGEST_EVENT, Rubbish, too_large_event
from integrations.counts import count_events
from integrations.models import InboundDelivery, Integration, Verdict, known_events
from timeline.events import VENDOR_EVENTS, EventType, Judged, Payload, passed, said, validate
from timeline.identity import bytes_identity, event_identity
from timeline.outbound.installation import this_installation

MOST_EVENTS = 1000

JUDGED = faults.point("inbox: judged, before the insert")
INSERTED = faults.point("inbox: inserted")
KNOWN = faults.point("inbox: known ones found")
SEEN = faults.point("inbox: webhook-id looked up, before the insert")
COMMITTED = faults.point("inbox: committed under a webhook-id")
KEPT_MANY = faults.point("inbox: an array kept, before counting")


class WrongLength(ValueError):
    """An array of no events, or of too many."""


ACCEPTED = "accepted"
REJECTED = "rejected"


@dataclass(frozen=True)
class Answer:
    """
    What became of one event: the delivery's id (None: not kept), a status of docs/record.md, an error if it has one,
    and the names of the fields that were ignored.
    """

    id: int | None
    status: str
    error: dict[str, Any] | None = None
    ignored: tuple[str, ...] = ()


@dataclass
class Arrival:
    """
    One event of a request, judged: its exact bytes and how it will be kept. `rubbish`: what is kept of one that is too
    large; it has no identity of an event then.
    """

    body: bytes
    judged: Judged
    identity: bytes
    status: str
    error: dict[str, Any] | None = None
    rubbish: Rubbish | None = None


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
        keep_aside(integration, aside.refused(body, refusal.code, refusal.message), headers, at)
        raise
    except strictjson.TooMany:
        slices = []
    if slices == []:
        problem = "An array has 1 to 1,000 events."
        keep_aside(integration, aside.refused(body, "VALIDATION_ERROR", problem), headers, at)
        raise WrongLength(problem)
    if slices is None:
        return receive_one(integration, body, value, headers, at)
    return receive_many(integration, list(zip(slices, value, strict=True)), headers, at)


def receive_one(integration: Integration, body: bytes, value: Any, headers: dict[str, str], at: datetime) -> Answer:
    """Keep a single event; its `webhook-id` header is an identity too."""
    arrival = judge(body, value, at, integration.count_only, known_events(integration.type))
    webhook_id = webhook_id_of(headers)
    if arrival.rubbish:
        return keep_aside(integration, arrival.rubbish, headers, at)
    if arrival.status == COUNTED:
        count_all(integration, [arrival], at)
        return ONLY_COUNTED
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


def webhook_id_of(headers: dict[str, str]) -> str | None:
    """The id that a sender gave a request."""
    return headers.get("webhook-id") or headers.get("svix-id")


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
    too_large = {
        n: keep_aside(integration, each.rubbish, headers, at) for n, each in enumerate(arrivals) if each.rubbish
    }
    firsts: dict[bytes, Arrival] = {}
    for arrival in arrivals:
        if arrival.status in KEPT and firsts.setdefault(arrival.identity, arrival).status == Verdict.QUARANTINED:
            # Of the same event, ill written and well (an id of 1.0, then of 1), the well written one is kept.
            firsts[arrival.identity] = arrival
    kept = dict(zip(firsts, keep(integration, list(firsts.values()), headers, None, at), strict=True))
    KEPT_MANY()
    count_all(integration, arrivals, at)
    return [too_large.get(place) or answer_in_array(arrival, firsts, kept) for place, arrival in enumerate(arrivals)]


def answer_in_array(arrival: Arrival, firsts: dict[bytes, Arrival], kept: dict[bytes, Answer]) -> Answer:
    """The answer to one event of an array; the second of two same ones is a duplicate."""
    if arrival.status == COUNTED:
        return ONLY_COUNTED
    answer = kept[arrival.identity]
    if firsts[arrival.identity] is arrival or arrival.status == firsts[arrival.identity].status == Verdict.QUARANTINED:
        return answer
    return answer_to(arrival, None, answer.id)


# --- judging --------------------------------------------------------------------------------------------------

# A sound event that its integration wants counted and not kept; and what its sender is told.
COUNTED = "counted"
ONLY_COUNTED = Answer(None, Verdict.UNRECOGNIZED)
# The verdicts of what is kept whole.
KEPT = Verdict.values


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
    if len(body) > LARGEST_EVENT:
        event = said(value, "event") if isinstance(value, dict) else None
        rubbish = too_large_event(body, event)
        return Arrival(body, NOTHING, rubbish.identity, REJECTED, rubbish.error, rubbish)
    judged = validate(value, at, known)
    identity = event_identity(value) if isinstance(value, dict) else bytes_identity(body)
    if came_back(judged.payload, ours):
        return Arrival(body, judged, identity, Verdict.DUPLICATE, RETURNED)
    if judged.fields:
        return Arrival(body, judged, identity, Verdict.QUARANTINED, wrong_fields(judged))
    if judged.type is None:
        counted = judged.event in count_only
        return Arrival(body, judged, identity, COUNTED if counted else Verdict.UNRECOGNIZED)
    return Arrival(body, judged, identity, Verdict.WAITING if judged.is_ahead else Verdict.RECEIVED)


# Nothing was judged of it.
NOTHING = Judged({}, None, None, None, {})


def wrong_fields(judged: Judged) -> dict[str, Any]:
    """The error of an event with wrong fields."""
    return {
        "code": "VALIDATION_ERROR",
        "message": f"Not valid: {', '.join(judged.fields)}.",
        "details": {"fields": judged.fields},
    }


# --- keeping --------------------------------------------------------------------------------------------------

# An event that was kept without being accepted (quarantined, or in conflict) and now comes in good order is accepted;
# also while what was kept is on its way through a replay, which may put it back into quarantine.
PROMOTE = """
ON CONFLICT (integration_id, identity) DO UPDATE SET
    status = excluded.status, error = NULL, body = excluded.body, headers = excluded.headers, event = excluded.event,
    received_at = excluded.received_at, webhook_id = excluded.webhook_id, webhook_digest = excluded.webhook_digest,
    is_event = excluded.is_event, ignored = excluded.ignored, dated_at = NULL, attempts = 0, due_at = excluded.due_at,
    replayed_at = NULL, replayed_by_id = NULL
WHERE excluded.status IN ('received', 'waiting', 'unrecognized') AND (
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
    status = ACCEPTED if arrival.status == Verdict.RECEIVED else arrival.status
    return Answer(new, status, ignored=arrival.judged.ignored)


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
        "ignored": list(arrival.judged.ignored) or None,
        "due_at": arrival.judged.believable_at if arrival.status == Verdict.WAITING else None,
        "attempts": 0,
    }


def keep_aside(integration: Integration, rubbish: Rubbish, headers: dict[str, str], at: datetime) -> Answer:
    """Keep bytes that are no event, and what their sender is told of them."""
    kept = aside.keep(integration, rubbish, headers, webhook_id_of(headers), at)
    return Answer(kept, REJECTED if kept is None else Verdict.QUARANTINED, rubbish.error)


def count_all(integration: Integration, arrivals: Sequence[Arrival], at: datetime) -> None:
    """Count the events that are only to be counted."""
    count_events(integration, Counter(each.judged.event or "" for each in arrivals if each.status == COUNTED), at)
