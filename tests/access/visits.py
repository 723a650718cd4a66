"""
A sound request for every route and method: one that does what it asks for, if it may.

Paths name records of team A; bodies name records of the asking actor's own team. `{name}` is one of the names of
tests.access.scene.Side; a text that is nothing but a name takes its value, numbers as numbers. What isn't listed here
is asked for without a body. A new route that takes a body needs its line; without one the table says 400 or ok instead
of done.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.test import RequestFactory
from django.urls import URLResolver, get_resolver

from tests.access.scene import PASSWORD, Actor, Scene
from tests.conftest import NOON, an_event, rfc

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Visit:
    """What goes with a request: `path` has other names for parts of the path than the route's usual ones."""

    json: Any = None
    form: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    # Of admin: the fields of the form that stands on the page, with `form` put over them.
    on_page: bool = False


# --- routes -----------------------------------------------------------------------------------------------------------


def routes(resolver: Any = None, before: str = "/") -> Iterator[str]:
    """The routes of all paths, admin's in the form of the others; static files have none."""
    for each in (resolver or get_resolver()).url_patterns:
        here = before + str(each.pattern).removeprefix("^").removesuffix("$")
        if isinstance(each, URLResolver):
            yield from routes(each, here)
        else:
            yield re.sub(r"\(\?P<(\w+)>.*\)", r"<\1>", here)


# What the parts of paths are called in the scene: the beginning of a route → {part: name}. The longest one counts.
PARTS = {
    "/": {},
    "/incidents/": {"uuid": "incident", "pk": "fact"},
    "/facts/": {"pk": "fact"},
    "/groups/": {"pk": "group"},
    "/monitors/": {"pk": "monitor"},
    "/heartbeats/": {"pk": "heartbeat"},
    "/deliveries/": {"pk": "delivery"},
    "/link/": {"token": "link"},
    "/team/members/": {"pk": "leaver_membership"},
    "/team/invitations/": {"pk": "invitation"},
    "/team/integrations/": {"pk": "integration"},
    "/team/keys/": {"pk": "key"},
    "/team/endpoints/": {"pk": "endpoint"},
    "/team/messages/": {"pk": "message"},
    "/api/incidents/": {"uuid": "incident", "event_id": "event"},
    "/api/incident-groups/": {"id": "group"},
    "/api/monitors/": {"id": "monitor"},
    "/api/heartbeats/": {"id": "heartbeat"},
    "/api/deliveries/": {"id": "delivery"},
    "/api/endpoints/": {"id": "endpoint"},
    "/api/messages/": {"id": "message"},
    "/api/webhooks/": {"token": "token"},
    "/admin/": {"url": "nothing", "app_label": "teams"},
    "/admin/teams/organization/": {"object_id": "organization"},
    "/admin/teams/team/": {"object_id": "team"},
    "/admin/teams/user/": {"object_id": "leaver", "id": "leaver"},
    "/admin/teams/apikey/": {"object_id": "key"},
    "/admin/auth/group/": {"object_id": "group_of_operators"},
    "/admin/timeline/timelineevent/": {"object_id": "fact"},
    "/admin/timeline/endpoint/": {"object_id": "endpoint"},
    "/admin/timeline/message/": {"object_id": "message"},
    "/admin/timeline/attempt/": {"object_id": "attempt"},
    "/admin/timeline/installation/": {"object_id": "1"},
    "/admin/monitors/monitor/": {"object_id": "monitor"},
    "/admin/monitors/heartbeat/": {"object_id": "heartbeat"},
    "/admin/incidents/incident/": {"object_id": "incident_number"},
    "/admin/incidents/incidentgroup/": {"object_id": "group"},
    "/admin/integrations/integration/": {"object_id": "integration"},
    "/admin/integrations/ingestkey/": {"object_id": "ingest_number"},
    "/admin/integrations/inbounddelivery/": {"object_id": "quarantined"},
    "/admin/integrations/doorcount/": {"object_id": "counted"},
}  # fmt: skip


def parts_of(route: str) -> dict[str, str]:
    """What the parts of a route's paths are called."""
    beginning = max((each for each in PARTS if route.startswith(each)), key=len)
    return PARTS[beginning]


# --- what is sent -----------------------------------------------------------------------------------------------------

