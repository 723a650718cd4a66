from datetime import timedelta

import pytest
from django.db import transaction

from config.times import rfc3339
from incidents import lifecycle
from incidents.models import Incident
from monitors.models import Monitor
from tests.conftest import NOON, an_event, make_user
from tests.floods import unfolded
from timeline.acts import Act, new_fact, who
from timeline.events import EVENTS, validate
from timeline.identity import event_identity
from timeline.models import TimelineEvent
from timeline.record import record_numbered

MILLISECOND = timedelta(milliseconds=1)
LATER = NOON + timedelta(hours=2)


@pytest.fixture
def incident(tell):
    tell(an_event("incident.started"))
    return Incident.objects.get()


def note(incident, user, at, text="Looked at it."):
    return lifecycle.comment(incident, by=user, at=at, message=text)


def test_an_act_is_the_very_payload_that_a_vendor_would_have_sent(incident, user, team):
    fact = note(incident, user, LATER)
    assert fact.payload == {
        "dt": rfc3339(LATER),
        "event": "incident.commented",
        "message": 'Alice Johnson commented on incident "My Website is Down"',
        "organization_id": team.organization.public_id,
        "team_id": team.public_id,
        "incident_id": incident.pk,
        "incident_name": "My Website is Down",
        "resource_type": "monitor",
        "resource_id": Monitor.objects.get().pk,
        "resource_name": "My Website",
        "incident_origin": None,  # no Watchkeeper told us of it as of its own
        "user_email": "alice@example.com",
        "user_name": "Alice Johnson",
        "integration_name": None,
        "integration_type": None,
        "comment": "Looked at it.",
    }
    assert (judged := validate(fact.payload, LATER, EVENTS)).fields == {} and not judged.ignored
    assert bytes(fact.identity) == event_identity(fact.payload)
    assert (fact.integration_id, fact.user, fact.user_email, fact.user_name) == (
        None, user, "alice@example.com", "Alice Johnson",
    )  # fmt: skip
    assert (fact.occurred_at, fact.recorded_at, fact.rank) == (LATER, LATER, EVENTS["incident.commented"].rank)
    assert (fact.named_kind, fact.named_id) == ("monitor", Monitor.objects.get().pk)


def test_acts_of_the_same_moment_are_a_millisecond_apart(incident, user):
    facts = [note(incident, user, LATER, "Same words.") for _ in range(4)]
    assert [fact.occurred_at for fact in facts] == [LATER + n * MILLISECOND for n in range(4)]
    assert len({bytes(fact.identity) for fact in facts}) == 4


def test_an_act_after_a_clock_went_back_still_comes_after_the_last_one(incident, user):
    note(incident, user, LATER)
    assert note(incident, user, LATER - timedelta(minutes=5)).occurred_at == LATER + MILLISECOND


def test_acts_on_different_incidents_may_share_a_moment(incident, user, tell):
    tell(an_event("incident.started", incident_id=202))
    other = Incident.objects.exclude(pk=incident.pk).get()
    assert note(incident, user, LATER).occurred_at == note(other, user, LATER).occurred_at == LATER


def test_what_we_do_stands_after_what_a_vendor_told_however_fast_its_clock(incident, user, tell):
    tell(an_event("incident.escalated", LATER), at=LATER)
    fact = note(incident, user, LATER)
    assert fact.occurred_at == LATER + timedelta(milliseconds=1)
    assert fact.recorded_at == LATER


def test_a_moment_is_cut_to_milliseconds(incident, user):
    fact = note(incident, user, LATER + timedelta(microseconds=1999))
    assert fact.occurred_at == LATER + MILLISECOND
    assert fact.payload["dt"] == rfc3339(LATER + MILLISECOND)


def test_the_system_acts_without_a_name(team, incident):
    with transaction.atomic():
        act = Act("incident.closed", "Closed", by=None, at=LATER, fields=who(None))
        [fact] = record_numbered([new_fact(team, ("incident", incident.pk), act)], unfolded)
    row = TimelineEvent.objects.get(pk=fact.id)
    assert fact.native
    assert (row.user, row.user_email, row.user_name) == (None, None, None)
    assert row.payload["user_email"] is row.payload["user_name"] is None


def test_who_acted_is_called_by_name_or_else_by_address(db):
    assert who(make_user("b@example.com"))["user_name"] == "b@example.com"
    assert who(make_user("c@example.com", name="Cy"))["user_name"] == "Cy"
    assert set(who(None)) == {"user_email", "user_name", "integration_name", "integration_type"}


def test_what_was_said_once_and_moved_can_be_said_again_at_the_same_moment(team, user):
    """The two would be one fact otherwise, for they say the same to the letter."""
    act = Act("incident.commented", "m", by=user, at=NOON, fields={"incident_id": 1}, occurred_at=NOON)
    [first], [again] = (record_numbered([new_fact(team, ("incident", 1), act)], unfolded) for _ in range(2))
    assert (again.occurred_at - first.occurred_at, again.id == first.id) == (timedelta(milliseconds=1), False)
