import json
from dataclasses import replace

import pytest

from tests.conftest import NOON
from tests.made import COMMON, EXAMPLES, example
from timeline.chronology import Fact
from timeline.events import EVENTS, VENDOR_EVENTS
from timeline.identity import event_identity
from timeline.outbound.shapes import Whose, Wishes, told, webhook_id, written
from timeline.outbound.shapes import test_payload as payload_of_a_test

OURS = Whose("org_ours", "team_ours", "wk_ours")
ALL = Wishes(further=True)
# What a verb of ours also writes down, and the log doesn't document.
BESIDES = {"severity": "major", "incident_type": "other", "heartbeat_period": 60, "user_note": "x"}


def a_fact(payload, *, native=True, **fields):
    event = EVENTS[payload["event"]]
    said = payload if native else {**payload, "organization_id": "org_theirs", "team_id": "team_theirs"}
    fact = Fact(
        event=payload["event"],
        occurred_at=NOON,
        rank=event.rank,
        identity=event_identity(said),
        payload=said,
        subject=(event.subject, 7),
        native=native,
        user_email="alice@example.com",
        user_name="Alice Johnson",
    )
    return replace(fact, **fields)


PLAIN = Wishes()


def sent(fact, wishes=PLAIN, **more):
    """(event, payload) of each message of a fact."""
    return [(each.event, each.payload) for each in told(fact, OURS, wishes, **more)]


# --- the 19 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(VENDOR_EVENTS))
def test_each_of_the_19_goes_out_with_its_documented_fields_and_no_others(name):
    [(event, payload)] = sent(a_fact(example(name) | BESIDES))
    assert event == name
    assert payload == example(name)
    assert set(payload) == {"dt", "event", "message", *COMMON, *EXAMPLES[name]}
    assert {field: type(value) for field, value in payload.items()} == {
        field: type(value) for field, value in example(name).items()
    }


def test_there_are_19():
    assert len(VENDOR_EVENTS) == len(EXAMPLES) == 19


@pytest.mark.parametrize("name", sorted(VENDOR_EVENTS.keys() - {"incident.grouped"}))
def test_a_field_that_was_not_said_is_null_and_not_missing(name):
    common = {field: value for field, value in example(name).items() if field not in EXAMPLES[name]}
    [(_, payload)] = sent(a_fact(common))
    assert payload == common | dict.fromkeys(EXAMPLES[name])


def test_what_was_taken_out_of_a_group_before_there_was_a_word_for_that_goes_out_under_the_word():
    fact = a_fact(example("incident.grouped") | {"incident_group_id": None})
    assert sent(fact) == []
    [(event, payload)] = sent(fact, Wishes(further=True))
    assert (event, payload["event"], payload["identity"]) == (*("incident.ungrouped",) * 2, fact.identity.hex())


def test_what_is_sent_is_json_in_utf_8_as_it_was_said():
    text = written({"message": 'Zoë’s “shop” 🔥\n"down"', "regions": [], "incident_id": 2**63 - 1, "cause": None})
    assert json.loads(text)["message"] == 'Zoë’s “shop” 🔥\n"down"'
    assert '"regions":[],"incident_id":9223372036854775807,"cause":null}' in text
    assert "🔥" in text


# --- who is told what -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(EVENTS.keys() - VENDOR_EVENTS.keys()))
def test_further_events_go_to_those_alone_who_asked_for_them(name):
    fact = a_fact(example(name) | {"incident_id": 201, "monitor_id": 1, "heartbeat_id": 1})
    assert sent(fact) == []
    [(event, payload)] = sent(fact, ALL)
    assert event == name
    assert payload.items() >= fact.payload.items()


def test_who_asked_for_further_fields_gets_the_whole_payload_who_acted_and_whose_act_it_was():
    fact = a_fact(example("incident.started") | BESIDES)
    [(_, payload)] = sent(fact, ALL)
    assert payload == fact.payload | {
        "user_email": "alice@example.com",
        "user_name": "Alice Johnson",
        "identity": fact.identity.hex(),
        "origin": "wk_ours",
    }


@pytest.mark.parametrize(
    ("types", "events"),
    [
        ((), ["incident.started", "incident.resolved", "monitor.down"]),
        (("incident.resolved",), ["incident.resolved"]),
        (("incident.resolved", "monitor.down"), ["incident.resolved", "monitor.down"]),
        (("heartbeat.up",), []),
    ],
)
def test_an_endpoint_gets_the_events_it_names_or_all(types, events):
    facts = [a_fact(example(name)) for name in ("incident.started", "incident.resolved", "monitor.down")]
    assert [event for fact in facts for event, _ in sent(fact, Wishes(types))] == events


