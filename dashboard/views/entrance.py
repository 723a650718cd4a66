"""
Coming in and settling: logging in and out, choosing the team, and how a person wants to be addressed.

What was typed when a session had ended goes along (dashboard.unsent). Not here: what may be seen once inside (access),
links that let people in (links), what each form asks (forms).
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.generic import FormView
from rest_framework.authentication import CSRFCheck

from config import errors
from config.clock import now
from config.errors import RateLimited
from config.moments import at_time
from dashboard import unsent
from dashboard.access import TeamRequest, memberships_of, switch, team_page, to_login
from dashboard.forms import LoginForm, PreferencesForm
from dashboard.frame import show
from teams.forms import OwnPasswordForm
from teams.lifecycle import has_expired_password, revoke_own_keys, set_password
from teams.login_guard import SESSION, Try, begin_try, remember_place, take_failed_attempts
from teams.models import User

STALE = "This page was open for too long, or you logged in or out in another window. Log in once more."
GUESSED = (
    "While you were away, somebody tried to log in as you with a wrong password: {} from places where you never logged "
    "in, the last {} from {}. If that was not you, your password held; choose a longer one if it is short."
)


@method_decorator([csrf_exempt, sensitive_post_parameters(), never_cache], name="dispatch")
class Login(LoginView):
    """
    `/login`. Tries are counted before a password is looked at. The form's token is looked at here, where it can be
    answered with the form.
    """

    template_name = "entrance/login.html"
    authentication_form = LoginForm
    attempt: Try | None = None

    def dispatch(self, request: HttpRequest, *args: str, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return redirect(self.get_success_url())
        return FormView.dispatch(self, request, *args, **kwargs)  # past LoginView's own, which would refuse with a 403

    def post(self, request: HttpRequest, *args: str, **kwargs: Any) -> HttpResponse:
        problem = csrf_problem(request)
        if problem and is_from_elsewhere(problem, request):
            return errors.csrf_failure(request, problem)
        if problem:
            # Two tabs, of which the other came first: no wrong password, and nothing to be refused.
            form = LoginForm(request, initial={"username": request.POST.get("username", "")})
            return self.render_to_response(self.get_context_data(form=form, stale=STALE), status=400)
        self.attempt = begin_try(request, request.POST.get("username", ""), at=now())
        try:
            return super().post(request, *args, **kwargs)
        except RateLimited:  # too many passwords are looked at just now, and this one was not
            self.attempt.succeed()
            raise

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        assert self.attempt
        self.attempt.succeed()
        response = super().form_valid(form)
        kept = unsent.keep_unsent(self.request.session, self.request.POST.get(unsent.FIELD, ""))
        return greeted(self.request, redirect("unsent") if kept else response, form.get_user())

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        assert self.attempt
        if form.has_error("__all__", "expired"):
            self.attempt.succeed()
        else:
            self.attempt.fail("login", at=now())
        return self.render_to_response(self.get_context_data(form=form), status=400)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        signed = self.request.POST.get(unsent.FIELD, "")
        return super().get_context_data(**context) | {"unsent": unsent.read_unsent(signed), "signed": signed}


def csrf_problem(request: HttpRequest) -> str:
    """Why a form's token is not good; "" if it is."""
    check = CSRFCheck(lambda request: HttpResponse())
    check.process_request(request)
    return str(check.process_view(request, csrf_failure, (), {}) or "")


def is_from_elsewhere(problem: str, request: HttpRequest) -> bool:
    """Whether a form was refused for where it came from, or a browser does not say that it came from here."""
    return "checking failed" in problem or not (request.META.get("HTTP_ORIGIN") or request.META.get("HTTP_REFERER"))


def greeted(request: HttpRequest, response: HttpResponse, user: User) -> HttpResponse:
    """The answer to somebody who has just come in: they are known here from now on, and told who tried to be them."""
    remember_place(request, response, user, at=now())
    attempts = take_failed_attempts(user)
    if attempts:
        number = "once" if attempts.number == 1 else f"{attempts.number} times"
        words = GUESSED.format(number, at_time(attempts.last_at, now()), attempts.last_from or "an unknown address")
        messages.warning(request, words)
    return response


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
    if has_expired_password(request.user, at=now()):
        logout(request)
        messages.error(request, LoginForm.error_messages["expired"])
        return redirect("login")
    attempt = begin_try(request, request.user.email, at=now(), by=SESSION) if request.method == "POST" else None
    form = OwnPasswordForm(request.user, request.POST if attempt else None)
    if attempt and "old_password" in form.errors:
        attempt.fail("password", at=now())
    elif attempt:
        attempt.succeed()
    if form.is_valid():
        change_password(request, form)
        return redirect(after_password(request))
    context = {"form": form, "next": next_page(request)}
    return render(request, "entrance/password.html", context, status=400 if form.is_bound else 200)


def change_password(request: HttpRequest, form: OwnPasswordForm) -> None:
    """Change one's password, which ends all other sessions, and revoke one's keys if that was asked for."""
    set_password(form.user, form.cleaned_data["new_password1"])
    update_session_auth_hash(request, form.user)
    words = "Your password is changed. You are logged out everywhere else."
    if form.cleaned_data.get("revoke_keys"):
        words += f" API keys revoked: {revoke_own_keys(form.user, at=now())}."
    messages.success(request, words)


def next_page(request: HttpRequest) -> str:
    """Where somebody wanted to go; "" for nowhere, or to another site."""
    wanted = request.POST.get("next", request.GET.get("next", ""))
    return wanted if unsent.is_ours(request, wanted) else ""


def after_password(request: HttpRequest) -> str:
    """Where to go when the password is changed."""
    is_in_a_team = bool(memberships_of(request.user))  # type: ignore[arg-type]
    rest = "admin:index" if request.user.is_staff and not is_in_a_team else "overview"
    return next_page(request) or resolve_url(rest)


# --- what was not recorded --------------------------------------------------------------------------------------------


@require_safe
@never_cache
def unsent_page(request: HttpRequest) -> HttpResponse:
    """`/unsent`: what was typed when the session had ended, to be sent by one more press."""
    if not request.user.is_authenticated:
        return to_login(request)
    if request.user.must_change_password:
        return redirect(f"{reverse('password')}?{urlencode({'next': request.path})}")
    kept = unsent.kept_unsent(request.session)
    return render(request, "entrance/unsent.html", {"unsent": kept}) if kept else redirect("overview")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """
    Django's CSRF_FAILURE_VIEW. A form of ours whose token is too old, because its sender logged in or out meanwhile in
    another window, is shown again with what was typed; whatever did not come from a page of ours is refused.
    """
    refused = errors.csrf_failure(request, reason)
    form = None if is_from_elsewhere(reason, request) or errors.is_api(request) else unsent.unsent_form(request)
    if form is None:
        return refused
    if not request.user.is_authenticated:
        return to_login(request)
    status = 401 if request.headers.get("HX-Request") else refused.status_code
    return render(request, "entrance/unsent.html", {"unsent": form, "is_stale": True}, status=status)
