"""
Every ordered pair of the 19 event types, the second one's `dt` before, equal to and after the first one's: 1,083
rows of tests/corpus/pairs.csv, which says what a fresh team is shown after both.

Columns: `started` is whose moment is the incident's `started_at`; `updates` are newest first, `action old→new`;
`no_effect` lists the incident's facts that did nothing; an empty cell is a record that does not exist. A pair of
the same type at the same moment is one event sent twice.
"""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.histories import VENDOR_TYPES, Payload, Shown, event, fact, shown_of
from timeline.identity import event_identity

TABLE = Path(__file__).parent.parent / "corpus" / "pairs.csv"
WHEN = {"before": -1, "equal": 0, "after": 1}
MIRRORED = {"before": "after", "equal": "equal", "after": "before"}
OTHER_ONE = {"first": "second", "second": "first", "both": "both"}

Row = dict[str, str]


@cache
def table() -> tuple[Row, ...]:
    """The rows of the table."""
    with TABLE.open(newline="", encoding="utf-8") as lines:
        return tuple(csv.DictReader(lines))


def events_of(row: Row) -> dict[str, Payload]:
    """The two events that a row is about."""
    return {"first": event(row["first"], 0), "second": event(row["second"], WHEN[row["when"]])}


def row_from(shown: Shown, row: Row) -> Row:
    """What is shown, in the words of the table."""
    events = events_of(row)
    names = {event_identity(payload): name for name, payload in reversed(events.items())}
    incident = shown.get(("incident", 201))
    no_effect = incident["no_effect"] if incident else []
    return {
        **{column: row[column] for column in ("first", "second", "when")},
        "incident": in_words(incident),
        "started": whose_start(incident, events),
        "updates": updates_in_words(incident),
        "no_effect": " ".join(sorted(names[identity] for identity, _ in no_effect)),
        "monitor": in_words(shown.get(("monitor", 789))),
        "heartbeat": in_words(shown.get(("heartbeat", 101))),
    }


def in_words(record: dict[str, Any] | None) -> str:
    """A record's status and marks; empty if there is none."""
    if record is None:
        return ""
    marks = ("inferred", "status_inferred"), ("provisional", "provisional"), ("destroyed", "destroyed_at")
    return " ".join([record["status"], *(word for word, column in marks if record.get(column))])


def whose_start(incident: dict[str, Any] | None, events: dict[str, Payload]) -> str:
    """Which event's moment the incident started at."""
    if incident is None:
        return ""
    of_incident = {name: fact(each).occurred_at for name, each in events.items() if "incident_id" in each}
    whose = [name for name, at in of_incident.items() if at == incident["started_at"]]
    return "both" if len(whose) == 2 else whose[0]


def updates_in_words(incident: dict[str, Any] | None) -> str:
    """The updates, newest first."""
    lines = []
    for _, action, old, new, _ in incident["updates"] if incident else []:
        lines.append(action if old is None and new is None else f"{action} {old or '-'}→{new or '-'}")
    return " | ".join(lines)


def test_the_table_has_every_ordered_pair_three_times() -> None:
    expected = {(a, b, when) for a in VENDOR_TYPES for b in VENDOR_TYPES for when in WHEN}
    assert len(VENDOR_TYPES) == 19
    assert len(expected) == len(table()) == 1083
    assert {(row["first"], row["second"], row["when"]) for row in table()} == expected


def test_the_table_says_the_same_of_a_pair_told_the_other_way_round() -> None:
    rows = {(row["first"], row["second"], row["when"]): row for row in table()}
    for (first, second, when), row in rows.items():
        if (first, when) == (second, "equal"):
            continue  # one event: it has no other way round
        mirrored = rows[second, first, MIRRORED[when]]
        swapped = " ".join(sorted(OTHER_ONE[name] for name in mirrored["no_effect"].split()))
        assert row["no_effect"] == swapped
        assert row["started"] == OTHER_ONE.get(mirrored["started"], "")
        same = ("incident", "updates", "monitor", "heartbeat")
        assert [row[column] for column in same] == [mirrored[column] for column in same]


@pytest.mark.parametrize("first", VENDOR_TYPES)
def test_a_pair_comes_to_what_the_table_says_in_either_order_of_arrival(first: str) -> None:
    for row in table():
        if row["first"] == first:
            events = list(events_of(row).values())
            assert row_from(shown_of(events), row) == row
            assert row_from(shown_of(reversed(events)), row) == row
