"""The sender against receivers on this machine, with its own threads and connections."""

import asyncio
import json
import threading
import time
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.conf import settings as configured
from django.db import OperationalError, connection
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from config import clock
from config.models import WorkerLoop
from incidents import lifecycle, resources
from monitors import lifecycle as watching
from monitors.models import Monitor
from tests.conftest import make_team, make_user
from tests.receivers import Receiver, answering
from tests.timeline.outbound.conftest import (
    SECRET,
    Sending,
    an_endpoint,
    an_incident,
    statuses,
    until,
)
from timeline.outbound import sender as room
from timeline.outbound.lifecycle import redeliver, rotate_secret, send_test
from timeline.outbound.models import Attempt, Endpoint, Installation, Message
from timeline.outbound.pacing import MOST_IN_HAND, MOST_OF_SLOW
from timeline.outbound.retrying import Outcome
from timeline.outbound.sender import CANNOT_SIGN, EXCERPT, EXCERPTS, UNSPEAKABLE, Sender
from timeline.outbound.settling import Parcel

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def this_machine_is_opened(settings):
    settings.WEBHOOK_NETWORKS = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def team():
    return make_team()


@pytest.fixture
def user(team):
    return make_user("alice@example.com", team, name="Alice Johnson")


def say(endpoint, subject, *numbers):
    """Messages of a subject are born."""
    Message.objects.bulk_create(
        Message(
            team=endpoint.team,
            endpoint=endpoint,
            webhook_id=f"msg_{subject}_{number}",
            event="incident.commented",
            subject_kind="incident",
            subject_id=subject,
            body=json.dumps({"subject": subject, "number": number}),
            created_at=clock.now(),
        )
        for number in numbers
    )


def delivered(number):
    return lambda: Message.objects.filter(status="delivered").count() == number


def in_order(requests):
    """Whether of each subject the first arrivals are in order."""
    last, seen = {}, set()
    for request in requests:
        if request.headers["webhook-id"] in seen:
            continue
        seen.add(request.headers["webhook-id"])
        key = (request.path, request.said["subject"])
        if last.get(key, -1) >= request.said["number"]:
            return False
        last[key] = request.said["number"]
    return True


# --- sending --------------------------------------------------------------------------------------------------


def test_what_happens_is_sent_signed_and_in_order(team, user, receiver):
    endpoint = an_endpoint(team, receiver.url())
    with Sending():
        incident = an_incident(team, user, clock.now())
        lifecycle.acknowledge(incident, by=user, at=clock.now())
        lifecycle.resolve(incident, by=user, at=clock.now())
        until(delivered(3))
    events = [request.said["event"] for request in receiver.requests]
    assert events == ["incident.started", "incident.acknowledged", "incident.resolved"]
    for request, message in zip(receiver.requests, Message.objects.order_by("id"), strict=True):
        assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(message.body)
        assert request.headers["webhook-id"] == message.webhook_id
        assert request.headers["content-type"] == "application/json"
        assert message.body.encode() == request.body
    assert Endpoint.objects.get().succeeded_at is not None
    assert Endpoint.objects.get().lease_until is None
    assert list(Attempt.objects.values_list("status_code", flat=True)) == [204] * 3
    assert endpoint.messages.count() == 3


def test_of_a_monitor_that_is_deleted_the_receiver_hears_last_though_its_incident_s_end_is_slow(team, user, receiver):
    async def slowly(request):
        if request.said["event"] == "incident.resolved":
            await asyncio.sleep(1)
        return answering(204)

    receiver.answer = slowly
    an_endpoint(team, receiver.url())
    monitor = watching.create(
        Monitor, team, by=user, at=clock.now(), name="Shop", url="https://shop.example", type="status"
    )
    an_incident(team, user, clock.now(), resource=monitor)
    with Sending():
        until(delivered(2))
        resources.destroy(monitor, by=user, at=clock.now())
        until(delivered(4))
    heard = [request.said["event"] for request in receiver.requests]
    assert heard[-2:] == ["incident.resolved", "monitor.destroyed"]
    ends = {each.message.event: each for each in Attempt.objects.select_related("message")}
    assert ends["incident.resolved"].ended_at <= ends["monitor.destroyed"].started_at
    assert receiver.requests[-2].said["dt"] <= receiver.requests[-1].said["dt"]


