"""
Lengths of time that people type and read: `1 d`, `12 h`, `1 h 30 min`, `45 s`. Exact both ways. Pure.

Not here: how long something lasted, which is rounded (dashboard.templatetags.moments).
"""

import re

UNITS = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}

# What people write for the units.
WORDS = {
    "d": ("d", "day", "days"),
    "h": ("h", "hour", "hours", "hr", "hrs"),
    "min": ("min", "mins", "minute", "minutes", "m"),
    "s": ("s", "sec", "secs", "second", "seconds", ""),
}
UNIT_OF = {word: unit for unit, words in WORDS.items() for word in words}
PART = re.compile(r"([0-9]{1,9})(?![0-9]) *([a-z]*)[ ,]*", re.ASCII)

EXPECTED = "Enter a length of time such as 1 d, 12 h, 1 h 30 min or 45 s."


def written(seconds: int) -> str:
    """Seconds in all their units."""
    parts = []
    for unit, size in UNITS.items():
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts) or "0 s"


def read(text: str) -> int:
    """The seconds that a text means; a number without a unit is seconds. Raises ValueError, with a sentence."""
    rest, seconds = text.strip().lower(), 0
    if not rest:
        raise ValueError(EXPECTED)
    while rest:
        part = PART.match(rest)
        if part is None or part[2] not in UNIT_OF:
            raise ValueError(EXPECTED)
        seconds += int(part[1]) * UNITS[UNIT_OF[part[2]]]
        rest = rest[part.end() :]
    return seconds
