"""One fact by itself: everything we keep of it, for the reader who wants to be certain."""

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.access import TeamRequest, elsewhere, team_page
from dashboard.frame import show
from dashboard.logbook import line, payload_text
from dashboard.views.incidents import integration_names
from incidents.models import Incident
from integrations.models import InboundDelivery
from timeline.models import SubjectKind, TimelineEvent


@require_safe
@team_page
def fact(request: TeamRequest, pk: int) -> HttpResponse:
    """`/facts/{id}`: what occurred, when we recorded it, its whole payload, and the delivery it came in."""
    found: TimelineEvent = TimelineEvent.objects.filter(team=request.team, pk=pk).first() or elsewhere(
        request, TimelineEvent, {"pk": pk}
    )
    context = {
        "fact": found,
        "line": line(found, integration_names(request.team)),
        "payload": payload_text(found),
        "identity": bytes(found.identity).hex(),
        "back": subject_path(found),
        "deliveries": InboundDelivery.objects.filter(team=request.team, fact=found).defer("body", "headers")[:5],
    }
    return show(request, "incidents/fact.html", context)


def subject_path(found: TimelineEvent) -> str:
    """The path of the page of what the fact is about."""
    if found.subject_kind != SubjectKind.INCIDENT:
        return f"/{found.subject_kind}s/{found.subject_id}"
    incident = Incident.objects.filter(pk=found.subject_id).only("uuid").first()
    if incident is None:
        raise Http404
    return f"/incidents/{incident.uuid}"
