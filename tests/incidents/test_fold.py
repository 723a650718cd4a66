from dataclasses import replace

import pytest

from incidents.fold import EFFECTS, IncidentState, step
from tests.histories import event, fact, moment
from timeline.chronology import Outcome
from timeline.events import EVENTS

BLANK = IncidentState()
MONITOR = ("monitor", 789)


def told(name, at=0, *, native=False, **fields):
    """A fact of an incident; the source's ids stand for ours."""
    one = fact(event(f"incident.{name}", at, **fields))
    one.native = native
    return one


def ours(one):
    """A fact as an act of ours."""
    return replace(one, native=True)


def kin(one):
    """A fact as another Watchkeeper tells of its own."""
    return replace(one, payload=one.payload | {"origin": "wk_other", "identity": one.identity.hex()})


def run(*facts, state=BLANK):
    """The state after some facts and what each of them did."""
    outcomes = []
    for each in facts:
        state, outcome = step(state, each)
        outcomes.append(outcome)
    return state, outcomes


def after(*facts, state=BLANK):
    return run(*facts, state=state)[0]


def entries(*facts, state=BLANK):
    """What the last of some facts shows."""
    return run(*facts, state=state)[1][-1].entries


def shown(entry):
    return (entry["action"], entry["old"], entry["new"], entry["message"])


def test_every_event_about_incidents_has_its_effect():
    assert set(EFFECTS) == {name for name in EVENTS if name.startswith("incident.")}


def test_the_first_start_opens_it_with_all_that_it_tells():
    state, [outcome] = run(told("started"))
    assert state == IncidentState(
        title="Shop is down", told_title="Shop is down", error_message="Connection refused",
        affected_regions=("us-east-1", "eu-central-1"),
        escalation_policy_id=111, resource_type="monitor", resource_id=789, resource_name="Shop",
        started_at=moment(0), provisional=False,
    )  # fmt: skip
    assert (state.status, state.severity, state.type) == ("open", "major", "other")
    assert [shown(each) for each in outcome.entries] == [
        ("created", None, None, "Incident created: Connection refused")
    ]
    assert (outcome.resource, outcome.hold, outcome.presses) == (MONITOR, 1, "hold")


@pytest.mark.parametrize("cause", [None, "", "   "])
def test_a_start_without_a_cause_is_created_all_the_same(cause):
    assert shown(entries(told("started", incident_cause=cause))[0]) == ("created", None, None, "Incident created")


@pytest.mark.parametrize("first", ["acknowledged", "resolved", "escalated", "grouped", "destroyed", "commented"])
def test_the_first_fact_of_an_unknown_incident_opens_it_provisionally(first):
    state, [outcome] = run(told(first, 3))
    assert (state.started_at, state.provisional, state.title) == (moment(3), True, "Shop is down")
    assert "created" not in [each["action"] for each in outcome.entries]


@pytest.mark.parametrize("note", ["commented", "corrected"])
def test_what_is_noted_before_it_began_does_not_make_it_begin_earlier(note):
    state, [noted, begun] = run(told(note, 3), told("started", 9))
    assert (state.started_at, state.only_noted, state.is_live) == (moment(9), False, True)
    assert (noted.hold, begun.hold, begun.presses) == (0, 1, "hold")


@pytest.mark.parametrize("note", ["commented", "corrected"])
def test_an_incident_with_nothing_but_notes_has_a_time_and_is_not_live(note):
    state = after(told(note, 3), told("commented", 4))
    assert (state.started_at, state.only_noted, state.is_live) == (moment(3), True, False)


def corrected(fact, **says):
    """A fact as staff corrected it."""
    fact.correction = {"occurred_at": None, "message": None, "hidden": False} | says
    return fact


@pytest.mark.parametrize("name", sorted(each.removeprefix("incident.") for each in EFFECTS))
def test_a_hidden_fact_is_skipped_whatever_it_says(name):
    before = after(told("started"))
    state, [outcome] = run(corrected(told(name, 5), hidden=True), state=before)
    assert state == before
    assert outcome == Outcome(why="Hidden.")


