import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents import fold as incident_fold
from monitors import fold as resource_fold
from tests.conftest import NOON, an_event, rfc
from tests.histories import fact
from timeline import checkpoints, kept
from timeline.events import EVENTS, VENDOR_EVENTS, named_resource, said, validate
from timeline.ranks import LOWEST_RANK, RANKS, rank_now

# The vendor's document once more, written down apart from the vocabulary that is tested with it.
MONITOR = {"monitor_id": "id", "monitor_url": "text", "monitor_name": "text", "monitor_type": "text"}
HEARTBEAT = {"heartbeat_id": "id", "heartbeat_name": "text"}
INCIDENT = {
    "incident_id": "id",
    "incident_name": "text",
    "resource_type": "text",
    "resource_id": "id",
    "resource_name": "text",
}
ACTED = INCIDENT | dict.fromkeys(("user_email", "user_name", "integration_name", "integration_type"), "text")
DOCUMENTED = {
    "monitor.created": MONITOR,
    "monitor.destroyed": MONITOR,
    "monitor.down": MONITOR | {"cause": "text", "regions": "texts"},
    "monitor.paused": MONITOR,
    "monitor.unpaused": MONITOR,
    "monitor.verifying_recovery": MONITOR,
    "heartbeat.created": HEARTBEAT,
    "heartbeat.destroyed": HEARTBEAT,
    "heartbeat.down": HEARTBEAT,
    "heartbeat.paused": HEARTBEAT,
    "heartbeat.unpaused": HEARTBEAT,
    "heartbeat.up": HEARTBEAT,
    "incident.acknowledged": ACTED,
    "incident.destroyed": INCIDENT,
    "incident.escalated": INCIDENT | {"escalation_targets": "targets"},
    "incident.grouped": INCIDENT | {"incident_group_id": "id"},
    "incident.reopened": ACTED,
    "incident.resolved": ACTED,
    "incident.started": INCIDENT | {"incident_cause": "text", "regions": "texts", "escalation_policy_id": "id"},
}
COMMON = ("dt", "event", "message", "organization_id", "team_id")

GOOD = {
    "text": ["", "   ", "x", "😀\u202e", "x" * 60_000],
    "id": [0, 1, 2**53 + 1, 2**63 - 1],
    "texts": [[], [""], ["us-east-1"], ["a", "é", "😀"]],
    "targets": [
        [],
        [{}],
        [{"type": None, "id": None, "name": None}],
        [{"type": "user", "id": 0, "name": "A"}, {"type": "team", "id": 2**63 - 1, "name": "", "more": [1]}],
    ],
}
WRONG = {
    "text": [0, 1, 1.5, True, False, [], {}, ["x"], {"x": 1}],
    "id": ["01", "", "x", 1.0, 0.5, True, False, -1, 2**63, 10**39, [], [1], {}],
    "texts": [0, True, {}, [1], [None], ["a", 1], [["a"]], [True], [{}]],
    "targets": [
        "x", 0, True, {}, ["x"], [1], [None], [[]],
        [{"type": 1}], [{"id": "x"}], [{"id": 1.0}], [{"id": True}], [{"id": -1}], [{"id": 2**63}], [{"name": 1}],
        [{"type": "user", "id": 1, "name": "A"}, {"name": ["A"]}],
    ],
}  # fmt: skip

EACH_FIELD = [(name, field, kind) for name, fields in DOCUMENTED.items() for field, kind in fields.items()]
each_field = pytest.mark.parametrize(("name", "field", "kind"), EACH_FIELD, ids=[f"{n}-{f}" for n, f, _ in EACH_FIELD])
each_type = pytest.mark.parametrize("name", DOCUMENTED)


def wrong(payload, received_at=NOON):
    """The names of the fields that are wrong."""
    return set(validate(payload, received_at).fields)


