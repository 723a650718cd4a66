import json
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction

from integrations import applying, ingest, turns
from integrations.models import InboundDelivery
from integrations.turns import Turns
from tests.conftest import NOON, an_event, make_integration, make_team
from tests.floods import RECEIVED
from timeline.models import TimelineEvent

WAIT = """
INSERT INTO integrations_inbounddelivery
    (team_id, integration_id, received_at, body, headers, identity, is_event, event, status, attempts, due_at)
SELECT %s, %s, %s, %s, '{}', sha256((%s || n)::bytea), true, 'monitor.down', 'received', 0, %s
FROM generate_series(1, %s) AS n
"""


def wait(integration, count, at=RECEIVED, due_at=None, tag=""):
    """Let so many deliveries of an integration wait."""
    body = json.dumps(an_event("monitor.down")).encode()
    with connection.cursor() as cursor:
        cursor.execute(WAIT, [integration.team_id, integration.pk, at, body, tag, due_at, count])


def claimed(most, turn=None, at=RECEIVED):
    """How many fresh deliveries of each integration are claimed next, and how many that were postponed."""
    with transaction.atomic():
        fresh, postponed = (turn or Turns()).claim(at, most)
        ids = [each.pk for each in (*fresh, *postponed)]
        assert len(set(ids)) == len(ids)
        InboundDelivery.objects.filter(pk__in=ids).update(status="applied")
    return Counter(each.integration_id for each in fresh), Counter(each.integration_id for each in postponed)


@pytest.fixture(autouse=True)
def every_turn_sweeps(monkeypatch):
    """However fast turns follow on each other, each looks at whole queues."""
    monkeypatch.setattr(turns, "SWEEPS_AT_MOST", 0)


def integrations(team, count):
    return [make_integration(team, f"integration {number}") for number in range(count)]


