from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from config import clock
from config.vault import plain_digest
from incidents.models import Incident
from teams.authentication import KEY_PREFIX, PerKey, make_key, opens_still, presented, usable_key
from teams.models import APIKey, Membership, Role, Scope
from tests.conftest import NOON, make_team, make_user

LIST = "/api/incidents"


@pytest.fixture
def client():
    return Client()


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_a_key_is_shown_once_and_kept_as_a_digest(team, user):
    key, text = make_key(team, user, "laptop", [Scope.READ])
    assert text.startswith(KEY_PREFIX)
    assert len(text) > 40
    assert text.startswith(key.prefix)
    assert len(key.prefix) < len(KEY_PREFIX) + 10
    assert bytes(APIKey.objects.get().digest) == plain_digest(text)
    assert text not in str(APIKey.objects.values().get())
    assert make_key(team, user, "laptop", [])[1] != text


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({}, ""),
        ({"X-API-Key": "wk_1"}, "wk_1"),
        ({"X-API-Key": "  wk_1 "}, "wk_1"),
        ({"Authorization": "Bearer wk_1"}, "wk_1"),
        ({"Authorization": "bearer  wk_1 "}, "wk_1"),
        ({"Authorization": "Bearer"}, ""),
        ({"Authorization": "Basic wk_1"}, ""),
        ({"Authorization": "wk_1"}, ""),
        ({"X-API-Key": "", "Authorization": "Bearer wk_2"}, "wk_2"),
        ({"X-API-Key": "wk_1", "Authorization": "Bearer wk_2"}, "wk_1"),
    ],
)
def test_a_key_is_read_from_either_header(headers, text):
    assert presented(Request(APIRequestFactory().get(LIST, headers=headers))) == text


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_a_good_key_opens(client, api_key, header):
    text = f"Bearer {api_key}" if header == "Authorization" else api_key
    assert client.get(LIST, headers={header: text}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-API-Key": ""}, {"X-API-Key": "wk_wrong"}, {"X-API-Key": "\xff\x00é"}, {"X-API-Key": "x" * 9_000},
     {"Authorization": "Bearer wk_wrong"}, {"Authorization": "Basic YTpi"}, {"Cookie": "watchkeeper_session=x"}],
)  # fmt: skip
def test_a_missing_or_wrong_key_is_a_401_that_says_how_to_come_in(client, db, headers):
    answer = client.get(LIST, headers=headers)
    assert code(answer) == (401, "UNAUTHORIZED")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_session_opens_nothing_of_the_api(client, user):
    client.force_login(user)
    assert code(client.get(LIST)) == (401, "UNAUTHORIZED")


def shut_revoked(key):
    APIKey.objects.filter(pk=key.pk).update(revoked_at=NOON)


def shut_expired(key):
    APIKey.objects.filter(pk=key.pk).update(expires_at=NOON)


def shut_user(key):
    key.user.is_active = False
    key.user.save()


def shut_team(key):
    key.team.deactivated_at = NOON
    key.team.save()


def shut_left(key):
    Membership.objects.filter(user=key.user).delete()


@pytest.mark.parametrize("shut", [shut_revoked, shut_expired, shut_user, shut_team, shut_left])
def test_all_keys_that_are_no_good_any_more_get_the_answer_of_a_wrong_one(client, api_key, shut):
    key = APIKey.objects.get()
    wrong = client.get(LIST, headers={"X-API-Key": "wk_wrong"})
    with clock.at(NOON):
        assert client.get(LIST, headers={"X-API-Key": api_key}).status_code == 200
        shut(key)
        refused = client.get(LIST, headers={"X-API-Key": api_key})
    assert code(refused) == (401, "UNAUTHORIZED")
    assert refused.content == wrong.content


def test_a_key_of_somebody_in_another_team_only_is_no_good(client, api_key, user, other_team):
    Membership.objects.filter(user=user).update(team=other_team)
    assert usable_key(api_key) is None


def test_a_superuser_s_key_needs_membership_too(client, team):
    operator = make_user("root@example.com", is_superuser=True, is_staff=True)
    _, text = make_key(team, operator, "k", [Scope.READ])
    assert code(client.get(LIST, headers={"X-API-Key": text})) == (401, "UNAUTHORIZED")


