"""
What was shown at a moment is shown again by `as_of`: live snapshots, taken as a history is told, late and out of order,
corrected, corrected again and hidden, are asked for again afterwards, whole and page by page.

Checkpoints are left every few facts, so that reading begins at one wherever it may.
"""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.errors import ApiError
from incidents import corrections, known, lifecycle, updates
from incidents.models import Incident
from integrations.models import Integration
from teams.models import User
from tests.conftest import NOON, an_event, tell_it
from timeline import chronology, kept
from timeline.models import Checkpoint

FULL = os.environ.get("WATCHKEEPER_TEST_FULL") == "1"
EVENTS = ("started", "acknowledged", "resolved", "reopened", "escalated", "grouped")
EVERYTHING = 1000

# One thing that is heard or said, some minutes after the one before.
told = st.builds(
    lambda event, minute: ("tell", event, minute), st.sampled_from(EVENTS), st.integers(min_value=0, max_value=40)
)
moved = st.builds(
    lambda entry, minute: ("move", entry, minute), st.integers(0, 30), st.integers(min_value=0, max_value=40)
)
hidden = st.builds(lambda entry, is_hidden: ("hide", entry, is_hidden), st.integers(0, 30), st.booleans())
reworded = st.builds(lambda entry, text: ("reword", entry, text), st.integers(0, 30), st.sampled_from("AB"))
added = st.builds(lambda minute: ("add", 0, minute), st.integers(min_value=0, max_value=40))
noted = st.just(("note", 0, 0))
histories = st.lists(st.one_of(told, told, moved, hidden, reworded, added, noted), min_size=3, max_size=14)


@pytest.fixture(autouse=True)
def few_facts_to_a_checkpoint(monkeypatch):
    for room in (chronology, kept, known):
        monkeypatch.setattr(room, "CHECKPOINT_EVERY", 2)


def at_minute(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def do(act: tuple[str, Any, Any], integration: Integration, user: User, at: datetime) -> None:
    """Let one thing happen; what is refused does not."""
    kind, what, how = act
    if kind == "tell":
        tell_it(integration, an_event(f"incident.{what}", at_minute(how), message=f"{what} {at}"), at=at)
        return
    incident = Incident.objects.get()
    said = {"by": user, "at": at, "reason": "a slip"}
    entries = list(
        known.facts_of(incident).exclude(event="incident.corrected").order_by("id").values_list("id", flat=True)
    )
    entry = entries[what % len(entries)]
    ways: dict[str, Callable[[], object]] = {
        "move": lambda: corrections.correct(incident, entry, occurred_at=at_minute(how), **said),
        "hide": lambda: corrections.correct(incident, entry, hidden=how, **said),
        "reword": lambda: corrections.correct(incident, entry, message=how, **said),
        "add": lambda: corrections.add(incident, message="Added", occurred_at=at_minute(how), **said),
        "note": lambda: lifecycle.comment(incident, by=user, at=at, message="Noted"),
    }
    try:
        with transaction.atomic():
            ways[kind]()
    except ApiError:  # as where all would be hidden
        return


def shown(incident: Incident, limit: int = EVERYTHING, as_of: datetime | None = None) -> tuple[list[Any], list[Any]]:
    """The whole timeline and all updates, read in pages of so many."""
    found = []
    for read in (updates.timeline, updates.updates):
        rows: list[Any] = []
        cursor: str | None = None
        while True:
            page, cursor = read(incident, limit, cursor, as_of)
            assert len(page) <= limit
            rows += page
            if cursor is None:
                break
        found.append(rows)
    return found[0], found[1]


def tell_and_ask_again(history: Sequence[tuple[str, Any, Any]], integration: Integration, user: User) -> None:
    tell_it(integration, an_event("incident.started", NOON), at=NOON)
    live = {}
    for number, act in enumerate(history, start=1):
        at = at_minute(60 + number)
        do(act, integration, user, at)
        live[at] = shown(Incident.objects.get())
    incident = Incident.objects.get()
    for at, then in live.items():
        for limit in (1, 3, EVERYTHING):
            assert shown(incident, limit, at) == then


@settings(max_examples=200 if FULL else 15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_what_was_shown_is_shown_again_as_of_then(history, integration, user):
    with transaction.atomic():
        tell_and_ask_again(history, integration, user)
        transaction.set_rollback(True)


def test_a_correction_that_moves_an_entry_behind_a_checkpoint_keeps_it_from_being_used_for_before(integration, user):
    history = [("tell", "escalated", minute) for minute in range(1, 9)]
    tell_and_ask_again([*history, ("move", 2, 20), ("move", 2, 3), ("move", 4, 0), *history], integration, user)


def test_what_came_late_keeps_checkpoints_behind_it_from_being_used_for_before(integration, user):
    history = [("tell", "escalated", minute) for minute in range(10, 17)]
    tell_and_ask_again([*history, ("tell", "acknowledged", 20), ("tell", "resolved", 5)], integration, user)


def escalate(integration: Integration, minutes: Sequence[int]) -> None:
    """A fact each minute, recorded at once."""
    for minute in minutes:
        event = an_event("incident.escalated", at_minute(minute), message=str(minute))
        tell_it(integration, event, at=at_minute(minute))


def test_the_newest_are_read_from_a_checkpoint(integration, user, monkeypatch):
    escalate(integration, range(40))
    incident = Incident.objects.get()
    assert not Checkpoint.objects.filter(subject_kind="incident", known_at=None).exists()
    read = []
    monkeypatch.setattr(
        known, "fold", lambda start, facts, step: (read.append(len(facts)), chronology.fold(start, facts, step))[1]
    )
    page, _ = updates.timeline(incident, 2, None, at_minute(30))
    assert [event["message"] for event in page] == ["30", "29"]
    assert read == [pytest.approx(5, abs=3)]


def test_a_checkpoint_of_an_older_version_is_not_used(integration, user):
    escalate(integration, range(10))
    incident = Incident.objects.get()
    live = shown(incident)
    Checkpoint.objects.update(known_at=None, state={})
    assert shown(incident, 2, at_minute(60)) == live


def test_checkpoints_behind_one_that_does_not_say_when_it_was_known_do_not_say_so_either(integration):
    escalate(integration, range(6))
    Checkpoint.objects.update(known_at=None)
    escalate(integration, range(6, 12))
    assert set(Checkpoint.objects.filter(subject_kind="incident").values_list("known_at", flat=True)) == {None}
