"""Tests of monitors.probes.certificates: whatever bytes a server shows, they are read or they are not."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from hypothesis import given
from hypothesis import strategies as st

from monitors.probes.certificates import MOST_NAMES, listed, read_certificate, words_of
from tests.monitors.probes.servers import issue

SOUND = issue("Shop", "shop.example").certificate.public_bytes(Encoding.DER)


@given(st.binary(max_size=300))
def test_what_is_no_certificate_is_none(der):
    assert read_certificate(der) is None


@given(st.integers(0, len(SOUND) - 1), st.integers(1, 255))
def test_a_certificate_with_a_wrong_byte_is_read_or_not(at, change):
    broken = bytearray(SOUND)
    broken[at] ^= change
    read_certificate(bytes(broken))


def test_a_certificate_of_which_the_library_warns_is_read_all_the_same():
    broken = bytearray(SOUND)
    broken[SOUND.index(bytes.fromhex("a003020102")) + 7] |= 0x80  # a serial number below 0
    with pytest.warns(CryptographyDeprecationWarning):
        x509.load_der_x509_certificate(bytes(broken))
    assert read_certificate(bytes(broken)).names == read_certificate(SOUND).names


def test_many_names_are_cut_and_some_are_listed():
    names = [f"host{number}.example" for number in range(300)]
    found = read_certificate(issue("x", *names).certificate.public_bytes(Encoding.DER))
    assert len(found.names) == MOST_NAMES
    assert listed(found.names) == "host0.example, host1.example, host2.example and 97 more"
    assert listed(found.names[:2]) == "host0.example, host1.example"


def test_what_is_wrong_is_said_with_what_the_certificate_says():
    found = read_certificate(SOUND)
    assert words_of("it is for another name", found) == "it is for shop.example"
    assert words_of("nobody known has signed it", found) == "nobody known has signed it (issuer: Shop)"
    assert words_of("it is self-signed", found) == "it is self-signed"
    assert words_of("it can't be trusted", found) == "it can't be trusted"
