"""
Deliveries: what came in, as it came in, and what became of it; replaying what is in quarantine, and applying now what
is dated ahead and waits.

Not here: judging and applying (integrations.ingest).
"""

from typing import Any

from django.contrib import messages
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
from teams.models import Role
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


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def replay_one(request: TeamRequest, pk: int) -> HttpResponse:
    """`/deliveries/{id}/replay`: what replaying it would change; POST does it."""
    found: InboundDelivery = reached(request, "deliveries", pk=pk)
    require(request, Role.RESPONDER)
    if request.method == "POST":
        if replay.can_be_replayed(found):
            announce(request, replay.replay(found, by=request.user, at=now()))
        else:
            why = f"it is {found.status}" if found.size is None else "only the beginning of it is kept"
            messages.info(request, f"It was not replayed: {why}.")
        return redirect("delivery", pk=found.pk)
    changes = replay.dry_run([found], by=request.user, at=now())
    context = {"delivery": found, "changes": changes, "number": "1", "is_of_use": is_of_use(changes)}
    return show(request, "deliveries/replay.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def replay_quarantine(request: TeamRequest) -> HttpResponse:
    """`/deliveries/replay`: what replaying the whole quarantine would change; POST does it."""
    require(request, Role.RESPONDER)
    if request.method == "POST":
        number = replay.replay_all(request.team, by=request.user, at=now())
        messages.success(request, f"Handed to the worker again: {number}. What still can’t be applied comes back.")
        return redirect("deliveries")
    aside = replay.quarantine(request.team).filter(replay.WHOLE)
    tried = aside.defer("body", "headers")[: replay.DRY_RUN_AT_MOST]
    changes = replay.dry_run(tried, by=request.user, at=now())
    context = {"changes": changes, "number": counts(request)["quarantined"], "is_of_use": is_of_use(changes)}
    return show(request, "deliveries/replay.html", context)


def is_of_use(changes: list[replay.Change]) -> bool:
    """Whether a replay would change anything, as far as a dry run looked."""
    return any(each.is_any for each in changes) or len(changes) >= replay.DRY_RUN_AT_MOST


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def apply_one(request: TeamRequest, pk: int) -> HttpResponse:
    """`/deliveries/{id}/apply`: what applying one that waits would change; POST does it."""
    found: InboundDelivery = reached(request, "deliveries", pk=pk)
    require(request, Role.RESPONDER)
    if request.method == "POST":
        if found.status != Verdict.WAITING:
            messages.info(request, f"It waits no longer: {found.status}.")
        else:
            verdict = replay.apply_now(found, by=request.user, at=now()).verdict
            done = verdict == Verdict.APPLIED
            words = "Applied, dated when it was received." if done else f"It could not be applied: {verdict}."
            messages.add_message(request, messages.SUCCESS if done else messages.WARNING, words)
        return redirect("delivery", pk=found.pk)
    changes = replay.dry_run([found], by=request.user, at=now()) if found.status == Verdict.WAITING else []
    context = {"delivery": found, "changes": changes, "ahead": ahead_by(found, now())}
    return show(request, "deliveries/apply.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def apply_all(request: TeamRequest) -> HttpResponse:
    """`/deliveries/apply`: what applying all that waits would change; POST does it."""
    require(request, Role.RESPONDER)
    if request.method == "POST":
        number = replay.apply_all_now(request.team, by=request.user, at=now())
        messages.success(request, f"Handed to the worker: {number}, each dated when it was received.")
        return redirect("deliveries")
    found = waiting(request.team).defer("body", "headers")
    changes = replay.dry_run(found[: replay.DRY_RUN_AT_MOST], by=request.user, at=now())
    context = {"changes": changes, "number": counted(found)}
    return show(request, "deliveries/apply.html", context)


def announce(request: TeamRequest, change: replay.Change) -> None:
    """Say what became of a replayed delivery."""
    if change.verdict in replay.REPLAYABLE:
        messages.warning(request, f"Replayed, and still {change.verdict}.")
    else:
        messages.success(request, f"Replayed: {change.verdict}.")
