"""
Links that were handed over: an invitation to a team, accepted by somebody who is logged in or makes an account; and a
new password for somebody who lost theirs.

To look at a link uses nothing up, as programs look at what is sent in chats, too. A wrong one says the same as one that
was used, taken back or is too old. Not here: what links open (teams.entry_links).
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from config import ratelimit
from config.clock import now
from config.errors import Conflict, ValidationFailed
from config.formfields import blame
from config.refusals import note_refusal
from dashboard.access import SESSION_TEAM
from dashboard.views.entrance import greeted
from teams.entry_links import (
    AddressTaken,
    accept,
    choose_password,
    find_link,
    is_for,
    join_anew,
    needs_own_password,
)
from teams.forms import ChosenPasswordForm, NewAccountForm, OwnPasswordForm
from teams.lifecycle import revoke_own_keys
from teams.login_guard import LINK, SESSION, begin_try
from teams.models import EntryLink, Membership, User

BACKEND = "django.contrib.auth.backends.ModelBackend"


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def link(request: HttpRequest, token: str) -> HttpResponse:
    """`/link/{token}`: what a link is for; POST uses it."""
    found = find_link(token, at=now())
    if found is None:
        ratelimit.check_failures(request, ratelimit.LINKS)
        ratelimit.count_failure(request, ratelimit.LINKS)
        note_refusal(request, "link")
        return render(request, "entrance/link_dead.html", status=404)
    try:
        return opened(request, found)
    except Conflict as refused:
        messages.warning(request, refused.message)
        return redirect(request.path)


def opened(request: HttpRequest, found: EntryLink) -> HttpResponse:
    """A link's page for whoever came with it. Raises Conflict for one that died meanwhile."""
    if found.user is not None:
        return new_password(request, found, found.user)
    if not request.user.is_authenticated:
        return new_account(request, found)
    user = request.user
    if not is_for(found, user):
        # Whose it is and where it leads is nobody else's affair.
        return render(request, "entrance/link_elses.html", status=403)
    return invitation(request, found, user)


def new_password(request: HttpRequest, found: EntryLink, user: User) -> HttpResponse:
    """Somebody chooses a password, and is logged in with it."""
    attempt = begin_try(request, user.email, at=now(), by=LINK) if request.method == "POST" else None
    form = ChosenPasswordForm(user, request.POST if attempt else None)
    if attempt:
        attempt.succeed()
    if not form.is_valid():
        return shown(request, "entrance/link_password.html", found, form)
    user = choose_password(found, form.cleaned_data["new_password1"], at=now())
    return entered(request, user, "Your password is made. You are logged out everywhere else.")


def new_account(request: HttpRequest, found: EntryLink) -> HttpResponse:
    """Somebody who is not logged in makes an account, or is led to the login and back."""
    attempt = begin_try(request, found.email, at=now(), by=LINK) if request.method == "POST" else None
    form = NewAccountForm(User(email=found.email), request.POST if attempt else None)
    if form.is_valid() and attempt:
        try:
            user = join_anew(found, form.cleaned_data["name"], form.cleaned_data["new_password1"], at=now())
        except AddressTaken as refused:
            attempt.fail("link", at=now())
            form.add_error(None, refused.message)
        except ValidationFailed as refused:
            blame(form, refused, "name")
        else:
            attempt.succeed()
            return entered(request, user, f"Welcome to {found.team}.")
    elif attempt:
        attempt.succeed()
    return shown(request, "entrance/link_account.html", found, form)


def invitation(request: HttpRequest, found: EntryLink, user: User) -> HttpResponse:
    """Somebody who is logged in accepts, with a new password if others may know the present one."""
    if not needs_own_password(user):
        if request.method == "POST":
            return joined(request, accept(found, user, at=now()))
        return shown(request, "entrance/link_join.html", found, None)
    attempt = begin_try(request, user.email, at=now(), by=SESSION) if request.method == "POST" else None
    form = OwnPasswordForm(user, request.POST if attempt else None)
    if attempt and "old_password" in form.errors:
        attempt.fail("password", at=now())
    elif attempt:
        attempt.succeed()
    if not form.is_valid():
        return shown(request, "entrance/link_join.html", found, form)
    member = accept(found, user, at=now(), new_password=form.cleaned_data["new_password1"])
    if form.cleaned_data.get("revoke_keys"):
        revoke_own_keys(user, at=now())
    user.refresh_from_db()
    update_session_auth_hash(request, user)
    return joined(request, member)


def joined(request: HttpRequest, member: Membership) -> HttpResponse:
    """On to the team that somebody has just come into."""
    request.session[SESSION_TEAM] = member.team.public_id
    messages.success(request, f"You are in {member.team} now.")
    return redirect("overview")


def entered(request: HttpRequest, user: User, words: str) -> HttpResponse:
    """Log somebody in whose password was made just now."""
    login(request, user, backend=BACKEND)
    messages.success(request, words)
    return greeted(request, redirect("overview"), user)


def shown(request: HttpRequest, template: str, found: EntryLink, form: Any) -> HttpResponse:
    """A link's page."""
    status = 400 if form is not None and form.is_bound else 200
    return render(request, template, {"link": found, "form": form}, status=status)
