"""An incident's updates (to the letter of the vendor's document), its notes, its timeline, and all as of a moment."""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import clock
from config.times import parse_rfc3339
from incidents import lifecycle
from incidents.models import Incident
from incidents.serializers import ALL_UPDATES
from incidents.updates import event_id
from teams.authentication import make_key
from teams.models import Scope, User
from tests.conftest import NOON, act, an_event, make_integration, make_user, tell_it
from timeline.models import TimelineEvent

# As the updates document's example: same keys, types and lifecycle. Ids stand for "any": see `shaped`.
EXAMPLE = json.loads("""
{
  "success": true,
  "data": [
    {
      "id": "event-005",
      "incident_id": "0d9f3f8e-6a52-4b8e-9a07-1c0c2f7c5a10",
      "action": "closed",
      "user_id": "Carla",
      "user_email": "carla@example.com",
      "user_name": "Carla Lind",
      "message": "Incident closed",
      "old_value": "resolved",
      "new_value": "closed",
      "created_at": "2026-01-16T12:00:00.000Z"
    },
    {
      "id": "event-004",
      "incident_id": "0d9f3f8e-6a52-4b8e-9a07-1c0c2f7c5a10",
      "action": "resolved",
      "user_id": "Ben",
      "user_email": "ben@example.com",
      "user_name": "Ben Okafor",
      "message": "Incident resolved",
      "old_value": "acknowledged",
      "new_value": "resolved",
      "created_at": "2026-01-15T14:45:00.000Z"
    },
    {
      "id": "event-003",
      "incident_id": "0d9f3f8e-6a52-4b8e-9a07-1c0c2f7c5a10",
      "action": "severity_changed",
      "user_id": "Ada",
      "user_email": "ada@example.com",
      "user_name": "Ada Berg",
      "message": "Severity changed from critical to major",
      "old_value": "critical",
      "new_value": "major",
      "created_at": "2026-01-15T14:30:00.000Z"
    },
    {
      "id": "event-002",
      "incident_id": "0d9f3f8e-6a52-4b8e-9a07-1c0c2f7c5a10",
      "action": "acknowledged",
      "user_id": "Ada",
      "user_email": "ada@example.com",
      "user_name": "Ada Berg",
      "message": "Incident acknowledged",
      "old_value": "open",
      "new_value": "acknowledged",
      "created_at": "2026-01-15T14:06:00.000Z"
    },
    {
      "id": "event-001",
      "incident_id": "0d9f3f8e-6a52-4b8e-9a07-1c0c2f7c5a10",
      "action": "created",
      "user_id": null,
      "user_email": null,
      "user_name": null,
      "message": "Incident created: Connection timeout after 30000ms",
      "old_value": null,
      "new_value": null,
      "created_at": "2026-01-15T14:00:00.000Z"
    }
  ]
}
""")


def at(minutes=0, **more):
    return NOON + timedelta(minutes=minutes, **more)


def of(name, minutes, **fields):
    return an_event(f"incident.{name}", at(minutes), **fields)


def the_incident():
    return Incident.objects.get()


def path(tail="updates"):
    return f"/api/incidents/{the_incident().uuid}/{tail}"


def updates(api, **asked):
    answer = api.get(path(), asked)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def in_short(entries):
    return [(each["action"], each["old_value"], each["new_value"], each["message"]) for each in entries]


def timeline(api, **asked):
    answer = api.get(path("timeline"), asked)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]["events"]


# --- the updates document ---------------------------------------------------------------------------------------------


def test_the_seeds_example_field_by_field(api, team, user):
    ada = make_user("ada@example.com", team, name="Ada Berg")
    ben = make_user("ben@example.com", team, name="Ben Okafor")
    carla = make_user("carla@example.com", team, name="Carla Lind")
    begun = datetime(2026, 1, 15, 14, tzinfo=UTC)
    incident = Incident.objects.create(team=team, uuid=UUID("0d9f3f8e-6a52-4b8e-9a07-1c0c2f7c5a10"))
    cause = {"incident_cause": "Connection timeout after 30000ms", "severity": "critical"}
    act(incident, "incident.started", by=None, at=begun, **cause)
    act(incident, "incident.acknowledged", by=ada, at=begun + timedelta(minutes=6))
    act(incident, "incident.severity_changed", by=ada, at=begun + timedelta(minutes=30), severity="major")
    lifecycle.comment(incident, by=ada, at=begun + timedelta(minutes=31), message="Looks better.")
    act(incident, "incident.resolved", by=ben, at=begun + timedelta(minutes=45))
    lifecycle.close(incident, by=carla, at=begun + timedelta(hours=22))

    answer = api.get(path()).json()

    people = {"Ada": str(ada.uuid), "Ben": str(ben.uuid), "Carla": str(carla.uuid), None: None}
    assert list(answer) == list(EXAMPLE)
    assert len(answer["data"]) == len(EXAMPLE["data"])
    for shown, expected in zip(answer["data"], EXAMPLE["data"], strict=True):
        assert list(shown) == list(expected)
        assert shown | {"id": ""} == expected | {"id": "", "user_id": people[expected["user_id"]]}
        assert re.fullmatch(r"event-[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", shown["id"])
    assert len({shown["id"] for shown in answer["data"]}) == 5


