"""Wherever an id can enter, another team's id is answered as one that nothing has."""

import json
import re

import pytest

from dashboard.schema import document
from tests.access.places import IN_BODIES, IN_FORMS, IN_QUERIES, own_visits, places, told_apart, told_of_others
from tests.access.visits import environ, path_of, routes, visit_of
from tests.access.walk import Controls, ask

pytestmark = pytest.mark.django_db

# Fields that are called like ids and are the sender's own words; or that narrow the sender's own records.
NO_IDS = {"cursor"}
LIKE_AN_ID = re.compile(r"(?:^|_)ids?$|^assignee$|^targets$|^cursor$").search


def test_another_teams_id_is_answered_as_one_that_nothing_has(scene):
    assert [wrong for place in places() if (wrong := told_apart(scene, place))] == []


def test_a_team_is_shown_the_same_whether_there_is_another_or_not_and_changes_its_own(scene):
    assert len(scene.alone) > 60
    assert [wrong for place in own_visits() if (wrong := told_of_others(scene, place))] == []


def test_every_field_of_the_api_that_takes_an_id_is_tried():
    schema = json.loads(document())
    named = {name for place in (*IN_BODIES, *IN_QUERIES) for name in tried(place)}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            asked = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
            fields = {name for name in asked | set(fields_of(schema, operation)) if LIKE_AN_ID(name)} - NO_IDS
            if not path.startswith("/api/webhooks/"):
                missing = {name for name in fields if (method.upper(), path, name) not in named}
                assert missing == set(), f"{method} {path}"


def tried(place):
    """(method, path as the schema has it, field) of what a place tries."""
    path = re.sub(r"<\w+:(\w+)>", r"{\1}", place.route)
    return [(place.method, path, name) for name in {**(place.visit.json or {}), **place.visit.query}]


def fields_of(schema, operation):
    """The fields of an operation's body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return schema["components"]["schemas"].get(name, {}).get("properties", {})


def test_every_field_of_a_form_that_offers_records_is_tried(scene):
    """Whatever in a form on any page has a record's id for a value."""
    named = {name for place in (*IN_FORMS, *IN_QUERIES) for name in {**place.visit.form, **place.visit.query}}
    offered = {}
    for route in dict.fromkeys(routes()):
        if route.startswith(("/api/", "/admin/")):
            continue
        page = Controls()
        path = path_of(route, visit_of("GET", route), scene.a.names)
        page.feed(ask(environ("GET", path, b"", "", scene.actors["manager"].headers)).body.decode(errors="replace"))
        for name, values in page.values.items():
            if any(value.split(" ")[0].encode() in scene.a.ids for value in values):
                offered[name] = route
    assert {name: route for name, route in offered.items() if name not in named} == {}
    assert {"pick", "team", "integration", "assignee", "targets", "group", "monitor_id"} <= set(offered)
