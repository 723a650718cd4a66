"""
Every list is narrowed by one FilterSet wherever it is shown: API, page and Django admin show the same for the same
filter, refuse the same, and answer another team's id as that of nothing.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from config.fields import QueryBoolean, QueryInteger, StrictChoice, StrictMoment, StrictUUID
from config.filtering import ListFilters, Place
from incidents.filters import GroupFilters, IncidentFilters
from incidents.models import Incident
from integrations.filters import DeliveryFilters, IntegrationFilters
from monitors.filters import ResourceFilters
from teams.authentication import make_key
from teams.filters import MemberFilters
from teams.models import Role, Scope
from tests.conftest import NOON, act, an_event, make_integration, make_user, tell_it
from tests.endpoints import make_endpoint, make_message
from timeline.outbound.filters import EndpointFilters, MessageFilters

NOBODYS = 2**62


@dataclass(frozen=True)
class Kind:
    """A kind of record: its name in the API's path, its FilterSet, and where its lists stand on pages and in admin."""

    name: str
    filters: type[ListFilters]
    page: str
    admin: str = ""
    rows: str = ""

    def called(self, name: str, place: Place) -> str | None:
        """What a filter is called in a place."""
        names = self.filters.base_filters[name].names
        return names[place] or name if place in names else None


KINDS = [
    Kind("incidents", IncidentFilters, "/incidents", "incidents/incident"),
    Kind("incident-groups", GroupFilters, "/groups", "incidents/incidentgroup", rows="groups"),
    Kind("monitors", ResourceFilters, "/monitors", "monitors/monitor", rows="resources"),
    Kind("heartbeats", ResourceFilters, "/heartbeats", "monitors/heartbeat", rows="resources"),
    Kind("deliveries", DeliveryFilters, "/deliveries", "integrations/inbounddelivery"),
    Kind("integrations", IntegrationFilters, "/team/integrations", "integrations/integration"),
    Kind("members", MemberFilters, "/team/members"),
    Kind("endpoints", EndpointFilters, "/team/endpoints", "timeline/endpoint"),
    Kind("messages", MessageFilters, "/team/messages", "timeline/message", rows="messages_sent"),
]
# Parameters that say how a list is read.
READING = {"limit", "cursor", "sort_by", "sort_order"}


@dataclass
class Scene:
    """Two teams with a bit of everything, who reads, and what filters can ask for: a filter's name → some values."""

    api: Client
    page: Client
    admin: Client
    team: int
    known: dict[str, list[Any]]
    foreign: dict[str, Any]

    def shown(self, kind: Kind, asked: dict[str, Any]) -> dict[str, set[int]]:
        """The records that each place shows, by their ids; asked for by the filters' names."""
        return {place: getattr(self, f"by_{place}")(kind, asked) for place in places_of(kind, asked)}

    def by_api(self, kind: Kind, asked: dict[str, Any]) -> set[int]:
        data = self.read(self.api, f"/api/{kind.name}", spelled(kind, asked, Place.API) | {"limit": 100}).json()["data"]
        return {each.get("number", each["id"]) for each in data[kind.name.replace("-", "_")]}

    def by_page(self, kind: Kind, asked: dict[str, Any]) -> set[int]:
        rows = self.read(self.page, kind.page, spelled(kind, asked, Place.PAGE)).context[kind.rows or kind.name]
        found = [row["group"] if isinstance(row, dict) else row[0] if isinstance(row, tuple) else row for row in rows]
        return {each.user_id if kind.name == "members" else each.pk for each in found}

    def by_admin(self, kind: Kind, asked: dict[str, Any]) -> set[int]:
        present = {"destroyed": "false"} if "destroyed" in kind.filters.base_filters else {}
        present |= {"deleted": "no"} if kind.name == "endpoints" else {}
        query = {"team__id__exact": self.team} | present | spelled(kind, asked, Place.ADMIN)
        return {each.pk for each in self.read(self.admin, f"/admin/{kind.admin}/", query).context["cl"].result_list}

    def read(self, client: Client, path: str, query: dict[str, Any]) -> Any:
        answer = client.get(path, query)
        assert answer.status_code == 200, (path, query, answer.content[:300])
        return answer


def spelled(kind: Kind, asked: dict[str, Any], place: Place) -> dict[str, Any]:
    """A query string that asks the same in a place."""
    return {str(kind.called(name, place)): value for name, value in asked.items()}


