import math
from itertools import combinations

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config import strictjson
from timeline.identity import bytes_identity, canonical, event_identity, source_key

LARGEST_EXACT = 2**53 - 1

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-LARGEST_EXACT, LARGEST_EXACT) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)

steady = settings(deadline=None, derandomize=True, database=None, max_examples=200)


@steady
@given(values)
@example({"\ue000": 1, "\U0001f600": 2, "a": 3, "": 4})
@example({"a": {"é": 1.5, "z": [1, 2.0]}})
@example('\x00\x1f\x7f\u2028\\"/')
def test_a_value_is_written_as_rfc_8785_says(value):
    assert canonical(value).encode() == rfc8785.dumps(value)


@steady
@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.0)
@example(5e-324)
@example(1.7976931348623157e308)
@example(1e21)
@example(999999999999999900000.0)
@example(1e-6)
@example(1e-7)
@example(0.000001234)
@example(123456789012345680000.0)
@example(9007199254740993.0)
def test_a_double_is_written_as_rfc_8785_says_and_reads_back_the_same(number):
    assert canonical([number]).encode() == rfc8785.dumps([number])
    assert float(canonical(number)) == number


# RFC 8785, appendix B.
@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (-5e-324, "-5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (-9007199254740992.0, "-9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (1.0000000000000001e23, "1.0000000000000001e+23"),
        (999999999999999700000.0, "999999999999999700000"),
        (1e21, "1e+21"),
        (9.999999999999997e-7, "9.999999999999997e-7"),
        (0.000001, "0.000001"),
        (333333333.33333329, "333333333.3333333"),
        (-0.0000033333333333333333, "-0.0000033333333333333333"),
        (1424953923781206.2, "1424953923781206.2"),
    ],
)
def test_numbers_of_the_standard_s_own_table(number, written):
    assert canonical(number) == written


@steady
@given(st.integers(-(10**39), 10**39))
@example(2**53)
@example(2**53 + 1)
@example(2**63 - 1)
@example(10**39)
def test_an_integer_keeps_all_its_digits(number):
    assert canonical({"id": number}) == f'{{"id":{number}}}'
    # Also where a key or a float elsewhere sends the whole value the long way round.
    assert f'"id":{number}' in canonical({"id": number, "é": 0.5})


def test_two_large_ids_that_a_double_could_not_tell_apart_are_two_events():
    assert math.isclose(float(2**63 - 1), float(2**63 - 2))
    assert event_identity({"incident_id": 2**63 - 1}) != event_identity({"incident_id": 2**63 - 2})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1, "b": 2}', b'{"b":2,"a":1}'),
        (b'{"a": 1}', b'{ "a" : 1.0 }'),
        (b'{"a": 1}', b'{"a": 1e0}'),
        (b'{"a": 100}', b'{"a": 1E2}'),
        (b'{"a": 0}', b'{"a": -0}'),
        (b'{"a": 0}', b'{"a": -0.0}'),
        (b'{"a": "\\u00e9"}', '{"a": "é"}'.encode()),
        (b'{"a": "\\ud83d\\ude00"}', '{"a": "😀"}'.encode()),
        (b'{"a": "\\/"}', b'{"a": "/"}'),
        (b'{"\\u0061": 0.1}', b'{"a": 0.10}'),
    ],
)
def test_two_ways_to_write_one_event_have_one_identity(one, other):
    assert event_identity(strictjson.parse(one)) == event_identity(strictjson.parse(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": 0}, {"a": False}),
        ({"a": None}, {}),
        ({"a": None}, {"a": ""}),
        ({"a": []}, {"a": {}}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": "é"}, {"a": "e\u0301"}),
        ({"a": "x "}, {"a": "x"}),
        ({"a": 0.1}, {"a": 0.10000000000000002}),
    ],
)
def test_what_differs_in_meaning_differs_in_identity(one, other):
    assert event_identity(one) != event_identity(other)


def test_an_identity_has_32_bytes_and_bytes_that_are_no_event_never_have_an_event_s():
    payload = {"a": 1}
    assert len(event_identity(payload)) == len(bytes_identity(b"")) == 32
    assert bytes_identity(canonical(payload).encode()) != event_identity(payload)
    assert bytes_identity(b"{") != bytes_identity(b"{ ")


def test_a_vendor_s_record_is_known_by_all_five_of_its_parts():
    keys = [
        source_key(1, "org", "team", "monitor", 1),
        source_key(2, "org", "team", "monitor", 1),
        source_key(1, "org2", "team", "monitor", 1),
        source_key(1, "org", "team2", "monitor", 1),
        source_key(1, "org", "team", "heartbeat", 1),
        source_key(1, "org", "team", "monitor", 2),
        # No seam can be moved by what a name contains.
        source_key(1, 'org", "team', "", "monitor", 1),
        source_key(1, "orgteam", "", "monitor", 1),
        source_key(1, "", "orgteam", "monitor", 1),
    ]
    assert all(len(key) == 32 for key in keys)
    assert all(one != other for one, other in combinations(keys, 2))


def test_a_vendor_s_record_may_have_any_text_for_an_organization():
    assert source_key(1, "😀\u202e\x7f" * 20_000, "é", "monitor", 2**63 - 1)
