"""
The overview: what is broken now, since when, who has it, what was done; and whether we are still being told.

Everything on it is bounded: the worst of what there is, and where to find the rest.
"""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from config.clock import now
from config.health import loops
from config.times import rfc3339
from dashboard.access import TeamRequest, team_page
from dashboard.frame import counted, counts, show
from dashboard.logbook import Line, line
from incidents.holding import holders
from integrations.models import InboundDelivery
from integrations.waiting import newest_waiting
from monitors.models import Resource, Status
from teams.models import Role, Team
from timeline.models import SubjectKind, TimelineEvent

INCIDENTS_SHOWN = 30
RESOURCES_SHOWN = 12
INTEGRATIONS_SHOWN = 20
WORRYING = (Status.DOWN, Status.VERIFYING_RECOVERY, Status.MAINTENANCE)


@require_safe
@team_page
def overview(request: TeamRequest) -> HttpResponse:
    """`/`: what is broken now. Asked by htmx: the same without the frame, with the frame's counts beside it."""
    team = request.team
    incidents = live_incidents(team)
    context = counts(request) | {
        "incidents": incidents[:INCIDENTS_SHOWN],
        "there_are_more": len(incidents) > INCIDENTS_SHOWN,
        "resources": worrying_resources(team),
        "paused": {"monitors": paused(team.monitors.all()), "heartbeats": paused(team.heartbeats.all())},
        "integrations": heard_from(team),
        "waiting": newest_waiting(team, now()),
        "may_apply": request.membership.may(Role.RESPONDER),
        "stopped": [loop for loop in loops() if loop.stopped],
        "is_live_refresh": bool(request.htmx),
    }
    if not context["integrations"]:
        context |= {"origin": request.build_absolute_uri("/").rstrip("/"), "dt": rfc3339(now())}
    return show(request, "overview/page.html", context, fragment="overview/_now.html")


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


def worrying_resources(team: Team) -> list[Resource]:
    """Monitors and heartbeats that are neither up nor paused, those that changed last first."""
    found: list[Resource] = []
    for resources in (team.monitors.all(), team.heartbeats.all()):
        found += resources.filter(status__in=WORRYING, destroyed_at__isnull=True).order_by("-id")[:RESOURCES_SHOWN]
    return sorted(found, key=lambda one: (one.status != Status.DOWN, -(one.status_since or one.created_at).timestamp()))


def paused(resources: QuerySet[Any]) -> str:
    """How many are paused: "", "7" or "99+"."""
    return counted(resources.filter(status=Status.PAUSED, destroyed_at__isnull=True))


def heard_from(team: Team) -> list[dict[str, Any]]:
    """The team's open integrations: {"integration", "delivery"}, the newest delivery of each (or None)."""
    newest = InboundDelivery.objects.filter(integration=OuterRef("pk")).order_by("-id").values("pk")[:1]
    found = team.integrations.filter(deactivated_at__isnull=True).annotate(newest=Subquery(newest))
    integrations = list(found.order_by("name", "id")[:INTEGRATIONS_SHOWN])
    wanted = [integration.newest for integration in integrations if integration.newest]
    deliveries = InboundDelivery.objects.defer("body", "headers").in_bulk(wanted)
    return [{"integration": each, "delivery": deliveries.get(each.newest)} for each in integrations]
