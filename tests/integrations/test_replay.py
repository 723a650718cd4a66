import json
from datetime import timedelta

import pytest

from config.errors import ApiError
from incidents import fold as incident_fold
from incidents.models import Incident
from integrations import ingest, replay
from integrations.applying import FIND_OUT, OUR_FAULT
from integrations.models import DoorCount, InboundDelivery, Integration
from integrations.replay import Change, dry_run, quarantine, replay_all
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event, make_integration
from tests.floods import RECEIVED, apply_all
from timeline.models import Checkpoint, TimelineEvent
from timeline.outbound.installation import this_installation

LATER = RECEIVED + timedelta(days=2)
EVERYTHING = (Incident, Monitor, Heartbeat, TimelineEvent, Checkpoint, InboundDelivery, DoorCount, Integration)


def told(number=201, name="incident.started", at=NOON, **fields):
    return an_event(name, at, incident_id=number, **fields)


def receive(integration, value, webhook_id=None, at=RECEIVED):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    try:
        answer = ingest.receive_from(integration, body, {"webhook-id": webhook_id} if webhook_id else {}, at)
    except ApiError:
        return InboundDelivery.objects.latest("id")
    return InboundDelivery.objects.get(pk=answer.id)


def everything():
    """All rows there are."""
    return [list(model.objects.order_by("pk").values()) for model in EVERYTHING]


def refused_then(delivery):
    """A delivery as a version put it aside that took no event from more than 24 hours ahead."""
    wrong = {"code": "VALIDATION_ERROR", "message": "Not valid: dt."}
    InboundDelivery.objects.filter(pk=delivery.pk).update(status="quarantined", error=wrong, due_at=None)
    delivery.refresh_from_db()
    return delivery


@pytest.fixture
def early(integration):
    """An event that came more than 24 hours before it occurred, and lies in quarantine."""
    return refused_then(receive(integration, told(at=RECEIVED + timedelta(hours=30))))


def test_what_is_sound_now_is_applied_at_once(early, user):
    change = replay.replay(early, by=user, at=LATER)
    assert change == Change(early, "applied", None, "My Website is Down", None, "open")
    assert (early.status, early.error, early.replayed_at, early.replayed_by, early.applied_at) == (
        "applied", None, LATER, user, LATER,
    )  # fmt: skip
    # We came to know of it when it was replayed.
    assert TimelineEvent.objects.get().recorded_at == LATER
    assert early.received_at == RECEIVED


@pytest.mark.parametrize("wrong", [{}, {"message": None}, {"incident_id": "x"}])
def test_what_this_installation_sent_itself_is_not_applied_however_wrong_it_is(integration, user, wrong):
    """Its clock may be ahead; then it would have waited when it came, and be sound when it is replayed."""
    ours = this_installation().public_id
    back = receive(integration, told(at=RECEIVED + timedelta(hours=30)) | {"via": [ours]} | wrong)
    assert (back.status, back.error["code"]) == ("duplicate", "RETURNED")
    # Put aside by a version that looked at its fields first.
    InboundDelivery.objects.update(status="quarantined")
    assert replay.replay(back, by=user, at=LATER).verdict == "duplicate"
    assert not TimelineEvent.objects.exists()


def test_what_is_still_wrong_stays_aside_and_says_why(integration, user):
    change = replay.replay(receive(integration, told(None)), by=user, at=LATER)
    assert (change.verdict, change.subject, change.before, change.after) == ("quarantined", None, None, None)
    assert set(change.error["details"]["fields"]) == {"incident_id"}
    assert not TimelineEvent.objects.exists()


def test_what_was_refused_for_its_time_and_is_still_ahead_waits_now(early, user):
    change = replay.replay(early, by=user, at=RECEIVED + timedelta(minutes=1))
    assert (change.verdict, change.error, early.status, early.error) == ("waiting", None, "waiting", None)
    assert early.due_at == RECEIVED + timedelta(hours=30) - timedelta(minutes=10)
    assert not TimelineEvent.objects.exists()


