"""
Replaying: deliveries that were put aside are judged anew, one, or all of a team's quarantine; what is dated ahead and
waits is applied now, as if it had occurred when it was received; and what either would change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from config import faults
from incidents.models import Incident
from integrations.applying import SOURCES, apply, read_all
from integrations.incident_log import Heard
from integrations.models import InboundDelivery, Verdict
from integrations.waiting import waiting
from teams.models import Team, User

NOTED = faults.point("replay: noted, before applying")
APPLIED = faults.point("replay: applied, before the commit")
COMMITTED = faults.point("replay: committed")
HANDED_ON = faults.point("replay: the quarantine handed on")

REPLAYABLE = (Verdict.QUARANTINED, Verdict.UNRECOGNIZED, Verdict.CONFLICT)
# Of what was too large only the beginning is kept, so there is nothing to judge anew.
WHOLE = Q(size__isnull=True)

# A dry run holds locks while it looks, so it looks at no more than this.
DRY_RUN_AT_MOST = 200


@dataclass(frozen=True)
class Change:
    """
    What replaying a delivery changes: the verdict it gets instead of the one that it `had` (and the error, if it stays
    aside), and the record its fact is about, called `subject`, whose status goes from `before` (None: there was no such
    record) to `after`.
    """

    delivery: InboundDelivery
    verdict: str
    error: dict[str, Any] | None = None
    subject: str | None = None
    before: str | None = None
    after: str | None = None
    had: str = field(default="", compare=False)

    @property
    def is_any(self) -> bool:
        """Whether anything changes: what stays aside as it was is what it was."""
        return self.verdict != self.had


def quarantine(team: Team) -> QuerySet[InboundDelivery]:
    """The team's deliveries in quarantine, oldest first."""
    return team.deliveries.filter(status=Verdict.QUARANTINED).order_by("id")


def can_be_replayed(delivery: InboundDelivery) -> bool:
    """Whether a delivery was put aside, and is there whole."""
    return delivery.status in REPLAYABLE and delivery.size is None


def replay(delivery: InboundDelivery, *, by: User, at: datetime) -> Change:
    """Judge one delivery anew and apply it at once if it is sound now."""
    with transaction.atomic():
        [change] = replayed([delivery.pk], by, at) or [Change(delivery, delivery.status, had=delivery.status)]
        APPLIED()
    COMMITTED()
    delivery.refresh_from_db()
    return change


def replay_all(team: Team, *, by: User, at: datetime) -> int:
    """Hand the whole quarantine to the worker again; how many deliveries that are."""
    handed_on = (
        quarantine(team)
        .filter(WHOLE)
        .update(status=Verdict.RECEIVED, replayed_at=at, replayed_by=by, attempts=0, due_at=None, error=None)
    )
    HANDED_ON()
    return handed_on


def apply_now(delivery: InboundDelivery, *, by: User, at: datetime) -> Change:
    """Apply one delivery that waits, as if it had occurred when it was received."""
    with transaction.atomic():
        [change] = taken_up([delivery.pk], by, at) or [Change(delivery, delivery.status)]
        APPLIED()
    COMMITTED()
    delivery.refresh_from_db()
    return change


def apply_all_now(team: Team, *, by: User, at: datetime) -> int:
    """Hand all that waits to the worker, as if each had occurred when it was received; how many deliveries that are."""
    handed_on = waiting(team).update(
        status=Verdict.RECEIVED, replayed_at=at, replayed_by=by, dated_at=F("received_at"), attempts=0, due_at=None
    )
    HANDED_ON()
    return handed_on


def dry_run(deliveries: Iterable[InboundDelivery], *, by: User, at: datetime) -> list[Change]:
    """
    What replaying deliveries, or applying those that wait, would change: found by doing it and taking it back; at most
    the first 200.
    """
    ids = [delivery.pk for delivery in deliveries][:DRY_RUN_AT_MOST]
    with transaction.atomic():
        changes = sorted([*replayed(ids, by, at), *taken_up(ids, by, at)], key=lambda each: each.delivery.pk)
        transaction.set_rollback(True)
    return changes


def replayed(ids: Sequence[int], by: User, at: datetime) -> list[Change]:
    """Replay deliveries in this transaction, and say what changed."""
    deliveries = locked(ids, WHOLE & Q(status__in=REPLAYABLE))
    for delivery in deliveries:
        delivery.replayed_at, delivery.replayed_by, delivery.attempts = at, by, 0
        if delivery.status == Verdict.CONFLICT:
            # Its webhook-id is another event's and stays that one's.
            delivery.webhook_digest = None
        delivery.save(update_fields=["replayed_at", "replayed_by", "attempts", "webhook_digest"])
    NOTED()
    return [applied(delivery, at) for delivery in deliveries]


def taken_up(ids: Sequence[int], by: User, at: datetime) -> list[Change]:
    """Apply deliveries that wait in this transaction, each as of its receipt, and say what changed."""
    deliveries = locked(ids, Q(status=Verdict.WAITING))
    for delivery in deliveries:
        # Should it fail, it is tried again as any that was received.
        waits_no_more = {"status": Verdict.RECEIVED, "attempts": 0, "due_at": None}
        decided = {"replayed_at": at, "replayed_by": by, "dated_at": delivery.received_at}
        InboundDelivery.objects.filter(pk=delivery.pk).update(**waits_no_more, **decided)
        delivery.refresh_from_db()
    NOTED()
    return [applied(delivery, at) for delivery in deliveries]


def locked(ids: Sequence[int], such: Q) -> list[InboundDelivery]:
    """Those of some deliveries that are such, in order, for nobody else to change meanwhile."""
    chosen = InboundDelivery.objects.filter(such, id__in=ids).order_by("id").select_related("integration")
    return list(chosen.select_for_update(of=("self",)))


def applied(delivery: InboundDelivery, at: datetime) -> Change:
    """Apply one delivery, and say what changed."""
    heard = read_all([delivery])[0].heard
    before, had = record_of(heard), delivery.status
    apply([delivery], at)
    delivery.refresh_from_db()
    after = record_of(heard)
    return Change(
        delivery,
        delivery.status,
        delivery.error,
        subject=str(after) if after else None,
        before=before.status if before else None,
        after=after.status if after else None,
        had=had,
    )


def record_of(heard: Heard | None) -> Any:
    """Our record that an event is about, as it is now; None where there is none."""
    if heard is None:
        return None
    if heard.incident_id is not None:
        return Incident.objects.filter(pk=heard.incident_id).first()
    return SOURCES[heard.subject.kind]._default_manager.filter(source_key=heard.subject.key).first()
