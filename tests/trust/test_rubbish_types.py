"""
Every field of every body, and every parameter of every query string, with every wrong kind of value: each is refused,
by its own name alone.

The fields are those of the documented examples, the parameters those of the OpenAPI document. What else can be wrong
with a request stands in tests/corpus/rubbish.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from dashboard.schema import document
from incidents.models import Incident
from monitors.models import Heartbeat, Monitor
from teams.models import Membership, Role
from tests.conftest import an_event
from tests.made import EXAMPLES, example

HUGE = 2**63
# A documented value's kind → values of every other kind.
WRONG_KINDS: dict[str, list[Any]] = {
    "text": [0, 1, -1, 1.5, True, False, [], ["a"], {}, {"a": 1}],
    "id": ["1", "", "a", 1.0, 1.5, -1, HUGE, 10**30, True, False, [], [1], {}, {"id": 1}],
    "texts": ["a", "", 1, 1.5, True, {}, {"0": "a"}, [1], [None], [True], [["a"]], [{}], ["a", 1]],
    "targets": [
        *("a", 1, True, {}),
        *([1], ["a"], [None], [[]], [{"type": 1}], [{"id": "01"}], [{"id": -1}], [{"name": []}]),
    ],
}
# What must be there must not be null, nor without anything in it.
OF_THE_REQUIRED: dict[str, list[Any]] = {"text": [None, "", " \t\n"], "id": [None]}
TIMES = ["now", "2026-05-13", "2026-05-13T12:00:00", "2026-05-13 12:00:00Z", "1747137900"]
TIMES += ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "2026-05-13T24:00:00Z"]
COMMON = ("dt", "event", "message", "organization_id", "team_id")


def kind_of(value: Any) -> str:
    """Of which kind a documented value is."""
    if isinstance(value, list):
        return "targets" if isinstance(value[0], dict) else "texts"
    return "id" if isinstance(value, int) else "text"


def wrong_values(event: str) -> Iterator[tuple[str, Any]]:
    """(field, wrong value) for all fields of an event."""
    required = {*COMMON, f"{event.partition('.')[0]}_id"}
    for field, value in example(event).items():
        kind = kind_of(value)
        yield from ((field, wrong) for wrong in WRONG_KINDS[kind])
        yield from ((field, wrong) for wrong in (OF_THE_REQUIRED[kind] if field in required else ()))
    yield from (("dt", wrong) for wrong in [*TIMES, "1999-12-31T23:59:59.999Z"])


def read_as_meant(field: str, value: Any, kind: str) -> bool:
    """Whether a value of another kind is read as one of the right kind."""
    if kind == "id":
        return isinstance(value, str) and value.isascii() and value.isdigit() and str(int(value)) == value
    if kind == "texts":
        return isinstance(value, str)
    return field in ("organization_id", "team_id") and type(value) is int


@pytest.mark.parametrize("event", EXAMPLES)
def test_a_wrong_kind_of_value_in_an_event_is_refused_or_ignored_by_its_field_s_name(client, integration, event):
    required = {*COMMON, f"{event.partition('.')[0]}_id"}
    kinds = {field: kind_of(value) for field, value in example(event).items()}
    wrong = [each for each in wrong_values(event) if not read_as_meant(*each, kinds[each[0]])]
    body = json.dumps([example(event) | {field: value, "n": n} for n, (field, value) in enumerate(wrong)])
    answer = client.post(f"/api/webhooks/incident-log/{integration.token}", body, content_type="application/json")
    assert answer.status_code == 202
    found = [
        (one["status"], [*one["error"]["details"]["fields"]] if "error" in one else one.get("ignored"))
        for one in answer.json()["data"]
    ]
    assert found == [("quarantined" if field in required else "accepted", [field]) for field, _ in wrong]
    # And it is shown.
    refused = [field for field, _ in wrong if field in required]
    assert integration.deliveries.filter(status="quarantined").count() == len(refused)
    assert integration.deliveries.exclude(ignored=None).count() == len(wrong) - len(refused)


NOT_A_NOTE = [*WRONG_KINDS["text"], *OF_THE_REQUIRED["text"], "a" * 1001]


@pytest.mark.parametrize("wrong", NOT_A_NOTE, ids=lambda value: json.dumps(value)[:20])
def test_a_wrong_kind_of_value_in_a_note_is_refused_by_its_field_s_name(api: Client, tell, wrong):
    tell(an_event("incident.started"))
    path = f"/api/incidents/{Incident.objects.get().uuid}/updates"
    answer = api.post(path, json.dumps({"message": wrong}), content_type="application/json")
    assert answer.status_code == 400
    assert [*answer.json()["error"]["details"]["fields"]] == ["message"]


# --- query strings ----------------------------------------------------------------------------------------------------

NO_NUMBERS = [
    "x",
    "1.0",
    "1e1",
    "0x1",
    "+1",
    "-1",
    "1_0",
    "1,2",
    "[1]",
    "null",
    "true",
    "NaN",
    "٣",
    "²",
    "１",
    str(HUGE),
]
WRONG_WORDS: dict[str, list[str]] = {
    "integer": [*NO_NUMBERS, "9" * 5000],
    "boolean": ["1", "0", "yes", "True", "FALSE", "null", "[]", "{}", "true,false", "ｔｒｕｅ"],
    "date-time": [*TIMES, "2026-05-13t12:00:00z", "2026-W20-3T12:00:00Z", "2026-05-13T12:00:60Z", "null", "tomorrow"],
    "uuid": ["1", "x", "550e8400e29b41d4a716446655440000", "{550e8400-e29b-41d4-a716-446655440000}", "null"],
    "words": ["x", "OPEN", "1", "null", "[]", ",", "open,,closed", "open;closed", "open|closed", "a" * 5000],
    "cursor": ["x", "null", "[]", "e30", "W10", "-1", "AAAA", "ä", "a" * 5000],
    "text": ["a" * 201],
}
# Text that can be anything.
FREE = {"resource_type"}
# Text that may be blank, and counts as not given then.
BLANK = {"resource_type", "q"}


def parameters() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, name, schema) of every parameter of every query string."""
    for path, methods in json.loads(document())["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            if parameter["in"] == "query":
                yield path, parameter["name"], parameter["schema"]


def sort_of(name: str, schema: dict[str, Any]) -> str:
    """Which of WRONG_WORDS are wrong for a parameter."""
    if name == "cursor":
        return name
    if "enum" in schema or "pattern" in schema:
        return "words"
    return str(
        schema.get("format") if schema.get("format") in WRONG_WORDS else schema["type"].replace("string", "text")
    )


def beyond(schema: dict[str, Any]) -> list[str]:
    """The numbers just below and above what a parameter may be."""
    return [str(schema[end] + step) for end, step in (("minimum", -1), ("maximum", 1)) if end in schema]


@pytest.mark.parametrize(
    ("path", "name", "schema"), [*parameters()], ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_wrong_kind_of_value_in_a_query_string_is_refused_by_its_parameter_s_name(
    api, user, tell, path, name, schema
):
    Membership.objects.filter(user=user).update(role=Role.MANAGER)  # who may read everything
    tell(an_event("incident.started"), an_event("heartbeat.up"))
    model = Heartbeat if "heartbeats" in path else Monitor
    url = path.format(uuid=Incident.objects.get().uuid, id=model.objects.get().pk)
    wrong = [] if name in FREE else [*WRONG_WORDS[sort_of(name, schema)], *beyond(schema)]
    for value in wrong:
        answer = api.get(url, {name: value})
        assert answer.status_code == 400, value
        assert [*answer.json()["error"]["details"]["fields"]] == [name], value
    twice = api.get(f"{url}?{name}=a&{name}=a")
    assert name in twice.json()["error"]["details"]["fields"]
    for blank in ("", " ", "\t\n"):
        assert api.get(url, {name: blank}).status_code == (200 if name in BLANK else 400)
    for other in (f"{name}[]", f"{name}[0]", f" {name}", name.upper(), f"{name}__in"):
        assert api.get(url, {other: "x"}).status_code == 200