@pytest.mark.parametrize("all_of_it", [False, True])
def test_what_was_refused_for_an_optional_field_is_applied_and_says_what_was_ignored(integration, user, all_of_it):
    """As a version put it aside that wanted every documented field in its documented type."""
    sent = told(regions={"eu": 1}, resource_id="789", organization_id=12)
    aside = refused_then(receive(integration, sent))
    if all_of_it:
        replay_all(integration.team, by=user, at=LATER)
        apply_all(LATER)
    else:
        assert replay.replay(aside, by=user, at=LATER).verdict == "applied"
    aside.refresh_from_db()
    fact = TimelineEvent.objects.get()
    assert (aside.status, aside.ignored, fact.ignored) == ("applied", ["regions"], ["regions"])
    del sent["regions"]
    assert fact.payload == sent | {"resource_id": 789, "organization_id": "12"}


@pytest.mark.parametrize("body", [b"{", b'{"a": NaN}', b"[]", b"\xff", b"7"])
def test_bytes_that_are_no_event_stay_aside(integration, user, body):
    delivery = receive(integration, body)
    change = replay.replay(delivery, by=user, at=LATER)
    assert change.verdict == "quarantined"
    assert change.error["code"] in ("MALFORMED_JSON", "UNSAFE_JSON", "VALIDATION_ERROR")
    assert bytes(delivery.body) == body


def test_a_change_says_what_the_record_was_and_what_it_is_then(integration, user, early):
    receive(integration, told())
    apply_all()
    late = refused_then(receive(integration, told(name="incident.resolved", at=RECEIVED + timedelta(hours=40))))
    change = replay.replay(late, by=user, at=LATER)
    assert (change.subject, change.before, change.after) == ("My Website is Down", "open", "resolved")


@pytest.mark.parametrize("status", ["received", "applied", "duplicate"])
def test_only_what_was_put_aside_can_be_replayed(integration, user, status):
    delivery = receive(integration, told())
    InboundDelivery.objects.update(status=status)
    delivery.refresh_from_db()
    before = everything()
    assert replay.replay(delivery, by=user, at=LATER) == Change(delivery, status)
    assert everything() == before


def test_what_was_applied_meanwhile_is_not_applied_again(early, user):
    stale = InboundDelivery.objects.get()
    replay.replay(early, by=user, at=LATER)
    assert replay.replay(stale, by=user, at=LATER).verdict == "quarantined"
    assert stale.status == "applied"
    assert TimelineEvent.objects.count() == 1


def test_a_conflict_can_be_applied_after_all(integration, user):
    first = receive(integration, told(1), "msg_1")
    conflict = receive(integration, told(2), "msg_1")
    assert conflict.status == "conflict"
    change = replay.replay(conflict, by=user, at=LATER)
    assert (change.verdict, change.error, change.after) == ("applied", None, "open")
    apply_all()
    assert set(InboundDelivery.objects.values_list("status", flat=True)) == {"applied"}
    # The webhook-id is still the first one's, and both are shown with what they came with.
    assert receive(integration, told(3), "msg_1").status == "conflict"
    assert ingest.receive_from(
        integration, json.dumps(told(1)).encode(), {"webhook-id": "msg_1"}, LATER
    ) == ingest.Answer(first.pk, "duplicate")
    conflict.refresh_from_db()
    assert conflict.webhook_id == "msg_1"


def test_an_unrecognized_delivery_stays_unrecognized_until_a_version_knows_it(integration, user):
    delivery = receive(integration, told(name="incident.exploded"))
    assert replay.replay(delivery, by=user, at=LATER).verdict == "unrecognized"


def test_a_delivery_that_fails_again_stays_aside(integration, user, early, monkeypatch):
    def fail(*_):
        raise ValueError("boom")

    monkeypatch.setitem(incident_fold.EFFECTS, "incident.started", fail)
    change = replay.replay(early, by=user, at=LATER)
    said = f"{OUR_FAULT} {FIND_OUT.format(early.pk)}"
    assert (change.verdict, change.error["message"]) == ("quarantined", said)
    assert not TimelineEvent.objects.exists()
    monkeypatch.undo()
    assert replay.replay(early, by=user, at=LATER).verdict == "applied"


