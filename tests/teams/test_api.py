"""The doors of all endpoints of a team's API: who may enter, and what strangers learn (nothing)."""

from datetime import timedelta

import pytest
from django.test import Client

from config import clock
from incidents.models import Incident
from integrations.models import InboundDelivery
from monitors.models import Heartbeat, Monitor
from teams.authentication import make_key
from teams.models import APIKey, Membership, Role, Scope
from tests.conftest import NOON, an_event, make_integration, make_user, tell_it

LISTS = ["/api/incidents", "/api/monitors", "/api/heartbeats", "/api/deliveries"]
ONES = [
    "/api/incidents/{incident}",
    "/api/incidents/{incident}/updates",
    "/api/incidents/{incident}/comments",
    "/api/incidents/{incident}/timeline",
    "/api/monitors/{monitor}",
    "/api/heartbeats/{heartbeat}",
    "/api/deliveries/{delivery}",
]
NOTE = {"message": "The switch was replaced."}


@pytest.fixture
def told(tell):
    tell(an_event("incident.started"), an_event("heartbeat.created", NOON + timedelta(minutes=1)))


def path_of(template, team):
    """A path with the ids of the team's records."""
    return template.format(
        incident=Incident.objects.get(team=team).uuid,
        monitor=Monitor.objects.get(team=team).pk,
        heartbeat=Heartbeat.objects.get(team=team).pk,
        delivery=InboundDelivery.objects.filter(team=team).latest("id").pk,
    )


def with_key(text):
    return Client(headers={"X-API-Key": text})


@pytest.mark.parametrize("template", LISTS + ONES)
def test_a_key_opens_every_reading_endpoint_in_either_header(template, team, told, api, api_key):
    path = path_of(template, team)
    answer = api.get(path)
    assert answer.status_code == 200, answer.content
    assert answer.json()["success"] is True
    bearer = Client(headers={"Authorization": f"Bearer {api_key}"})
    assert bearer.get(path).content == answer.content
    assert api.head(path).status_code == 200


