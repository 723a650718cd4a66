"""Tests of config.tables: tables as CSV, page by page."""

import csv
import io
from datetime import UTC, datetime
from operator import itemgetter
from zoneinfo import ZoneInfo

import pytest

from config import tables
from config.paging import Page
from config.tables import Column, cell, written

ORDER = [("n", "desc")]
COLUMNS = [Column("n", itemgetter("n")), Column("text", itemgetter("text"))]


def read_from(rows, asked):
    """What reads pages of rows that are ordered by `n`, and notes what it was asked for."""

    def read(limit, cursor):
        after = next((at + 1 for at, row in enumerate(rows) if tables.cursor_after(row, ORDER) == cursor), 0)
        asked.append(limit)
        found = rows[after : after + limit]
        return Page(found, tables.cursor_after(found[-1], ORDER) if after + limit < len(rows) else None)

    return read


def parsed(pieces):
    return list(csv.reader(io.StringIO(b"".join(pieces).decode(), newline="")))


def test_a_table_of_many_pages_has_each_row_once_in_order():
    rows = [{"n": number, "text": f"row {number}"} for number in range(1000, 0, -1)]
    asked = []
    lines = parsed(written(COLUMNS, read_from(rows, asked), ORDER, UTC))
    assert lines == [["n", "text"], *([str(row["n"]), row["text"]] for row in rows)]
    assert asked[:4] == [tables.FEW, 50, 100, 200]
    assert max(asked) == tables.MANY


def test_large_rows_are_read_few_at_a_time_and_pieces_stay_small():
    rows = [{"n": number, "text": f"{number} " + "é" * 30_000} for number in range(120, 0, -1)]
    asked = []
    pieces = list(written(COLUMNS, read_from(rows, asked), ORDER, UTC))
    assert max(map(len, pieces)) < 2 * (tables.LONG_ENOUGH + 30_100)
    assert max(asked[1:]) <= 6
    assert [line[0] for line in parsed(pieces)[1:]] == [str(row["n"]) for row in rows]


def test_an_empty_table_has_its_head():
    assert parsed(written(COLUMNS, lambda limit, cursor: Page([], None), ORDER, UTC)) == [["n", "text"]]


@pytest.mark.parametrize(
    "sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", " =", "\u200b@", "\xa0+"]
)
def test_no_text_is_a_formula(sign):
    assert cell(f"{sign}1+cmd|' /C calc'!A0", UTC).startswith("'" + sign)


@pytest.mark.parametrize("text", ["a=b", "Shop is down", " leading", "'=", "", "1-2", "#84", "ünï", "a\nb"])
def test_any_other_text_stays_as_it_is(text):
    assert cell(text, UTC) == text


def test_values_are_written_as_they_are_read_elsewhere():
    moment = datetime(2026, 7, 1, 12, 0, 0, 123456, UTC)
    assert cell(moment, ZoneInfo("Europe/Berlin")) == "2026-07-01T14:00:00.123+02:00"
    assert cell(moment, UTC) == "2026-07-01T12:00:00.123+00:00"
    assert [cell(value, UTC) for value in (None, 7, -7, True, ["a", "b"], ["=a"])] == [
        "",
        "7",
        "-7",
        "yes",
        "a, b",
        "'=a",
    ]
