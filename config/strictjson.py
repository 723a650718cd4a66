"""The one parser of the JSON that strangers send.

It is the standard library's C scanner with the doors closed that the library leaves open. A body is refused
as `Malformed` when it is not JSON in UTF-8, and as `Unsafe` when it is JSON that two readers could understand
differently or that PostgreSQL cannot keep: duplicate keys, NaN and Infinity, NUL, lone surrogates, more than
32 levels, a number literal over 40 characters or beyond what a float holds.

Not for sizes of bodies (the doors know theirs), and not for what the values mean.
"""

import json
import re
from collections.abc import Iterable
from json.decoder import JSONDecodeError, JSONDecoder
from math import isinf
from typing import Any, NoReturn

DEEPEST = 32
LONGEST_NUMBER = 40


class Refused(ValueError):
    """Bytes that are not taken for JSON. `message` is a sentence for the sender; `code` is the API's."""

    code: str

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Malformed(Refused):
    """Not JSON, or not in UTF-8."""

    code = "MALFORMED_JSON"


class Unsafe(Refused):
    """JSON that is refused for safety's sake."""

    code = "UNSAFE_JSON"


class TooMany(ValueError):
    """An array of more elements than the caller wants to see. Nothing is said about the rest of it."""


def parse(raw: bytes) -> Any:
    """The value of one JSON document in `raw`: dict, list, str, int, float, bool or None.

    Raises Malformed or Unsafe.
    """
    return parse_text(_text_of(raw))


def parse_text(text: str) -> Any:
    """As `parse`, for JSON that is already text, as from a form field."""
    start = _skip_space(text, 0).end()
    value, end = _scan(text, start)
    _end_of_document(text, end)
    _inspect(value, text, 0, end, level=0)
    return value


def parse_each(raw: bytes, at_most: int | None = None) -> tuple[Any, list[bytes] | None]:
    """The value in `raw` and, if that is an array, the exact bytes of its elements, in order (else None).

    Raises Malformed or Unsafe as `parse` does, for the body as a whole, and TooMany at element `at_most` + 1.
    """
    text = _text_of(raw)
    at = _skip_space(text, 0).end()
    if not text.startswith("[", at):
        value, end = _scan(text, at)
        _end_of_document(text, end)
        _inspect(value, text, 0, end, level=0)
        return value, None
    spans, values, end = _elements(text, at, len(text) if at_most is None else at_most)
    _end_of_document(text, end)
    if text.isascii():
        return values, [raw[start:stop] for start, stop in spans]
    return values, [text[start:stop].encode() for start, stop in spans]


def _elements(text: str, at: int, at_most: int) -> tuple[list[tuple[int, int]], list[Any], int]:
    """Scan the array that opens at `at`: where its elements stand, their values, and where the array ends."""
    spans: list[tuple[int, int]] = []
    values: list[Any] = []
    at = _skip_space(text, at + 1).end()
    if text.startswith("]", at):
        return spans, values, at + 1
    while True:
        if len(values) == at_most:
            raise TooMany(f"The array has more than {at_most} elements.")
        value, end = _scan(text, at)
        _inspect(value, text, at, end, level=1)
        spans.append((at, end))
        values.append(value)
        at = _skip_space(text, end).end()
        sign = text[at : at + 1]
        if sign == "]":
            return spans, values, at + 1
        if sign != ",":
            raise _malformed("Expected a comma or the end of the array", text, at)
        at = _skip_space(text, at + 1).end()


# Reading the text

_skip_space: Any = re.compile(r"[ \t\n\r]*").match


def _text_of(raw: bytes) -> str:
    try:
        text = str(raw, "utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not UTF-8 (byte {error.start + 1}).") from None
    if text.startswith("\ufeff"):
        raise Malformed("The body starts with a byte order mark; send JSON in UTF-8 without one.")
    return text


def _scan(text: str, at: int) -> tuple[Any, int]:
    """The value that starts at `at`, and where it ends."""
    try:
        return _scan_once(text, at)
    except StopIteration as stop:
        if not text.strip(" \t\n\r"):
            raise Malformed("The body is empty.") from None
        raise _malformed("Expected a value", text, stop.value) from None
    except JSONDecodeError as error:
        raise _malformed(error.msg.rstrip(": ").removesuffix(" at"), text, error.pos) from None
    except RecursionError:
        raise _too_deep() from None


def _end_of_document(text: str, at: int) -> None:
    at = _skip_space(text, at).end()
    if at != len(text):
        raise _malformed("Expected the end of the body", text, at)


def _malformed(what: str, text: str, at: int) -> Malformed:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return Malformed(f"The body is not JSON: {what} at line {line}, column {column}.")


# What the C scanner hands to us while it reads


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unsafe(f"An object has the key {_shown(_first_twin(pairs))} more than once.")
    return members


def _first_twin(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    return next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]


def _integer(literal: str) -> int:
    if len(literal) > LONGEST_NUMBER:
        raise _too_long()
    return int(literal)


def _decimal(literal: str) -> float:
    if len(literal) > LONGEST_NUMBER:
        raise _too_long()
    number = float(literal)
    if isinf(number):
        raise Unsafe(f"The number {literal} is too large to be kept.")
    return number


def _no_number(name: str) -> NoReturn:
    raise Unsafe(f"{name} is not a JSON number.")


_scan_once: Any = JSONDecoder(
    object_pairs_hook=_without_twins, parse_float=_decimal, parse_int=_integer, parse_constant=_no_number
).scan_once  # type: ignore[attr-defined]


# What can be seen only afterwards. Most documents show by their text alone that there is nothing to look for.

_worth_a_look = re.compile(r"\\u(?:0000|[dD][89a-fA-F])").search
_surrogate = re.compile("[\ud800-\udfff]").search


def _inspect(value: Any, text: str, start: int, end: int, level: int) -> None:
    """Refuse depth, NUL and lone surrogates in `value`, read from text[start:end] inside `level` arrays."""
    if text.count("{", start, end) + text.count("[", start, end) + level > DEEPEST:
        _refuse_depth(value, DEEPEST - level)
    if text.find("\\u", start, end) != -1 and _worth_a_look(text, start, end):
        _refuse_unkeepable(value)


def _refuse_depth(value: Any, allowed: int) -> None:
    layer = [value] if isinstance(value, dict | list) else []
    while layer:
        if not allowed:
            raise _too_deep()
        allowed -= 1
        layer = [inner for outer in layer for inner in _inside(outer) if isinstance(inner, dict | list)]


def _refuse_unkeepable(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            _refuse_text(item)
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _refuse_text(text: str) -> None:
    if "\0" in text:
        raise Unsafe(f"The text {_shown(text)} contains NUL (\\u0000).")
    if _surrogate(text):
        raise Unsafe(f"The text {_shown(text)} contains half of a surrogate pair.")


def _inside(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _shown(text: str) -> str:
    """`text`, shortened, in quotes, as printable ASCII."""
    return json.dumps(text if len(text) <= 40 else text[:39] + "…")


def _too_deep() -> Unsafe:
    return Unsafe(f"The body is nested deeper than {DEEPEST} levels.")


def _too_long() -> Unsafe:
    return Unsafe(f"A number is written with more than {LONGEST_NUMBER} characters.")
