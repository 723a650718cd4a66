"""
Applying: what was received becomes facts, and facts become what is shown. The worker's half of the door.

Deliveries are claimed in batches and applied together, each record folded once. Where a batch fails, ever smaller parts
of it are tried behind savepoints: a bad delivery is put into quarantine after its tries and never stops the others.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, models, transaction
from django.db.models import Q, prefetch_related_objects

from config import faults, rows, strictjson
from config.queue import Retries
from config.times import parse_rfc3339, rfc3339
from incidents import keeper
from incidents.lifecycle import ONE_LIVE
from incidents.models import Incident, IncidentGroup
from integrations.incident_log import Heard, SourceRecord, hear
from integrations.judging import RETURNED, came_back, wrong_fields
from integrations.models import InboundDelivery, Integration, IntegrationType, Verdict, known_events
from integrations.taking import kept_aside, sort_out
from integrations.turns import Turns
from monitors.models import Heartbeat, Monitor
from timeline.chronology import Fact
from timeline.corrections import CORRECTED
from timeline.events import (
    EVENTS,
    HEARTBEAT,
    INCIDENT,
    INCIDENT_GROUP,
    MONITOR,
    VENDOR_EVENTS,
    Judged,
    Payload,
    said,
    told_identity,
    validate,
)
from timeline.record import NewFact, record

log = structlog.get_logger(__name__)

# A batch of 500 costs each event somewhat less, and makes everybody wait more than twice as long for the next turn.
BATCH = 200
# The bodies of a portion together; events of 64 KiB full of small things take up a hundred times as much when read.
MOST_BYTES = 1024 * 1024
# Five tries; then it is put into quarantine.
RETRIES = Retries(pauses=tuple(timedelta(seconds=seconds) for seconds in (2, 4, 8, 16)))

# What staff are told of a delivery that could not be applied, and what they can do.
OUR_FAULT = "Applying this failed, on our side; what was sent is kept."
TRIED_AGAIN = "It is tried again within seconds."
FIND_OUT = "An operator finds the reason in the log, by the words “delivery {}”. When that is mended, replay it."

CLAIMED = faults.point("applying: claimed")
SOME_MADE = faults.point("applying: records of a kind made")
LOCKED = faults.point("applying: records locked, before the facts")
RECORDED = faults.point("applying: facts recorded, before the verdicts")
JUDGED = faults.point("applying: verdicts written, before the commit")
COMMITTED = faults.point("applying: committed")
FAILED = faults.point("applying: a batch failed, before its parts")
PARTED = faults.point("applying: a part applied, before the next")
# Postponed, or kept aside for good.
POSTPONED = faults.point("applying: one postponed, before the commit")
CHOSEN = faults.point("recognize: chosen, not yet handed on")
RECOGNIZED = faults.point("recognize: handed on")

SOURCES: dict[str, type[models.Model]] = {
    MONITOR: Monitor,
    HEARTBEAT: Heartbeat,
    INCIDENT: Incident,
    INCIDENT_GROUP: IncidentGroup,
}


def apply_due(at: datetime, most: int = BATCH, turns: Turns | None = None) -> int:
    """Apply the next batch of deliveries that are due; the answer is how many were taken up."""
    with transaction.atomic():
        fresh, postponed = (turns or Turns()).claim(at, most)
        for portion in (*portions(fresh), *portions(postponed)):
            CLAIMED()
            apply(portion, at)
    if fresh or postponed:
        COMMITTED()
    return len(fresh) + len(postponed)


def portions(deliveries: Sequence[InboundDelivery]) -> Iterator[list[InboundDelivery]]:
    """Deliveries in portions that can be held in memory as what is made of them, nearly always all in one."""
    portion: list[InboundDelivery] = []
    size = 0
    for delivery in deliveries:
        size += len(delivery.body)
        if portion and size > MOST_BYTES:
            yield portion
            portion, size = [], len(delivery.body)
        portion.append(delivery)
    if portion:
        yield portion


def apply(deliveries: Sequence[InboundDelivery], at: datetime) -> None:
    """
    Apply locked deliveries, together if that works and else in ever smaller parts, each behind a savepoint, down to
    those that fail alone. Database trouble is raised, for a later try.
    """
    try:
        with transaction.atomic():
            apply_together(deliveries, at)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(deliveries) == 1 and isinstance(error, IntegrityError) and ONE_LIVE in str(error):
            keep_aside(deliveries[0], at)
            return
        if len(deliveries) == 1:
            log.exception(f"delivery {deliveries[0].pk} failed", delivery=deliveries[0].pk)
            postpone(deliveries[0], at)
            return
        log.warning("batch failed, applying it in parts", deliveries=len(deliveries), exc_info=True)
        FAILED()
        for part in parts(deliveries):
            apply(part, at)
            PARTED()


def parts(deliveries: Sequence[InboundDelivery]) -> list[list[InboundDelivery]]:
    """A batch by integration, so that one's trouble is its own; what is of one integration, in halves."""
    by_integration: dict[int, list[InboundDelivery]] = defaultdict(list)
    for delivery in deliveries:
        by_integration[delivery.integration_id].append(delivery)
    if len(by_integration) > 1:
        return list(by_integration.values())
    half = len(deliveries) // 2
    return [list(deliveries[:half]), list(deliveries[half:])]


