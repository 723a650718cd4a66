"""
What surrounds every page: the places to go to, the team, the two counts that must never be overlooked, and for managers
that something is not sent.

`show` is how a view answers: with the whole page, or, asked by htmx, with the fragment alone.
"""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from dashboard.access import TeamRequest
from integrations.replay import quarantine
from teams.models import Role
from timeline.outbound.log import trouble

PLACES = (
    ("overview", "Overview"),
    ("incidents", "Incidents"),
    ("monitors", "Monitors"),
    ("heartbeats", "Heartbeats"),
    ("deliveries", "Deliveries"),
)
FOR_MANAGERS = (("members", "Team"),)
# Drawings that are called otherwise than the place.
ICONS = {"members": "team"}
# Pages below a place, by the first word of their names.
BELOW = {
    "incident": "incidents",
    "group": "incidents",
    "groups": "incidents",
    "monitor": "monitors",
    "heartbeat": "heartbeats",
    "delivery": "deliveries",
    "member": "members",
    "invitation": "members",
    "integration": "members",
    "integrations": "members",
    "key": "members",
    "keys": "members",
    "endpoint": "members",
    "endpoints": "members",
    "message": "members",
    "messages": "members",
}

# Counting further than this would cost time and tell nobody anything.
COUNT_UP_TO = 99


def show(
    request: TeamRequest, page: str, context: dict[str, Any], *, fragment: str | None = None, status: int = 200
) -> HttpResponse:
    """The page; or only its fragment, if htmx asks for it (and is not restoring a whole page from its history)."""
    if fragment and request.htmx and not request.htmx.history_restore_request:
        response = render(request, fragment, context, status=status)
    else:
        response = render(request, page, context | {"frame": frame(request)}, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def frame(request: TeamRequest) -> dict[str, Any]:
    """What base.html shows around the content."""
    return {
        "team": request.team,
        "role": request.membership.role,
        "trouble": trouble(request.team) if request.membership.may(Role.MANAGER) else None,
        "teams": [membership.team for membership in request.memberships],
        "places": [
            {"name": name, "word": word, "icon": ICONS.get(name, name), "here": here(request, name)}
            for name, word in places(request)
        ],
    } | counts(request)


def places(request: TeamRequest) -> tuple[tuple[str, str], ...]:
    """The places that the member may go to: (name, word)."""
    return PLACES + FOR_MANAGERS if request.membership.may(Role.MANAGER) else PLACES


def counts(request: TeamRequest) -> dict[str, str]:
    """How many incidents are live and deliveries in quarantine: "" for none, "99+" for many. Asked once."""
    if request.counts is None:
        request.counts = {
            "live": counted(request.team.incidents.live()),
            "quarantined": counted(quarantine(request.team)),
        }
    return request.counts


def here(request: TeamRequest, name: str) -> str:
    """`page` for the page one is on, `true` for one below it, as aria-current has it."""
    current = request.resolver_match.url_name if request.resolver_match else ""
    if current == name:
        return "page"
    return "true" if BELOW.get(str(current).partition("-")[0]) == name else ""


def counted(records: QuerySet[Any]) -> str:
    """How many, without counting far: "", "7" or "99+"."""
    return up_to_99(records.order_by()[: COUNT_UP_TO + 1].count())


def up_to_99(number: int) -> str:
    """A number that was not counted far: "", "7" or "99+"."""
    return "" if not number else str(number) if number <= COUNT_UP_TO else f"{COUNT_UP_TO}+"
