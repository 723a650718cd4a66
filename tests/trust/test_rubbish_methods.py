"""Every path there is, by every method there is: what a path does not do, it says, and nothing falls over."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver

from incidents.models import Incident, IncidentGroup
from integrations.models import InboundDelivery, Integration
from monitors.models import Heartbeat, Monitor
from tests.conftest import an_event
from tests.readers import Visitor
from tests.trust.conftest import FULL
from timeline.models import TimelineEvent

# What reads may be done by; the full run sends all methods that there are, and one that there isn't.
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE") if FULL else ("OPTIONS",)
UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "PROPFIND", "BREW") if FULL else ("POST", "DELETE", "BREW")
COUNTED = (Incident, IncidentGroup, InboundDelivery, Integration, Monitor, Heartbeat, TimelineEvent)
# What the API refuses with: also 409, what is not to be done with a mirrored monitor.
REFUSALS = {401, 403, 404, 405, 409, 415}
# To these an empty body says all there is to say, and with an open incident in no group there is nothing else to do.
BODILESS = {
    "POST": {f"/api/incidents/<str:uuid>/{verb}" for verb in ("reopen", "ungroup")},
    "DELETE": {"/api/incidents/<str:uuid>"},  # which leaves a fact
}


def routes(resolver: Any, before: str = "/") -> Iterator[str]:
    """The routes of all paths, admin's in the form of the others."""
    for each in resolver.url_patterns:
        here = before + str(each.pattern).removeprefix("^").removesuffix("$")
        if isinstance(each, URLResolver):
            yield from routes(each, here)
        else:
            yield here


ROUTES = [*routes(get_resolver())]


def path_of(route: str, uuid: str) -> str:
    """A path of a route; ids are 1, which may or may not be there."""
    route = re.sub(r"\(\?P<app_label>(\w+)[^)]*\)", r"\1", route)
    route = re.sub(r"\(\?P<url>\.\*\)", "nothing", route)
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: uuid if found[1] == "uuid" else "1", route)


@pytest.fixture
def uuid(tell) -> str:
    tell(an_event("incident.started"), an_event("heartbeat.up"), an_event("incident.started", incident_id="x"))
    return str(Incident.objects.get().uuid)


@pytest.mark.parametrize("method", [*SAFE, *UNSAFE])
def test_no_method_breaks_a_path(method, uuid, staff, operator, team, api_key):
    """By an operator who is a member too, with a key, and with a form that says nothing."""
    team.memberships.create(user=operator, role="manager")
    visitor = Visitor()
    visitor.cookies = staff.cookies
    before = [model.objects.count() for model in COUNTED]
    answers = {}
    for route in ROUTES:
        # Logging out would be the end of it.
        if "logout" not in route:
            answer = visitor.generic(method, path_of(route, uuid), b"", "text/plain", headers={"X-API-Key": api_key})
            answers[route] = answer.status_code
    # There is no worker here, and /workz says so.
    assert {route: status for route, status in answers.items() if status >= 500 and route != "/workz"} == {}
    done_to = [*before[:-1], before[-1] + 1] if method == "DELETE" else before
    assert [model.objects.count() for model in COUNTED] == done_to
    if method not in ("GET", "HEAD"):
        of_the_api = {route: status for route, status in answers.items() if route.startswith("/api/")}
        done = {route for route, status in of_the_api.items() if status not in REFUSALS}
        assert done == BODILESS.get(method, set())


@pytest.mark.parametrize("method", UNSAFE)
def test_no_method_but_those_that_only_read_works_without_a_token(method, uuid, operator, team):
    """A form of another site has the session, and no token."""
    team.memberships.create(user=operator, role="manager")
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(operator)
    pages = [route for route in ROUTES if not route.startswith("/api/")]
    answers = {route: client.generic(method, path_of(route, uuid), b"a=b").status_code for route in pages}
    # Who is logged in already, in another window, is led on; nobody is logged in by that.
    assert answers.pop("/login") in (302, 403, 405)
    # Health checks and what is not there look at no session.
    assert set(answers.values()) <= {403, 404, 405}
