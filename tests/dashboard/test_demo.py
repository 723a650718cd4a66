"""
The demo, loaded whole: that it shows what it is there to show, and that nothing else in it looks strange.
"""

import io
from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import call_command

from config import clock
from dashboard.demo import story
from dashboard.demo.cast import BEGINNING, PEOPLE
from dashboard.demo.loading import load
from dashboard.demo.player import TAKEN_UP_TOGETHER
from dashboard.demo.scripts import Act, Sent
from incidents.grouping import incidents_of
from incidents.models import Incident, Status
from integrations.models import InboundDelivery, Verdict
from monitors.models import Heartbeat, Monitor
from teams.models import Membership, Organization, Role, Team, User
from tests.conftest import NOON, make_team, make_user
from timeline.events import EVENTS, VENDOR_EVENTS
from timeline.models import TimelineEvent


@pytest.fixture(scope="module")
def demo(django_db_setup, django_db_blocker):
    """
    The demo, loaded once for all tests of this module: {"said", "again", "check", "same"}.

    Each of them is marked as using the database, or pytest-django would run it after everybody else's.
    """
    with django_db_blocker.unblock():
        try:
            yield loaded_and_checked()
        finally:
            call_command("flush", interactive=False, verbosity=0)


def loaded_and_checked():
    """Load the demo twice and fold everything again: what was said of it."""
    User.objects.create_superuser("operator@example.com")
    make_user("guest@example.com")
    said, again, check = io.StringIO(), io.StringIO(), io.StringIO()
    call_command("demo", stdout=said)
    before = everything()
    call_command("demo", stdout=again)
    call_command("rebuild", "--check", stdout=check)
    return {
        "said": said.getvalue(),
        "again": again.getvalue(),
        "check": check.getvalue(),
        "same": before == everything(),
    }


def everything():
    """How much there is of everything that a load makes."""
    models = (Organization, Team, User, Membership, Incident, Monitor, Heartbeat, InboundDelivery, TimelineEvent)
    return [model.objects.count() for model in models]


@pytest.fixture
def demo_team(demo, db):
    return Team.objects.get(public_id="team_demo")


# --- the whole -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_it_says_how_far_it_is_and_who_sees_it(demo):
    assert "10 of 82 incidents" in demo["said"]
    assert "is ready" in demo["said"]
    assert "open to operator@example.com\n" in demo["said"]


@pytest.mark.django_db
def test_a_second_load_changes_nothing(demo):
    assert demo["again"] == "watchkeeper: demo: is there already\n"
    assert demo["same"]


@pytest.mark.django_db
def test_folding_everything_again_finds_no_difference(demo):
    assert demo["check"].startswith("0 differences; 0 deliveries not applied yet")


def test_it_is_a_month_of_the_size_it_should_be(demo_team):
    assert 60 <= demo_team.incidents.count() <= 90
    assert demo_team.monitors.count() == 32
    assert demo_team.heartbeats.count() == 12
    first = demo_team.timeline_events.earliest("occurred_at").occurred_at
    last = demo_team.timeline_events.latest("occurred_at").occurred_at
    assert timedelta(days=29) < last - first < BEGINNING
    assert timedelta(0) < clock.now() - last < timedelta(hours=1)


# --- what it shows ---------------------------------------------------------------------------------------------------


def test_incidents_of_every_status(demo_team):
    by_status = Counter(demo_team.incidents.values_list("status", flat=True))
    assert set(by_status) == set(Status.values)
    assert min(by_status[Status.RESOLVED], by_status[Status.CLOSED]) > 20


def test_something_is_broken_right_now(demo_team):
    live = {(each.title, each.status) for each in demo_team.incidents.live()}
    assert live == {
        ("Checkout API is down", "open"),
        ("Payment settlement run was missed", "open"),
        ("Image delivery is degraded", "open"),
        ("Product search is slow", "acknowledged"),
        ("Label print server offline", "acknowledged"),
        ("Pickup codes are missing from e-mails", "acknowledged"),
    }


