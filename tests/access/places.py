"""
Wherever an id can enter, another team's id: in a path, a query string, a body, among several.

Somebody of team B sends a request about records of their own with one id of team A in it (`{foreign_…}`), and the same
with an id that nothing has. The answers must be the same but for the id. Not here: by which ids a whole path is
refused to whom (the table).
"""

import re
import secrets
import string
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID, uuid4

from tests.access.scene import Scene, rows_as_they_are, seen_of
from tests.access.visits import (
    DECLARATION,
    EVENT,
    METHODS,
    Visit,
    body_of,
    environ,
    filled,
    parts_of,
    path_of,
    routes,
    visit_of,
)
from tests.access.walk import Answer, ask

KEY, MANAGER = "b.key", "b.manager"


class Place(NamedTuple):
    """Where an id enters: who sends what."""

    actor: str
    method: str
    route: str
    visit: Visit

    def __str__(self) -> str:
        sent = self.visit.json or self.visit.form or self.visit.query
        return f"{self.actor} {self.method} {self.route} {sent} {dict(self.visit.path)}"


def declares(**fields: Any) -> Visit:
    return Visit({**DECLARATION, **fields})


def declares_by_form(**fields: Any) -> Visit:
    return Visit(form={**DECLARATION, **fields})


def several(**fields: Any) -> Visit:
    return Visit({"ids": ["{incident}"], **fields})


def acts(verb: str, **fields: Any) -> Visit:
    return Visit(form={"verb": verb, **fields})


def hiding(event: str) -> Visit:
    return Visit({"ids": [event], "hidden": True, "reason": "x"})


ONE = "/api/incidents/<str:uuid>"
PICKED = "{incident} open"
BULK = "/api/incidents/bulk"
DOOR = "/api/webhooks/incident-log"
PAGE = "/incidents/<uuid:uuid>"
USER = {"type": "user", "id": "{foreign_manager_uuid}"}
TARGETS = [
    USER,
    {"type": "user", "id": "{foreign_manager}"},
    {"type": "team", "id": "{foreign_team_public}"},
    {"type": "team", "id": "{foreign_team}"},
]

IN_BODIES = [
    Place(KEY, "POST", "/api/incidents", declares(monitor_id="{foreign_monitor}")),
    Place(KEY, "POST", "/api/incidents", declares(affected_monitor_ids=["{monitor}", "{foreign_monitor}"])),
    Place(KEY, "PUT", ONE, Visit({"assignee_id": "{foreign_manager_uuid}"})),
    Place(KEY, "PUT", f"{ONE}/status", Visit({"status": "resolved", "assignee_id": "{foreign_manager_uuid}"})),
    *(Place(KEY, "POST", f"{ONE}/escalate", Visit({"targets": [each]})) for each in TARGETS),
    Place(KEY, "POST", f"{ONE}/group", Visit({"incident_group_id": "{foreign_group}"})),
    Place(KEY, "POST", f"{ONE}/timeline/corrections", hiding("{foreign_event}")),
    Place(KEY, "POST", BULK, Visit({"ids": ["{incident}", "{foreign_incident}"], "action": "resolve"})),
    Place(KEY, "POST", BULK, several(action="assign", assignee_id="{foreign_manager_uuid}")),
    Place(KEY, "POST", BULK, several(action="escalate", targets=[USER])),
    Place(KEY, "POST", BULK, several(action="group", incident_group_id="{foreign_group}")),
    Place("b.ingest", "POST", DOOR, Visit({**EVENT, "team_id": "{foreign_team_public}"})),
    Place("b.ingest", "POST", DOOR, Visit({**EVENT, "organization_id": "{foreign_organization_public}"})),
]  # fmt: skip
A_KEY = {"name": "x", "scopes": ["ingest"], "integration": "{foreign_integration}"}
ANYTHING_NEW = {
    "name": "x", "type": "other", "email": "x@x.example", "role": "viewer", "scopes": ["read"],
    "team": "{foreign_team_public}", "url": "https://x.example",
}  # fmt: skip
OF_BOTH_TEAMS = "{grouped_number} {foreign_grouped_number}"
SUGGESTING = {"app_label": "teams", "model_name": "apikey", "term": "{foreign_team}"}