def test_why_a_fact_is_hidden_is_said():
    hidden = corrected(told("resolved", 5), hidden=True, user_name="Ada Lovelace", reason="A test.")
    assert run(hidden)[1][0].why == "Hidden by Ada Lovelace: A test."
    hidden = corrected(told("resolved", 5), hidden=True, user_name=None, user_email="ada@example.com", reason=None)
    assert run(hidden)[1][0].why == "Hidden by ada@example.com."


def test_a_corrected_text_is_the_first_entry_s():
    edit = corrected(told("updated", 5, title="New", error_message="Two"), message="It was renamed.")
    assert [each["message"] for each in entries(told("started"), edit)] == [
        "It was renamed.",
        "Cause changed from Connection refused to Two",
    ]
    assert entries(told("resolved", 1), corrected(told("resolved", 5), message="Over.")) == []


@pytest.mark.parametrize(
    ("old", "new", "shows"),
    [("resolved", "open", True), ("open", "open", False), (None, None, False), ("open", None, False)],
)
def test_a_correction_shows_the_status_that_it_changed(old, new, shows):
    found = entries(told("started"), told("corrected", 5, old_status=old, new_status=new))
    expected = ("status_changed", "resolved", "open", "Status corrected from resolved to open: It was a mistake.")
    assert list(map(shown, found)) == ([expected] if shows else [])


def test_corrections_are_counted():
    assert after(told("started"), told("corrected", 5), told("corrected", 6)).corrections == 2


def test_reopened_first_of_all_has_no_effect_for_it_is_open_already():
    state, [outcome] = run(told("reopened", 3))
    assert (state.status, outcome.why, outcome.entries) == ("open", "It was open already.", [])


def test_the_first_start_after_others_is_still_its_creation():
    state, outcomes = run(told("acknowledged", 0), told("started", 5), told("started", 9))
    assert (state.status, state.started_at, state.provisional) == ("acknowledged", moment(0), False)
    assert [[each["action"] for each in outcome.entries] for outcome in outcomes] == [
        ["acknowledged"], ["created"], ["updated"],
    ]  # fmt: skip


def test_a_further_start_fills_in_field_by_field_and_what_it_leaves_out_stays():
    first = told("started", 0, incident_cause=None, regions=None, escalation_policy_id=None)
    state, outcomes = run(
        first,
        told("started", 1, incident_name="Till is down", incident_cause="Timeout", regions=["asia"]),
        told("started", 2, incident_name=None, incident_cause=" ", regions=None, escalation_policy_id=None),
    )
    assert (state.title, state.error_message, state.affected_regions, state.escalation_policy_id) == (
        "Till is down", "Timeout", ("asia",), 111,
    )  # fmt: skip
    assert [shown(each) for each in outcomes[1].entries] == [
        ("updated", "Shop is down", "Till is down", "Title changed from Shop is down to Till is down"),
        ("updated", None, "Timeout", "Cause set to Timeout"),
        ("updated", None, "asia", "Regions set to asia"),
        ("updated", None, "111", "Escalation policy set to 111"),
    ]
    assert [shown(each) for each in outcomes[2].entries] == [("updated", None, None, "Incident reported again")]


def test_a_vendor_s_words_for_severity_and_type_are_not_ours():
    words = {"severity": "critical", "incident_type": "timeout"}
    assert after(told("started", **words)) == after(told("started"))
    ours = after(told("started", native=True, **words))
    assert (ours.severity, ours.type) == ("critical", "timeout")


@pytest.mark.parametrize("status", ["open", "acknowledged", "resolved", "closed"])
@pytest.mark.parametrize(
    ("name", "of", "to"),
    [
        ("acknowledged", ("open",), "acknowledged"),
        ("resolved", ("open", "acknowledged"), "resolved"),
        ("reopened", ("acknowledged", "resolved", "closed"), "open"),
        ("closed", ("resolved", "acknowledged"), "closed"),
    ],
)
def test_a_status_moves_where_it_may_and_else_it_is_said_why_not(status, name, of, to):
    state = replace(after(told("started")), status=status)
    moved, [outcome] = run(told(name, 9), state=state)
    if status in of:
        assert (moved.status, outcome.why) == (to, "")
        assert [shown(each) for each in outcome.entries] == [(name, status, to, f"Incident {name}")]
    else:
        why = f"It was {status} already." if status == to else f"It was {status} then."
        assert (moved, outcome.why, outcome.entries) == (state, why, [])


