"""What corrections come to, as a function of the set of them."""

from itertools import permutations

import pytest

from config.times import rfc3339
from tests.histories import event, fact, moment
from timeline.corrections import correct_all, corrects, in_force, told_at, told_text

TOLD = fact(event("incident.resolved", 10))
NAMED = TOLD.identity.hex()


def correction(at, **says):
    return fact(event("incident.corrected", at, **({"corrects": NAMED} | says)))


def held(*corrections):
    """What holds of the told fact; the same in every order."""
    found = [in_force(each).get(TOLD.identity) for each in permutations(corrections)]
    assert all(each == found[0] for each in found)
    return found[0]


def test_of_each_field_the_latest_correction_holds():
    says = held(
        correction(20, occurred_at=rfc3339(moment(1)), hidden=True),
        correction(21, text="One"),
        correction(22, occurred_at=rfc3339(moment(2)), reason="The last."),
        correction(19, text="Before", hidden=False),
    )
    assert (says["occurred_at"], says["message"], says["hidden"]) == (rfc3339(moment(2)), "One", True)
    assert (says["at"], says["reason"]) == (rfc3339(moment(22)), "The last.")


def test_of_two_at_once_the_identity_decides():
    one, other = correction(20, text="One"), correction(20, text="Other")
    last = max(one, other, key=lambda each: each.identity)
    assert held(one, other)["by"] == last.identity.hex()


@pytest.mark.parametrize(
    "time", [rfc3339(moment(21)), "1999-12-31T23:59:59.999Z", "2026-05-13", "nonsense", "", " ", None, 5]
)
def test_a_time_that_can_t_be_kept_says_nothing(time):
    assert held(correction(20, occurred_at=time))["occurred_at"] is None


def test_a_correction_says_who_when_and_why():
    says = held(correction(20, hidden=True))
    assert {name: says[name] for name in ("at", "user_email", "user_name", "reason")} == {
        "at": rfc3339(moment(20)),
        "user_email": "ada@example.com",
        "user_name": "Ada Lovelace",
        "reason": "It was a mistake.",
    }


@pytest.mark.parametrize("named", [None, "", "00", NAMED.upper(), f" {NAMED}", 5, [NAMED]])
def test_what_names_no_fact_corrects_none(named):
    assert corrects(correction(20, corrects=named)) is None
    assert in_force([correction(20, corrects=named, hidden=True)]) == {}


def test_only_a_correction_corrects():
    assert corrects(fact(event("incident.resolved", 20, corrects=NAMED))) is None


def test_corrected_facts_stand_in_the_order_of_their_corrected_times():
    told = [fact(event("incident.started", 0)), fact(event("incident.resolved", 10))]
    facts = correct_all([*told, correction(20, occurred_at=rfc3339(moment(-5)), hidden=True, text="Over.")])
    assert [(each.event, each.occurred_at, each.hidden, each.text) for each in facts] == [
        ("incident.resolved", moment(-5), True, "Over."),
        ("incident.started", moment(0), False, None),
        ("incident.corrected", moment(20), False, None),
    ]
    assert told_at(facts[0].payload) == moment(10)


def test_a_correction_is_not_corrected_itself():
    first = correction(20, hidden=True)
    second = correction(21, corrects=first.identity.hex(), hidden=True, occurred_at=rfc3339(moment(1)))
    assert [each.correction for each in correct_all([first, second])] == [None, None]


def test_without_its_correction_a_fact_is_as_it_was_told():
    facts = correct_all([fact(event("incident.resolved", 10)), correction(20, occurred_at=rfc3339(moment(1)))])
    [again] = correct_all([each for each in facts if each.event == "incident.resolved"])
    assert (again.occurred_at, again.correction) == (moment(10), None)


def test_a_note_says_its_own_words_and_others_their_message():
    assert told_text("incident.commented", {"comment": " Hm. ", "message": "Ada commented"}) == "Hm."
    assert told_text("incident.commented", {"message": "Ada commented"}) == "Ada commented"
    assert told_text("incident.resolved", {"comment": "Hm.", "message": "Resolved"}) == "Resolved"
