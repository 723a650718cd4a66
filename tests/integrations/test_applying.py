import json
import random
import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from dashboard import rebuilding
from incidents import fold as incident_fold
from incidents.models import Incident
from integrations import applying, ingest
from integrations.applying import FIND_OUT, OUR_FAULT, TRIED_AGAIN
from integrations.models import InboundDelivery
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event, make_integration, make_team
from tests.floods import RECEIVED, apply_all, tell_together
from timeline.events import EVENTS
from timeline.models import TimelineEvent

POISON = "poison"


def told(number=201, name="incident.started", at=NOON, **fields):
    return an_event(name, at, **({"incident_id": number} if name.startswith("incident") else {}), **fields)


def receive(integration, *events, at=RECEIVED):
    return [ingest.receive_from(integration, json.dumps(event).encode(), {}, at) for event in events]


def statuses():
    return list(InboundDelivery.objects.order_by("id").values_list("status", flat=True))


def differences():
    rows = [(kind, row) for kind, model in rebuilding.subjects() for row in model.objects.values()]
    return [str(each)[:200] for kind, row in rows for each in rebuilding.differences((kind, row["id"]), row)]


@pytest.fixture
def poisoned(monkeypatch):
    """The fold fails for an event that says it is poison; `poisoned["on"] = False` heals it."""
    state = {"on": True, "tries": 0, "error": ValueError("bad payload")}
    real = incident_fold.EFFECTS["incident.escalated"]

    def effect(before, fact):
        if state["on"] and fact.payload["message"] == POISON:
            state["tries"] += 1
            raise state["error"]
        return real(before, fact)

    monkeypatch.setitem(incident_fold.EFFECTS, "incident.escalated", effect)
    return state


# --- applying -------------------------------------------------------------------------------------------------


def test_nothing_due_is_no_work(db):
    assert applying.apply_due(RECEIVED) == 0


def test_an_applied_delivery_says_when_and_which_fact_and_incident_it_became(integration):
    receive(integration, told(), an_event("monitor.down"), at=RECEIVED)
    later = RECEIVED + timedelta(seconds=9)
    assert applying.apply_due(later) == 2
    of_incident, of_monitor = InboundDelivery.objects.order_by("id")
    incident = Incident.objects.get()
    assert (of_incident.status, of_incident.applied_at, of_incident.incident_id) == ("applied", later, incident.pk)
    assert (of_monitor.status, of_monitor.applied_at, of_monitor.incident_id) == ("applied", later, None)
    assert of_incident.fact.subject_id == incident.pk
    assert of_monitor.fact.event == "monitor.down"
    # A slow worker does not make events look late.
    assert set(TimelineEvent.objects.values_list("recorded_at", flat=True)) == {RECEIVED}


def test_our_records_of_a_vendor_s_are_made_once_and_known_by_where_they_come_from(integration):
    receive(integration, told(), told(name="incident.resolved"), an_event("monitor.created"))
    receive(integration, an_event("heartbeat.created", organization_id=" o "))
    apply_all()
    incident, monitor, heartbeat = Incident.objects.get(), Monitor.objects.get(), Heartbeat.objects.get()
    for each, source_id, organization in ((incident, 201, "org_123"), (monitor, 789, "org_123"), (heartbeat, 101, "o")):
        assert (each.team, each.integration_id, each.source_id) == (integration.team, integration.pk, source_id)
        assert (each.source_organization_id, each.source_team_id) == (organization, "team_456")
        assert each.created_at == RECEIVED
        assert not each.is_native
    assert (incident.resource_type, incident.resource_id) == ("monitor", monitor.pk)


def test_so_many_are_taken_up_at_once_oldest_first(integration):
    receive(integration, *(told(n) for n in range(5)))
    assert [applying.apply_due(RECEIVED, most=2) for _ in range(4)] == [2, 2, 1, 0]
    assert statuses() == ["applied"] * 5