def postpone(delivery: InboundDelivery, at: datetime) -> None:
    """Note a failed try: a later one, or quarantine; and what staff can do."""
    delivery.attempts += 1
    pause = RETRIES.pause(delivery.attempts)
    delivery.due_at = at + pause if pause else None
    if not pause:
        delivery.status = Verdict.QUARANTINED
    # What somebody replays is tried this once, and stays aside.
    what_now = TRIED_AGAIN if delivery.status == Verdict.RECEIVED else FIND_OUT.format(delivery.pk)
    delivery.error = {"code": "INTERNAL_ERROR", "message": f"{OUR_FAULT} {what_now}"}
    delivery.save(update_fields=["attempts", "due_at", "error", "status"])
    POSTPONED()


def keep_aside(delivery: InboundDelivery, at: datetime) -> None:
    """Put an act from elsewhere into quarantine that would make a second incident of a resource of ours live."""
    [reading] = read_all([delivery])
    assert reading.heard and reading.heard.incident_id is not None
    delivery.incident_id, delivery.due_at, delivery.status = reading.heard.incident_id, None, Verdict.QUARANTINED
    delivery.error = kept_aside(Incident.objects.get(pk=delivery.incident_id))
    delivery.save(update_fields=["incident_id", "due_at", "status", "error"])
    POSTPONED()


@dataclass
class Reading:
    """A delivery as this version reads it: a sound event of a known type, or the verdict it gets instead."""

    delivery: InboundDelivery
    heard: Heard | None = None
    verdict: str = Verdict.APPLIED
    error: dict[str, Any] | None = None
    judged: Judged | None = None
    fact: Fact | None = None

    @property
    def recorded_at(self) -> datetime:
        """When we came to know: when it arrived, when it was replayed, or when it had waited long enough."""
        return self.delivery.replayed_at or self.delivery.received_at


def apply_together(deliveries: Sequence[InboundDelivery], at: datetime) -> None:
    """Apply locked deliveries in one go."""
    readings = read_all(deliveries)
    sound = [reading for reading in readings if reading.heard]
    if sound:
        take_in(sound)
    rows.update(InboundDelivery, [verdict_row(reading, at) for reading in readings])
    JUDGED()


def read_all(deliveries: Sequence[InboundDelivery]) -> list[Reading]:
    """Read deliveries' bytes again, as this version understands them from their integrations."""
    known = Integration.objects.only("type", "may_act").in_bulk({each.integration_id for each in deliveries})
    prefetch_related_objects([delivery for delivery in deliveries if delivery.dated_at], "replayed_by")
    readings = [read(delivery, known[delivery.integration_id].type) for delivery in deliveries]
    put = sort_out([(each.delivery, each.heard) for each in readings if each.heard], known)
    for each in readings:
        if found := put.get(each.delivery.pk):
            each.heard, each.verdict, each.error = found.heard, found.verdict, found.error
    return readings


