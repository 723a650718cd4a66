"""
The team's endpoints, for its managers: where its incident log is sent, what of it, how that goes, and the secrets.

Not here: the messages that were sent (team_messages), what the verbs do (timeline.outbound.lifecycle).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION, DELETION
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from config.clock import now
from config.errors import Conflict, ValidationFailed
from config.formfields import blame
from config.paging import OLDEST
from config.seen import Overtaken, digest
from config.times import rfc3339
from config.trail import last_noted, noted
from dashboard import once
from dashboard.access import TeamRequest, reached, require, settle, team_page
from dashboard.answers import UNCHANGED
from dashboard.doubled import done_once
from dashboard.frame import counted
from dashboard.views.lists import list_page
from dashboard.views.team import (
    back,
    came_second,
    confirm,
    managing,
    show_form,
    team_show,
    unchanged,
    unless_second,
)
from dashboard.views.team_messages import listed
from teams.models import Role
from timeline.outbound import lifecycle, log
from timeline.outbound.filters import EndpointFilters
from timeline.outbound.forms import EndpointForm, ReplayForm, as_it_is
from timeline.outbound.models import Endpoint

MESSAGES_SHOWN = 10


@require_safe
@team_page
def endpoints(request: TeamRequest) -> HttpResponse:
    """`/team/endpoints`: the team's endpoints, the oldest first."""
    require(request, Role.MANAGER)
    rows, context, _ = list_page(request, log.live(request.team), EndpointFilters, OLDEST)
    context["endpoints"] = [(each, waits_and_dead(each)) for each in rows]
    return team_show(request, "team/endpoints.html", context, fragment="team/_endpoints.html")


def waits_and_dead(found: Endpoint) -> dict[str, str]:
    """How many messages wait and how many were given up: {"waiting", "dead"}, "" for none, "99+" for many."""
    return {"waiting": counted(log.waiting(found)), "dead": counted(log.dead(found))}


