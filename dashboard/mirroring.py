"""
Whether what is done to a mirrored incident is done at its source, too, in words; and what was kept aside of what others
did to one of ours.

Not here: what is taken (integrations.taking), and what goes out (timeline.outbound.shapes).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from incidents.models import Incident
from integrations.models import InboundDelivery, Integration, IntegrationType, Verdict
from integrations.taking import TRAVELS
from timeline.events import VENDOR_EVENTS
from timeline.outbound.models import Endpoint

SHOWN_AT_MOST = 5
WORDS = {
    "incident.acknowledged": "acknowledging",
    "incident.resolved": "resolving",
    "incident.closed": "closing",
    "incident.reopened": "reopening",
    "incident.severity_changed": "severity",
    "incident.assigned": "assignee",
    "incident.updated": "edits",
    "incident.commented": "notes",
}


@dataclass(frozen=True)
class Reach:
    """
    How far an act on a mirrored incident goes: `here_only` says why it is recorded here only; else it is sent to
    `endpoints`, as far as it is among `acts`. `source` is empty where the integration is there no more.
    """

    source: str
    here_only: str = ""
    lacks_endpoint: bool = False
    endpoints: Sequence[str] = ()
    acts: str = ""


def reach_of(incident: Incident) -> Reach | None:
    """How far what is done to an incident goes; None for one of ours, about which everybody who listens hears."""
    if incident.integration_id is None:
        return None
    integration = Integration.objects.filter(pk=incident.integration_id).only("name", "type").first()
    source = integration.name if integration else ""
    if integration is None or integration.type != IntegrationType.WATCHKEEPER:
        return Reach(source, here_only=f"{source} is not told." if integration else "It is told nowhere else.")
    if not incident.origin:
        return Reach(source, here_only=f"{source} did not tell of it as of its own, so it could not be taken there.")
    endpoints = [each for each in passing_on(incident) if taken_from(each)]
    if not endpoints:
        return Reach(source, here_only="No endpoint passes it on.", lacks_endpoint=True)
    acts = {event: None for each in endpoints for event in taken_from(each)}
    return Reach(source, endpoints=[str(each) for each in endpoints], acts=listed([WORDS[event] for event in acts]))


def passing_on(incident: Incident) -> list[Endpoint]:
    """The enabled endpoints of an incident's team that are sent what is done to mirrored ones."""
    found = incident.team.endpoints.filter(relay=True, disabled_at=None, deleted_at=None)
    return list(found.order_by("id").only("url", "description", "event_types", "further")[:SHOWN_AT_MOST])


def taken_from(endpoint: Endpoint) -> list[str]:
    """The acts that an endpoint is sent and that are taken where an incident comes from."""
    known = TRAVELS if endpoint.further else [event for event in TRAVELS if event in VENDOR_EVENTS]
    return [event for event in known if not endpoint.event_types or event in endpoint.event_types]


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def kept_aside(incident: Incident) -> list[InboundDelivery]:
    """What others did to an incident of ours and was kept aside, newest first."""
    found = InboundDelivery.objects.filter(incident_id=incident.pk, team=incident.team, status=Verdict.QUARANTINED)
    return list(found.defer("body", "headers").order_by("-id")[:SHOWN_AT_MOST]) if incident.is_native else []