EVENT = an_event("incident.started", NOON, incident_id=777)
TODAY, DAY = datetime.now(UTC), timedelta(days=1)
DECLARATION = {"severity": "major", "type": "other", "error_message": "Nobody can pay"}
ENTRY = {"message": "It began", "occurred_at": rfc(NOON), "reason": "Forgotten"}
ON_PAGE = Visit(on_page=True)
CONFIRMED = Visit(form={"post": "yes"})

API = {
    "POST /api/incidents": Visit({**DECLARATION, "monitor_id": "{monitor}", "affected_monitor_ids": ["{monitor}"]}),
    "POST /api/incidents/bulk": Visit({"ids": ["{incident}"], "action": "acknowledge"}),
    "PUT /api/incidents/<str:uuid>": Visit({"title": "Another", "assignee_id": "{manager_uuid}"}),
    "PUT /api/incidents/<str:uuid>/status": Visit({"status": "acknowledged", "assignee_id": "{viewer_uuid}"}),
    "POST /api/incidents/<str:uuid>/reopen": Visit({"note": "Again"}, path={"uuid": "resolved"}),
    "POST /api/incidents/<str:uuid>/escalate": Visit({"targets": [{"type": "user", "id": "{manager_uuid}"}]}),
    "POST /api/incidents/<str:uuid>/group": Visit({"incident_group_id": "{group}"}),
    "POST /api/incidents/<str:uuid>/ungroup": Visit(path={"uuid": "grouped"}),
    "POST /api/incidents/<str:uuid>/updates": Visit({"message": "Looked"}),
    "POST /api/incidents/<str:uuid>/timeline": Visit(ENTRY),
    "POST /api/incidents/<str:uuid>/timeline/corrections": Visit({"ids": ["{event}"], "hidden": True, "reason": "No"}),
    "POST /api/incidents/<str:uuid>/timeline/<str:event_id>/corrections": Visit({"message": "So", "reason": "No"}),
    "POST /api/monitors": Visit({"name": "Shop", "url": "https://shop.example", "type": "status"}),
    "PUT /api/monitors/<str:id>": Visit({"name": "Shop"}),
    "POST /api/monitors/<str:id>/unpause": Visit(path={"id": "paused_monitor"}),
    "POST /api/heartbeats": Visit({"name": "Backup", "period": 60, "grace": 0}),
    "PUT /api/heartbeats/<str:id>": Visit({"name": "Backup"}),
    "POST /api/heartbeats/<str:id>/unpause": Visit(path={"id": "paused_heartbeat"}),
    "POST /api/endpoints": Visit({"url": "https://hooks.example"}),
    "PUT /api/endpoints/<str:id>": Visit({"description": "Another"}),
    "POST /api/endpoints/<str:id>/enable": Visit(path={"id": "failed"}),
    "POST /api/endpoints/<str:id>/replay": Visit({"since": rfc(TODAY - DAY), "until": rfc(TODAY + DAY)}),
    "POST /api/webhooks/incident-log": Visit(EVENT),
    "POST /api/webhooks/incident-log/<str:token>": Visit(EVENT),
}

