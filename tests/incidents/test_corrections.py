"""Corrections: what is shown follows them, what was told stays, and what was known then can still be seen."""

from datetime import timedelta

import pytest

from config.errors import Conflict, ValidationFailed
from incidents import corrections, keeper, lifecycle
from incidents.models import Incident
from monitors.models import Monitor
from tests.conftest import NOON, act, an_event, make_integration, make_team, tell_it
from tests.incidents.test_keeper import differences
from timeline.models import TimelineEvent

LATER = NOON + timedelta(hours=2)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def of(name, minutes, **fields):
    return an_event(f"incident.{name}", at(minutes), **fields)


def the_incident():
    return Incident.objects.get()


def the_fact(event):
    return TimelineEvent.objects.get(event=f"incident.{event}")


@pytest.fixture
def correct(user):
    """Correct the incident's only fact of a kind."""

    def corrected(event, now=LATER, by=user, reason="It was so.", **fields):
        return corrections.correct(the_incident(), the_fact(event).pk, by=by, at=now, reason=reason, **fields)

    return corrected


@pytest.fixture
def told(tell):
    """A vendor's incident: started, acknowledged, resolved."""
    tell(of("started", 0), of("acknowledged", 5), of("resolved", 20))
    return the_incident()


# --- state and durations follow ---------------------------------------------------------------------------------------


def test_a_corrected_time_moves_the_fact_and_the_incident_s_times(told, correct):
    correct("started", occurred_at=at(-30))
    correct("resolved", occurred_at=at(10))
    incident = the_incident()
    assert (incident.started_at, incident.acknowledged_at, incident.resolved_at) == (at(-30), at(5), at(10))
    assert differences() == []


def test_a_correction_that_changes_the_order_changes_what_facts_did(told, correct):
    correct("acknowledged", occurred_at=at(25))
    acknowledged = the_fact("acknowledged")
    assert (acknowledged.effect, acknowledged.why) == ("none", "It was resolved then.")
    assert (the_incident().status, the_incident().acknowledged_at) == ("resolved", None)
    assert differences() == []


def test_a_hidden_fact_is_skipped(told, correct):
    correct("resolved", hidden=True, reason="A test event.")
    incident, resolved = the_incident(), the_fact("resolved")
    assert (incident.status, incident.resolved_at, incident.is_live) == ("acknowledged", None, True)
    assert (resolved.effect, resolved.why, resolved.entries) == ("none", "Hidden by Alice Johnson: A test event.", [])
    assert Monitor.objects.get().status == "down"
    assert differences() == []


def test_what_was_hidden_can_be_shown_again(told, correct):
    correct("resolved", hidden=True)
    correct("resolved", hidden=False)
    assert (the_incident().status, Monitor.objects.get().status) == ("resolved", "up")
    assert differences() == []


def test_a_hidden_end_makes_a_deleted_incident_live_again(tell, correct):
    tell(of("started", 0), of("destroyed", 5))
    correct("destroyed", hidden=True)
    assert the_incident().destroyed_at is None
    assert (the_incident().is_live, Monitor.objects.get().live_incidents) == (True, 1)
    assert differences() == []


def test_the_monitor_s_history_follows_a_fact_that_moved_where_it_means_the_same(told, correct):
    assert Monitor.objects.get().status_since == at(20)
    correct("resolved", occurred_at=at(12))
    assert Monitor.objects.get().status_since == at(12)
    correct("resolved", occurred_at=at(15))
    assert Monitor.objects.get().status_since == at(15)
    assert differences() == []


def test_a_corrected_text_is_what_is_shown_and_not_what_was_told(told, correct):
    before = the_fact("resolved").payload
    correct("resolved", message="Resolved by turning it off and on.")
    resolved = the_fact("resolved")
    assert [each["message"] for each in resolved.entries] == ["Resolved by turning it off and on."]
    assert (resolved.message, resolved.payload) == ("Resolved by turning it off and on.", before)
    assert the_incident().resolved_at == at(20)


