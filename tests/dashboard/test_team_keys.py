"""API keys on the pages: listed, made (and shown once), revoked."""

from datetime import timedelta

import pytest
from django.test import Client

from config import clock
from teams.authentication import make_key
from teams.models import APIKey, Membership, Role, Scope
from tests.conftest import NOON, an_event, make_integration
from tests.dashboard.conftest import logged_in, secret_of, words

LAPTOP = {"name": "laptop", "scopes": ["read", "write"]}


def test_a_key_is_shown_once_and_acts_for_who_made_it(manager, mary, team):
    answer = manager.post("/team/keys/new", LAPTOP, follow=True)
    assert answer.redirect_chain == [("/team/keys", 302)]
    assert "no-store" in answer.headers["Cache-Control"]
    text = secret_of(answer)
    key = APIKey.objects.get()
    assert text.startswith(key.prefix)
    assert (key.team, key.user, key.scopes, key.expires_at) == (team, mary, ["read", "write"], None)
    assert Client(headers={"X-API-Key": text}).get("/api/incidents").status_code == 200
    for path in ("/team/keys", "/team/members", "/"):
        assert text not in manager.get(path).content.decode()


def test_neither_the_address_nor_the_log_has_the_key(manager, capfd, caplog):
    answer = manager.post("/team/keys/new", LAPTOP)
    text = secret_of(manager.get(answer.url))
    said = capfd.readouterr()
    assert text
    assert text not in answer.url + str(answer.headers) + said.out + said.err + caplog.text


def test_the_list_says_of_each_key_whether_it_opens_anything(manager, mary, team, user):
    with clock.at(NOON):
        make_key(team, mary, "active", [Scope.READ])
        make_key(team, mary, "late", [Scope.READ], expires_at=NOON - timedelta(days=1))
        gone, _ = make_key(team, mary, "gone", [Scope.READ])
        APIKey.objects.filter(pk=gone.pk).update(revoked_at=NOON)
        make_key(team, user, "orphan", [Scope.READ])
        Membership.objects.filter(user=user).delete()
        read = words(manager.get("/team/keys"))
    for name, state in {"active": "Active", "late": "Expired", "gone": "Revoked", "orphan": "Its user left"}.items():
        beginning = read.index(f"{name} wk_")
        assert state in read[beginning : beginning + 160], name


def test_a_key_that_sends_events_in_is_bound_to_an_integration(manager, team):
    bound = make_integration(team)
    answer = manager.post(
        "/team/keys/new", {"name": "sender", "scopes": ["ingest"], "integration": bound.pk}, follow=True
    )
    sender = Client(headers={"X-API-Key": secret_of(answer)})
    sent = sender.post("/api/webhooks/incident-log", an_event("monitor.created"), content_type="application/json")
    assert sent.status_code == 202
    assert bound.deliveries.count() == 1
    assert "ingest → Better Stack" in words(manager.get("/team/keys"))


def test_another_team_s_integration_is_refused_like_a_missing_one(manager, foreign):
    said = {"name": "sender", "scopes": ["ingest"]}
    answers = [manager.post("/team/keys/new", said | {"integration": pk}) for pk in (foreign.integration, 10**9, "x")]
    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert len({words(answer) for answer in answers}) == 1
    assert "That choice is not one of the available choices." in words(answers[0])
    assert not APIKey.objects.filter(name="sender").exists()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"name": " "}, "This field is required."),
        ({"name": "x" * 201}, "at most 200 characters"),
        ({"name": "a\0b"}, ""),
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["read", "everything"]}, "everything is not one of the available choices"),
        ({"scopes": ["ingest"]}, "needs an integration"),
        ({"expires_at": "2020-01-01T00:00"}, "This moment has passed."),
        ({"expires_at": "9999-12-31T23:59"}, "Enter a day of the years 2000 to 2199."),
        ({"expires_at": "0001-01-01T00:00"}, ""),
        ({"expires_at": "tomorrow"}, "Enter a valid date/time."),
    ],
)
def test_what_can_be_no_key_is_said_beside_the_form(change, refusal, manager):
    answer = manager.post("/team/keys/new", LAPTOP | change)
    assert answer.status_code == 400
    assert refusal in words(answer)
    assert not APIKey.objects.exists()


def test_an_integration_without_the_scope_that_needs_it_is_a_mistake(manager, team):
    answer = manager.post("/team/keys/new", LAPTOP | {"integration": make_integration(team).pk})
    assert "An integration was chosen: choose that events are sent in, too." in words(answer)


def test_a_key_may_end_by_itself_at_a_moment_in_the_maker_s_time_zone(manager, mary):
    mary.time_zone = "Asia/Tokyo"
    mary.save()
    with clock.at(NOON):
        manager.post("/team/keys/new", LAPTOP | {"expires_at": "2026-06-01T09:00"})
    assert APIKey.objects.get().expires_at.isoformat() == "2026-06-01T00:00:00+00:00"


def test_any_manager_revokes_a_key_after_being_asked(manager, team, user):
    key, text = make_key(team, user, "laptop", [Scope.READ])
    assert "Revoke “laptop”?" in words(manager.get(f"/team/keys/{key.pk}/revoke"))
    assert Client(headers={"X-API-Key": text}).get("/api/incidents").status_code == 200
    assert "“laptop” is revoked." in words(manager.post(f"/team/keys/{key.pk}/revoke", follow=True))
    assert Client(headers={"X-API-Key": text}).get("/api/incidents").status_code == 401
    assert "was revoked already" in words(manager.post(f"/team/keys/{key.pk}/revoke", follow=True))


def test_a_key_s_name_is_shown_as_text(manager):
    page = manager.post("/team/keys/new", LAPTOP | {"name": "<script>alert(1)</script>"}, follow=True)
    assert "<script>alert" not in page.content.decode()


def test_a_key_may_no_more_than_its_maker_who_was_made_a_viewer(manager, mary, team):
    text = secret_of(manager.post("/team/keys/new", LAPTOP, follow=True))
    Membership.objects.filter(user=mary).update(role=Role.VIEWER)
    answer = Client(headers={"X-API-Key": text}).post("/api/incidents", {}, content_type="application/json")
    assert answer.status_code == 403
    assert logged_in(mary).get("/team/keys").status_code == 403