PAGES = {
    "POST /login": Visit(form={"username": "{viewer_email}", "password": PASSWORD}),
    "POST /team": Visit(form={"team": "{team_public}"}),
    "POST /preferences": Visit(form={"name": "Somebody", "time_zone": "UTC"}),
    "POST /password": Visit(
        form={"old_password": PASSWORD, "new_password1": "battery staple 9", "new_password2": "battery staple 9"}
    ),
    "POST /link/<str:token>": Visit(
        form={"name": "New", "new_password1": "battery staple 9", "new_password2": "battery staple 9"}
    ),
    "POST /team/members/new": Visit(form={"email": "new@new.example", "role": "viewer"}),
    "POST /team/members/<int:pk>/role": Visit(form={"role": "responder"}),
    "POST /team/integrations/new": Visit(form={"name": "Another", "type": "other", "count_only": ""}),
    "POST /team/integrations/<int:pk>/edit": Visit(form={"name": "Renamed", "type": "other", "count_only": ""}),
    "POST /team/integrations/<int:pk>/signing": Visit(form={"signing": "new", "signing_secret": ""}),
    "POST /team/integrations/<int:pk>/reopen": Visit(path={"pk": "shut"}),
    "POST /team/keys/new": Visit(form={"name": "Key", "scopes": ["read", "ingest"], "integration": "{integration}"}),
    "POST /team/endpoints/new": Visit(form={"url": "https://hooks.example"}),
    "POST /team/endpoints/<int:pk>/edit": Visit(form={"url": "https://hooks.example"}),
    "POST /team/endpoints/<int:pk>/enable": Visit(path={"pk": "failed"}),
    "POST /team/endpoints/<int:pk>/replay": Visit(
        form={"since": f"{TODAY - DAY:%Y-%m-%dT%H:%M}", "until": f"{TODAY + DAY:%Y-%m-%dT%H:%M}"}
    ),
    "POST /incidents/new": Visit(
        form={**DECLARATION, "monitor_id": "{monitor}", "affected_monitor_ids": ["{monitor}", "{paused_monitor}"]}
    ),
    "POST /incidents/act": Visit(form={"verb": "acknowledge", "pick": ["{incident}"]}),
    "POST /incidents/<uuid:uuid>": Visit(form={"message": "Looked"}),
    "POST /incidents/<uuid:uuid>/act": Visit(form={"verb": "assign", "assignee": "{manager_uuid}"}),
    "POST /incidents/<uuid:uuid>/entries": Visit(form={"pick": ["{fact}"], "reason": "No", "verb": "hide"}),
    "POST /incidents/<uuid:uuid>/entries/<int:pk>": Visit(form={"verb": "correct", "message": "So", "reason": "No"}),
    "POST /monitors/new": Visit(form={"name": "Shop", "url": "https://shop.example", "type": "status"}),
    "POST /monitors/<int:pk>/edit": Visit(form={"name": "Shop", "url": "https://shop.example", "type": "status"}),
    "POST /monitors/<int:pk>/unpause": Visit(path={"pk": "paused_monitor"}),
    "POST /heartbeats/new": Visit(form={"name": "Backup", "period": "1 h", "grace": "1 min"}),
    "POST /heartbeats/<int:pk>/edit": Visit(form={"name": "Backup", "period": "1 h", "grace": "1 min"}),
    "POST /heartbeats/<int:pk>/unpause": Visit(path={"pk": "paused_heartbeat"}),
    **{f"{method} /deliveries/<int:pk>/apply": Visit(path={"pk": "ahead"}) for method in METHODS},
    **{f"{method} /deliveries/<int:pk>/replay": Visit(path={"pk": "quarantined"}) for method in METHODS},
}


def acting(*chosen: str, action: str = "delete_selected", **fields: str) -> Visit:
    """An action of a list in admin, confirmed."""
    return Visit(form={"action": action, "_selected_action": list(chosen), "post": "yes", **fields})


def a_page(**fields: Any) -> Visit:
    """The form that stands on a page of admin, with something typed into it."""
    return Visit(form=fields, on_page=True)


