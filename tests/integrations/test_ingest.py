"""
Below the door: what is kept for which answer, and what happens when the same things come in at once. What a
sender sees of it is tested with the door.
"""

import json
import random
import threading
from datetime import timedelta

import pytest
from django.db import connection

from config.errors import ApiError, ValidationFailed
from integrations import counts, ingest
from integrations.applying import apply_due
from integrations.models import DoorCount, InboundDelivery
from integrations.replay import replay_all
from tests.conftest import NOON, an_event, make_integration, make_team, make_user
from timeline.identity import bytes_identity, event_identity
from timeline.outbound.installation import this_installation

RECEIVED = NOON + timedelta(hours=1)


def told(number=201, **fields):
    return an_event("incident.started", incident_id=number, **fields)


def receive(integration, value, webhook_id=None, at=RECEIVED):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return ingest.receive_from(integration, body, {"webhook-id": webhook_id} if webhook_id else {}, at)


def test_an_event_is_one_statement_once_its_door_is_known(integration, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert receive(integration, told(1)).status == "accepted"
    with django_assert_num_queries(1):
        assert receive(integration, told()).status == "accepted"
    with django_assert_num_queries(1):
        assert receive(integration, [told(1000 + n) for n in range(500)])[0].status == "accepted"
    with django_assert_num_queries(1):
        assert receive(integration, told()).status == "duplicate"


def test_whose_events_came_back_is_asked_once_for_an_array(integration, django_assert_num_queries):
    this_installation()
    receive(integration, told())
    with django_assert_num_queries(2):
        answers = receive(integration, [told(1000 + n, origin="wk_far") for n in range(100)])
    assert {answer.status for answer in answers} == {"accepted"}


def test_what_identifies_a_delivery(integration):
    receive(integration, told())
    receive(integration, b" 5 ")
    with pytest.raises(ApiError, match="JSON"):
        receive(integration, b"{")
    kept = InboundDelivery.objects.order_by("id")
    assert [bytes(each.identity) for each in kept] == [
        event_identity(told()), bytes_identity(b" 5 "), bytes_identity(b"{"),
    ]  # fmt: skip


@pytest.mark.parametrize("body", [b"[]", b"[" + b"1," * 1000 + b"1]"])
def test_an_array_of_a_wrong_length_is_kept_before_it_is_refused(integration, body):
    with pytest.raises(ValidationFailed):
        receive(integration, body)
    assert bytes(InboundDelivery.objects.get().body) == body


def test_events_of_an_array_keep_their_own_bytes(integration):
    events = [json.dumps(told(n, message="é😀"), ensure_ascii=False, indent=n).encode() for n in range(3)]
    answers = receive(integration, b" [ " + b" ,\n".join(events) + b" ] ")
    kept = InboundDelivery.objects.in_bulk([each.id for each in answers])
    assert [bytes(kept[each.id].body) for each in answers] == events


def test_an_accepted_event_is_due_at_once_and_a_promoted_one_again(integration):
    well = json.dumps(told()).encode()
    receive(integration, well.replace(b"201", b"201.0"))
    InboundDelivery.objects.update(attempts=5, due_at=RECEIVED, error={"code": "INTERNAL_ERROR"}, event=None)
    assert receive(integration, well, "msg_1").status == "accepted"
    kept = InboundDelivery.objects.get()
    assert (kept.attempts, kept.due_at, kept.error, kept.event) == (0, None, None, "incident.started")


def test_while_the_ill_written_is_replayed_the_well_written_is_accepted_and_its_repetition_a_duplicate(integration):
    well = json.dumps(told()).encode()
    ill = well.replace(b"201", b"201.0")
    receive(integration, ill)
    replay_all(integration.team, by=make_user("alice@example.com"), at=RECEIVED)
    assert receive(integration, ill).status == "quarantined"
    assert InboundDelivery.objects.get().status == "received"
    assert [receive(integration, well).status for _ in range(2)] == ["accepted", "duplicate"]
    assert bytes(InboundDelivery.objects.get().body) == well
    assert apply_due(RECEIVED) == 1
    assert InboundDelivery.objects.get().status == "applied"


@pytest.mark.parametrize("status", ["received", "applied", "unrecognized", "duplicate"])
def test_what_was_accepted_before_is_never_written_again(integration, status):
    receive(integration, told(), at=NOON)
    InboundDelivery.objects.update(status=status)
    before = InboundDelivery.objects.values().get()
    assert receive(integration, told(), "msg_1").status == "duplicate"
    assert InboundDelivery.objects.values().get() == before


def test_an_event_to_be_counted_is_counted_with_its_number(integration):
    integration.count_only = ["monitor.checked"]
    integration.save()
    answers = receive(integration, [an_event("monitor.checked", more=n) for n in range(4)])
    assert {(each.id, each.status) for each in answers} == {(None, "unrecognized")}
    assert DoorCount.objects.values_list("day", "reason", "count", "integration").get() == (
        RECEIVED.date(), "monitor.checked", 4, integration.pk,
    )  # fmt: skip
    receive(integration, an_event("monitor.checked"))
    assert DoorCount.objects.get().count == 5


def test_what_is_nobody_s_is_counted_in_one_row_a_day(db):
    for _ in range(3):
        counts.count_all({(None, counts.UNAUTHORIZED): 1}, NOON)
    assert DoorCount.objects.get().count == 3


# --- at once --------------------------------------------------------------------------------------------------


def at_once(*jobs):
    """Run jobs in threads of their own, each with its connection, all starting together; their results in order."""
    results = [None] * len(jobs)
    start = threading.Barrier(len(jobs))

    def run(place, job):
        try:
            start.wait()
            results[place] = job()
        except Exception as error:
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def committed(transactional_db):
    """An integration that other connections see."""
    return make_integration(make_team())


def test_at_once_the_same_event_is_accepted_once(committed):
    answers = at_once(*[lambda: receive(committed, told())] * 6)
    assert sorted(each.status for each in answers) == ["accepted"] + ["duplicate"] * 5
    assert len({each.id for each in answers}) == InboundDelivery.objects.count() == 1


@pytest.mark.parametrize("attempt", range(3))
def test_at_once_the_same_webhook_id_is_one_event_s_only(committed, attempt):
    answers = at_once(*(lambda n=n: receive(committed, told(n), "msg_1") for n in (1, 2, 3, 1, 2, 3)))
    assert not [each for each in answers if isinstance(each, Exception)]
    said = sorted(each.status for each in answers)
    assert said == ["accepted", "conflict", "conflict", "conflict", "conflict", "duplicate"]
    assert sorted(InboundDelivery.objects.values_list("status", flat=True)) == ["conflict", "conflict", "received"]


def test_at_once_arrays_with_the_same_events_in_any_order_are_all_answered(committed):
    events = [told(n) for n in range(200)]

    def shuffled(seed):
        return random.Random(seed).sample(events, len(events))

    rounds = [at_once(*(lambda n=n: receive(committed, shuffled(n)) for n in range(4)))]
    assert not [each for answers in rounds for each in answers if isinstance(each, Exception)]
    said = [each.status for answers in rounds for answer in answers for each in answer]
    assert said.count("accepted") == InboundDelivery.objects.count() == 200
    assert said.count("duplicate") == 600


def test_at_once_ill_and_well_written_the_event_is_accepted(committed):
    well = json.dumps(told()).encode()
    ill = well.replace(b"201", b"201.0")
    answers = at_once(*(lambda body=body: receive(committed, body) for body in (ill, well, ill, well)))
    assert sorted(each.status for each in answers) == ["accepted", "duplicate", "quarantined", "quarantined"]
    assert InboundDelivery.objects.get().status == "received"
    assert bytes(InboundDelivery.objects.get().body) == well


def test_at_once_rubbish_and_counts_are_kept_and_counted(committed):
    committed.count_only = ["x"]
    committed.save()

    def rubbish():
        try:
            receive(committed, b"{")
        except ApiError:
            return "refused"

    assert at_once(*[rubbish] * 4) == ["refused"] * 4
    at_once(*[lambda: receive(committed, an_event("x"))] * 4)
    assert InboundDelivery.objects.count() == 1
    assert DoorCount.objects.get().count == 4
