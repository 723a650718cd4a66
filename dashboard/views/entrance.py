"""
Coming in and settling: logging in and out, choosing the team, and how a person wants to be addressed.

Not here: what may be seen once inside (access).
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from config import ratelimit
from dashboard.access import TeamRequest, memberships_of, switch, team_page, to_login
from dashboard.forms import LoginForm, PreferencesForm
from dashboard.frame import show
from teams.forms import OwnPasswordForm
from teams.lifecycle import set_password


class Login(LoginView):
    """`/login`. Too many failures from one address are refused before the password is looked at."""

    template_name = "entrance/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: str, **kwargs: Any) -> HttpResponse:
        ratelimit.check_failures(request)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        ratelimit.count_failure(self.request)
        return self.render_to_response(self.get_context_data(form=form), status=400)


@require_POST
@team_page
def change_team(request: TeamRequest) -> HttpResponse:
    """`/team`: show another of one's teams from now on."""
    wanted = request.POST.get("team")
    membership = next((one for one in request.memberships if one.team.public_id == wanted), None)
    if membership is None:
        raise Http404
    switch(request, membership)
    return redirect("overview")


@require_http_methods(["GET", "HEAD", "POST"])
@team_page
def preferences(request: TeamRequest) -> HttpResponse:
    """`/preferences`: one's name and time zone."""
    form = PreferencesForm(request.POST or None, instance=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("preferences")
    return show(request, "entrance/preferences.html", {"form": form}, status=400 if form.is_bound else 200)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def password(request: HttpRequest) -> HttpResponse:
    """`/password`: another password; whose present one was given by somebody else sees no other page before."""
    if not request.user.is_authenticated:
        return to_login(request)
    if request.method == "POST":
        ratelimit.check_failures(request)
    form = OwnPasswordForm(request.user, request.POST if request.method == "POST" else None)
    if form.is_valid():
        set_password(request.user, form.cleaned_data["new_password1"])
        update_session_auth_hash(request, request.user)
        messages.success(request, "Your password is changed.")
        is_in_a_team = bool(memberships_of(request.user))
        return redirect("admin:index" if request.user.is_staff and not is_in_a_team else "overview")
    if "old_password" in form.errors:
        ratelimit.count_failure(request)
    return render(request, "entrance/password.html", {"form": form}, status=400 if form.is_bound else 200)
