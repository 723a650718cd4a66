"""Tests of integrations.at_once: the short way takes the common case in one statement, and nothing else."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.vault import seal
from integrations import at_once
from integrations.at_once import Sent
from integrations.models import InboundDelivery
from teams.authentication import make_key
from teams.models import APIKey, Scope
from tests.conftest import NOON, an_event, make_integration, make_team

AT = NOON


def started(number=201, **fields):
    return json.dumps(an_event("incident.started", incident_id=number, **fields)).encode()


BODY = started()


def by_token(integration, body=BODY, **headers):
    return Sent(integration.token, None, body, {name.replace("_", "-"): value for name, value in headers.items()})


def receive(*sent):
    return [answer and (answer.id, answer.status) for answer in at_once.receive(sent, AT)]


def ids():
    return list(InboundDelivery.objects.order_by("id").values_list("id", flat=True))


def test_the_common_case_is_kept_in_one_statement(integration):
    with CaptureQueriesContext(connection) as asked:
        answers = receive(by_token(integration, user_agent="Vendor/1", webhook_id="msg_1"))
    assert len(asked) == 1
    [delivery] = InboundDelivery.objects.all()
    assert answers == [(delivery.id, "accepted")]
    assert bytes(delivery.body) == BODY
    assert (delivery.team_id, delivery.integration_id) == (integration.team_id, integration.pk)
    assert (delivery.status, delivery.event, delivery.is_event) == ("received", "incident.started", True)
    assert delivery.headers == {"user-agent": "Vendor/1", "webhook-id": "msg_1"}
    assert (delivery.received_at, delivery.webhook_id, delivery.attempts) == (AT, "msg_1", 0)


def test_events_of_many_teams_by_tokens_and_keys_are_kept_in_two_statements(integration, ingest_key):
    other = make_integration(make_team("Others"))
    key = APIKey.objects.get(ingest__integration=integration)
    sent = [by_token(integration, started(n)) for n in (1, 2)] + [by_token(other, started(3))]
    sent += [Sent(None, key, started(n), {}) for n in (4, 5)]
    with CaptureQueriesContext(connection) as asked:
        answers = receive(*sent)
    assert len(asked) == 2
    kept = InboundDelivery.objects.in_bulk([identity for identity, _ in answers])
    assert [kept[identity].integration_id for identity, _ in answers] == [
        integration.pk, integration.pk, other.pk, integration.pk, integration.pk,
    ]  # fmt: skip
    assert [bytes(kept[identity].body) for identity, _ in answers] == [each.body for each in sent]


def test_it_keeps_what_the_long_way_keeps(integration, client):
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1", "user-agent": "Vendor/1", "content-type": "text/é"}
    other = make_integration(integration.team, "Other")
    receive(Sent(integration.token, None, BODY, headers))
    sent = {"content_type": headers.pop("content-type"), "headers": headers}
    client.post(f"/api/webhooks/incident-log/{other.token}", BODY, **sent)
    short, long = (InboundDelivery.objects.filter(integration=each).values().get() for each in (integration, other))
    differing = {"id", "integration_id", "received_at"}
    assert {k: v for k, v in short.items() if k not in differing} == {
        k: v for k, v in long.items() if k not in differing
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"[" + BODY + b"]",
        b" [" + BODY + b"]",
        b'"text"',
        started(None),
        json.dumps(an_event("monitor.checked")).encode(),
        started(message="x" * 70_000),
        started(dt="2026-05-13T12:10:00.001Z"),
    ],
    ids=[
        "nothing",
        "broken",
        "empty array",
        "array",
        "array later",
        "text",
        "wrong fields",
        "unknown",
        "too large",
        "ahead",
    ],
)
def test_any_other_event_is_left_to_the_long_way_and_those_beside_it_are_kept(integration, body):
    first, left, last = receive(*(by_token(integration, each) for each in (started(1), body, started(2))))
    assert left is None
    assert [first, last] == [(identity, "accepted") for identity in ids()]


def test_what_is_read_otherwise_than_it_was_sent_is_the_common_case_too(integration):
    bodies = [started("7", organization_id=5), started(8, regions=9, resource_id="x"), started(9, regions="eu")]
    with CaptureQueriesContext(connection) as asked:
        answers = at_once.receive([by_token(integration, body) for body in bodies], AT)
    assert (len(asked), [each.ignored for each in answers]) == (1, [(), ("resource_id", "regions"), ()])
    kept = InboundDelivery.objects.in_bulk([each.id for each in answers])
    assert [kept[each.id].ignored for each in answers] == [None, ["resource_id", "regions"], None]
    assert [bytes(kept[each.id].body) for each in answers] == bodies


def test_a_webhook_id_may_have_its_name_at_svix(integration):
    assert receive(by_token(integration, svix_id="msg_1")) != [None]
    assert (InboundDelivery.objects.get().webhook_id, receive(by_token(integration, started(2), svix_id="msg_1"))) == (
        "msg_1", [None],
    )  # fmt: skip


def test_no_more_is_read_in_one_go_than_strangers_may_make_us_read(integration):
    sent = [by_token(integration, started(n, message="x" * 7_000)) for n in range(30)]
    answers = receive(*sent)
    assert [answer is None for answer in answers] == [False] * 18 + [True] * 12
    assert receive(by_token(integration, started(99, message="x" * 9_000))) == [None]


def test_what_is_there_already_is_left_to_the_long_way(integration):
    assert receive(by_token(integration, webhook_id="msg_1")) != [None]
    assert receive(by_token(integration)) == [None]
    assert receive(by_token(integration, started(5), webhook_id="msg_1")) == [None]
    assert InboundDelivery.objects.count() == 1


def test_of_the_same_event_twice_the_first_is_kept_and_the_second_left(integration):
    other = make_integration(integration.team, "Other")
    answers = receive(by_token(integration), by_token(integration), by_token(other))
    assert answers == [(ids()[0], "accepted"), None, None]
    answers = receive(*(by_token(integration, started(n), webhook_id="msg_1") for n in (7, 8)))
    assert sorted(answer is None for answer in answers) == [False, True]


def test_a_shut_door_an_abandoned_team_and_a_signing_integration_are_left_to_the_long_way(team):
    shut = make_integration(team, "Shut", deactivated_at=timezone.now())
    signing = make_integration(team, "Signing", signing_secret_ciphertext=seal("whsec_x"))
    abandoned = make_team("Abandoned")
    abandoned.deactivated_at = timezone.now()
    abandoned.save()
    doors = [shut, signing, make_integration(abandoned)]
    assert receive(*(by_token(each, started(n)) for n, each in enumerate(doors))) == [None] * 3
    assert receive(Sent("whi_unknown", None, BODY, {})) == [None]
    assert not ids()


def test_a_key_may_send_only_with_the_scope_and_an_integration(integration, user):
    reader, _ = make_key(integration.team, user, "reader", [Scope.READ])
    unbound, _ = make_key(integration.team, user, "unbound", [Scope.INGEST])
    assert receive(*(Sent(None, key, BODY, {}) for key in (reader, unbound, None))) == [None] * 3
    assert not ids()
