"""Correcting over the API: what it answers, what the lists show then, and what they showed before."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import clock
from incidents import lifecycle, updates
from incidents.models import Incident
from teams.authentication import make_key
from teams.models import Role, Scope
from tests.conftest import make_integration, make_user, tell_it
from tests.incidents.test_corrections import LATER, at, of, the_fact, the_incident
from timeline.models import TimelineEvent


@pytest.fixture
def told(tell):
    """A vendor's incident: started, acknowledged, resolved."""
    tell(of("started", 0), of("acknowledged", 5), of("resolved", 20))


def rfc(minutes):
    return at(minutes).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def path(tail):
    return f"/api/incidents/{the_incident().uuid}/{tail}"


def id_of(event):
    return updates.event_id(the_fact(event).identity)


def read(api, tail, **asked):
    answer = api.get(path(tail), asked)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def timeline(api, **asked):
    return read(api, "timeline", **asked)["events"]


def post(api, tail, body, now=LATER):
    with clock.at(now):
        return api.post(path(tail), body, content_type="application/json")


def correct(api, event, now=LATER, reason="It was so.", **body):
    return post(api, f"timeline/{id_of(event)}/corrections", body | {"reason": reason}, now)


def refused(answer, code, *fields):
    status = {"VALIDATION_ERROR": 400, "NOT_FOUND": 404, "CONFLICT": 409}[code]
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.content
    if fields:
        assert sorted(error["details"]["fields"]) == sorted(fields)
    return error["message"]


# --- correcting one event ---------------------------------------------------------------------------------------------


def test_a_correction_answers_with_the_event_as_it_is_then_and_what_it_was(api, told, user):
    answer = correct(api, "resolved", occurred_at=rfc(10), message="Over.", reason="A wrong clock.")
    assert answer.status_code == 201
    event = answer.json()["data"]
    assert event == timeline(api)[1]
    assert {name: event[name] for name in ("occurred_at", "message", "hidden", "effect", "corrected")} == {
        "occurred_at": rfc(10),
        "message": "Over.",
        "hidden": False,
        "effect": "applied",
        "corrected": {
            "by": {"id": str(user.uuid), "email": "alice@example.com", "name": "Alice Johnson"},
            "at": rfc(120),
            "reason": "A wrong clock.",
            "correction_id": id_of("corrected"),
            "was": {"occurred_at": rfc(20), "message": "incident.resolved happened"},
        },
    }
    assert event["payload"]["dt"] == the_fact("resolved").payload["dt"]
    assert the_incident().resolved_at == at(10)


def test_what_was_never_corrected_says_so(api, told):
    assert [(each["corrected"], each["hidden"]) for each in timeline(api)] == [(None, False)] * 3


def test_a_correction_stands_in_the_timeline_itself(api, told, user):
    correct(api, "resolved", hidden=True, reason="A test.")
    corrected = timeline(api)[0]
    assert (corrected["event"], corrected["effect"], corrected["user"]["id"]) == (
        "incident.corrected", "applied", str(user.uuid),
    )  # fmt: skip
    assert (corrected["payload"]["corrects"], corrected["payload"]["reason"]) == (
        bytes(the_fact("resolved").identity).hex(), "A test.",
    )  # fmt: skip


def test_a_hidden_event_leaves_the_updates_and_the_changed_status_joins_them(api, told):
    correct(api, "resolved", hidden=True, reason="A test.")
    assert [(each["action"], each["old_value"], each["new_value"]) for each in read(api, "updates")] == [
        ("status_changed", "resolved", "acknowledged"),
        ("acknowledged", "open", "acknowledged"),
        ("created", None, None),
    ]
    hidden = next(each for each in timeline(api) if each["event"] == "incident.resolved")
    assert (hidden["hidden"], hidden["effect"], hidden["why"]) == (True, "none", "Hidden by Alice Johnson: A test.")


def test_corrections_that_leave_the_status_alone_are_no_updates(api, told):
    for minutes in (10, 11, 12):
        assert correct(api, "resolved", occurred_at=rfc(minutes)).status_code == 201
    assert [each["action"] for each in read(api, "updates")] == ["resolved", "acknowledged", "created"]
    assert [each["action"] for each in read(api, "updates", limit=2)] == ["resolved", "acknowledged"]
    assert "Link" not in api.get(path("updates"), {"limit": 3}).headers