def story(number, begun):
    """What a vendor tells of one incident, and late that it was escalated."""
    about = {"resource_id": number % 7, "resource_name": f"Shop {number % 7}"}
    names = ("started", "acknowledged", "resolved", "escalated")
    moments = (begun, begun + timedelta(minutes=2), begun + timedelta(minutes=3), begun + timedelta(minutes=1))
    return [told(number, f"incident.{name}", at, **about) for name, at in zip(names, moments, strict=True)]


def cost(integration, events):
    """How many statements applying them in one batch takes."""
    ingest.receive_from(integration, json.dumps(events).encode(), {}, RECEIVED)
    with CaptureQueriesContext(connection) as queries:
        assert applying.apply_due(RECEIVED) == len(events)
    return len(queries)


def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(integration):
    """200 events about 50 incidents of 7 monitors cost what 8 about 2 do; new, in order, and late ones alike."""
    costs = []
    for begun, numbers in ((NOON, range(2)), (NOON + timedelta(minutes=10), range(50, 100))):
        stories = [story(number, begun + timedelta(milliseconds=number)) for number in numbers]
        in_order = [each[0] for each in stories]
        later = [event for each in stories for event in each[1:3]]
        late = [each[3] for each in stories]
        monitors = [an_event("monitor.down", begun - timedelta(hours=1), monitor_id=n % 7, more=n) for n in numbers]
        costs.append([cost(integration, events) for events in (in_order, later, late + monitors)])
    assert costs[1] == costs[0]
    assert max(costs[1]) <= 30
    assert differences() == []


def test_events_of_several_integrations_and_teams_are_applied_in_one_batch_each_to_its_own(integration, other_team):
    theirs = make_integration(other_team)
    for each in (integration, theirs):
        receive(each, told(), told(name="incident.acknowledged"), an_event("monitor.created"))
    receive(theirs, told(name="incident.resolved"))
    assert applying.apply_due(RECEIVED) == 7
    assert set(statuses()) == {"applied"}
    assert {(each.team_id, each.status, each.facts) for each in Incident.objects.all()} == {
        (integration.team_id, "acknowledged", 2), (other_team.pk, "resolved", 3),
    }  # fmt: skip
    assert {(each.team_id, each.status, each.facts) for each in Monitor.objects.all()} == {
        (integration.team_id, "down", 3), (other_team.pk, "up", 4),
    }  # fmt: skip
    assert differences() == []


def test_what_is_not_due_yet_waits(integration):
    receive(integration, told(1), told(2))
    InboundDelivery.objects.filter(pk=InboundDelivery.objects.earliest("id").pk).update(
        due_at=RECEIVED + timedelta(seconds=1)
    )
    apply_all(RECEIVED)
    assert statuses() == ["received", "applied"]
    apply_all(RECEIVED + timedelta(seconds=1))
    assert statuses() == ["applied", "applied"]


@pytest.mark.parametrize("status", ["applied", "unrecognized", "quarantined", "duplicate", "conflict"])
def test_only_what_was_received_is_due(integration, status):
    receive(integration, told())
    InboundDelivery.objects.update(status=status)
    assert applying.apply_due(RECEIVED) == 0


def test_what_this_version_judges_otherwise_than_the_door_did_is_put_aside(integration):
    receive(integration, told(1), told(2), told(3), told(4))
    bodies = [b'{"a": NaN}', b"[]", json.dumps(told(3, name="monitor.checked")).encode(), json.dumps(told(4)).encode()]
    for delivery, body in zip(InboundDelivery.objects.order_by("id"), bodies, strict=True):
        delivery.body = body
        delivery.save()
    apply_all()
    assert statuses() == ["quarantined", "quarantined", "unrecognized", "applied"]
    errors = list(InboundDelivery.objects.order_by("id").values_list("error__code", flat=True))
    assert errors == ["UNSAFE_JSON", "VALIDATION_ERROR", None, None]


def test_an_event_whose_delivery_is_gone_is_a_duplicate_of_its_fact_when_it_comes_again(integration, team):
    other = make_integration(team, "Another")
    receive(integration, told())
    apply_all()
    InboundDelivery.objects.all().delete()
    # In one batch with the same event from somebody else, to whom it is new.
    receive(integration, told())
    receive(other, told())
    apply_all()
    again, new = InboundDelivery.objects.order_by("id")
    assert (again.status, again.fact.integration_id, again.incident_id) == (
        "duplicate",
        integration.pk,
        again.fact.subject_id,
    )
    assert (new.status, new.fact.integration_id) == ("applied", other.pk)
    assert TimelineEvent.objects.count() == 2
    assert list(Incident.objects.values_list("facts", flat=True)) == [1, 1]


