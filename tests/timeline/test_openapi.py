"""The events of the incident log in the API's document: each a component of its own, and the webhooks that we send."""

import json

import pytest
from jsonschema import Draft202012Validator

from dashboard.schema import document
from tests.conftest import NOON
from tests.made import EXAMPLES
from tests.made import example as documented
from timeline import openapi
from timeline.events import EVENTS, VENDOR_EVENTS, validate

DOCUMENT = json.loads(document())
SCHEMAS = DOCUMENT["components"]["schemas"]


def is_valid(component, value):
    schema = {"$ref": f"#/components/schemas/{component}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema).is_valid(value)


def test_the_door_takes_the_19_events_by_their_names():
    names = {openapi.component_of(name) for name in VENDOR_EVENTS}
    assert len(names) == 19 and "IncidentStartedEvent" in names
    assert {each["$ref"].rpartition("/")[2] for each in SCHEMAS["LogEvent"]["oneOf"]} == names
    for path in ("/api/webhooks/incident-log", "/api/webhooks/incident-log/{token}"):
        one, several = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
        assert one == several["items"]
        assert [each["$ref"].rpartition("/")[2] for each in one["anyOf"]] == ["LogEvent", "OtherEvent"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_documented_event_is_one_of_its_component_and_of_no_other(name):
    event = documented(name)
    assert [each for each in map(openapi.component_of, EVENTS) if is_valid(each, event)] == [openapi.component_of(name)]
    assert is_valid("LogEvent", event)
    subject = f"{name.partition('.')[0]}_id"
    assert not is_valid("LogEvent", event | {subject: "x"})
    assert not is_valid("LogEvent", {field: value for field, value in event.items() if field != subject})
    assert is_valid("LogEvent", event | {field: None for field in event if field.endswith("_name")})


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_s_example_is_one_that_we_would_take(name):
    component = openapi.component_of(name)
    event = SCHEMAS[component]["example"]
    assert is_valid(component, event)
    judged = validate(event, NOON, EVENTS)
    assert (judged.fields, judged.ignored) == ({}, ())
    assert event.keys() == SCHEMAS[component]["properties"].keys()


def test_everything_that_we_send_is_a_webhook_with_its_signature():
    assert DOCUMENT["webhooks"].keys() == {*EVENTS, "endpoint.test"}
    for name, item in DOCUMENT["webhooks"].items():
        sent = item["post"]
        [content] = sent["requestBody"]["content"].values()
        assert content["schema"]["$ref"].rpartition("/")[2] == openapi.component_of(name)
        assert {each["name"] for each in sent["parameters"]} == {"webhook-id", "webhook-timestamp", "webhook-signature"}
        assert content["example"]["event"] == name
    assert len({item["post"]["operationId"] for item in DOCUMENT["webhooks"].values()}) == len(DOCUMENT["webhooks"])


def test_every_field_and_action_of_the_vocabulary_has_its_words():
    fields = {field for kind in EVENTS.values() for field in kind.fields}
    assert fields - openapi.FIELDS.keys() == set()
    assert {kind.action for kind in EVENTS.values()} - openapi.TELLS.keys() == set()
