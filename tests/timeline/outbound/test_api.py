"""Endpoints and messages through the API."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from config import clock, paging
from config.models import IdempotentAnswer
from config.vault import open_sealed
from incidents.declaring import Declaration, declare
from incidents.models import Incident, Severity, Type
from monitors import lifecycle as resources
from monitors.models import Monitor
from teams.authentication import make_key
from teams.models import Role, Scope
from tests.conftest import NOON, make_user
from tests.endpoints import HOOK, make_attempt, make_endpoint, make_message, secrets_at
from timeline.outbound.lifecycle import delete_endpoint, disable
from timeline.outbound.models import Endpoint, Message


@pytest.fixture(autouse=True)
def at_noon():
    with clock.at(NOON):
        yield


@pytest.fixture
def mary(team):
    return make_user("mary@example.com", team, Role.MANAGER, name="Mary Manager")


@pytest.fixture
def managing(team, mary):
    """A client that sends the key of a manager."""
    return Client(headers={"X-API-Key": make_key(team, mary, "Mary's", [Scope.READ, Scope.WRITE])[1]})


@pytest.fixture
def endpoint(team):
    return make_endpoint(team)


@pytest.fixture
def incident(team, mary, endpoint):
    """An incident that was declared, of which the endpoint is told."""
    said = Declaration(severity=Severity.MAJOR, type=Type.OTHER, error_message="Nobody can pay")
    return declare(team, said, by=mary, at=NOON)


def send(client, method, path, body=None, **headers):
    return getattr(client, method)(
        path, {} if body is None else body, content_type="application/json", headers=headers or None
    )


def data(answer, status=200):
    assert answer.status_code == status, answer.content
    return answer.json()["data"]


def wrong(answer):
    """What is wrong with each field."""
    assert answer.status_code == 400, answer.content
    return answer.json()["error"]["details"]["fields"]


# --- endpoints --------------------------------------------------------------------------------------------------------


def test_a_new_endpoint_tells_its_secret_this_once(managing, team):
    made = data(send(managing, "post", "/api/endpoints", {"url": f" {HOOK} "}), 201)
    endpoint = Endpoint.objects.get()
    assert endpoint.team == team
    assert made.pop("secret") == open_sealed(endpoint.secret_ciphertext)
    assert made == {
        "id": endpoint.pk,
        "url": HOOK,
        "description": "",
        "event_types": [],
        "further": False,
        "relay": False,
        "enabled": True,
        "disabled_at": None,
        "disabled_reason": None,
        "failing_since": None,
        "last_success_at": None,
        "created_at": "2026-05-13T12:00:00.000Z",
    }
    assert data(managing.get(f"/api/endpoints/{endpoint.pk}")) == made
    assert data(managing.get("/api/endpoints"))["endpoints"] == [made]


def test_the_secret_that_an_idempotency_key_keeps_is_sealed(managing):
    first, again = (
        send(managing, "post", "/api/endpoints", {"url": HOOK}, **{"Idempotency-Key": "once"}) for _ in range(2)
    )
    assert first.content == again.content
    assert Endpoint.objects.count() == 1
    assert data(first, 201)["secret"].encode() not in bytes(IdempotentAnswer.objects.get().body)


ALL = {
    "url": "http://198.51.100.7.example:8080/x?y",
    "description": "Status page",
    "event_types": ["incident.closed", "monitor.down"],
    "further": True,
    "relay": True,
}


def test_everything_can_be_said_of_one_and_changed_bit_by_bit(managing):
    made = data(send(managing, "post", "/api/endpoints", ALL), 201)
    path = f"/api/endpoints/{made['id']}"
    assert {name: made[name] for name in ALL} == ALL
    for change, shown in (
        ({}, {}),
        ({"description": None}, {"description": ""}),
        ({"event_types": []}, {"event_types": []}),
        ({"further": False, "url": HOOK}, {"further": False, "url": HOOK}),
    ):
        changed = data(send(managing, "put", path, change))
        assert {name: changed[name] for name in shown} == shown
        assert "secret" not in changed


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "url", "This field is required."),
        ({"url": "ftp://example.com"}, "url", "Expected an address such as"),
        ({"url": "http://10.0.0.1:8000/"}, "url", "10.0.0.1 is not on the public internet."),
        ({"url": "http://[::1]/"}, "url", "::1 is not on the public internet."),
        ({"url": "http://example.com:22/"}, "url", "Port 22 is not a web server's"),
        ({"url": HOOK, "description": "x" * 256}, "description", "no more than 255 characters"),
        ({"url": HOOK, "description": 1}, "description", "Expected text."),
        ({"url": HOOK, "further": "true"}, "further", "Expected true or false."),
        ({"url": HOOK, "relay": None}, "relay", "may not be null"),
        ({"url": HOOK, "event_types": "monitor.down"}, "event_types", "Expected a list"),
        ({"url": HOOK, "event_types": ["monitor.melted"]}, "event_types.0", "Expected one of"),
        ({"url": HOOK, "event_types": ["incident.closed"]}, "event_types", "is one of the further events"),
        ({"url": HOOK, "event_types": ["monitor.down"] * 2}, "event_types", "An event is named twice."),
        ({"url": HOOK, "event_types": ["monitor.down"] * 99}, "event_types", "At most"),
    ],
)
def test_what_can_be_no_endpoint_is_said_by_field(body, field, words, managing, endpoint):
    refused = wrong(send(managing, "post", "/api/endpoints", body))
    assert words in str(refused[field])
    if body:
        assert words in str(wrong(send(managing, "put", f"/api/endpoints/{endpoint.pk}", body))[field])
    assert [each.url for each in Endpoint.objects.all()] == [HOOK]


def test_it_is_disabled_and_enabled_however_often(managing, endpoint):
    path = f"/api/endpoints/{endpoint.pk}"
    for verb, enabled in (("disable", False), ("disable", False), ("enable", True), ("enable", True)):
        shown = data(send(managing, "post", f"{path}/{verb}"))
        assert (shown["enabled"], shown["disabled_reason"]) == (enabled, None)
        assert shown["disabled_at"] == (None if enabled else "2026-05-13T12:00:00.000Z")


def test_it_says_why_it_was_disabled_and_how_it_goes(managing, endpoint):
    disable(endpoint, at=NOON, why="It answered 410: it is gone.")
    Endpoint.objects.update(failing_since=NOON - timedelta(hours=1), succeeded_at=NOON - timedelta(hours=2))
    shown = data(managing.get(f"/api/endpoints/{endpoint.pk}"))
    assert shown["disabled_reason"] == "It answered 410: it is gone."
    assert shown["failing_since"] == "2026-05-13T11:00:00.000Z"
    assert shown["last_success_at"] == "2026-05-13T10:00:00.000Z"


def test_a_rotated_secret_is_told_once_and_the_old_one_is_good_for_a_day(managing, endpoint):
    told = data(send(managing, "post", f"/api/endpoints/{endpoint.pk}/rotate-secret"))
    found = Endpoint.objects.get()
    assert told["secret"] != endpoint.secret
    assert secrets_at(found, NOON + timedelta(hours=23)) == [told["secret"], endpoint.secret]
    assert secrets_at(found, NOON + timedelta(hours=24)) == [told["secret"]]


def test_a_deleted_one_is_gone_and_its_messages_can_still_be_read(managing, endpoint):
    message = make_message(endpoint)
    assert data(send(managing, "delete", f"/api/endpoints/{endpoint.pk}"))["enabled"] is False
    assert managing.get(f"/api/endpoints/{endpoint.pk}").status_code == 404
    assert data(managing.get("/api/endpoints"))["endpoints"] == []
    shown = data(managing.get(f"/api/messages/{message.pk}"))
    assert (shown["status"], shown["error"]) == ("dead", "This endpoint was deleted.")
    refused = send(managing, "post", f"/api/messages/{message.pk}/redeliver")
    assert (refused.status_code, refused.json()["error"]["message"]) == (409, "This endpoint was deleted.")


def test_a_team_has_so_many_endpoints_and_no_more(managing, monkeypatch, endpoint):
    monkeypatch.setattr("timeline.outbound.lifecycle.MOST_ENDPOINTS", 2)
    assert send(managing, "post", "/api/endpoints", {"url": HOOK}).status_code == 201
    refused = send(managing, "post", "/api/endpoints", {"url": HOOK})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")


def test_a_test_is_a_message_that_tells_nothing(managing, endpoint):
    sent = data(send(managing, "post", f"/api/endpoints/{endpoint.pk}/test"))
    assert (sent["event"], sent["status"], sent["incident_id"]) == ("endpoint.test", "waiting", None)
    assert data(managing.get(f"/api/messages/{sent['id']}"))["payload"]["event"] == "endpoint.test"


def test_to_a_disabled_one_nothing_is_sent(managing, endpoint):
    message = make_message(endpoint, status="delivered", ended_at=NOON)
    disable(endpoint, at=NOON)
    again = {"since": "2026-05-13T00:00:00Z", "until": "2026-05-14T00:00:00Z"}
    for path, body in (
        (f"/api/endpoints/{endpoint.pk}/test", None),
        (f"/api/endpoints/{endpoint.pk}/replay", again),
        (f"/api/messages/{message.pk}/redeliver", None),
    ):
        refused = send(managing, "post", path, body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
    assert Message.objects.get().status == "delivered"


# --- replaying --------------------------------------------------------------------------------------------------------


def test_a_time_range_is_sent_again_under_the_same_ids(managing, endpoint, team, mary):
    for minute in range(3):
        at = NOON + timedelta(minutes=minute)
        resources.create(Monitor, team, by=mary, at=at, name="Shop", url="https://shop.example", type="status")
    before = list(Message.objects.order_by("id").values_list("webhook_id", flat=True))
    Message.objects.update(status="delivered", ended_at=NOON)
    asked = {"since": "2026-05-13T12:01:00Z", "until": "2026-05-13T12:02:00Z"}
    assert data(send(managing, "post", f"/api/endpoints/{endpoint.pk}/replay", asked)) == {"messages": 1}
    found = list(Message.objects.order_by("id").values_list("webhook_id", "status"))
    assert found == list(zip(before, ["delivered", "new", "delivered"], strict=True))


def test_what_was_never_sent_is_sent_for_the_first_time(managing, team, mary):
    resources.create(Monitor, team, by=mary, at=NOON, name="Shop", url="https://shop.example", type="status")
    endpoint = make_endpoint(team)
    asked = {"since": "2026-05-13T12:00:00Z", "until": "2026-05-13T12:00:01+00:00"}
    assert data(send(managing, "post", f"/api/endpoints/{endpoint.pk}/replay", asked)) == {"messages": 1}
    assert Message.objects.get().event == "monitor.created"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "since"),
        ({"since": "2026-05-13T12:00:00Z"}, "until"),
        ({"since": "yesterday", "until": "2026-05-13T12:00:00Z"}, "since"),
        ({"since": "2026-05-13T12:00:00Z", "until": "2026-05-13T12:00:00Z"}, "until"),
        ({"since": 1, "until": 2}, "since"),
    ],
)
def test_a_range_that_is_none_is_refused(body, field, managing, endpoint):
    assert field in wrong(send(managing, "post", f"/api/endpoints/{endpoint.pk}/replay", body))


def test_a_range_with_too_much_in_it_is_refused(managing, incident, endpoint, monkeypatch):
    monkeypatch.setattr("timeline.outbound.lifecycle.MOST_REPLAYED", 0)
    asked = {"since": "2026-05-13T00:00:00Z", "until": "2026-05-14T00:00:00Z"}
    assert "choose a shorter time" in str(wrong(send(managing, "post", f"/api/endpoints/{endpoint.pk}/replay", asked)))


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_message_shows_what_is_sent_and_every_attempt(managing, incident):
    message = Message.objects.get()
    make_attempt(message, status_code=503, error="The answer was 503.", excerpt="busy")
    make_attempt(message, ended_at=None, status_code=None)
    shown = data(managing.get(f"/api/messages/{message.pk}"))
    attempts = shown.pop("attempts")
    assert shown.pop("payload") == json.loads(message.body)
    assert shown == {
        "id": message.pk,
        "webhook_id": message.webhook_id,
        "endpoint_id": message.endpoint_id,
        "event": "incident.started",
        "status": "waiting",
        "created_at": "2026-05-13T12:00:00.000Z",
        "due_at": None,
        "ended_at": None,
        "tries": 0,
        "error": None,
        "incident_id": str(incident.uuid),
    }
    assert data(managing.get("/api/messages"))["messages"] == [shown]
    for each in attempts:
        each.pop("id")
    assert attempts == [
        {"started_at": rfc, "ended_at": ended, "status_code": code, "error": error, "response": excerpt}
        for rfc, ended, code, error, excerpt in (
            ("2026-05-13T12:00:00.000Z", None, None, None, ""),
            ("2026-05-13T12:00:00.000Z", "2026-05-13T12:00:00.250Z", 503, "The answer was 503.", "busy"),
        )
    ]


def ids(answer):
    return [each["id"] for each in data(answer)["messages"]]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("new", "waiting"),
        ("behind", "waiting"),
        ("due", "waiting"),
        ("sending", "waiting"),
        ("delivered", "delivered"),
        ("dead", "dead"),
    ],
)
def test_a_list_is_narrowed_by_status(status, shown, managing, endpoint):
    message = make_message(endpoint, status=status)
    for asked in ("waiting", "delivered", "dead"):
        found = data(managing.get("/api/messages", {"status": asked}))["messages"]
        assert [(each["id"], each["status"]) for each in found] == [(message.pk, shown)] * (asked == shown)
    assert ids(managing.get("/api/messages", {"status": "waiting,delivered,dead"})) == [message.pk]


def test_a_list_is_narrowed_by_endpoint_event_and_incident(managing, team, incident, endpoint):
    test = make_message(make_endpoint(team))
    about = Message.objects.exclude(pk=test.pk).get()
    assert ids(managing.get("/api/messages")) == [test.pk, about.pk]
    for asked, found in (
        ({"endpoint_id": endpoint.pk}, [about.pk]),
        ({"endpoint_id": test.endpoint_id}, [test.pk]),
        ({"endpoint_id": 0}, []),
        ({"event": "incident.started"}, [about.pk]),
        ({"event": "endpoint.test"}, [test.pk]),
        ({"event": "monitor.down"}, []),
        ({"incident_id": str(incident.uuid)}, [about.pk]),
        ({"incident_id": "550e8400-e29b-41d4-a716-446655440000"}, []),
        ({"event": "endpoint.test", "incident_id": str(incident.uuid)}, []),
    ):
        assert ids(managing.get("/api/messages", asked)) == found, asked


@pytest.mark.parametrize(
    "asked", [{"status": "sent"}, {"event": "nothing"}, {"endpoint_id": "x"}, {"incident_id": "1"}, {"cursor": "~"}]
)
def test_a_filter_that_makes_no_sense_is_named(asked, managing):
    assert list(wrong(managing.get("/api/messages", asked))) == list(asked)


def test_lists_go_on_from_a_cursor(managing, team):
    endpoints = [make_endpoint(team) for _ in range(3)]
    messages = [make_message(each) for each in endpoints]
    for name, made in (("endpoints", endpoints), ("messages", messages)):
        found, cursor = [], None
        while cursor is not None or not found:
            page = data(managing.get(f"/api/{name}", {"limit": 2} | ({"cursor": cursor} if cursor else {})))
            found += [each["id"] for each in page[name]]
            cursor = page["pagination"]["next_cursor"]
        assert found == [each.pk for each in reversed(made)]


def test_a_rare_event_is_found_however_far_it_is(managing, endpoint, incident, monkeypatch):
    monkeypatch.setattr(paging, "LOOKED_THROUGH", 3)
    rare = Message.objects.get()
    for _ in range(10):
        make_message(endpoint)
    found, cursor, pages = [], None, 0
    while cursor is not None or not pages:
        asked = {"event": "incident.started"} | ({"cursor": cursor} if cursor else {})
        page = data(managing.get("/api/messages", asked))
        found += [each["id"] for each in page["messages"]]
        cursor, pages = page["pagination"]["next_cursor"], pages + 1
    assert (found, pages) == ([rare.pk], 4)


def test_a_message_is_sent_again_under_the_same_id(managing, endpoint):
    message = make_message(endpoint, status="dead", ended_at=NOON, why="The answer was 404.", tries=1)
    for _ in range(2):
        again = data(send(managing, "post", f"/api/messages/{message.pk}/redeliver"))
        assert (again["status"], again["error"], again["tries"]) == ("waiting", None, 0)
        assert again["webhook_id"] == message.webhook_id
    assert Message.objects.count() == 1


# --- who may, and what ------------------------------------------------------------------------------------------------

CHANGES = [
    ("post", "/api/endpoints"),
    ("put", "/api/endpoints/{endpoint}"),
    ("delete", "/api/endpoints/{endpoint}"),
    *(("post", f"/api/endpoints/{{endpoint}}/{verb}") for verb in ("enable", "disable", "test", "rotate-secret")),
    ("post", "/api/endpoints/{endpoint}/replay"),
    ("post", "/api/messages/{message}/redeliver"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_only_managers_with_the_scope_write_may(method, path, team, mary, endpoint):
    message = make_message(endpoint)
    target = path.format(endpoint=endpoint.pk, message=message.pk)
    responder = make_user("rita@example.com", team, Role.RESPONDER)
    for user, scopes, reads in ((responder, [Scope.READ, Scope.WRITE], 403), (mary, [Scope.READ], 200)):
        client = Client(headers={"X-API-Key": make_key(team, user, "key", scopes)[1]})
        refused = send(client, method, target)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")
        for place in ("endpoints", f"endpoints/{endpoint.pk}", "messages", f"messages/{message.pk}"):
            assert client.get(f"/api/{place}").status_code == reads


@pytest.mark.parametrize(("method", "path"), [*CHANGES[1:], ("get", "/api/endpoints/{endpoint}")])
def test_another_teams_is_the_very_404_of_a_missing_one(method, path, managing, other_team):
    theirs = make_endpoint(other_team)
    named = {"endpoint": theirs.pk, "message": make_message(theirs).pk}
    answers = [send(managing, method, path.format(**names)) for names in (named, {"endpoint": 2**62, "message": 2**62})]
    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].content == answers[1].content


def test_another_teams_endpoint_and_incident_narrow_a_list_to_nothing(managing, endpoint, other_team, mary):
    theirs = make_endpoint(other_team)
    said = Declaration(severity=Severity.MAJOR, type=Type.OTHER, error_message="Theirs")
    declare(other_team, said, by=mary, at=NOON)
    make_message(endpoint)
    assert Message.objects.filter(endpoint=theirs).exists()
    assert ids(managing.get("/api/messages", {"endpoint_id": theirs.pk})) == []
    assert ids(managing.get("/api/messages", {"incident_id": str(Incident.objects.get().uuid)})) == []


def test_a_deleted_ones_messages_can_be_listed(managing, endpoint):
    message = make_message(endpoint)
    delete_endpoint(endpoint, at=NOON)
    assert ids(managing.get("/api/messages", {"endpoint_id": endpoint.pk, "status": "dead"})) == [message.pk]
