"""
Signatures of webhooks, coming in and going out, as the Standard Webhooks specification has them.

The secrets and their form, the headers of what we send, which the package `standardwebhooks` signs, and whether what
comes in is signed: here the package would cost more than all else that is done for an event. Where secrets are kept is
config.vault's affair.
"""

import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from math import floor, isfinite
from typing import NamedTuple

from standardwebhooks.webhooks import Webhook

# How the specification writes signing secrets.
SECRET_PREFIX = "whsec_"  # noqa: S105
SECRET_BYTES = range(24, 65)


def new_signing_secret() -> str:
    """A new signing secret."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(32)).decode()


def sound_signing_secret(text: str) -> str:
    """A signing secret that can check signatures. Raises ValueError, with a sentence to be shown, for all else."""
    encoded = text.removeprefix(SECRET_PREFIX)
    try:
        key = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not (text.startswith(SECRET_PREFIX) and len(key) in SECRET_BYTES):
        raise ValueError("A signing secret is whsec_ and then 24 to 64 bytes in base64.")
    return text


def signed(signers: Sequence[Webhook], webhook_id: str, at: datetime, body: str) -> dict[str, str]:
    """The headers of a message that is sent at a moment, with a signature for each of the secrets that are good."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(each.sign(webhook_id, at, body) for each in signers),
    }


# What comes in

# By how many seconds a sender's clock may be wrong.
TOLERANCE = 5 * 60
# One of several signatures in a header, of the only version whose secret both sides know.
_signatures = re.compile(r"(?<![^ ])v1,([A-Za-z0-9+/]{43}=)(?![^ ])").findall


class Signature(NamedTuple):
    """The headers that sign a request: its id, when it was sent, and the signatures."""

    id: str
    timestamp: str
    signatures: str


def signing_key(secret: str) -> bytes:
    """The bytes that sign, of a signing secret as it is written."""
    return b64decode(secret.removeprefix(SECRET_PREFIX) + "==")


def is_signed(body: bytes, signature: Signature, key: bytes, at: datetime) -> bool:
    """Whether one of a request's signatures is good and was made within five minutes of a moment."""
    try:
        sent_at = float(signature.timestamp)
    except ValueError:
        return False
    if not signature.id or not isfinite(sent_at) or abs(sent_at - at.timestamp()) > TOLERANCE:
        return False
    good = hmac.digest(key, f"{signature.id}.{floor(sent_at)}.".encode() + body, "sha256")
    return any(hmac.compare_digest(good, b64decode(each)) for each in _signatures(signature.signatures))
