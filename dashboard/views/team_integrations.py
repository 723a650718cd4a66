"""
The team's integrations, for its managers: which there are, a new one, its name, its address and its secrets, its door.

What an integration sent stays, whatever is done here. Not here: what comes in (integrations.ingest).
"""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from config.clock import now
from config.errors import Conflict
from config.formfields import blame
from config.paging import OLDEST
from config.seen import Overtaken, digest
from config.signing import new_signing_secret
from config.trail import last_noted, noted
from config.vault import CannotOpen
from dashboard import once
from dashboard.access import TeamRequest, require, settle, team_page
from dashboard.answers import UNCHANGED
from dashboard.doubled import done_once
from dashboard.views.lists import list_page
from dashboard.views.team import (
    back,
    came_second,
    confirm,
    managing,
    record,
    show_form,
    team_show,
    unchanged,
    unless_second,
)
from integrations.counts import SHOWN_FOR, refusals
from integrations.filters import IntegrationFilters
from integrations.forms import GIVEN, KEEP, NONE, NamingForm, SigningForm
from integrations.hearing import with_last_heard
from integrations.lifecycle import (
    ROTATED,
    SIGNED,
    UNSIGNED,
    edit_integration,
    lock,
    open_integration,
    reopen_integration,
    rotate_token,
    set_signing_secret,
    shut_integration,
    signing_version,
    token_version,
    webhook_path,
)
from integrations.models import Integration, IntegrationType, Verdict
from teams.models import Role, Team

# Counting further than this would cost time and tell nobody anything.
QUARANTINED_AT_MOST = 1_000


@require_safe
@team_page
def integrations(request: TeamRequest) -> HttpResponse:
    """`/team/integrations`: the team's integrations, the oldest first."""
    require(request, Role.MANAGER)
    rows, context, _ = list_page(request, with_last_heard(request.team.integrations.all()), IntegrationFilters, OLDEST)
    waiting = quarantined(request.team)
    context["integrations"] = [(each, waiting[each.pk]) for each in rows]
    return team_show(request, "team/integrations.html", context, fragment="team/_integrations.html")


def quarantined(team: Team) -> Counter[int]:
    """Integration's id → how many of the newest deliveries in quarantine are its."""
    waiting = team.deliveries.filter(status=Verdict.QUARANTINED).order_by("-id")
    return Counter(waiting.values_list("integration_id", flat=True)[:QUARANTINED_AT_MOST])