def test_a_test_is_sent(team, receiver):
    endpoint = an_endpoint(team, receiver.url())
    with Sending():
        send_test(endpoint, at=clock.now())
        until(delivered(1))
    assert receiver.requests[0].said["event"] == "endpoint.test"


def test_in_a_rotation_what_is_sent_carries_two_signatures_of_which_each_verifies(team, receiver):
    endpoint = an_endpoint(team, receiver.url())
    new = rotate_secret(endpoint, at=clock.now())
    say(endpoint, 1, 1)
    with Sending():
        until(delivered(1))
        rotated = Endpoint.objects.get()
        rotated.old_secret_until = clock.now()
        rotated.save()
        say(endpoint, 1, 2)
        until(delivered(2))
    both, one = receiver.requests
    assert both.headers["webhook-signature"].count("v1,") == 2
    for secret in (SECRET, new):
        Webhook(secret).verify(both.body, both.headers)
    Webhook(new).verify(one.body, one.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(one.body, one.headers)


def test_a_message_that_is_asked_for_again_goes_under_the_same_id(team, receiver):
    endpoint = an_endpoint(team, receiver.url())
    say(endpoint, 1, 1)
    with Sending():
        until(delivered(1))
        assert redeliver(Message.objects.get(), at=clock.now())
        until(lambda: len(receiver.requests) == 2)
        until(delivered(1))
    assert receiver.requests[0].headers["webhook-id"] == receiver.requests[1].headers["webhook-id"]
    assert receiver.requests[0].body == receiver.requests[1].body


def test_a_secret_that_no_key_opens_is_said_and_nothing_is_sent(team, receiver):
    an_endpoint(team, receiver.url())
    Endpoint.objects.update(secret_ciphertext=b"another key's")
    say(Endpoint.objects.get(), 1, 1)
    with Sending():
        until(Attempt.objects.exists)
    assert Attempt.objects.get().error == CANNOT_SIGN
    assert Message.objects.values_list("status", "why").get() == ("due", CANNOT_SIGN)
    assert receiver.requests == []


def test_an_address_inside_is_refused(team, receiver, settings):
    settings.WEBHOOK_NETWORKS = ()
    say(an_endpoint(team, receiver.url()), 1, 1)
    with Sending():
        until(Attempt.objects.exists)
    assert "not on the public internet" in Attempt.objects.get().error
    assert receiver.requests == []


# --- answers --------------------------------------------------------------------------------------------------


def test_an_answer_is_kept_up_to_64_kib_and_without_nul(team, receiver):
    receiver.answer = lambda request: answering(500, b"a\0b\xff" + "é".encode() * 40_000)
    say(an_endpoint(team, receiver.url()), 1, 1)
    with Sending():
        until(Attempt.objects.exists)
    attempt = Attempt.objects.get()
    assert attempt.excerpt[:4] == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert len(attempt.excerpt) == 4 + (EXCERPT - 4) // 2
    assert (attempt.status_code, attempt.error) == (500, "The answer was 500.")


def test_very_large_answers_are_written_down_in_portions():
    sender, parcel = Sender(), Parcel(1, 1, "msg_1", "{}", 1, 1)
    now = clock.now()
    sender.ended = [(parcel, Outcome(now, now, 500, excerpt="x" * EXCERPT)) for _ in range(3 * EXCERPTS // EXCERPT)]
    portions = []
    while sender.ended:
        portions.append(len(sender.portion()))
    assert portions == [EXCERPTS // EXCERPT] * 3
    sender.ended = [(parcel, Outcome(now, now, 500, excerpt="x" * 2 * EXCERPTS))] * 2
    assert [len(sender.portion()), len(sender.portion()), len(sender.portion())] == [1, 1, 0]


def test_what_can_not_be_written_down_holds_nothing_else_up_and_is_tried_again_on_its_schedule(
    team, receiver, monkeypatch
):
    monkeypatch.setattr(room, "TROUBLE_SECONDS", 0.02)
    real = Sender.outcome

    async def outcome(self, outward, parcel, endpoint):
        found = await real(self, outward, parcel, endpoint)
        return replace(found, excerpt="\0") if '"subject": 3,' in parcel.body else found

    monkeypatch.setattr(Sender, "outcome", outcome)
    endpoint = an_endpoint(team, receiver.url(), succeeded_at=clock.now())
    for subject in range(8):
        say(endpoint, subject, 1, 2)
    with Sending() as sending:
        until(lambda: statuses() == {"delivered", "due", "behind"})
        until(lambda: sending.senders[0].at_most == MOST_IN_HAND)
    assert Message.objects.filter(status="delivered").count() == 14
    assert Message.objects.values_list("subject_id", "tries", "why").get(status="due") == (3, 1, UNSPEAKABLE)
    assert len(receiver.requests) == 15


@pytest.mark.parametrize(
    "lines", [b"Content-Length: 2\r\nContent-Length: 2\r\n", b"X: " + b"x" * 9_000 + b"\r\nContent-Length: 2\r\n"]
)
def test_what_was_taken_with_a_badly_written_answer_is_not_sent_again(team, receiver, lines):
    receiver.answer = lambda request: b"HTTP/1.1 200 OK\r\n" + lines + b"\r\nok"
    say(an_endpoint(team, receiver.url()), 1, 1, 2, 3)
    with Sending():
        until(delivered(3))
    assert [attempt.status_code for attempt in Attempt.objects.all()] == [200] * 3
    assert len(receiver.requests) == 3


def test_a_connection_that_is_cut_is_a_failure_and_tried_again(team, receiver):
    receiver.answer = lambda request: None if len(receiver.requests) == 1 else answering(200)
    say(an_endpoint(team, receiver.url()), 1, 1)
    with Sending():
        until(Attempt.objects.exists)
        Message.objects.update(due_at=clock.now())
        until(delivered(1))
    first, second = Attempt.objects.order_by("id")
    assert (first.status_code, bool(first.error), second.status_code) == (None, True, 200)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


# --- who holds up whom ----------------------------------------------------------------------------------------


def test_very_many_slow_endpoints_hold_nobody_else_up(team, receiver):
    async def slowly():
        await asyncio.sleep(60)
        return answering(200)

    receiver.answer = lambda request: slowly() if "slow" in request.path else answering(200)
    for number in range(2 * MOST_OF_SLOW):
        say(an_endpoint(team, receiver.url(f"/slow/{number}")), 1, 1)
    with Sending():
        until(lambda: sum(receiver.under_way.values()) == MOST_OF_SLOW)
        well = an_endpoint(team, receiver.url("/well"), succeeded_at=clock.now())
        for subject in range(20):
            say(well, subject, *range(5))
        until(delivered(100))
        assert sum(receiver.under_way.values()) <= MOST_OF_SLOW
    assert in_order([request for request in receiver.requests if request.path == "/well"])


def test_no_endpoint_is_sent_more_at_once_than_it_may_be(team, receiver):
    async def shortly():
        await asyncio.sleep(0.05)
        return answering(200)

    receiver.answer = lambda request: shortly()
    endpoint = an_endpoint(team, receiver.url(), succeeded_at=clock.now())
    for subject in range(300):
        say(endpoint, subject, 1)
    sending = Sending()
    with sending:
        until(delivered(300))
        until(lambda: not sending.senders[0].places)
    assert 8 < receiver.most_under_way["/hook"] <= room.AT_ONCE


# --- several, and trouble -------------------------------------------------------------------------------------


def test_two_senders_side_by_side_deliver_everything_once_and_in_order(team, receiver):
    endpoints = [an_endpoint(team, receiver.url(f"/{number}")) for number in range(20)]
    with Sending(2) as sending:
        for number in range(10):
            for endpoint in endpoints:
                for subject in range(3):
                    say(endpoint, subject, number)
        until(delivered(600), 60)
        assert all(
            sender.engine is not sending.senders[not index].engine for index, sender in enumerate(sending.senders)
        )
    assert len(receiver.requests) == 600
    assert in_order(receiver.requests)
    assert Attempt.objects.count() == 600
    assert set(Endpoint.objects.values_list("lease_until", flat=True)) == {None}


def test_a_sender_whose_connection_is_cut_again_and_again_goes_on_and_nothing_is_stuck(team, receiver, monkeypatch):
    monkeypatch.setattr(room, "TROUBLE_SECONDS", 0.05)
    endpoints = [an_endpoint(team, receiver.url(f"/{number}")) for number in range(5)]
    with Sending():
        for number in range(20):
            for endpoint in endpoints:
                say(endpoint, 1, number)
            if number % 4 == 0:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                    )
            time.sleep(0.02)
        until(delivered(100), 60)
    assert in_order(receiver.requests)


def test_a_sender_that_can_not_even_begin_begins_again_with_a_new_connection(team, receiver, monkeypatch):
    monkeypatch.setattr(room, "TROUBLE_SECONDS", 0.05)
    real, times = room.look, []

    def look(at):
        times.append(at)
        if len(times) <= 2:
            connection.ensure_connection()
            connection.connection.close()  # it does not know
        return real(at)

    monkeypatch.setattr(room, "look", look)
    say(an_endpoint(team, receiver.url()), 1, 1)
    with Sending():
        until(delivered(1))
    assert len(times) == 3


def test_what_is_lost_between_the_commit_and_the_sending_is_found_again(team, receiver, monkeypatch):
    """The data folder is full for a moment, just when it should remember what was taken up."""
    monkeypatch.setattr(room, "TROUBLE_SECONDS", 0.05)
    real, failures = room.Engine.turn, []

    def turn(self, *given, **more):
        found = real(self, *given, **more)
        if found and len(failures) < 3:
            failures.append(found)
            raise OSError("no space left on device") if len(failures) % 2 else OperationalError("the line broke")
        return found

    monkeypatch.setattr(room.Engine, "turn", turn)
    endpoint = an_endpoint(team, receiver.url())
    say(endpoint, 1, 1, 2)
    with Sending():
        until(delivered(2), 60)
    assert len(failures) == 3
    assert [request.said["number"] for request in receiver.requests] == [1, 2]


def test_what_is_not_begun_before_its_lease_is_over_is_left_to_whoever_holds_it_then(team, receiver):
    """The first answers come when the leases are over; what waited for a connection meanwhile is not sent by us."""
    going_on = threading.Event()

    async def when_told():
        while not going_on.is_set():
            await asyncio.sleep(0.01)
        return answering(200)

    receiver.answer = lambda request: when_told()
    endpoint = an_endpoint(team, receiver.url(), succeeded_at=clock.now())
    for subject in range(8):
        say(endpoint, subject, 1)
    sending = Sending()
    [sender] = sending.senders
    with sending:
        until(lambda: len(receiver.requests) == 8)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE timeline_endpoint SET lease_token = lease_token + 1, lease_until = NULL")
        for subject in range(8, 12):
            say(endpoint, subject, 1)
        # Taken over, by itself as it happens: everything is sent again, under the same ids, and ends once.
        until(lambda: len(receiver.requests) >= 16)
        going_on.set()
        until(delivered(12))
    assert not any(place.waiting or place.lines for place in sender.places.values())
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 12
    assert Attempt.objects.filter(ended_at=None).count() == 8
    assert Attempt.objects.exclude(ended_at=None).count() == 12


def test_a_sender_that_is_told_to_stop_finishes_what_it_is_sending_and_gives_the_rest_back(team, receiver, monkeypatch):
    async def shortly():
        await asyncio.sleep(0.3)
        return answering(200)

    async def never():
        await asyncio.sleep(60)

    monkeypatch.setattr(room, "LAST_PATIENCE", 1.0)
    receiver.answer = lambda request: shortly() if request.path == "/quick" else never()
    say(an_endpoint(team, receiver.url("/quick")), 1, 1)
    say(an_endpoint(team, receiver.url("/slow")), 1, 1)
    with Sending():
        until(lambda: len(receiver.requests) == 2)
    assert sorted(Message.objects.values_list("status", "tries")) == [("delivered", 1), ("due", 0)]
    assert set(Endpoint.objects.values_list("lease_until", flat=True)) == {None}


def test_what_ended_while_the_database_was_away_is_written_down_later(team, receiver, monkeypatch):
    monkeypatch.setattr(room, "TROUBLE_SECONDS", 0.05)
    real, away = room.Engine.turn, threading.Event()

    def turn(self, *given, **more):
        if away.is_set():
            raise OperationalError("no connection")
        return real(self, *given, **more)

    monkeypatch.setattr(room.Engine, "turn", turn)
    receiver.answer = lambda request: away.set() or answering(200)
    say(an_endpoint(team, receiver.url()), 1, 1)
    with Sending():
        until(away.is_set)
        time.sleep(0.3)
        assert statuses() == {"sending"}
        away.clear()
        until(delivered(1))
    assert len(receiver.requests) == 1
    assert Attempt.objects.get().status_code == 200


# --- being looked at ------------------------------------------------------------------------------------------


def test_the_sender_reports_itself(team):
    with Sending():
        until(lambda: WorkerLoop.objects.filter(name=room.LOOP).exists())
    assert room.LOOP in configured.WORKER_LOOPS


def test_a_sender_that_fails_at_every_turn_does_not_report(team, monkeypatch):
    failed = []

    def turn(self, *given, **more):
        failed.append(1)
        raise ValueError("boom")

    monkeypatch.setattr(room, "TROUBLE_SECONDS", 0.02)
    monkeypatch.setattr(room.Engine, "turn", turn)
    with Sending():
        until(lambda: len(failed) > 2)
    assert not WorkerLoop.objects.exists()


def test_while_sending_is_paused_the_sender_says_so_and_sends_nothing(team, receiver, data_folder):
    say(an_endpoint(team, receiver.url()), 1, 1)
    Installation.objects.create(counter=5, public_id="wk_1")
    with Sending():
        until(lambda: WorkerLoop.objects.filter(name=room.LOOP, detail__contains="paused").exists())
    assert receiver.requests == []
    assert statuses() == {"new"}


def test_a_message_is_not_sent_twice_where_its_endpoint_was_edited_meanwhile(team, receiver):
    endpoint = an_endpoint(team, "http://127.0.0.1:9/nobody")
    say(endpoint, 1, 1)
    with Sending():
        until(Attempt.objects.exists)
        Endpoint.objects.update(url=receiver.url("/moved"))
        Message.objects.update(due_at=clock.now() - timedelta(seconds=1))
        until(delivered(1))
    assert [request.path for request in receiver.requests] == ["/moved"]


def test_a_receiver_can_be_anything(team):
    with Receiver(lambda request: b"SSH-2.0-OpenSSH\r\n") as odd:
        say(an_endpoint(team, odd.url()), 1, 1)
        with Sending():
            until(Attempt.objects.exists)
        assert Attempt.objects.get().status_code is None
        assert statuses() == {"due"}