def test_the_vocabulary_has_the_vendor_s_19_types_with_their_fields_and_no_more():
    assert {name: set(each.fields) for name, each in VENDOR_EVENTS.items()} == {
        name: set(fields) for name, fields in DOCUMENTED.items()
    }
    assert not any(each.ours for each in VENDOR_EVENTS.values())
    assert {each.action for each in EVENTS.values()} <= set(RANKS)


# Stored with facts, and so never to be changed: what is added to RANKS is added here.
LANDED = {
    "created": 100, "unpaused": 200, "started": 300, "reopened": 400, "down": 500, "verifying_recovery": 600,
    "acknowledged": 700, "escalated": 800, "grouped": 900, "ungrouped": 950, "assigned": 1000, "severity_changed": 1100,
    "updated": 1200, "commented": 1300, "resolved": 1400, "up": 1500, "closed": 1600, "paused": 1700, "destroyed": 1800,
    "corrected": 1900,
}  # fmt: skip
# The places in a list that were stored before ranks were numbers.
PLACES = (
    "created", "unpaused", "started", "reopened", "down", "verifying_recovery", "acknowledged", "escalated", "grouped",
    "assigned", "severity_changed", "updated", "commented", "resolved", "up", "closed", "paused", "destroyed",
    "corrected",
)  # fmt: skip


def test_a_landed_rank_never_changes_and_events_of_one_moment_stand_in_the_contract_s_order():
    assert RANKS == LANDED
    assert list(RANKS) == list(LANDED)
    assert list(RANKS.values()) == sorted(set(RANKS.values()))
    assert min(RANKS.values()) >= LOWEST_RANK
    # So many places were ever stored, and one of them is no number.
    assert len(PLACES) < LOWEST_RANK


def test_a_stored_place_of_before_means_the_same_number_for_ever():
    assert {action: rank_now(place) for place, action in enumerate(PLACES)} == {
        action: number for action, number in LANDED.items() if action != "ungrouped"
    }
    assert [rank_now(number) for number in LANDED.values()] == list(LANDED.values())


@each_type
def test_an_event_with_what_is_required_only_is_sound(name):
    judged = validate(an_event(name), NOON)
    assert (judged.fields, judged.event, judged.occurred_at) == ({}, name, NOON)
    subject = f"{name.partition('.')[0]}_id"
    bare = {field: an_event(name)[field] for field in (*COMMON, subject)}
    assert wrong(bare) == set()


@each_type
def test_each_common_field_and_the_subject_s_id_are_required(name):
    for field in (*COMMON, f"{name.partition('.')[0]}_id"):
        if field == "event":
            continue
        without = an_event(name)
        del without[field]
        for payload in (without, *(an_event(name) | {field: empty} for empty in (None, "", " \t\u2003 "))):
            judged = validate(payload, NOON)
            assert judged.fields == {field: ["This field is required."]}, field


@pytest.mark.parametrize("payload", [{}, {"event": None}, {"event": ""}, {"event": "  "}, {"event": 7}, {"event": []}])
def test_an_event_without_a_name_says_so_and_what_else_is_wrong(payload):
    judged = validate(payload, NOON)
    assert set(judged.fields) == set(COMMON)
    assert (judged.event, judged.type, judged.occurred_at) == (None, None, None)


@each_field
def test_a_documented_field_has_its_type_or_is_ignored_where_it_is_not_required(name, field, kind):
    is_required = field == f"{name.partition('.')[0]}_id"
    for value in GOOD[kind]:
        judged = validate(an_event(name, **{field: value}), NOON)
        assert (judged.fields, judged.ignored, judged.payload[field]) == ({}, (), value), value
    for value in WRONG[kind]:
        sent = an_event(name, **{field: value})
        judged = validate(sent, NOON)
        if is_required:
            assert (set(judged.fields), judged.ignored) == ({field}, ()), value
        else:
            assert (judged.fields, judged.ignored) == ({}, (field,)), value
            assert judged.payload == {key: each for key, each in sent.items() if key != field}
        assert sent[field] == value


