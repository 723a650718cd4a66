from dataclasses import replace
from datetime import timedelta

import pytest

from monitors.fold import ResourceState, step
from tests.conftest import NOON
from tests.histories import event, fact, moment

BLANK = ResourceState()


def told(name, at=0, **fields):
    return fact(event(name, at, **fields))


def pressing(presses="", hold=0, at=0, named=True, **fields):
    """An incident's fact that stands in the monitor's chronology, as the incident's fold left it."""
    one = told("incident.escalated", at, **fields)
    one.resource, one.hold, one.presses = ("monitor", 789), hold, presses
    one.named = one.resource if named else ("monitor", 5)
    return one


def after(*facts, state=BLANK):
    for each in facts:
        state, _ = step(state, each)
    return state


def test_what_was_created_at_a_source_is_up_we_conclude():
    state, outcome = step(BLANK, told("monitor.created"))
    assert state == ResourceState(
        "Shop", "https://shop.example", "status", "up", True, moment(0), provisional=False, live_incidents=0
    )
    assert outcome.entries == [
        {"action": "status_changed", "field": "status", "old": "pending", "new": "up", "message": "Went up"}
    ]
    assert (outcome.why, outcome.resource, outcome.hold, outcome.presses) == ("", ("monitor", 789), 0, "")


def test_what_was_created_at_a_source_while_an_incident_is_live_is_down_we_conclude():
    state = after(pressing("hold", 1), told("monitor.created", 1))
    assert (state.status, state.status_inferred, state.provisional) == ("down", True, False)
    assert after(pressing("hold", 1), told("monitor.created", 1), pressing("release", -1, at=2)).status == "up"


def test_what_was_created_here_waits_for_its_first_check():
    one = told("monitor.created")
    one.native = True
    state = after(one)
    assert (state.status, state.provisional, state.status_since) == ("pending", False, None)


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("monitor.down", "down", "Went down"),
        ("monitor.verifying_recovery", "verifying_recovery", "Verifying recovery"),
        ("monitor.paused", "paused", "Paused"),
        ("heartbeat.down", "down", "Went down"),
        ("heartbeat.up", "up", "Went up"),
        ("heartbeat.paused", "paused", "Paused"),
    ],
)
def test_a_status_that_is_said_is_not_inferred(name, status, message):
    state, outcome = step(BLANK, told(name))
    assert (state.status, state.status_inferred, state.status_since) == (status, False, moment(0))
    assert outcome.entries[0]["message"] == message
    assert state.provisional


def test_a_status_has_been_since_it_was_first_said():
    state = after(told("monitor.down", 0), told("monitor.down", 5, message="again"))
    assert state.status_since == moment(0)


def test_a_conclusion_that_is_said_later_is_no_conclusion_any_more():
    state = after(pressing("hold", 1, at=0), told("monitor.down", 5))
    assert (state.status, state.status_inferred, state.status_since) == ("down", False, moment(0))


def test_what_was_said_to_be_down_stays_said_when_an_incident_starts():
    state = after(told("monitor.down", 0), pressing("hold", 1, at=5))
    assert (state.status, state.status_inferred, state.live_incidents) == ("down", False, 1)


def test_an_incident_that_holds_takes_it_down_and_the_last_one_released_lets_it_up():
    state = after(told("monitor.created"), pressing("hold", 1, at=1))
    assert (state.status, state.status_inferred, state.status_since, state.live_incidents) == (
        "down",
        True,
        moment(1),
        1,
    )
    state = after(pressing("hold", 1, at=2), pressing("release", -1, at=3), state=state)
    assert (state.status, state.live_incidents, state.status_since) == ("down", 1, moment(1))
    state = after(pressing("release", -1, at=4), state=state)
    assert (state.status, state.status_inferred, state.status_since, state.live_incidents) == ("up", True, moment(4), 0)


@pytest.mark.parametrize("saying", ["monitor.down", "monitor.verifying_recovery", "monitor.created"])
def test_paused_it_stays_until_it_is_unpaused(saying):
    state = after(told("monitor.paused", 0), told(saying, 1), pressing("hold", 1, at=2), pressing("release", -1, at=3))
    assert (state.status, state.status_since, state.live_incidents) == ("paused", moment(0), 0)


@pytest.mark.parametrize(("live", "status"), [(0, "up"), (1, "down"), (3, "down")])
def test_unpaused_it_is_down_if_an_incident_is_live_and_else_up(live, status):
    state = after(told("monitor.unpaused", 7), state=replace(BLANK, status="paused", live_incidents=live))
    assert (state.status, state.status_inferred, state.status_since) == (status, True, moment(7))


def test_incidents_are_counted_while_it_is_paused():
    state = after(told("monitor.paused"), pressing("hold", 1, at=1), told("monitor.unpaused", 2))
    assert (state.status, state.live_incidents) == ("down", 1)


def test_one_of_ours_that_is_unpaused_waits_for_its_next_check():
    one = told("monitor.unpaused", 7)
    one.native = True
    state = after(one, state=replace(BLANK, status="paused", status_inferred=False))
    assert (state.status, state.status_inferred) == ("pending", False)