@pytest.mark.parametrize("status", ["acknowledged", "resolved", "closed"])
def test_a_start_never_reopens(status):
    state = replace(after(told("started")), status=status)
    assert after(told("started", 9, message="again"), state=state).status == status


def test_moments_follow_the_status():
    state = after(told("started"), told("acknowledged", 1), told("resolved", 2), told("closed", 3))
    assert (state.acknowledged_at, state.resolved_at, state.closed_at) == (moment(1), moment(2), moment(3))
    state = after(told("reopened", 4), state=state)
    assert (state.acknowledged_at, state.resolved_at, state.closed_at) == (None, None, None)
    state = after(told("acknowledged", 5), told("closed", 6), state=state)
    assert (state.resolved_at, state.closed_at) == (moment(6), moment(6))


def test_who_acted_stands_in_the_entry_only_where_it_was_a_program():
    nobody = {"user_email": None, "user_name": None}
    by_program = entries(told("resolved", integration_name="Deploy bot", **nobody))
    assert by_program[0]["message"] == "Incident resolved by Deploy bot"
    assert entries(told("resolved", integration_name="Deploy bot"))[0]["message"] == "Incident resolved"
    assert entries(told("resolved", **nobody))[0]["message"] == "Incident resolved"


def test_destroyed_it_is_a_tombstone_whose_status_still_moves():
    state, outcomes = run(told("started"), told("destroyed", 3), told("acknowledged", 5), told("destroyed", 7))
    assert (state.destroyed_at, state.status, state.is_live) == (moment(3), "acknowledged", False)
    assert [shown(each) for each in outcomes[1].entries] == [
        ("updated", None, "deleted at source", "Incident deleted at source")
    ]
    assert (outcomes[1].hold, outcomes[1].presses) == (-1, "release")
    assert (outcomes[2].hold, outcomes[2].presses) == (0, "")
    assert (outcomes[3].why, outcomes[3].entries) == ("It was deleted already.", [])


@pytest.mark.parametrize(
    ("targets", "new", "message"),
    [
        ([{"type": "user", "id": 1, "name": "Ada"}, {"type": "team", "id": 2, "name": " Night shift "}],
         "Ada, Night shift", "Escalated to Ada, Night shift"),
        ([{"type": "user", "id": 0, "name": None}, {"id": 5}, {"name": "  "}, {}], "user 0, target 5",
         "Escalated to user 0, target 5"),
        ([], None, "Incident escalated"),
        (None, None, "Incident escalated"),
        ([{}], None, "Incident escalated"),
    ],
)  # fmt: skip
def test_escalated_names_whom(targets, new, message):
    before = after(told("started"))
    state, [outcome] = run(told("escalated", 5, escalation_targets=targets), state=before)
    assert state == before
    assert [shown(each) for each in outcome.entries] == [("updated", None, new, message)]


def test_grouped_and_taken_out_again():
    state, outcomes = run(told("grouped", 1), told("grouped", 2, incident_group_id=0), told("ungrouped", 3))
    assert state.incident_group_id is None
    assert [shown(each) for outcome in outcomes for each in outcome.entries] == [
        ("updated", None, "999", "Grouped into incident group 999"),
        ("updated", "999", "0", "Grouped into incident group 0"),
        ("updated", "0", None, "Taken out of its incident group"),
    ]


def test_taken_out_of_no_group_does_nothing():
    before = after(told("started"))
    state, [outcome] = run(told("ungrouped", 5), state=before)
    assert (state, outcome.entries, outcome.why) == (before, [], "It was in no group then.")


@pytest.mark.parametrize("further", [{}, {"identity": "ab" * 32}, {"origin": "wk_other"}])
def test_a_source_s_grouping_without_a_group_does_nothing(further):
    before = after(told("grouped"))
    state, [outcome] = run(told("grouped", 5, incident_group_id=None, **further), state=before)
    assert (state, outcome.entries, outcome.why) == (before, [], "It names no group.")


