import json
from base64 import b64encode
from datetime import timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from config import clock
from config.signing import new_signing_secret, signed, sound_signing_secret

BODY = json.dumps({"message": "Zoë’s shop — down 🔥"}, ensure_ascii=False)


def headers(*secrets, at=None):
    return signed([Webhook(secret) for secret in secrets], "msg_1", at or clock.now(), BODY)


def test_new_secrets_are_sound_and_no_two_alike():
    made = {new_signing_secret() for _ in range(20)}
    assert len(made) == 20
    assert all(sound_signing_secret(secret) == secret for secret in made)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_has_24_to_64_bytes(size):
    secret = "whsec_" + b64encode(bytes(size)).decode()
    assert sound_signing_secret(secret) == secret
    assert sound_signing_secret(secret.rstrip("=")) == secret.rstrip("=")


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "secret",
        b64encode(bytes(32)).decode(),
        "whsec_" + b64encode(bytes(23)).decode(),
        "whsec_" + b64encode(bytes(65)).decode(),
        "whsec_" + "ä" * 40,
        "whsec_" + "*" * 44,
    ],
)
def test_anything_else_is_refused_with_a_sentence(secret):
    with pytest.raises(ValueError, match="whsec_ and then 24 to 64 bytes in base64"):
        sound_signing_secret(secret)


def test_what_is_signed_with_two_secrets_each_of_them_verifies():
    old, new, other = new_signing_secret(), new_signing_secret(), new_signing_secret()
    made = headers(new, old)
    assert made["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, made) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, made)


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body"])
def test_id_time_and_body_are_all_signed(changed):
    secret = new_signing_secret()
    made, body = headers(secret), BODY
    if changed == "body":
        body = BODY.replace("down", "up")
    else:
        made[changed] = "msg_2" if changed == "webhook-id" else str(int(made[changed]) + 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, made)


def test_an_old_message_is_refused_by_its_time():
    secret = new_signing_secret()
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(secret).verify(BODY, headers(secret, at=clock.now() - timedelta(minutes=6)))