def test_each_field_keeps_its_latest_correction(told, correct):
    correct("resolved", occurred_at=at(10))
    correct("resolved", message="Over.")
    correct("resolved", occurred_at=at(11))
    resolved = the_fact("resolved")
    assert (resolved.occurred_at, resolved.message, resolved.told_at) == (at(11), "Over.", at(20))
    assert TimelineEvent.objects.filter(event="incident.corrected").count() == 3


def test_a_late_vendor_event_and_a_correction_come_to_the_same_in_either_order(user):
    shown = []
    for late_first in (True, False):
        integration = make_integration(make_team())
        tell_it(integration, of("started", 0), of("resolved", 20))
        incident = Incident.objects.get(integration_id=integration.pk)
        resolved = TimelineEvent.objects.get(integration_id=integration.pk, event="incident.resolved").pk

        def late(integration=integration):
            tell_it(integration, of("reopened", 15), of("acknowledged", 12))

        def correction(incident=incident, resolved=resolved):
            corrections.correct(incident, resolved, by=user, at=LATER, reason="Typo.", occurred_at=at(10))

        for do in (late, correction) if late_first else (correction, late):
            do()
        incident.refresh_from_db()
        shown.append((incident.status, incident.acknowledged_at, incident.resolved_at))
    assert shown == [("open", None, None)] * 2
    assert differences() == []


def test_a_correction_is_told_to_a_long_history_with_its_checkpoints(integration, user):
    for some in range(0, 230, 50):
        tell_it(integration, *(of("escalated", n, more=n) for n in range(some, min(some + 50, 230))))
    for number, minutes in ((3, 210), (205, 1), (120, 120.5), (229, 0), (0, 229.5)):
        fact = TimelineEvent.objects.get(payload__more=number)
        corrections.correct(
            the_incident(), fact.pk, by=user, at=at(300), reason="So.", occurred_at=at(minutes), hidden=number == 120
        )
        assert differences() == []


def test_once_the_event_of_a_wrong_clock_is_hidden_we_act_in_the_present_again(tell, correct, user):
    tell(of("started", 0), at=at(1))
    tell(of("escalated", 20 * 60))  # as a version before this one believed it at once
    assert lifecycle.comment(the_incident(), by=user, at=at(2), message="Hm.").occurred_at > at(20 * 60)
    correct("commented", now=at(3), occurred_at=at(2))
    assert correct("escalated", now=at(4), hidden=True).occurred_at == at(4)
    assert lifecycle.resolve(the_incident(), by=user, at=at(5)).occurred_at == at(5)
    assert (the_incident().status, the_incident().resolved_at) == ("resolved", at(5))
    assert differences() == []


# --- what is refused, and what is nothing -----------------------------------------------------------------------------


def test_what_is_so_already_is_no_correction(told, correct):
    assert correct("resolved", occurred_at=at(20), hidden=False) is None
    assert correct("resolved", message="Over.") is not None
    assert correct("resolved", message="Over.") is None
    assert TimelineEvent.objects.filter(event="incident.corrected").count() == 1


def test_of_a_correction_only_what_differs_is_written(told, correct):
    fact = correct("resolved", occurred_at=at(20), message="Over.", hidden=False)
    assert {"text", "hidden", "occurred_at"} & fact.payload.keys() == {"text"}


@pytest.mark.parametrize("minutes", [122, -60 * 24 * 365 * 40])
def test_a_corrected_time_lies_between_2000_and_now(told, correct, minutes):
    with pytest.raises(ValidationFailed) as refused:
        correct("resolved", occurred_at=at(minutes))
    assert list(refused.value.fields) == ["occurred_at"]


def test_a_correction_can_t_be_corrected(told, correct):
    correct("resolved", hidden=True)
    with pytest.raises(Conflict):
        correct("corrected", hidden=True)


def test_the_last_event_that_counts_can_t_be_hidden(told, correct, user):
    lifecycle.comment(the_incident(), by=user, at=at(30), message="Hm.")
    correct("started", hidden=True)
    correct("resolved", hidden=True)
    with pytest.raises(Conflict) as refused:
        correct("acknowledged", hidden=True)
    assert "delete the incident" in refused.value.message
    correct("commented", hidden=True)
    correct("started", hidden=False)
    correct("acknowledged", hidden=True)
    assert (the_incident().status, the_incident().started_at) == ("open", at(0))
    assert differences() == []