MEANT = {
    "text": [],
    "id": [("0", 0), ("7", 7), ("9223372036854775807", 2**63 - 1)],
    "texts": [("us-east-1", ["us-east-1"]), ("", [""])],
    "targets": [
        ([{"id": "1"}], [{"id": 1}]),
        ([{"type": "user", "id": "12", "name": "A"}, {}], [{"type": "user", "id": 12, "name": "A"}, {}]),
    ],
}


@each_field
def test_what_public_clients_write_otherwise_is_read_as_its_documented_type(name, field, kind):
    for value, meant in MEANT[kind]:
        sent = an_event(name, **{field: value})
        judged = validate(sent, NOON)
        assert (judged.fields, judged.ignored) == ({}, ())
        assert judged.payload == sent | {field: meant}
        assert sent[field] == value


NO_DIGITS = [
    "01",
    "00",
    "+1",
    "-1",
    " 1",
    "1 ",
    "1.0",
    "1e3",
    "0x1",
    "1_0",
    "٧",
    "²",
    "１",
    "9223372036854775808",
    "9" * 40,
]


@pytest.mark.parametrize("text", NO_DIGITS)
def test_only_plain_digits_in_a_string_are_an_id(text):
    assert wrong(an_event("incident.started", incident_id=text)) == {"incident_id"}
    assert validate(an_event("incident.started", resource_id=text), NOON).ignored == ("resource_id",)
    targets = [{"type": "user", "id": text}]
    judged = validate(an_event("incident.escalated", escalation_targets=targets), NOON)
    assert judged.ignored == ("escalation_targets",)


@pytest.mark.parametrize("field", ["organization_id", "team_id"])
@pytest.mark.parametrize(("sent", "read"), [(7, "7"), (0, "0"), (-5, "-5"), (10**39, str(10**39))])
def test_an_integer_organization_or_team_is_read_as_that_text(field, sent, read):
    for name in ("incident.started", "monitor.checked"):
        judged = validate(an_event(name) | {field: sent}, NOON)
        assert (judged.fields, judged.ignored, judged.payload[field]) == ({}, (), read)


def test_several_at_once_are_read_or_ignored_each_by_itself():
    sent = an_event("incident.started", incident_id="201", resource_id="x", regions="eu", incident_cause=[], more=1)
    judged = validate(sent, NOON)
    assert (judged.fields, judged.ignored) == ({}, ("resource_id", "incident_cause"))
    assert (judged.payload["incident_id"], judged.payload["regions"], judged.payload["more"]) == (201, ["eu"], 1)


@each_field
def test_a_documented_field_other_than_the_subject_may_be_missing_or_null(name, field, kind):
    if field == f"{name.partition('.')[0]}_id":
        return
    assert wrong(an_event(name, **{field: None})) == set()
    without = an_event(name)
    without.pop(field, None)
    assert wrong(without) == set()


@pytest.mark.parametrize("field", ["message", "organization_id", "team_id"])
@pytest.mark.parametrize("value", [1.5, True, False, [], {}])
def test_a_common_field_is_text(field, value):
    assert wrong(an_event("incident.started") | {field: value}) == {field}
    assert wrong(an_event("monitor.checked") | {field: value}) == {field}


def test_all_that_is_wrong_is_said_at_once():
    payload = an_event("incident.escalated", incident_id="x", resource_id=True, escalation_targets=[1], team_id=None)
    judged = validate(payload | {"dt": "yesterday", "message": 5}, NOON)
    assert set(judged.fields) == {"incident_id", "team_id", "dt", "message"}
    assert judged.ignored == ("resource_id", "escalation_targets")


@pytest.mark.parametrize("unknown", [None, 0, 1e308, [[[1]]], {"a": {"b": []}}, "x" * 60_000, 10**39])
def test_an_unknown_field_may_be_anything(unknown):
    assert wrong(an_event("monitor.down", more=unknown)) == set()
    # A field that only another type documents is an unknown one here.
    assert wrong(an_event("monitor.paused", regions=unknown, cause=unknown, incident_id=unknown)) == set()


