from datetime import UTC, datetime, timedelta, timezone

import pytest

from config.clock import milliseconds
from tests.conftest import NOON, an_event, make_integration, make_team, make_user
from tests.floods import unfolded
from tests.histories import fact
from timeline.models import TimelineEvent
from timeline.record import NewFact, record

LATER = NOON + timedelta(minutes=7)


def told(name="incident.started", at=NOON, subject=("incident", 5), named=None, **fields):
    """A vendor's fact about a record of ours."""
    made = fact(an_event(name, at, **fields))
    made.subject, made.named, made.recorded_at = subject, named, LATER
    return made


def test_a_fact_is_written_as_it_is(team, integration):
    one = told(named=("monitor", 3), user_email="a@example.com", user_name="Ada", regions=["é", "😀"], more={"x": 1.5})
    [written] = record([NewFact(one, team.pk, integration.pk)], unfolded)
    row = TimelineEvent.objects.get()
    assert written is one
    assert written.id == row.pk
    assert (row.team, row.integration_id, row.user_id) == (team, integration.pk, None)
    assert (row.event, row.subject_kind, row.subject_id) == ("incident.started", "incident", 5)
    assert (row.named_kind, row.named_id) == ("monitor", 3)
    assert (row.occurred_at, row.recorded_at, row.rank, bytes(row.identity)) == (NOON, LATER, one.rank, one.identity)
    assert row.payload == one.payload
    assert (row.user_email, row.user_name) == ("a@example.com", "Ada")
    assert (row.resource_kind, row.resource_id) == (None, None)
    assert (row.effect, row.why, row.entries, row.hold, row.presses) == ("applied", "", [], 0, "")


def test_a_resource_s_own_fact_stands_in_its_chronology_from_the_start(team, integration):
    record([NewFact(told("monitor.down", subject=("monitor", 3)), team.pk, integration.pk)], unfolded)
    row = TimelineEvent.objects.get()
    assert (row.resource_kind, row.resource_id) == ("monitor", 3)


def test_our_own_fact_has_its_actor_and_no_integration(team, user):
    record([NewFact(told(), team.pk, user_id=user.pk)], unfolded)
    row = TimelineEvent.objects.get()
    assert (row.integration_id, row.user) == (None, user)


def test_a_fact_that_was_not_recorded_at_some_time_was_recorded_when_it_occurred(team, integration):
    one = told()
    one.recorded_at = None
    record([NewFact(one, team.pk, integration.pk)], unfolded)
    assert TimelineEvent.objects.get().recorded_at == NOON


def test_nothing_recorded_is_nothing_written(db):
    assert record([], unfolded) == []


def test_only_what_is_new_is_answered(team, integration):
    old, new = told(message="old"), told(message="new")
    record([NewFact(old, team.pk, integration.pk)], unfolded)
    again = told(message="old")
    answered = record([NewFact(again, team.pk, integration.pk), NewFact(new, team.pk, integration.pk)], unfolded)
    assert answered == [new]
    assert again.id == old.id
    assert TimelineEvent.objects.count() == 2


def test_one_event_told_to_two_integrations_in_one_batch_is_two_facts(team, integration):
    other = make_integration(team, "Another")
    one, two = told(subject=("incident", 5)), told(subject=("incident", 6))
    assert one.identity == two.identity
    answered = record([NewFact(one, team.pk, integration.pk), NewFact(two, team.pk, other.pk)], unfolded)
    assert {id(each) for each in answered} == {id(one), id(two)}
    assert one.id != two.id
    for each, whose in ((one, integration), (two, other)):
        row = TimelineEvent.objects.get(pk=each.id)
        assert (row.integration_id, row.subject_id) == (whose.pk, each.subject[1])


def test_one_event_that_one_integration_told_before_is_new_from_another(team, integration):
    other = make_integration(team, "Another")
    record([NewFact(one := told(), team.pk, integration.pk)], unfolded)
    again, new = told(), told(subject=("incident", 6))
    assert record([NewFact(again, team.pk, integration.pk), NewFact(new, team.pk, other.pk)], unfolded) == [new]
    assert (again.id, TimelineEvent.objects.count()) == (one.id, 2)


def test_a_fact_of_ours_is_once_in_a_team_and_may_be_in_another(team):
    stranger = make_team("Strangers")
    assert len(record([NewFact(told(), team.pk)], unfolded)) == 1
    assert record([NewFact(told(), team.pk)], unfolded) == []
    assert len(record([NewFact(told(), stranger.pk, user_id=make_user("b@example.com").pk)], unfolded)) == 1


@pytest.mark.parametrize(
    ("at", "cut"),
    [
        (datetime(2026, 5, 13, 12, 0, 0, 123999, UTC), datetime(2026, 5, 13, 12, 0, 0, 123000, UTC)),
        (datetime(2026, 5, 13, 14, 0, 0, 1, timezone(timedelta(hours=2))), NOON),
        (NOON, NOON),
    ],
)
def test_a_moment_is_utc_and_cut_to_milliseconds(at, cut):
    assert milliseconds(at) == cut
    assert milliseconds(at).tzinfo is UTC


def test_any_json_comes_back_as_it_was_told(team, integration):
    strange = {
        "large": 10**39, "huge": 1e308, "tiny": 5e-324, "minus": -0.0, "whole": 1.0, "digits": 2**63 - 1,
        "text": "😀\u202e\u200b\x01\x7f\"\\'%s{}", "": "", "%(x)s": None, "deep": [[[[{"a": []}]]]], "yes": True,
        "é\U0001f600": "x" * 60_000,
    }  # fmt: skip
    record([NewFact(told(more=strange), team.pk, integration.pk)], unfolded)
    came_back = TimelineEvent.objects.get().payload["more"]
    # PostgreSQL writes a large double with all its digits, which Python reads as an integer.
    assert float(came_back.pop("huge")) == strange.pop("huge")
    assert came_back == strange
