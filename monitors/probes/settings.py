"""
What is wrong with a Target's settings, before anything is looked at: a sentence for each field, for forms, the API and
imports alike. A probe that is given such a target all the same says so as inconclusive. Bounds of numbers and lengths
are the doors' own. Not here: what a name leads to, which shows when it is asked.
"""

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import dns.exception
import dns.name

from config.addresses import host_and_port, wrong_form
from config.dialing import refusal
from config.networks import NetworkTable
from config.tls_contexts import tls_context
from monitors.probes.conditions import number, parse_path
from monitors.probes.records import DNS_PORT, TYPES
from monitors.probes.requests import wrong_header, wrong_method
from monitors.probes.target import HTTP_TYPES, USUAL_PORTS, Op, Source, Target, Type

MOST_CONDITIONS = 10


def find_problems(target: Target, table: NetworkTable) -> dict[str, str]:
    """What is wrong with a target's settings, by field; `table`: where monitors may look. Empty if nothing is."""
    asked = {
        "url": lambda: _url(target, table),
        "port": lambda: _port(target),
        "http_method": lambda: wrong_method(target.http_method) if target.type in HTTP_TYPES else None,
        "request_headers": lambda: next(filter(None, map(wrong_header, target.request_headers)), None),
        "expected_status_codes": lambda: _codes(target),
        "required_keyword": lambda: _keyword(target),
        "conditions": lambda: _conditions(target),
        "ca_certificate": lambda: _readable(authority=target.ca_certificate) if target.ca_certificate else None,
        "client_certificate": lambda: _client(target),
        "dns_record_type": lambda: _record_type(target),
        "dns_server": lambda: _name_server(target, table),
    }
    return {field: problem for field, ask in asked.items() if (problem := ask())}


def _url(target: Target, table: NetworkTable) -> str | None:
    if target.type in HTTP_TYPES:
        if wrong := wrong_form(target.url):
            return wrong
        parts = urlsplit(target.url)
        host = parts.hostname or ""
        usual = 443 if parts.scheme == "https" else 80
        return _closed(f"[{host}]" if ":" in host else host, parts.port or usual, table)
    if target.type == Type.DNS:
        return _name(target.url)
    return _closed(target.url, target.port or USUAL_PORTS.get(target.type), table, is_ping=target.type == Type.PING)


def _closed(place: str, port: int | None, table: NetworkTable, *, is_ping: bool = False) -> str | None:
    """What is wrong with a host and its port; of a name only whether it can be one."""
    try:
        host, port = host_and_port(place, port)
        address = ip_address(host)
    except ValueError as error:
        return str(error) if str(error).startswith(("Expected", "A host")) else None
    why = table.forbids(address, None if is_ping else port)
    return refusal(host, address, why) if why else None


def _name(text: str) -> str | None:
    try:
        dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError, ValueError):
        return "Expected a name such as shop.example.com."
    return None if text.strip(".") and not text.isspace() else "Expected a name such as shop.example.com."


def _port(target: Target) -> str | None:
    if target.type not in (Type.TCP, Type.UDP) or target.port:
        return None
    try:
        has_port = host_and_port(target.url)[1] is not None
    except ValueError:
        return None  # said of `url`
    return None if has_port else "A port is needed, from 1 to 65535."


def _codes(target: Target) -> str | None:
    if target.type != Type.EXPECTED_STATUS_CODE:
        return None
    if not target.expected_status_codes:
        return "At least one status is needed."
    wrong = next((code for code in target.expected_status_codes if not 100 <= code <= 599), None)
    return None if wrong is None else f"{wrong} is no status from 100 to 599."


def _keyword(target: Target) -> str | None:
    is_needed = target.type in (Type.KEYWORD, Type.KEYWORD_ABSENCE)
    return "A keyword is needed." if is_needed and not target.required_keyword else None


def _conditions(target: Target) -> str | None:
    if target.conditions and target.type not in HTTP_TYPES:
        return "Only an answer of HTTP has conditions."
    if len(target.conditions) > MOST_CONDITIONS:
        return f"There can be {MOST_CONDITIONS} conditions."
    for one in target.conditions:
        if one.source == Source.JSON:
            try:
                parse_path(one.name)
            except ValueError as error:
                return str(error)
        elif not one.name:
            return "A condition needs the name of a header."
        if one.op in (Op.GREATER, Op.LESS) and number(one.value) is None:
            return f"{one.op} compares numbers, and {one.value[:60]!r} is none."
    return None


def _client(target: Target) -> str | None:
    if target.client_key and not target.client_certificate:
        return "A key needs its certificate."
    if not target.client_certificate:
        return None
    return _readable(verify=False, certificate=target.client_certificate, key=target.client_key)


def _readable(**kind: Any) -> str | None:
    try:
        tls_context(**kind)
    except ValueError as error:
        return str(error)
    return None


def _record_type(target: Target) -> str | None:
    if target.type != Type.DNS or target.dns_record_type.upper() in TYPES:
        return None
    return f"It can be one of {', '.join(sorted(TYPES))}."


def _name_server(target: Target, table: NetworkTable) -> str | None:
    if target.type != Type.DNS or not target.dns_server:
        return None
    return _closed(target.dns_server, DNS_PORT, table)
