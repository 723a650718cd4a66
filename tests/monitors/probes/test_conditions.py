"""Tests of monitors.probes.conditions: what a condition says of JSON and headers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.probes.conditions import MISSING, holds, parse_path, unmet, value_at
from monitors.probes.target import Condition, Op, Source

DOCUMENT = {
    "data": {"nodes": [{"state": "ok"}, {"state": "gone"}], "count": 2, "load": 0.75, "big": 12345678901234567890},
    "a.b": {"c[0]": True},
    "nothing": None,
    "empty": "",
    "7": "seven",
    "ids": ["12", 13],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.nodes[0].state", "ok"),
        ("$.data.nodes[-1].state", "gone"),
        ("$.data.count", 2),
        ("data['nodes'][1]['state']", "gone"),
        ('["a.b"]["c[0]"]', True),
        ("nothing", None),
        ("7", "seven"),
        ("data.nodes[2].state", MISSING),
        ("data.nodes[-3]", MISSING),
        ("data.nodes.state", MISSING),
        ("data.count.x", MISSING),
        ("ids[0][0]", MISSING),
        ("", DOCUMENT),
        ("$", DOCUMENT),
    ],
)
def test_a_path_leads_to_a_value(path, value):
    assert value_at(DOCUMENT, path) is value or value_at(DOCUMENT, path) == value


@pytest.mark.parametrize("path", ["a[", "a[x]", "a]", "a..b", '["a]', "a[1.5]", "a[99999999999]", "x" * 501])
def test_what_is_no_path_is_named(path):
    with pytest.raises(ValueError, match="is no path such as"):
        parse_path(path)
    assert value_at(DOCUMENT, path) is MISSING


@pytest.mark.parametrize(
    ("path", "op", "value", "met"),
    [
        ("data.count", "equals", "2", True),
        ("data.count", "equals", "2.0", True),
        ("data.count", "equals", " 2 ", True),
        ("data.count", "equals", "two", False),
        ("data.count", "not_equals", "3", True),
        ("data.load", "greater", "0.7", True),
        ("data.load", "less", "0.75", False),
        ("data.big", "greater", "12345678901234567889", True),
        ("data.big", "equals", "12345678901234567890", True),
        ("data.nodes[0].state", "greater", "1", False),
        ("data.nodes[0].state", "equals", "OK", False),
        ("data.nodes[0].state", "contains", "o", True),
        ("data.nodes[0].state", "not_contains", "x", True),
        ("ids", "contains", "12", True),
        ("ids", "contains", "13", True),
        ("ids", "not_contains", "1", True),
        ("data", "contains", "count", True),
        ("data.count", "contains", "2", True),
        ('["a.b"]["c[0]"]', "equals", "true", True),
        ('["a.b"]["c[0]"]', "greater", "0", False),
        ("nothing", "equals", "null", True),
        ("nothing", "exists", "", True),
        ("nothing", "not_exists", "", False),
        ("gone", "not_exists", "", True),
        ("gone", "exists", "", False),
        ("gone", "not_equals", "x", False),
        ("gone", "not_contains", "x", False),
        ("empty", "equals", "", True),
        ("ids", "equals", '["12", 13]', True),
    ],
)
def test_a_condition_holds_or_does_not(path, op, value, met):
    condition = Condition(Source.JSON, path, Op(op), value)
    assert holds(condition, value_at(DOCUMENT, path)) is met
    assert (unmet([condition], lambda name: None, lambda: DOCUMENT) is None) is met


def test_the_first_that_fails_is_told():
    conditions = [
        Condition(Source.HEADER, "X-Version", Op.EQUALS, "7"),
        Condition(Source.HEADER, "X-Gone", Op.EXISTS),
        Condition(Source.JSON, "data.count", Op.EQUALS, "3"),
    ]
    headers = {"X-Version": "7", "X-Gone": "yes"}
    assert unmet(conditions, headers.get, lambda: DOCUMENT) == "In the JSON, data.count is '2', expected: equals '3'."
    assert (
        unmet(conditions, {"X-Version": "7"}.get, lambda: DOCUMENT) == "The header X-Gone is missing, expected: exists."
    )
    long = unmet([Condition(Source.JSON, "data", Op.EQUALS, "y" * 9_999)], headers.get, lambda: {"data": "x" * 9_999})
    assert len(long) < 200


def test_a_body_that_is_no_json_is_asked_for_only_where_json_is_meant():
    def broken():
        raise ValueError

    assert unmet([Condition(Source.HEADER, "X", Op.NOT_EXISTS)], lambda name: None, broken) is None
    assert unmet([Condition(Source.JSON, "x", Op.EXISTS)], lambda name: None, broken) == "The answer is not JSON."


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(anything, st.text(max_size=30), st.sampled_from(Op), st.text(max_size=30))
def test_no_document_breaks_a_condition(document, path, op, value):
    document = json.loads(json.dumps(document))
    said = unmet([Condition(Source.JSON, path, op, value)], lambda name: None, lambda: document)
    assert said is None or (said.endswith(".") and len(said) < 700)