def test_an_unknown_incident_is_the_seeds_404(api):
    answer = api.get("/api/incidents/550e8400-e29b-41d4-a716-446655440000/updates")
    assert answer.status_code == 404
    assert answer.json() == {"success": False, "error": {"code": "NOT_FOUND", "message": "Incident not found"}}


# --- what facts show as -----------------------------------------------------------------------------------------------


def test_a_vendors_facts_are_shown_with_names_and_without_user_ids(api, tell):
    make_user("bob@example.com", name="Bob Smith")
    tell(
        of("started", 0, incident_cause="Connection refused"),
        of("acknowledged", 1, user_email="bob@example.com", user_name="Bob Smith"),
        of("escalated", 2, escalation_targets=[{"type": "user", "id": 1, "name": "Ada"}, {"type": "team", "id": 7}]),
        of("grouped", 3, incident_group_id=999),
        of("resolved", 4, integration_name="Deploy bot"),
        of("reopened", 5, user_email=None, user_name="Bob Smith"),
        of("destroyed", 6),
    )
    entries = updates(api)
    assert in_short(entries) == [
        ("updated", None, "deleted at source", "Incident deleted at source"),
        ("reopened", "resolved", "open", "Incident reopened"),
        ("resolved", "acknowledged", "resolved", "Incident resolved by Deploy bot"),
        ("updated", None, "999", "Grouped into incident group 999"),
        ("updated", None, "Ada, team 7", "Escalated to Ada, team 7"),
        ("acknowledged", "open", "acknowledged", "Incident acknowledged"),
        ("created", None, None, "Incident created: Connection refused"),
    ]
    assert {each["user_id"] for each in entries} == {None}
    assert (entries[5]["user_email"], entries[5]["user_name"]) == ("bob@example.com", "Bob Smith")
    assert (entries[1]["user_email"], entries[1]["user_name"]) == (None, "Bob Smith")


def test_a_destroyed_incident_stays_readable(api, tell):
    tell(of("started", 0), of("destroyed", 1))
    for tail in ("updates", "comments", "timeline"):
        assert api.get(path(tail)).status_code == 200


def test_what_had_no_effect_and_notes_are_not_among_the_updates(api, tell, user):
    tell(of("started", 0), of("resolved", 1), of("acknowledged", 2))
    lifecycle.comment(the_incident(), by=user, at=at(3), message="Hm.")
    assert [each["action"] for each in updates(api)] == ["resolved", "created"]


def test_assigned_carries_the_assignee_and_the_actor_stands_in_the_message(api, tell, team, user):
    tell(of("started", 0))
    grace = make_user("grace@example.com", team, name="Grace Hopper")
    to_grace = {"assignee_id": grace.pk, "assignee_email": grace.email, "assignee_name": grace.name}
    act(the_incident(), "incident.assigned", by=user, at=at(1), **to_grace)
    act(the_incident(), "incident.assigned", by=grace, at=at(2), assignee_email=None)
    unassigned, assigned, _ = updates(api)
    assert (assigned["user_id"], assigned["user_email"], assigned["user_name"]) == (
        str(grace.uuid),
        "grace@example.com",
        "Grace Hopper",
    )
    assert in_short([assigned]) == [
        ("assigned", None, "grace@example.com", "Assigned to Grace Hopper by Alice Johnson")
    ]
    assert (unassigned["user_id"], unassigned["user_email"], unassigned["user_name"]) == (None, None, None)
    assert in_short([unassigned]) == [("assigned", "grace@example.com", None, "Unassigned by Grace Hopper")]