@pytest.mark.parametrize("name", ["monitor.checked", "monitor.up", "incident", "Incident.Started", "x" * 60_000])
def test_an_unknown_name_needs_only_sound_common_fields(name):
    judged = validate(an_event(name, monitor_id="any", incident_id=[]), NOON)
    assert (judged.fields, judged.event, judged.type) == ({}, name, None)
    assert wrong(an_event(name) | {"dt": "x"}) == {"dt"}


@pytest.mark.parametrize("name", [name for name, each in EVENTS.items() if each.ours])
def test_our_own_further_kinds_are_unknown_to_who_listens_to_a_vendor(name):
    assert validate(an_event(name), NOON).type is None
    assert validate(an_event(name), NOON, EVENTS).type is EVENTS[name]


def test_name_and_time_are_read_without_white_space_around_them():
    judged = validate(an_event("incident.started") | {"event": "\tincident.started ", "dt": f" {rfc(NOON)}\n"}, NOON)
    assert (judged.fields, judged.event, judged.occurred_at) == ({}, "incident.started", NOON)
    assert judged.type is EVENTS["incident.started"]


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "x", "", [], [{}], [an_event("monitor.down")]])
def test_what_is_no_object_is_no_event(value):
    judged = validate(value, NOON)
    assert judged.fields == {"event": ["An event is a JSON object."]}
    assert (judged.payload, judged.event, judged.type, judged.occurred_at) == ({}, None, None, None)


# --- when -----------------------------------------------------------------------------------------------------

MILLISECOND = timedelta(milliseconds=1)
YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)


TEN_MINUTES = timedelta(minutes=10)


@pytest.mark.parametrize("dt", [YEAR_2000, NOON, NOON + TEN_MINUTES])
def test_a_time_from_2000_to_10_minutes_ahead_is_believed(dt):
    judged = validate(an_event("monitor.down", dt), NOON)
    assert (judged.fields, judged.occurred_at, judged.is_ahead) == ({}, dt, False)


def test_a_time_before_2000_is_wrong():
    judged = validate(an_event("monitor.down", YEAR_2000 - MILLISECOND), NOON)
    assert judged.fields == {"dt": ["Must be from 2000-01-01 on."]}


@pytest.mark.parametrize("ahead", [TEN_MINUTES + MILLISECOND, timedelta(hours=20), timedelta(days=365 * 7000)])
def test_a_time_further_ahead_is_sound_and_not_to_be_believed_yet(ahead):
    event = an_event("monitor.down", NOON + ahead)
    judged = validate(event, NOON)
    assert (judged.fields, judged.occurred_at, judged.is_ahead) == ({}, NOON + ahead, True)
    assert not validate(event, NOON + ahead - TEN_MINUTES).is_ahead


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-13T12:00:00Z", NOON),
        ("2026-05-13T14:00:00+02:00", NOON),
        ("2026-05-12T12:01:00-23:59", NOON),
        ("2026-05-13T12:00:00-00:00", NOON),
        ("2026-05-13T12:00:00.123999999Z", NOON + 123 * MILLISECOND),
        ("1999-12-31T23:00:00-01:00", YEAR_2000),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_utc_in_milliseconds(text, moment):
    assert validate(an_event("monitor.down") | {"dt": text}, NOON).occurred_at == moment


