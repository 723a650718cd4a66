"""
Making and changing the team's own monitors and heartbeats: forms, and buttons whose answer is the resource's page.

For managers only. Not here: showing them (resources), what the verbs do (monitors.lifecycle, incidents.resources).
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from config.clock import now
from config.errors import Conflict
from dashboard.access import TeamRequest, reached, require, settle, team_page
from dashboard.frame import show
from dashboard.templatetags.moments import on_the_clock
from dashboard.views.resources import WORDS
from incidents.resources import destroy, live_incidents
from monitors import lifecycle
from monitors.forms import FORMS
from monitors.keeper import MODELS
from monitors.models import Resource
from teams.models import Role
from timeline.models import TimelineEvent

INCIDENTS_NAMED = 20


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def new(request: TeamRequest, relation: str) -> HttpResponse:
    """`/monitors/new`, `/heartbeats/new`: a form; POST makes one."""
    settle(request, Role.MANAGER)
    kind = WORDS[relation][1]
    form = FORMS[kind](request.POST if request.method == "POST" else None)
    if form.is_valid():
        made = lifecycle.create(MODELS[kind], request.team, by=request.user, at=now(), **form.cleaned_data)
        messages.success(request, f"{kind.capitalize()} added. It is pending until it was checked.")
        return redirect(kind, pk=made.pk)
    return show(request, "monitors/form.html", named(relation) | {"form": form}, status=400 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def edit(request: TeamRequest, relation: str, pk: int) -> HttpResponse:
    """`/monitors/{id}/edit`, `/heartbeats/{id}/edit`: a form; POST changes it."""
    found: Resource = reached(request, relation, pk=pk)
    require(request, Role.MANAGER)
    known = {name: getattr(found, name) for name in lifecycle.DETAILS[found.kind]}
    form = FORMS[found.kind](request.POST if request.method == "POST" else None, initial=known)
    if form.is_valid():
        said = form.cleaned_data
        return done(request, found, "Saved.", lambda: lifecycle.edit(found, by=request.user, at=now(), **said))
    if not found.is_changeable:
        return done(request, found, "", lambda: lifecycle.changeable(found))
    context = named(relation) | {"form": form, "resource": found}
    return show(request, "monitors/form.html", context, status=400 if form.is_bound else 200)


@require_POST
@team_page
def pause(request: TeamRequest, relation: str, pk: int) -> HttpResponse:
    """`/monitors/{id}/pause`, `/heartbeats/{id}/pause`: nothing checks it from now on."""
    found: Resource = reached(request, relation, pk=pk)
    require(request, Role.MANAGER)
    return done(request, found, "Paused.", lambda: lifecycle.pause(found, by=request.user, at=now()))


@require_POST
@team_page
def unpause(request: TeamRequest, relation: str, pk: int) -> HttpResponse:
    """`/monitors/{id}/unpause`, `/heartbeats/{id}/unpause`: it is checked again."""
    found: Resource = reached(request, relation, pk=pk)
    require(request, Role.MANAGER)
    return done(request, found, "Unpaused.", lambda: lifecycle.unpause(found, by=request.user, at=now()))


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def delete(request: TeamRequest, relation: str, pk: int) -> HttpResponse:
    """`/monitors/{id}/delete`, `/heartbeats/{id}/delete`: what deleting it means; POST does it, once asked."""
    found: Resource = reached(request, relation, pk=pk)
    require(request, Role.MANAGER)
    if request.POST.get("post") == "yes":
        return done(request, found, "Deleted.", lambda: destroy(found, by=request.user, at=now()))
    if not found.is_changeable:
        return done(request, found, "", lambda: lifecycle.changeable(found))
    live = live_incidents(found).only("uuid", "title")[:INCIDENTS_NAMED]
    context = named(relation) | {"resource": found, "live": live}
    return show(request, "monitors/delete.html", context, status=400 if request.method == "POST" else 200)


def named(relation: str) -> dict[str, Any]:
    """What templates call it: {"relation", "heading", "kind"}."""
    heading, kind = WORDS[relation]
    return {"relation": relation, "heading": heading, "kind": kind}


def done(request: TeamRequest, found: Resource, words: str, verb: Callable[[], TimelineEvent | None]) -> HttpResponse:
    """Call a verb and go to the resource's page, which says what came of it."""
    try:
        fact = verb()
    except Conflict as refusal:
        messages.error(request, refusal.message)
    else:
        if fact is not None:
            messages.success(request, words)
        else:
            messages.info(request, already(found))
    return redirect(found.kind, pk=found.pk)


def already(found: Resource) -> str:
    """That there was nothing to do; and who was last to do something, for it may have been somebody else just now."""
    own = TimelineEvent.objects.filter(team_id=found.team_id, subject_kind=found.kind, subject_id=found.pk)
    last = own.order_by("-occurred_at", "-rank", "-identity").defer("payload").first()
    if last is None or not last.user_name:
        return "It was so already; nothing was changed."
    action = last.event.partition(".")[2]
    done_at = on_the_clock(last.occurred_at, now())
    return f"It was so already; nothing was changed. {last.user_name} {WORDED.get(action, action)} it at {done_at}."


WORDED = {"destroyed": "deleted", "updated": "edited"}
