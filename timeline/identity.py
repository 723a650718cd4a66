"""
What makes two events the same event: SHA-256 over RFC 8785 canonical JSON.

One departure from RFC 8785: integers keep all their digits. It would write those beyond 2^53 as doubles, and two ids
that differ in their last digit would be one event.
"""

import hashlib
import json
from decimal import Decimal
from typing import Any


def event_identity(payload: dict[str, Any]) -> bytes:
    """The 32 bytes by which an event is known."""
    return hashlib.sha256(canonical(payload).encode()).digest()


def bytes_identity(body: bytes) -> bytes:
    """The 32 bytes by which a body that is no sound JSON is known; never an event's (no JSON begins with NUL)."""
    return hashlib.sha256(b"\0" + body).digest()


def beginning_identity(beginning: bytes, size: int) -> bytes:
    """The 32 bytes by which a body is known of which so much was read and that had so many bytes; never another's."""
    return hashlib.sha256(b"\1%d\0" % size + beginning).digest()


def source_key(integration_id: int, organization_id: str, team_id: str, kind: str, source_id: int) -> bytes:
    """The 32 bytes by which a vendor's record is known: see docs/record.md, "Identity"."""
    parts = SPACED.encode([integration_id, organization_id, team_id, kind, source_id])
    return hashlib.sha256(parts.encode()).digest()


# As the keys of vendors' records have been written ever since, with spaces.
SPACED = json.JSONEncoder(ensure_ascii=False)


def canonical(value: Any) -> str:
    """
    A JSON value in canonical form: keys sorted by UTF-16 code units, no white space, numbers as ECMAScript writes them.

    Source: RFC 8785, sections 3.2.2 and 3.2.3; integers as said above.
    """
    return PLAIN.encode(value) if is_plain(value) else written(value)


# For what has neither floats nor keys beyond the Basic Multilingual Plane, the standard library writes the same.
PLAIN = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def is_plain(value: Any) -> bool:
    """Whether PLAIN writes the value canonically."""
    if isinstance(value, dict):
        return all(key.isascii() for key in value) and all(map(is_plain, value.values()))
    if isinstance(value, list):
        return all(map(is_plain, value))
    return type(value) is not float


def written(value: Any) -> str:
    """Any JSON value in canonical form."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{PLAIN.encode(k)}:{written(value[k])}" for k in sorted(value, key=utf16)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return ecmascript(value) if isinstance(value, float) else PLAIN.encode(value)


def utf16(key: str) -> bytes:
    """The key as RFC 8785 compares it: by UTF-16 code units."""
    return key.encode("utf-16-be")


def ecmascript(number: float) -> str:
    """
    A finite double as ECMAScript's Number::toString writes it (ECMA-262, 6.1.6.1.20): the shortest digits that read
    back the same, plain from 1e-6 up to 1e21, else with an exponent.
    """
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + int(exponent)
    return ("-" if sign else "") + laid_out(text, point)


def laid_out(text: str, point: int) -> str:
    """Digits with their decimal point after `point` of them, in ECMAScript's layout."""
    if len(text) <= point <= 21:
        return text + "0" * (point - len(text))
    if 0 < point <= 21:
        return f"{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + text
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{text[0]}{fraction}e{'+' if point > 0 else '-'}{abs(point - 1)}"