def read(delivery: InboundDelivery, type: str) -> Reading:
    """Read a delivery's bytes again, as this version understands them from an integration of that type."""
    try:
        payload = strictjson.parse(bytes(delivery.body))
    except strictjson.Refused as refusal:
        error = {"code": refusal.code, "message": refusal.message}
        return Reading(delivery, verdict=Verdict.QUARANTINED, error=error)
    judged = validate(payload, delivery.replayed_at or delivery.received_at, known_events(type))
    # At the door it was looked at as another version did it.
    if delivery.replayed_at and came_back(judged.payload):
        return Reading(delivery, verdict=Verdict.DUPLICATE, error=RETURNED)
    if judged.fields:
        return Reading(delivery, verdict=Verdict.QUARANTINED, error=wrong_fields(judged))
    if judged.type is None:
        return Reading(delivery, verdict=Verdict.UNRECOGNIZED)
    if delivery.dated_at:
        judged = dated_anew(judged, delivery.dated_at)
    if judged.is_ahead:
        return Reading(delivery, verdict=Verdict.WAITING, judged=judged)
    return Reading(delivery, hear(judged, identity_of(delivery, type, payload), delivery.integration_id), judged=judged)


def dated_anew(judged: Judged, at: datetime) -> Judged:
    """An event as if it had occurred at a moment; what it said of that itself stands beside it."""
    told = judged.payload["dt"]
    payload = judged.payload | {"dt": rfc3339(at), "dt_as_sent": told}
    return replace(judged, payload=payload, occurred_at=parse_rfc3339(payload["dt"]), is_ahead=False)


def identity_of(delivery: InboundDelivery, type: str, payload: Payload) -> bytes:
    """
    The identity of the fact that a delivery tells: the event's. A Watchkeeper says which it has there, so that what is
    said of the fact later finds it here, too, and facts of the same moment stand in the same order.
    """
    told = told_identity(payload) if type == IntegrationType.WATCHKEEPER else None
    return told or bytes(delivery.identity)


def take_in(readings: Sequence[Reading]) -> None:
    """Record sound events as facts about our records, made where they are new, and fold each record once."""
    ids = our_ids(readings)
    heard = [(reading, reading.heard) for reading in readings if reading.heard]
    for reading, event in heard:
        reading.fact = event.fact(ids, reading.recorded_at)
    facts = [reading.fact for reading in readings if reading.fact]
    keeper.lock(
        (fact.subject[1] for fact in facts if fact.subject[0] == INCIDENT),
        {link for fact in facts for link in (fact.subject, fact.named) if link and link[0] != INCIDENT},
        {fact.subject[1] for fact in facts if fact.event == CORRECTED},
    )
    LOCKED()
    new = {fact.id for fact in record([new_fact(reading) for reading in readings], keeper.take_in_facts)}
    for reading in readings:
        if reading.fact and reading.fact.id not in new:
            reading.verdict = Verdict.DUPLICATE
    RECORDED()


def new_fact(reading: Reading) -> NewFact:
    """A reading as what is to be recorded."""
    assert reading.fact
    delivery = reading.delivery
    return NewFact(reading.fact, delivery.team_id, delivery.integration_id, reading=otherwise(reading))


def otherwise(reading: Reading) -> dict[str, Any] | None:
    """What of an event was read otherwise than it was sent, as it stands with its fact."""
    delivery, judged = reading.delivery, reading.judged
    assert judged
    found: dict[str, Any] = {}
    if judged.ignored:
        found["ignored"] = list(judged.ignored)
    if delivery.dated_at:
        by = delivery.replayed_by
        found["dated"] = {
            "by": {"id": str(by.uuid), "email": by.email, "name": by.name or None} if by else None,
            "at": rfc3339(reading.recorded_at),
            "as_sent": judged.payload["dt_as_sent"],
        }
    return found or None


