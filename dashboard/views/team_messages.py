"""
The messages that a team's endpoints were sent, for its managers: which, when, how often tried, and sending one again.

Not here: the endpoints (team_endpoints), what is looked for how (timeline.outbound.log).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from config.clock import now
from config.errors import Conflict
from config.rawtext import indented
from config.trail import noted
from dashboard.access import TeamRequest, require, team_page
from dashboard.answers import UNCHANGED
from dashboard.views.lists import list_page
from dashboard.views.team import managing, record, team_show
from incidents.models import Incident
from teams.models import Role, Team
from timeline.events import INCIDENT, RESOURCES
from timeline.outbound import lifecycle, log
from timeline.outbound.filters import MessageFilters
from timeline.outbound.models import Endpoint, Message, Progress

# A payload may have some 64 KiB; this much of it stands on the page, the rest in the download.
SHOWN = 64 * 1024


@dataclass(frozen=True)
class About:
    """What a message is about, in words, and where that is seen ("" if nowhere)."""

    words: str
    url: str = ""


Listed = list[tuple[Message, Endpoint, About]]


@require_safe
@team_page
def messages_sent(request: TeamRequest) -> HttpResponse:
    """`/team/messages`: those that the filters leave, the newest first."""
    require(request, Role.MANAGER)
    sent = request.team.messages.defer("body")
    rows, context, status = list_page(request, sent, MessageFilters, incidents=Incident)
    context |= {
        "messages_sent": listed(request.team, rows),
        "incident": incident_of(request.team, context["filters"].cleaned_data.get("incident")),
        "has_endpoints": log.live(request.team).exists(),
    }
    return team_show(request, "team/messages.html", context, fragment="team/_messages.html", status=status)


def incident_of(team: Team, uuid: UUID | None) -> Incident | None:
    """The team's incident that a list is narrowed to."""
    return team.incidents.filter(uuid=uuid).defer("search").first() if uuid else None


def listed(team: Team, found: Sequence[Message]) -> Listed:
    """Messages, each with its endpoint and what it is about."""
    endpoints = team.endpoints.in_bulk({each.endpoint_id for each in found})
    numbers = {each.subject_id for each in found if each.subject_kind == INCIDENT}
    incidents = team.incidents.defer("search").in_bulk(numbers) if numbers else {}
    return [(each, endpoints[each.endpoint_id], about(each, incidents.get(each.subject_id))) for each in found]


def about(message: Message, incident: Incident | None) -> About:
    """What a message is about; `incident` is the one of that number."""
    kind, number = message.subject_kind, message.subject_id
    if kind == INCIDENT and incident:
        return About(incident.title or "Untitled incident", reverse("incident", args=[incident.uuid]))
    if kind in RESOURCES:
        return About(f"{kind.capitalize()} {number}", reverse(kind, args=[number]))
    return About("A test" if message.fact_id is None else f"{kind.capitalize()} {number}")


@require_safe
@team_page
def message(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/messages/{id}`: what is sent, with which headers, and every attempt. Asked by htmx: how far it is."""
    found: Message = record(request, "messages", pk)
    [(_, endpoint, subject)] = listed(request.team, [found])
    tried = log.attempts(found)
    context = {
        "message": found,
        "endpoint": endpoint,
        "about": subject,
        "attempts": tried,
        "last": next(iter(tried), None),
        "goes_on": found.status in (Progress.NEW, Progress.SENDING) and endpoint.is_enabled,
        "payload": indented(json.loads(found.body))[:SHOWN],
        "size": len(found.body.encode()),
    }
    return team_show(request, "team/message.html", context, fragment="team/_message.html")


@require_safe
@team_page
def body(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/messages/{id}/body`: the exact bytes that are sent, as a file that no browser opens by itself."""
    found: Message = record(request, "messages", pk)
    headers = {"Content-Disposition": f'attachment; filename="message-{found.pk}.json"'}
    return HttpResponse(found.body.encode(), content_type="application/octet-stream", headers=headers)


@require_POST
@team_page
def redeliver(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/messages/{id}/redeliver`: send it once more."""
    found: Message = record(request, "messages", pk)
    try:
        with managing(request):
            if lifecycle.redeliver(found, at=now()):
                noted(request.user, found, "Sent again.")
                messages.success(request, "It is on its way again.")
            else:
                messages.info(request, UNCHANGED)
    except Conflict as refusal:
        messages.error(request, refusal.message)
    return redirect("message", pk=pk)