def places_of(kind: Kind, asked: dict[str, Any]) -> list[Place]:
    """Where all that is asked can be asked."""
    places = [Place.API, Place.PAGE, *([Place.ADMIN] if kind.admin else [])]
    return [place for place in places if all(kind.called(name, place) is not None for name in asked)]


@pytest.fixture
def scene(team, other_team, integration, operator):
    mary = make_user("mary@example.com", team, Role.MANAGER)
    strangers = make_integration(other_team, "Theirs")
    endpoints = [make_endpoint(team), make_endpoint(team, description="second"), make_endpoint(other_team)]
    for door in (integration, strangers):
        furnish(door, mary if door == integration else None)
    for endpoint in endpoints:
        for status in ("new", "delivered", "dead"):
            make_message(endpoint, status=status)
    second = make_integration(team, "Second")
    tell_it(second, an_event("heartbeat.created"))
    theirs = Incident.objects.filter(team=other_team).first()
    clients = [Client(), Client()]
    for client, user in zip(clients, (mary, operator), strict=True):
        client.force_login(user)
    native = Incident.objects.create(team=team)
    act(native, "incident.started", by=mary, at=NOON, incident_cause="Declared by hand", severity="minor")
    return Scene(
        api=Client(headers={"X-API-Key": make_key(team, mary, "lists", [Scope.READ])[1]}),
        page=clients[0],
        admin=clients[1],
        team=team.pk,
        known={
            "integration": [integration.pk, second.pk],
            "integration_id": [integration.pk, second.pk],
            "endpoint_id": [each.pk for each in endpoints[:2]],
            "incident_id": [native.uuid, team.incidents.get(source_id=1).uuid],
            "event": ["endpoint.test", "incident.started"],
            "resource_type": ["monitor", "heartbeat"],
        },
        foreign={
            "integration": strangers.pk,
            "integration_id": strangers.pk,
            "group": other_team.incident_groups.get().pk,
            "endpoint_id": endpoints[2].pk,
            "incident_id": theirs.uuid,
            "number": theirs.pk,
        },
    )


def furnish(door, by):
    """Incidents, monitors and heartbeats in every state that events bring about, a group, and deliveries put aside."""
    heartbeat = {"resource_type": "heartbeat", "resource_id": 101}
    tell_it(
        door,
        *(an_event("incident.started", incident_id=number, resource_id=number) for number in range(1, 6)),
        an_event("incident.started", incident_id=6, **heartbeat),
        an_event("incident.acknowledged", incident_id=2, resource_id=2),
        an_event("incident.resolved", incident_id=3, resource_id=3),
        an_event("incident.destroyed", incident_id=4, resource_id=4),
        an_event("incident.grouped", incident_id=5, resource_id=5, incident_group_id=7),
        an_event("monitor.paused", monitor_id=8),
        an_event("monitor.destroyed", monitor_id=9),
        an_event("heartbeat.down", heartbeat_id=102),
        an_event("heartbeat.destroyed", heartbeat_id=103),
        an_event("incident.started", incident_id="no number"),
        {"event": "x.y", **{name: an_event("incident.started")[name] for name in ("organization_id", "team_id")}},
    )
    if by:
        third = door.team.incidents.get(source_id=3)
        act(third, "incident.closed", by=by, at=NOON.replace(hour=20))
        act(
            door.team.incidents.get(source_id=1),
            "incident.severity_changed",
            by=by,
            at=NOON.replace(hour=21),
            severity="critical",
        )


# --- the same set -----------------------------------------------------------------------------------------------------


def shared(kind):
    """The filters of a kind of record that more than one place has."""
    return [name for name in kind.filters.base_filters if len(places_of(kind, {name: ""})) > 1]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_list_shows_the_same_in_api_page_and_admin_whatever_it_is_narrowed_by(kind, scene):
    whole = scene.shown(kind, {})
    assert all(whole.values()), whole
    assert len(whole) == (3 if kind.admin else 2)
    found = [whole]
    for name in shared(kind):
        strict = kind.filters.base_filters[name].strict
        values = scene.known.get(name) or [*getattr(strict, "choices", ["Website"])]
        found += [scene.shown(kind, {name: value}) for value in values]
        assert any(any(each.values()) for each in found[-len(values) :]) or name == "q", name
    assert [each for each in found if len(set(map(frozenset, each.values()))) != 1] == []