# --- what a key may -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "role", "reads", "writes"),
    [
        ([Scope.READ], Role.MANAGER, 200, 403),
        ([Scope.WRITE], Role.MANAGER, 403, 201),
        ([Scope.READ, Scope.WRITE], Role.RESPONDER, 200, 201),
        ([Scope.READ, Scope.WRITE], Role.VIEWER, 200, 403),
        ([Scope.INGEST], Role.MANAGER, 403, 403),
        ([], Role.MANAGER, 403, 403),
    ],
)
def test_what_a_key_may_is_its_scopes_and_its_user_s_role(client, team, scopes, role, reads, writes):
    user = make_user("b@example.com", team, role)
    headers = {"X-API-Key": make_key(team, user, "k", scopes)[1]}
    incident = Incident.objects.create(team=team)
    one = f"{LIST}/{incident.uuid}/updates"
    assert client.get(one, headers=headers).status_code == reads
    assert client.head(LIST, headers=headers).status_code == reads
    posted = client.post(one, {"message": "x"}, content_type="application/json", headers=headers)
    assert posted.status_code == writes


def test_a_key_sees_its_own_team_only(client, api_key, team):
    stranger = Incident.objects.create(team=make_team("Strangers"))
    mine = Incident.objects.create(team=team)
    headers = {"X-API-Key": api_key}
    assert client.get(f"{LIST}/{mine.uuid}", headers=headers).status_code == 200
    missing = client.get(f"{LIST}/00000000-0000-0000-0000-000000000000", headers=headers)
    theirs = client.get(f"{LIST}/{stranger.uuid}", headers=headers)
    assert (theirs.status_code, theirs.content) == (404, missing.content)


# --- when it was used, and how often --------------------------------------------------------------------------


def test_use_is_noted_to_within_a_minute(api_key):
    seen = []
    for seconds in (0, 30, 60, 61):
        with clock.at(NOON + timedelta(seconds=seconds)):
            usable_key(api_key)
        seen.append((APIKey.objects.get().last_used_at - NOON).total_seconds())
    assert seen == [0, 0, 0, 61]


def test_a_key_that_opens_nothing_is_not_noted_as_used(api_key):
    shut_revoked(APIKey.objects.get())
    usable_key(api_key)
    assert APIKey.objects.get().last_used_at is None


def test_wrong_keys_of_one_address_are_a_429_after_so_many_a_minute(client, settings, api_key):
    settings.FAILED_LOGINS_PER_MINUTE = 3
    with clock.at(NOON):
        answers = [client.get(LIST, headers={"X-API-Key": f"wk_{n}"}) for n in range(5)]
        assert [each.status_code for each in answers] == [401, 401, 401, 429, 429]
        assert int(answers[-1]["Retry-After"]) <= 60
        # Who has a good key, and who comes from elsewhere, is not their neighbour's victim.
        assert client.get(LIST, headers={"X-API-Key": api_key}).status_code == 200
        assert client.get(LIST, headers={"X-API-Key": "wk_x"}, REMOTE_ADDR="192.0.2.7").status_code == 401
    with clock.at(NOON + timedelta(minutes=1)):
        assert client.get(LIST, headers={"X-API-Key": "wk_x"}).status_code == 401


def test_a_missing_key_is_nobody_s_guess(client, settings, db):
    settings.FAILED_LOGINS_PER_MINUTE = 1
    assert [client.get(LIST).status_code for _ in range(4)] == [401] * 4


def test_so_many_requests_a_minute_for_each_key(client, monkeypatch, team, user, api_key):
    monkeypatch.setattr(PerKey, "limit", 2)
    _, other = make_key(team, user, "other", [Scope.READ])
    with clock.at(NOON):
        assert [client.get(LIST, headers={"X-API-Key": api_key}).status_code for _ in range(3)] == [200, 200, 429]
        assert client.get(LIST, headers={"X-API-Key": other}).status_code == 200
    with clock.at(NOON + timedelta(minutes=1)):
        assert client.get(LIST, headers={"X-API-Key": api_key}).status_code == 200


def test_whether_a_key_opens_still_is_asked_anew_each_time(team, user, api_key):
    key = usable_key(api_key)
    asked = opens_still(key)
    with CaptureQueriesContext(connection) as statements:
        assert asked()
    assert len(statements) == 1
    assert not opens_still(key, Scope.INGEST)()
    assert not opens_still(key, role=Role.MANAGER)()
    Membership.objects.filter(user=user).update(role=Role.MANAGER)
    assert opens_still(key, role=Role.MANAGER)()
    Membership.objects.filter(user=user).delete()
    assert not asked()
    Membership.objects.create(team=team, user=user, role=Role.VIEWER)
    assert asked()
    shut_revoked(APIKey.objects.get())
    assert not asked()
