"""
The overview: what is broken now, since when, who has it, what was done; and whether we are still being told.

Everything on it is bounded: the worst of what there is, and where to find the rest.
"""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from config.clock import now
from config.health import loops
from dashboard.access import TeamRequest, team_page
from dashboard.frame import COUNT_UP_TO, counted, counts, show, up_to_99
from dashboard.logbook import Line, line
from dashboard.sources import first_steps, is_unheard, sources
from incidents.holding import holders
from integrations.waiting import newest_waiting
from monitors.attention import first_not_up, not_up, urgency
from monitors.models import Status
from teams.models import Role, Team
from timeline.models import SubjectKind, TimelineEvent

INCIDENTS_SHOWN = 30
RESOURCES_SHOWN = 12
SOURCES_SHOWN = 20


@require_safe
@team_page
def overview(request: TeamRequest) -> HttpResponse:
    """`/`: what is broken now. Asked by htmx: the same without the frame, with the frame's counts beside it."""
    team, at = request.team, now()
    incidents, told = live_incidents(team), sources(team, at)
    context = counts(request) | {
        "incidents": incidents[:INCIDENTS_SHOWN],
        "there_are_more": len(incidents) > INCIDENTS_SHOWN,
        "not_up": those_not_up(team),
        "paused": {"monitors": paused(team.monitors.all()), "heartbeats": paused(team.heartbeats.all())},
        "sources": told[:SOURCES_SHOWN],
        "silent": [each for each in told if each.is_silent],
        "never_heard": [each for each in told if each.delivery is None],
        "waiting": newest_waiting(team, at),
        "may_apply": request.membership.may(Role.RESPONDER),
        "stopped": [loop for loop in loops() if loop.stopped],
        "is_live_refresh": bool(request.htmx),
    }
    if all(each.delivery is None for each in told) and is_unheard(team):
        context["first"] = first_steps(request, [each.integration for each in told], at)
    return show(request, "overview/page.html", context | {"state": state_of(context)}, fragment="overview/_now.html")


def state_of(context: dict[str, Any]) -> str:
    """
    What the overview says first: `alarm` (something is live), `watch` (something is not up), `waiting` (something is
    dated ahead), `unheard` (nothing was ever received), `doubt` (that nothing is heard may not mean that nothing
    happens), else `calm`.
    """
    if context["incidents"]:
        return "alarm"
    if context["not_up"]["shown"]:
        return "watch"
    if context["waiting"]:
        return "waiting"
    if "first" in context:
        return "unheard"
    is_vouched_for = context["sources"] and not (context["silent"] or context["never_heard"] or context["stopped"])
    return "calm" if is_vouched_for else "doubt"


@require_safe
@team_page
def heard(request: TeamRequest) -> HttpResponse:
    """`/heard`: asked by a page that waits for a team's first event, which is loaded again as soon as that came."""
    if not request.htmx:
        return redirect("overview")
    return HttpResponse(status=204) if is_unheard(request.team) else HttpResponseClientRefresh()


def live_incidents(team: Team) -> list[dict[str, Any]]:
    """The worst live incidents, one more than are shown: {"incident", "holder", "last"}."""
    ordered = team.incidents.live().order_by("severity_place", "status_place", "-started_at", "-id")
    worst = list(ordered.annotate(last=last_fact())[: INCIDENTS_SHOWN + 1])
    told, have = lines_by_id([one.last for one in worst if one.last], team), holders(worst)
    return [
        {"incident": incident, "holder": have.get(incident.pk), "last": told.get(incident.last)} for incident in worst
    ]


def last_fact() -> Subquery:
    """The id of an incident's last fact by order: one step into the chronology's index."""
    facts = TimelineEvent.objects.filter(subject_kind=SubjectKind.INCIDENT, subject_id=OuterRef("pk"))
    return Subquery(facts.order_by("-occurred_at", "-rank", "-identity").values("pk")[:1])


def lines_by_id(ids: list[int], team: Team) -> dict[int, Line]:
    """Facts of the team as lines, by id."""
    facts = TimelineEvent.objects.filter(team=team, pk__in=ids)
    names = dict(team.integrations.values_list("pk", "name"))
    return {fact.pk: line(fact, names) for fact in facts}


def those_not_up(team: Team) -> dict[str, Any]:
    """
    Monitors and heartbeats that are not up, those that are down first and the newest of them: {"shown", "number"}, and
    where there are more than are shown how many {"monitors", "heartbeats"}. Numbers are "", "7" or "99+".
    """
    kinds: dict[str, QuerySet[Any]] = {"monitors": team.monitors.all(), "heartbeats": team.heartbeats.all()}
    found = [one for resources in kinds.values() for one in first_not_up(resources, RESOURCES_SHOWN + 1)]
    shown = sorted(found, key=urgency)[:RESOURCES_SHOWN]
    if len(found) == len(shown):
        return {"shown": shown, "number": up_to_99(len(shown))}
    numbers = {kind: not_up(resources).order_by()[: COUNT_UP_TO + 1].count() for kind, resources in kinds.items()}
    return {"shown": shown, "number": up_to_99(sum(numbers.values()))} | {
        kind: up_to_99(number) for kind, number in numbers.items()
    }


def paused(resources: QuerySet[Any]) -> str:
    """How many are paused: "", "7" or "99+"."""
    return counted(resources.filter(status=Status.PAUSED, destroyed_at__isnull=True))
