"""
Incidents: the list with its filters, one incident with its timeline, and its investigation notes.

Not here: what else is done to them (acting, declaring, correcting), what a note does to the record
(incidents.lifecycle).
"""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from config.clock import now
from config.filtering import Place
from config.paging import page
from dashboard.access import TeamRequest, reached, require, team_page
from dashboard.acts import ACTS, IN_BULK, Act, offer
from dashboard.answers import left
from dashboard.doubled import done_once
from dashboard.forms import NoteForm
from dashboard.frame import counts, show
from dashboard.logbook import LINES, lines
from dashboard.mirroring import kept_aside, reach_of
from dashboard.sources import is_unheard
from dashboard.views.lists import as_csv, older, page_of
from incidents import grouping, lifecycle
from incidents.filters import IncidentFilters, in_order
from incidents.holding import holder_of
from incidents.models import Incident
from teams.models import Role, Team
from timeline.models import CHRONOLOGY, Effect, SubjectKind, TimelineEvent

NOTES = 30
LEGS = ("acknowledged", "resolved", "closed", "destroyed")


@require_safe
@team_page
def incidents(request: TeamRequest) -> HttpResponse:
    """`/incidents`: those of the team that the filters leave, newest first."""
    rows, context, status = page_of(request, chosen_incidents(request))
    context |= {"incidents": rows, "unheard": partial(is_unheard, request.team)} | work_on_list(request)
    context["csv"] = as_csv(request, "incidents-csv")
    return show(request, "incidents/page.html", context, fragment="incidents/_rows.html", status=status)


def chosen_incidents(request: TeamRequest) -> IncidentFilters:
    """What the list shows, newest first."""
    everything = in_order(request.team.incidents.defer("search"))
    return IncidentFilters(request.GET, everything, place=Place.PAGE, team=request.team)


def work_on_list(request: TeamRequest) -> dict[str, Any]:
    """What a responder finds on the list besides: {"may_work", "bulk", "answers"}."""
    may_work = request.membership.may(Role.RESPONDER)
    if not may_work or request.htmx:
        return {"may_work": may_work}
    return {"may_work": True, "bulk": [ACTS[verb](request.team) for verb in IN_BULK], "answers": left(request)}


def back_to_list(request: TeamRequest) -> HttpResponse:
    """To the list with the filters and at the page that the request's query string names."""
    query = request.GET.urlencode()
    return redirect(reverse("incidents") + (f"?{query}" if query else ""))


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
@done_once
def incident(request: TeamRequest, uuid: UUID) -> HttpResponse:
    """`/incidents/{uuid}`: one incident. POST adds an investigation note."""
    found: Incident = reached(request, "incidents", uuid=uuid)
    if request.method != "POST":
        return incident_page(request, found)
    require(request, Role.RESPONDER)
    form = NoteForm(request.POST)
    if not form.is_valid():
        return incident_page(request, found, note=form, status=422 if request.htmx else 400)
    lifecycle.comment(found, by=request.user, at=now(), message=form.cleaned_data["message"])
    messages.success(request, "Note added.")
    if request.htmx:
        return incident_page(request, reached(request, "incidents", pk=found.pk))
    return redirect(reverse("incident", args=[found.uuid]) + "#notes")


def incident_page(
    request: TeamRequest, found: Incident, *, note: NoteForm | None = None, sent: Act | None = None, status: int = 200
) -> HttpResponse:
    """
    The page of an incident. Asked by htmx: after an act its content, with the frame's count; else older facts alone.
    `note` and `sent` are forms that came back.
    """
    context = told(request, found)
    if request.membership.may(Role.RESPONDER):
        context |= {
            "form": note or NoteForm(),
            "may_write": True,
            "offer": offer(found, request.team, request.user, sent),
        }
    if request.method == "POST":
        context |= counts(request)
    fragment = "incidents/_acted.html" if request.method == "POST" else "incidents/_timeline.html"
    return show(request, "incidents/incident.html", context, fragment=fragment, status=status)


def told(request: TeamRequest, found: Incident) -> dict[str, Any]:
    """What the page of an incident shows, apart from what can be done."""
    facts = TimelineEvent.objects.filter(subject_kind=SubjectKind.INCIDENT, subject_id=found.pk)
    rows, cursor = page(facts, CHRONOLOGY, LINES, request.GET.get("cursor"))
    names = integration_names(request.team)
    return {
        "incident": found,
        "timeline": lines(rows, names),
        "may_correct": request.membership.may(Role.RESPONDER),
        "may_manage": request.membership.may(Role.MANAGER),
        "more": older(request, cursor, reverse("incident", args=[found.uuid])),
        "notes": notes(facts),
        "legs": legs(found, facts),
        "holder": holder_of(found),
        "group": grouping.group_of(found),
        "reach": reach_of(found),
        "kept_aside": kept_aside(found),
        "affected": affected(facts) if found.is_native else [],
        "source": names.get(found.integration_id) if found.integration_id else None,
    }


def notes(facts: QuerySet[TimelineEvent]) -> list[TimelineEvent]:
    """The newest investigation notes; all of them also stand in the timeline."""
    shown = facts.filter(event="incident.commented", effect=Effect.APPLIED)
    return list(shown.order_by("-occurred_at", "-rank", "-identity")[:NOTES])


def affected(facts: QuerySet[TimelineEvent]) -> list[dict[str, Any]]:
    """What an incident that was declared here affects: {"type", "id", "name"}."""
    first = facts.filter(event="incident.started", integration_id=None).order_by("occurred_at", "rank", "identity")
    return first.values_list("payload__affected_monitors", flat=True).first() or []


def legs(found: Incident, facts: QuerySet[TimelineEvent]) -> list[dict[str, Any]]:
    """The incident's course: {"name", "at", "by"} for each leg, those ahead without a time."""
    moments = {name: getattr(found, f"{name}_at") for name in LEGS}
    turning = facts.filter(
        occurred_at__in=[at for at in moments.values() if at],
        event__in=[f"incident.{name}" for name in LEGS],
        effect=Effect.APPLIED,
    )
    by = {fact.event: fact.user_name or fact.user_email or "" for fact in turning.defer("payload")}
    shown = [name for name in LEGS if moments[name] or name in ("acknowledged", "resolved")]
    return [{"name": name, "at": moments[name], "by": by.get(f"incident.{name}", "")} for name in shown]


def integration_names(team: Team) -> dict[int, str]:
    """The team's integrations: id → name."""
    return dict(team.integrations.values_list("pk", "name"))
