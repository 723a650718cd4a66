"""
What a probe looks at: a monitor's settings as plain values, with secrets opened.

A Target is made by the caller from a monitor and sent nowhere; what must not be seen is left out of its `repr`. It is
hashable, and equal targets are looked at alike. Not here: what a form or the API takes (monitors.serializers), when
and how often it is looked at, and what follows from it (the checker).
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Type(StrEnum):
    """What is looked at where `url` leads."""

    STATUS = "status"
    EXPECTED_STATUS_CODE = "expected_status_code"
    KEYWORD = "keyword"
    KEYWORD_ABSENCE = "keyword_absence"
    PING = "ping"
    TCP = "tcp"
    UDP = "udp"
    DNS = "dns"
    SMTP = "smtp"
    IMAP = "imap"
    POP = "pop"
    TLS = "tls"


HTTP_TYPES = frozenset({Type.STATUS, Type.EXPECTED_STATUS_CODE, Type.KEYWORD, Type.KEYWORD_ABSENCE})

# What `port` is where neither it nor `url` says so; ping and dns have none.
USUAL_PORTS = {Type.SMTP: 25, Type.IMAP: 143, Type.POP: 110, Type.TLS: 443}


class Op(StrEnum):
    """How a condition compares. There are no patterns: some take forever."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    GREATER = "greater"
    LESS = "less"
    EXISTS = "exists"
    NOT_EXISTS = "not_exists"


class Source(StrEnum):
    """What of an answer a condition is about."""

    JSON = "json"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Condition:
    """
    What has to hold of an HTTP answer. `name`: a header's name, or a path into the body's JSON such as
    `data.nodes[0].state` (`$.` before it is fine; a name with dots or brackets in it is written `["a.b"]`).
    """

    source: Source
    name: str
    op: Op
    value: str = ""  # not used by exists and not_exists


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the request. A secret one goes to the first origin only, and is never shown."""

    name: str
    value: str = field(repr=False)
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """
    What one check needs of a monitor. `url`: for HTTP types a web address; for the others a host, with or without a
    port (`db.example:5432`, `[2001:db8::7]:25`, `tcp://db.example:5432`), for dns the name that is asked for.
    Certificates and keys are PEM.
    """

    type: Type
    url: str
    request_timeout: float = 15.0  # seconds for all of it
    ip_version: str | None = None  # ipv4, ipv6; None: both
    port: int | None = None
    # HTTP
    http_method: str = "GET"
    request_headers: tuple[Header, ...] = ()
    request_body: str | None = field(default=None, repr=False)  # also what udp sends
    follow_redirects: bool = True
    expected_status_codes: tuple[int, ...] = ()
    required_keyword: str | None = None  # also of udp and dns
    keyword_case_sensitive: bool = True
    conditions: tuple[Condition, ...] = ()
    # Who we are
    auth_username: str | None = None
    auth_password: str | None = field(default=None, repr=False)
    client_certificate: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    # Whom we trust
    verify_ssl: bool = True
    ca_certificate: str | None = field(default=None, repr=False)  # besides the usual authorities
    # DNS
    dns_record_type: str = "A"
    dns_server: str | None = None  # a host, with or without a port; None: the system's resolver
