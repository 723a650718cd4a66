"""
Signatures of webhooks, coming in and going out, as the Standard Webhooks specification has them.

The secrets and their form, and the headers of what we send; the package `standardwebhooks` does the signing. Where
secrets are kept is config.vault's affair.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime

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