def test_a_correction_that_would_make_a_second_one_live_is_refused(team, user):
    monitor = Monitor.objects.create(team=team, name="Shop", provisional=False)
    first, second = (Incident.objects.create(team=team, concerns_native=True) for _ in range(2))
    about = {"resource_type": "monitor", "resource_id": monitor.pk}
    act(first, "incident.started", by=user, at=at(0), **about)
    over = act(first, "incident.resolved", by=user, at=at(1), **about)
    act(second, "incident.started", by=user, at=at(2), **about)
    with pytest.raises(Conflict) as refused:
        corrections.correct(first, over.pk, by=user, at=LATER, reason="No.", hidden=True)
    assert refused.value.details == {"incident_id": str(second.uuid), "number": second.pk}
    assert Incident.objects.get(pk=first.pk).status == "resolved"


# --- several at once --------------------------------------------------------------------------------------------------


def hide(incident, entries, by, hidden=True):
    return corrections.hide(incident, [each.pk for each in entries], by=by, at=LATER, reason="Tests.", hidden=hidden)


def test_many_are_hidden_with_as_few_folds_as_one(integration, user, monkeypatch):
    tell_it(integration, of("started", 0), *(of("escalated", 1, message=f"No. {n}") for n in range(120)))
    steps = []
    step = keeper.step
    monkeypatch.setattr(keeper, "step", lambda *args: steps.append(1) or step(*args))
    early = TimelineEvent.objects.filter(event="incident.escalated").order_by("id")[:20]
    answers = hide(the_incident(), early, user)
    assert [answer.fact.payload["hidden"] for answer in answers.values()] == [True] * 20
    assert len(steps) <= 2 * (121 + 20)
    assert differences() == []


def test_several_are_hidden_one_by_one_and_the_last_one_says_what_became_of_the_incident(told, user):
    entries = [the_fact(each) for each in ("acknowledged", "resolved", "started")]
    answers = list(hide(told, entries, user).values())
    assert [answer.refused is None for answer in answers] == [True, True, False]
    assert "last event of the incident" in answers[2].refused.message
    first, second = (answer.fact for answer in answers[:2])
    assert second.occurred_at - first.occurred_at == timedelta(milliseconds=1)
    assert "changes" not in first.payload
    assert second.payload["changes"] == ["status", "acknowledged_at", "resolved_at"]
    assert (second.payload["old_status"], second.payload["new_status"]) == ("resolved", "open")
    assert [answer.fact for answer in hide(told, entries[:2], user).values()] == [None, None]
    assert differences() == []


def test_none_of_all_is_hidden_where_nothing_would_be_left_and_shown_again_they_count(told, user):
    entries = [the_fact(each) for each in ("started", "acknowledged", "resolved")]
    answers = list(hide(told, entries, user).values())
    assert [answer.refused is None for answer in answers] == [True, True, False]
    assert [answer.fact is None for answer in hide(told, entries, user, hidden=False).values()] == [False, False, True]
    assert the_incident().status == "resolved"
    assert differences() == []


def test_of_several_only_those_are_refused_that_would_make_a_second_one_live(team, user):
    monitor = Monitor.objects.create(team=team, name="Shop", provisional=False)
    first, second = (Incident.objects.create(team=team, concerns_native=True) for _ in range(2))
    about = {"resource_type": "monitor", "resource_id": monitor.pk}
    act(first, "incident.started", by=user, at=at(0), **about)
    notes = [act(first, "incident.commented", by=user, at=at(n), comment="x", **about) for n in range(1, 6)]
    over = act(first, "incident.resolved", by=user, at=at(6), **about)
    act(second, "incident.started", by=user, at=at(7), **about)
    entries = [*notes[:2], over, *notes[2:]]
    answers = hide(first, entries, user)
    assert list(answers) == [each.pk for each in entries]
    refused = {pk: answer.refused for pk, answer in answers.items() if answer.refused}
    assert list(refused) == [over.pk] and refused[over.pk].details["number"] == second.pk
    assert TimelineEvent.objects.filter(event="incident.corrected").count() == 5
    assert Incident.objects.get(pk=first.pk).status == "resolved"
    assert differences() == []


