"""Severity, assignee, title, cause and regions of incidents."""

from datetime import timedelta

import pytest

from config.errors import Conflict, ValidationFailed
from incidents import details, lifecycle
from incidents.models import Incident, Severity
from tests.conftest import NOON, act, make_user
from timeline.events import EVENTS, validate
from timeline.models import TimelineEvent

LATER = NOON + timedelta(hours=2)


def written():
    """How many facts there are."""
    return TimelineEvent.objects.count()


def test_assigning_tells_who_has_it_and_by_whom(declared, user, bob):
    fact = details.assign(declared, by=user, at=LATER, assignee=bob)
    assert (declared.assignee, declared.assignee_email, declared.assignee_name) == (bob, bob.email, "Bob Smith")
    assert fact.payload["message"] == 'Incident "Checkout is slow" assigned to Bob Smith by alice@example.com'
    [entry] = fact.entries
    assert (entry["old"], entry["new"], entry["message"]) == (None, bob.email, "Assigned to Bob Smith by Alice Johnson")
    assert (judged := validate(fact.payload, LATER, EVENTS)).fields == {} and not judged.ignored
    assert details.assign(declared, by=user, at=LATER, assignee=bob) is None


def test_unassigning_takes_it_from_whoever_has_it(declared, user, bob):
    details.assign(declared, by=user, at=LATER, assignee=bob)
    fact = details.assign(declared, by=user, at=LATER, assignee=None)
    assert (declared.assignee, declared.assignee_email, declared.assignee_name) == (None, None, None)
    assert fact.payload["message"] == 'Incident "Checkout is slow" taken from Bob Smith by alice@example.com'
    assert (fact.entries[0]["old"], fact.entries[0]["message"]) == (bob.email, "Unassigned by Alice Johnson")
    assert details.assign(declared, by=user, at=LATER, assignee=None) is None


def test_somebody_whom_only_a_source_knows_can_be_unassigned(declared, user):
    act(declared, "incident.assigned", by=user, at=NOON, assignee_email="carol@example.com")
    assert details.assign(declared, by=user, at=LATER, assignee=None)
    assert declared.assignee_email is None


def test_only_active_members_are_assignees(declared, user, stranger):
    gone = make_user("gone@example.com", declared.team, is_active=False)
    facts = written()
    for somebody in (stranger, gone):
        with pytest.raises(ValidationFailed) as refused:
            details.assign(declared, by=user, at=LATER, assignee=somebody)
        assert refused.value.fields == {"assignee_id": ["No active member of the team has this id."]}
    assert written() == facts


def test_severity_is_changed_from_and_to(declared, user):
    fact = details.change_severity(declared, by=user, at=LATER, severity=Severity.CRITICAL)
    assert fact.payload["message"] == (
        'Severity of incident "Checkout is slow" changed from minor to critical by alice@example.com'
    )
    assert (fact.entries[0]["old"], fact.entries[0]["new"], declared.severity) == ("minor", "critical", "critical")
    assert details.change_severity(declared, by=user, at=LATER, severity=Severity.CRITICAL) is None
    assert Incident.objects.of_severity("critical").get() == declared


def test_title_cause_and_regions_are_edited_each_with_an_entry_and_what_is_the_same_is_not_written(declared, user):
    said = {"title": "Checkout is down", "error_message": "Timeout after 30 s", "affected_regions": ["eu"]}
    fact = details.edit(declared, by=user, at=LATER, **said)
    assert {name for name in said if name in fact.payload} == {"title", "affected_regions"}
    assert fact.payload["message"] == ('Title and regions of incident "Checkout is slow" changed by alice@example.com')
    assert [(each["field"], each["old"], each["new"]) for each in fact.entries] == [
        ("title", "Checkout is slow", "Checkout is down"),
        ("affected_regions", None, "eu"),
    ]
    assert details.edit(declared, by=user, at=LATER, **said) is None
    assert details.edit(declared, by=user, at=LATER) is None
    assert details.edit(declared, by=user, at=LATER, affected_regions=[]).entries[0]["old"] == "eu"
    assert declared.affected_regions == []


def test_a_deleted_one_is_not_changed(declared, user, bob):
    lifecycle.destroy(declared, by=user, at=LATER)
    for change in (
        lambda: details.assign(declared, by=user, at=LATER, assignee=bob),
        lambda: details.change_severity(declared, by=user, at=LATER, severity=Severity.MAJOR),
        lambda: details.edit(declared, by=user, at=LATER, title="x"),
    ):
        with pytest.raises(Conflict, match="It is deleted"):
            change()