def test_what_integrations_tell_goes_only_where_it_is_passed_on():
    fact = a_fact(example("incident.started"), native=False)
    assert sent(fact) == sent(fact, ALL) == []
    assert [event for event, _ in sent(fact, Wishes(relay=True))] == ["incident.started"]


# --- closing --------------------------------------------------------------------------------------------------

CLOSING = example("incident.acknowledged") | {"event": "incident.closed"}


def test_closing_a_live_incident_tells_of_its_end_those_who_do_not_know_of_closing():
    [(event, payload)] = sent(a_fact(CLOSING), ended=True)
    assert event == "incident.resolved"
    assert payload == CLOSING | {
        "event": "incident.resolved",
        "message": 'Incident "My Website is Down" resolved by alice@example.com',
    }


def test_closing_a_resolved_incident_tells_nothing_to_those():
    assert sent(a_fact(CLOSING), ended=False) == []


def test_who_knows_of_closing_is_told_of_that_alone():
    for ended in (True, False):
        assert [event for event, _ in sent(a_fact(CLOSING), ALL, ended=ended)] == ["incident.closed"]


def test_who_takes_further_events_but_not_closing_is_told_of_the_end():
    wishes = Wishes(("incident.resolved",), further=True)
    [(event, payload)] = sent(a_fact(CLOSING), wishes, ended=True)
    assert (event, payload["event"]) == ("incident.resolved", "incident.resolved")
    assert sent(a_fact(CLOSING), Wishes(("incident.started",)), ended=True) == []


# --- passing on -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(VENDOR_EVENTS))
def test_what_is_passed_on_goes_under_our_ids_and_says_through_whom_it_came(name):
    fact = a_fact(example(name), native=False, named=("monitor", 5), group=9)
    [(_, payload)] = sent(fact, Wishes(relay=True))
    subject = EVENTS[name].subject_field
    ours = {"organization_id": "org_ours", "team_id": "team_ours", subject: 7, "via": ["wk_ours"]}
    if "resource_id" in EXAMPLES[name]:
        ours["resource_id"] = 5
    if "incident_group_id" in EXAMPLES[name]:
        ours["incident_group_id"] = 9
    assert payload == example(name) | ours


def test_a_resource_that_we_do_not_know_has_no_id_of_ours():
    fact = a_fact(example("incident.started"), native=False)
    assert sent(fact, Wishes(relay=True))[0][1]["resource_id"] is None


def test_an_act_of_ours_that_is_sent_where_all_is_passed_on_says_whose_it_was():
    assert sent(a_fact(example("monitor.paused")), Wishes(relay=True))[0][1]["origin"] == "wk_ours"


# --- webhook-ids ----------------------------------------------------------------------------------------------


def test_a_webhook_id_is_the_same_whenever_a_fact_is_told_and_another_for_every_other():
    first, second = (a_fact(example("monitor.paused") | {"message": text}) for text in ("one", "two"))
    made = webhook_id(OURS, first, first.event)
    assert made == webhook_id(OURS, replace(first), first.event)
    assert made.startswith("msg_") and len(made) == 36
    others = {
        webhook_id(OURS, second, second.event),
        webhook_id(replace(OURS, team="team_other"), first, first.event),
        webhook_id(OURS, first, "monitor.unpaused"),
    }
    assert len(others | {made}) == 4


def test_what_an_integration_tells_has_an_id_of_its_own_for_each_record_it_is_about():
    fact = a_fact(example("monitor.paused"), native=False)
    ids = {webhook_id(OURS, replace(fact, subject=("monitor", number)), fact.event) for number in (7, 8)}
    assert len(ids) == 2


def test_two_endpoints_are_sent_the_same_fact_under_the_same_id():
    fact = a_fact(example("monitor.paused"))
    ids = {each.webhook_id for wishes in (Wishes(), ALL) for each in told(fact, OURS, wishes)}
    assert len(ids) == 1


def test_a_test_tells_that_nothing_happened():
    payload = payload_of_a_test(OURS, "2026-05-13T12:00:00.000Z", "my endpoint")
    assert payload["event"] not in EVENTS
    assert "nothing happened" in payload["message"]
