"""
Monitors and heartbeats: two lists and two pages that differ in names only.

Not here: making and changing them (managing).
"""

from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from config.paging import Order, page
from dashboard.access import TeamRequest, reached, team_page
from dashboard.forms import ResourceFilters
from dashboard.frame import show
from dashboard.logbook import LINES, NEWEST_FIRST, lines
from dashboard.sources import is_unheard
from dashboard.views.incidents import integration_names, listed
from dashboard.views.lists import older
from incidents.models import Incident
from monitors import spans
from monitors.attention import in_order_of_urgency, not_up
from monitors.models import Heartbeat, Monitor, Resource, Type
from teams.models import Role
from timeline.models import SubjectKind, TimelineEvent

ROWS = 30
INCIDENTS_SHOWN = 10
NEWEST: Order = [("id", "desc")]
URGENT: Order = [("place", "asc"), ("since", "desc"), ("id", "desc")]
WORDS = {"monitors": ("Monitors", "monitor"), "heartbeats": ("Heartbeats", "heartbeat")}


@require_safe
@team_page
def resources(request: TeamRequest, relation: str) -> HttpResponse:
    """`/monitors`, `/heartbeats`: those of the team that the filter leaves, newest first; what is not up by urgency."""
    filters = ResourceFilters(request.GET)
    found = filters.fitting(narrowed(getattr(request.team, relation).all(), filters.chosen()))
    order = URGENT if filters.chosen().get("status") == "not_up" else NEWEST
    rows, cursor = page(found, order, ROWS, request.GET.get("cursor"))
    heading, kind = WORDS[relation]
    context = {
        "filters": filters,
        "resources": rows,
        "more": older(request, cursor),
        "heading": heading,
        "kind": kind,
        "may_manage": request.membership.may(Role.MANAGER),
        "unheard": partial(is_unheard, request.team),
    }
    name_sources(rows, integration_names(request.team))
    status = 200 if filters.is_valid() else 400
    return show(request, "monitors/page.html", context, fragment="monitors/_rows.html", status=status)


def name_sources(rows: list[Any], names: dict[int, str]) -> None:
    """Say at each mirrored resource which integration it comes from; `names`: id → name."""
    for each in rows:
        each.told_by = None if each.is_native else names.get(each.integration_id, "a deleted integration")


def narrowed(found: QuerySet[Any], chosen: dict[str, Any]) -> QuerySet[Any]:
    """The resources in the chosen state; deleted ones only where they are asked for."""
    if chosen.get("status") == "destroyed":
        return found.filter(destroyed_at__isnull=False)
    present = found.filter(destroyed_at__isnull=True)
    if chosen.get("status") == "not_up":
        return in_order_of_urgency(not_up(present))
    return present.filter(status=chosen["status"]) if "status" in chosen else present


@require_safe
@team_page
def resource(request: TeamRequest, relation: str, pk: int) -> HttpResponse:
    """`/monitors/{id}`, `/heartbeats/{id}`: one of them, its incidents, and all that happened to it."""
    found: Resource = reached(request, relation, pk=pk)
    facts = TimelineEvent.objects.filter(resource_kind=found.kind, resource_id=found.pk)
    rows, cursor = page(facts, NEWEST_FIRST, LINES, request.GET.get("cursor"))
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
    return list(listed(about).order_by("-started_at", "-id")[:INCIDENTS_SHOWN])
