"""Working on incidents through the API."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from config import clock
from incidents import grouping, lifecycle
from incidents.declaring import declare
from incidents.models import Incident, IncidentGroup
from monitors import lifecycle as monitors
from monitors.models import Monitor
from teams.authentication import make_key
from teams.models import Role, Scope
from tests.conftest import NOON, an_event, make_user, rfc
from tests.incidents.conftest import a_declaration
from timeline.models import TimelineEvent

LATER = NOON + timedelta(hours=2)
SAID = {"severity": "critical", "type": "timeout", "error_message": "Timeout after 30 s"}


@pytest.fixture(autouse=True)
def it_is_later():
    """When requests are made."""
    with clock.at(LATER):
        yield


@pytest.fixture
def url(declared):
    return f"/api/incidents/{declared.uuid}"


def post(client, path, body=None, **headers):
    return client.post(path, {} if body is None else body, content_type="application/json", headers=headers)


def put(client, path, body):
    return client.put(path, body, content_type="application/json")


def data(answer, status=200):
    """The data of an answer."""
    assert answer.status_code == status, answer.content
    return answer.json()["data"]


def error(answer, status):
    """The error of an answer."""
    assert answer.status_code == status, answer.content
    return answer.json()["error"]


def wrong(answer):
    """The fields that are wrong, each with what is."""
    found = error(answer, 400)
    assert found["code"] == "VALIDATION_ERROR"
    return found["details"]["fields"]


def facts(incident=None):
    """The names of the facts, in order; of one incident if one is given."""
    found = TimelineEvent.objects.filter(subject_kind="incident").order_by("occurred_at", "id")
    found = found.filter(subject_id=incident.pk) if incident else found
    return [each.removeprefix("incident.") for each in found.values_list("event", flat=True)]


# --- declaring --------------------------------------------------------------------------------------------------------


def test_declaring_answers_201_with_the_incident(api, team, user, shop):
    said = SAID | {"title": " Shop is down ", "affected_regions": ["eu"], "monitor_id": shop.pk}
    made = data(post(api, "/api/incidents", said), 201)
    assert made == data(api.get(f"/api/incidents/{made['id']}"))
    assert {name: made[name] for name in ("title", "status", "severity", "type", "error_message")} == {
        "title": "Shop is down",
        "status": "open",
        "severity": "critical",
        "type": "timeout",
        "error_message": "Timeout after 30 s",
    }
    assert made["affected_regions"] == ["eu"] and made["started_at"] == "2026-05-13T14:00:00.000Z"
    assert made["resource"] == {"type": "monitor", "id": shop.pk, "name": "Shop"}
    assert made["source"] is None and made["provisional"] is False
    assert TimelineEvent.objects.get(event="incident.started").user == user


def test_one_that_began_before_is_declared_with_its_time(api):
    made = data(post(api, "/api/incidents", SAID | {"started_at": "2026-05-13T09:00:00+02:00"}), 201)
    assert made["started_at"] == "2026-05-13T07:00:00.000Z"
    [event] = data(api.get(f"/api/incidents/{made['id']}/timeline"))["events"]
    assert (event["late"], event["recorded_at"]) == (True, "2026-05-13T14:00:00.000Z")


@pytest.mark.parametrize("started_at", ["2026-05-13T14:00:00.300Z", "2026-05-13T14:01:00Z"])
def test_one_that_began_up_to_a_minute_ahead_begins_now(api, started_at):
    made = data(post(api, "/api/incidents", SAID | {"started_at": started_at}), 201)
    assert made["started_at"] == "2026-05-13T14:00:00.000Z"


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({"severity": None, "type": None, "error_message": None}, ["error_message", "severity", "type"]),
        ({"severity": "bad"}, ["severity"]),
        ({"type": 1}, ["type"]),
        ({"error_message": " "}, ["error_message"]),
        ({"error_message": "😀" * 1001}, ["error_message"]),
        ({"title": "x" * 256}, ["title"]),
        ({"title": 5}, ["title"]),
        ({"started_at": "2026-05-13T14:01:00.001Z"}, ["started_at"]),
        ({"started_at": "1999-12-31T23:59:59Z"}, ["started_at"]),
        ({"started_at": "2026-05-13"}, ["started_at"]),
        ({"affected_regions": "eu"}, ["affected_regions"]),
        ({"affected_regions": [1]}, ["affected_regions.0"]),
        ({"affected_regions": ["eu", " "]}, ["affected_regions.1"]),
        ({"affected_regions": ["eu"] * 101}, ["affected_regions"]),
        ({"affected_monitor_ids": [10**12]}, ["affected_monitor_ids"]),
        ({"affected_monitor_ids": ["1"]}, ["affected_monitor_ids.0"]),
        ({"affected_monitor_ids": list(range(101))}, ["affected_monitor_ids"]),
        ({"monitor_id": 2**63 - 1}, ["monitor_id"]),
        ({"monitor_id": 2**63}, ["monitor_id"]),
        ({"monitor_id": True}, ["monitor_id"]),
    ],
)
def test_what_cannot_be_declared_is_named(api, said, fields):
    assert sorted(wrong(post(api, "/api/incidents", SAID | said))) == fields
    assert not Incident.objects.exists()


def test_the_longest_that_may_be_said_is_taken_in_code_points(api):
    said = SAID | {"error_message": "😀" * 1000, "title": "é" * 255, "affected_regions": ["eu"] * 100}
    assert data(post(api, "/api/incidents", said), 201)["title"] == "é" * 255


def test_another_team_s_monitor_is_refused_as_a_missing_one_is(api, other_team, stranger):
    theirs = monitors.create(
        Monitor, other_team, by=stranger, at=NOON, name="Theirs", url="https://x.example", type="status"
    )
    for field, of in (("monitor_id", lambda pk: pk), ("affected_monitor_ids", lambda pk: [pk])):
        foreign = post(api, "/api/incidents", SAID | {field: of(theirs.pk)})
        missing = post(api, "/api/incidents", SAID | {field: of(10**15)})
        assert wrong(foreign) == wrong(missing) == {field: ["No monitor of the team has this id."]}


def test_a_second_live_one_of_a_native_monitor_is_a_conflict_with_the_first_one_s_id(api, shop):
    first = data(post(api, "/api/incidents", SAID | {"affected_monitor_ids": [shop.pk]}), 201)
    refused = error(post(api, "/api/incidents", SAID | {"monitor_id": shop.pk}), 409)
    assert (refused["code"], refused["details"]) == (
        "CONFLICT",
        {"incident_id": first["id"], "number": first["number"]},
    )


# --- changing ---------------------------------------------------------------------------------------------------------


def test_a_change_writes_what_differs_and_answers_with_the_incident(api, url, declared, bob):
    said = {"severity": "major", "title": "Checkout is down", "affected_regions": ["eu"], "assignee_id": str(bob.uuid)}
    changed = data(put(api, url, said))
    assert changed == data(api.get(url))
    assert (changed["severity"], changed["title"], changed["affected_regions"]) == ("major", "Checkout is down", ["eu"])
    assert changed["assignee"] == {"id": str(bob.uuid), "email": "bob@example.com", "name": "Bob Smith"}
    assert facts(declared) == ["started", "severity_changed", "updated", "assigned"]
    assert data(put(api, url, said)) == changed == data(put(api, url, {}))
    assert facts(declared) == ["started", "severity_changed", "updated", "assigned"]
    assert data(put(api, url, {"assignee_id": None}))["assignee"] is None


def test_the_updates_tell_each_change_from_what_to_what(api, url, bob):
    put(api, url, {"severity": "major", "error_message": "DNS", "assignee_id": str(bob.uuid)})
    told = [
        (each["action"], each["old_value"], each["new_value"], each["user_email"])
        for each in data(api.get(f"{url}/updates"))
    ]
    assert told == [
        ("assigned", None, "bob@example.com", "bob@example.com"),
        ("updated", "Timeout after 30 s", "DNS", "alice@example.com"),
        ("severity_changed", "minor", "major", "alice@example.com"),
        ("created", None, None, "alice@example.com"),
    ]


def test_of_a_change_that_is_refused_nothing_is_written(api, url, declared, stranger):
    refused = put(api, url, {"severity": "major", "title": "x", "assignee_id": str(stranger.uuid)})
    missing = put(api, url, {"assignee_id": str(uuid4())})
    assert wrong(refused) == wrong(missing) == {"assignee_id": ["No active member of the team has this id."]}
    assert facts(declared) == ["started"]


@pytest.mark.parametrize(
    "said",
    [
        {"severity": None},
        {"title": None},
        {"title": "x" * 256},
        {"error_message": "x" * 1001},
        {"error_message": None},
        {"affected_regions": None},
        {"assignee_id": "alice"},
        {"assignee_id": 1},
    ],
)
def test_what_a_detail_cannot_be_is_named(api, url, said):
    assert list(wrong(put(api, url, said))) == list(said)


def test_a_blank_text_counts_as_not_sent(api, url, declared):
    data(put(api, url, {"title": " ", "error_message": ""}))
    assert facts(declared) == ["started"]


# --- status -----------------------------------------------------------------------------------------------------------


def test_a_status_is_set_with_a_note_and_an_assignee(api, url, declared, bob):
    said = {"status": "acknowledged", "note": "On it.", "assignee_id": str(bob.uuid)}
    answer = data(put(api, f"{url}/status", said))
    assert (answer["status"], answer["assignee"]["name"]) == ("acknowledged", "Bob Smith")
    assert facts(declared) == ["started", "acknowledged", "assigned", "commented"]
    assert data(api.get(f"{url}/comments"))["comments"][0]["message"] == "On it."


def test_the_same_status_again_is_200_and_writes_the_note_and_assignee_that_came_with_it(api, url, declared, bob):
    data(put(api, f"{url}/status", {"status": "acknowledged"}))
    assert data(put(api, f"{url}/status", {"status": "acknowledged"}))["status"] == "acknowledged"
    assert facts(declared) == ["started", "acknowledged"]
    again = {"status": "acknowledged", "note": "x", "assignee_id": str(bob.uuid)}
    assert data(put(api, f"{url}/status", again))["assignee"]["name"] == "Bob Smith"
    assert facts(declared) == ["started", "acknowledged", "assigned", "commented"]
    assert data(put(api, f"{url}/status", again | {"note": None, "assignee_id": None}))["assignee"] is None


@pytest.mark.parametrize(
    ("before", "to", "valid"),
    [
        ("open", "closed", ["acknowledged", "resolved"]),
        ("acknowledged", "open", ["resolved", "closed"]),
        ("resolved", "open", ["closed"]),
        ("resolved", "acknowledged", ["closed"]),
        ("closed", "open", []),
        ("closed", "acknowledged", []),
        ("closed", "resolved", []),
    ],
)
def test_an_illegal_status_is_a_400_that_names_the_valid_ones(api, url, declared, before, to, valid):
    for step in {"closed": ("resolved", "closed"), "open": ()}.get(before, (before,)):
        data(put(api, f"{url}/status", {"status": step}))
    written = facts(declared)
    refused = error(put(api, f"{url}/status", {"status": to, "note": "x"}), 400)
    assert refused["code"] == "VALIDATION_ERROR"
    assert refused["details"] == {"fromStatus": before, "toStatus": to, "validTransitions": valid}
    assert ("Alice Johnson" in refused["message"]) is (before != "open")
    assert facts(declared) == written


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "status"),
        ({"status": "gone"}, "status"),
        ({"status": "resolved", "note": "x" * 501}, "note"),
        ({"status": "resolved", "note": 1}, "note"),
        ({"status": "resolved", "assignee_id": str(uuid4())}, "assignee_id"),
    ],
)
def test_what_a_status_cannot_be_is_named_and_nothing_is_written(api, url, declared, said, field):
    assert list(wrong(put(api, f"{url}/status", said))) == [field]
    assert facts(declared) == ["started"]


def test_reopening_takes_a_note_or_no_body_at_all(api, url, declared):
    data(put(api, f"{url}/status", {"status": "resolved"}))
    assert data(post(api, f"{url}/reopen", {"note": "It is back."}))["resolved_at"] is None
    assert facts(declared) == ["started", "resolved", "reopened", "commented"]
    data(put(api, f"{url}/status", {"status": "acknowledged"}))
    assert data(api.generic("POST", f"{url}/reopen"))["status"] == "open"
    assert data(post(api, f"{url}/reopen", {"note": "x"}))["status"] == "open"
    assert facts(declared)[4:] == ["acknowledged", "reopened", "commented"]
    assert list(wrong(post(api, f"{url}/reopen", {"note": "x" * 501}))) == ["note"]


def test_whatever_is_done_to_a_deleted_one_is_a_conflict(api, url, declared, user, bob):
    lifecycle.destroy(declared, by=user, at=NOON)
    for answer in (
        put(api, f"{url}/status", {"status": "resolved"}),
        put(api, url, {"title": "x"}),
        post(api, f"{url}/escalate", {"targets": [{"type": "user", "id": str(bob.uuid)}]}),
        post(api, f"{url}/group", {}),
    ):
        assert "It is deleted" in error(answer, 409)["message"]
    data(post(api, f"{url}/updates", {"message": "A false alarm."}), 201)


def test_deleting_leaves_a_tombstone_of_native_and_mirrored_ones_alike(api, url, declared, tell):
    tell(an_event("incident.started"))
    mirrored = Incident.objects.exclude(integration_id=None).get()
    for incident in (declared, mirrored):
        gone = data(api.delete(f"/api/incidents/{incident.uuid}"))
        assert gone["destroyed_at"] and gone == data(api.get(f"/api/incidents/{incident.uuid}"))
        assert data(api.delete(f"/api/incidents/{incident.uuid}")) == gone
        assert facts(incident) == ["started", "destroyed"]
    assert data(api.get("/api/incidents"))["incidents"] == []
    assert len(data(api.get("/api/incidents?destroyed=true"))["incidents"]) == 2
    assert list(wrong(api.delete(url, {"reason": "x"}, content_type="application/json"))) == ["reason"]


# --- what a body does not know ----------------------------------------------------------------------------------------


def test_a_field_that_a_body_does_not_know_is_named_and_nothing_is_written(api, url, declared):
    for answer in (
        put(api, url, {"title": "x", "colour": "red"}),
        put(api, f"{url}/status", {"status": "resolved", "colour": "red"}),
        post(api, f"{url}/reopen", {"colour": "red"}),
        post(api, f"{url}/escalate", {"targets": [{"type": "team", "id": declared.team_id}], "colour": "red"}),
        post(api, f"{url}/group", {"colour": "red"}),
        post(api, f"{url}/ungroup", {"colour": "red"}),
        post(api, f"{url}/updates", {"message": "x", "colour": "red"}),
        post(api, f"{url}/timeline", {"message": "x", "occurred_at": rfc(NOON), "reason": "x", "colour": 1}),
        post(api, f"{url}/timeline/corrections", {"ids": ["x"], "hidden": True, "reason": "x", "colour": 1}),
        post(api, "/api/incidents", SAID | {"colour": "red"}),
        post(api, "/api/incidents/bulk", {"ids": [str(declared.uuid)], "action": "resolve", "colour": "red"}),
    ):
        assert wrong(answer) == {"colour": ["There is no such field."]}
    nested = post(api, f"{url}/escalate", {"targets": [{"type": "team", "id": 1, "name": "x"}]})
    assert wrong(nested) == {"targets.0.name": ["There is no such field."]}
    assert facts() == ["started"]


def test_what_is_read_only_passes_where_it_says_what_is_so_and_else_is_named(api, url, declared):
    read = data(api.get(url))
    assert data(put(api, url, read | {"title": "Renamed"}))["title"] == "Renamed"
    read = data(api.get(url))
    moments = {"started_at": read["started_at"].replace("T12:00:00.000Z", "T14:00:00+02:00")}
    assert data(put(api, url, {**read, **moments})) == read
    assert data(put(api, f"{url}/status", {**read, "status": "acknowledged"}))["status"] == "acknowledged"
    for field, value in (("status", "closed"), ("number", 0), ("number", True), ("resource", {}), ("updated_at", None)):
        assert wrong(put(api, url, {field: value})) == {field: ["This field is read-only."]}
    assert wrong(post(api, "/api/incidents", SAID | {"status": "closed"})) == {"status": ["This field is read-only."]}
    assert facts(declared) == ["started", "updated", "acknowledged"]


def test_everything_that_is_wrong_with_a_body_is_said_at_once_and_in_bounds(api, url):
    found = wrong(put(api, url, {"severity": "bad", "status": "closed", "x" * 300: 1}))
    assert sorted(found) == ["severity", "status", "x" * 200]
    assert len(wrong(put(api, url, {f"x{n}": 1 for n in range(1000)}))) == 100


# --- escalating and grouping ------------------------------------------------------------------------------------------


def test_members_and_the_team_are_called_by_either_of_their_ids_each_once(api, url, team, bob):
    ids = [("user", str(bob.uuid)), ("user", bob.pk), ("team", team.public_id), ("team", team.pk)]
    answer = post(api, f"{url}/escalate", {"targets": [{"type": kind, "id": one} for kind, one in ids]})
    assert data(answer)["status"] == "open"
    [update] = [each for each in data(api.get(f"{url}/updates")) if each["action"] == "updated"]
    assert (update["new_value"], update["message"]) == ("Bob Smith, Operations", "Escalated to Bob Smith, Operations")


@pytest.mark.parametrize(
    "targets", [None, [], {}, [1], [{"type": "user"}], [{"type": "robot", "id": 1}], [{"type": "user", "id": True}]]
)
def test_targets_must_be_said_soundly(api, url, targets):
    assert all(name.startswith("targets") for name in wrong(post(api, f"{url}/escalate", {"targets": targets})))


def test_a_stranger_and_another_team_are_refused_as_missing_ones_are(api, url, other_team, stranger, user):
    ids = [
        *(("user", each) for each in (str(stranger.uuid), stranger.pk, str(uuid4()), 2**63 - 1, "x", "\u2603")),
        *(("team", each) for each in (other_team.public_id, other_team.pk, "team_x", 2**63 - 1)),
    ]
    answers = [post(api, f"{url}/escalate", {"targets": [{"type": kind, "id": one}]}) for kind, one in ids]
    assert {str(wrong(answer)) for answer in answers[:6]} == {str({"targets": [lifecycle.NOBODY]})}
    assert {str(wrong(answer)) for answer in answers[6:]} == {str({"targets": [lifecycle.ANOTHER_TEAM]})}


def test_escalating_what_is_over_is_a_conflict(api, url, bob):
    data(put(api, f"{url}/status", {"status": "resolved"}))
    said = {"targets": [{"type": "user", "id": str(bob.uuid)}]}
    assert "reopen it first" in error(post(api, f"{url}/escalate", said), 409)["message"]


def test_an_incident_is_put_into_a_new_group_into_a_known_one_and_out_again(api, url, team, declared):
    grouped = data(post(api, f"{url}/group", {"name": "Provider outage"}))
    group = IncidentGroup.objects.get()
    assert (grouped["incident_group_id"], group.name) == (group.pk, "Provider outage")
    assert data(post(api, f"{url}/group", {"incident_group_id": group.pk})) == grouped
    assert data(post(api, f"{url}/group", {}))["incident_group_id"] > group.pk
    assert data(api.generic("POST", f"{url}/ungroup"))["incident_group_id"] is None
    assert data(post(api, f"{url}/ungroup"))["incident_group_id"] is None
    assert facts(declared) == ["started", "grouped", "grouped", "ungrouped"]


def test_another_team_s_group_is_refused_as_a_missing_one_is(api, url, other_team):
    theirs = grouping.make_group(other_team, "Theirs", at=NOON)
    answers = [post(api, f"{url}/group", {"incident_group_id": pk}) for pk in (theirs.pk, 2**63 - 1)]
    assert [wrong(each) for each in answers] == [
        {"incident_group_id": ["No incident group of the team has this id."]}
    ] * 2
    assert list(wrong(post(api, f"{url}/group", {"incident_group_id": 1, "name": "x"}))) == ["name"]
    assert list(wrong(post(api, f"{url}/group", {"incident_group_id": None}))) == ["incident_group_id"]


def test_groups_can_be_listed_and_read(api, team, other_team):
    made = [grouping.make_group(team, f"No. {n}", at=NOON) for n in range(3)]
    theirs = grouping.make_group(other_team, "Theirs", at=NOON)
    first = data(api.get("/api/incident-groups?limit=2"))
    assert [each["name"] for each in first["incident_groups"]] == ["No. 2", "No. 1"]
    rest = data(api.get("/api/incident-groups", {"cursor": first["pagination"]["next_cursor"]}))
    one = data(api.get(f"/api/incident-groups/{made[0].pk}"))
    assert (
        rest["incident_groups"]
        == [one]
        == [{"id": made[0].pk, "name": "No. 0", "created_at": "2026-05-13T12:00:00.000Z", "source": None}]
    )
    assert error(api.get(f"/api/incident-groups/{theirs.pk}"), 404) == error(api.get("/api/incident-groups/x"), 404)


# --- several at once --------------------------------------------------------------------------------------------------


def test_several_are_answered_one_by_one_in_their_order(api, team, other_team, user, stranger):
    mine = [declare(team, a_declaration(), by=user, at=NOON) for _ in range(3)]
    theirs = declare(other_team, a_declaration(), by=stranger, at=NOON)
    lifecycle.resolve(mine[1], by=user, at=NOON)
    ids = [str(each) for each in (mine[0].uuid, mine[1].uuid, theirs.uuid, uuid4(), mine[2].uuid, mine[2].uuid)]
    ids += ["x", "", str(mine[0].number), mine[0].uuid.hex]
    answers = data(post(api, "/api/incidents/bulk", {"ids": ids, "action": "acknowledge", "note": "Ours."}))
    assert [each["id"] for each in answers] == ids
    assert [each["success"] for each in answers] == [True, False, False, False, True, True, *[False] * 4]
    assert [each["data"]["status"] for each in answers if each["success"]] == ["acknowledged"] * 3
    assert answers[0]["data"] == data(api.get(f"/api/incidents/{ids[0]}"))
    assert answers[1]["error"]["code"] == "CONFLICT"
    assert answers[1]["error"]["details"]["validTransitions"] == ["closed"]
    missing = {"code": "NOT_FOUND", "message": "Incident not found"}
    assert [each["error"] for each in (*answers[2:4], *answers[6:])] == [missing] * 6
    assert facts(mine[2]) == ["started", "acknowledged", "commented"]
    assert facts(theirs) == ["started"]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ({"action": "resolve"}, ["resolved"]),
        ({"action": "close"}, []),
        ({"action": "reopen"}, []),
        ({"action": "escalate", "targets": [{"type": "team", "id": "{team}"}]}, ["escalated"]),
        ({"action": "group", "name": "Outage"}, ["grouped"]),
        ({"action": "ungroup"}, []),
        ({"action": "assign", "assignee_id": "{bob}"}, ["assigned"]),
        ({"action": "change_severity", "severity": "critical"}, ["severity_changed"]),
        ({"action": "comment", "message": "Looked at it."}, ["commented"]),
        ({"action": "delete"}, ["destroyed"]),
    ],
)
def test_every_action_can_be_done_to_several(api, team, user, bob, said, written):
    incidents = [declare(team, a_declaration(), by=user, at=NOON) for _ in range(2)]
    named = json.dumps(said).replace("{team}", team.public_id).replace("{bob}", str(bob.uuid))
    body = {"ids": [str(each.uuid) for each in incidents]} | json.loads(named)
    answers = data(post(api, "/api/incidents/bulk", body))
    assert [each["success"] for each in answers] == [said["action"] != "close"] * 2
    assert [facts(each)[1:] for each in incidents] == [written] * 2


def test_several_are_put_into_one_new_group(api, team, user):
    incidents = [declare(team, a_declaration(), by=user, at=NOON) for _ in range(3)]
    lifecycle.destroy(incidents[0], by=user, at=NOON)
    ids = [str(each.uuid) for each in incidents]
    answers = data(post(api, "/api/incidents/bulk", {"ids": ids, "action": "group", "name": "Outage"}))
    assert [each["success"] for each in answers] == [False, True, True]
    assert grouping.incidents_of(IncidentGroup.objects.get()).count() == 2


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"ids": []}, "ids"),
        ({"ids": None}, "ids"),
        ({"ids": [1]}, "ids.0"),
        ({"action": "acknowledge", "severity": "major"}, "severity"),
        ({"action": "delete", "note": "x"}, "note"),
        ({"action": "resolve", "status": "closed"}, "status"),
        ({"ids": [str(uuid4())] * 101}, "ids"),
        ({"action": "dance"}, "action"),
        ({"action": "escalate"}, "targets"),
        ({"action": "assign"}, "assignee_id"),
        ({"action": "assign", "assignee_id": str(uuid4())}, "assignee_id"),
        ({"action": "change_severity"}, "severity"),
        ({"action": "comment"}, "message"),
        ({"action": "group", "incident_group_id": 2**63 - 1}, "incident_group_id"),
        ({"action": "group", "incident_group_id": 1, "name": "x"}, "name"),
        ({"note": "x" * 501}, "note"),
    ],
)
def test_what_is_wrong_with_all_of_it_is_said_once(api, said, field):
    body = {"ids": [str(uuid4())], "action": "resolve"} | said
    assert list(wrong(post(api, "/api/incidents/bulk", body))) == [field]


# --- who may ----------------------------------------------------------------------------------------------------------

REQUESTS = [
    ("POST", ""),
    ("POST", "/bulk"),
    ("PUT", "/{uuid}"),
    ("DELETE", "/{uuid}"),
    ("PUT", "/{uuid}/status"),
    *(("POST", f"/{{uuid}}/{verb}") for verb in ("reopen", "escalate", "group", "ungroup")),
]


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_a_viewer_and_a_key_without_the_scope_may_not(team, user, declared, method, path):
    viewer = make_user("viewer@example.com", team, Role.VIEWER)
    address = "/api/incidents" + path.format(uuid=declared.uuid)
    for somebody, scopes in ((viewer, [Scope.READ, Scope.WRITE]), (user, [Scope.READ]), (user, [Scope.INGEST])):
        client = Client(headers={"X-API-Key": make_key(team, somebody, "x", scopes)[1]})
        assert error(client.generic(method, address, "{}", content_type="application/json"), 403)["code"] == "FORBIDDEN"
    assert error(Client().generic(method, address), 401)["code"] == "UNAUTHORIZED"
    assert facts() == ["started"]


@pytest.mark.parametrize(("method", "path"), [each for each in REQUESTS if "uuid" in each[1]])
def test_another_team_s_incident_is_not_there(api, other_team, stranger, method, path):
    theirs = declare(other_team, a_declaration(), by=stranger, at=NOON)
    said = '{"status": "resolved", "targets": [{"type": "team", "id": 1}]}'
    answers = [
        api.generic(method, "/api/incidents" + path.format(uuid=uuid), said, content_type="application/json")
        for uuid in (theirs.uuid, uuid4())
    ]
    assert [error(answer, 404) for answer in answers] == [{"code": "NOT_FOUND", "message": "Incident not found"}] * 2
    assert facts(theirs) == ["started"]