# --- all of it ------------------------------------------------------------------------------------------------


def test_the_quarantine_is_a_team_s_own_oldest_first(integration, team, other_team):
    mine = [receive(integration, told("x")), receive(make_integration(team, "Another"), b"{")]
    receive(make_integration(other_team), b"{")
    receive(integration, told("fine", "monitor.checked"))
    assert list(quarantine(team)) == mine


def test_all_of_the_quarantine_is_handed_to_the_worker(integration, team, user, other_team, early):
    receive(integration, b"{")
    receive(integration, told("x"))
    theirs = refused_then(receive(make_integration(other_team), told(at=RECEIVED + timedelta(hours=30))))
    conflict = [receive(integration, told(n), "msg_1") for n in (1, 2)][1]
    assert replay_all(team, by=user, at=LATER) == 3
    assert not TimelineEvent.objects.exists()
    apply_all(LATER)
    statuses = InboundDelivery.objects.order_by("id").values_list("status", flat=True)
    assert list(statuses) == ["applied", "quarantined", "quarantined", "quarantined", "applied", "conflict"]
    theirs.refresh_from_db()
    conflict.refresh_from_db()
    early.refresh_from_db()
    assert (theirs.replayed_at, conflict.replayed_at, early.replayed_at, early.replayed_by) == (None, None, LATER, user)
    assert TimelineEvent.objects.get(pk=early.fact_id).recorded_at == LATER
    assert replay_all(team, by=user, at=LATER) == 2


def test_a_failed_delivery_has_all_its_tries_again(integration, team, user):
    delivery = receive(integration, told())
    InboundDelivery.objects.update(status="quarantined", attempts=5, error={"code": "INTERNAL_ERROR"})
    replay_all(team, by=user, at=LATER)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts, delivery.due_at, delivery.error) == ("received", 0, None, None)


# --- a dry run ------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_change_and_changes_nothing(integration, team, user, early):
    receive(integration, told())
    apply_all()
    refused_then(receive(integration, told(name="incident.resolved", at=RECEIVED + timedelta(hours=40))))
    refused_then(receive(integration, told(77, at=RECEIVED + timedelta(hours=41))))
    receive(integration, b"{")
    receive(integration, told(1), "msg_1")
    conflict = receive(integration, told(2), "msg_1")
    before = everything()
    changes = dry_run([*quarantine(team), conflict], by=user, at=LATER)
    assert everything() == before
    assert [(each.verdict, each.before, each.after) for each in changes] == [
        ("applied", "open", "open"),
        ("applied", "open", "resolved"),
        ("applied", None, "open"),
        ("quarantined", None, None),
        ("applied", None, "open"),
    ]
    assert [each.delivery.pk for each in changes[:4]] == list(quarantine(team).values_list("pk", flat=True))
    # What was foretold is what comes.
    for each in changes:
        assert (
            replay.replay(InboundDelivery.objects.get(pk=each.delivery.pk), by=user, at=LATER).verdict == each.verdict
        )


def test_a_dry_run_of_one_that_fails_changes_nothing_either(integration, user, early, monkeypatch):
    def fail(*_):
        raise ValueError

    monkeypatch.setitem(incident_fold.EFFECTS, "incident.started", fail)
    before = everything()
    [change] = dry_run([early], by=user, at=LATER)
    assert (change.verdict, change.error["code"]) == ("quarantined", "INTERNAL_ERROR")
    assert everything() == before


def test_a_dry_run_looks_at_no_more_than_its_bound(integration, user, monkeypatch):
    monkeypatch.setattr(replay, "DRY_RUN_AT_MOST", 2)
    deliveries = [receive(integration, b"{%d" % n) for n in range(4)]
    assert len(dry_run(deliveries, by=user, at=LATER)) == 2
    assert dry_run([], by=user, at=LATER) == []