def test_an_edit_of_two_fields_is_two_updates_with_ids_of_their_own(api, tell, user):
    tell(of("started", 0, incident_cause="One"))
    act(the_incident(), "incident.updated", by=user, at=at(1), title="New", error_message="Two")
    second, first, created = updates(api)
    assert (first["old_value"], first["new_value"]) == ("My Website is Down", "New")
    assert (second["old_value"], second["new_value"]) == ("One", "Two")
    assert len({first["id"], second["id"], created["id"]}) == 3
    assert first["id"] == timeline(api)[0]["id"]


def test_facts_of_the_same_moment_stand_in_reverse_chronology_order(api, tell):
    tell(of("resolved", 0), of("acknowledged", 0), of("grouped", 0, incident_group_id=1), of("started", 0))
    assert [each["action"] for each in updates(api)] == ["resolved", "updated", "acknowledged", "created"]
    assert [each["event"] for each in reversed(timeline(api))] == [
        "incident.started",
        "incident.acknowledged",
        "incident.grouped",
        "incident.resolved",
    ]


def test_ids_depend_on_what_was_told_and_on_nothing_else(api, tell, other_team):
    events = [of("started", 0), of("started", 1, incident_name="Other", incident_cause="Other"), of("resolved", 2)]
    tell(*events)
    here = updates(api)
    assert len(here) == 5  # the last of them names the incident as the first did
    there = make_user("carol@example.com", other_team)
    tell_it(make_integration(other_team), *reversed(events))
    key = make_key(other_team, there, "tests", [Scope.READ])[1]
    mirror = f"/api/incidents/{Incident.objects.get(team=other_team).uuid}/updates"
    answer = api.get(mirror, headers={"X-API-Key": key}).json()["data"]
    assert [each["id"] for each in answer] == [each["id"] for each in here]


def test_ids_are_the_same_forever():
    identity = bytes(range(32))
    assert event_id(identity) == "event-b5d2e1cc-5153-5e2a-b1c9-1c2c9e6be73e"
    assert event_id(identity, 1) == "event-3766ae6f-a438-5df8-a29c-6f27bb370c70"


# --- limit and Link ---------------------------------------------------------------------------------------------------


@pytest.fixture
def many(tell, user):
    """An incident with 13 updates, among them two edits of two fields; one note, one fact without effect."""
    tell(of("started", 0), *(of("grouped", 1 + n // 3, incident_group_id=n) for n in range(8)), of("reopened", 5))
    for number in range(2):
        fields = {"title": f"Title {number}", "error_message": f"Cause {number}"}
        act(the_incident(), "incident.updated", by=user, at=at(6 + number), **fields)
    lifecycle.comment(the_incident(), by=user, at=at(8), message="Hm.")


def behind(answer):
    """The query string of the next page that a Link header names; None without one."""
    if "Link" not in answer.headers:
        return None
    url, relation = re.fullmatch(r'<(.*)>; rel="(.*)"', answer.headers["Link"]).groups()
    assert relation == "next"
    assert urlsplit(url).path == path()
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize("more", [{}, {"as_of": "2026-06-01T00:00:00Z"}])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 12, 13, 14])
def test_following_link_reads_everything_once(limit, more, api, many):
    whole = updates(api)
    assert len(whole) == 13
    found, asked = [], {"limit": limit} | more
    while asked is not None:
        answer = api.get(path(), asked)
        rows = answer.json()["data"]
        asked = behind(answer)
        assert len(rows) == limit or asked is None
        found += rows
    assert found == whole


def test_all_up_to_10000_are_shown_by_default(api, many, monkeypatch):
    answer = api.get(path())
    assert "Link" not in answer.headers
    assert len(answer.json()["data"]) == 13
    assert ALL_UPDATES == 10_000
    monkeypatch.setattr("incidents.api.ALL_UPDATES", 7)
    assert len(api.get(path()).json()["data"]) == 7
    assert len(api.get(path(), behind(api.get(path()))).json()["data"]) == 6


def test_a_limit_is_1000_at_most_and_more_than_that_is_shown_without_one(api, tell):
    tell(of("started", 0), *(of("escalated", n) for n in range(1, 1002)))
    assert len(api.get(path()).json()["data"]) == 1002
    assert len(api.get(path(), {"limit": 1000}).json()["data"]) == 1000


def test_a_late_fact_between_two_pages_neither_repeats_nor_hides_an_old_one(api, many, tell):
    first = api.get(path(), {"limit": 3})
    rest = updates(api)[3:]
    tell(of("escalated", 100), of("escalated", 7))
    assert api.get(path(), behind(first)).json()["data"] == rest[:3]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "x"),
        ("as_of", "now"),
        ("as_of", "2026-05-13"),
        ("as_of", "2026-05-13T10:00:60Z"),
        ("cursor", "nonsense"),
    ],
)
def test_a_bad_value_is_a_400_that_names_its_parameter(name, value, api, tell):
    tell(of("started", 0))
    answer = api.get(path(), {name: value})
    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]["fields"]) == [name]


