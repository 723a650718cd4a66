"""
Who is calling: the peer, or, behind reverse proxies, whom they name in one header.

Only what our own proxies wrote is believed: the header that `settings.FORWARDED_HEADER` names, read from the right by
`settings.TRUSTED_PROXIES`; any other header says nothing. What can't be read there counts as the proxy that sent it, so
that nobody escapes his counter, and is warned of, in the log and by `check`: for then all who come so share one. Not
here: what is counted (config.ratelimit), and whether a request came by TLS (settings.SECURE_PROXY_SSL_HEADER).
"""

import re
import time
from ipaddress import IPv6Address, ip_address

import structlog
from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from config import clock, notices

log = structlog.get_logger(__name__)

FORWARDED = "forwarded"
UNREADABLE = "the forwarded header can't be read"
# How often, in seconds, a process tells `check` that it still can't be read.
TOLD_EVERY = 3600.0
LONGEST_SHOWN = 200

# An address with whatever may stand around it: `192.0.2.7:80`, `[2001:db8::7]:443`, `[2001:db8::7]`, `2001:db8::7`.
_node = re.compile(r"\[([^\]]*)\](?::[\w.-]+)?|([0-9.]+)(?::[\w.-]+)?|([0-9A-Fa-f:.]+(?:%[\w.~-]+)?)").fullmatch
# RFC 7239, of which much is written without the quotes that it asks for.
_pair = r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(\"(?:[^\"\\]|\\.)*\"|[^\s\",;]*)[ \t]*"
_element = re.compile(rf"{_pair}(?:;{_pair})*(?:,|$)")
_pairs = re.compile(rf"{_pair}(?:;|$)")

_told_at: dict[str, float] = {}


def client_address(request: Request | HttpRequest) -> str:
    """The address of who is calling; empty if the server does not know its peer (a Unix socket)."""
    peer: str = request.META.get("REMOTE_ADDR", "")
    if not settings.TRUSTED_PROXIES:
        return peer
    name: str = settings.FORWARDED_HEADER
    text: str = request.META.get(f"HTTP_{name.upper().replace('-', '_')}", "")
    found = named_by_proxies(name, text, settings.TRUSTED_PROXIES)
    if not found:
        tell(name, text, peer)
    return found or peer


def named_by_proxies(name: str, text: str, proxies: int) -> str:
    """Whom a header names that so many proxies wrote to; empty where that can't be read."""
    nodes = nodes_of_forwarded(text) if name.lower() == FORWARDED else text.split(",")
    return address_in(nodes[-proxies]) if len(nodes) >= proxies else ""


def nodes_of_forwarded(text: str) -> list[str]:
    """The `for` of each element of a `Forwarded` header (RFC 7239); none where any of it is not sound."""
    nodes, at = [], 0
    while at < len(text):
        element = _element.match(text, at)
        if not element:
            return []
        at = element.end()
        pairs = {name.lower(): value for name, value in _pairs.findall(element[0].removesuffix(","))}
        nodes.append(pairs.get("for", ""))
    return nodes


def address_in(node: str) -> str:
    """The address that one proxy wrote, without port, brackets, zone and quotes; empty where there is none."""
    text = node.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].strip()
    parts = _node(text)
    if not parts:
        return ""
    try:
        ip = ip_address((parts[1] or parts[2] or parts[3] or "").partition("%")[0])
    except ValueError:
        return ""
    return str((isinstance(ip, IPv6Address) and ip.ipv4_mapped) or ip)


def tell(name: str, text: str, peer: str) -> None:
    """Warn of a header that can't be read: once in the log, and now and then in what `check` reads."""
    last, now = _told_at.get(name), time.monotonic()
    if last is not None and now - last < TOLD_EVERY:
        return
    _told_at[name] = now
    said = text[:LONGEST_SHOWN] if text else "nothing"
    if last is None:
        log.warning(UNREADABLE, header=name, said=said, proxy=peer, proxies=settings.TRUSTED_PROXIES)
    notices.keep(UNREADABLE, f"{name} from {peer or 'the proxy'} said {said!r}", clock.now())