@pytest.mark.parametrize("template", LISTS + ONES)
def test_without_a_good_key_everything_is_the_same_401(template, team, told, api_key):
    path = path_of(template, team)
    key = APIKey.objects.get()
    bodies = {Client().get(path).content, with_key("wk_wrong").get(path).content, with_key("ключ").get(path).content}
    for spoiled in ({"revoked_at": clock.now()}, {"expires_at": clock.now()}):
        APIKey.objects.filter(pk=key.pk).update(**{"revoked_at": None, "expires_at": None} | spoiled)
        answer = with_key(api_key).get(path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        bodies.add(answer.content)
    [body] = bodies
    assert b'"UNAUTHORIZED"' in body


def test_a_session_is_no_key(client, user, team, told):
    client.force_login(user)
    assert client.get("/api/incidents").status_code == 401


def test_the_key_of_somebody_who_left_or_of_a_closed_team_opens_nothing(team, user, told, api):
    Membership.objects.filter(user=user).delete()
    assert api.get("/api/incidents").status_code == 401
    Membership.objects.create(team=team, user=user, role=Role.VIEWER)
    assert api.get("/api/incidents").status_code == 200
    team.deactivated_at = clock.now()
    team.save()
    assert api.get("/api/incidents").status_code == 401


@pytest.mark.parametrize("template", LISTS + ONES)
def test_reading_needs_the_scope_read(template, team, user, told):
    path = path_of(template, team)
    writing = with_key(make_key(team, user, "writer", [Scope.WRITE, Scope.INGEST])[1])
    answer = writing.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


def test_noting_needs_the_scope_write_and_a_responder(team, user, told):
    path = path_of("/api/incidents/{incident}/updates", team)
    reader = with_key(make_key(team, user, "reader", [Scope.READ])[1])
    assert reader.post(path, NOTE, content_type="application/json").status_code == 403
    viewer = make_user("viewer@example.com", team, Role.VIEWER)
    looking = with_key(make_key(team, viewer, "viewer's", [Scope.READ, Scope.WRITE])[1])
    assert looking.get(path).status_code == 200
    assert looking.post(path, NOTE, content_type="application/json").status_code == 403
    responder = with_key(make_key(team, user, "writer", [Scope.WRITE])[1])
    assert responder.post(path, NOTE, content_type="application/json").status_code == 201


@pytest.mark.parametrize("template", ONES)
def test_another_teams_record_is_the_very_404_of_a_missing_one(template, team, other_team, told, api):
    tell_it(make_integration(other_team), an_event("incident.started"), an_event("heartbeat.created"))
    theirs = api.get(path_of(template, other_team))
    none = "00000000-0000-4000-8000-000000000000"
    missing = api.get(template.format(incident=none, monitor=2**62, heartbeat=2**62, delivery=2**62))
    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content
    assert theirs.json()["error"]["code"] == "NOT_FOUND"


def test_a_note_on_another_teams_incident_is_a_404_before_its_body_is_looked_at(team, other_team, told, api):
    tell_it(make_integration(other_team), an_event("incident.started"))
    path = f"/api/incidents/{Incident.objects.get(team=other_team).uuid}/updates"
    assert api.post(path, NOTE, content_type="application/json").status_code == 404
    assert api.post(path, "{", content_type="text/plain").status_code == 404


@pytest.mark.parametrize("template", LISTS)
def test_a_list_shows_nothing_of_another_team(template, other_team, integration, api):
    tell_it(make_integration(other_team), an_event("incident.started"), an_event("heartbeat.created"))
    name = template.rpartition("/")[2]
    assert api.get(template).json()["data"] == {name: [], "pagination": {"limit": 20, "next_cursor": None}}


@pytest.mark.parametrize(
    "identity", ["9223372036854775808", "9" * 30, "9" * 5000, "-1", "1.0", "abc", "007", "١", "%20"]
)
@pytest.mark.parametrize("kind", ["monitors", "heartbeats", "deliveries"])
def test_what_is_no_id_is_a_plain_404(kind, identity, api):
    answer = api.get(f"/api/{kind}/{identity}")
    assert answer.status_code == 404
    assert answer.content == api.get(f"/api/{kind}/9223372036854775807").content


@pytest.mark.parametrize("identity", ["1", "nonsense", "550e8400e29b41d4a716446655440000", "{550e8400}"])
def test_what_is_no_uuid_is_the_404_of_a_missing_incident(identity, api):
    for tail in ("", "/updates", "/comments", "/timeline"):
        answer = api.get(f"/api/incidents/{identity}{tail}")
        assert answer.status_code == 404
        assert answer.json()["error"] == {"code": "NOT_FOUND", "message": "Incident not found"}


def test_a_uuid_is_read_in_either_case(team, told, api):
    identity = str(Incident.objects.get().uuid).upper()
    assert api.get(f"/api/incidents/{identity}").status_code == 200


def test_refusals_come_in_the_contracts_order(team, user, told, api):
    path = path_of("/api/incidents/{incident}/updates", team)
    reader = with_key(make_key(team, user, "reader", [Scope.READ])[1])
    assert Client().delete(path).status_code == 401
    assert reader.delete(path).status_code == 403
    assert api.delete("/api/incidents/nonsense/updates").status_code == 404
    refused = api.delete(path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert api.post(path, "x", content_type="text/plain").status_code == 415
    assert api.post(path, "{", content_type="application/json").json()["error"]["code"] == "MALFORMED_JSON"
    Membership.objects.filter(user=user).update(role=Role.MANAGER)
    for listed in LISTS:
        assert api.put(listed, {}, content_type="application/json").status_code == 405


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nonsense", "/api/incidents/", "/api/incidents/x/y/z"])
def test_an_unknown_route_is_a_404_in_the_envelope_without_a_key(path, db):
    answer = Client().get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")
    assert answer.json() == {"success": False, "error": {"code": "NOT_FOUND", "message": "Not found"}}
