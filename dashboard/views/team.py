"""
What a team's managers decide: who is in it and as what. And what their pages have in common with those of its keys
(team_keys), integrations (team_integrations) and endpoints (team_endpoints, team_messages).

Every verb is called in `managing`, under which a member who is no manager any more is turned away, and no two managers
change the team at once. Not here: what the verbs do (teams.lifecycle, integrations.lifecycle,
timeline.outbound.lifecycle).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import DELETION
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from config.clock import now
from config.errors import Conflict, ValidationFailed
from config.formfields import blame, tell_present
from config.seen import Deed, Overtaken, unless_overtaken
from config.trail import last_noted, noted
from dashboard import once
from dashboard.access import TeamRequest, reached, require, settle, team_page
from dashboard.answers import UNCHANGED
from dashboard.doubled import done_once
from dashboard.frame import show
from dashboard.views.lists import list_page
from teams.entry_links import (
    MADE_A_DAY,
    invite,
    invite_to_choose_password,
    may_get_password,
    memberships_with_reach,
    revoke_link,
    team_links,
)
from teams.filters import MemberFilters
from teams.forms import InvitationForm, RoleForm
from teams.lifecycle import change_role, hold, remove_member
from teams.models import EntryLink, Membership, Role

KEYS_NAMED = 20
PAGES = (("members", "Members"), ("integrations", "Integrations"), ("endpoints", "Endpoints"), ("keys", "API keys"))


# --- what the pages have in common ------------------------------------------------------------------------------------


def record(request: TeamRequest, relation: str, pk: int) -> Any:
    """A record of the team, for its managers. Raises Http404, or PermissionDenied for other members."""
    found = reached(request, relation, pk=pk)
    require(request, Role.MANAGER)
    return found


@contextmanager
def managing(request: TeamRequest) -> Iterator[None]:
    """A transaction in which the member is a manager still. Raises PermissionDenied for who is none any more."""
    with transaction.atomic():
        hold(request.team)
        present = request.team.memberships.filter(user=request.user).first()
        request.membership = present or Membership(role=Role.VIEWER)
        require(request, Role.MANAGER)
        yield


def team_show(
    request: TeamRequest, template: str, context: dict[str, Any], *, fragment: str | None = None, status: int = 200
) -> HttpResponse:
    """A page of the team's, with a secret that is to be shown once."""
    place = str(request.resolver_match.url_name if request.resolver_match else "")
    tabs = [{"name": name, "word": word, "here": name == place} for name, word in PAGES]
    secret = None if fragment and request.htmx else once.take(request, place=request.team.public_id, at=now())
    return show(request, template, context | {"tabs": tabs, "secret": secret}, fragment=fragment, status=status)


def show_form(request: TeamRequest, form: forms.Form, said: Mapping[str, Any], status: int = 0) -> HttpResponse:
    """
    A form by itself. `said`: "heading", "lede", "button", "back" (an address), "back_word", and "seen" for what is so
    now, where somebody else may change it meanwhile.
    """
    status = status or (400 if form.is_bound else 200)
    return team_show(request, "team/form.html", {"form": form, **said}, status=status)


def came_second(request: TeamRequest, refused: Overtaken, form: forms.Form, said: Mapping[str, Any]) -> HttpResponse:
    """A form again whose sender came second, with who was first, and with what is so now (the form's `initial`)."""
    messages.warning(request, refused.message)
    tell_present(form)
    return show_form(request, form, said, status=409)


def unless_second(request: TeamRequest, present: str, first: Callable[[], Deed | None]) -> None:
    """Raises Overtaken if what the sender of a form saw is not what is present. To be asked in `managing`."""
    unless_overtaken(request.POST.get("seen", ""), present, first, now(), by=request.user.email)


def confirm(request: TeamRequest, said: Mapping[str, Any]) -> HttpResponse:
    """What something means, before it is done. `said`: as for a form, and "means" (sentences)."""
    return team_show(request, "team/confirm.html", dict(said))


def unchanged(request: TeamRequest, first: Deed | None) -> None:
    """Say that there was nothing to do, and who did it before."""
    messages.info(request, f"{UNCHANGED} {first.said(now(), request.user.email)}." if first else UNCHANGED)


def back(name: str, word: str, *key: int) -> dict[str, str]:
    """Where "Cancel" and the way up lead."""
    return {"back": reverse(name, args=key), "back_word": word}


# --- members ----------------------------------------------------------------------------------------------------------


@require_safe
@team_page
def members(request: TeamRequest) -> HttpResponse:
    """`/team/members`: who is in the team, in the order in which they came."""
    require(request, Role.MANAGER)
    found = memberships_with_reach(request.team).select_related("user")
    rows, context, _ = list_page(request, found, MemberFilters)
    context["members"] = [(member, may_get_password(member)) for member in rows]
    if not request.GET.get("cursor"):
        links = team_links(request.team, at=now()).select_related("made_by")
        context["links"] = links.order_by("-id")[:MADE_A_DAY]
    return team_show(request, "team/members.html", context, fragment="team/_members.html")


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
@done_once
def new_member(request: TeamRequest) -> HttpResponse:
    """`/team/members/new`: a form; POST makes an invitation, whose link the next page shows."""
    settle(request, Role.MANAGER)
    form = InvitationForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and invited(request, form):
        return redirect("members")
    lede = (
        "You are shown a link to hand over. Whoever has an account here accepts it; whoever has none makes one, with a "
        "password of their own. It opens once, for 7 days. Inviting an address again makes a new link."
    )
    said = {"heading": "Invite a member", "lede": lede, "button": "Make the link"}
    return show_form(request, form, said | back("members", "Members"))


