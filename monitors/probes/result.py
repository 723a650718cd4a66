"""
What a probe found: up, down, or nothing that says anything about the target (inconclusive); how long each part took;
and why, in people's words.

A Result is plain values, and holds no secret of its Target. Times are milliseconds. Not here: what a region's results
come to (the checker).
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """What one check says of the target."""

    UP = "up"
    DOWN = "down"
    # We could not look: our resolver, our network, our own process, or a rule of ours stood in the way.
    INCONCLUSIVE = "inconclusive"


class Code(StrEnum):
    """Why it is not up: the `type` of an incident."""

    TIMEOUT = "timeout"
    STATUS_CODE = "status_code"
    KEYWORD_MISSING = "keyword_missing"
    SSL_ERROR = "ssl_error"
    DNS_ERROR = "dns_error"
    CONNECTION_ERROR = "connection_error"
    SLOW_RESPONSE = "slow_response"  # given by the checker, which knows what is slow
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Timings:
    """
    Milliseconds of each part, over all redirects; None: it did not come to that. A part that failed has the time that
    it took until then. `total` is from the beginning to the end of the check.
    """

    name: float | None = None  # looking up the host's name
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None  # from sending until something came
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate that a server showed for the target's own host, trusted or not."""

    subject: str
    issuer: str
    names: tuple[str, ...]  # for which hosts it is, at most 100
    not_before: datetime
    not_after: datetime
    fingerprint: str  # SHA-256, hexadecimal
    problem: str | None = None  # why it is not trusted, in people's words


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found. `code` and `cause` are None exactly where it is up."""

    status: Status
    timings: Timings
    code: Code | None = None
    cause: str | None = None  # a sentence, at most 500 characters
    status_code: int | None = None  # of HTTP's last answer
    final_url: str | None = None  # where redirects led, if anywhere else; without its query
    excerpt: str = ""  # of what was answered, at most 1 KiB of UTF-8
    certificate: Certificate | None = None
    addresses: tuple[str, ...] = ()  # what the target's own name led to; of dns the records, at most 20
    address: str | None = None  # the one that was connected to
    retry_after: float | None = None  # seconds for which the server asks to be left alone, at most a day
    is_refused: bool = False  # our credentials were: ask again only at the usual pace
    is_unanswered: bool = False  # the look-up of its name got no answer, neither yes nor no
    stalled: float = field(default=0.0, compare=False)  # milliseconds for which our own process stood still meanwhile
