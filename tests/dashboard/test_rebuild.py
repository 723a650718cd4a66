"""`rebuild --check` finds whatever is shown and not said by the facts; `rebuild` mends it."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from dashboard import rebuilding
from dashboard.management.commands import rebuild
from incidents import corrections, lifecycle
from incidents.models import Incident
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event, make_integration, make_team, make_user
from tests.floods import RECEIVED, tell_together
from timeline import chronology, kept
from timeline.models import Checkpoint, TimelineEvent

OTHER = {"resource_type": "monitor", "resource_id": 790, "resource_name": "Other"}


def at(minutes):
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def history(transactional_db, monkeypatch):
    """Two monitors, a heartbeat, an incident with a checkpoint and a note of ours, a deleted one, and a live one."""
    for room in (chronology, kept):
        monkeypatch.setattr(room, "CHECKPOINT_EVERY", 7)
    team = make_team()
    integration = make_integration(team)
    user = make_user("alice@example.com", team)
    escalations = [an_event("incident.escalated", at(10), more=n) for n in range(6)]
    tell_together(
        integration,
        [
            an_event("monitor.created", at(0)),
            an_event("heartbeat.created", at(0)),
            an_event("monitor.down", at(2)),
            an_event("incident.started", at(1), regions=["asia", "eu"]),
            an_event("incident.resolved", at(20)),
            *escalations,
            an_event("incident.destroyed", at(3), incident_id=202, **OTHER),
            an_event("monitor.paused", at(30), monitor_id=790),
            an_event("monitor.down", at(31), monitor_id=790),
            an_event("incident.started", at(5), incident_id=203, resource_type=None),
        ],
    )
    incident = Incident.objects.get(source_id=201)
    lifecycle.comment(incident, by=user, at=at(40), message="All quiet.")
    moved, hidden = (TimelineEvent.objects.get(payload__more=n) for n in (1, 2))
    corrections.correct(incident, moved.pk, by=user, at=at(50), reason="Typo.", occurred_at=at(11), message="Called.")
    corrections.correct(incident, hidden.pk, by=user, at=at(51), reason="A test.", hidden=True)
    return integration


def check(capsys):
    """What `rebuild --check` prints, and whether it ended well."""
    capsys.readouterr()
    try:
        call_command("rebuild", "--check")
        ended = 0
    except SystemExit as stop:
        ended = stop.code
    return ended, capsys.readouterr().out.splitlines()


CLEAN = (0, ["0 differences; 0 deliveries not applied yet."])


def test_what_was_folded_step_by_step_is_clean(history, capsys):
    assert Checkpoint.objects.count() == 2
    assert check(capsys) == CLEAN


def test_an_empty_database_is_clean(transactional_db, capsys):
    assert check(capsys) == CLEAN


def test_deliveries_not_applied_yet_are_counted_and_are_no_difference(history, capsys):
    history.deliveries.filter(event="monitor.paused").update(status="received")
    assert check(capsys) == (0, ["0 differences; 1 deliveries not applied yet."])


INCIDENT_COLUMNS = {
    "title": "x",
    "status": "open",
    "severity": "minor",
    "type": "timeout",
    "error_message": "x",
    "affected_regions": ["x"],
    "escalation_policy_id": 5,
    "incident_group_id": 5,
    "assignee_email": "x",
    "assignee_name": "x",
    "resource_type": "server",
    "resource_id": 10**9,
    "resource_name": "x",
    "started_at": NOON,
    "acknowledged_at": NOON,
    "resolved_at": NOON,
    "closed_at": NOON,
    "destroyed_at": NOON,
    "provisional": True,
    "only_noted": True,
    "corrections": 5,
    "facts": 10**6,
    "updated_at": NOON,
    "last_rank": 99,
    "last_identity": b"x",
}
RESOURCE_COLUMNS = {
    "name": "x",
    "status": "paused",
    "status_inferred": False,
    "status_since": NOON - timedelta(1),
    "provisional": True,
    "destroyed_at": NOON,
    "live_incidents": 5,
    "facts": 10**6,
    "last_occurred_at": NOON + timedelta(1),
    "last_rank": 99,
    "last_identity": b"x",
}
MONITOR_COLUMNS = RESOURCE_COLUMNS | {"url": "x", "type": "x"}
READINGS = {
    "effect": "none",
    "rank": 1350,
    "why": "Because.",
    "entries": [{"action": "x"}],
    "hold": 1,
    "presses": "hold",
    "resource_id": None,
    "resource_kind": None,
}
CORRECTED = {"occurred_at": NOON + timedelta(minutes=12), "correction": None}
CHECKPOINT_COLUMNS = {"facts": 99, "state": {}, "identity": b"x", "rank": 0, "occurred_at": NOON}
TAMPERED = [
    *((Incident, {"source_id": 201}, column, value) for column, value in INCIDENT_COLUMNS.items()),
    *((Monitor, {"source_id": 789}, column, value) for column, value in MONITOR_COLUMNS.items()),
    (Incident, {"source_id": 203}, "is_live", False),
    *((Heartbeat, {"source_id": 101}, column, value) for column, value in RESOURCE_COLUMNS.items()),
    *((TimelineEvent, {"event": "incident.resolved"}, column, value) for column, value in READINGS.items()),
    *((TimelineEvent, {"event": "monitor.created"}, column, value) for column, value in READINGS.items()),
    (TimelineEvent, {"event": "incident.started", "payload__incident_id": 201}, "resource_id", 10**9),
    (TimelineEvent, {"event": "incident.commented"}, "entries", []),
    (TimelineEvent, {"event": "incident.commented"}, "occurred_at", NOON),
    *((TimelineEvent, {"payload__more": 1}, column, value) for column, value in CORRECTED.items()),
    *((TimelineEvent, {"payload__more": 2}, column, value) for column, value in CORRECTED.items()),
    (TimelineEvent, {"payload__more": 3}, "correction", {"occurred_at": None, "message": None, "hidden": True}),
    *((Checkpoint, {"subject_kind": "incident"}, column, value) for column, value in CHECKPOINT_COLUMNS.items()),
    *((Checkpoint, {"subject_kind": "monitor"}, column, value) for column, value in CHECKPOINT_COLUMNS.items()),
]


def rows_of(model, which):
    return model.objects.filter(**which)


def test_every_tampered_column_is_found(history):
    """In one test, for its history is made once."""
    assert differences() == []
    for model, which, column, value in TAMPERED:
        was = rows_of(model, which).values_list(column, flat=True).get()
        rows_of(model, which).update(**{column: value})
        assert differences(model, which), f"{model.__name__}.{column} of {which}"
        model.objects.filter(**which if column not in which else {column: value}).update(**{column: was})
    assert differences() == []


def test_whatever_is_tampered_with_is_mended(history, capsys):
    before = snapshot()
    for model, which, column, value in TAMPERED:
        if column != "is_live":
            rows_of(model, which).update(**{column: value})
    rows_of(Incident, {"source_id": 203}).update(is_live=False)
    assert check(capsys)[0] == 1
    call_command("rebuild")
    assert check(capsys) == CLEAN
    assert snapshot() == before


def differences(model=None, which=None):
    """What a check finds, without a transaction of its own: of one record, or of all."""
    known = {each: kind for kind, each in rebuilding.subjects()}
    looked_at = (
        {known[model]: model.objects.filter(**which)}
        if model in known
        else {kind: each.objects.all() for each, kind in known.items()}
    )
    rows = [(kind, row) for kind, some in looked_at.items() for row in some.values()]
    return [str(each) for kind, row in rows for each in rebuilding.differences((kind, row["id"]), row)]


def snapshot():
    """All that is derived, without the ids of checkpoints, which are written anew."""
    rows = [list(model.objects.order_by("pk").values()) for model in (Incident, Monitor, Heartbeat, TimelineEvent)]
    return [
        *rows,
        list(Checkpoint.objects.order_by("subject_kind", "facts").values("subject_id", "facts", "state", "identity")),
    ]


def test_a_difference_says_what_is_shown_and_what_the_facts_say(history, capsys):
    incident = Incident.objects.get(source_id=201)
    Incident.objects.filter(pk=incident.pk).update(status="open")
    ended, lines = check(capsys)
    assert ended == 1
    assert lines == [
        f"incident {incident.pk}: status is 'open', its facts say 'resolved'",
        "1 differences; 0 deliveries not applied yet.",
    ]


def test_checkpoints_that_are_missing_or_too_many_are_found_and_mended(history, capsys):
    Checkpoint.objects.order_by("id").first().delete()
    assert check(capsys)[0] == 1
    call_command("rebuild")
    assert check(capsys) == CLEAN
    Checkpoint.objects.create(
        subject_kind="heartbeat",
        subject_id=Heartbeat.objects.get().pk,
        occurred_at=NOON,
        rank=0,
        identity=b"x",
        facts=100,
        state={},
    )
    assert check(capsys)[0] == 1
    call_command("rebuild")
    assert check(capsys) == CLEAN


def test_a_checkpoint_of_before_states_had_all_that_they_have_now_is_no_difference(history, capsys):
    for each, name in zip(Checkpoint.objects.order_by("subject_kind"), ("incident_group_id", "kin"), strict=True):
        del each.state[name]
        each.save()
    assert check(capsys) == CLEAN


def test_a_row_that_lost_its_facts_is_blank_after_rebuilding(history, capsys):
    history.deliveries.all().delete()
    TimelineEvent.objects.all().delete()
    Checkpoint.objects.all().delete()
    assert check(capsys)[0] == 1
    call_command("rebuild")
    assert check(capsys) == CLEAN
    assert set(Incident.objects.values_list("status", "facts", "is_live")) == {("open", 0, False)}
    assert set(Monitor.objects.values_list("status", "facts")) == {("pending", 0)}


def test_what_was_rebuilt_goes_on_as_if_nothing_had_been(history, capsys):
    Incident.objects.filter(is_live=False).update(
        status="closed", facts=3, title="", last_identity=b"\xff", updated_at=NOON
    )
    Checkpoint.objects.all().delete()
    call_command("rebuild")
    tell_together(history, [an_event("incident.reopened", at(50)), an_event("incident.acknowledged", at(5))], RECEIVED)
    assert check(capsys) == CLEAN
    assert Incident.objects.get(source_id=201).status == "open"


def test_rebuilding_says_how_much_it_folded(history, capsys):
    call_command("rebuild")
    assert capsys.readouterr().out == "Folded again: 6 incidents, monitors and heartbeats.\n"


def test_a_check_writes_nothing(history, capsys):
    Incident.objects.filter(is_live=False).update(status="closed")
    before = snapshot()
    check(capsys)
    assert snapshot() == before


def test_a_check_sees_one_moment_of_the_database(history, capsys, monkeypatch):
    """What is applied while it looks belongs to a later moment."""
    found, real, told = rebuilding.check(), rebuilding.folded_again, []

    def folding(subject):
        if not told:
            told.append(subject)
            events = [an_event("incident.reopened", at(60)), an_event("monitor.unpaused", at(61))]
            meanwhile(lambda: tell_together(history, events))
        return real(subject)

    with monkeypatch.context() as patch:
        patch.setattr(rebuilding, "SOME", 1)
        patch.setattr(rebuilding, "folded_again", folding)
        assert list(found) == []
    assert told
    assert Incident.objects.get(source_id=201).status == "open"
    assert check(capsys) == CLEAN


def meanwhile(job):
    """Run a job on a connection of its own and wait for it."""
    import threading

    def run():
        try:
            job()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_only_so_many_differences_are_printed_and_all_are_counted(history, capsys, monkeypatch):
    monkeypatch.setattr(rebuild, "SHOWN_AT_MOST", 3)
    TimelineEvent.objects.filter(event="incident.escalated").update(why="x", effect="none")
    ended, lines = check(capsys)
    assert (ended, len(lines), lines[-1]) == (1, 4, "6 differences; 0 deliveries not applied yet.")