ADMIN = {
    "POST /admin/password_change/": Visit(
        form={"old_password": PASSWORD, "new_password1": "battery staple 9", "new_password2": "battery staple 9"}
    ),
    **{
        f"{method} /admin/autocomplete/": Visit(
            query={"app_label": "teams", "model_name": "apikey", "field_name": "team", "term": "q"}
        )
        for method in METHODS
    },
    "POST /admin/teams/organization/": acting("{bare_organization}"),
    "POST /admin/teams/organization/add/": a_page(name="New Inc."),
    "POST /admin/teams/organization/<path:object_id>/change/": a_page(name="Renamed Inc."),
    "POST /admin/teams/organization/<path:object_id>/delete/": Visit(
        form={"post": "yes"}, path={"object_id": "bare_organization"}
    ),
    "POST /admin/teams/team/": acting("{team}"),
    "POST /admin/teams/team/add/": a_page(name="New", organization="{organization}"),
    "POST /admin/teams/team/<path:object_id>/change/": a_page(name="Renamed"),
    "POST /admin/teams/user/": acting("{leaver}"),
    "POST /admin/teams/user/add/": a_page(email="new@new.example", password1="battery 99 x", password2="battery 99 x"),
    "POST /admin/teams/user/<path:object_id>/change/": a_page(name="Renamed"),
    "POST /admin/teams/user/<id>/password/": a_page(password1="battery 99 x", password2="battery 99 x"),
    "POST /admin/auth/group/": acting("{group_of_operators}"),
    "POST /admin/auth/group/add/": a_page(name="New"),
    "POST /admin/auth/group/<path:object_id>/change/": a_page(name="Renamed"),
    "POST /admin/teams/apikey/": acting("{key}"),
    "POST /admin/teams/apikey/add/": a_page(name="New", team="{team}", scopes=["read"]),
    "POST /admin/teams/apikey/<path:object_id>/change/": a_page(name="Renamed"),
    "POST /admin/timeline/timelineevent/": acting("{fact}", action="hide", reason="No"),
    "POST /admin/monitors/monitor/": acting("{monitor}", action="pause"),
    "POST /admin/monitors/monitor/add/": a_page(team="{team}", name="Shop", url="https://shop.example", type="status"),
    "POST /admin/monitors/monitor/<path:object_id>/change/": a_page(name="Renamed"),
    "POST /admin/monitors/heartbeat/": acting("{heartbeat}", action="pause"),
    "POST /admin/monitors/heartbeat/add/": a_page(team="{team}", name="Backup", period="1 h", grace="1 min"),
    "POST /admin/monitors/heartbeat/<path:object_id>/change/": a_page(name="Renamed"),
    "POST /admin/incidents/incident/": acting("{incident_number}", action="acknowledge"),
    "POST /admin/incidents/incident/add/": a_page(team="{team}", monitor="{monitor}", **DECLARATION),
    "POST /admin/incidents/incidentgroup/": acting("{group}", action="resolve_all", seen="{grouped_number}"),
    "POST /admin/integrations/integration/": acting("{integration}", action="rotate"),
    "POST /admin/integrations/integration/add/": a_page(team="{team}", name="New"),
    "POST /admin/integrations/integration/<path:object_id>/change/": a_page(name="Renamed"),
    "POST /admin/integrations/ingestkey/": acting("{ingest_number}"),
    "POST /admin/integrations/ingestkey/add/": a_page(integration="{integration}", name="New"),
    "POST /admin/timeline/endpoint/": acting("{endpoint}", action="disable"),
    "POST /admin/timeline/endpoint/add/": a_page(team="{team}", url="https://hooks.example"),
    "POST /admin/timeline/endpoint/<path:object_id>/change/": a_page(description="Renamed"),
    "POST /admin/timeline/message/": acting("{message}", action="redeliver"),
    "POST /admin/integrations/inbounddelivery/": acting("{quarantined}", action="replay"),
}
VISITS: dict[str, Visit] = API | PAGES | ADMIN


def visit_of(method: str, route: str) -> Visit:
    """What goes with a method on a route."""
    if f"{method} {route}" in VISITS:
        return VISITS[f"{method} {route}"]
    return CONFIRMED if method == "POST" and route.endswith(("/delete", "/delete/")) else Visit()


# --- as requests ------------------------------------------------------------------------------------------------------

_name = re.compile(r"\{(\w+)\}")
factory = RequestFactory()


def filled(value: Any, names: Mapping[str, Any]) -> Any:
    """What is said, with the values of its names."""
    if isinstance(value, Mapping):
        return {key: filled(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    if not isinstance(value, str):
        return value
    whole = _name.fullmatch(value)
    if whole:
        found = names[whole[1]]
        return found if isinstance(found, int) else str(found)
    return _name.sub(lambda each: str(names[each[1]]), value)


def path_of(route: str, visit: Visit, names: Mapping[str, Any]) -> str:
    """The path of a route that names some records."""
    parts = {**parts_of(route), **visit.path}

    def part(found: re.Match[str]) -> str:
        name = parts[found[1]]
        return str(names.get(name, name))

    return re.sub(r"<(?:\w+:)?(\w+)>", part, route)


def request_of(scene: Scene, actor: Actor, method: str, route: str, visit: Visit | None = None) -> dict[str, Any]:
    """A request of an actor's, as the server is handed it."""
    visit = visit or visit_of(method, route)
    own = scene.side(actor).names
    there = scene.a.names | {"token": scene.a.names[actor.token]}
    path = path_of(route, visit, there)
    body, kind = body_of(visit, own, scene, path)
    if visit.query:
        path += "?" + urlencode(filled(visit.query, own), doseq=True)
    return environ(method, path, body, kind, actor.headers)


def body_of(visit: Visit, names: Mapping[str, Any], scene: Scene, path: str) -> tuple[bytes, str]:
    """(body, content type) of a visit."""
    if visit.json is not None:
        return json.dumps(filled(visit.json, names)).encode(), "application/json"
    form = filled(visit.form, names)
    if visit.on_page:
        form = scene.forms.get(path, {}) | form
    return (urlencode(form, doseq=True).encode(), "application/x-www-form-urlencoded") if form else (b"", "")


def environ(method: str, path: str, body: bytes, kind: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """A request as a WSGI server hands it on."""
    made: dict[str, Any] = factory.generic(method, path, body, kind or "", headers=headers).environ
    return made | {"tests.body": body}