# --- failing --------------------------------------------------------------------------------------------------


def test_a_failing_delivery_is_tried_again_and_then_put_aside_and_never_stops_the_others(integration, poisoned, capfd):
    bad = told(1, "incident.escalated", message=POISON)
    receive(integration, told(1), bad, told(1, "incident.acknowledged"), told(2))
    at, pauses = RECEIVED, []
    applying.apply_due(at)
    assert statuses() == ["applied", "received", "applied", "applied"]
    for _ in range(4):
        delivery = InboundDelivery.objects.get(status="received")
        assert delivery.error == {"code": "INTERNAL_ERROR", "message": f"{OUR_FAULT} {TRIED_AGAIN}"}
        pauses.append((delivery.due_at - at).total_seconds())
        assert applying.apply_due(delivery.due_at - timedelta(milliseconds=1)) == 0
        at = delivery.due_at
        assert applying.apply_due(at) == 1
    assert pauses == [2, 4, 8, 16]
    delivery = InboundDelivery.objects.get(status="quarantined")
    assert (delivery.attempts, delivery.due_at, delivery.error["code"]) == (5, None, "INTERNAL_ERROR")
    assert delivery.error["message"] == f"{OUR_FAULT} {FIND_OUT.format(delivery.pk)}"
    log = capfd.readouterr().err  # where an operator looks
    assert f"delivery {delivery.pk} failed" in log
    assert "ValueError" in log
    assert applying.apply_due(at + timedelta(days=1)) == 0
    # Nothing of it is left behind: neither its fact nor a trace in the fold.
    assert TimelineEvent.objects.count() == 3
    assert Incident.objects.order_by("id").first().facts == 2
    assert differences() == []


def test_one_integration_s_bad_events_do_not_break_up_another_s(integration, other_team, poisoned, monkeypatch):
    theirs = make_integration(other_team)
    receive(integration, told(1), *(told(1, "incident.escalated", message=POISON, more=n) for n in range(3)))
    receive(theirs, *(told(n) for n in range(5)))
    tried, real = [], applying.apply_together
    monkeypatch.setattr(
        applying,
        "apply_together",
        lambda deliveries, at: tried.append([each.integration_id for each in deliveries]) or real(deliveries, at),
    )
    assert applying.apply_due(RECEIVED) == 9
    assert [batch for batch in tried if theirs.pk in batch] == [
        [*[integration.pk] * 4, *[theirs.pk] * 5],
        [theirs.pk] * 5,
    ]
    assert statuses() == ["applied", *["received"] * 3, *["applied"] * 5]


def test_one_bad_event_among_many_is_found_by_halves(integration, poisoned):
    events = [told(1, "incident.escalated", message=f"good {n}") for n in range(127)]
    receive(integration, *events[:90], told(1, "incident.escalated", message=POISON), *events[90:])
    applying.apply_due(RECEIVED)
    assert poisoned["tries"] == 8  # among 128, 64, 32, 16, 8, 4, 2, and alone
    assert statuses().count("applied") == 127
    assert differences() == []


def test_what_fails_again_does_not_break_up_what_is_fresh(integration, poisoned):
    receive(integration, told(1, "incident.escalated", message=POISON))
    applying.apply_due(RECEIVED)
    receive(integration, *(told(n) for n in range(5)))
    assert applying.apply_due(RECEIVED + timedelta(minutes=1)) == 6
    assert poisoned["tries"] == 2  # alone both times: among the fresh ones it would have been sought by halves
    assert statuses().count("applied") == 5


def test_nothing_of_a_payload_is_told_in_the_error_of_a_failed_delivery(integration, poisoned):
    poisoned["error"] = ValueError("the body said: secret")
    receive(integration, told(1, "incident.escalated", message=POISON))
    applying.apply_due(RECEIVED)
    assert "secret" not in json.dumps(InboundDelivery.objects.get().error)