@pytest.mark.parametrize(
    "dt",
    [
        "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "0000-01-01T00:00:00Z", "1999-12-31T23:59:59Z",
        "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-05-13T24:00:00Z",
        "2026-05-13T12:00:60Z", "2026-05-13T12:60:00Z", "2026-05-13t12:00:00Z", "2026-05-13T12:00:00z",
        "2026-05-13 12:00:00Z", "2026-05-13T12:00:00", "2026-05-13T12:00Z", "2026-05-13", "20260513T120000Z",
        "2026-05-13T12:00:00+0200", "2026-05-13T12:00:00+24:00", "2026-05-13T12:00:00.Z", "2026-05-13T12:00:00,5Z",
        "2026-05-13T12:00:00.1234567890Z", "２026-05-13T12:00:00Z", "2026-W20-3T12:00:00Z", "+2026-05-13T12:00:00Z",
        "2026-05-13T12:00:00Z\0", "2026-05-13T12:00:00Z x", "now", "1747137600", "x" * 60_000,
        1747137600, 1747137600.5, True, [], {}, ["2026-05-13T12:00:00Z"],
    ],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(dt):
    judged = validate(an_event("monitor.down") | {"dt": dt}, NOON)
    assert set(judged.fields) == {"dt"}
    assert judged.occurred_at is None or judged.occurred_at.year == 1999


# --- whatever is sent -----------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
steady = settings(deadline=None, derandomize=True, database=None, max_examples=120)


@steady
@given(anything, st.dictionaries(st.sampled_from([*COMMON, *ACTED, "regions", "escalation_targets"]), anything))
def test_no_value_is_too_strange_to_be_judged(value, fields):
    validate(value, NOON)
    for name in ("incident.started", "incident.escalated"):
        judged = validate(an_event(name) | fields, NOON)
        assert all(isinstance(text, str) for texts in judged.fields.values() for text in texts)


SOUND = {
    "text": st.none() | texts | st.sampled_from(["monitor", " heartbeat ", "server"]),
    "id": st.none() | st.integers(0, 2**63 - 1),
    "texts": st.none() | st.lists(texts, max_size=3),
    "targets": st.none()
    | st.lists(
        st.fixed_dictionaries(
            {}, optional={"type": st.none() | texts, "id": st.none() | st.integers(0, 9), "name": st.none() | texts}
        ),
        max_size=3,
    ),
}


@st.composite
def sound_events(draw):
    """An event of any of the 19 types, with anything that is allowed in its fields."""
    name = draw(st.sampled_from(list(DOCUMENTED)))
    told = {field: draw(SOUND[kind]) for field, kind in DOCUMENTED[name].items() if draw(st.booleans())}
    subject = f"{name.partition('.')[0]}_id"
    return an_event(name, NOON + draw(st.integers(0, 5)) * MILLISECOND) | told | {subject: 1}


@steady
@given(st.lists(sound_events(), min_size=1, max_size=6))
def test_whatever_is_found_sound_can_be_folded_kept_and_written_as_json(events):
    state, resource = incident_fold.IncidentState(), resource_fold.ResourceState()
    for each in events:
        assert wrong(each) == set()
        told = fact(each)
        if told.subject[0] == "incident":
            state, outcome = incident_fold.step(state, told)
            told.resource, told.hold, told.presses = outcome.resource, outcome.hold, outcome.presses
            assert set(outcome.entries[0] if outcome.entries else {}) <= {
                "action",
                "field",
                "old",
                "new",
                "message",
                "user",
            }
            assert all(type(e[k]) in (str, type(None)) for e in outcome.entries for k in ("old", "new", "message"))
            json.dumps(outcome.entries)
        resource, outcome = resource_fold.step(resource, told)
        json.dumps(outcome.entries)
    for kind, reached in ((incident_fold.IncidentState, state), (resource_fold.ResourceState, resource)):
        assert kept.state_from(kind, json.loads(json.dumps(checkpoints.as_json(reached)))) == reached


# --- reading a sound one --------------------------------------------------------------------------------------


def test_what_is_said_is_text_without_white_space_around_it():
    payload = {"a": " x ", "b": "\u2003", "c": 7, "d": None, "e": ["x"], "f": "a  b"}
    assert [said(payload, field) for field in "abcdefg"] == ["x", None, None, None, None, "a  b", None]


@pytest.mark.parametrize(
    ("kind", "identity", "named"),
    [
        ("monitor", 0, ("monitor", 0)),
        (" monitor ", 2**63 - 1, ("monitor", 2**63 - 1)),
        ("server", 5, ("server", 5)),
        ("monitor", None, None),
        (None, 5, None),
        ("  ", 5, None),
    ],
)
def test_a_resource_is_named_by_type_and_id_together(kind, identity, named):
    assert named_resource({"resource_type": kind, "resource_id": identity}) == named
