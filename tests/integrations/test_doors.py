"""Tests of integrations.doors: who is let in, and that what a process remembers of it lets nobody in by itself."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import vault
from config.signing import new_signing_secret
from integrations import doors, ingest
from integrations.doors import Credential
from integrations.ingest import Refusal, Webhook
from integrations.lifecycle import rotate_token, set_signing_secret
from integrations.models import InboundDelivery, IngestKey
from teams.authentication import make_key
from teams.models import APIKey, Scope
from tests.conftest import NOON, an_event, make_integration, make_team

AT = NOON
# A name that only one kind of integration knows.
CLOSED = "incident.closed"


def webhook(credential, number=201, name="incident.started"):
    body = json.dumps(an_event(name, incident_id=number)).encode()
    return Webhook(credential, {}, lambda: body)


def receive(*webhooks):
    """What each is answered: a status of ours, or of HTTP where it is refused."""
    outcomes = ingest.receive(webhooks, AT)
    return [each.error.status if isinstance(each, Refusal) else each.status for each in outcomes]


@pytest.fixture
def token(integration):
    """The credential of an integration's token, whose door is remembered."""
    found = Credential(integration.token)
    assert receive(webhook(found, 1)) == ["accepted"]
    return found


@pytest.fixture
def key(ingest_key):
    """The credential of a key that is bound to the integration, whose door is remembered."""
    found = Credential(key=ingest_key)
    assert receive(webhook(found, 2)) == ["accepted"]
    return found


def test_doors_of_tokens_and_keys_of_many_teams_are_asked_for_in_one_statement(integration, ingest_key):
    APIKey.objects.update(last_used_at=AT)
    other = make_integration(make_team("Others"))
    wanted = {0: Credential(integration.token), 1: Credential(key=ingest_key), 5: Credential(other.token)}
    wanted |= {7: Credential("whi_wrong"), 8: Credential(key="wk_wrong"), 9: Credential()}
    with CaptureQueriesContext(connection) as asked:
        found, refused = doors.find_doors(wanted, AT, set())
    assert len(asked) == 1
    assert {n: each.integration_id for n, each in found.items()} == {0: integration.pk, 1: integration.pk, 5: other.pk}
    assert {n: (each.error.status, each.what) for n, each in refused.items()} == {
        7: (401, "token"), 8: (401, "api key"), 9: (401, "api key"),
    }  # fmt: skip


def test_of_what_is_no_key_nothing_is_told_but_what_keys_begin_with(db):
    texts = {0: "wk_abcdefghijk", 1: "another secret", 2: "whi_of_a_token"}
    refused = doors.find_doors({place: Credential(key=text) for place, text in texts.items()}, AT, set())[1]
    assert [refused[place].prefix for place in texts] == ["wk_abcdefg", "", ""]


def test_for_nothing_that_could_be_right_nothing_is_asked(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert doors.find_doors({3: Credential()}, AT, set())[1][3].why == "There was none."


def test_a_remembered_door_costs_no_statement_of_its_own(token, key, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert receive(webhook(token, 7), webhook(key, 8)) == ["accepted"] * 2


@pytest.mark.parametrize("what", ["rotated", "deactivated", "team"])
def test_a_token_that_opens_no_more_opens_nothing_at_once(integration, token, what):
    if what == "rotated":
        rotate_token(integration)
    elif what == "deactivated":
        integration.deactivated_at = AT
        integration.save()
    else:
        integration.team.deactivated_at = AT
        integration.team.save()
    assert receive(webhook(token, 9)) == [401]
    assert InboundDelivery.objects.count() == 1


@pytest.mark.parametrize("what", ["revoked", "expired", "scope", "user", "member", "bound to another"])
def test_a_key_that_opens_no_more_opens_nothing_at_once(integration, key, what):
    bound = IngestKey.objects.select_related("api_key__user").get()
    other = make_integration(integration.team, "Other")
    if what == "member":
        bound.api_key.user.memberships.all().delete()
    elif what == "user":
        bound.api_key.user.is_active = False
        bound.api_key.user.save()
    elif what == "bound to another":
        IngestKey.objects.update(integration=other)
    else:
        changed = {"revoked": {"revoked_at": AT}, "expired": {"expires_at": AT}, "scope": {"scopes": [Scope.READ]}}
        APIKey.objects.update(**changed[what])
    answers = {"scope": [403], "bound to another": ["accepted"]}
    assert receive(webhook(key, 9)) == answers.get(what, [401])
    assert integration.deliveries.count() == 1


def test_signatures_are_asked_for_at_once(integration, token):
    set_signing_secret(integration, new_signing_secret())
    assert receive(webhook(token, 9)) == [401]
    set_signing_secret(integration, None)
    assert receive(webhook(token, 9)) == ["accepted"]


def test_what_is_understood_and_what_is_counted_only_is_what_the_integration_says_now(integration, token):
    assert receive(webhook(token, 5, CLOSED)) == ["unrecognized"]
    integration.count_only = [CLOSED]
    integration.save()
    assert receive(webhook(token, 6, CLOSED)) == ["unrecognized"]
    integration.type = "watchkeeper"
    integration.save()
    assert receive(webhook(token, 7, CLOSED)) == ["accepted"]
    assert list(InboundDelivery.objects.order_by("id").values_list("status", flat=True)) == [
        "received", "unrecognized", "received",
    ]  # fmt: skip


def test_a_door_that_was_opened_again_is_open(integration, token):
    integration.deactivated_at = AT
    integration.save()
    assert receive(webhook(token, 8)) == [401]
    integration.deactivated_at = None
    integration.save()
    assert receive(webhook(token, 8)) == ["accepted"]


def test_a_token_whose_digest_is_of_an_older_key_of_ours_opens_its_door(integration, settings):
    settings.ENCRYPTION_KEYS = ["a newer key", *settings.ENCRYPTION_KEYS]
    assert vault.keyed_digest(integration.token) != bytes(integration.token_digest)
    token = Credential(integration.token)
    assert receive(webhook(token, 1)) == receive(webhook(token, 2)) == ["accepted"]


def test_a_key_s_use_is_noted_to_within_a_minute(key, django_assert_num_queries):
    APIKey.objects.update(last_used_at=None)
    for late, noted in ((30, None), (90, AT + timedelta(seconds=90)), (120, AT + timedelta(seconds=90))):
        ingest.receive([webhook(key, late)], AT + timedelta(seconds=late))
        assert APIKey.objects.get().last_used_at == noted


def test_a_key_may_send_only_with_the_scope_and_an_integration(integration, user):
    _, reader = make_key(integration.team, user, "reader", [Scope.READ])
    _, unbound = make_key(integration.team, user, "unbound", [Scope.INGEST])
    assert receive(*(webhook(Credential(key=text)) for text in (reader, unbound, ""))) == [403, 401, 401]
    assert not InboundDelivery.objects.exists()


def test_no_more_doors_are_remembered_than_there_is_room_for(integration, token, monkeypatch):
    monkeypatch.setattr(doors, "MOST_REMEMBERED", 1)
    for number in range(3):
        assert receive(webhook(Credential(make_integration(integration.team, f"{number}").token))) == ["accepted"]
    assert len(doors._remembered) == 1