IN_FORMS = [
    Place(MANAGER, "POST", "/team", Visit(form={"team": "{foreign_team_public}"})),
    Place(MANAGER, "POST", "/team/members/new", Visit(form={"email": "{foreign_viewer_email}", "role": "viewer"})),
    Place(MANAGER, "POST", "/incidents/new", declares_by_form(monitor_id="{foreign_monitor}")),
    Place(MANAGER, "POST", "/incidents/new", declares_by_form(affected_monitor_ids=["{foreign_monitor}"])),
    Place(MANAGER, "POST", f"{PAGE}/act", acts("assign", assignee="{foreign_manager_uuid}")),
    Place(MANAGER, "POST", f"{PAGE}/act", acts("escalate", targets=["{foreign_manager_uuid}"])),
    Place(MANAGER, "POST", f"{PAGE}/act", acts("group", group="{foreign_group}")),
    Place(MANAGER, "POST", f"{PAGE}/entries", acts("hide", pick=["{foreign_fact}"], reason="x")),
    Place(MANAGER, "POST", "/incidents/act", acts("resolve", pick=["{incident} open", "{foreign_incident} open"])),
    Place(MANAGER, "POST", "/incidents/act", acts("resolve", pick=["{foreign_incident} open"])),
    Place(MANAGER, "POST", "/incidents/act", acts("assign", pick=[PICKED], assignee="{foreign_manager_uuid}")),
    Place(MANAGER, "POST", "/incidents/act", acts("group", pick=[PICKED], group="{foreign_group}")),
    Place(MANAGER, "POST", "/groups/<int:pk>/resolve", Visit(form={"live": OF_BOTH_TEAMS})),
    Place(MANAGER, "POST", "/team/keys/new", Visit(form=A_KEY)),
    *(
        Place(MANAGER, "POST", f"/team/{each}/new", Visit(form=ANYTHING_NEW))
        for each in ("members", "integrations", "keys", "endpoints")
    ),
]  # fmt: skip
IN_QUERIES = [
    Place(KEY, "GET", "/api/incidents", Visit(query={"assignee": "{foreign_responder_uuid}"})),
    Place(KEY, "GET", "/api/incidents", Visit(query={"group": "{foreign_group}"})),
    Place(KEY, "GET", "/api/incidents", Visit(query={"resource_id": "{foreign_mirrored_monitor}"})),
    Place(KEY, "GET", "/api/deliveries", Visit(query={"integration_id": "{foreign_integration}"})),
    Place(KEY, "GET", "/api/messages", Visit(query={"endpoint_id": "{foreign_endpoint}"})),
    Place(KEY, "GET", "/api/messages", Visit(query={"incident_id": "{foreign_incident}"})),
    Place(MANAGER, "GET", "/team/messages", Visit(query={"endpoint": "{foreign_endpoint}"})),
    Place(MANAGER, "GET", "/team/messages", Visit(query={"incident": "{foreign_incident}"})),
    Place(MANAGER, "GET", "/deliveries", Visit(query={"integration": "{foreign_integration}"})),
    Place(MANAGER, "GET", "/incidents/new", Visit(query={"monitor": "{foreign_monitor}"})),
    *(
        Place("clerk", "GET", "/admin/autocomplete/", Visit(query={**SUGGESTING, "field_name": each}))
        for each in ("team", "user")
    ),
]  # fmt: skip


def places() -> Iterator[Place]:
    """All of them."""
    yield from (*IN_BODIES, *IN_FORMS, *IN_QUERIES)
    for route in dict.fromkeys(routes()):
        yield from in_path(route)


def in_path(route: str) -> Iterator[Place]:
    """Each part of a route's paths by itself, by every method."""
    senders = ("clerk", MANAGER) if route.startswith("/admin/") else (KEY if route.startswith("/api/") else MANAGER,)
    for part in re.findall(r"<(?:\w+:)?(\w+)>", route):
        if part in ("url", "app_label", "token"):  # no ids
            continue
        for method in ("GET", "POST") if route.startswith("/admin/") else METHODS:
            visit = visit_of(method, route)
            there = visit.path.get(part, parts_of(route)[part])
            if there.isdigit():  # the one installation, which is no team's
                continue
            foreign = Visit(visit.json, visit.form, visit.query, {**visit.path, part: f"foreign_{there}"})
            yield from (Place(actor, method, route, foreign) for actor in senders)
            if MANAGER in senders and method == "GET" and "clerk" not in senders:
                yield Place("b.both", method, route, foreign)


# --- trying one -------------------------------------------------------------------------------------------------------

TRIED = "·"
# What differs between any two answers.
DIFFERS = re.compile(
    rb'csrfmiddlewaretoken" value="\w+|nonce[-="\']+[\w+/=-]+|X-Request-ID: \w+|Content-Length: \d+'
    rb'|"id":"[0-9a-f-]{36}"|"(?:id|number)":3\d{6}|"(?:updated|started|created|occurred|recorded|resolved)_at":"[^"]*"'
    rb'|"lag_seconds":[\d.]+|"(?:since|until)":"[^"]*"|"(?:up|down|paused|pending)":[\d.]+|"uptime":[\d.]+'
    rb'|(?<=data-lasting="\d{13}">)[^<]*|data-clock="[^"]*">[^<]*|(?:\d+ h )?\d+ min (?=ahead)'
    rb'|data-now="\d+"|As of <time.*?</time>|(?:Expires|Content-Length|Set-Cookie): [^\n]*'
    rb'|"dt": "[^"]*"|wlink_[\w-]+'
    rb'|name="once" value="[\w-]+"|name="csrf-token" content="\w+|"X-CSRFToken": *"\w+"'
)


def names_of(scene: Scene, *, nobodys: bool) -> dict[str, Any]:
    """Team B's names, and those of team A as `foreign_…`; or, under these, ids that nothing has."""
    foreign = {f"foreign_{name}": nothing_like(value) if nobodys else value for name, value in scene.a.names.items()}
    return scene.b.names | foreign