@require_safe
@team_page
def endpoint(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/endpoints/{id}`: what is sent there, how that goes, and what can be done with it."""
    found = endpoint_of(request, pk)
    context = {
        "endpoint": found,
        "counted": waits_and_dead(found),
        "messages_sent": listed(request.team, log.newest(found, MESSAGES_SHOWN)),
        "both_good_until": found.old_secret_until
        if found.old_secret_until and found.old_secret_until > now()
        else None,
    }
    return team_show(request, "team/endpoint.html", context)


def endpoint_of(request: TeamRequest, pk: int) -> Endpoint:
    """An endpoint of the team, for its managers. Raises Http404, or PermissionDenied for other members."""
    found: Endpoint = reached(request, "endpoints", pk=pk, deleted_at=None)
    require(request, Role.MANAGER)
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
@done_once
def new_endpoint(request: TeamRequest) -> HttpResponse:
    """`/team/endpoints/new`: a form; POST makes one, whose page then shows its secret."""
    settle(request, Role.MANAGER)
    form = EndpointForm(request.POST if request.method == "POST" else None)
    made = created(request, form) if form.is_valid() else None
    if made:
        return redirect("endpoint", pk=made.pk)
    lede = "Where this team’s incident log is sent as signed webhooks, at least once and in order."
    said = {"heading": "Add an endpoint", "lede": lede, "button": "Add endpoint"}
    return show_form(request, form, said | back("endpoints", "Endpoints"))


def created(request: TeamRequest, form: EndpointForm) -> Endpoint | None:
    """The endpoint that was asked for; None if that can't be."""
    try:
        with managing(request):
            made, secret = lifecycle.create_endpoint(request.team, at=now(), **form.details())
            noted(request.user, made, "Made.", ADDITION)
    except (Conflict, ValidationFailed) as refusal:
        blame(form, refusal)
        return None
    keep_secret(request, made, secret)
    return made


def keep_secret(request: TeamRequest, found: Endpoint, secret: str) -> None:
    """Let the next page show a new signing secret."""
    words = f"This is the signing secret of “{found}”, with which its receiver verifies what comes."
    once.keep(request, words, secret, place=request.team.public_id, at=now())


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def edit(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/endpoints/{id}/edit`: a form; POST changes where is sent, and what."""
    found = endpoint_of(request, pk)
    form = EndpointForm(request.POST if request.method == "POST" else None, initial=as_it_is(found))
    lede = "What waits already is sent as it is, to the new address."
    said = {"heading": "Edit this endpoint", "lede": lede, "button": "Save"} | up_to(found)
    if form.is_valid():
        try:
            save(request, found, form)
        except Overtaken as refused:
            form = EndpointForm(request.POST, initial=as_it_is(found))
            return came_second(request, refused, form, said | {"seen": digest(as_it_is(found))})
        except (Conflict, ValidationFailed) as refusal:
            blame(form, refusal)
        else:
            return redirect("endpoint", pk=pk)
    return show_form(request, form, said | {"seen": digest(as_it_is(found))})


def save(request: TeamRequest, found: Endpoint, form: EndpointForm) -> None:
    """Change an endpoint, if it is still as the form had it. Raises Overtaken if not, and what the verb does."""
    with managing(request):
        lifecycle.locked(found)
        unless_second(request, digest(as_it_is(found)), lambda: last_noted([found], "edited it", *EDITED))
        if lifecycle.edit_endpoint(found, **form.details()):
            noted(request.user, found, f"Changed: {', '.join(form.changed_data)}.")
            messages.success(request, "Saved.")
        else:
            messages.info(request, UNCHANGED)


# What stands in the notes about edits: ours, and admin's with the names of the fields.
EDITED = ("Changed: ", '"URL"', '"Description"', '"Events"', '"Further', '"Pass on')


def up_to(found: Endpoint) -> dict[str, str]:
    """The way back to an endpoint's page."""
    return back("endpoint", str(found), found.pk)


# --- buttons ----------------------------------------------------------------------------------------------------------


def done(request: TeamRequest, found: Endpoint, verb: Callable[[], Any], words: str, did: str) -> HttpResponse:
    """Call a verb and go to the endpoint's page, which says what came of it; `did`: `enabled` or `disabled`."""
    note = f"{did.capitalize()}."
    try:
        with managing(request):
            if verb():
                noted(request.user, found, note)
                messages.success(request, words)
            else:
                unchanged(request, last_noted([found], f"{did} it", note))
    except Conflict as refusal:
        messages.error(request, refusal.message)
    return redirect("endpoint", pk=found.pk)


@require_POST
@team_page
def enable(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/endpoints/{id}/enable`: it is sent to again."""
    found = endpoint_of(request, pk)
    words = "It is enabled. What happened meanwhile was not sent; “Replay” does that."
    return done(request, found, lambda: lifecycle.enable(found, at=now()), words, "enabled")


@require_POST
@team_page
def disable(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/endpoints/{id}/disable`: nothing is sent to it until it is enabled."""
    found = endpoint_of(request, pk)
    return done(request, found, lambda: lifecycle.disable(found, at=now()), "It is disabled.", "disabled")


@require_POST
@team_page
def test(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/endpoints/{id}/test`: send it a message that tells nothing, whose page then says what came of it."""
    found = endpoint_of(request, pk)
    try:
        with managing(request):
            sent = lifecycle.send_test(found, at=now())
    except Conflict as refusal:
        messages.error(request, refusal.message)
        return redirect("endpoint", pk=pk)
    messages.success(request, "A test is on its way.")
    return redirect("message", pk=sent.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def rotate(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/endpoints/{id}/rotate`: what a new secret means; POST makes one."""
    found = endpoint_of(request, pk)
    if request.method == "POST":
        try:
            with managing(request):
                lifecycle.locked(found)
                first = partial(last_noted, [found], "made a new secret", ROTATED, "Given a new secret.")
                unless_second(request, lifecycle.secret_version(found), first)
                secret = lifecycle.rotate_secret(found, at=now())
                noted(request.user, found, ROTATED)
        except Conflict as refusal:
            messages.warning(request, refusal.message)
        else:
            keep_secret(request, found, secret)
            messages.success(request, "It has a new signing secret. For 24 hours the old one is good, too.")
        return redirect("endpoint", pk=pk)
    means = [
        "For 24 hours each message has two signatures, by the new secret and by the one before. Give its receiver the "
        "new one until then.",
        "A secret that was rotated before that is good no more.",
    ]
    said = {"heading": f"A new signing secret for “{found}”?", "means": means, "button": "Make a new secret"}
    return confirm(request, said | up_to(found) | {"seen": lifecycle.secret_version(found)})


ROTATED = "Signing secret rotated."


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def delete(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/endpoints/{id}/delete`: what deleting it means; POST does it."""
    found = endpoint_of(request, pk)
    if request.method == "POST":
        with managing(request):
            if lifecycle.delete_endpoint(found, at=now()):
                noted(request.user, found, "Deleted.", DELETION)
                messages.success(request, f"“{found}” is deleted.")
            else:
                messages.info(request, UNCHANGED)
        return redirect("endpoints")
    means = ["Nothing is sent to it any more, and what waits is given up. What was sent stays to be read."]
    said = {"heading": f"Delete “{found}”?", "means": means, "button": "Delete"}
    return confirm(request, said | up_to(found))


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
@done_once
def replay(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/endpoints/{id}/replay`: a form; POST sends what happened in a time again."""
    found = endpoint_of(request, pk)
    form = ReplayForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        said = form.cleaned_data
        try:
            with managing(request):
                number = lifecycle.replay(found, since=said["since"], until=said["until"], at=now())
                noted(request.user, found, f"Replayed from {rfc3339(said['since'])} to {rfc3339(said['until'])}.")
        except (Conflict, ValidationFailed) as refusal:
            blame(form, refusal)
        else:
            messages.success(request, replayed(number))
            return redirect("endpoint", pk=pk)
    lede = (
        "Everything that was recorded in this time is sent again, under the same webhook-ids; and for the first time, "
        "what was not sent then. What still waits is not doubled."
    )
    return show_form(request, form, {"heading": "Replay a time", "lede": lede, "button": "Replay"} | up_to(found))


def replayed(number: int) -> str:
    """How many messages a replay made."""
    if not number:
        return "Nothing of this time is to be sent there, or it waits already."
    return f"{number} {'message is' if number == 1 else 'messages are'} on {'its' if number == 1 else 'their'} way."
