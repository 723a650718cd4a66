"""Who a key is, and whose ids the API takes."""

import pytest
from django.test import Client

from teams.authentication import make_key
from teams.models import Role, Scope
from tests.conftest import NOON, make_user


def test_a_key_can_ask_whose_it_is(api, team, user):
    me = api.get("/api/me").json()["data"]
    assert me == {
        "user": {"id": str(user.uuid), "number": user.pk, "email": "alice@example.com", "name": "Alice Johnson"},
        "role": "responder",
        "team": {"id": team.public_id, "name": "Operations"},
        "organization": {"id": team.organization.public_id, "name": "Operations Inc."},
        "key": {"name": "tests", "prefix": me["key"]["prefix"], "scopes": ["read", "write"], "expires_at": None},
    }
    assert me["key"]["prefix"].startswith("wk_")


def test_when_a_key_ends_is_said_and_one_that_may_only_send_events_asks_nothing(team, user):
    text = make_key(team, user, "short", [Scope.READ], expires_at=NOON.replace(year=2126))[1]
    assert (
        Client(headers={"X-API-Key": text}).get("/api/me").json()["data"]["key"]["expires_at"].startswith("2126-05-13")
    )
    sender = make_key(team, user, "sender", [Scope.INGEST])[1]
    for path in ("/api/me", "/api/members", "/api/integrations"):
        assert Client(headers={"X-API-Key": sender}).get(path).status_code == 403
        assert Client().get(path).status_code == 401


def test_members_are_those_whom_incidents_can_be_assigned_to(api, team, user, other_team):
    bob = make_user("bob@example.com", team, Role.MANAGER, name="Bob Smith")
    make_user("gone@example.com", team, is_active=False)
    make_user("x@example.com", other_team)
    first = api.get("/api/members?limit=1").json()["data"]
    assert [each["email"] for each in first["members"]] == ["alice@example.com"]
    rest = api.get("/api/members", {"cursor": first["pagination"]["next_cursor"]}).json()["data"]
    assert rest == {
        "members": [
            {"id": str(bob.uuid), "number": bob.pk, "email": "bob@example.com", "name": "Bob Smith", "role": "manager"}
        ],
        "pagination": {"limit": 20, "next_cursor": None},
    }
    body = {"severity": "major", "type": "other", "error_message": "x"}
    incident = api.post("/api/incidents", body, content_type="application/json").json()["data"]
    said = {"assignee_id": rest["members"][0]["id"]}
    changed = api.put(f"/api/incidents/{incident['id']}", said, content_type="application/json").json()["data"]
    assert changed["assignee"]["email"] == "bob@example.com"


@pytest.mark.parametrize("path", ["/api/members", "/api/integrations"])
def test_a_bad_page_is_named(api, path):
    assert list(api.get(f"{path}?limit=0&cursor=x").json()["error"]["details"]["fields"]) == ["limit"]
    assert list(api.get(f"{path}?cursor=x").json()["error"]["details"]["fields"]) == ["cursor"]