def analyzed():
    """Let PostgreSQL know what is in the queue."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE integrations_inbounddelivery")


def test_nothing_waiting_is_nothing_claimed(db, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(1):
        assert Turns().claim(RECEIVED, 10) == ([], [])


def test_a_noisy_integration_with_20_000_waiting_leaves_another_s_only_event_its_place(team):
    noisy, quiet = integrations(team, 2)
    wait(noisy, 20_000)
    wait(quiet, 1)
    assert claimed(100) == (Counter({noisy.pk: 99, quiet.pk: 1}), Counter())


def test_what_some_leave_is_shared_out_among_those_with_more(team):
    few, some, many, more = integrations(team, 4)
    for each, count in ((few, 1), (some, 20), (many, 500), (more, 500)):
        wait(each, count)
    fresh, _ = claimed(100)
    assert fresh == {few.pk: 1, some.pk: 20, many.pk: 40, more.pk: 39}


def test_each_integration_s_are_claimed_oldest_first_and_each_once(team):
    one, other = integrations(team, 2)
    wait(one, 30)
    wait(other, 3)
    with transaction.atomic():
        fresh, _ = Turns().claim(RECEIVED, 20)
    ids = [each.pk for each in fresh if each.integration_id == one.pk]
    assert ids == list(one.deliveries.order_by("id").values_list("id", flat=True)[:17])


def test_more_integrations_than_places_are_served_in_a_circle(team):
    many = integrations(team, 7)
    for each in many:
        wait(each, 10)
    turn = Turns()
    served = [sorted(claimed(3, turn)[0]) for _ in range(7)]
    ids = [each.pk for each in many]
    circle = ids * 3
    assert served == [sorted(circle[start : start + 3]) for start in range(0, 21, 3)]


def test_who_begins_to_send_is_served_in_the_next_turn(team):
    noisy, quiet = integrations(team, 2)
    wait(noisy, 50)
    turn = Turns()
    assert claimed(10, turn)[0] == {noisy.pk: 10}
    wait(quiet, 2)
    assert claimed(10, turn)[0] == {noisy.pk: 8, quiet.pk: 2}


def test_what_is_postponed_is_claimed_when_it_is_due_and_apart_from_the_fresh(team):
    one, other = integrations(team, 2)
    wait(one, 2, due_at=RECEIVED + timedelta(seconds=2), tag="later")
    wait(other, 1)
    assert claimed(10) == (Counter({other.pk: 1}), Counter())
    wait(other, 1, tag="more")
    assert claimed(10, at=RECEIVED + timedelta(seconds=2)) == (Counter({other.pk: 1}), Counter({one.pk: 2}))


def test_what_is_postponed_takes_no_fresh_one_s_place_and_comes_a_few_at_a_time(team):
    one, other = integrations(team, 2)
    wait(one, 5_000, due_at=RECEIVED - timedelta(seconds=1), tag="failed")
    wait(one, 100)
    wait(other, 1, due_at=RECEIVED - timedelta(seconds=1))
    fresh, postponed = claimed(50)
    assert fresh == {one.pk: 50}
    assert postponed == {one.pk: turns.MOST_POSTPONED // 2, other.pk: 1}


def test_who_waits_longest_is_told(team):
    one, other = integrations(team, 2)
    assert turns.oldest_waiting() is None
    wait(one, 3, at=RECEIVED - timedelta(minutes=1))
    wait(other, 3, at=RECEIVED - timedelta(minutes=2))
    assert turns.oldest_waiting() == RECEIVED - timedelta(minutes=2)
    wait(one, 1, at=RECEIVED - timedelta(minutes=3), due_at=RECEIVED + timedelta(hours=1), tag="postponed")
    assert turns.oldest_waiting() == RECEIVED - timedelta(minutes=3)


# --- between sweeps -------------------------------------------------------------------------------------------


def swept(most, monkeypatch):
    """Turns of which the first has looked at whole queues, and the next ones will not for a long time."""
    turn = Turns()
    monkeypatch.setattr(turns, "SWEEPS_AT_MOST", 1e9)
    claimed(most, turn)
    monkeypatch.setattr(turns, "SWEEPS_AT_MOST", 0)
    return turn


def test_between_sweeps_those_who_send_are_served_from_where_they_were_left(
    team, monkeypatch, django_assert_num_queries
):
    one, other = integrations(team, 2)
    wait(one, 5_000)
    wait(other, 10)
    turn = swept(3_000, monkeypatch)
    assert turn.passed.keys() == {one.pk, other.pk}
    assert turn.passed[one.pk] > one.deliveries.earliest("id").pk + 1_000
    wait(other, 10, tag="more")
    with transaction.atomic(), django_assert_num_queries(2):
        fresh, _ = turn.claim(RECEIVED, 100)
    assert Counter(each.integration_id for each in fresh) == {one.pk: 90, other.pk: 10}
    assert claimed(4_000, turn)[0] == {one.pk: 5_000 - 2_990, other.pk: 10}


def test_what_lies_behind_and_who_is_new_is_found_by_the_next_sweep(team, monkeypatch):
    one, new = integrations(team, 2)
    wait(one, 5_000)
    turn = swept(4_000, monkeypatch)
    late = one.deliveries.earliest("id")
    InboundDelivery.objects.filter(pk=late.pk).update(status="received")
    wait(new, 1)
    wait(one, 1, due_at=RECEIVED, tag="postponed")
    assert claimed(5_000, turn) == (Counter({one.pk: 1_000}), Counter())
    turn.sweep_at = 0
    assert claimed(5_000, turn) == (Counter({one.pk: 1, new.pk: 1}), Counter({one.pk: 1}))
    late.refresh_from_db()
    assert late.status == "applied"


def test_between_sweeps_more_integrations_than_places_are_served_in_a_circle(team, monkeypatch):
    many = integrations(team, 7)
    for each in many:
        wait(each, 10)
    turn = swept(3, monkeypatch)
    served = [sorted(claimed(3, turn)[0]) for _ in range(6)]
    circle = [each.pk for each in many] * 3
    assert served == [sorted(circle[start : start + 3]) for start in range(3, 21, 3)]


# --- what it costs --------------------------------------------------------------------------------------------


def plan(sql, parameters):
    """The nodes of a statement's plan as it ran."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", parameters)
        root = cursor.fetchone()[0][0]["Plan"]
    waiting, found = [root], []
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += node.get("Plans", [])
    return found


def read_by(nodes):
    """How many rows of the queue were read, whether returned or thrown away; all through the one index."""
    scans = [node for node in nodes if node.get("Relation Name") == "integrations_inbounddelivery"]
    assert {node.get("Index Name") for node in scans} == {"delivery_turn"}
    return sum(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) for node in scans)


@pytest.fixture
def queue(team):
    """Three integrations among many that have nothing: one with a long queue, one with much postponed."""
    noisy, failing, quiet = integrations(team, 3)
    wait(noisy, 20_000)
    wait(failing, 5_000, due_at=RECEIVED + timedelta(hours=1), tag="postponed")
    wait(failing, 5, tag="fresh")
    wait(quiet, 1)
    wait(quiet, 3_000, tag="old")
    InboundDelivery.objects.filter(integration=quiet).exclude(pk=quiet.deliveries.earliest("id").pk).update(
        status="applied"
    )
    analyzed()
    return [noisy.pk, failing.pk, quiet.pk]


