"""
What a server's certificate says: whom it is for, who signed it, how long it holds. Whether it is trusted is OpenSSL's
word (config.tls_contexts); here it is only read, also where it was not trusted. Pure, and remembered by its bytes.
"""

import warnings
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtensionOID, NameOID

from monitors.probes.result import Certificate

MOST_NAMES = 100
LONGEST_NAME = 300
# How many are remembered: one a monitor, of the busiest.
REMEMBERED = 4096


@lru_cache(REMEMBERED)
def read_certificate(der: bytes) -> Certificate | None:
    """What a certificate says; None for one that can't be read."""
    try:
        with warnings.catch_warnings():
            # The library warns its callers of what it will refuse one day; here that is anybody's server.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return told_by(x509.load_der_x509_certificate(der))
    except (ValueError, x509.InvalidVersion, x509.UnsupportedGeneralNameType, x509.DuplicateExtension):
        return None


def told_by(certificate: x509.Certificate) -> Certificate:
    """What of it is of interest. Raises what cryptography does where it is written badly."""
    return Certificate(
        subject=name_of(certificate.subject),
        issuer=name_of(certificate.issuer),
        names=names_of(certificate),
        not_before=moment(certificate.not_valid_before_utc),
        not_after=moment(certificate.not_valid_after_utc),
        fingerprint=certificate.fingerprint(SHA256()).hex(),
    )


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The hosts and addresses that it is for."""
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    except x509.ExtensionNotFound:
        return ()
    names = extension.value
    assert isinstance(names, x509.SubjectAlternativeName)
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return tuple(one[:LONGEST_NAME] for one in [*hosts, *addresses][:MOST_NAMES])


def name_of(name: x509.Name) -> str:
    """A name for people: its common name and organization, or all of it."""
    parts = [
        str(attribute.value)
        for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        for attribute in name.get_attributes_for_oid(kind)[:1]
    ]
    return (", ".join(dict.fromkeys(parts)) or name.rfc4514_string())[:LONGEST_NAME]


def moment(when: datetime) -> datetime:
    """A time of a certificate, aware."""
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def words_of(problem: str, certificate: Certificate) -> str:
    """What is wrong with a certificate, with what it says of itself."""
    if "expired" in problem:
        return f"it expired on {certificate.not_after:%Y-%m-%d}"
    if "not valid yet" in problem:
        return f"it is not valid before {certificate.not_before:%Y-%m-%d}"
    if "another" in problem:
        return f"it is for {listed(certificate.names) or certificate.subject}"
    if "signed" in problem:
        return f"{problem} (issuer: {certificate.issuer})" if "self" not in problem else problem
    return problem


def listed(names: tuple[str, ...], most: int = 3) -> str:
    """Some names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