@require_safe
@team_page
def integration(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/integrations/{id}`: what it is called, when it was heard last, and what can be done with it."""
    record(request, "integrations", pk)
    found = with_last_heard(request.team.integrations.all()).get(pk=pk)
    context = {
        "integration": found,
        "quarantined": quarantined(request.team)[pk],
        "refused": refusals(found, now()),
        "days": SHOWN_FOR.days,
    }
    return team_show(request, "team/integration.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
@done_once
def new_integration(request: TeamRequest) -> HttpResponse:
    """`/team/integrations/new`: a form; POST makes one, whose page then shows its address."""
    settle(request, Role.MANAGER)
    form = NamingForm(request.POST if request.method == "POST" else None)
    made = opened(request, form) if form.is_valid() else None
    if made:
        show_address(request, made)
        return redirect("integration", pk=made.pk)
    lede = "A door through which one source of events tells this team what happens."
    said = {"heading": "Add an integration", "lede": lede, "button": "Add integration"}
    return show_form(request, form, said | back("integrations", "Integrations"))


def opened(request: TeamRequest, form: NamingForm) -> Integration | None:
    """The integration that was asked for; None if that can't be."""
    said = form.cleaned_data
    try:
        with managing(request):
            made, _ = open_integration(request.team, said["name"], IntegrationType(said["type"]), now())
            edit_integration(made, **said)
            noted(request.user, made, "Made.", ADDITION)
            return made
    except Conflict as refusal:
        blame(form, refusal, "name")
        return None


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def edit(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/integrations/{id}/edit`: a form; POST changes what it is called and what it only counts."""
    found: Integration = record(request, "integrations", pk)
    form = NamingForm(request.POST if request.method == "POST" else None, initial=naming(found))
    said = {"heading": "Edit this integration", "button": "Save"} | up_to(found)
    if form.is_valid():
        try:
            save(request, found, form)
        except Overtaken as refused:
            form = NamingForm(request.POST, initial=naming(found))
            return came_second(request, refused, form, said | {"seen": seen_naming(found)})
        except Conflict as refusal:
            blame(form, refusal, "name")
        else:
            return redirect("integration", pk=pk)
    return show_form(request, form, said | {"seen": seen_naming(found)})


def save(request: TeamRequest, found: Integration, form: NamingForm) -> None:
    """Change an integration, if it is still as the form had it. Raises Overtaken if not, and what the verb does."""
    with managing(request):
        lock(found)
        unless_second(request, seen_naming(found), lambda: last_noted([found], "edited it", *EDITED))
        if edit_integration(found, **form.cleaned_data):
            noted(request.user, found, f"Changed: {', '.join(form.changed_data)}.")
            messages.success(request, "Saved.")
        else:
            messages.info(request, UNCHANGED)


# What stands in the notes about edits: ours, and admin's with the names of the fields.
EDITED = ("Changed: ", '"Name"', '"Type"', '"Count only"', '"May act on our incidents"')


def naming(found: Integration) -> dict[str, Any]:
    """What can be edited of an integration, as it is now."""
    return {"name": found.name, "type": found.type, "count_only": found.count_only, "may_act": found.may_act}


def seen_naming(found: Integration) -> str:
    """The same in short."""
    return digest(naming(found))


def up_to(found: Integration) -> dict[str, str]:
    """The way back to an integration's page."""
    return back("integration", found.name, found.pk)


# --- its address and secrets ------------------------------------------------------------------------------------------


@require_POST
@team_page
def address(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/integrations/{id}/address`: let its page show, this once, the address that senders post to."""
    found: Integration = record(request, "integrations", pk)
    show_address(request, found)
    return redirect("integration", pk=pk)


def show_address(request: TeamRequest, found: Integration) -> None:
    """Let the next page show the address that senders post to, token and all."""
    try:
        url = request.build_absolute_uri(webhook_path(found))
    except CannotOpen:
        messages.error(request, "None of the present encryption keys opens its token. Rotate it to get a new one.")
        return
    words = f"“{found.name}” posts its events to this address. Whoever knows it can send some."
    once.keep(request, words, url, place=request.team.public_id, at=now(), how_long=once.ON_DEMAND)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def rotate(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/integrations/{id}/rotate`: what a new token means; POST makes one."""
    found: Integration = record(request, "integrations", pk)
    if request.method != "POST":
        means = ["It gets a new address with a new token. The old address is answered 401 from that moment on."]
        said = {"heading": f"A new address for “{found.name}”?", "means": means, "button": "Make a new address"}
        return confirm(request, said | up_to(found) | {"seen": token_version(found)})
    try:
        with managing(request):
            lock(found)
            unless_second(request, token_version(found), lambda: last_noted([found], "made a new address", ROTATED))
            rotate_token(found)
            noted(request.user, found, ROTATED)
    except Overtaken as refused:
        messages.warning(request, refused.message)
    else:
        show_address(request, found)
        messages.success(request, "It has a new address. The old one opens nothing any more.")
    return redirect("integration", pk=pk)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def signing(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/integrations/{id}/signing`: a form; POST sets, replaces or removes its signing secret."""
    found: Integration = record(request, "integrations", pk)
    form = SigningForm(request.POST if request.method == "POST" else None)
    lede = "Signatures prove that events come from who knows the secret. What is not signed rightly is answered 401."
    said = {"heading": "Signatures", "lede": lede, "button": "Save"} | up_to(found)
    if form.is_valid():
        try:
            sign(request, found, form.cleaned_data)
        except Overtaken as refused:
            form = SigningForm(request.POST)
            return came_second(request, refused, form, said | {"seen": signing_version(found)})
        return redirect("integration", pk=pk)
    return show_form(request, form, said | {"seen": signing_version(found)})


def sign(request: TeamRequest, found: Integration, said: dict[str, Any]) -> None:
    """Set the signing secret as the form asks for it; one that is new the next page shows. Raises Overtaken."""
    how = said["signing"]
    if how == KEEP:
        messages.info(request, UNCHANGED)
        return
    secret = None if how == NONE else said["signing_secret"] if how == GIVEN else new_signing_secret()
    with managing(request):
        lock(found)
        unless_second(request, signing_version(found), lambda: last_noted([found], "changed this", SIGNED, UNSIGNED))
        set_signing_secret(found, secret)
        noted(request.user, found, SIGNED if secret else UNSIGNED)
    if secret is None:
        messages.success(request, UNSIGNED)
        return
    if how != GIVEN:
        words = f"This is the signing secret of “{found.name}”."
        once.keep(request, words, secret, place=request.team.public_id, at=now())
    messages.success(request, "Signatures are asked for from now on.")


# --- its door ---------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def shut(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/integrations/{id}/shut`: what shutting its door means; POST does it."""
    found: Integration = record(request, "integrations", pk)
    if request.method == "POST":
        with managing(request):
            if shut_integration(found, at=now()):
                noted(request.user, found, "Shut.")
                messages.success(request, "Its door is shut.")
            else:
                unchanged(request, last_noted([found], "shut it", "Shut.", "Deactivated."))
        return redirect("integration", pk=pk)
    means = ["It takes nothing in: its address and its keys are answered 401.", STAYS]
    said = {"heading": f"Shut the door of “{found.name}”?", "means": means, "button": "Shut its door"}
    return confirm(request, said | up_to(found))


STAYS = "Everything that it sent stays, with its monitors, heartbeats and incidents, and the door can be reopened."


@require_POST
@team_page
def reopen(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/integrations/{id}/reopen`: its door takes events in again."""
    found: Integration = record(request, "integrations", pk)
    with managing(request):
        if reopen_integration(found):
            noted(request.user, found, "Reopened.")
            messages.success(request, "Its door is open again.")
        else:
            unchanged(request, last_noted([found], "reopened it", "Reopened."))
    return redirect("integration", pk=pk)
