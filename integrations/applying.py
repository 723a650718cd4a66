"""
Applying: what was received becomes facts, and facts become what is shown. The worker's half of the door.

Deliveries are claimed in batches and applied together, each record folded once. Where a batch fails, its deliveries are
tried one by one, each behind a savepoint: a bad one is put into quarantine after its tries and never stops the others.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, models, transaction
from django.db.models import Q

from config import rows, strictjson
from incidents import keeper
from incidents.models import Incident
from integrations.inbox import wrong_fields
from integrations.incident_log import Heard, SourceRecord, hear
from integrations.models import InboundDelivery, Verdict
from monitors.models import Heartbeat, Monitor
from timeline.chronology import Fact
from timeline.events import HEARTBEAT, INCIDENT, MONITOR, VENDOR_EVENTS, validate
from timeline.models import TimelineEvent
from timeline.record import Recording, record

log = structlog.get_logger(__name__)

BATCH = 200
MOST_TRIES = 5
FIRST_PAUSE = timedelta(seconds=1)

SOURCES: dict[str, type[models.Model]] = {MONITOR: Monitor, HEARTBEAT: Heartbeat, INCIDENT: Incident}


def apply_due(at: datetime, most: int = BATCH) -> int:
    """Apply the next batch of deliveries that are due; the answer is how many were taken up."""
    with transaction.atomic():
        due = InboundDelivery.objects.filter(Q(due_at__isnull=True) | Q(due_at__lte=at), status=Verdict.RECEIVED)
        claimed = due.order_by("id").select_related("integration").select_for_update(skip_locked=True, of=("self",))
        batch = list(claimed[:most])
        if batch:
            apply(batch, at)
        return len(batch)


def apply(deliveries: Sequence[InboundDelivery], at: datetime) -> None:
    """
    Apply locked deliveries, together if that works and else one by one. Database trouble is raised, for a later
    try.
    """
    try:
        with transaction.atomic():
            apply_together(deliveries, at)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.warning("batch failed, applying one by one", deliveries=len(deliveries), exc_info=True)
        for delivery in deliveries:
            apply_alone(delivery, at)


def apply_alone(delivery: InboundDelivery, at: datetime) -> None:
    """Apply one delivery behind a savepoint; after its last try a failing one is put into quarantine."""
    try:
        with transaction.atomic():
            apply_together([delivery], at)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.exception("delivery failed", delivery=delivery.pk)
        postpone(delivery, error, at)


def postpone(delivery: InboundDelivery, error: Exception, at: datetime) -> None:
    """Note a failed try: a later one, or quarantine."""
    delivery.attempts += 1
    delivery.due_at = at + FIRST_PAUSE * 2**delivery.attempts
    message = f"Could not be applied ({type(error).__name__})."
    delivery.error = {"code": "INTERNAL_ERROR", "message": message}
    if delivery.attempts >= MOST_TRIES:
        delivery.status, delivery.due_at = Verdict.QUARANTINED, None
    delivery.save(update_fields=["attempts", "due_at", "error", "status"])


@dataclass
class Reading:
    """A delivery as this version reads it: a sound event of a known type, or the verdict it gets instead."""

    delivery: InboundDelivery
    heard: Heard | None = None
    verdict: str = Verdict.APPLIED
    error: dict[str, Any] | None = None
    fact: Fact | None = None

    @property
    def recorded_at(self) -> datetime:
        """When we came to know: when it arrived, or when it was replayed."""
        return self.delivery.replayed_at or self.delivery.received_at


def apply_together(deliveries: Sequence[InboundDelivery], at: datetime) -> None:
    """Apply locked deliveries in one go."""
    readings = [read(delivery) for delivery in deliveries]
    sound = [reading for reading in readings if reading.heard]
    if sound:
        take_in(sound)
    rows.update(InboundDelivery, [verdict_row(reading, at) for reading in readings])


def read(delivery: InboundDelivery) -> Reading:
    """Read a delivery's bytes again, as this version understands them."""
    try:
        payload = strictjson.parse(bytes(delivery.body))
    except strictjson.Refused as refusal:
        error = {"code": refusal.code, "message": refusal.message}
        return Reading(delivery, verdict=Verdict.QUARANTINED, error=error)
    judged = validate(payload, delivery.replayed_at or delivery.received_at)
    if judged.fields:
        return Reading(delivery, verdict=Verdict.QUARANTINED, error=wrong_fields(judged))
    if judged.type is None:
        return Reading(delivery, verdict=Verdict.UNRECOGNIZED)
    return Reading(delivery, heard=hear(judged, bytes(delivery.identity), delivery.integration))


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
    )
    keeper.take_in_facts(record([recording(reading) for reading in readings]))
    note_known(readings)


def recording(reading: Reading) -> Recording:
    """A reading as what is to be recorded."""
    assert reading.fact
    return Recording(reading.fact, reading.delivery.team_id, reading.delivery.integration_id)


def note_known(readings: Iterable[Reading]) -> None:
    """Say of deliveries whose fact was recorded before (so that it has no id yet) that they are duplicates of it."""
    for reading in readings:
        if reading.fact and not reading.fact.id:
            reading.verdict = Verdict.DUPLICATE
            reading.fact.id = TimelineEvent.objects.values_list("id", flat=True).get(
                integration_id=reading.delivery.integration_id, identity=reading.fact.identity
            )


def verdict_row(reading: Reading, at: datetime) -> rows.Row:
    """What became of a delivery, as columns."""
    fact = reading.fact
    return {
        "id": reading.delivery.pk,
        "status": reading.verdict,
        "error": reading.error,
        "event": reading.heard.judged.event if reading.heard else reading.delivery.event,
        "due_at": None,
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
        keys = sorted(wanted[kind])
        found = known(model, keys)
        missing = [new_record(model, *wanted[kind][key]) for key in keys if key not in found]
        if missing:
            model._default_manager.bulk_create(missing, ignore_conflicts=True)
            found = known(model, keys)
        ids |= found
    return ids


def known(model: type[models.Model], keys: Sequence[bytes]) -> dict[bytes, int]:
    """The ids of the records there are, by key."""
    if not keys:
        return {}
    found = model._default_manager.filter(source_key__in=keys).values_list("source_key", "id")
    return {bytes(key): identity for key, identity in found}


def new_record(model: Callable[..., models.Model], source: SourceRecord, reading: Reading) -> models.Model:
    """A mirrored record before its first fact is folded."""
    return model(
        team_id=reading.delivery.team_id,
        integration_id=source.integration_id,
        source_organization_id=source.organization_id,
        source_team_id=source.team_id,
        source_id=source.id,
        source_key=source.key,
        created_at=reading.recorded_at,
    )


# --- what a later version knows -------------------------------------------------------------------------------


def recognize(at: datetime, most: int = BATCH) -> int:
    """Let the next unrecognized deliveries whose events this version knows be applied; how many there were."""
    due = InboundDelivery.objects.filter(status=Verdict.UNRECOGNIZED, event__in=list(VENDOR_EVENTS)).order_by("id")
    ids = list(due.values_list("id", flat=True)[:most])
    return InboundDelivery.objects.filter(id__in=ids, status=Verdict.UNRECOGNIZED).update(
        status=Verdict.RECEIVED, replayed_at=at, attempts=0, due_at=None
    )