def test_the_updates_stay_one_statement(api, told):
    correct(api, "resolved", occurred_at=rfc(10), message="Over.")
    with CaptureQueriesContext(connection) as queries:
        updates.updates(the_incident(), 1000)
    assert len([each for each in queries if "timeline_timelineevent" in each["sql"]]) == 1


def test_a_hidden_note_leaves_the_comments(api, told, user):
    for number in range(3):
        lifecycle.comment(the_incident(), by=user, at=at(30 + number), message=f"Note {number}")
    fact = TimelineEvent.objects.get(payload__comment="Note 1")
    answer = post(api, f"timeline/{updates.event_id(fact.identity)}/corrections", {"hidden": True, "reason": "No."})
    assert answer.status_code == 201
    assert [each["message"] for each in read(api, "comments")["comments"]] == ["Note 2", "Note 0"]


def test_a_reworded_note_says_what_it_said(api, told, user):
    lifecycle.comment(the_incident(), by=user, at=at(30), message="The swich.")
    event = correct(api, "commented", message="The switch.").json()["data"]
    assert (event["message"], event["corrected"]["was"]["message"]) == ("The switch.", "The swich.")
    assert read(api, "comments")["comments"][0]["message"] == "The switch."


def test_what_is_so_already_is_a_200_and_nothing_new(api, told):
    answer = correct(api, "resolved", occurred_at=rfc(20), hidden=False)
    assert (answer.status_code, answer.json()["data"]) == (200, timeline(api)[0])
    assert TimelineEvent.objects.count() == 3


def test_a_late_mark_says_how_late_it_came_and_not_how_late_it_was_corrected(api, integration):
    tell_it(integration, of("started", 0), at=at(0))
    tell_it(integration, of("resolved", 20), at=at(20))
    event = correct(api, "resolved", occurred_at=rfc(1)).json()["data"]
    assert (event["late"], event["late_by"]) == (False, None)


# --- as of ------------------------------------------------------------------------------------------------------------


def in_short(events):
    return [(each["event"], each["occurred_at"], each["effect"], each["hidden"]) for each in events]


def test_as_of_shows_what_was_known_before_the_correction(api, integration):
    tell_it(integration, of("started", 0), of("acknowledged", 5), of("resolved", 20), at=at(30))
    before = timeline(api), read(api, "updates")
    correct(api, "resolved", now=at(60), occurred_at=rfc(3), message="Over.")
    between = timeline(api), read(api, "updates")
    correct(api, "acknowledged", now=at(90), hidden=True)
    after = timeline(api), read(api, "updates")
    assert before != between != after
    for minutes, known in ((59, before), (60, between), (89, between), (90, after)):
        assert (timeline(api, as_of=rfc(minutes)), read(api, "updates", as_of=rfc(minutes))) == known
    assert in_short(timeline(api, as_of=rfc(60))) == [
        ("incident.corrected", rfc(60), "applied", False),
        ("incident.acknowledged", rfc(5), "none", False),
        ("incident.resolved", rfc(3), "applied", False),
        ("incident.started", rfc(0), "applied", False),
    ]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_timeline_as_of_a_moment_is_read_page_by_page_in_the_order_of_then(api, integration, limit):
    tell_it(integration, of("started", 0), of("acknowledged", 5), of("escalated", 9), of("resolved", 20), at=at(30))
    whole = timeline(api)
    correct(api, "resolved", now=at(60), occurred_at=rfc(3))
    found, cursor = [], {}
    while True:
        page = read(api, "timeline", limit=limit, as_of=rfc(59), **cursor)
        found += page["events"]
        if page["pagination"]["next_cursor"] is None:
            break
        cursor = {"cursor": page["pagination"]["next_cursor"]}
    assert found == whole


# --- entries after the fact -------------------------------------------------------------------------------------------


def add(api, minutes=7, message="We saw it.", reason="Forgotten."):
    return post(api, "timeline", {"message": message, "occurred_at": rfc(minutes), "reason": reason})


