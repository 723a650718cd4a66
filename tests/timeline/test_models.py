from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models.deletion import ProtectedError

from tests.conftest import NOON
from timeline.models import Checkpoint, TimelineEvent

FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def a_row(team, **columns):
    return TimelineEvent(
        **{
            "team": team,
            "event": "incident.started",
            "subject_kind": "incident",
            "subject_id": 1,
            "occurred_at": NOON,
            "recorded_at": NOON,
            "rank": 2,
            "identity": b"\1" * 32,
            "payload": {},
        }
        | columns
    )


def refused(row):
    """The name of the constraint that refuses a row; empty where it is written."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        return error.__cause__.diag.constraint_name or "not null"
    return ""


def test_a_good_row_is_written(team):
    assert refused(a_row(team)) == ""


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"occurred_at": FIRST - MILLISECOND}, "fact_occurred_within_bounds"),
        ({"occurred_at": LAST}, "fact_occurred_within_bounds"),
        ({"recorded_at": FIRST - MILLISECOND}, "fact_recorded_within_bounds"),
        ({"recorded_at": LAST}, "fact_recorded_within_bounds"),
        ({"subject_kind": "server"}, "fact_subject_known"),
        ({"subject_id": -1}, "fact_subject_known"),
        ({"effect": "maybe"}, "fact_effect_known"),
        ({"occurred_at": None}, "not null"),
    ],
)
def test_a_bad_row_is_refused(team, columns, constraint):
    assert refused(a_row(team, **columns)) == constraint


@pytest.mark.parametrize(
    "columns", [{"occurred_at": FIRST}, {"occurred_at": LAST - MILLISECOND}, {"subject_id": 2**63 - 1}]
)
def test_what_is_just_allowed_is_written(team, columns):
    assert refused(a_row(team, **columns)) == ""


def test_a_fact_is_there_once_for_an_integration_and_once_among_a_team_s_own(team, other_team):
    assert refused(a_row(team, integration_id=1)) == ""
    assert refused(a_row(team, integration_id=1, subject_id=2)) == "fact_once_per_integration"
    assert refused(a_row(other_team, integration_id=1)) == "fact_once_per_integration"
    assert refused(a_row(team, integration_id=2)) == ""
    assert refused(a_row(team)) == ""
    assert refused(a_row(team, subject_id=2)) == "own_fact_once_per_team"
    assert refused(a_row(other_team)) == ""


def test_a_checkpoint_is_there_once(db):
    def checkpoint():
        return Checkpoint(
            subject_kind="incident", subject_id=1, occurred_at=NOON, rank=1, identity=b"\1", facts=100, state={}
        )

    assert refused(checkpoint()) == ""
    assert refused(checkpoint()) == "checkpoint_once"


def test_a_team_and_a_user_of_facts_cannot_be_deleted(team, user):
    a_row(team, user=user).save()
    with pytest.raises(ProtectedError):
        team.delete()
    with pytest.raises(ProtectedError):
        user.delete()


@pytest.mark.parametrize(("seconds", "late"), [(0, None), (-5, None), (60, None), (60.001, 60.001), (420, 420)])
def test_a_fact_is_late_when_it_was_recorded_more_than_a_minute_after_it_occurred(team, seconds, late):
    assert a_row(team, recorded_at=NOON + timedelta(seconds=seconds)).late_seconds == late


def test_a_fact_s_place_is_the_same_from_the_database(team):
    row = a_row(team)
    row.save()
    assert TimelineEvent.objects.get().position == row.position == (NOON, 2, b"\1" * 32)


def test_a_fact_says_what_and_when(team):
    assert str(a_row(team)) == "incident.started at 2026-05-13 12:00:00"