def test_a_cursor_of_another_list_is_refused(api, many):
    cursor = api.get(path("timeline"), {"limit": 1}).json()["data"]["pagination"]["next_cursor"]
    assert api.get(path(), {"cursor": cursor}).status_code == 400


# --- ETag -------------------------------------------------------------------------------------------------------------


def test_who_has_it_already_gets_a_304(api, tell):
    tell(of("started", 0))
    first = api.get(path())
    tag = first.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = api.get(path(), headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    for unknown in ('"other"', tag.strip('"'), "", "nonsense"):
        assert api.get(path(), headers={"If-None-Match": unknown}).content == first.content


def test_the_etag_changes_with_whatever_changes_the_answer(api, tell, user):
    tags = []

    def note_tag(**asked):
        tags.append(api.get(path(), asked).headers["ETag"])

    tell(of("acknowledged", 5))
    note_tag()
    tell(of("resolved", 9))
    note_tag()
    tell(of("started", 1))  # late: what stands behind it is read anew
    note_tag()
    tell(of("reopened", 7))
    note_tag()
    note_tag(limit=1)
    note_tag(limit=2)
    assert len(set(tags)) == len(tags)
    lifecycle.comment(the_incident(), by=user, at=at(20), message="Not among the updates.")
    note_tag()
    assert tags[-1] == tags[3]


def test_a_304_is_for_those_who_may_read_only(client, api, tell):
    tell(of("started", 0))
    assert client.get(path(), headers={"If-None-Match": "*"}).status_code == 401


# --- as of ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def late(integration):
    """`started` and `resolved` were recorded in time, `acknowledged` an hour later, a rename another hour later."""
    tell_it(integration, of("started", 0), at=at(0))
    tell_it(integration, of("resolved", 10), at=at(10))
    tell_it(integration, of("acknowledged", 5), at=at(60))
    tell_it(integration, of("started", 7, incident_name="Renamed"), at=at(120))


def rfc(minutes, **more):
    return at(minutes, **more).isoformat().replace("+00:00", "Z")


def test_as_of_shows_what_was_recorded_by_then(api, late):
    assert updates(api, as_of=rfc(-1)) == []
    assert in_short(updates(api, as_of=rfc(0))) == [("created", None, None, "Incident created")]
    assert in_short(updates(api, as_of=rfc(59)))[0] == ("resolved", "open", "resolved", "Incident resolved")
    an_hour_later = in_short(updates(api, as_of=rfc(60)))
    assert an_hour_later[0] == ("resolved", "acknowledged", "resolved", "Incident resolved")
    assert [action for action, *_ in an_hour_later] == ["resolved", "acknowledged", "created"]
    assert in_short(updates(api, as_of=rfc(119))) == an_hour_later
    assert updates(api, as_of=rfc(120)) == updates(api) == updates(api, as_of="9999-12-31T23:59:59.999Z")


def test_as_of_reads_any_offset_and_cuts_to_milliseconds(api, late):
    assert len(updates(api, as_of="2026-05-13T14:10:00.0009+02:00")) == 2
    assert len(updates(api, as_of="2026-05-13T12:09:59.9999Z")) == 1


def test_updates_keep_their_ids_whenever_they_are_read_as_of(api, late):
    now = {each["id"] for each in updates(api)}
    then = {each["id"] for each in updates(api, as_of=rfc(59))}
    assert then < now


def test_the_timeline_as_of_a_moment_says_what_had_an_effect_then(api, integration):
    tell_it(integration, of("resolved", 10), at=at(10))
    tell_it(integration, of("acknowledged", 20), at=at(20))
    tell_it(integration, of("reopened", 15), at=at(60))
    now = timeline(api)
    assert [(each["event"], each["effect"]) for each in now] == [
        ("incident.acknowledged", "applied"),
        ("incident.reopened", "applied"),
        ("incident.resolved", "applied"),
    ]
    then = timeline(api, as_of=rfc(59))
    assert [(each["event"], each["effect"], each["why"]) for each in then] == [
        ("incident.acknowledged", "none", "It was resolved then."),
        ("incident.resolved", "applied", None),
    ]
    assert then[0]["changes"] == []
    assert timeline(api, as_of=rfc(60)) == now
    assert timeline(api, as_of=rfc(9)) == []


# --- notes ------------------------------------------------------------------------------------------------------------


def add(api, message, moment=None):
    with clock.at(moment or at(30)):
        return api.post(path(), {"message": message}, content_type="application/json")


def test_a_note_is_answered_with_itself_and_stands_in_comments_and_timeline(api, tell, user):
    tell(of("started", 0))
    answer = add(api, "  The switch was replaced.\n ")
    assert answer.status_code == 201
    note = answer.json()["data"]
    assert note == {
        "id": note["id"],
        "incident_id": str(the_incident().uuid),
        "action": "comment_added",
        "user_id": str(user.uuid),
        "user_email": "alice@example.com",
        "user_name": "Alice Johnson",
        "message": "The switch was replaced.",
        "old_value": None,
        "new_value": None,
        "created_at": "2026-05-13T12:30:00.000Z",
    }
    assert api.get(path("comments")).json()["data"] == {
        "comments": [note],
        "pagination": {"limit": 20, "next_cursor": None},
    }
    [event, _] = timeline(api)
    assert (event["id"], event["event"]) == (note["id"], "incident.commented")
    assert event["changes"][0]["message"] == "The switch was replaced."
    assert [each["action"] for each in updates(api)] == ["created"]


def test_a_note_has_1_to_1000_code_points_after_trimming(api, tell):
    tell(of("started", 0))
    assert add(api, "x").status_code == 201
    assert add(api, " " + "😀" * 1000 + " ").json()["data"]["message"] == "😀" * 1000
    assert add(api, "x" * 1001).json()["error"]["details"]["fields"].keys() == {"message"}
    assert api.get(path("comments")).json()["data"]["comments"][0]["message"] == "😀" * 1000


@pytest.mark.parametrize("body", ["{}", '{"message": null}', '{"message": ""}', '{"message": " \\n\\t"}'])
def test_an_empty_note_is_a_400_that_names_the_message(body, api, tell):
    tell(of("started", 0))
    answer = api.post(path(), body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert list(answer.json()["error"]["details"]["fields"]) == ["message"]
    assert TimelineEvent.objects.count() == 1


@pytest.mark.parametrize("body", ['{"message": 5}', '{"message": true}', '{"message": ["x"]}', '{"message": {"a": 1}}'])
def test_a_note_is_text(body, api, tell):
    tell(of("started", 0))
    answer = api.post(path(), body, content_type="application/json")
    assert list(answer.json()["error"]["details"]["fields"]) == ["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "MALFORMED_JSON"),
        ('"x"', "VALIDATION_ERROR"),
        ("[]", "VALIDATION_ERROR"),
        ('{"message": "a", "message": "b"}', "UNSAFE_JSON"),
        ('{"message": "\\u0000"}', "UNSAFE_JSON"),
        ('{"message": "\\ud800"}', "UNSAFE_JSON"),
        ('{"message": NaN}', "UNSAFE_JSON"),
    ],
)
def test_a_body_that_is_no_sound_json_object_is_a_400(body, code, api, tell):
    tell(of("started", 0))
    answer = api.post(path(), body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert TimelineEvent.objects.count() == 1


def test_notes_of_the_same_moment_are_a_millisecond_apart(api, tell):
    tell(of("started", 0))
    for text in ("one", "two", "two"):
        assert add(api, text).status_code == 201
    shown = api.get(path("comments")).json()["data"]["comments"]
    assert [each["message"] for each in shown] == ["two", "two", "one"]
    moments = [parse_rfc3339(each["created_at"]) for each in shown]
    assert moments == [at(30, milliseconds=2), at(30, milliseconds=1), at(30)]


def test_comments_are_paged_newest_first(api, tell, user):
    tell(of("started", 0))
    for number in range(5):
        lifecycle.comment(the_incident(), by=user, at=at(number), message=f"note {number}")
    found, more_of_it = [], {}
    while more_of_it is not None:
        data = api.get(path("comments"), {"limit": 2} | more_of_it).json()["data"]
        found += [each["message"] for each in data["comments"]]
        cursor = data["pagination"]["next_cursor"]
        more_of_it = {"cursor": cursor} if cursor else None
    assert found == [f"note {number}" for number in (4, 3, 2, 1, 0)]


def test_a_deleted_incident_can_still_be_noted_on(api, tell):
    tell(of("started", 0), of("destroyed", 1))
    assert add(api, "Why was it deleted?").status_code == 201


# --- the timeline -----------------------------------------------------------------------------------------------------


def test_an_event_of_the_timeline_has_all_that_is_known_of_it(api, integration):
    sent = of("acknowledged", 0, user_email="bob@example.com", user_name="Bob Smith", region={"x": [1, None]})
    tell_it(integration, sent, at=at(7, seconds=1, milliseconds=500))
    [event] = timeline(api)
    assert event == {
        "id": event["id"],
        "event": "incident.acknowledged",
        "message": "incident.acknowledged happened",
        "occurred_at": "2026-05-13T12:00:00.000Z",
        "recorded_at": "2026-05-13T12:07:01.500Z",
        "late": True,
        "late_by": 421.5,
        "effect": "applied",
        "why": None,
        "user": {"id": None, "email": "bob@example.com", "name": "Bob Smith"},
        "source": {"integration_id": integration.pk, "organization_id": "org_123", "team_id": "team_456"},
        "changes": [
            {
                "action": "acknowledged",
                "field": "status",
                "old_value": "open",
                "new_value": "acknowledged",
                "message": "Incident acknowledged",
            }
        ],
        "hidden": False,
        "corrected": None,
        "dated": None,
        "ignored": [],
        "payload": sent,
    }


def test_our_own_events_have_a_user_and_no_source(api, tell, user):
    tell(of("started", 0))
    lifecycle.comment(the_incident(), by=user, at=at(1), message="Hm.")
    noted, started = timeline(api)
    assert noted["user"] == {"id": str(user.uuid), "email": "alice@example.com", "name": "Alice Johnson"}
    assert (noted["source"], noted["late"], noted["late_by"]) == (None, False, None)
    assert started["user"] is None


def test_what_had_no_effect_stands_in_the_timeline_with_why(api, tell):
    tell(of("started", 0), of("reopened", 1))
    [event, _] = timeline(api)
    assert (event["effect"], event["why"], event["changes"]) == ("none", "It was open already.", [])


@pytest.mark.parametrize("more", [{}, {"as_of": "2026-06-01T00:00:00Z"}])
def test_the_timeline_is_paged_through_everything_once(more, api, many):
    whole = timeline(api, limit=100)
    assert len(whole) == 13
    for limit in (1, 4, 12, 13):
        found, more_of_it = [], {}
        while more_of_it is not None:
            data = api.get(path("timeline"), {"limit": limit} | more_of_it | more).json()["data"]
            found += data["events"]
            cursor = data["pagination"]["next_cursor"]
            more_of_it = {"cursor": cursor} if cursor else None
        assert found == whole


# --- cost -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("asked", ["updates", "updates?as_of=2026-06-01T00:00:00Z", "comments", "timeline?limit=100"])
def test_reading_costs_as_many_queries_for_many_as_for_few(asked, api, tell, team, user):
    def act_again(first):
        for number in range(first, first + 3):
            someone = make_user(f"{number}@example.com", team)
            act(the_incident(), "incident.assigned", by=user, at=at(number), assignee_id=someone.pk, assignee_email="x")
            lifecycle.comment(the_incident(), by=someone, at=at(number), message="Hm.")

    def queries():
        with CaptureQueriesContext(connection) as context:
            assert api.get(path(asked)).status_code == 200
        return len(context) - 1  # that of `path` itself

    tell(of("started", 0))
    act_again(10)
    queries()
    few = queries()
    act_again(20)
    act_again(30)
    assert queries() == few
    assert User.objects.count() == 10


@pytest.mark.usefixtures("still")
def test_updates_are_read_with_one_query_besides_the_key_and_the_incident(api, tell):
    tell(of("started", 0), of("acknowledged", 1), of("resolved", 2))
    url = path()
    api.get(url)
    with CaptureQueriesContext(connection) as context:
        api.get(url)
    reading = [each["sql"] for each in context if "timeline_timelineevent" in each["sql"]]
    assert len(reading) == 1
    assert "payload" not in reading[0]
    assert len(context) <= 5
