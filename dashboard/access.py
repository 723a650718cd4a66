"""
Who may see a page: logged in, a member of the team it is about, in that member's time zone.

Everything a page shows is reached through `request.team`; a record of another team of the same member takes the member
over to that team, any other record is as good as missing. Not here: what a page shows (views), what a role may change
is asked there too, by `request.membership.may(…)`.
"""

import zoneinfo
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from config.errors import wants_json
from config.heavy import note_asker
from config.refusals import note_refusal
from dashboard.forms import LoginForm
from dashboard.unsent import page_before, unsent_form
from teams.models import Membership, Role, Team, User
from teams.sessions import SessionStore

SESSION_TEAM = "team"
# Whoever answers 401 says how to come in; browsers know no name for a form.
CHALLENGE = {"WWW-Authenticate": "Form"}


class TeamRequest(HttpRequest):
    """A request of a logged-in member: with the team, the membership, and all memberships to choose from."""

    user: User
    team: Team
    membership: Membership
    memberships: list[Membership]
    counts: dict[str, str] | None
    htmx: HtmxDetails


Page = Callable[..., HttpResponseBase]


def team_page(view: Page) -> Page:
    """A page for members: sets `request.team`, `.membership` and `.memberships` before the view is called."""

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return to_login(request)
        entered = cast(TeamRequest, request)
        if entered.user.must_change_password:
            next_page = request.get_full_path() if request.method in {"GET", "HEAD"} else "/"
            return instead(request, f"{resolve_url('password')}?{urlencode({'next': next_page})}")
        entered.memberships = memberships_of(entered.user)
        if not entered.memberships:
            return render(request, "entrance/no_team.html", status=403)
        enter(entered, chosen(entered))
        note_asker(entered.team.pk, f"user {entered.user.pk}")
        return view(entered, *args, **kwargs)

    return guarded


def to_login(request: HttpRequest) -> HttpResponse:
    """
    To the login page and from there back here. What was posted is carried on by the login page itself, which says that
    it was not recorded; where htmx asked for a part, the page around it says so, for somebody may be typing there.
    """
    if request.method == "POST":
        return login_instead(request)
    if request.headers.get("HX-Request"):
        note_refusal(request, "session")
        return HttpResponse(status=401, headers=CHALLENGE | {"HX-Trigger": "logged-out", "HX-Reswap": "none"})
    return redirect_to_login(request.get_full_path() if request.method in {"GET", "HEAD"} else "/")


def login_instead(request: HttpRequest) -> HttpResponse:
    """The login page as the answer to a form, with what was typed there."""
    note_refusal(request, "session")
    form = unsent_form(request)
    said = {"form": LoginForm(request), "next": page_before(request), "unsent": form, "is_lost": True}
    said["signed"] = form.signed() if form else ""
    response = render(request, "entrance/login.html", said, status=401)
    for name, value in (CHALLENGE | {"Content-Location": resolve_url(settings.LOGIN_URL)}).items():
        response.headers[name] = value
    return response


def instead(request: HttpRequest, place: str) -> HttpResponse:
    """To another page instead of this one; an htmx request takes the whole page there, not a part of it."""
    is_part = bool(request.headers.get("HX-Request"))
    return HttpResponseClientRedirect(resolve_url(place)) if is_part else redirect(place)


def memberships_of(user: User) -> list[Membership]:
    """A user's memberships in active teams, by the teams' names. Superusers have no more than they were given."""
    memberships = Membership.objects.filter(user=user, team__deactivated_at__isnull=True)
    return list(memberships.select_related("team__organization").order_by("team__name", "team_id"))


def chosen(request: TeamRequest) -> Membership:
    """The membership whose team was shown last, or else the first."""
    wanted = request.session.get(SESSION_TEAM)
    return next((one for one in request.memberships if one.team.public_id == wanted), request.memberships[0])


def enter(request: TeamRequest, membership: Membership) -> None:
    """Show this membership's team from now on."""
    request.membership, request.team, request.counts = membership, membership.team, None


def switch(request: TeamRequest, membership: Membership) -> None:
    """Enter another team and remember it in the session."""
    enter(request, membership)
    request.session[SESSION_TEAM] = membership.team.public_id


def reached(request: TeamRequest, relation: str, **key: Any) -> Any:
    """
    The record with that key in the team's `relation` ("incidents", "monitors", …).

    If another team of the member has it, the member goes over to that team. Raises Http404 if none has it.
    """
    record = getattr(request.team, relation).filter(**key).first()
    return record or elsewhere(request, getattr(request.team, relation).model, key)


def elsewhere(request: TeamRequest, model: type[Model], key: dict[str, Any]) -> Any:
    """The record in another of the member's teams, which is entered. Raises Http404 if there is none."""
    others = {one.team_id: one for one in request.memberships if one.team_id != request.team.pk}
    record: Any = model._default_manager.filter(team__in=others, **key).first() if others else None
    if record is None:
        raise Http404
    switch(request, others[record.team_id])
    return record


def require(request: TeamRequest, role: Role) -> None:
    """Raises PermissionDenied unless the member has at least this role in the team."""
    if not request.membership.may(role):
        raise PermissionDenied


def settle(request: TeamRequest, role: Role) -> None:
    """
    Go over to the team that a form was made for, if it names one: another may have been chosen since in another window.
    Raises Http404 for a team that the member is not in, PermissionDenied for who has not at least this role in it.
    """
    wanted = request.POST.get("team", request.team.public_id)
    if wanted != request.team.public_id:
        membership = next((one for one in request.memberships if one.team.public_id == wanted), None)
        if membership is None:
            raise Http404
        switch(request, membership)
    require(request, role)


def is_let_in(request: TeamRequest, role: Role = Role.VIEWER) -> Callable[[], bool]:
    """
    What asks whether who sent a request would be let in once more: their session lasts, with the password it began
    with, and they have at least this role in the team. To be asked in any thread, long after the request.
    """
    key, team = request.session.session_key, request.team.pk

    def asked_again() -> bool:
        again = HttpRequest()
        again.session = SessionStore(key)
        user = get_user(again)
        if not isinstance(user, User) or user.must_change_password:
            return False
        return any(each.team_id == team and each.may(role) for each in memberships_of(user))

    return asked_again


class LocalTime:
    """Middleware: pages and admin show times in the reader's time zone. The API's are UTC, so it asks nobody there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if wants_json(request) or not request.user.is_authenticated:
            return self.get_response(request)
        with timezone.override(zone_of(request.user)):
            return self.get_response(request)


def zone_of(user: User) -> zoneinfo.ZoneInfo:
    """The user's time zone; UTC if this machine does not know it."""
    try:
        return zoneinfo.ZoneInfo(user.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zoneinfo.ZoneInfo("UTC")