def test_incidents_reopened_escalated_grouped_provisional_deleted_by_the_vendor_and_by_staff(demo_team):
    def facts(event):
        return demo_team.timeline_events.filter(event=event, effect="applied")

    assert facts("incident.reopened").count() == 2
    assert facts("incident.escalated").count() > 5
    assert facts("incident.destroyed").filter(integration_id__isnull=False).count() == 1
    assert facts("incident.destroyed").filter(integration_id__isnull=True).count() == 1
    assert demo_team.incidents.filter(incident_group_id=story.OUTAGE_GROUP).count() == 5
    assert demo_team.incidents.filter(provisional=True).count() == 1
    assert demo_team.incidents.filter(resource_type="certificate", resource_id__isnull=False).count() == 1


def test_monitors_of_every_state(demo_team):
    living = demo_team.monitors.filter(destroyed_at__isnull=True)
    by_state = Counter(living.values_list("status", "status_inferred"))
    assert by_state["down", False] == 2
    assert by_state["down", True] == 2
    assert by_state["verifying_recovery", False] == 1
    assert by_state["paused", False] == 2
    assert by_state["pending", False] == 3
    assert by_state["up", True] > 10
    assert demo_team.monitors.filter(destroyed_at__isnull=False).count() == 3
    assert living.filter(provisional=True).count() == 4
    assert demo_team.timeline_events.filter(event="monitor.unpaused").count() == 1


def test_heartbeats_of_every_state(demo_team):
    living = demo_team.heartbeats.filter(destroyed_at__isnull=True)
    by_state = Counter(living.values_list("status", "status_inferred"))
    assert by_state["down", False] == 1
    assert by_state["paused", False] == 1
    assert by_state["pending", False] == 2
    assert by_state["up", False] > 0
    assert by_state["up", True] > 0
    assert demo_team.heartbeats.filter(destroyed_at__isnull=False).count() == 1


def test_nearly_every_event_of_the_vendor_is_heard(demo_team):
    heard = set(demo_team.timeline_events.filter(integration_id__isnull=False).values_list("event", flat=True))
    assert set(VENDOR_EVENTS) - heard == {"heartbeat.unpaused"}


def test_our_people_do_everything_that_can_be_done(demo_team):
    ours = demo_team.timeline_events.filter(integration_id__isnull=True)
    assert set(OUR_EVENTS) <= set(EVENTS)
    assert set(ours.values_list("event", flat=True)) == set(OUR_EVENTS)


# Not among them: what sources do for us, and what is done with a heartbeat as with a monitor.
OUR_EVENTS = (
    "incident.started", "incident.acknowledged", "incident.resolved", "incident.closed", "incident.escalated",
    "incident.grouped", "incident.assigned", "incident.severity_changed", "incident.updated", "incident.commented",
    "incident.corrected", "incident.destroyed", "monitor.created", "monitor.paused", "monitor.destroyed",
    "heartbeat.created", "heartbeat.updated",
)  # fmt: skip


def test_whoever_acts_may(demo_team):
    ours = demo_team.timeline_events.filter(integration_id__isnull=True)
    roles = dict(demo_team.memberships.values_list("user", "role"))
    about_incidents = ours.filter(subject_kind="incident").values_list("user", flat=True)
    assert {roles[user] for user in about_incidents} == {Role.RESPONDER, Role.MANAGER}
    about_resources = ours.exclude(subject_kind="incident").values_list("user", flat=True)
    assert {roles[user] for user in about_resources} == {Role.MANAGER}


def test_what_is_watched_here_waits_for_a_check_unless_it_is_paused_or_an_incident_holds_it_down(demo_team):
    def of_our_own(relation):
        native = getattr(demo_team, relation).filter(integration_id=None, destroyed_at=None)
        return dict(native.values_list("name", "status"))

    assert of_our_own("monitors") == {
        "Staff handbook": "pending",
        "Tills, Porto store": "pending",
        "Card terminals, Porto store": "pending",
        "Click and collect": "down",
        "Showroom kiosk": "paused",
    }
    assert of_our_own("heartbeats") == {"Payroll export": "pending", "Certificate renewal": "pending"}