def test_an_entry_added_after_the_fact_stands_at_its_own_time(api, told, user):
    answer = add(api, -30, "A deploy.")
    assert answer.status_code == 201
    event = answer.json()["data"]
    assert event == timeline(api)[-1]
    assert (event["event"], event["occurred_at"], event["recorded_at"], event["late"]) == (
        "incident.commented", rfc(-30), rfc(120), True,
    )  # fmt: skip
    assert (event["changes"][0]["message"], event["payload"]["reason"]) == ("A deploy.", "Forgotten.")
    assert event["user"]["id"] == str(user.uuid)
    assert the_incident().started_at == at(0)
    assert len(read(api, "updates")) == 3


def test_an_entry_was_not_known_before_it_was_added(api, told):
    before = timeline(api)
    add(api)
    assert timeline(api, as_of=rfc(119)) == before
    assert len(timeline(api, as_of=rfc(120))) == 4


@pytest.mark.parametrize("field", ["message", "occurred_at", "reason"])
def test_an_entry_has_text_time_and_reason(api, told, field):
    body = {"message": "x", "occurred_at": rfc(1), "reason": "x"}
    for bad in ({}, {field: None}, {field: " "}, {field: 5}, {field: True}):
        without = {name: value for name, value in body.items() if name != field}
        refused(post(api, "timeline", without | bad), "VALIDATION_ERROR", field)
    assert TimelineEvent.objects.count() == 3


@pytest.mark.parametrize("time", ["1999-12-31T23:59:59.999Z", "2026-05-13T14:01:00.001Z", "2026-05-13", "now"])
def test_a_time_lies_between_2000_and_now(api, told, time):
    refused(
        post(api, "timeline", {"message": "x", "occurred_at": time, "reason": "x"}), "VALIDATION_ERROR", "occurred_at"
    )
    refused(correct(api, "resolved", occurred_at=time), "VALIDATION_ERROR", "occurred_at")


@pytest.mark.parametrize("time", ["2026-05-13T14:00:00.300Z", "2026-05-13T14:01:00.000Z"])
def test_up_to_a_minute_ahead_is_now(api, told, time):
    entry = post(api, "timeline", {"message": "x", "occurred_at": time, "reason": "x"})
    assert (entry.status_code, entry.json()["data"]["occurred_at"]) == (201, "2026-05-13T14:00:00.000Z")
    moved = correct(api, "resolved", occurred_at=time)
    assert (moved.status_code, moved.json()["data"]["occurred_at"]) == (201, "2026-05-13T14:00:00.000Z")


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"hidden": None}, "hidden"),
        ({"hidden": "true"}, "hidden"),
        ({"hidden": 1}, "hidden"),
        ({"message": ""}, "body"),
        ({"message": 5}, "message"),
        ({"message": "x" * 1001}, "message"),
        ({"occurred_at": 5}, "occurred_at"),
        ({"hidden": True, "reason": "x" * 501}, "reason"),
        ({"hidden": True, "reason": None}, "reason"),
    ],
)
def test_a_correction_says_something_of_the_right_type(api, told, body, field):
    refused(post(api, f"timeline/{id_of('resolved')}/corrections", {"reason": "x"} | body), "VALIDATION_ERROR", field)
    assert TimelineEvent.objects.count() == 3


def test_a_correction_needs_a_reason(api, told):
    refused(post(api, f"timeline/{id_of('resolved')}/corrections", {"hidden": True}), "VALIDATION_ERROR", "reason")


