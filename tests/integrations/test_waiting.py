"""What is dated ahead waits, and becomes a fact by itself when it is believed, or when somebody says so."""

import json
from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.models import Incident
from integrations import ingest, waiting
from integrations.models import InboundDelivery
from integrations.replay import apply_all_now, apply_now, dry_run
from monitors.models import Monitor
from tests.conftest import an_event, make_integration, rfc
from tests.floods import RECEIVED, apply_all
from tests.integrations.test_ingest_view import check_by_hand
from timeline.events import LATEST
from timeline.models import TimelineEvent

AHEAD = timedelta(hours=20)
MARGIN = timedelta(minutes=10)
MILLISECOND = timedelta(milliseconds=1)


def told(number=201, ahead=AHEAD, name="incident.started", **fields):
    return an_event(name, RECEIVED + ahead, incident_id=number, **fields)


def receive(integration, value, webhook_id=None, at=RECEIVED):
    answer = ingest.receive_from(
        integration, json.dumps(value).encode(), {"webhook-id": webhook_id} if webhook_id else {}, at
    )
    return answer if isinstance(answer, list) else (answer.status, InboundDelivery.objects.get(pk=answer.id))


def work(at):
    """What the worker does at a moment."""
    released = waiting.release_due(at)
    apply_all(at)
    return released


# --- by itself ------------------------------------------------------------------------------------------------


def test_what_is_dated_more_than_10_minutes_ahead_waits_and_is_no_fact(integration):
    status, delivery = receive(integration, told(ahead=MARGIN + MILLISECOND), "msg_1")
    assert (status, delivery.status, delivery.error) == ("waiting", "waiting", None)
    assert (delivery.due_at, delivery.webhook_id, delivery.applied_at) == (RECEIVED + MILLISECOND, "msg_1", None)
    assert work(RECEIVED) == 0
    assert not TimelineEvent.objects.exists() and not Incident.objects.exists()


def test_what_is_dated_10_minutes_ahead_is_applied_at_once(integration):
    status, _ = receive(integration, told(ahead=MARGIN))
    work(RECEIVED)
    assert (status, TimelineEvent.objects.get().recorded_at) == ("accepted", RECEIVED)


def test_it_is_applied_as_soon_as_it_is_10_minutes_ahead_and_recorded_then(integration):
    sent = told()
    _, delivery = receive(integration, sent)
    believed = RECEIVED + AHEAD - MARGIN
    assert work(believed - MILLISECOND) == 0
    assert work(believed) == 1
    delivery.refresh_from_db()
    fact = TimelineEvent.objects.get()
    assert (delivery.status, delivery.fact, delivery.replayed_by, delivery.due_at) == ("applied", fact, None, None)
    assert (fact.occurred_at, fact.recorded_at, fact.payload) == (RECEIVED + AHEAD, believed, sent)
    assert (fact.reading, fact.late_seconds, Incident.objects.get().status) == (None, None, "open")
    assert work(believed) == 0


def test_sent_again_meanwhile_and_afterwards_it_is_a_duplicate(integration):
    _, delivery = receive(integration, told(), "msg_1")
    for moment in (RECEIVED, RECEIVED + AHEAD - MARGIN, RECEIVED + AHEAD):
        for webhook_id in (None, "msg_1", "msg_2"):
            assert receive(integration, told(), webhook_id, at=moment) == ("duplicate", delivery)
        work(moment)
    assert TimelineEvent.objects.count() == 1
    # Its webhook-id is used up.
    assert receive(integration, told(5), "msg_1", at=RECEIVED + AHEAD)[0] == "conflict"


def test_in_an_array_each_waits_by_itself(integration):
    answers = receive(integration, [told(1), told(2, ahead=timedelta(0)), told(1), told(3, regions=7)])
    assert [each.status for each in answers] == ["waiting", "accepted", "duplicate", "waiting"]
    assert answers[3].ignored == ("regions",)