def test_staff_delete_only_what_is_their_own(demo_team):
    assert list(demo_team.monitors.filter(integration_id=None, destroyed_at__isnull=False)) == [
        demo_team.monitors.get(name="Old wiki")
    ]
    gone = demo_team.timeline_events.filter(event="monitor.destroyed", integration_id__isnull=False)
    assert {each.payload["monitor_name"] for each in gone} == {
        "Legacy order import (SOAP)", "Badge reader, old gate",
    }  # fmt: skip


def test_an_incident_that_was_declared_later_is_worked_on_to_its_end(demo_team):
    incident = demo_team.incidents.get(title="Porto store can’t take cards")
    assert (incident.status, incident.severity, incident.assignee_name) == ("closed", "critical", "Tomás Ferreira")
    assert incident.affected_regions == ["porto"]
    assert incident.resolved_at - incident.started_at == timedelta(minutes=61)  # as corrected, not 83
    first = demo_team.timeline_events.get(event="incident.started", subject_id=incident.pk)
    assert [each["name"] for each in first.payload["affected_monitors"]] == [
        "Tills, Porto store", "Card terminals, Porto store",
    ]  # fmt: skip


def test_a_group_of_our_own_has_the_incidents_of_one_cause(demo_team):
    [group] = demo_team.incident_groups.filter(integration_id=None)
    assert group.name == "Power dip in the Lisbon warehouse"
    assert sorted(each.resource_name for each in incidents_of(group)) == [
        "Conveyor controller", "Dock door sensors", "Handheld scanner gateway",
    ]  # fmt: skip


def test_time_text_and_whether_it_counts_were_corrected(demo_team):
    facts = demo_team.timeline_events
    told = facts.filter(event="incident.corrected").order_by("occurred_at")
    assert [set(each.payload) & {"occurred_at", "text", "hidden"} for each in told] == [
        {"text"}, {"hidden"}, {"occurred_at"},
    ]  # fmt: skip
    assert all(each.payload["reason"] for each in told)
    assert [each.event for each in facts.all() if each.is_hidden] == ["incident.reopened"]
    assert "312 payments" in facts.get(event="incident.commented", correction__isnull=False).correction["message"]


# --- deliveries ------------------------------------------------------------------------------------------------------


def test_quarantine_has_what_was_meant_for_it(demo_team):
    aside = demo_team.deliveries.filter(status=Verdict.QUARANTINED).order_by("received_at")
    assert [(each.error["code"], list(each.error.get("details", {}).get("fields", {}))) for each in aside] == [
        ("VALIDATION_ERROR", ["incident_id"]),
        ("VALIDATION_ERROR", ["dt"]),
        ("MALFORMED_JSON", []),
    ]


def test_the_other_verdicts_are_as_meant(demo_team):
    by_verdict = Counter(demo_team.deliveries.values_list("status", flat=True))
    applied = by_verdict.pop("applied")
    assert by_verdict == {"quarantined": 3, "unrecognized": 2, "conflict": 1}
    assert demo_team.timeline_events.filter(integration_id__isnull=False).count() == applied
    assert set(demo_team.deliveries.filter(status=Verdict.UNRECOGNIZED).values_list("event", flat=True)) == {
        "monitor.checked"
    }


def test_something_was_sent_twice():
    sent = Counter(each.body for each in story.story(NOON) if isinstance(each, Sent))
    assert [count for count in sent.values() if count > 1] == [3]


def test_every_delivery_came_in_time_and_was_applied_soon(demo_team):
    now = clock.now()
    for delivery in demo_team.deliveries.filter(status=Verdict.APPLIED):
        assert delivery.received_at < delivery.applied_at <= now
        assert delivery.applied_at - delivery.received_at <= TAKEN_UP_TOGETHER + timedelta(seconds=1)