def invited(request: TeamRequest, form: InvitationForm) -> bool:
    """Make the invitation that was asked for; whether that could be."""
    said = form.cleaned_data
    try:
        with managing(request):
            made, text = invite(request.team, said["email"], Role(said["role"]), by=request.user, at=now())
            noted(request.user, request.team, f"Invited {made.email} ({made.role}).")
    except (Conflict, ValidationFailed) as refusal:
        blame(form, refusal, "email")
        return False
    keep_link(request, f"This link invites {made.email}. Hand it over so that nobody else reads it.", text)
    return True


def keep_link(request: TeamRequest, words: str, text: str) -> None:
    """Let the next page show a link."""
    address = request.build_absolute_uri(reverse("link", args=[text]))
    once.keep(request, words, address, place=request.team.public_id, at=now())


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def revoke_invitation(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/invitations/{id}/revoke`: what taking a link back means, for a new password, too; POST does it."""
    found: EntryLink = record(request, "entry_links", pk)
    if request.method == "POST":
        with managing(request):
            done = revoke_link(found, at=now())
            if done:
                noted(request.user, request.team, f"Took back the link of {found.email}.")
        words = f"The link of {found.email} opens nothing any more." if done else UNCHANGED
        messages.success(request, words)
        return redirect("members")
    means = ["It opens nothing any more. You can make another."]
    said = {"heading": f"Take back the link of {found.email}?", "means": means, "button": "Take it back"}
    return confirm(request, said | back("members", "Members"))


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def member_password(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/members/{id}/password`: what a link for a new password means; POST makes it."""
    found: Membership = record(request, "memberships", pk)
    who = found.user.get_full_name()
    if request.method == "POST":
        try:
            with managing(request):
                _, text = invite_to_choose_password(found, by=request.user, at=now())
                noted(request.user, request.team, f"Made a link for a new password of {found.user}.")
                noted(request.user, found.user, "Made a link for a new password.")
        except Conflict as refusal:
            messages.error(request, refusal.message)
        else:
            keep_link(
                request, f"With this link {who} makes a new password. Hand it over so that nobody else reads it.", text
            )
        return redirect("members")
    means = [
        "You are shown a link to hand over. It opens once, for 7 days. Until it is used, the present password stays.",
        "Only for somebody who is in no other team, and no operator.",
    ]
    said = {"heading": f"A new password for {who}?", "means": means, "button": "Make the link"}
    return confirm(request, said | back("members", "Members"))


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def member_role(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/members/{id}/role`: a form; POST gives a member another role."""
    found: Membership = record(request, "memberships", pk)
    who = found.user.get_full_name()
    form = RoleForm(request.POST if request.method == "POST" else None, initial={"role": found.role})
    said = {"heading": f"What may {who} do?", "lede": found.user.email, "button": "Save"} | back("members", "Members")
    if form.is_valid():
        try:
            save_role(request, found, Role(form.cleaned_data["role"]))
        except Overtaken as refused:
            found.refresh_from_db()
            form = RoleForm(request.POST, initial={"role": found.role})
            return came_second(request, refused, form, said | {"seen": found.role})
        except Conflict as refusal:
            blame(form, refusal, "role")
        else:
            return after(request, found)
    return show_form(request, form, said | {"seen": found.role})


def save_role(request: TeamRequest, found: Membership, role: Role) -> None:
    """Give a member another role, if they still have the one that was seen. Raises Overtaken, and as the verb does."""
    with managing(request):
        present = request.team.memberships.filter(pk=found.pk).first()
        if present is not None:
            unless_second(request, present.role, lambda: who_gave_role(present))
        if change_role(found, role):
            noted(request.user, request.team, f"Made {found.user} a {role}.")
            messages.success(request, f"{found.user.get_full_name()} is a {role} now.")
        else:
            messages.info(request, UNCHANGED)


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def remove(request: TeamRequest, pk: int) -> HttpResponse:
    """`/team/members/{id}/remove`: what removing a member means; POST does it."""
    found: Membership = record(request, "memberships", pk)
    who = found.user.get_full_name()
    if request.method == "POST":
        try:
            with managing(request):
                if remove_member(found, at=now()):
                    noted(request.user, request.team, f"Removed {found.user}.", DELETION)
                    messages.success(request, f"{who} is no member any more.")
                else:
                    messages.info(request, UNCHANGED)
        except Conflict as refusal:
            messages.error(request, refusal.message)
        return after(request, found)
    means = ["Everything they did stays under their name, and so does their account."]
    said = {"heading": f"Remove {who}?", "means": means, "button": "Remove", "keys": losing(found)}
    return confirm(request, said | back("members", "Members"))


def who_gave_role(member: Membership) -> Deed | None:
    """Who gave a member their role, a manager here or an operator in admin, on the team's page or the member's."""
    words = (f"Made {member.user} a", str(member))
    return last_noted([member.team, member.user], "changed their role", *words)


def after(request: TeamRequest, found: Membership) -> HttpResponse:
    """Back to the members; who is no manager any more has nothing to see there."""
    themselves = found.user_id == request.user.pk
    is_manager = Membership.objects.filter(team=request.team, user=request.user, role=Role.MANAGER).exists()
    return redirect("overview" if themselves and not is_manager else "members")


def losing(member: Membership) -> list[Any]:
    """The keys that are revoked with a member, the newest ones."""
    own = member.team.api_keys.filter(user=member.user_id, revoked_at=None)
    return list(own.select_related("ingest__integration")[:KEYS_NAMED])
