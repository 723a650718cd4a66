"""
Who has an incident: its assignee, or else who acknowledged it. Every page asks here, so that all say the same.

Not here: assigning (incidents.details), and what programs read, which is the assignee alone (incidents.serializers).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from incidents.fold import ACKNOWLEDGED
from incidents.models import Incident
from timeline.events import INCIDENT, said
from timeline.models import Effect, TimelineEvent

UNKNOWN = "somebody"


@dataclass(frozen=True)
class Holder:
    """
    Who has an incident: the name, whether it was assigned to them rather than acknowledged by them, and when it was
    acknowledged, if it was, by the clock of who did so.
    """

    name: str
    is_assigned: bool
    acknowledged_at: datetime | None = None

    def __str__(self) -> str:
        return self.name


def holders(incidents: Iterable[Incident]) -> dict[int, Holder]:
    """Who has each of some incidents, by its id; those that nobody has are missing. One query at most."""
    found, acknowledged = {}, {}
    for incident in incidents:
        if assignee := incident.assignee_name or incident.assignee_email:
            found[incident.pk] = Holder(assignee, is_assigned=True)
        if incident.acknowledged_at is not None:
            acknowledged[incident.pk] = incident.acknowledged_at
    # The fact by which an incident was acknowledged occurred at exactly that moment.
    facts = TimelineEvent.objects.filter(
        subject_kind=INCIDENT,
        subject_id__in=acknowledged,
        occurred_at__in=set(acknowledged.values()),
        event=f"incident.{ACKNOWLEDGED}",
        effect=Effect.APPLIED,
    )
    for fact in facts.order_by("rank", "identity") if acknowledged else ():
        if fact.occurred_at == acknowledged[fact.subject_id]:
            name = fact.user_name or fact.user_email or said(fact.payload, "integration_name") or UNKNOWN
            assigned = found.get(fact.subject_id)
            if assigned and assigned.is_assigned:
                found[fact.subject_id] = replace(assigned, acknowledged_at=fact.done_at)
            else:
                found[fact.subject_id] = Holder(name, is_assigned=False, acknowledged_at=fact.done_at)
    return found


def holder_of(incident: Incident) -> Holder | None:
    """Who has an incident; None for nobody."""
    return holders([incident]).get(incident.pk)
