"""Secrets: how they are made, kept and looked up.

Three ways, after what must be done with a secret later. API keys are only ever compared: `plain_digest`.
Tokens that stand in URLs are looked up and shown again: `keyed_digest` to find them, `seal` to keep them.
Signing secrets and credentials are used again: `seal`. So a dump of the database reveals none of them.

The keys are `settings.ENCRYPTION_KEYS`, texts of any form, from each of which a sealing key and a digest key
are derived (HKDF). The first one seals and digests; all of them open and find, so that a key can be replaced.
Not for passwords of people: those are Django's hashers'.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class CannotOpen(ValueError):
    """Sealed bytes that none of the present keys opens: they were changed, or their key was taken away."""


def seal(text: str) -> bytes:
    """`text` encrypted and authenticated under the first key: ASCII, 4/3 of its length and about 80 bytes."""
    return _sealer(_keys()).encrypt(text.encode())


def open_sealed(sealed: bytes) -> str:
    """The text that `seal` was given. Raises CannotOpen."""
    try:
        return _sealer(_keys()).decrypt(bytes(sealed)).decode()
    except InvalidToken:
        raise CannotOpen("no present encryption key opens this secret") from None


def opens(sealed: bytes, keys: Sequence[str]) -> bool:
    """Whether one of some keys opens what was sealed."""
    try:
        _sealer(tuple(keys)).decrypt(bytes(sealed))
    except InvalidToken:
        return False
    return True


def keyed_digest(text: str) -> bytes:
    """32 bytes (HMAC-SHA256 under the first key) that find `text` again, and say nothing without the key."""
    return keyed_digests(text)[0]


def keyed_digests(text: str) -> list[bytes]:
    """The digest of `text` under every key, the first key's first: what to look a stranger's token up by."""
    raw = text.encode(errors="surrogatepass")
    return [hmac.digest(key, raw, "sha256") for key in _digest_keys(_keys())]


def digest_of_key(key: str, purpose: str) -> bytes:
    """32 bytes that tell one key from another, and say nothing of it."""
    return _derived(key, b"tell apart " + purpose.encode())


def plain_digest(text: str) -> bytes:
    """32 bytes (SHA-256); enough for secrets that are long and random, such as those of `new_token`."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def new_token(prefix: str = "", nbytes: int = 32) -> str:
    """`prefix` followed by `nbytes` random bytes in URL-safe base64 (43 characters for 32 bytes)."""
    return prefix + secrets.token_urlsafe(nbytes)


def _keys() -> tuple[str, ...]:
    keys = tuple(settings.ENCRYPTION_KEYS)
    if not all(keys) or not keys:
        raise ImproperlyConfigured("ENCRYPTION_KEYS is empty: set WATCHKEEPER_ENCRYPTION_KEY.")
    return keys


@lru_cache(maxsize=4)
def _sealer(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(urlsafe_b64encode(_derived(key, b"seal"))) for key in keys])


@lru_cache(maxsize=4)
def _digest_keys(keys: tuple[str, ...]) -> list[bytes]:
    return [_derived(key, b"digest") for key in keys]


def _derived(key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"watchkeeper " + purpose).derive(key.encode())