def test_an_unknown_event_is_a_404_and_so_is_another_incident_s(api, told, tell, other_team):
    tell(of("started", 0, incident_id=202))
    tell_it(make_integration(other_team), of("started", 0))
    mine = Incident.objects.get(source_id=201, team=Incident.objects.get(source_id=202).team)
    own = Incident.objects.get(source_id=202)
    theirs = Incident.objects.get(team=other_team)
    body = {"hidden": True, "reason": "x"}

    def answer(incident, event_id):
        there = f"/api/incidents/{incident}/timeline/{event_id}/corrections"
        return api.post(there, body, content_type="application/json")

    def event_of(incident):
        return updates.event_id(TimelineEvent.objects.filter(subject_id=incident.pk).first().identity)

    missing = refused(answer(mine.uuid, "event-7d1bb9e5-6a0c-5a52-9c8c-1f4c0f6a3e27"), "NOT_FOUND")
    for other in (event_of(own), "nonsense", "1", "event-"):
        assert refused(answer(mine.uuid, other), "NOT_FOUND") == missing
    unknown = refused(answer("550e8400-e29b-41d4-a716-446655440000", event_of(mine)), "NOT_FOUND")
    assert refused(answer(theirs.uuid, event_of(theirs)), "NOT_FOUND") == unknown
    assert not TimelineEvent.objects.filter(event="incident.corrected").exists()


def test_a_correction_of_a_correction_and_of_the_last_event_is_a_conflict(api, tell):
    tell(of("started", 0))
    assert "delete the incident" in refused(correct(api, "started", hidden=True), "CONFLICT")
    correct(api, "started", message="It began.")
    assert "correct the entry itself" in refused(correct(api, "corrected", message="Never."), "CONFLICT")


def test_reading_alone_corrects_nothing(api, told, team, user):
    viewer = make_user("victor@example.com", team, role=Role.VIEWER)
    keys = [make_key(team, user, "r", [Scope.READ])[1], make_key(team, viewer, "v", [Scope.READ, Scope.WRITE])[1]]
    tails = ("timeline", "timeline/corrections", f"timeline/{id_of('resolved')}/corrections")
    for key in keys:
        for tail in tails:
            answer = api.post(path(tail), {}, content_type="application/json", headers={"X-API-Key": key})
            assert answer.status_code == 403


# --- several at once --------------------------------------------------------------------------------------------------


def test_several_events_are_hidden_and_answered_one_by_one(api, told):
    ids = [id_of("resolved"), "event-none", id_of("acknowledged"), id_of("resolved"), id_of("started")]
    answer = post(api, "timeline/corrections", {"ids": ids, "hidden": True, "reason": "The vendor's test."})
    assert answer.status_code == 200
    done = answer.json()["data"]
    assert [(each["id"], each["success"]) for each in done] == list(
        zip(ids, (True, False, True, True, False), strict=True)
    )
    assert done[0]["data"]["hidden"] and done[2]["data"]["corrected"]["reason"] == "The vendor's test."
    assert done[1]["error"] == {"code": "NOT_FOUND", "message": "Event not found"}
    assert done[4]["error"]["code"] == "CONFLICT"
    assert TimelineEvent.objects.filter(event="incident.corrected").count() == 2
    assert (the_incident().status, the_incident().acknowledged_at) == ("open", None)


def test_several_events_are_shown_again(api, told):
    ids = [id_of("resolved"), id_of("acknowledged")]
    for hidden in (True, False):
        assert post(api, "timeline/corrections", {"ids": ids, "hidden": hidden, "reason": "x"}).status_code == 200
    assert (the_incident().status, the_incident().acknowledged_at) == ("resolved", at(5))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ids": []}, "ids"),
        ({"ids": None}, "ids"),
        ({"ids": "event-1"}, "ids"),
        ({"ids": [5]}, "ids.0"),
        ({"ids": ["x"] * 101}, "ids"),
        ({"hidden": None}, "hidden"),
        ({"reason": ""}, "reason"),
    ],
)
def test_a_bad_list_of_events_is_a_400(api, told, body, field):
    asked = {"ids": [id_of("resolved")], "hidden": True, "reason": "x"} | body
    refused(post(api, "timeline/corrections", asked), "VALIDATION_ERROR", field)
    assert TimelineEvent.objects.count() == 3


def test_corrections_are_a_millisecond_apart_and_in_order(api, told):
    for minutes in (10, 11):
        correct(api, "resolved", occurred_at=rfc(minutes))
    moments = (
        TimelineEvent.objects.filter(event="incident.corrected").order_by("id").values_list("occurred_at", flat=True)
    )
    assert list(moments) == [LATER, LATER + timedelta(milliseconds=1)]
    assert the_incident().resolved_at == at(11)
