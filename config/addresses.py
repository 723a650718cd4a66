"""
Which web addresses (URLs) there can be here: http or https, a host that can be asked, nothing that identifies anybody.

One pattern says all of it, so that forms, the API and its schema say the same. It knows one spelling of each host, the
plain one: an IPv4 address is four decimal numbers, and a name is ASCII. A name of other letters is written as browsers
copy it (`xn--…`), so nothing has to be converted, folded or decoded before it is judged. Not here: what a host's name
leads to, which shows when it is asked (config.egress).

Source: RFC 3986, RFC 1123 (host names; underscores, which many have, are let through).
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.core.validators import RegexValidator

from config.networks import Network, forbidden

LONGEST_ADDRESS = 2048
LONGEST_HOST = 253

LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# What begins with a digit might be meant for a number.
LAST_LABEL = "[A-Za-z_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
NAME = rf"(?:{LABEL}\.)*{LAST_LABEL}\.?"
BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = rf"{BYTE}(?:\.{BYTE}){{3}}"
PORT = "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"


def ipv6() -> str:
    """All eight groups, or some of them around one `::`."""
    group = "[0-9A-Fa-f]{1,4}"
    whole = f"{group}(?::{group}){{7}}"
    shortened = [f"::(?:{group}(?::{group}){{0,6}})?"]
    for before in range(1, 7):
        shortened.append(f"{group}(?::{group}){{{before - 1}}}::(?:{group}(?::{group}){{0,{6 - before}}})?")
    shortened.append(f"{group}(?::{group}){{6}}::")
    return "|".join([whole, *shortened])


HOST = rf"(?:{NAME}|{IPV4}|\[(?:{ipv6()})\])"
# Visible ASCII; whatever is beyond it, browsers write with percent signs.
BEHIND = "[/?#][!-~]*"

# A host by itself, with what may stand before and behind it.
PLACE = re.compile(
    rf"^(?:[a-z][a-z0-9+.-]{{0,20}}://)?(?:(?P<host>{NAME}|{IPV4})|\[(?P<six>{ipv6()})\]|(?P<bare>{ipv6()})(?=/?\Z))"
    rf"(?::(?P<port>{PORT}))?/?\Z"
)

SHAPE = re.compile(rf"^[Hh][Tt][Tt][Pp][Ss]?://{HOST}(?::{PORT})?(?:{BEHIND})?\Z")
WEB_ADDRESS = RegexValidator(
    SHAPE,
    "Expected an address such as https://www.example.com/path: http or https, no user name or password, and only ASCII "
    "(other characters as browsers copy them).",
)

# Ports that are never a web server's, but of something that might take a request's lines for its own commands. A short
# list, of what is commonly found inside; browsers' is longer (https://fetch.spec.whatwg.org/#port-blocking).
BAD_PORTS = {
    19: "chargen", 21: "FTP", 22: "SSH", 23: "Telnet", 25: "SMTP", 53: "DNS", 110: "POP3", 111: "RPC", 119: "NNTP",
    139: "SMB", 143: "IMAP", 389: "LDAP", 445: "SMB", 465: "SMTP", 514: "rsh", 587: "SMTP", 636: "LDAP", 873: "rsync",
    993: "IMAP", 995: "POP3", 2049: "NFS", 3306: "MySQL", 5432: "PostgreSQL", 6000: "X11", 6379: "Redis",
    6667: "IRC", 11211: "memcached", 27017: "MongoDB",
}  # fmt: skip

# Said of names and numbers alike, and without what a name led to: that is nobody's affair outside.
NOT_PUBLIC = "{host} is not on the public internet. Whoever runs Watchkeeper can open its network."


def wrong_url(url: str, opened: Iterable[Network] = ()) -> str | None:
    """
    What is wrong with a URL that something shall be sent to, as a sentence; None if nothing is. Its host's name is not
    asked for: that may still lead where nothing is sent. `opened`: networks that the operator opened.
    """
    if wrong := wrong_form(url):
        return wrong
    host = urlsplit(url).hostname or ""
    return NOT_PUBLIC.format(host=host) if _inside(host, opened) else None


@lru_cache(4_096)
def wrong_form(url: str) -> str | None:
    """What is wrong with how a URL is written, wherever it leads, as a sentence; None if nothing is."""
    if len(url) > LONGEST_ADDRESS:
        return f"An address has at most {LONGEST_ADDRESS} characters."
    if not SHAPE.search(url):
        return str(WEB_ADDRESS.message)
    parts = urlsplit(url)
    if len(parts.hostname or "") > LONGEST_HOST:
        return f"A host's name has at most {LONGEST_HOST} characters."
    if parts.port in BAD_PORTS:
        return f"Port {parts.port} is not a web server's ({BAD_PORTS[parts.port]})."
    return None


def host_and_port(text: str, port: int | None = None) -> tuple[str, int | None]:
    """
    A host and its port as people write them: `db.example`, `db.example:5432`, `192.0.2.7`, `[2001:db8::7]:25`,
    `2001:db8::7`, `tcp://db.example:5432/`; the port that is given counts where the text has none. Raises ValueError, a
    sentence, for anything else.
    """
    parts = PLACE.search(text)
    if parts is None or len(text) > LONGEST_ADDRESS:
        raise ValueError("Expected a host such as db.example.com, 192.0.2.7 or [2001:db8::7], with a port or without.")
    host = parts["six"] or parts["bare"] or parts["host"]
    if len(host) > LONGEST_HOST:
        raise ValueError(f"A host's name has at most {LONGEST_HOST} characters.")
    return host, int(parts["port"]) if parts["port"] else port


def _inside(host: str, opened: Iterable[Network]) -> bool:
    """Whether a host is written as a number that nothing may be sent to."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return forbidden(address, opened) is not None
