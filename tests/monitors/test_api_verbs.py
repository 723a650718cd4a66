"""Making and changing the team's own monitors and heartbeats through the API."""

import pytest
from django.test import Client

from config import clock
from incidents.models import Incident
from monitors.models import Heartbeat, Monitor
from teams.authentication import make_key
from teams.models import Role, Scope
from tests.conftest import NOON, an_event, make_integration, make_user, tell_it
from tests.monitors.conftest import BACKUP, SHOP
from timeline.models import TimelineEvent

MODELS = {"monitors": Monitor, "heartbeats": Heartbeat}
BODIES = {"monitors": SHOP, "heartbeats": BACKUP}
KINDS = pytest.mark.parametrize("kind", ["monitors", "heartbeats"])


def send(client, method, path, body=None):
    return getattr(client, method)(path, body if body is not None else {}, content_type="application/json")


@pytest.fixture(autouse=True)
def at_noon():
    with clock.at(NOON):
        yield


@pytest.fixture
def own(shop, backup):
    """The paths of the team's own, by kind."""
    return {"monitors": f"/api/monitors/{shop.pk}", "heartbeats": f"/api/heartbeats/{backup.pk}"}


# --- making ---------------------------------------------------------------------------------------------------


def test_a_monitor_is_created_pending(managing, manager):
    answer = send(managing, "post", "/api/monitors", {"name": " Shop ", "url": "https://shop.example"})
    monitor = Monitor.objects.get()
    assert answer.status_code == 201
    assert answer.json()["data"] == {
        "id": monitor.pk,
        "name": "Shop",
        "url": "https://shop.example",
        "type": "status",
        "status": "pending",
        "status_inferred": False,
        "status_since": None,
        "live_incidents": 0,
        "provisional": False,
        "destroyed_at": None,
        "source": None,
    }
    assert TimelineEvent.objects.get().user == manager
    assert managing.get(f"/api/monitors/{monitor.pk}").json() == answer.json()


def test_a_heartbeat_is_expected_daily_unless_it_says_otherwise(managing):
    data = send(managing, "post", "/api/heartbeats", {"name": "Backup"}).json()["data"]
    assert (data["period"], data["grace"], data["status"], data["source"]) == (86_400, 3_600, "pending", None)
    data = send(managing, "post", "/api/heartbeats", {"name": "Backup", "period": 30, "grace": 0}).json()["data"]
    assert (data["period"], data["grace"]) == (30, 0)


