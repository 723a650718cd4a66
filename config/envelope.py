"""The one shape of our JSON answers: `{"success": true, "data": …}` or `{"success": false, "error": …}`.

Only the shape; which errors there are stands in `config.errors`.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.functional import Promise

from config.times import rfc3339


def success(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """The answer that carries `data`: JSON values, and (aware) datetimes and UUIDs anywhere in them."""
    return _answer({"success": True, "data": data}, status, headers)


def failure(
    status: int, code: str, message: str, details: Any = None, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """The answer that says what went wrong; `details` is left out when it is None."""
    error = {"code": code, "message": message}
    return _answer(
        {"success": False, "error": error if details is None else error | {"details": details}},
        status,
        headers,
    )


def _answer(content: dict[str, Any], status: int, headers: Mapping[str, str] | None) -> HttpResponse:
    return HttpResponse(dump(content), content_type="application/json", status=status, headers=headers)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, UUID | Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a JSON answer")


_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"), default=_plain
).encode


# A list is encoded so many entries at a time: while the encoder is at work no other thread of the process is.
PIECE = 100


def dump(value: Any) -> bytes:
    """`value` as JSON in UTF-8, without spaces; times as the API writes them."""
    if isinstance(value, list) and len(value) > PIECE:
        pieces = (_encode(value[first : first + PIECE])[1:-1] for first in range(0, len(value), PIECE))
        return f"[{','.join(pieces)}]".encode()
    return _encode(value).encode()
