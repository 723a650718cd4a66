"""Tests of config.tls_contexts: one context of each kind; real handshakes are tests/monitors/probes/test_tls.py."""

import ssl

import pytest

from config import tls_contexts
from config.tls_contexts import tls_context
from tests.monitors.probes.servers import issue

ROOT = issue("Root", is_authority=True)


def test_one_context_of_each_kind_is_made_for_the_process():
    assert tls_context(verify=True) is tls_context(verify=True)
    assert tls_context(verify=True, authority=ROOT.pem) is tls_context(verify=True, authority=str(ROOT.pem))
    assert (
        len({id(tls_context(verify=verify, authority=pem)) for verify in (True, False) for pem in (None, ROOT.pem)})
        == 4
    )


def test_everything_is_verified_but_where_nobody_is_asked():
    assert tls_context().verify_mode == ssl.CERT_REQUIRED
    assert tls_context().check_hostname
    assert tls_context(verify=False).verify_mode == ssl.CERT_NONE
    assert tls_context(verify=False, authority=ROOT.pem).get_ca_certs() == []


@pytest.mark.parametrize("memory", [True, False])
def test_a_key_is_read_from_memory_or_else_from_a_file_that_is_gone_at_once(memory, monkeypatch, tmp_path):
    if not memory:
        monkeypatch.delattr(tls_contexts.os, "memfd_create")
    monkeypatch.setattr(tls_contexts.tempfile, "tempdir", str(tmp_path))
    client = issue(f"client {memory}")
    assert tls_context(certificate=client.pem, key=client.key_pem)
    assert list(tmp_path.iterdir()) == []


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it():
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    client = issue("client")
    locked = client.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"geheim")).decode()
    with pytest.raises(ValueError, match="can't be read"):
        tls_context(certificate=client.pem, key=locked)
