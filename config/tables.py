"""
Tables as CSV (RFC 4180, UTF-8), of any length: written page by page, each read in a short transaction of its own, so
that neither memory nor a cursor grows with them (config.streams sends them).

A text that a spreadsheet would take for a formula is written with an apostrophe before it: what strangers call their
incidents is nothing to be computed. Times are ISO 8601 with the offset of the reader's time zone. Not here: which rows
and columns there are (the pages).
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from config.paging import Order, Page, cursor_after
from config.streams import Rows

# How many rows are read at once: few at first, and about twice as many as fitted the last time. And from how many
# characters on a piece is long enough: what was read beyond is read again for the next.
FEW, MANY = 25, 250
LONG_ENOUGH = 64 * 1024
# Where a spreadsheet begins to compute, also behind spaces that it does not count.
_FORMULA = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]").match


class Column(NamedTuple):
    """A column: what it is called, and what it says of a row."""

    name: str
    value: Callable[[Any], object]


# `read(limit, cursor)`: a page of rows, as config.paging makes them.
Read = Callable[[int, str | None], Page]


def download(
    name: str, columns: Sequence[Column], read: Read, order: Order, zone: tzinfo, *, is_allowed: Callable[[], bool]
) -> Rows:
    """A table as a file of that name. Raises what the first reading does, RateLimited and Unavailable."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    content_type = "text/csv; charset=utf-8; header=present"
    pieces = written(columns, read, order, zone)
    return Rows(pieces, is_allowed=is_allowed, content_type=content_type, headers=headers)


def written(columns: Sequence[Column], read: Read, order: Order, zone: tzinfo) -> Iterator[bytes]:
    """The table in pieces, the first with the columns' names. Between two pieces nothing is held but a cursor."""
    text = io.StringIO(newline="")
    line = csv.writer(text, lineterminator="\r\n")
    line.writerow([column.name for column in columns])
    cursor: str | None = None
    limit = number = FEW
    while True:
        rows, following = read(limit, cursor)
        for number, row in enumerate(rows, 1):
            line.writerow([cell(column.value(row), zone) for column in columns])
            if text.tell() >= LONG_ENOUGH and number < len(rows):
                following = cursor_after(row, order)
                break
        del rows
        yield text.getvalue().encode()
        if following is None:
            return
        cursor, limit = following, min(2 * number, MANY)
        text.seek(0)
        text.truncate()


def cell(value: object, zone: tzinfo) -> str:
    """A value as a cell says it; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="milliseconds")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if _FORMULA(text) else text