def nothing_like(value: Any) -> Any:
    """A value of the same kind that nothing has."""
    if isinstance(value, int):
        return 3_999_999
    if isinstance(value, UUID):
        return uuid4()
    if "@" in str(value):
        return f"{nothing_like('x' * 8)}@nobody.example"
    known, _, drawn = str(value).rpartition("_")
    kept = f"{known}_" if known else ""
    if re.fullmatch(r"(event-)?[0-9a-f-]{36}", str(value)):
        return f"{'event-' if str(value).startswith('event-') else ''}{uuid4()}"
    return kept + "".join(secrets.choice(string.ascii_lowercase) for _ in drawn)


def sent(scene: Scene, place: Place, names: dict[str, Any], then: Callable[[Answer], None] | None = None) -> Answer:
    """A place's request with some names, answered."""
    path = path_of(place.route, place.visit, names)
    if place.visit.query:
        path += "?" + urlencode(filled(place.visit.query, names), doseq=True)
    body, kind = body_of(place.visit, names, scene, path)
    request = environ(place.method, path, body, kind, scene.actors[place.actor].headers)
    return ask(request, then) if then else ask(request)


def told_apart(scene: Scene, place: Place) -> str:
    """What is wrong with the answers to another team's id and to nobody's; "" if they are the same and say nothing."""
    theirs, nobodys = names_of(scene, nobodys=False), names_of(scene, nobodys=True)
    answer, other = sent(scene, place, theirs), sent(scene, place, nobodys)
    if comparable(answer, theirs) != comparable(other, nobodys):
        return f"{place}: {answer.status} for another team's id, {other.status} for nobody's"
    said = {str(theirs[each]).encode() for each in mentioned(place)}
    seen = {each for each in seen_of(scene.a, answer.all) if each not in said}
    return f"{place}: {sorted(seen)}" if seen else ""


def mentioned(place: Place) -> set[str]:
    """The names of another team's ids that a request has."""
    visit = place.visit
    return set(re.findall(r"foreign_\w+", f"{visit.json} {visit.form} {visit.query} {dict(visit.path)}"))


def comparable(answer: Answer, names: dict[str, Any]) -> tuple[int, frozenset[str], bytes]:
    """An answer without what is never the same twice, and without the id that was tried."""
    said = DIFFERS.sub(TRIED.encode(), answer.all)
    for name, value in names.items():
        if name.startswith("foreign_"):
            said = said.replace(str(value).encode(), TRIED.encode())
    return answer.status, answer.written, said


# --- team B about its own ---------------------------------------------------------------------------------------------


def own_visits() -> Iterator[Place]:
    """Everything that team B asks for about its own records, and what it does to them."""
    for route in dict.fromkeys(routes()):
        if not route.startswith("/admin"):
            yield from visits_to(route)
    for each in ("role", "remove"):
        for method in ("GET", "POST"):
            visit = Visit(
                form=visit_of("POST", f"/team/members/<int:pk>/{each}").form, path={"pk": "turncoat_membership"}
            )
            yield Place(MANAGER, method, f"/team/members/<int:pk>/{each}", visit)
    # Of a mirrored incident it is said where acts on it go, and a team that heard nothing is told who manages it.
    yield Place(MANAGER, "GET", PAGE, Visit(path={"uuid": "mirrored"}))
    yield Place("b.newcomer", "GET", "/", Visit())


def visits_to(route: str) -> Iterator[Place]:
    """Those to one route."""
    for method in ("GET", "POST", "PUT", "DELETE"):
        for actor in (KEY, "b.ingest") if route.startswith("/api/") else (MANAGER,):
            yield Place(actor, method, route, visit_of(method, route))
    if route in ("/incidents", "/api/incidents"):
        for word in ("quetzal", "hoatzin"):
            yield Place(KEY if "api" in route else MANAGER, "GET", route, Visit(query={"q": word}))


def remember_alone(scene: Scene) -> None:
    """Keep what team B is answered while there is no other team."""
    for place in own_visits():
        if place.method == "GET":
            scene.alone[str(place)] = comparable(sent(scene, place, scene.b.names), scene.b.names)


def told_of_others(scene: Scene, place: Place) -> str:
    """What is wrong where team B is about its own: it is shown team A's, counts it, or changes it. "" if nothing is."""
    changed: list[str] = []

    def look(answer: Answer) -> None:
        if answer.written and rows_as_they_are(scene.a) != scene.rows_of_a:
            changed.append("changes team A's rows")
        if answer.written and any(scene.a.word in row for row in rows_as_they_are(scene.b).values()):
            changed.append("takes team A's words over")

    names = names_of(scene, nobodys=False)
    answer = sent(scene, place, names, look)
    shown = {each for each in seen_of(scene.a, answer.all) if each.decode() not in place.visit.query.values()}
    known = scene.alone.get(str(place))
    if known and known != comparable(answer, scene.b.names):
        changed.append("is answered otherwise than without team A")
    found = changed + [each.decode() for each in sorted(shown)]
    return f"{place}: {answer.status} {found}" if found else ""