def verdict_row(reading: Reading, at: datetime) -> rows.Row:
    """What became of a delivery, as columns."""
    fact, judged = reading.fact, reading.judged
    waits = reading.verdict == Verdict.WAITING
    return {
        "id": reading.delivery.pk,
        "status": reading.verdict,
        "error": reading.error,
        "event": judged.event if judged else reading.delivery.event,
        "ignored": list(judged.ignored) or None if judged else None,
        "due_at": judged.believable_at if judged and waits else None,
        "applied_at": at if fact else None,
        "fact_id": fact.id if fact else None,
        "incident_id": fact.subject[1] if fact and fact.subject[0] == INCIDENT else None,
    }


# --- our records of a vendor's --------------------------------------------------------------------------------


def our_ids(readings: Sequence[Reading]) -> dict[bytes, int]:
    """The ids of our records by the keys of the vendor's, making those that are new."""
    wanted: dict[str, dict[bytes, tuple[SourceRecord, Reading]]] = defaultdict(dict)
    for reading in readings:
        for each in reading.heard.records if reading.heard else ():
            wanted[each.kind].setdefault(each.key, (each, reading))
    ids: dict[bytes, int] = {}
    # Always in the same order, so that two workers making the same records wait for each other and never in a circle.
    for kind, model in SOURCES.items():
        ids |= ids_of(model, wanted[kind])
    return ids


def ids_of(model: type[models.Model], wanted: dict[bytes, tuple[SourceRecord, Reading]]) -> dict[bytes, int]:
    """The ids of the records of one kind, by key."""
    ids = known(model, wanted.keys())
    missing = [new_record(model, *wanted[key]) for key in sorted(wanted.keys() - ids.keys())]
    if missing:
        made = rows.insert(model, missing, on_conflict="ON CONFLICT DO NOTHING", returning=("source_key", "id"))
        SOME_MADE()
        ids |= {bytes(key): identity for key, identity in made}
        # Another worker made them meanwhile.
        ids |= known(model, wanted.keys() - ids.keys())
    return ids


def known(model: type[models.Model], keys: Collection[bytes]) -> dict[bytes, int]:
    """The ids of the records there are, by key."""
    return {bytes(key): identity for key, identity in rows.select(model, ("source_key", "id"), keys, by="source_key")}


def new_record(model: type[models.Model], source: SourceRecord, reading: Reading) -> rows.Row:
    """The row of a mirrored record before its first fact is folded; a group has no facts that would name it later."""
    name = said(reading.heard.judged.payload, "incident_group_name") if reading.heard else None
    named = {"name": name} if name and source.kind == INCIDENT_GROUP else {}
    return (
        rows.blank(model)
        | named
        | {
            "team_id": reading.delivery.team_id,
            "integration_id": source.integration_id,
            "source_organization_id": source.organization_id,
            "source_team_id": source.team_id,
            "source_id": source.id,
            "source_key": source.key,
            "created_at": reading.recorded_at,
        }
    )


# --- what a later version knows -------------------------------------------------------------------------------


def recognize(at: datetime, most: int = BATCH) -> int:
    """Let the next unrecognized deliveries whose events this version knows be applied; how many there were."""
    known = Q(event__in=list(VENDOR_EVENTS))
    from_kin = Q(event__in=list(EVENTS), integration__type=IntegrationType.WATCHKEEPER)
    due = InboundDelivery.objects.filter(known | from_kin, status=Verdict.UNRECOGNIZED).order_by("id")
    ids = list(due.values_list("id", flat=True)[:most])
    if ids:
        CHOSEN()
    handed_on = InboundDelivery.objects.filter(id__in=ids, status=Verdict.UNRECOGNIZED).update(
        status=Verdict.RECEIVED, replayed_at=at, attempts=0, due_at=None
    )
    if ids:
        RECOGNIZED()
    return handed_on