def test_what_a_version_before_this_one_accepted_and_did_not_apply_yet_waits_too(integration):
    _, delivery = receive(integration, told())
    InboundDelivery.objects.update(status="received", due_at=None)
    apply_all(RECEIVED)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.due_at) == ("waiting", RECEIVED + AHEAD - MARGIN)
    work(RECEIVED + AHEAD)
    assert TimelineEvent.objects.get().recorded_at == RECEIVED + AHEAD


def test_what_is_on_record_stays_however_far_ahead_it_is(integration):
    """As a version before this one applied it, which believed what was dated up to a day ahead."""
    receive(integration, told(), at=RECEIVED + AHEAD)
    work(RECEIVED + AHEAD)
    InboundDelivery.objects.update(received_at=RECEIVED)
    TimelineEvent.objects.update(recorded_at=RECEIVED)
    before = TimelineEvent.objects.values().get()
    work(RECEIVED + timedelta(minutes=1))
    assert (InboundDelivery.objects.get().status, TimelineEvent.objects.values().get()) == ("applied", before)
    assert (receive(integration, told())[0], check_by_hand()) == ("duplicate", [])


def test_what_lies_beyond_all_that_can_be_kept_waits_and_does_no_harm(integration, user):
    for number, dt in enumerate(("9999-12-31T23:59:59Z", "2200-01-01T00:00:00Z")):
        _, delivery = receive(integration, told(number) | {"dt": dt})
        assert (delivery.status, delivery.due_at) == ("waiting", LATEST - MARGIN)
    assert work(RECEIVED + timedelta(days=3650)) == 0
    assert apply_now(delivery, by=user, at=RECEIVED).verdict == "applied"


def test_an_unknown_event_is_not_waited_for_until_a_version_knows_it(integration):
    status, delivery = receive(integration, told(name="monitor.checked"))
    assert (status, delivery.due_at) == ("unrecognized", None)


def test_a_correction_of_what_waited_finds_it(integration, user):
    """What comes later of the same incident is not held up by what waits."""
    receive(integration, told(ahead=timedelta(0)))
    receive(integration, told(name="incident.resolved"))
    work(RECEIVED)
    assert Incident.objects.get().status == "open"
    work(RECEIVED + AHEAD)
    assert (Incident.objects.get().status, check_by_hand()) == ("resolved", [])


def test_many_are_released_some_at_a_time_the_earliest_first(integration):
    receive(integration, [told(n, ahead=AHEAD - timedelta(minutes=n)) for n in range(30)])
    assert waiting.release_due(RECEIVED + AHEAD, most=10) == 10
    left = set(InboundDelivery.objects.filter(status="waiting").values_list("due_at", flat=True))
    assert left == {RECEIVED + AHEAD - MARGIN - timedelta(minutes=n) for n in range(20)}


def test_those_that_are_due_are_found_by_an_index(integration):
    receive(integration, told())
    with CaptureQueriesContext(connection) as asked:
        waiting.release_due(RECEIVED)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + asked[0]["sql"])
        assert "delivery_waiting" in "\n".join(row[0] for row in cursor.fetchall())


# --- because somebody says so ---------------------------------------------------------------------------------


def test_applied_now_it_occurred_when_it_was_received_and_the_fact_says_who_decided_so(integration, user):
    sent = told(dt_as_sent="a field of the sender's own", regions=5)
    _, delivery = receive(integration, sent)
    at = RECEIVED + timedelta(minutes=30)
    change = apply_now(delivery, by=user, at=at)
    fact = TimelineEvent.objects.get()
    assert (change.verdict, change.before, change.after) == ("applied", None, "open")
    assert (delivery.status, delivery.dated_at, delivery.replayed_by, delivery.replayed_at) == (
        "applied", RECEIVED, user, at,
    )  # fmt: skip
    assert (fact.occurred_at, fact.recorded_at, bytes(fact.identity)) == (RECEIVED, at, bytes(delivery.identity))
    del sent["regions"]
    assert fact.payload == sent | {"dt": rfc(RECEIVED), "dt_as_sent": rfc(RECEIVED + AHEAD)}
    assert fact.ignored == ["regions"]
    assert fact.dated == {
        "by": {"id": str(user.uuid), "email": user.email, "name": user.name},
        "at": rfc(at),
        "as_sent": rfc(RECEIVED + AHEAD),
    }
    # It stays what it is to its sender.
    assert receive(integration, told(dt_as_sent="a field of the sender's own", regions=5))[0] == "duplicate"
    work(RECEIVED + AHEAD)
    assert (TimelineEvent.objects.count(), check_by_hand()) == (1, [])


