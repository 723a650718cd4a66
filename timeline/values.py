"""
What the value of a field of an event may be: the checks of the vocabulary (timeline.events), and how a value that fails
its check may be meant. Pure.
"""

import re
from collections.abc import Callable
from typing import Any

from config.numbers import LARGEST_ID
from config.times import parse_rfc3339

LONGEST_SPAN = 2**31 - 1

SEVERITIES = ("critical", "major", "minor", "warning")

DIGEST = re.compile(r"[0-9a-f]{64}").fullmatch

Check = Callable[[Any], str | None]
# Digits as JSON writes an integer: no sign, no leading zero, no other script's.
DIGITS = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII).fullmatch


def text(value: Any) -> str | None:
    """What is wrong with a value that should be text."""
    return None if isinstance(value, str) else "Must be a string."


def party(value: Any) -> str | None:
    """What is wrong with a value that should be the id of an organization or team: text, whatever it looks like."""
    return text(value)


def identifier(value: Any) -> str | None:
    """What is wrong with a value that should be an id: an integer from 0 to 2^63−1."""
    if type(value) is not int:
        return "Must be an integer."
    return None if 0 <= value <= LARGEST_ID else "Must be from 0 to 9223372036854775807."


def texts(value: Any) -> str | None:
    """What is wrong with a value that should be an array of strings."""
    if not isinstance(value, list):
        return "Must be an array."
    return None if all(isinstance(item, str) for item in value) else "Must be an array of strings."


def targets(value: Any) -> str | None:
    """What is wrong with a value that should be an array of {type, id, name}."""
    if not isinstance(value, list):
        return "Must be an array."
    problems = filter(None, map(target, value))
    return next(problems, None)


def severity(value: Any) -> str | None:
    """What is wrong with a value that should say how bad an incident is."""
    return None if isinstance(value, str) and value.strip() in SEVERITIES else f"Must be {', '.join(SEVERITIES)}."


def seconds(value: Any) -> str | None:
    """What is wrong with a value that should be a span of time."""
    return None if type(value) is int and 0 <= value <= LONGEST_SPAN else "Must be a number of seconds, up to 68 years."


def truth(value: Any) -> str | None:
    """What is wrong with a value that should be true or false."""
    return None if isinstance(value, bool) else "Must be true or false."


def digest(value: Any) -> str | None:
    """What is wrong with a value that should be the identity of a fact."""
    return None if isinstance(value, str) and DIGEST(value) else "Must be 64 hexadecimal digits in lower case."


def target(value: Any) -> str | None:
    """What is wrong with a value that should be an escalation target."""
    if not isinstance(value, dict):
        return "Must be an array of objects."
    for field, check in (("type", text), ("id", identifier), ("name", text)):
        problem = check(value[field]) if value.get(field) is not None else None
        if problem:
            return f"In each object, {field}: {problem}"
    return None


def time(value: Any) -> str | None:
    """What is wrong with a value that should be a moment."""
    if not isinstance(value, str):
        return "Must be a string."
    try:
        parse_rfc3339(value.strip())
    except ValueError as error:
        return str(error)
    return None


def number_in_digits(value: Any) -> int | None:
    """The id that a string of digits spells."""
    return int(value) if isinstance(value, str) and DIGITS(value) else None


def integer_as_text(value: Any) -> str | None:
    """The text that an integer is where text belongs."""
    return str(value) if type(value) is int else None


def one_as_array(value: Any) -> list[str] | None:
    """One string as an array of one."""
    return [value] if isinstance(value, str) else None


def targets_with_ids(value: Any) -> list[Any] | None:
    """Escalation targets whose ids may be spelled in digits."""
    return [target_with_id(each) for each in value] if isinstance(value, list) else None


def target_with_id(value: Any) -> Any:
    """An escalation target whose id may be spelled in digits."""
    number = number_in_digits(value.get("id")) if isinstance(value, dict) else None
    return value if number is None else value | {"id": number}


# How a value of a wrong type may be meant, by the check that it failed; None for not at all. Public clients of the
# vendor's own API have them so.
READINGS: dict[Check, Callable[[Any], Any]] = {
    identifier: number_in_digits,
    party: integer_as_text,
    texts: one_as_array,
    targets: targets_with_ids,
}


def reading(value: Any, check: Check) -> Any:
    """How a value that fails a check may be meant, so that it passes; None for not at all."""
    meant = READINGS[check](value) if check in READINGS else None
    return None if meant is None or check(meant) else meant