@pytest.mark.parametrize("whose", [ours, kin])
def test_a_watchkeeper_s_grouping_without_a_group_took_it_out_before_there_was_a_word_for_that(whose):
    before = after(told("grouped"))
    state, [outcome] = run(whose(told("grouped", 5, incident_group_id=None)), state=before)
    assert (state.incident_group_id, state.incident_group_native) == (None, False)
    assert [shown(each) for each in outcome.entries] == [("updated", "999", None, "Taken out of its incident group")]


def test_assigned_carries_the_assignee_and_names_the_actor_in_the_message():
    state, outcomes = run(told("assigned", 1, native=True, assignee_id=7), told("assigned", 2, assignee_email=None))
    given, taken = outcomes[0].entries[0], outcomes[1].entries[0]
    assert given["user"] == {"id": 7, "email": "grace@example.com", "name": "Grace Hopper"}
    assert shown(given) == ("assigned", None, "grace@example.com", "Assigned to Grace Hopper by Ada Lovelace")
    assert shown(taken) == ("assigned", "grace@example.com", None, "Unassigned by Ada Lovelace")
    assert (state.assignee_id, state.assignee_email) == (None, None)
    # A vendor's ids are not ours.
    assert after(told("assigned", assignee_id=7)).assignee_id is None


def test_a_severity_and_edits_are_shown_with_old_and_new():
    state, outcomes = run(
        told("started"),
        told("severity_changed", 1),
        told("updated", 2, error_message="Timeout", affected_regions=[]),
        told("updated", 3, error_message="Timeout"),
    )
    assert shown(outcomes[1].entries[0]) == (
        "severity_changed", "major", "critical", "Severity changed from major to critical",
    )  # fmt: skip
    assert [(each["field"], each["old"], each["new"]) for each in outcomes[2].entries] == [
        ("title", "Shop is down", "Shop can't be reached"),
        ("error_message", "Connection refused", "Timeout"),
        ("affected_regions", "us-east-1, eu-central-1", None),
    ]
    assert (outcomes[3].why, outcomes[3].entries) == ("Nothing differed.", [])
    assert (state.severity, state.title, state.affected_regions) == ("critical", "Shop can't be reached", ())


def test_a_field_that_was_emptied_is_not_said_to_have_become_none():
    words = [each["message"] for each in entries(told("started"), told("updated", 2, title=None, affected_regions=[]))]
    assert len(words) == 1
    assert "None" not in words[0]


def test_a_note_is_shown_as_it_was_written():
    assert shown(entries(told("commented"))[0]) == ("comment_added", None, None, "The switch was replaced.")
    assert entries(told("commented", comment=None, message="m"))[0]["message"] == "m"


# --- its resource ---------------------------------------------------------------------------------------------


def test_it_is_about_the_first_resource_that_its_facts_name():
    state, outcomes = run(
        told("escalated", 0, resource_type=None, resource_id=None, resource_name=None),
        told("started", 1),
        told("acknowledged", 2, resource_type="heartbeat", resource_id=5, resource_name="Backup"),
    )
    assert (state.resource_type, state.resource_id, state.resource_name) == ("monitor", 789, "Shop")
    assert [each.resource for each in outcomes] == [None, MONITOR, MONITOR]
    assert [each.hold for each in outcomes] == [0, 1, 0]


def test_its_resource_is_called_what_it_was_called_last():
    state = after(
        told("started"), told("acknowledged", 1, resource_name="The shop"), told("resolved", 2, resource_name=None)
    )
    assert state.resource_name == "The shop"


@pytest.mark.parametrize("kind", ["server", "Monitor", "x" * 60_000])
def test_a_resource_of_an_unknown_type_is_text_and_is_held_by_nothing(kind):
    state, [outcome] = run(told("started", resource_type=kind, resource_id=5))
    assert (state.resource_type, state.resource_id, state.resource) == (kind, 5, None)
    assert (outcome.resource, outcome.hold, outcome.presses) == (None, 0, "")


