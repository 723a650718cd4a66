"""
Making and changing the team's own monitors and heartbeats: forms, and buttons whose answer is the resource's page.

For managers only. Not here: showing them (resources), what the verbs do (monitors.lifecycle, incidents.resources).
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from config.clock import now
from config.errors import Conflict
from config.formfields import tell_present
from config.seen import Deed, Overtaken, digest, unless_overtaken
from dashboard.access import TeamRequest, reached, require, settle, team_page
from dashboard.answers import UNCHANGED
from dashboard.doubled import done_once
from dashboard.frame import show
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
@done_once
def new(request: TeamRequest, relation: str) -> HttpResponse:
    """`/monitors/new`, `/heartbeats/new`: a form; POST makes one."""
    settle(request, Role.MANAGER)
    kind = WORDS[relation][1]
    form = FORMS[kind](request.POST if request.method == "POST" else None)
    if form.is_valid():
        made = lifecycle.create(MODELS[kind], request.team, by=request.user, at=now(), **form.cleaned_data)
        messages.success(request, f"{kind.capitalize()} added.")
        return redirect(kind, pk=made.pk)
    return show(request, "monitors/form.html", named(relation) | {"form": form}, status=400 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def edit(request: TeamRequest, relation: str, pk: int) -> HttpResponse:
    """`/monitors/{id}/edit`, `/heartbeats/{id}/edit`: a form; POST changes it."""
    found: Resource = reached(request, relation, pk=pk)
    require(request, Role.MANAGER)
    form = FORMS[found.kind](request.POST if request.method == "POST" else None, initial=details_of(found))
    if not form.is_valid():
        if not found.is_changeable:
            return done(request, found, "", lambda: lifecycle.changeable(found))
        return edit_page(request, found, form, status=400 if form.is_bound else 200)
    try:
        return done(request, found, "Saved.", lambda: save(request, found, form.cleaned_data))
    except Overtaken as refused:
        messages.warning(request, refused.message)
        found.refresh_from_db()
        form = FORMS[found.kind](request.POST, initial=details_of(found))
        tell_present(form)
        return edit_page(request, found, form, status=409)


def edit_page(request: TeamRequest, found: Resource, form: Any, status: int) -> HttpResponse:
    """The form by which one is edited; it carries what is so now."""
    context = named(f"{found.kind}s") | {"form": form, "resource": found, "seen": digest(details_of(found))}
    return show(request, "monitors/form.html", context, status=status)


def save(request: TeamRequest, found: Resource, details: dict[str, Any]) -> TimelineEvent | None:
    """Edit one, if it is still as the form had it. Raises Overtaken if not."""
    at, seen = now(), request.POST.get("seen", "")
    with transaction.atomic():
        lifecycle.locked(found)
        present = digest(details_of(found))
        unless_overtaken(seen, present, lambda: last_act(found, "updated"), at, by=request.user.email)
        return lifecycle.edit(found, by=request.user, at=at, **details)


def details_of(found: Resource) -> dict[str, Any]:
    """What can be edited of a monitor or heartbeat, as it is now."""
    return {name: getattr(found, name) for name in lifecycle.DETAILS[found.kind]}


@require_POST
@team_page
def work(request: TeamRequest, relation: str, pk: int, verb: str) -> HttpResponse:
    """`/monitors/{id}/pause`, `/heartbeats/{id}/unpause` and their like: it is paused from now on, or no more."""
    found: Resource = reached(request, relation, pk=pk)
    require(request, Role.MANAGER)
    act, words = VERBS[verb]
    return done(request, found, words, lambda: act(found, by=request.user, at=now()))


VERBS = {"pause": (lifecycle.pause, "Paused."), "unpause": (lifecycle.unpause, "Unpaused.")}


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
    """Call a verb and go to the resource's page, which says what came of it. Raises Overtaken."""
    try:
        fact = verb()
    except Overtaken:
        raise
    except Conflict as refusal:
        found.refresh_from_db()
        messages.error(request, f"{refusal.message}{last_said(found) if found.destroyed_at else ''}")
    else:
        if fact is not None:
            messages.success(request, words)
        else:
            messages.info(request, f"{UNCHANGED}{last_said(found)}")
    return redirect(found.kind, pk=found.pk)


def last_said(found: Resource) -> str:
    """Who was last to do something to one, for it may have been somebody else just now; empty if nobody was."""
    last = last_act(found)
    return f" {last.said(now())}." if last else ""


def last_act(found: Resource, *actions: str) -> Deed | None:
    """What one of us did last to a monitor or heartbeat (of some actions, or of all)."""
    own = TimelineEvent.objects.filter(team_id=found.team_id, subject_kind=found.kind, subject_id=found.pk)
    if actions:
        own = own.filter(event__in=[f"{found.kind}.{each}" for each in actions])
    last = own.order_by("-occurred_at", "-rank", "-identity").defer("payload").first()
    if last is None or not last.user_name:
        return None
    action = last.event.partition(".")[2]
    return Deed(last.user_name, f"{WORDED.get(action, action)} it", last.occurred_at, last.user_email)


WORDED = {"destroyed": "deleted", "updated": "edited"}
