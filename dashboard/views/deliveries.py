"""
Deliveries: what came in, as it came in, and what became of it; replaying what is in quarantine, and applying now what
is dated ahead and waits.

Not here: judging and applying (integrations.ingest).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from config.clock import now
from config.filtering import Place
from config.rawtext import indented, visible
from dashboard.access import TeamRequest, reached, require, team_page
from dashboard.frame import counted, counts, show
from dashboard.views.lists import as_csv, page_of
from incidents.models import Incident
from integrations import replay
from integrations.filters import DeliveryFilters
from integrations.models import InboundDelivery, Verdict
from integrations.waiting import ahead_by, waiting
from teams.models import Role, Team
from timeline.models import TimelineEvent


@require_safe
@team_page
def deliveries(request: TeamRequest) -> HttpResponse:
    """`/deliveries`: those of the team that the filters leave, newest first; the quarantine is named in any case."""
    rows, context, status = page_of(request, chosen_deliveries(request))
    context |= {
        "csv": as_csv(request, "deliveries-csv"),
        "deliveries": rows,
        "quarantined": counts(request)["quarantined"],
        "waiting": counted(waiting(request.team)),
        "may_replay": request.membership.may(Role.RESPONDER),
    }
    return show(request, "deliveries/page.html", context, fragment="deliveries/_rows.html", status=status)


def chosen_deliveries(request: TeamRequest) -> DeliveryFilters:
    """What the list shows, newest first."""
    received = request.team.deliveries.select_related("integration").defer("body", "headers")
    return DeliveryFilters(request.GET, received, place=Place.PAGE, team=request.team)


@require_safe
@team_page
def delivery(request: TeamRequest, pk: int) -> HttpResponse:
    """`/deliveries/{id}`: one delivery: its bytes, headers and verdict, and what it led to."""
    found: InboundDelivery = reached(request, "deliveries", pk=pk)
    context = {
        "delivery": found,
        "raw": visible(bytes(found.body)),
        "details": indented(found.error["details"]) if found.error and found.error.get("details") else "",
        "may_replay": request.membership.may(Role.RESPONDER) and replay.can_be_replayed(found),
        "ahead": ahead_by(found, now()) if found.status == Verdict.WAITING else None,
        "may_apply": request.membership.may(Role.RESPONDER) and found.status == Verdict.WAITING,
    } | led_to(found)
    return show(request, "deliveries/delivery.html", context)


def led_to(found: InboundDelivery) -> dict[str, Any]:
    """What a delivery led to: {"incident", "fact"}, each None where there is none."""
    incident = fact = None
    if found.incident_id is not None:
        incident = Incident.objects.filter(team_id=found.team_id, pk=found.incident_id).defer("search").first()
    if found.fact_id is not None:
        fact = TimelineEvent.objects.filter(pk=found.fact_id).defer("payload").first()
    return {"incident": incident, "fact": fact}


@require_safe
@team_page
def body(request: TeamRequest, pk: int) -> HttpResponse:
    """`/deliveries/{id}/body`: the exact bytes, as a file that no browser opens by itself."""
    found: InboundDelivery = reached(request, "deliveries", pk=pk)
    headers = {"Content-Disposition": f'attachment; filename="delivery-{found.pk}.bin"'}
    return HttpResponse(bytes(found.body), content_type="application/octet-stream", headers=headers)


# --- replaying, and applying now --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Redoing:
    """A way to have deliveries judged or applied anew: which ones, one of them, all of them; and what is said of it."""

    template: str
    can_be: Callable[[InboundDelivery], bool]
    redo: Callable[..., replay.Change]
    is_done: Callable[[str], bool]
    done: str
    not_done: str
    all_of: Callable[[Team], QuerySet[InboundDelivery]]
    hand_on: Callable[..., int]
    handed_on: str
    refused: str
    refused_cut: str


REPLAYING = Redoing(
    template="deliveries/replay.html",
    can_be=replay.can_be_replayed,
    redo=replay.replay,
    is_done=lambda verdict: verdict not in replay.REPLAYABLE,
    done="Replayed: {}.",
    not_done="Replayed, and still {}.",
    all_of=replay.quarantine,
    hand_on=replay.replay_all,
    handed_on="Handed to the worker again: {}. What still can’t be applied comes back.",
    refused="It was not replayed: it is {}.",
    refused_cut="It was not replayed: only the beginning of it is kept.",
)
APPLYING = Redoing(
    template="deliveries/apply.html",
    can_be=lambda found: found.status == Verdict.WAITING,
    redo=replay.apply_now,
    is_done=lambda verdict: verdict == Verdict.APPLIED,
    done="Applied, dated when it was received.",
    not_done="It could not be applied: {}.",
    all_of=waiting,
    hand_on=replay.apply_all_now,
    handed_on="Handed to the worker: {}, each dated when it was received.",
    refused="It waits no longer: {}.",
    refused_cut="It waits no longer: {}.",
)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def redo_one(request: TeamRequest, pk: int, way: Redoing) -> HttpResponse:
    """`/deliveries/{id}/replay`, `/deliveries/{id}/apply`: what that would change; POST does it."""
    found: InboundDelivery = reached(request, "deliveries", pk=pk)
    require(request, Role.RESPONDER)
    if request.method != "POST":
        changes = replay.dry_run([found], by=request.user, at=now()) if way.can_be(found) else []
        context = {"delivery": found, "changes": changes, "number": "1", "is_of_use": is_of_use(changes)}
        return show(request, way.template, context | {"ahead": ahead_by(found, now())})
    if way.can_be(found):
        verdict = way.redo(found, by=request.user, at=now()).verdict
        is_done = way.is_done(verdict)
        words = (way.done if is_done else way.not_done).format(verdict)
        messages.add_message(request, messages.SUCCESS if is_done else messages.WARNING, words)
    else:
        messages.info(request, (way.refused if found.size is None else way.refused_cut).format(found.status))
    return redirect("delivery", pk=found.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def redo_all(request: TeamRequest, way: Redoing) -> HttpResponse:
    """`/deliveries/replay`, `/deliveries/apply`: what that would change of all that it is for; POST does it."""
    require(request, Role.RESPONDER)
    if request.method == "POST":
        number = way.hand_on(request.team, by=request.user, at=now())
        messages.success(request, way.handed_on.format(number))
        return redirect("deliveries")
    found = way.all_of(request.team)
    tried = found.filter(replay.WHOLE).defer("body", "headers")[: replay.DRY_RUN_AT_MOST]
    changes = replay.dry_run(tried, by=request.user, at=now())
    context = {"changes": changes, "number": counted(found), "is_of_use": is_of_use(changes)}
    return show(request, way.template, context)


def is_of_use(changes: list[replay.Change]) -> bool:
    """Whether doing it again would change anything, as far as a dry run looked."""
    return any(each.is_any for each in changes) or len(changes) >= replay.DRY_RUN_AT_MOST
