"""
Whether an answer is as a monitor's conditions say: values in its JSON and its headers, compared. Pure, and without
patterns, scripts or anything else that could take long.

A path is names with dots between them and places in lists: `data.nodes[0].state`; `$` or `$.` before it is fine, `[-1]`
is the last, a name with dots or brackets in it is `["a.b"]`. What is compared is what JSON says: numbers as numbers
where the condition's value is one, text as text, `true`, `false` and `null` by their names; of lists and objects their
JSON, but that `contains` looks for a member of a list, or a name of an object. What is not there meets `not_exists`
alone.
"""

import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from monitors.probes.target import Condition, Op, Source

LONGEST_SHOWN = 60
LONGEST_PATH = 500

_step = re.compile(
    r"""\.?(?P<name>[^.\[\]"']+)|\[(?P<place>-?[0-9]{1,9})\]|\[(?P<quoted>"[^"]*"|'[^']*')\]""",
).match
_number = re.compile(r"[+-]?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,3})?").fullmatch

MISSING = object()


def parse_path(path: str) -> list[str | int]:
    """The steps of a path. Raises ValueError, a sentence, for what is none."""
    rest = path.strip().removeprefix("$")
    steps: list[str | int] = []
    while rest:
        step = _step(rest)
        if step is None or len(path) > LONGEST_PATH:
            raise ValueError(f"'{shown(path)}' is no path such as data.nodes[0].state.")
        place, quoted = step["place"], step["quoted"]
        steps.append(int(place) if place is not None else quoted[1:-1] if quoted is not None else step["name"])
        rest = rest[step.end() :]
    return steps


def value_at(document: Any, path: str) -> Any:
    """What stands at a path; MISSING where nothing does."""
    try:
        steps = parse_path(path)
    except ValueError:
        return MISSING
    for step in steps:
        if isinstance(step, int) and isinstance(document, list) and -len(document) <= step < len(document):
            document = document[step]
        elif isinstance(document, dict) and str(step) in document:
            document = document[str(step)]
        else:
            return MISSING
    return document


def unmet(
    conditions: Sequence[Condition], header: Callable[[str], str | None], document: Callable[[], Any]
) -> str | None:
    """
    What is not as the first condition that fails says, as a sentence; None if all hold. `header`: what a header says;
    `document`: the body's JSON, asked for where a condition is about it; raises ValueError where the body is none.
    """
    for condition in conditions:
        if condition.source == Source.HEADER:
            said = header(condition.name)
            found: Any = MISSING if said is None else said
            where = f"The header {condition.name}"
        else:
            try:
                found = value_at(document(), condition.name)
            except (ValueError, RecursionError):
                return "The answer is not JSON."
            where = f"In the JSON, {condition.name}"
        if not holds(condition, found):
            return f"{where} {_is(found)}, expected: {_expected(condition)}."
    return None


def _is(found: Any) -> str:
    return "is missing" if found is MISSING else f"is {shown(written(found))}"


def _expected(condition: Condition) -> str:
    words = condition.op.value.replace("_", " ")
    return words if condition.op in (Op.EXISTS, Op.NOT_EXISTS) else f"{words} {shown(condition.value)}"


def holds(condition: Condition, found: Any) -> bool:
    """Whether a value is as a condition says."""
    op = condition.op
    if op == Op.EXISTS or found is MISSING:
        return op == Op.NOT_EXISTS if found is MISSING else True
    return COMPARED[op](found, condition.value)


def equal(found: Any, value: str) -> bool:
    """As numbers if both are, else as they are written."""
    one, other = number(found), number(value)
    return one == other if one is not None and other is not None else written(found) == value


def contains(found: Any, value: str) -> bool:
    """A part of a text, a member of a list, a name of an object."""
    if isinstance(found, list):
        return any(equal(one, value) for one in found)
    return value in (found if isinstance(found, dict) else written(found))


def greater(found: Any, value: str) -> bool:
    """Numbers only; anything else is not greater."""
    one, other = number(found), number(value)
    return one is not None and other is not None and one > other


def less(found: Any, value: str) -> bool:
    """Numbers only; anything else is not less."""
    one, other = number(found), number(value)
    return one is not None and other is not None and one < other


COMPARED: dict[Op, Callable[[Any, str], bool]] = {
    Op.EQUALS: equal,
    Op.NOT_EQUALS: lambda found, value: not equal(found, value),
    Op.CONTAINS: contains,
    Op.NOT_CONTAINS: lambda found, value: not contains(found, value),
    Op.GREATER: greater,
    Op.LESS: less,
    Op.NOT_EXISTS: lambda found, value: False,
}


def number(value: Any) -> Decimal | None:
    """A JSON number, or a text that is written as one; nothing else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = value.strip() if isinstance(value, str) else repr(value)
    try:
        return Decimal(text) if _number(text) else None
    except InvalidOperation:
        return None


def written(value: Any) -> str:
    """A value as text: text as it is, all else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shown(text: str) -> str:
    """A value as it may stand in a sentence."""
    return repr(text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…")
