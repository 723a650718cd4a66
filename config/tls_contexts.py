"""
Who is trusted over TLS, and who we are there: one context of each kind for the process, since making one costs 16 ms.

A kind is whom to trust (the system's authorities, an installation's bundle, a private authority; or nobody is asked)
and a client's certificate. Names are verified by OpenSSL. What is trusted is what browsers and curl trust: a chain that
leads to a trusted root is sound whatever else was sent along, and no oddity of a private authority's certificates is
held against it. Where nobody is asked (`verify=False`), old protocols and short keys are let through, too: that is for
devices. Not here: what a certificate says (monitors.probes.certificates).
"""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

# Contexts kept; one with the system's authorities holds about a MiB.
MOST_KEPT = 64


@lru_cache(MOST_KEPT)
def tls_context(
    *, verify: bool = True, bundle: str = "", authority: str | None = None, certificate: str | None = None,
    key: str | None = None,
) -> ssl.SSLContext:  # fmt: skip
    """
    The context of a kind. `bundle`: a file of authorities besides the system's; `authority`: PEM of one more;
    `certificate`, `key`: PEM of who we are. Raises ValueError, a sentence, where one of them is no such thing.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if verify:
        context.load_default_certs()
        if bundle:
            context.load_verify_locations(bundle)
        if authority:
            _trust(context, authority)
    else:
        _let_everything_through(context)
    if certificate:
        _identify(context, certificate, key)
    return context


def _let_everything_through(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED


def _trust(context: ssl.SSLContext, authority: str) -> None:
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError, OSError):
        raise ValueError("The private authority's certificate can't be read; it should be PEM.") from None


def _identify(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    with _as_file(f"{certificate}\n{key or ''}\n") as path:
        try:
            # Without the answer to a question for a passphrase OpenSSL would ask at the terminal.
            context.load_cert_chain(path, password=lambda: b"")
        except (ssl.SSLError, ValueError, OSError):
            raise ValueError("The client's certificate and its key can't be read, or don't belong together.") from None


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """A file that holds a key as long as OpenSSL reads it: in memory, or where that is unknown only for us to read."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("key")
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield file.name
