"""
The team's API keys, for its managers: which there are, a new one, whose text is shown once, and an end for one.

A key acts for the manager who makes it. Not here: what keys are and may (teams.authentication).
"""

from typing import Any

from django.contrib import messages
from django.contrib.admin.models import ADDITION
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from config.clock import now
from config.errors import Conflict
from config.formfields import blame
from config.trail import noted
from dashboard import once
from dashboard.access import TeamRequest, require, settle, team_page
from dashboard.doubled import done_once
from dashboard.views.lists import list_page
from dashboard.views.team import back, confirm, managing, record, show_form, team_show
from integrations.forms import TeamKeyForm
from integrations.lifecycle import issue_key
from teams.filters import KeyFilters
from teams.lifecycle import revoke_key
from teams.models import APIKey, Membership, Role, Team


@require_safe
@team_page
def keys(request: TeamRequest) -> HttpResponse:
    """`/team/keys`: the team's keys, newest first."""
    require(request, Role.MANAGER)
    rows, context, _ = list_page(request, known_keys(request.team), KeyFilters)
    context["keys"] = [(key, standing(key)) for key in rows]
    return team_show(request, "team/keys.html", context, fragment="team/_keys.html")


def known_keys(team: Team) -> QuerySet[APIKey]:
    """A team's keys with their users and integrations, and with `has_member`: whether the user is in the team."""
    member = Membership.objects.filter(team=OuterRef("team"), user=OuterRef("user"))
    return team.api_keys.select_related("user", "team", "ingest__integration").annotate(has_member=Exists(member))


def standing(key: Any) -> str:
    """Whether a key opens anything, and if not, why."""
    if key.revoked_at is not None:
        return "revoked"
    if not key.has_member:
        return "its user left"
    if key.is_usable(now()):
        return "active"
    return "expired" if key.user.is_active else "its user is deactivated"


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
@done_once
def new_key(request: TeamRequest) -> HttpResponse:
    """`/team/keys/new`: a form; POST makes a key, whose text the next page shows."""
    settle(request, Role.MANAGER)
    form = TeamKeyForm(request.POST if request.method == "POST" else None, request.team)
    if form.is_valid() and issued(request, form):
        return redirect("keys")
    lede = "It acts for you: what is done with it is done in your name, and it may no more than you may."
    said = {"heading": "Make an API key", "lede": lede, "button": "Make key"}
    return show_form(request, form, said | back("keys", "API keys"))


def issued(request: TeamRequest, form: TeamKeyForm) -> bool:
    """Make the key that was asked for; whether that could be."""
    said = form.cleaned_data
    try:
        with managing(request):
            key, text = issue_key(
                request.team,
                request.user,
                said["name"],
                said["scopes"],
                expires_at=said["expires_at"],
                integration=said["integration"],
            )
            noted(request.user, key, "Made.", ADDITION)
    except Conflict as refusal:
        blame(form, refusal, "integration")
        return False
    once.keep(request, f"This is the key “{key.name}”.", text, place=request.team.public_id, at=now())
    return True


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def revoke(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/keys/{id}/revoke`: what revoking a key means; POST does it."""
    found: APIKey = record(request, "api_keys", pk)
    if request.method == "POST":
        with managing(request):
            done = revoke_key(found, at=now())
            if done:
                noted(request.user, found, "Revoked.")
        words = f"“{found.name}” is revoked." if done else f"“{found.name}” was revoked already."
        messages.success(request, words)
        return redirect("keys")
    means = ["It opens nothing any more, and stays revoked. What was done with it stays as it is."]
    said = {"heading": f"Revoke “{found.name}”?", "means": means, "button": "Revoke"}
    return confirm(request, said | back("keys", "API keys"))
