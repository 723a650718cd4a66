"""
Acts on incidents of ours from where they are mirrored: what staff of another Watchkeeper did there is taken here, where
the integration may, and the rest is answered.

One hop, and nothing twice: such an act is taken only straight from where it was made, and only into incidents of the
integration's own team. Not here: what an act does (incidents.fold), and how one leaves (timeline.outbound.shapes).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from incidents.models import Incident
from integrations.incident_log import Heard
from integrations.models import InboundDelivery, Integration, IntegrationType, Verdict
from timeline.events import INCIDENT_ORIGIN, VIA, IncidentOrigin, incident_origin
from timeline.outbound.installation import this_installation

# What is taken; everything else that can be done to an incident stays where it was done.
TRAVELS = tuple(
    f"incident.{action}"
    for action in (
        "acknowledged", "resolved", "closed", "reopened", "severity_changed", "assigned", "updated", "commented",
    )
)  # fmt: skip

STAYS = {
    "code": "STAYS",
    "message": "It was done to an incident of ours where that is mirrored. Grouping, escalating, deleting and "
    "correcting stay there, and so does what came through another installation.",
}
NOT_LET = {
    "code": "FORBIDDEN",
    "message": "This integration may not act on our incidents. Let it (Team › Integrations › Edit), then replay this.",
}
# One text for all: nobody learns which incidents there are.
NOT_THERE = {"code": "NOT_FOUND", "message": "It is about an incident that this team does not have."}


@dataclass(frozen=True)
class Put:
    """What becomes of a delivery about an incident of ours: it is taken as `heard`, or gets a verdict instead."""

    heard: Heard | None
    verdict: str = Verdict.APPLIED
    error: dict[str, Any] | None = None
    incident_id: int | None = None


def sort_out(heard: Iterable[tuple[InboundDelivery, Heard]], integrations: dict[int, Integration]) -> dict[int, Put]:
    """What becomes of those events, by their deliveries' ids, that name an incident of this installation's."""
    named = [(delivery, each, origin) for delivery, each in heard if (origin := incident_origin(each.judged.payload))]
    if not named:
        return {}
    ours = this_installation().public_id
    about = [each for each in named if each[2].installation == ours]
    known = incidents_of([origin for _, _, origin in about])
    return {
        delivery.pk: put(delivery, each, origin, integrations[delivery.integration_id], known)
        for delivery, each, origin in about
    }


def put(
    delivery: InboundDelivery,
    heard: Heard,
    origin: IncidentOrigin,
    integration: Integration,
    known: dict[tuple[int, IncidentOrigin], int],
) -> Put:
    """What becomes of one event that names an incident of this installation's."""
    if integration.type != IntegrationType.WATCHKEEPER:
        # Nobody else speaks of our incidents; it is a word of theirs that means something else.
        payload = {name: value for name, value in heard.judged.payload.items() if name != INCIDENT_ORIGIN}
        return Put(replace(heard, judged=replace(heard.judged, payload=payload)))
    if heard.judged.event not in TRAVELS or VIA in heard.judged.payload:
        return Put(None, Verdict.DUPLICATE, STAYS)
    if not integration.may_act:
        return Put(None, Verdict.QUARANTINED, NOT_LET)
    found = known.get((delivery.team_id, origin))
    if found is None:
        return Put(None, Verdict.QUARANTINED, NOT_THERE)
    return Put(replace(heard, incident_id=found), incident_id=found)


def incidents_of(origins: Iterable[IncidentOrigin]) -> dict[tuple[int, IncidentOrigin], int]:
    """Our own incidents among those named, each with its team: (team's id, as it is named) → id."""
    by_number = {origin.incident_id: origin.installation for origin in origins}
    found = Incident.objects.filter(pk__in=by_number, integration_id=None)
    columns = ("pk", "team_id", "team__organization__public_id", "team__public_id")
    return {
        (team, IncidentOrigin(by_number[number], organization, public_id, number)): number
        for number, team, organization, public_id in found.values_list(*columns)
    }


def kept_aside(incident: Incident) -> dict[str, Any]:
    """The error of an act that would make an incident live where another one of its resource is."""
    kind = incident.resource_type or "resource"
    live = incident.team.incidents.live().filter(
        integration_id=None, resource_type=incident.resource_type, resource_id=incident.resource_id
    )
    other = live.exclude(pk=incident.pk).first()
    which = f'Incident {other.number}, "{other}",' if other else "Another incident"
    message = f"{which} of this {kind} is live, and there can be one only. Resolve that one, then replay this."
    return {
        "code": "CONFLICT",
        "message": message,
        "details": {"incident_id": str(other.uuid), "number": other.number} if other else {},
    }