# --- entries after the fact -------------------------------------------------------------------------------------------


def add(user, minutes, message="We saw it.", reason="Forgotten."):
    return corrections.add(the_incident(), by=user, at=LATER, message=message, occurred_at=at(minutes), reason=reason)


def test_an_entry_is_added_with_its_own_time(told, user):
    entry = add(user, 7)
    assert (entry.occurred_at, entry.recorded_at, entry.user_id) == (at(7), LATER, user.pk)
    assert [each["message"] for each in entry.entries] == ["We saw it."]
    assert (the_incident().status, the_incident().resolved_at) == ("resolved", at(20))
    assert differences() == []


def test_an_entry_before_the_start_moves_neither_the_start_nor_the_monitor(told, user):
    since = Monitor.objects.get().status_since
    add(user, -60, "A deploy.")
    assert (the_incident().started_at, the_incident().provisional) == (at(0), False)
    assert Monitor.objects.get().status_since == since
    assert differences() == []


def test_entries_of_one_moment_stand_a_millisecond_apart(told, user, correct):
    first = add(user, 7)
    assert add(user, 7).occurred_at == at(7) + timedelta(milliseconds=1)
    corrections.correct(the_incident(), first.pk, by=user, at=LATER, reason="No.", occurred_at=at(8))
    assert add(user, 7).occurred_at == at(7) + timedelta(milliseconds=2)


def test_an_entry_is_not_added_to_the_future(told, user):
    with pytest.raises(ValidationFailed):
        add(user, 122)


def test_a_note_s_own_words_are_what_is_corrected(told, user, correct):
    add(user, 7)
    correct("commented", message="They saw it.")
    assert [each["message"] for each in the_fact("commented").entries] == ["They saw it."]
    assert correct("commented", message="They saw it.") is None


# --- what the correction itself says ----------------------------------------------------------------------------------


def test_a_correction_says_what_became_of_the_status(told, correct):
    correct("resolved", hidden=True, reason="A test.")
    corrected = the_fact("corrected")
    assert corrected.entries == [
        {
            "action": "status_changed",
            "field": "status",
            "old": "resolved",
            "new": "acknowledged",
            "message": "Status corrected from resolved to acknowledged: A test.",
        }
    ]


def test_a_correction_names_what_it_changed(told, correct):
    correct("resolved", occurred_at=at(10))
    correct("resolved", message="Over.")
    correct("resolved", hidden=True)
    told = [
        each.payload.get("changes") for each in TimelineEvent.objects.filter(event="incident.corrected").order_by("id")
    ]
    assert told == [["resolved_at"], None, ["status", "resolved_at"]]


def test_a_correction_that_left_the_status_alone_is_no_update(told, correct):
    correct("resolved", occurred_at=at(12))
    assert the_fact("corrected").entries == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"hidden": True}, "is hidden"),
        ({"message": "Over."}, "reads otherwise"),
        ({"occurred_at": at(10)}, "occurred at 12:10:00 UTC, not at 12:20:00 UTC"),
    ],
)
def test_a_correction_is_a_sentence(told, correct, user, fields, said):
    before = the_fact("resolved").payload["message"]
    fact = correct("resolved", **fields)
    assert fact.payload["message"] == (f'Alice Johnson corrected incident "{told}": "{before}" {said} (It was so.)')
    assert (fact.user, fact.payload["reason"], fact.payload["user_email"]) == (user, "It was so.", user.email)


def test_corrections_count_on_a_deleted_incident_too(tell, correct):
    tell(of("started", 0), of("destroyed", 5))
    correct("started", occurred_at=at(-5))
    assert (the_incident().started_at, the_incident().destroyed_at) == (at(-5), at(5))


def test_the_system_may_correct_too(told):
    fact = corrections.correct(the_incident(), the_fact("resolved").pk, by=None, at=LATER, reason="So.", hidden=True)
    assert fact.user is None
    assert the_fact("resolved").why == "Hidden: So."
