"""
Tests of many requests at once (integrations.ingest, integrations.delivery_store): the statements are as many as for
one, and each is answered as if it had come alone, after those before it.
"""

import gzip
import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from standardwebhooks.webhooks import Webhook as Signer

from config import canary
from config.encodings import gunzip
from config.signing import Signature, new_signing_secret
from integrations import delivery_store, doors, ingest
from integrations.doors import Credential
from integrations.ingest import Answer, Refusal, Webhook
from integrations.lifecycle import set_signing_secret
from integrations.models import DoorCount, InboundDelivery
from tests.conftest import NOON, an_event, make_integration, make_team

AT = NOON + timedelta(hours=1)


def started(number=201, **fields):
    return json.dumps(an_event("incident.started", incident_id=number, **fields)).encode()


def sent(integration, body=None, webhook_id=None, **more):
    headers = {"webhook-id": webhook_id} if webhook_id else {}
    body = started() if body is None else body
    return Webhook(Credential(integration.token), headers, lambda: body, **more)


def said(outcome):
    """An outcome in short."""
    if isinstance(outcome, list):
        return [each.status for each in outcome]
    return outcome.error.code if isinstance(outcome, Refusal) else outcome.status


def receive(*webhooks):
    return [said(each) for each in ingest.receive(webhooks, AT)]


# One of everything, and what is said of it.
STORY = [
    ({"body": started(1)}, "accepted"),
    ({"body": started(1)}, "duplicate"),
    ({"body": started(2), "webhook_id": "a"}, "accepted"),
    ({"body": started(3), "webhook_id": "a"}, "conflict"),
    ({"body": started(2), "webhook_id": "b"}, "duplicate"),
    ({"body": started(4, dt="2026-05-14T12:00:00.000Z")}, "waiting"),
    ({"body": json.dumps(an_event("monitor.checked")).encode()}, "unrecognized"),
    ({"body": started("x")}, "quarantined"),
    ({"body": b"{"}, "MALFORMED_JSON"),
    ({"body": b"{"}, "MALFORMED_JSON"),
    ({"body": b"[]"}, "VALIDATION_ERROR"),
    ({"body": b"[" + started(1) + b"," + started(5) + b"]"}, ["duplicate", "accepted"]),
    ({"body": started(6, message="x" * 70_000)}, "quarantined"),
]


def test_everything_at_once_takes_the_statements_that_one_takes_and_is_answered_as_one_by_one(integration):
    webhooks = [sent(integration, **what) for what, _ in STORY]
    with CaptureQueriesContext(connection) as asked:
        assert receive(*webhooks) == [expected for _, expected in STORY]
    assert len(asked) == 2
    other = make_integration(integration.team, "One by one")
    assert [answer for what, _ in STORY for answer in receive(sent(other, **what))] == [
        expected for _, expected in STORY
    ]
    kept = [
        list(each.deliveries.order_by("identity").values("identity", "body", "status", "webhook_id", "error", "event"))
        for each in (integration, other)
    ]
    assert kept[0] == kept[1]
    assert receive(*webhooks) == [
        "duplicate", "duplicate", "duplicate", "conflict", "duplicate", "duplicate", "duplicate", "quarantined",
        "MALFORMED_JSON", "MALFORMED_JSON", "VALIDATION_ERROR", ["duplicate", "duplicate"], "quarantined",
    ]  # fmt: skip


def test_each_delivery_is_its_own_integration_s(integration):
    others = [make_integration(make_team(f"Team {n}")) for n in range(3)]
    answers = ingest.receive([sent(each, started(n)) for n, each in enumerate([integration, *others])], AT)
    kept = InboundDelivery.objects.in_bulk([each.id for each in answers])
    assert [(kept[each.id].integration_id, kept[each.id].team_id) for each in answers] == [
        (each.pk, each.team_id) for each in [integration, *others]
    ]
    assert [bytes(kept[each.id].body) for each in answers] == [started(n) for n in range(4)]


@pytest.mark.parametrize("number", [1, 40])
def test_however_many_are_sent_again_signed_or_packed_the_statements_are_as_many(integration, number):
    secret = new_signing_secret()
    signing = make_integration(integration.team, "Signing")
    set_signing_secret(signing, secret)

    def signed(n):
        body = started(n)
        signature = Signature(f"m{n}", str(int(AT.timestamp())), Signer(secret).sign(f"m{n}", AT, body.decode()))
        return sent(signing, body, f"m{n}", signature=signature)

    def packed(n):
        body = gzip.compress(started(500 + n))
        return Webhook(Credential(integration.token), {}, lambda: gunzip(body, 10_000), is_packed=True)

    ways = {"again": lambda n: sent(integration, started(n)), "signed": signed, "packed": packed}
    receive(*(sent(integration, started(n)) for n in range(number)), sent(signing, started(999)))
    for way, statements, status in (("again", 1, "duplicate"), ("signed", 1, "accepted"), ("packed", 2, "accepted")):
        with CaptureQueriesContext(connection) as asked:
            assert receive(*map(ways[way], range(number))) == [status] * number
        assert (way, len(asked)) == (way, statements)


