"""Times on the wire: RFC 3339 in, ISO 8601 in UTC with milliseconds out.

The grammar is the API's and narrower than Python's own `fromisoformat`: an upper-case `T`, seconds, and
an offset of `Z` or ±hh:mm are required; a fraction has 1 to 9 digits and is cut to milliseconds; there is no
second 60 and no hour 24. Not for time zones of people: pages turn UTC into those.
"""

import re
from datetime import UTC, datetime

_shape = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
).fullmatch

EXPECTED = "Expected an RFC 3339 time such as 2026-05-13T10:05:00.000Z."
OUT_OF_RANGE = "This time falls outside of the years 0001 to 9999 in UTC."


def parse_rfc3339(text: str) -> datetime:
    """The moment that `text` names: aware, UTC, cut to milliseconds.

    Raises ValueError, with a sentence that can be shown, when `text` is not RFC 3339 (see the module), names
    no day of the calendar, or leaves the years 1 to 9999 once it is turned into UTC.
    """
    if _shape(text) is None:
        raise ValueError(EXPECTED)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("There is no such day in the calendar.") from None
    if moment.tzinfo is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise ValueError(OUT_OF_RANGE) from None
    microsecond = moment.microsecond
    if microsecond % 1000:
        moment = moment.replace(microsecond=microsecond // 1000 * 1000)
    return moment


def rfc3339(moment: datetime) -> str:
    """`moment` (aware) as the API writes it: `2026-05-13T10:05:00.000Z`. A naive one is a ValueError."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be written as UTC")
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