@pytest.mark.parametrize(
    ("kind", "body", "fields"),
    [
        ("monitors", {}, ["name", "url"]),
        ("monitors", SHOP | {"name": "  "}, ["name"]),
        ("monitors", SHOP | {"name": "x" * 256}, ["name"]),
        ("monitors", SHOP | {"name": None}, ["name"]),
        ("monitors", SHOP | {"name": 7, "type": "http"}, ["name", "type"]),
        ("monitors", SHOP | {"url": "https://user:secret@shop.example"}, ["url"]),
        ("monitors", SHOP | {"url": "ftp://shop.example"}, ["url"]),
        ("monitors", SHOP | {"url": "https://shop.example/" + "x" * 2028}, ["url"]),
        ("heartbeats", BACKUP | {"period": 29}, ["period"]),
        ("heartbeats", BACKUP | {"period": 31_536_001, "grace": -1}, ["period", "grace"]),
        ("heartbeats", BACKUP | {"period": "60"}, ["period"]),
        ("heartbeats", BACKUP | {"grace": 31_536_001}, ["grace"]),
    ],
)
def test_what_cannot_be_is_a_400_that_names_its_fields(kind, body, fields, managing):
    answer = send(managing, "post", f"/api/{kind}", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert sorted(answer.json()["error"]["details"]["fields"]) == sorted(fields)
    assert not TimelineEvent.objects.exists()


@KINDS
def test_names_of_255_characters_and_any_script_are_kept(kind, managing):
    name = "監" * 255
    answer = send(managing, "post", f"/api/{kind}", BODIES[kind] | {"name": name})
    assert answer.json()["data"]["name"] == name


# --- changing -------------------------------------------------------------------------------------------------


def test_a_change_says_what_it_changes_and_leaves_the_rest(managing, own):
    data = send(managing, "put", own["monitors"], {"type": "keyword"}).json()["data"]
    assert (data["name"], data["url"], data["type"]) == ("Shop", "https://shop.example", "keyword")
    data = send(managing, "put", own["heartbeats"], {"grace": 0}).json()["data"]
    assert (data["name"], data["period"], data["grace"]) == ("Nightly backup", 86_400, 0)
    assert TimelineEvent.objects.filter(event__endswith=".updated").count() == 2


@KINDS
def test_a_change_of_nothing_writes_nothing(kind, managing, own):
    for body in ({}, BODIES[kind], {"name": " "}):
        assert send(managing, "put", own[kind], body).status_code == 200
    assert not TimelineEvent.objects.filter(event__endswith=".updated").exists()


@KINDS
def test_pausing_and_unpausing_answer_the_record_however_often(kind, managing, own):
    for action, status in [("pause", "paused"), ("pause", "paused"), ("unpause", "pending"), ("unpause", "pending")]:
        answer = send(managing, "post", f"{own[kind]}/{action}")
        assert (answer.status_code, answer.json()["data"]["status"]) == (200, status)
    assert TimelineEvent.objects.filter(event__endswith="paused").count() == 2


@KINDS
def test_a_deleted_one_stays_in_the_record_and_takes_no_more_changes(kind, managing, own):
    for _ in range(2):
        answer = send(managing, "delete", own[kind])
        assert (answer.status_code, answer.json()["data"]["destroyed_at"]) == (200, "2026-05-13T12:00:00.001Z")
    assert managing.get(own[kind]).json() == answer.json()
    for method, path in [("put", ""), ("post", "/pause"), ("post", "/unpause")]:
        refused = send(managing, method, own[kind] + path, {} if path else {"name": "New"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
        assert "was deleted" in refused.json()["error"]["message"]


def test_what_is_live_about_it_is_resolved_when_it_is_deleted(managing, own, shop):
    body = {"severity": "major", "type": "timeout", "error_message": "No answer", "monitor_id": shop.pk}
    assert send(managing, "post", "/api/incidents", body).status_code == 201
    assert managing.get(own["monitors"]).json()["data"]["status"] == "down"
    data = send(managing, "delete", own["monitors"]).json()["data"]
    assert (data["live_incidents"], data["status"]) == (0, "pending")
    assert Incident.objects.get().status == "resolved"


@KINDS
def test_a_field_that_is_not_known_is_named_in_every_body_and_nothing_is_written(kind, managing, own):
    written = TimelineEvent.objects.count()
    bodies = {("post", f"/api/{kind}"): BODIES[kind], ("put", own[kind]): {"name": "New"}}
    bodies |= {("delete", own[kind]): {}, ("post", own[kind] + "/pause"): {}, ("post", own[kind] + "/unpause"): {}}
    for (method, path), body in bodies.items():
        answer = send(managing, method, path, body | {"colour": "red"})
        assert (answer.status_code, answer.json()["error"]["details"]) == (
            400,
            {"fields": {"colour": ["There is no such field."]}},
        )
    assert TimelineEvent.objects.count() == written


@KINDS
def test_who_sends_back_what_was_read_changes_nothing_but_what_differs(kind, managing, own):
    read = managing.get(own[kind]).json()["data"]
    assert send(managing, "put", own[kind], read | {"name": "New"}).json()["data"] == read | {"name": "New"}
    for field, value in (("status", "up"), ("id", 1), ("live_incidents", True)):
        answer = send(managing, "put", own[kind], {field: value})
        assert answer.json()["error"]["details"] == {"fields": {field: ["This field is read-only."]}}
    made = send(managing, "post", f"/api/{kind}", read)
    assert set(made.json()["error"]["details"]["fields"]) == read.keys() - BODIES[kind].keys()


# --- who may, and what ----------------------------------------------------------------------------------------


CHANGES = [("put", ""), ("delete", ""), ("post", "/pause"), ("post", "/unpause")]


@KINDS
@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_mirrored_one_cannot_be_changed(kind, method, path, managing, tell):
    tell(an_event(f"{kind[:-1]}.created"))
    found = MODELS[kind].objects.get()
    answer = send(managing, method, f"/api/{kind}/{found.pk}{path}", {"name": "Ours"} if method == "put" else {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert "Better Stack" in answer.json()["error"]["message"]
    assert answer.json()["error"]["details"]["integration"]["name"] == "Better Stack"
    assert TimelineEvent.objects.count() == 1


@KINDS
@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_only_managers_with_the_scope_write_may(kind, method, path, team, manager, own):
    responder = make_user("rita@example.com", team, Role.RESPONDER)
    for user, scopes in ((responder, [Scope.READ, Scope.WRITE]), (manager, [Scope.READ])):
        client = Client(headers={"X-API-Key": make_key(team, user, "key", scopes)[1]})
        for target in (own[kind] + path, f"/api/{kind}"):
            answer = send(client, method if target != f"/api/{kind}" else "post", target, BODIES[kind])
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")
        assert client.get(own[kind]).status_code == 200
    assert TimelineEvent.objects.count() == 2


@KINDS
@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_another_teams_is_the_very_404_of_a_missing_one(kind, method, path, managing, other_team):
    tell_it(make_integration(other_team), an_event(f"{kind[:-1]}.created"))
    theirs = MODELS[kind].objects.get()
    answers = [send(managing, method, f"/api/{kind}/{pk}{path}", {}) for pk in (theirs.pk, 2**62)]
    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].content == answers[1].content