def test_a_database_error_of_one_delivery_is_its_own(integration, monkeypatch):
    """What PostgreSQL refuses spoils a transaction; behind savepoints it spoils no other delivery."""

    def refused(before, fact):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setitem(incident_fold.EFFECTS, "incident.escalated", refused)
    receive(integration, told(1), told(2, "incident.escalated"), told(3))
    applying.apply_due(RECEIVED)
    assert statuses() == ["applied", "received", "applied"]
    assert InboundDelivery.objects.get(status="received").error["message"] == f"{OUR_FAULT} {TRIED_AGAIN}"
    assert Incident.objects.count() == 2


@pytest.mark.parametrize("alone", [False, True])
def test_trouble_with_the_database_is_raised_and_is_nobody_s_failed_try(integration, monkeypatch, alone):
    receive(integration, told(1), told(2))
    errors = [ValueError("first together")] * alone + [OperationalError("the connection is gone")]

    def failing(before, fact):
        raise errors.pop(0)

    real = incident_fold.EFFECTS["incident.started"]
    monkeypatch.setitem(incident_fold.EFFECTS, "incident.started", failing)
    with pytest.raises(OperationalError), transaction.atomic():
        applying.apply_due(RECEIVED)
    assert list(InboundDelivery.objects.values_list("status", "attempts", "error")) == [("received", 0, None)] * 2
    assert not errors
    monkeypatch.setitem(incident_fold.EFFECTS, "incident.started", real)
    apply_all()
    assert statuses() == ["applied", "applied"]


def test_a_healed_event_that_comes_again_is_applied(integration, poisoned):
    bad = told(1, "incident.escalated", message=POISON)
    receive(integration, bad)
    for number in range(5):
        applying.apply_due(RECEIVED + timedelta(hours=number))
    assert statuses() == ["quarantined"]
    poisoned["on"] = False
    assert [each.status for each in receive(integration, bad, at=RECEIVED + timedelta(days=1))] == ["accepted"]
    apply_all(RECEIVED + timedelta(days=1))
    assert statuses() == ["applied"]


# --- what a later version knows -------------------------------------------------------------------------------


def test_what_was_unrecognized_is_applied_once_a_version_knows_it(integration, monkeypatch):
    receive(integration, told(1), told(1, "incident.closed", NOON + timedelta(minutes=1)), told(2, "incident.exploded"))
    receive(integration, told(1, "incident.acknowledged"))
    apply_all()
    assert applying.recognize(RECEIVED) == 0
    assert statuses() == ["applied", "unrecognized", "unrecognized", "applied"]
    newer = {name: EVENTS[name] for name in (*applying.VENDOR_EVENTS, "incident.closed")}
    monkeypatch.setattr(applying, "VENDOR_EVENTS", newer)
    monkeypatch.setattr(applying, "known_events", lambda type: newer)
    later = RECEIVED + timedelta(days=30)
    assert applying.recognize(later) == 1
    assert applying.recognize(later) == 0
    apply_all(later)
    assert statuses() == ["applied", "applied", "unrecognized", "applied"]
    assert Incident.objects.get().status == "closed"
    # We came to know of it only then.
    closed = TimelineEvent.objects.get(event="incident.closed")
    assert (closed.recorded_at, closed.occurred_at) == (later, NOON + timedelta(minutes=1))


def test_what_is_recognized_and_wrong_is_put_into_quarantine(integration, monkeypatch):
    receive(integration, told("x", "incident.closed"))
    newer = {"incident.closed": EVENTS["incident.closed"]}
    monkeypatch.setattr(applying, "VENDOR_EVENTS", newer)
    monkeypatch.setattr(applying, "known_events", lambda type: newer)
    applying.recognize(RECEIVED)
    apply_all()
    assert statuses() == ["quarantined"]
    assert "incident_id" in InboundDelivery.objects.get().error["details"]["fields"]


def test_so_many_are_recognized_at_once(integration):
    receive(integration, *(told(n) for n in range(3)))
    InboundDelivery.objects.update(status="unrecognized")
    assert [applying.recognize(RECEIVED, most=2) for _ in range(3)] == [2, 1, 0]