@pytest.mark.parametrize("missing", [{"resource_id": None}, {"resource_type": None}, {"resource_type": " "}])
def test_half_a_resource_is_none(missing):
    state = after(told("started", **missing))
    assert (state.resource_type, state.resource_id, state.resource_name) == (None, None, None)


def test_an_incident_without_a_title_takes_the_first_that_it_is_given():
    state = after(
        told("acknowledged", incident_name=None),
        told("escalated", 1, incident_name=" Named "),
        told("resolved", 2, incident_name=None),
    )
    assert state.title == "Named"


def titles(*facts):
    """What some facts tell of the title."""
    entries = [each for outcome in run(*facts)[1] for each in outcome.entries if each["field"] == "title"]
    return [(each["action"], each["old"], each["new"]) for each in entries]


def test_a_name_that_its_source_tells_later_is_its_title_from_then_on():
    facts = told("started"), told("acknowledged", 1, incident_name="Till is down"), told("resolved", 2)
    state, outcomes = run(*facts)
    assert state.title == "Shop is down"
    assert titles(*facts) == [("updated", "Shop is down", "Till is down"), ("updated", "Till is down", "Shop is down")]
    assert [each["action"] for each in outcomes[1].entries] == ["acknowledged", "updated"]


def test_a_name_is_news_also_of_a_fact_that_does_nothing_else():
    state, outcomes = run(told("acknowledged"), told("acknowledged", 1, incident_name="Till is down"))
    assert (state.title, outcomes[1].why, len(outcomes[1].entries)) == ("Till is down", "", 1)


def test_a_start_after_others_tells_its_name_too():
    state, outcomes = run(told("acknowledged"), told("started", 1, incident_name="Till is down"))
    assert [each["action"] for each in outcomes[1].entries] == ["created", "updated"]
    assert state.title == "Till is down"


def test_staff_s_title_stands_until_the_source_says_something_new():
    edit = ours(told("updated", 2, incident_name="Shop is down", title="Edited"))
    before = (told("started"), told("acknowledged", 1), edit)
    assert after(*before, told("started", 3), told("resolved", 4)).title == "Edited"
    assert after(*before, told("resolved", 4, incident_name="Till is down")).title == "Till is down"
    assert after(*before, told("resolved", 4, incident_name="Edited")).title == "Edited"


@pytest.mark.parametrize("whose", [ours, kin])
def test_what_a_watchkeeper_s_own_acts_call_it_is_no_news(whose):
    assert titles(told("started"), whose(told("acknowledged", 1, incident_name="Other"))) == []


def test_nor_what_it_is_called_in_acts_from_elsewhere():
    act = told("acknowledged", 1, incident_name="Other", incident_origin={"installation": "wk_x"})
    assert titles(told("started"), act) == []


@pytest.mark.parametrize(
    ("whose", "word", "at_source"),
    [(lambda fact: fact, "deleted at source", True), (kin, "deleted", True), (ours, "deleted", False)],
)
def test_who_deleted_it_is_said(whose, word, at_source):
    state, outcomes = run(told("started"), whose(told("destroyed", 1)))
    assert [shown(each) for each in outcomes[1].entries] == [("updated", None, word, f"Incident {word}")]
    assert state.destroyed_at_source is at_source


# --- what it does to its resource -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "presses", "holds"),
    [
        (["started", "resolved"], ["hold", "release"], [1, -1]),
        (["started", "acknowledged", "resolved", "reopened"], ["hold", "", "release", "hold"], [1, 0, -1, 1]),
        (["started", "started"], ["hold", "hold"], [1, 0]),
        (["resolved", "started"], ["release", ""], [0, 0]),
        (["acknowledged", "closed"], ["hold", "release"], [1, -1]),
        (["destroyed", "started"], ["release", ""], [0, 0]),
        (["started", "resolved", "destroyed"], ["hold", "release", ""], [1, -1, 0]),
    ],
)
def test_what_an_incident_does_to_its_resource(names, presses, holds):
    _, outcomes = run(*(told(name, at) for at, name in enumerate(names)))
    assert [each.presses for each in outcomes] == presses
    assert [each.hold for each in outcomes] == holds