def test_what_lists_share_is_found_by_looking_at_them():
    assert {kind.name: shared(kind) for kind in KINDS} == {
        "incidents": ["q", "status", "severity", "resource_type", "destroyed", "integration"],
        "incident-groups": [],
        "monitors": ["status", "destroyed"],
        "heartbeats": ["status", "destroyed"],
        "deliveries": ["status", "integration_id"],
        "integrations": [],
        "members": [],
        "endpoints": [],
        "messages": ["status", "event", "endpoint_id", "incident_id"],
    }


def test_a_group_narrows_incidents_to_its_own(scene, team):
    [group] = team.incident_groups.all()
    assert scene.by_api(KINDS[0], {"group": group.pk}) == {team.incidents.get(source_id=5).pk}


# --- bad values -------------------------------------------------------------------------------------------------------


BAD = {
    QueryInteger: ["1.5", "1e3", "-1", "+1", "0x1", "٣", "9223372036854775808", "9" * 5000, "one", "", " "],
    StrictMoment: ["2026-05-13", "2026-05-13 12:00:00Z", "2026-05-13T12:00:00", "2026-05-13T24:00:00Z", "now", ""],
    StrictUUID: ["550e8400e29b41d4a716446655440000", "{550e8400-e29b-41d4-a716-446655440000}", "alice", ""],
    StrictChoice: ["nonsense", "OPEN", "open,", ""],
    QueryBoolean: ["True", "maybe", "2"],
}


def bad_for(strict):
    """Texts that a field refuses."""
    return next((texts for field, texts in BAD.items() if isinstance(strict, field)), [])


PARAMETERS = [(kind, called, name) for kind in KINDS for called, name in kind.filters.names_in(Place.API).items()]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_bad_value_is_a_400_that_names_its_parameter(kind, scene):
    refused = 0
    for called, name in kind.filters.names_in(Place.API).items():
        texts: list[Any] = [*bad_for(kind.filters.base_filters[name].strict), ["1", "1"]]
        for text in texts:
            answer = scene.api.get(f"/api/{kind.name}", {called: text})
            assert answer.status_code == 400, (called, text)
            error = answer.json()["error"]
            assert (error["code"], list(error["details"]["fields"])) == ("VALIDATION_ERROR", [called]), (called, text)
            refused += 1
    assert refused > 10
    assert scene.api.get(f"/api/{kind.name}", {"nobody": "knows", "integration__exact": "x"}).status_code == 200


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_bad_value_is_said_on_a_page_which_then_shows_nothing(kind, scene):
    for called, name in kind.filters.names_in(Place.PAGE).items():
        for text in [
            *filter(str.strip, bad_for(kind.filters.base_filters[name].strict)),
            *(["x" * 201] * (name == "q")),
        ]:
            answer = scene.page.get(kind.page, {called: text})
            assert answer.status_code == 400, (called, text)
            [(wrong, [words])] = answer.context["filters"].errors.items()
            assert (wrong, f"<li>{escape(words)}</li>" in answer.content.decode()) == (called, True)
            assert len(answer.context[kind.rows or kind.name]) == 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.admin], ids=lambda kind: kind.name)
def test_a_bad_value_leads_to_the_whole_list_in_admin(kind, scene):
    for called, name in kind.filters.names_in(Place.ADMIN).items():
        for text in bad_for(kind.filters.base_filters[name].strict):
            answer = scene.admin.get(f"/admin/{kind.admin}/", {called: text})
            assert (answer.status_code, answer.url[-4:]) == (302, "?e=1"), (called, text)


# --- another team's ---------------------------------------------------------------------------------------------------


def test_another_team_s_id_is_answered_as_that_of_nothing(scene):
    asked = [
        (
            kind,
            called,
            scene.foreign[name],
            "00000000-0000-4000-8000-000000000000" if name == "incident_id" else NOBODYS,
        )
        for kind, called, name in PARAMETERS
        if name in scene.foreign
    ]
    assert len(asked) == 6
    for kind, called, foreign, nobodys in asked:
        answers = [scene.api.get(f"/api/{kind.name}", {called: value}) for value in (foreign, nobodys)]
        assert answers[0].json()["data"][kind.name] == [], (kind.name, called)
        assert answers[0].content == answers[1].content
    for kind, called, name in (
        ("deliveries", "integration", "integration"),
        ("team/messages", "endpoint", "endpoint_id"),
    ):
        pages = [scene.page.get(f"/{kind}", {called: value}) for value in (scene.foreign[name], NOBODYS)]
        assert [page.status_code for page in pages] == [400, 400]
        assert pages[0].context["filters"].errors == pages[1].context["filters"].errors
