"""
What an error means: its code and a sentence for people, and whether it says anything about the target at all.

Sentences name the host and the time that was given, and nothing of what a target said but numbers and words that are
quoted and cut. Not here: what follows from them.
"""

import errno
import os
import ssl
from collections.abc import Callable

from aiohttp import ClientConnectionError, ClientOSError, ClientPayloadError, ClientResponseError

from config.dialing import LeadsNowhere, Refused, Unanswered, is_ours
from config.egress import CERTIFICATE_PROBLEMS
from monitors.probes.result import Code, Status
from monitors.probes.sight import Failure
from monitors.probes.streams import HeadTooLong, TooMuch

# How far a probe came when its time was over: the code and what did not happen.
TIMED_OUT = {
    "name": (Code.DNS_ERROR, "The look-up of {host} got no answer within {seconds:g} s."),
    "connect": (Code.TIMEOUT, "{host} took no connection within {seconds:g} s."),
    "tls": (Code.TIMEOUT, "{host} did not finish the TLS handshake within {seconds:g} s."),
    "first_byte": (Code.TIMEOUT, "{host} did not answer within {seconds:g} s."),
    "records": (Code.DNS_ERROR, "The name server did not answer for {host} within {seconds:g} s."),
    "ping": (Code.TIMEOUT, "{host} answered no ping within {seconds:g} s."),
    "head": (Code.TIMEOUT, "{host} began to answer, but the headers were not complete within {seconds:g} s."),
    "body": (Code.TIMEOUT, "The answer of {host} was not complete within {seconds:g} s."),
}

# What the system says of a connection.
CONNECTIONS = {
    errno.ECONNREFUSED: "{host} refused the connection.",
    errno.ECONNRESET: "{host} broke off the connection.",
    errno.EPIPE: "{host} broke off the connection.",
    errno.ECONNABORTED: "{host} broke off the connection.",
    errno.ETIMEDOUT: "{host} took no connection.",
    errno.EHOSTUNREACH: "There is no way to {host} (no route to host).",
    errno.EHOSTDOWN: "{host} is down.",
    errno.ENETUNREACH: "This checker has no way to {host} (network unreachable).",
    errno.EADDRNOTAVAIL: "This checker has no free address or port to go out from.",
    errno.EAFNOSUPPORT: "This checker has no way to {host} (no such kind of network).",
    errno.ENETDOWN: "This checker has no network.",
    errno.ENOBUFS: "This checker has no memory left for connections.",
    errno.ENOMEM: "This checker has no memory left for connections.",
    errno.EMFILE: "This checker has too many files open.",
    errno.ENFILE: "The checker's machine has too many files open.",
    errno.EPERM: "The checker's machine does not let it go out to {host}.",
    errno.EACCES: "The checker's machine does not let it go out to {host}.",
}


def timed_out(phase: str, host: str, seconds: float) -> Failure:
    """The failure of a probe whose time was over in a phase."""
    code, words = TIMED_OUT.get(phase, (Code.TIMEOUT, "{host} did not answer within {seconds:g} s."))
    return Failure(code, words.format(host=host, seconds=seconds))


def failure_of(error: BaseException, host: str) -> Failure | None:
    """What an error of the network means; None if it is none of the network's."""
    if isinstance(error, ClientOSError) and isinstance(error.__cause__, OSError):
        error = error.__cause__  # aiohttp's own kind forgets what it was
    return next((said(error, host) for kind, said in KINDS if isinstance(error, kind)), None)


def _refused(error: BaseException, host: str) -> Failure:
    return Failure(Code.OTHER, str(error), Status.INCONCLUSIVE)


def _name(error: BaseException, host: str) -> Failure:
    return Failure(Code.DNS_ERROR, str(error))


def _certificate(error: BaseException, host: str) -> Failure:
    problem = CERTIFICATE_PROBLEMS.get(getattr(error, "verify_code", 0), "it can't be trusted")
    return Failure(Code.SSL_ERROR, f"The certificate of {host} is not accepted: {problem}.")


# OpenSSL's names of what goes wrong in a handshake, where there are better words.
HANDSHAKES = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS at this port",
    "HTTP_REQUEST": "it does not speak TLS at this port",
    "PACKET_LENGTH_TOO_LONG": "it does not speak TLS at this port",
    "RECORD_LAYER_FAILURE": "it does not speak TLS at this port",
    "UNSUPPORTED_PROTOCOL": "it knows only versions of TLS that are too old",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it knows no version of TLS that is known here",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it accepts no cipher that is accepted here, or wants a certificate of ours",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of ours",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept our certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not accept our certificate",
    "TLSV1_UNRECOGNIZED_NAME": "it knows no such name",
    "TLSV1_ALERT_INTERNAL_ERROR": "it has an internal error, as servers have that know no such name",
    "DH_KEY_TOO_SMALL": "its key is too short",
    "EE_KEY_TOO_SMALL": "its key is too short",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "it is too old to be talked to safely",
    "UNEXPECTED_EOF_WHILE_READING": "it broke off the handshake",
}
# What says that our own certificate was not taken.
OUR_CERTIFICATE = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "TLSV1_ALERT_UNKNOWN_CA",
}


def _handshake(error: BaseException, host: str) -> Failure:
    reason = getattr(error, "reason", "") or ""
    words = HANDSHAKES.get(reason) or (reason.replace("_", " ").lower() if reason else "it broke off the handshake")
    return Failure(Code.SSL_ERROR, f"No secure connection (TLS) to {host} could be made: {words}.")


def _connection(error: BaseException, host: str) -> Failure:
    number = getattr(error, "errno", None) or errno.ECONNRESET
    words = CONNECTIONS.get(number) or f"The connection to {{host}} failed ({os.strerror(number)})."
    return Failure(
        Code.CONNECTION_ERROR, words.format(host=host), Status.INCONCLUSIVE if is_ours(error) else Status.DOWN
    )


def _no_http(error: BaseException, host: str) -> Failure:
    return Failure(Code.OTHER, f"What {host} answered is not HTTP, or its headers are too long.")


def _broken_off(error: BaseException, host: str) -> Failure:
    return Failure(Code.CONNECTION_ERROR, f"The answer of {host} broke off.")


def _too_much(error: BaseException, host: str) -> Failure:
    return Failure(Code.OTHER, f"{host} sends longer lines, or more of them, than its protocol knows.")


def _closed(error: BaseException, host: str) -> Failure:
    return Failure(Code.CONNECTION_ERROR, f"{host} closed the connection without an answer.")


# The first that fits counts.
KINDS: list[tuple[type[BaseException], Callable[[BaseException, str], Failure]]] = [
    (HeadTooLong, _no_http),
    (TooMuch, _too_much),
    (Refused, _refused),
    (LeadsNowhere, _name),
    (Unanswered, _name),
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLError, _handshake),
    (ClientResponseError, _no_http),
    (ClientPayloadError, _broken_off),
    (EOFError, _closed),
    (ClientOSError, _connection),
    (ClientConnectionError, _closed),
    (OSError, _connection),
]
