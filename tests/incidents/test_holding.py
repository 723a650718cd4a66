from datetime import timedelta

import pytest

from incidents import details, lifecycle
from incidents.holding import holder_of, holders
from incidents.models import Incident
from tests.conftest import NOON, an_event, make_user

MINUTE = timedelta(minutes=1)


@pytest.fixture
def incident(tell):
    tell(an_event("incident.started"))
    return Incident.objects.get()


def again(incident):
    incident.refresh_from_db()
    return holder_of(incident)


def told(incident):
    """Who has it, and whether it was assigned to them."""
    holder = again(incident)
    return (holder.name, holder.is_assigned) if holder else None


def test_who_has_an_incident_is_its_assignee_or_else_who_acknowledged_it(incident, team, user):
    assert told(incident) is None
    lifecycle.acknowledge(incident, by=user, at=NOON + MINUTE)
    assert told(incident) == ("Alice Johnson", False)
    bob = make_user("bob@example.com", team, name="Bob Smith")
    details.assign(incident, by=user, at=NOON + 2 * MINUTE, assignee=bob)
    assert told(incident) == ("Bob Smith", True)
    details.assign(incident, by=user, at=NOON + 3 * MINUTE, assignee=None)
    assert told(incident) == ("Alice Johnson", False)
    lifecycle.reopen(incident, by=user, at=NOON + 4 * MINUTE)
    assert told(incident) is None


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"user_name": "Bob", "user_email": "b@x.org"}, "Bob"),
        ({"user_email": "b@x.org"}, "b@x.org"),
        ({"integration_name": "Slack"}, "Slack"),
        ({}, "somebody"),
    ],
)
def test_of_a_mirrored_one_it_is_whom_its_source_named(said, name, incident, tell):
    tell(an_event("incident.acknowledged", NOON + MINUTE, **said))
    assert str(again(incident)) == name


def test_all_are_asked_for_at_once(tell, user, django_assert_num_queries):
    for number in range(1, 9):
        tell(an_event("incident.started", incident_id=number), an_event("incident.acknowledged", incident_id=number))
    with django_assert_num_queries(2):
        assert len(holders(Incident.objects.all())) == 8


def test_to_take_an_incident_is_to_acknowledge_it_and_to_have_it(incident, user, team):
    details.take(incident, by=user, at=NOON + MINUTE, note="Mine")
    incident.refresh_from_db()
    assert (incident.status, incident.assignee) == ("acknowledged", user)
    assert details.take(incident, by=user, at=NOON + 2 * MINUTE, note="Again") is None
    bob = make_user("bob@example.com", team, name="Bob Smith")
    details.take(incident, by=bob, at=NOON + 3 * MINUTE)
    assert told(incident) == ("Bob Smith", True)