# --- at once --------------------------------------------------------------------------------------------------


def test_a_delivery_that_another_worker_holds_is_left_to_it(transactional_db):
    integration = make_integration(make_team())
    receive(integration, told(1), told(2))
    held, done = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                list(InboundDelivery.objects.filter(pk=InboundDelivery.objects.earliest("id").pk).select_for_update())
                held.set()
                done.wait(10)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    taken = applying.apply_due(RECEIVED)
    done.set()
    holder.join()
    assert taken == 1
    assert statuses() == ["received", "applied"]


def flood(chance):
    """Events about the same few incidents, monitors and heartbeats, that quarrel about which is about which."""
    about = [
        {"resource_type": "monitor", "resource_id": 1, "resource_name": "One"},
        {"resource_type": "monitor", "resource_id": 2, "resource_name": "Two"},
        {"resource_type": "heartbeat", "resource_id": 1, "resource_name": "Beat"},
        {"resource_type": None, "resource_id": None, "resource_name": None},
    ]
    events = []
    for number in range(120):
        name = chance.choice([name for name, each in EVENTS.items() if not each.ours and "destroyed" not in name])
        fields = {"more": number, "dt": an_event("x", NOON + timedelta(milliseconds=chance.randrange(60)))["dt"]}
        if name.startswith("incident."):
            fields |= {"incident_id": chance.randrange(4)} | chance.choice(about)
        elif name.startswith("monitor."):
            fields |= {"monitor_id": chance.choice((1, 2))}
        else:
            fields |= {"heartbeat_id": 1}
        events.append(an_event(name) | fields)
    return events


def seen_of(integration):
    """What is shown of an integration's records, under the vendor's ids."""
    resources = [
        *Monitor.objects.filter(integration_id=integration.pk),
        *Heartbeat.objects.filter(integration_id=integration.pk),
    ]
    ids = {(each.kind, each.pk): (each.kind, each.source_id) for each in resources}
    shown = {
        (each.kind, each.source_id): (
            each.name,
            each.status,
            each.status_inferred,
            each.status_since,
            each.live_incidents,
            each.facts,
        )
        for each in resources
    }
    for each in Incident.objects.filter(integration_id=integration.pk):
        shown["incident", each.source_id] = (
            each.title, each.status, each.started_at, each.acknowledged_at, each.resolved_at, each.incident_group_id,
            ids.get((each.resource_type, each.resource_id)), each.facts, each.is_live, each.updated_at,
        )  # fmt: skip
    return shown


def test_eight_senders_and_four_workers_at_once_come_to_what_one_of_each_comes_to(transactional_db):
    chance = random.Random(4)
    events = flood(chance)
    team = make_team()
    alone, together = make_integration(team, "alone"), make_integration(team, "together")
    tell_together(alone, events)
    failures, sending = [], threading.Event()

    def send(number):
        mine = random.Random(number).sample(events, len(events) // 2) + events[number::8]
        for start in range(0, len(mine), 9):
            ingest.receive_from(together, json.dumps(mine[start : start + 9]).encode(), {}, RECEIVED)

    def work():
        while True:
            last_round = sending.is_set()
            try:
                if not applying.apply_due(RECEIVED, most=13) and last_round:
                    return
            except OperationalError as trouble:
                # What a worker does with it: the next try.
                failures.append(trouble)

    def run(job, *args):
        try:
            job(*args)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=run, args=(work,)) for _ in range(4)]
    senders = [threading.Thread(target=run, args=(send, number)) for number in range(8)]
    for thread in (*workers, *senders):
        thread.start()
    for thread in senders:
        thread.join()
    sending.set()
    for thread in workers:
        thread.join(60)
    assert not any(thread.is_alive() for thread in workers)
    assert failures == []
    assert set(together.deliveries.values_list("status", flat=True)) == {"applied"}
    assert (
        together.deliveries.count() == TimelineEvent.objects.filter(integration_id=together.pk).count() == len(events)
    )
    assert seen_of(together) == seen_of(alone)
    assert differences() == []
