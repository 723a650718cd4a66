"""
Coming in and settling: logging in and out, choosing the team, and how a person wants to be addressed.

Not here: what may be seen once inside (access).
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from config import ratelimit
from dashboard.access import TeamRequest, switch, team_page
from dashboard.forms import LoginForm, PreferencesForm
from dashboard.frame import show


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