# --- what looks strange ----------------------------------------------------------------------------------------------


def test_nothing_is_late_but_what_was_meant_to_be(demo_team):
    late = [each for each in demo_team.timeline_events.order_by("recorded_at") if each.late_seconds]
    assert [(each.event, each.late_seconds) for each in late] == [
        ("incident.commented", 21_480.0),  # added after the fact
        ("incident.acknowledged", 432.0),
        ("incident.started", 1440.0),  # declared later
        ("incident.started", 540.0),
    ]


def test_nothing_was_known_before_it_happened(demo_team):
    for fact in demo_team.timeline_events.all():
        assert fact.occurred_at <= fact.recorded_at


def test_nothing_is_without_effect_but_what_was_meant_to_be(demo_team):
    idle = demo_team.timeline_events.filter(effect="none")
    assert [(each.event, each.why) for each in idle.order_by("occurred_at")] == [
        ("incident.resolved", "It was resolved already."),
        (
            "incident.reopened",
            "Hidden by Mara Lindqvist: Test of the webhook by the vendor’s support; the store finder was up",
        ),
    ]


def test_nothing_is_two_things_at_once(demo_team):
    assert not demo_team.monitors.filter(live_incidents__gt=1).exists()
    assert not demo_team.heartbeats.filter(live_incidents__gt=1).exists()


def test_the_invented_people_cannot_log_in_and_belong_to_the_demo_only(demo_team):
    people = User.objects.filter(email__endswith="@harbourpine.example")
    assert people.count() == len(PEOPLE)
    assert not any(person.has_usable_password() or person.is_staff for person in people)
    assert not Membership.objects.filter(user__in=people).exclude(team=demo_team).exists()


# --- who is let in ---------------------------------------------------------------------------------------------------


def test_operators_without_a_team_manage_it_and_nobody_else_is_let_in(demo_team):
    let_in = demo_team.memberships.exclude(user__email__endswith="@harbourpine.example")
    assert [(each.user.email, each.role) for each in let_in] == [("operator@example.com", Role.MANAGER)]


def test_an_operator_who_comes_later_is_let_in_by_the_next_run_unless_at_home_elsewhere(demo_team):
    new = User.objects.create_superuser("new@example.com")
    busy = User.objects.create_superuser("busy@example.com")
    Membership.objects.create(team=make_team("Real work"), user=busy, role=Role.MANAGER)
    assert load(clock.now(), lambda *_: None).let_in == [new]
    assert not demo_team.memberships.filter(user=busy).exists()


def test_a_demo_that_was_renamed_is_still_there(demo_team):
    Team.objects.filter(pk=demo_team.pk).update(name="Renamed")
    Organization.objects.filter(pk=demo_team.organization_id).update(name="Renamed too")
    assert not load(clock.now(), lambda *_: None).is_new


def test_a_demo_that_was_deactivated_is_left_alone(demo_team):
    User.objects.create_superuser("new@example.com")
    Team.objects.filter(pk=demo_team.pk).update(deactivated_at=NOON)
    assert load(clock.now(), lambda *_: None).let_in == []


# --- the story -------------------------------------------------------------------------------------------------------


def test_the_story_is_the_same_each_time():
    assert story.story(NOON) == story.story(NOON)


@pytest.mark.parametrize("later", [timedelta(milliseconds=1), timedelta(days=1), timedelta(days=400, hours=7)])
def test_the_story_is_the_same_on_another_day(later):
    assert outline(story.story(NOON + later), later) == outline(story.story(NOON), timedelta(0))


def outline(happenings, later):
    """When what happens, with the days moved back."""
    return [(each.at - later, getattr(each, "verb", None), getattr(each, "opens", None)) for each in happenings]


def test_whoever_acts_or_is_told_to_act_is_there():
    for each in story.story(NOON):
        assert not isinstance(each, Act) or each.by in PEOPLE
