"""Every body and every answer of the API's document has an example, and each is valid where it stands."""

import json

import pytest
from jsonschema import Draft202012Validator

from dashboard.schema import document
from dashboard.schema_examples import Maker, contents

DOCUMENT = json.loads(document())


def problems_with(schema, value):
    """What is wrong with a value."""
    whole = {**schema, "components": DOCUMENT["components"]}
    validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [each.message for each in validator.iter_errors(value)]


def test_every_body_and_every_answer_has_an_example_that_is_as_its_schema_says():
    found = [*contents(DOCUMENT)]
    assert len(found) > 300
    assert [content["schema"] for _, content in found if "example" not in content] == []
    wrong = {json.dumps(each["example"]): problems_with(each["schema"], each["example"]) for _, each in found}
    assert {example: problems for example, problems in wrong.items() if problems} == {}


def test_they_tell_one_story_and_not_what_types_there_are():
    texts = json.dumps([content["example"] for _, content in contents(DOCUMENT)])
    assert '"Text"' not in texts


@pytest.mark.parametrize(
    ("schema", "name", "example"),
    [
        ({"type": "integer"}, "id", 84),
        ({"type": "string", "format": "uuid"}, "id", "550e8400-e29b-41d4-a716-446655440000"),
        ({"type": "string", "pattern": "^event-[0-9a-f-]{36}$"}, "id", "event-6f1c2d3e-4b5a-5c7d-8e9f-0a1b2c3d4e5f"),
        ({"type": ["string", "null"], "format": "date-time"}, "resolved_at", None),
        ({"enum": ["up", "down"]}, "status", "up"),
        ({"type": "string", "enum": ["b", "a"]}, "nothing_known", "b"),
        ({"type": "array", "items": {"type": "integer"}}, "nothing_known", [1]),
        ({"oneOf": [{"type": "boolean"}, {"type": "null"}]}, "nothing_known", True),
        ({"$ref": "#/components/schemas/Inner"}, "nothing_known", {"id": 84}),
    ],
)
def test_an_example_is_what_a_field_of_that_name_looks_like_or_else_one_of_its_type(schema, name, example):
    components = {"Inner": {"type": "object", "properties": {"id": {"type": "integer"}}}}
    assert Maker(components).example(schema, name) == example
