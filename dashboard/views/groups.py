"""
Groups of incidents: a list, and the page of one with its incidents and their merged chronology.

Not here: what the verbs do (incidents.grouping), putting incidents in and taking them out (acting).
"""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from config.clock import now
from config.numbers import whole_numbers
from config.paging import Order, cursor_after, position
from config.statements import fetch
from dashboard.access import TeamRequest, reached, require, team_page
from dashboard.answers import Answer, leave, left
from dashboard.frame import show
from dashboard.logbook import LINES, lines
from dashboard.views.incidents import integration_names
from dashboard.views.lists import list_page, older
from incidents.filters import GroupFilters, in_order
from incidents.grouping import Done, incidents_of, live_in, resolve_some
from incidents.models import Incident, IncidentGroup
from teams.models import Role
from timeline.models import CHRONOLOGY, TimelineEvent

INCIDENTS_SHOWN = 100
# As many incidents' facts are merged.
MERGED = 500
# The same vendor's event may stand in two incidents.
MERGED_ORDER: Order = [*CHRONOLOGY, ("id", "desc")]


@require_safe
@team_page
def groups(request: TeamRequest) -> HttpResponse:
    """`/groups`: those of the team, newest first."""
    rows, context, _ = list_page(request, request.team.incident_groups.all(), GroupFilters)
    names = integration_names(request.team)
    shown = [{"group": each, "live": incidents_of(each).live().count(), "source": source(each, names)} for each in rows]
    return show(request, "groups/page.html", context | {"groups": shown}, fragment="groups/_rows.html")


@require_safe
@team_page
def group(request: TeamRequest, pk: int) -> HttpResponse:
    """`/groups/{id}`: its incidents and what happened to them, newest first."""
    found: IncidentGroup = reached(request, "incident_groups", pk=pk)
    return group_page(request, found, left(request))


def group_page(
    request: TeamRequest, found: IncidentGroup, answers: list[Answer], to_go: set[int] | None = None
) -> HttpResponse:
    """The page of a group. `to_go` are the incidents that are still to be resolved of those that were wanted."""
    newest = list(in_order(incidents_of(found)).defer("search").order_by("-started_at", "-id")[: MERGED + 1])
    rows, cursor = chronology(newest[:MERGED], request.GET.get("cursor"))
    names, live = integration_names(request.team), live_in([found])
    resolvable = sorted(live if to_go is None else to_go)
    context = {
        "group": found,
        "incidents": newest[:INCIDENTS_SHOWN],
        "is_longer": len(newest) > INCIDENTS_SHOWN,
        "live": len(live),
        "resolvable": resolvable,
        "ids": " ".join(map(str, resolvable)),
        "goes_on": to_go is not None,
        "timeline": lines(rows, names, {each.pk: each for each in newest}),
        "more": older(request, cursor, reverse("group", args=[found.pk])),
        "source": source(found, names),
        "may_write": request.membership.may(Role.RESPONDER),
        "answers": answers,
    }
    return show(request, "groups/group.html", context, fragment="incidents/_timeline.html")


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def resolve(request: TeamRequest, pk: int) -> HttpResponse:
    """
    `/groups/{id}/resolve`: resolves what is live in it of what its sender saw as live, some at a time, and says of each
    what became of it. While some are to go, the answer is the page from which it goes on.
    """
    found: IncidentGroup = reached(request, "incident_groups", pk=pk)
    if request.method != "POST":
        return redirect("group", pk=found.pk)
    require(request, Role.RESPONDER)
    live = live_in([found])
    seen = whole_numbers(request.POST["live"]) if "live" in request.POST else live
    done = resolve_some(found, seen & live, by=request.user, at=now())
    to_go = seen & live - {each.incident.pk for each in done}
    resolved = len([each for each in done if each.fact])
    for sentence in summary(resolved, len(to_go), len(seen - live), len(live - seen)):
        messages.info(request, sentence)
    answers = [answered(each) for each in done]
    if to_go:
        return group_page(request, found, answers, to_go)
    leave(request, answers)
    return redirect("group", pk=found.pk)


def summary(resolved: int, to_go: int, ended: int, added: int) -> list[str]:
    """What became of all that somebody saw as live, and of what came since, in sentences."""
    sentences = [
        (resolved, f"{resolved} resolved."),
        (to_go, f"{to_go} of those you saw as live {'is' if to_go == 1 else 'are'} to go."),
        (ended, f"{ended} of those you saw as live had ended already."),
        (added, f"{added} became live in this group since you looked, and nothing was done to them."),
    ]
    return [said for number, said in sentences if number] or ["Nothing in this group is live."]


def answered(done: Done) -> Answer:
    """What became of one of a group's incidents, in words."""
    words = done.refused.message if done.refused else "Resolved." if done.fact else "It was resolved already."
    return Answer(str(done.incident.uuid), str(done.incident)[:200], done.refused is None, words)


def source(group: IncidentGroup, names: dict[int, str]) -> str:
    """Through which integration a group is known; "" for our own."""
    return names.get(group.integration_id, "a deleted integration") if group.integration_id else ""


# The newest facts of each of several incidents, merged: as many steps into an index as there are incidents.
MERGE = """
SELECT f.id FROM unnest(%(incidents)s::bigint[]) AS i(id) CROSS JOIN LATERAL (
    SELECT e.id, e.occurred_at, e.rank, e.identity FROM timeline_timelineevent e
    WHERE e.subject_kind = 'incident' AND e.subject_id = i.id {behind}
    ORDER BY e.occurred_at DESC, e.rank DESC, e.identity DESC LIMIT %(most)s
) AS f ORDER BY f.occurred_at DESC, f.rank DESC, f.identity DESC, f.id DESC LIMIT %(most)s
"""
BEHIND = """
AND (e.occurred_at, e.rank, e.identity) <= (%(at)s, %(rank)s, %(identity)s)
AND (e.occurred_at, e.rank, e.identity, e.id) < (%(at)s, %(rank)s, %(identity)s, %(id)s)
"""


def chronology(incidents: list[Incident], cursor: str | None) -> tuple[list[TimelineEvent], str | None]:
    """The newest facts of some incidents behind a cursor, and the cursor of what follows them."""
    asked: dict[str, Any] = {"incidents": [each.pk for each in incidents], "most": LINES + 1}
    if cursor:
        after = position(TimelineEvent.objects.all(), MERGED_ORDER, cursor)
        asked |= zip(("at", "rank", "identity", "id"), after, strict=True)
    ids = [pk for (pk,) in fetch(MERGE.format(behind=BEHIND if cursor else ""), asked)]
    facts = TimelineEvent.objects.in_bulk(ids[:LINES])
    rows = [facts[pk] for pk in ids[:LINES]]
    return rows, cursor_after(rows[-1], MERGED_ORDER) if len(ids) > LINES else None
