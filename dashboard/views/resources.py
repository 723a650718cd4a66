"""
Monitors and heartbeats: two lists and two pages that differ in names only.

Not here: making and changing them (managing).
"""

from functools import partial
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from config.paging import page
from dashboard.access import TeamRequest, reached, team_page
from dashboard.frame import show
from dashboard.logbook import LINES, lines
from dashboard.sources import is_unheard
from dashboard.views.incidents import integration_names
from dashboard.views.lists import list_page, older
from incidents.filters import in_order
from incidents.models import Incident
from monitors import spans
from monitors.filters import ResourceFilters
from monitors.models import Heartbeat, Monitor, Resource, Type
from teams.models import Role
from timeline.models import CHRONOLOGY, SubjectKind, TimelineEvent

INCIDENTS_SHOWN = 10
WORDS = {"monitors": ("Monitors", "monitor"), "heartbeats": ("Heartbeats", "heartbeat")}


@require_safe
@team_page
def resources(request: TeamRequest, relation: str) -> HttpResponse:
    """`/monitors`, `/heartbeats`: those of the team that the filter leaves, newest first; what is not up by urgency."""
    rows, context, status = list_page(request, getattr(request.team, relation).all(), ResourceFilters)
    heading, kind = WORDS[relation]
    context |= {
        "resources": rows,
        "heading": heading,
        "kind": kind,
        "may_manage": request.membership.may(Role.MANAGER),
        "unheard": partial(is_unheard, request.team),
    }
    name_sources(rows, integration_names(request.team))
    return show(request, "monitors/page.html", context, fragment="monitors/_rows.html", status=status)


def name_sources(rows: list[Any], names: dict[int, str]) -> None:
    """Say at each mirrored resource which integration it comes from; `names`: id → name."""
    for each in rows:
        each.told_by = None if each.is_native else names.get(each.integration_id, "a deleted integration")


@require_safe
@team_page
def resource(request: TeamRequest, relation: str, pk: int) -> HttpResponse:
    """`/monitors/{id}`, `/heartbeats/{id}`: one of them, its incidents, and all that happened to it."""
    found: Resource = reached(request, relation, pk=pk)
    facts = TimelineEvent.objects.filter(resource_kind=found.kind, resource_id=found.pk)
    rows, cursor = page(facts, CHRONOLOGY, LINES, request.GET.get("cursor"))
    names = integration_names(request.team)
    heading, kind = WORDS[relation]
    context = {
        "resource": found,
        "kind": kind,
        "heading": heading,
        "relation": relation,
        "incidents": recent_incidents(found),
        "timeline": lines(rows, names, incidents_of(rows)),
        "more": older(request, cursor),
        "source": names.get(found.integration_id) if found.integration_id else None,
        "details": details(found),
        "may_manage": request.membership.may(Role.MANAGER) and found.is_changeable,
        "may_correct": False,  # that is done where they belong
    }
    return show(request, "monitors/resource.html", context, fragment="incidents/_timeline.html")


def details(found: Resource) -> list[tuple[str, str]]:
    """What people gave, or a source told, beside the name: (word, text)."""
    if isinstance(found, Monitor):
        known = dict(Type.choices) if found.is_native else {}
        return [("Type", known.get(found.type, found.type))] if found.type else []
    if not isinstance(found, Heartbeat) or found.period is None or found.grace is None:
        return []
    return [("Reports once in", spans.written(found.period)), ("May be late by", spans.written(found.grace))]


def incidents_of(facts: list[TimelineEvent]) -> dict[int, Incident]:
    """The incidents that facts are about, by id."""
    ids = {fact.subject_id for fact in facts if fact.subject_kind == SubjectKind.INCIDENT}
    return Incident.objects.only("uuid", "title").in_bulk(ids)


def recent_incidents(found: Resource) -> list[Incident]:
    """The newest incidents about a resource."""
    about = Incident.objects.filter(team_id=found.team_id, resource_type=found.kind, resource_id=found.pk)
    return list(in_order(about).defer("search").order_by("-started_at", "-id")[:INCIDENTS_SHOWN])