def test_refused_and_counted_ones_are_counted_in_one_statement(integration):
    integration.count_only = ["monitor.checked", "monitor.looked"]
    integration.save()
    set_signing_secret(signing := make_integration(integration.team, "Signing"), new_signing_secret())
    names = ("monitor.checked", "monitor.looked", "monitor.checked")
    canary.settle(AT)
    some = [sent(integration, json.dumps(an_event(name, n=n)).encode()) for n, name in enumerate(names)]
    some += [sent(signing), Webhook(Credential("whi_no"), {}, bytes), Webhook(Credential(), {}, bytes)]
    with CaptureQueriesContext(connection) as asked:
        assert receive(*some) == ["unrecognized"] * 3 + ["UNAUTHORIZED"] * 3
    assert len(asked) == 4  # doors, whether the keys fit, the gate for those that are counted, counts
    assert set(DoorCount.objects.values_list("integration", "reason", "count")) == {
        (integration.pk, "monitor.checked", 2), (integration.pk, "monitor.looked", 1),
        (signing.pk, "signature", 1), (None, "unauthorized", 2),
    }  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0, 1, 1, 0)])
def test_of_one_event_written_ill_and_well_at_once_the_well_written_is_kept(integration, order):
    both = [(started().replace(b"201", b"201.0"), "quarantined"), (started(), "accepted")]
    answers = receive(*(sent(integration, both[n][0]) for n in order))
    assert [each == "quarantined" for each in answers] == [n == 0 for n in order]
    assert answers.count("accepted") == 1
    assert bytes(InboundDelivery.objects.get().body) == started()


def test_under_one_new_webhook_id_the_first_event_is_taken_and_all_others_conflict(integration):
    webhooks = [sent(integration, started(n), "a") for n in (1, 2, 3, 1)]
    assert receive(*webhooks) == ["accepted", "conflict", "conflict", "duplicate"]
    assert receive(sent(integration, started(9), "a"), sent(integration, started(2), "b")) == ["conflict", "accepted"]


def test_a_webhook_id_that_comes_with_what_is_known_is_not_used_up(integration):
    assert receive(sent(integration, started(1))) == ["accepted"]
    some = [sent(integration, started(n), "a") for n in (1, 2, 3)]
    assert receive(*some) == ["conflict", "accepted", "conflict"]


def test_there_is_room_for_so_much_that_is_no_event_also_when_it_comes_at_once(integration, monkeypatch):
    monkeypatch.setattr(delivery_store, "MOST_RUBBISH_ROWS", 3)
    bodies = [b"{%d" % number for number in (1, 2, 2, 3, 4, 5)]
    assert set(receive(*(sent(integration, body) for body in bodies))) == {"MALFORMED_JSON"}
    assert [bytes(each.body) for each in InboundDelivery.objects.order_by("id")] == [b"{1", b"{2", b"{3"]
    assert DoorCount.objects.get().count == 2
    monkeypatch.setattr(delivery_store, "MOST_RUBBISH_ROWS", 100)
    monkeypatch.setattr(delivery_store, "MOST_RUBBISH_BYTES", 10)
    receive(*(sent(integration, b"{" * number) for number in (2, 3)))
    assert InboundDelivery.objects.count() == 4


def test_one_whose_secret_can_not_be_opened_keeps_nobody_else_s_back(integration):
    broken = make_integration(integration.team, "Broken", signing_secret_ciphertext=b"gAAAA-not-ours")
    first, second, third = ingest.receive([sent(integration), sent(broken), sent(integration, started(2))], AT)
    assert [said(each) for each in (first, second, third)] == ["accepted", "UNAVAILABLE", "accepted"]


def test_what_somebody_else_keeps_at_the_same_moment_is_looked_at_again(transactional_db, monkeypatch):
    integration = make_integration(make_team())
    real, calls = delivery_store.fetch, []

    def interrupted(sql, values):
        calls.append(sql)
        if len(calls) == 1:
            raise IntegrityError("webhook-id")
        found = real(sql, values)
        # What was just written by another, whom the statement did not see.
        return (
            [(place, verdict, None, None, fits) for place, verdict, _, _, fits in found] if len(calls) == 2 else found
        )

    monkeypatch.setattr(delivery_store, "fetch", interrupted)
    [parcel] = [delivery_store.Parcel(door(integration), ingest.judge(started(), json.loads(started()), AT), {})]
    [kept] = delivery_store.keep([parcel], AT)
    assert (len(calls), kept.verdict, kept.new, kept.old) == (3, "received", None, InboundDelivery.objects.get().pk)


def door(integration):
    return doors.find_doors({0: doors.of(integration)}, AT, set())[0][0]


def test_an_answer_says_what_became_of_it(integration):
    assert ingest.receive([sent(integration, started(1, regions=5))], AT) == [
        Answer(InboundDelivery.objects.get().pk, "accepted", ignored=("regions",))
    ]