def test_staff_s_acts_and_the_source_s_true_events_have_effect_then(integration, user, still):
    from incidents import lifecycle

    _, delivery = receive(integration, told())
    apply_now(delivery, by=user, at=RECEIVED + timedelta(minutes=1))
    incident = Incident.objects.get()
    lifecycle.acknowledge(incident, by=user, at=RECEIVED + timedelta(minutes=2))
    assert incident.acknowledged_at == RECEIVED + timedelta(minutes=2)
    receive(integration, told(name="incident.resolved", ahead=timedelta(minutes=5)))
    work(RECEIVED + timedelta(minutes=5))
    incident.refresh_from_db()
    assert (incident.status, incident.resolved_at) == ("resolved", RECEIVED + timedelta(minutes=5))


def test_what_waits_no_longer_is_not_applied_by_hand(integration, user):
    _, delivery = receive(integration, told())
    work(RECEIVED + AHEAD)
    assert apply_now(delivery, by=user, at=RECEIVED + AHEAD).verdict == "waiting"
    assert (delivery.status, delivery.dated_at, TimelineEvent.objects.count()) == ("applied", None, 1)


def test_all_that_waits_can_be_handed_to_the_worker_dated_when_it_was_received(integration, team, other_team, user):
    _, theirs = receive(make_integration(other_team), told())
    mine = [receive(integration, told(number))[1] for number in (1, 2)]
    at = RECEIVED + timedelta(minutes=1)
    assert apply_all_now(team, by=user, at=at) == 2
    with CaptureQueriesContext(connection) as asked:
        apply_all(at)
    assert sum("teams_user" in each["sql"] for each in asked) == 1
    for delivery in mine:
        delivery.refresh_from_db()
        assert (delivery.status, delivery.fact.occurred_at, delivery.fact.recorded_at) == ("applied", RECEIVED, at)
        assert delivery.fact.dated["by"]["email"] == user.email
    theirs.refresh_from_db()
    assert theirs.status == "waiting"


def test_a_dry_run_says_what_would_become_of_it_and_changes_nothing(integration, user):
    _, delivery = receive(integration, told())
    before = InboundDelivery.objects.values().get()
    [change] = dry_run([delivery], by=user, at=RECEIVED)
    assert (change.verdict, change.before, change.after) == ("applied", None, "open")
    assert InboundDelivery.objects.values().get() == before
    assert not Incident.objects.exists() and not Monitor.objects.exists()


def test_one_that_fails_is_tried_again_dated_as_was_decided(integration, user, monkeypatch):
    from incidents import fold

    def fail(*_):
        raise ValueError("boom")

    _, delivery = receive(integration, told())
    monkeypatch.setitem(fold.EFFECTS, "incident.started", fail)
    assert apply_now(delivery, by=user, at=RECEIVED).verdict == "received"
    monkeypatch.undo()
    apply_all(RECEIVED + timedelta(seconds=10))
    delivery.refresh_from_db()
    assert (delivery.status, delivery.fact.occurred_at) == ("applied", RECEIVED)


# --- what is told of it ---------------------------------------------------------------------------------------


def test_the_newest_are_told_with_how_far_ahead_they_are_and_none_of_another_team(integration, team, other_team):
    receive(make_integration(other_team), told())
    deliveries = [receive(integration, told(number))[1] for number in range(8)]
    found = waiting.newest_waiting(team, RECEIVED + timedelta(hours=1))
    assert [each.delivery for each in found] == deliveries[:1:-1]
    assert {each.seconds for each in found} == {19 * 3600.0}