def turns_of(ids):
    return json.dumps([{"integration_id": each, "after": 0} for each in ids])


def test_finding_who_waits_reads_one_row_of_each_however_long_their_queues(queue):
    assert turns.waiting() == queue
    assert read_by(plan(turns.WAITING, None)) <= 4


def test_claiming_reads_what_it_takes_in_the_order_of_its_index(queue):
    nodes = plan(
        turns.CLAIM.format(due=turns.FRESH),
        {"turns": turns_of(queue), "share": 50, "most": 150},
    )
    # Of 50, 5 and 1; some versions of PostgreSQL tell rounded averages.
    assert 55 <= read_by(nodes) <= 57
    assert "Sort" not in {node["Node Type"] for node in nodes}


def test_what_is_postponed_is_not_even_read_before_it_is_due(queue):
    parameters = {"turns": turns_of(queue), "share": 50, "most": 150, "at": RECEIVED}
    assert read_by(plan(turns.CLAIM.format(due=turns.POSTPONED), parameters)) == 0
    parameters["at"] += timedelta(hours=1)
    nodes = plan(turns.CLAIM.format(due=turns.POSTPONED), parameters)
    assert 49 <= read_by(nodes) <= 51
    assert "Sort" not in {node["Node Type"] for node in nodes}


def test_knowing_who_waits_longest_reads_a_row_or_two_of_each(queue):
    assert read_by(plan(turns.OLDEST, None)) <= 10


# --- at once --------------------------------------------------------------------------------------------------


def test_two_workers_at_once_never_claim_the_same(transactional_db):
    one, other = integrations(make_team(), 2)
    wait(one, 500)
    wait(other, 30)
    taken, failures = [], []
    both_hold = threading.Barrier(2)

    def work():
        try:
            for _ in range(3):
                with transaction.atomic():
                    fresh, _ = Turns().claim(RECEIVED, 100)
                    both_hold.wait(20)
                    ids = [each.pk for each in fresh]
                    taken.extend(ids)
                    InboundDelivery.objects.filter(pk__in=ids).update(status="applied")
                both_hold.wait(20)
        except Exception as error:
            failures.append(error)
            both_hold.abort()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert failures == []
    assert len(taken) == len(set(taken)) == 530


def test_two_workers_at_once_apply_each_event_of_a_noisy_and_a_quiet_integration_once(transactional_db):
    noisy, quiet = integrations(make_team(), 2)
    events = [
        an_event("incident.escalated", NOON + timedelta(seconds=n), incident_id=n % 5, more=n) for n in range(300)
    ]
    ingest.receive_from(noisy, json.dumps(events).encode(), {}, RECEIVED)
    ingest.receive_from(quiet, json.dumps(events[:3]).encode(), {}, RECEIVED)
    failures = []

    def work():
        turn = Turns()
        try:
            while applying.apply_due(RECEIVED, most=20, turns=turn):
                pass
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert failures == []
    assert set(InboundDelivery.objects.values_list("status", flat=True)) == {"applied"}
    assert TimelineEvent.objects.count() == 303


def test_a_noisy_integration_does_not_keep_another_s_event_waiting_for_more_than_a_turn(team):
    noisy, quiet = integrations(team, 2)
    ingest.receive_from(
        noisy, json.dumps([an_event("monitor.down", more=n) for n in range(200)]).encode(), {}, RECEIVED
    )
    turn = Turns()
    assert applying.apply_due(RECEIVED, most=20, turns=turn) == 20
    ingest.receive_from(quiet, json.dumps(an_event("monitor.down")).encode(), {}, RECEIVED)
    assert applying.apply_due(RECEIVED, most=20, turns=turn) == 20
    assert quiet.deliveries.get().status == "applied"
    assert noisy.deliveries.filter(status="applied").count() == 39


@pytest.mark.django_db
@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(days=3)], ids=str)
def test_what_was_postponed_by_a_clock_that_was_set_back_since_is_claimed(team, ahead):
    [one] = integrations(team, 1)
    wait(one, 2, due_at=RECEIVED + timedelta(seconds=16), tag="waits its turn")
    wait(one, 3, due_at=RECEIVED + ahead, tag="by another clock")
    assert claimed(50) == ({}, {one.pk: 3})
