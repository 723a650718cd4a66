"""The moves of incidents: which are legal, what each writes, and what those who come second are told."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection

from config.errors import Conflict
from incidents import lifecycle
from incidents.corrections import correct
from incidents.declaring import declare
from incidents.fold import MOVES, OPEN, steps_from
from incidents.models import Incident, Status
from incidents.moves import IllegalMove, last_move, last_said
from monitors.lifecycle import create
from monitors.models import Monitor
from tests.conftest import NOON, an_event, make_team, make_user
from tests.incidents.conftest import a_declaration
from timeline.events import EVENTS, validate
from timeline.models import TimelineEvent

LATER = NOON + timedelta(hours=2)
VERBS = {
    "acknowledged": lifecycle.acknowledge,
    "resolved": lifecycle.resolve,
    "closed": lifecycle.close,
    "open": lifecycle.reopen,
}
WAY = {"open": (), "acknowledged": ("acknowledged",), "resolved": ("resolved",), "closed": ("resolved", "closed")}


def brought_to(incident, status, by):
    """The incident, led to a status by its verbs."""
    for step in WAY[status]:
        VERBS[step](incident, by=by, at=NOON + timedelta(hours=1))
    return incident


def test_the_steps_ahead_are_those_that_are_promised():
    assert {status: steps_from(status) for status in Status.values} == {
        "open": ["acknowledged", "resolved"],
        "acknowledged": ["resolved", "closed"],
        "resolved": ["closed"],
        "closed": [],
    }
    assert MOVES[OPEN] == ("acknowledged", "resolved", "closed")


@pytest.mark.parametrize("before", Status.values)
@pytest.mark.parametrize("to", Status.values)
def test_every_move_is_made_or_a_no_op_or_a_conflict_that_names_the_valid_ones(declared, user, bob, before, to):
    incident = brought_to(declared, before, user)
    facts = TimelineEvent.objects.count()
    if before == to:
        assert VERBS[to](incident, by=bob, at=LATER) is None
    elif before in MOVES[to]:
        fact = VERBS[to](incident, by=bob, at=LATER)
        assert (incident.status, fact.entries[0]["old"], fact.entries[0]["new"]) == (to, before, to)
        assert (fact.user, fact.occurred_at, fact.effect) == (bob, LATER, "applied")
        assert (judged := validate(fact.payload, LATER, EVENTS)).fields == {} and not judged.ignored
    else:
        with pytest.raises(IllegalMove) as refused:
            VERBS[to](incident, by=bob, at=LATER)
        assert refused.value.details == {"fromStatus": before, "toStatus": to, "validTransitions": steps_from(before)}
    moved = before != to and before in MOVES[to]
    assert TimelineEvent.objects.count() == facts + moved


@pytest.mark.parametrize("verb", ["acknowledged", "resolved", "closed", "open"])
def test_each_move_writes_the_payload_a_vendor_would_have_sent_and_a_sentence(declared, user, bob, verb):
    brought_to(declared, {"open": "resolved", "closed": "resolved"}.get(verb, "open"), user)
    fact = VERBS[verb](declared, by=bob, at=LATER)
    action = lifecycle.ACTS[verb]
    assert fact.payload == {
        "dt": "2026-05-13T14:00:00.000Z",
        "event": f"incident.{action}",
        "message": f'Incident "Checkout is slow" {action} by bob@example.com',
        "organization_id": declared.team.organization.public_id,
        "team_id": declared.team.public_id,
        "incident_id": declared.number,
        "incident_name": "Checkout is slow",
        "resource_type": None,
        "resource_id": None,
        "resource_name": None,
        "user_email": "bob@example.com",
        "user_name": "Bob Smith",
        "integration_name": None,
        "integration_type": None,
    }


def test_the_system_can_move_an_incident_too(declared):
    fact = lifecycle.resolve(declared, by=None, at=LATER)
    assert (fact.user, fact.payload["message"]) == (None, 'Incident "Checkout is slow" resolved')
    assert last_said(declared, LATER) == "Watchkeeper resolved it at 14:00:00 UTC."


def test_a_note_goes_with_a_move_and_stands_alone_where_there_is_none(declared, user):
    lifecycle.acknowledge(declared, by=user, at=LATER, note="On it.")
    lifecycle.acknowledge(declared, by=user, at=LATER, note="On it, too.")
    facts = TimelineEvent.objects.order_by("occurred_at").values_list("event", "occurred_at")
    assert list(facts)[1:] == [
        ("incident.acknowledged", LATER),
        ("incident.commented", LATER + timedelta(milliseconds=1)),
        ("incident.commented", LATER + timedelta(milliseconds=2)),
    ]
    assert lifecycle.acknowledge(declared, by=user, at=LATER) is None


def test_whom_a_conflict_names_is_who_made_the_last_move(declared, user, bob):
    lifecycle.resolve(declared, by=bob, at=NOON + timedelta(minutes=1, seconds=13))
    lifecycle.comment(declared, by=user, at=LATER, message="Hm.")
    with pytest.raises(
        Conflict, match=r"^It is resolved; it can be closed or reopened\. Bob Smith resolved it at 12:01"
    ):
        lifecycle.acknowledge(declared, by=user, at=LATER)
    with pytest.raises(Conflict, match=r"on 13 May 2026 at 12:01:13 UTC\.$"):
        lifecycle.acknowledge(declared, by=user, at=LATER + timedelta(days=1))


def test_while_nothing_moved_it_nobody_is_named(declared, user):
    assert (last_move(declared), last_said(declared, LATER)) == (None, "")
    with pytest.raises(Conflict, match=r"^It is open; it can be acknowledged or resolved\.$"):
        lifecycle.close(declared, by=user, at=LATER)


def test_a_source_is_named_as_it_named_itself(tell, user):
    tell(an_event("incident.started"), an_event("incident.resolved", NOON + timedelta(minutes=1)))
    incident = Incident.objects.get()
    assert last_said(incident, NOON) == "Its source resolved it at 12:01:00 UTC."
    tell(an_event("incident.reopened", NOON + timedelta(minutes=2), integration_name="Pager"))
    assert last_said(incident, NOON) == "Pager reopened it at 12:02:00 UTC."


def test_what_a_late_fact_made_of_no_effect_is_not_the_last_move(tell, user):
    tell(an_event("incident.started"))
    incident = Incident.objects.get()
    lifecycle.acknowledge(incident, by=user, at=NOON + timedelta(minutes=5))
    tell(an_event("incident.resolved", NOON + timedelta(minutes=2)))
    incident.refresh_from_db()
    assert incident.status == "resolved"
    assert last_said(incident, NOON) == "Its source resolved it at 12:02:00 UTC."


def test_who_corrected_what_moved_it_is_named_until_somebody_moves_it_again(declared, user, bob):
    acknowledged = lifecycle.acknowledge(declared, by=user, at=NOON + timedelta(minutes=1))
    resolved = lifecycle.resolve(declared, by=user, at=NOON + timedelta(minutes=2))
    correct(declared, resolved.pk, by=bob, at=NOON + timedelta(minutes=3), hidden=True, reason="Still down.")
    assert declared.status == "acknowledged"
    assert last_said(declared, NOON) == "Bob Smith corrected its history at 12:03:00 UTC."
    with pytest.raises(Conflict, match="Bob Smith corrected its history at 12:03:00 UTC"):
        lifecycle.set_status(declared, "open", by=user, at=LATER)
    # What moves nothing names nobody.
    carol = make_user("carol@example.com", declared.team, name="Carol")
    correct(declared, acknowledged.pk, by=carol, at=NOON + timedelta(minutes=4), message="Seen.", reason="Words.")
    assert last_said(declared, NOON) == "Bob Smith corrected its history at 12:03:00 UTC."
    lifecycle.close(declared, by=carol, at=NOON + timedelta(minutes=5))
    assert last_said(declared, NOON) == "Carol closed it at 12:05:00 UTC."


def test_a_deleted_incident_takes_notes_and_nothing_else(declared, user, bob):
    lifecycle.destroy(declared, by=bob, at=LATER)
    for verb in (lifecycle.acknowledge, lifecycle.resolve):
        with pytest.raises(
            Conflict, match=r"It is deleted; only notes can be added\. Bob Smith deleted it at 14:00:00 UTC\."
        ):
            verb(declared, by=user, at=LATER)
    lifecycle.comment(declared, by=user, at=LATER, message="A false alarm.")


def test_reopening_while_another_of_the_same_native_resource_is_live_names_that_one(team, user, shop):
    first = declare(team, a_declaration(resource=shop), by=user, at=NOON)
    lifecycle.resolve(first, by=user, at=NOON + timedelta(minutes=1))
    second = declare(team, a_declaration(resource=shop), by=user, at=NOON + timedelta(minutes=2))
    facts = TimelineEvent.objects.count()
    with pytest.raises(Conflict) as refused:
        lifecycle.reopen(first, by=user, at=LATER)
    assert refused.value.details == {"incident_id": str(second.uuid), "number": second.number}
    assert TimelineEvent.objects.count() == facts
    lifecycle.resolve(second, by=user, at=LATER)
    lifecycle.reopen(first, by=user, at=LATER)
    shop.refresh_from_db()
    assert (first.status, shop.live_incidents, shop.status) == ("open", 1, "down")


# --- escalating -----------------------------------------------------------------------------------------------


def test_escalating_calls_members_or_the_team_and_changes_nothing_else(declared, team, user, bob):
    fact = lifecycle.escalate(declared, by=user, at=LATER, targets=[bob, team])
    assert fact.payload["escalation_targets"] == [
        {"type": "user", "id": bob.pk, "name": "Bob Smith"},
        {"type": "team", "id": team.pk, "name": "Operations"},
    ]
    assert fact.payload["message"] == 'Incident "Checkout is slow" escalated to Bob Smith, Operations'
    assert "user_email" not in fact.payload and fact.user == user
    assert (fact.entries[0]["new"], declared.status) == ("Bob Smith, Operations", "open")
    assert (judged := validate(fact.payload, LATER)).fields == {} and not judged.ignored


def test_nobody_outside_of_the_team_can_be_called(declared, user, other_team, stranger):
    gone = make_user("gone@example.com", declared.team, is_active=False)
    for target in (stranger, gone, other_team):
        with pytest.raises(Exception, match="targets") as refused:
            lifecycle.escalate(declared, by=user, at=LATER, targets=[target])
        said = lifecycle.ANOTHER_TEAM if target == other_team else lifecycle.NOBODY
        assert refused.value.details == {"fields": {"targets": [said]}}
    assert not TimelineEvent.objects.filter(event="incident.escalated").exists()


@pytest.mark.parametrize("status", ["resolved", "closed"])
def test_what_is_over_cannot_be_escalated(declared, user, bob, status):
    brought_to(declared, status, user)
    with pytest.raises(Conflict, match=rf"It is {status}, and only .* reopen it first\. Alice Johnson {status} it at"):
        lifecycle.escalate(declared, by=user, at=LATER, targets=[bob])


# --- at once --------------------------------------------------------------------------------------------------


class Pressing(Thread):
    """Somebody who presses a button at the same moment as others, on a connection of their own."""

    def __init__(self, press, start):
        super().__init__()
        self.press, self.start_together, self.came_to = press, start, None

    def run(self):
        try:
            self.start_together.wait(timeout=60)
            self.came_to = self.press()
        except Exception as refused:
            self.came_to = refused
        finally:
            connection.close()


def pressed_at_once(*presses):
    """What each of several presses at the same moment came to."""
    start = Barrier(len(presses))
    threads = [Pressing(press, start) for press in presses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [thread.came_to for thread in threads]


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_acknowledge_at_once_one_does_and_the_others_are_told_who():
    team = make_team()
    people = [make_user(f"user{n}@example.com", team, name=f"User {n}") for n in range(8)]
    incident = declare(team, a_declaration(), by=people[0], at=NOON)

    def acknowledging(person):
        mine = Incident.objects.get(pk=incident.pk)
        return lambda: lifecycle.acknowledge(mine, by=person, at=LATER) or last_said(mine, LATER)

    came_to = pressed_at_once(*map(acknowledging, people))
    [fact] = [each for each in came_to if isinstance(each, TimelineEvent)]
    others = [each for each in came_to if each != fact]
    assert others == [f"{fact.user_name} acknowledged it at 14:00:00 UTC."] * 7
    assert TimelineEvent.objects.filter(event="incident.acknowledged").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_acknowledge_and_resolve_at_once_both_do_or_one_is_told_why_not():
    team = make_team()
    alice, bob = (make_user(f"{name}@example.com", team, name=name) for name in ("Alice", "Bob"))
    for _ in range(5):
        incident = declare(team, a_declaration(), by=alice, at=NOON)
        mine, theirs = (Incident.objects.get(pk=incident.pk) for _ in range(2))
        acknowledged, resolved = pressed_at_once(
            lambda mine=mine: lifecycle.acknowledge(mine, by=alice, at=LATER),
            lambda theirs=theirs: lifecycle.resolve(theirs, by=bob, at=LATER),
        )
        incident.refresh_from_db()
        assert (incident.status, resolved.user_name) == ("resolved", "Bob")
        if isinstance(acknowledged, Conflict):
            assert "Bob resolved it at 14:00:00 UTC." in acknowledged.message
        else:
            assert acknowledged.occurred_at < resolved.occurred_at


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_declare_one_of_the_same_native_monitor_at_once_one_does_and_the_others_get_its_id():
    team = make_team()
    people = [make_user(f"user{n}@example.com", team) for n in range(8)]
    shop = create(Monitor, team, by=people[0], at=NOON, name="Shop", url="https://shop.example", type="status")
    came_to = pressed_at_once(
        *(lambda by=by: declare(team, a_declaration(resource=shop), by=by, at=LATER) for by in people)
    )
    [incident] = [each for each in came_to if isinstance(each, Incident)]
    assert [each.details["incident_id"] for each in came_to if each != incident] == [str(incident.uuid)] * 7
    shop.refresh_from_db()
    assert (shop.live_incidents, team.incidents.count()) == (1, 1)