def test_destroyed_it_has_a_tombstone_of_its_first_destruction_and_its_history_goes_on():
    gone = after(told("monitor.created"), told("monitor.destroyed", 3))
    assert (gone.destroyed_at, gone.status) == (moment(3), "up")
    again, outcome = step(gone, told("monitor.destroyed", 5))
    assert again == gone
    assert (outcome.why, outcome.entries) == ("It was deleted already.", [])
    assert after(told("monitor.down", 6), state=gone).status == "down"
    assert after(told("monitor.down", 6), state=gone).destroyed_at == moment(3)


def test_name_url_and_type_are_the_latest_that_were_told():
    state = after(
        told("monitor.created"),
        told("monitor.paused", 1, monitor_name=" Till ", monitor_url=None, monitor_type=""),
        told("monitor.unpaused", 2, monitor_name="  ", monitor_url="https://till.example"),
    )
    assert (state.name, state.url, state.type) == ("Till", "https://till.example", "status")


def test_an_incident_that_names_it_tells_its_name_too():
    assert after(pressing(resource_name="Till")).name == "Till"
    assert after(pressing(resource_name="Till"), pressing(resource_name=None)).name == "Till"
    assert after(pressing(resource_name="Another", named=False)).name == ""


def test_a_heartbeat_has_a_name_and_no_url():
    state = after(told("heartbeat.created", monitor_url=None))
    assert (state.name, state.url, state.type) == ("Nightly backup", "", "")


def test_an_incident_s_fact_is_read_and_not_judged_here():
    _, outcome = step(BLANK, pressing("hold", 1))
    assert (outcome.why, outcome.entries, outcome.resource) == ("", [], None)


@pytest.mark.parametrize(
    ("before", "name", "why"),
    [
        ({"status": "down"}, "monitor.down", "It was down already."),
        ({"status": "up", "status_inferred": True, "provisional": False}, "monitor.created", "It was up already."),
        ({"status": "verifying_recovery"}, "monitor.verifying_recovery", "It was verifying recovery already."),
        ({"status": "paused"}, "monitor.down", "It was paused."),
    ],
)
def test_a_fact_that_changes_nothing_says_why(before, name, why):
    state = replace(after(told("monitor.created")), status_inferred=False, status_since=NOON, **{"provisional": True})
    state = replace(state, **before)
    same, outcome = step(state, told(name, 50))
    assert same == state
    assert (outcome.why, outcome.entries) == (why, [])


def test_a_state_is_never_changed_in_place():
    state = after(told("monitor.created"))
    copy = replace(state)
    step(state, told("monitor.down", 9))
    assert state == copy
    assert state.status_since + timedelta(0) == moment(0)


# --- our own --------------------------------------------------------------------------------------------------


def ours(name, at=0, **fields):
    one = told(name, at, **fields)
    one.native = True
    return one


def test_one_of_ours_that_no_incident_holds_down_any_more_waits_for_a_check():
    state = after(ours("monitor.created"), pressing("hold", 1, at=1))
    assert (state.status, state.status_inferred) == ("down", True)
    state = after(pressing("release", -1, at=2), state=state)
    assert (state.status, state.status_inferred, state.status_since) == ("pending", False, moment(2))


def test_one_of_ours_that_is_unpaused_while_an_incident_is_live_is_down():
    state = after(ours("monitor.created"), pressing("hold", 1, at=1), ours("monitor.paused", 2))
    state, outcome = step(state, ours("monitor.unpaused", 3))
    assert (state.status, state.status_inferred) == ("down", True)
    assert outcome.entries[0]["message"] == "Unpaused, down while an incident is live"


def test_what_incidents_of_before_its_creation_came_to_says_nothing_of_one_of_ours():
    before = [pressing("hold", 1, at=0), pressing("release", -1, at=1)]
    state = after(*before, ours("monitor.created", 2))
    assert (state.status, state.status_inferred, state.status_since) == ("pending", False, moment(2))
    assert after(before[0], ours("monitor.created", 2)).status == "down"


def test_paused_one_of_ours_stays_so_whatever_incidents_do():
    state = after(ours("monitor.created"), ours("monitor.paused", 1), pressing("hold", 1, at=2))
    assert after(pressing("release", -1, at=3), state=state).status == "paused"


def test_an_edit_has_an_entry_for_each_detail_that_differs():
    state = after(ours("heartbeat.created", heartbeat_name="Backup", heartbeat_period=60, heartbeat_grace=0))
    assert (state.period, state.grace) == (60, 0)
    state, outcome = step(state, ours("heartbeat.updated", 1, heartbeat_name="Dump", heartbeat_period=3600))
    assert [(each["field"], each["old"], each["new"]) for each in outcome.entries] == [
        ("name", "Backup", "Dump"),
        ("period", "1 min", "1 h"),
    ]
    again, outcome = step(state, ours("heartbeat.updated", 2, heartbeat_name="Dump", heartbeat_period=3600))
    assert (again, outcome.entries, outcome.why) == (state, [], "Nothing differed.")


def test_what_a_source_says_beyond_its_vocabulary_is_not_ours_to_fold():
    state = after(told("heartbeat.created", heartbeat_period=60, heartbeat_grace=5))
    assert (state.period, state.grace, state.kin) == (None, None, False)
