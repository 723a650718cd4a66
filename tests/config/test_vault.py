import hashlib

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import vault

OLD, NEW = "the key of last year", "the key of this year"


@pytest.fixture(autouse=True)
def _keys(settings):
    settings.ENCRYPTION_KEYS = [OLD]


@pytest.mark.parametrize("text", ["", "whsec_abc", "ключ 😀", "x" * 10_000])
def test_what_was_sealed_is_opened_again(text):
    sealed = vault.seal(text)
    assert vault.open_sealed(sealed) == text
    assert vault.open_sealed(memoryview(sealed)) == text
    assert not text or text.encode() not in sealed


def test_the_same_text_is_sealed_differently_each_time():
    assert vault.seal("secret") != vault.seal("secret")


def test_sealed_bytes_that_were_changed_are_not_opened():
    sealed = bytearray(vault.seal("secret"))
    sealed[20] ^= 1
    with pytest.raises(vault.CannotOpen):
        vault.open_sealed(bytes(sealed))


def test_an_old_key_still_opens_and_finds_after_a_new_one_was_put_before_it(settings):
    sealed, digest = vault.seal("secret"), vault.keyed_digest("token")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert vault.open_sealed(sealed) == "secret"
    assert vault.keyed_digest("token") != digest
    assert digest in vault.keyed_digests("token")


def test_a_key_that_was_taken_away_opens_nothing(settings):
    sealed = vault.seal("secret")
    settings.ENCRYPTION_KEYS = [NEW]
    with pytest.raises(vault.CannotOpen):
        vault.open_sealed(sealed)


def test_a_keyed_digest_depends_on_text_and_key_alone(settings):
    digest = vault.keyed_digest("token")
    assert len(digest) == 32
    assert vault.keyed_digest("token") == digest != vault.keyed_digest("token2")
    settings.ENCRYPTION_KEYS = [NEW]
    assert vault.keyed_digest("token") != digest


def test_a_plain_digest_is_sha_256():
    assert vault.plain_digest("wk_abc") == hashlib.sha256(b"wk_abc").digest()


def test_text_that_cannot_be_utf_8_has_a_digest_too():
    assert len(vault.plain_digest("\ud800")) == len(vault.keyed_digest("\ud800")) == 32


def test_tokens_are_random_and_fit_into_a_url():
    first, second = vault.new_token("wk_"), vault.new_token("wk_")
    assert first != second
    assert first.startswith("wk_")
    assert len(first) == 3 + 43
    assert first.replace("-", "").replace("_", "").isalnum()
    assert len(vault.new_token(nbytes=16)) == 22


@pytest.mark.parametrize("keys", [[], [""]])
def test_without_a_key_nothing_is_sealed(settings, keys):
    settings.ENCRYPTION_KEYS = keys
    with pytest.raises(ImproperlyConfigured, match="WATCHKEEPER_ENCRYPTION_KEY"):
        vault.seal("secret")
