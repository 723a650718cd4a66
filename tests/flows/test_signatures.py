"""
What we sign opens the door of another Watchkeeper that knows the secret, and eight kinds of forgery don't.

The sender's own headers are used, and the package `standardwebhooks` has the last word on them.
"""

import json
from datetime import datetime, timedelta

import pytest
from django.test import Client
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from config import clock
from config.signing import new_signing_secret, signed
from integrations.lifecycle import set_signing_secret
from integrations.models import Integration
from tests.conftest import an_event, make_integration, make_team
from tests.endpoints import secrets_at
from timeline.outbound.lifecycle import create_endpoint, rotate_secret
from timeline.outbound.models import Endpoint

pytestmark = pytest.mark.django_db

ID = "msg_0123456789abcdef0123456789abcdef"
BODY = json.dumps(an_event("incident.started"), separators=(",", ":"))


@pytest.fixture
def endpoint() -> Endpoint:
    return create_endpoint(make_team("Ours"), at=clock.now(), url="https://receiver.example.com/")[0]


@pytest.fixture
def receiver(endpoint: Endpoint) -> Integration:
    """Another team's integration, which asks for the endpoint's signatures."""
    integration = make_integration(make_team("Theirs"))
    [secret] = secrets_at(endpoint, clock.now())
    set_signing_secret(integration, secret)
    return integration


def headers_of(endpoint: Endpoint, at: datetime | None = None) -> dict[str, str]:
    """The headers that a message to an endpoint is sent with."""
    moment = at or clock.now()
    return signed([Webhook(secret) for secret in secrets_at(endpoint, clock.now())], ID, moment, BODY)


def post(receiver: Integration, headers: dict[str, str], body: str = BODY) -> int:
    """The status that the receiver's door answers."""
    path = f"/api/webhooks/incident-log/{receiver.token}"
    return Client().post(path, body, content_type="application/json", headers=headers).status_code


def test_what_is_signed_is_let_in(endpoint, receiver):
    Webhook(secrets_at(endpoint, clock.now())[0]).verify(BODY, headers_of(endpoint))
    assert post(receiver, headers_of(endpoint)) == 202
    assert post(receiver, headers_of(endpoint)) == 200


def test_during_a_rotation_both_secrets_verify_and_a_day_later_only_the_new_one(endpoint, receiver):
    [old] = secrets_at(endpoint, clock.now())
    new = rotate_secret(endpoint, at=clock.now())
    headers = headers_of(endpoint)
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
    assert post(receiver, headers) == 202
    assert secrets_at(endpoint, clock.now() + timedelta(hours=25)) == [new]


MINUTES = timedelta(minutes=1)
FORGERIES = {
    "another body": lambda ours, theirs: (ours, BODY.replace("started", "resolved")),
    "another id": lambda ours, theirs: (ours | {"webhook-id": "msg_other"}, BODY),
    "another time": lambda ours, theirs: (ours | {"webhook-timestamp": str(int(ours["webhook-timestamp"]) + 1)}, BODY),
    "another secret": lambda ours, theirs: (theirs, BODY),
    "no signature": lambda ours, theirs: ({k: v for k, v in ours.items() if k != "webhook-signature"}, BODY),
    "another version": lambda ours, theirs: (ours | {"webhook-signature": "v2" + ours["webhook-signature"][2:]}, BODY),
    "half a signature": lambda ours, theirs: (ours | {"webhook-signature": ours["webhook-signature"][:20]}, BODY),
    "its bare digest": lambda ours, theirs: (ours | {"webhook-signature": ours["webhook-signature"][3:]}, BODY),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forgery_is_refused(endpoint, receiver, kind):
    ours = headers_of(endpoint)
    theirs = signed([Webhook(new_signing_secret())], ID, clock.now(), BODY)
    headers, body = FORGERIES[kind](ours, theirs)
    with pytest.raises((WebhookVerificationError, ValueError)):
        Webhook(secrets_at(endpoint, clock.now())[0]).verify(body, headers)
    assert post(receiver, headers, body) == 401
    assert not receiver.deliveries.exists()


@pytest.mark.parametrize("away", [-6 * MINUTES, 6 * MINUTES], ids=["sent again later", "dated ahead"])
def test_a_message_of_another_time_is_refused_though_well_signed(endpoint, receiver, away):
    assert post(receiver, headers_of(endpoint, clock.now() + away)) == 401
    assert not receiver.deliveries.exists()
