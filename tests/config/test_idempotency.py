"""Idempotency-Key: what is sent again is done once. Through the API of incidents, which has POSTs."""

import json
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import OperationalError, connection
from django.test import Client

from config import clock, idempotency
from config.errors import Conflict
from config.models import IdempotentAnswer
from incidents.models import Incident
from teams.authentication import make_key
from teams.models import Scope
from tests.conftest import NOON, make_team, make_user

SAID = {"severity": "critical", "type": "timeout", "error_message": "Timeout"}


def post(client, body=SAID, key="key-1", path="/api/incidents"):
    return client.post(path, body, content_type="application/json", headers={"Idempotency-Key": key})


def test_the_same_request_is_done_once_and_answered_the_same(api):
    first, again = post(api), post(api)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again.headers["Content-Type"] == "application/json"
    assert Incident.objects.count() == 1
    assert post(api, key="key-2").content != first.content
    assert Incident.objects.count() == 2


def test_a_key_with_another_body_is_a_conflict(api):
    post(api)
    refused = post(api, SAID | {"type": "other"})
    assert refused.status_code == 409
    assert refused.json()["error"] == {
        "code": "CONFLICT",
        "message": "This Idempotency-Key was used for another request.",
    }
    assert Incident.objects.count() == 1


def test_a_key_is_known_by_whose_it_is_and_by_its_path(api, team, user, other_team):
    post(api)
    for client in (
        Client(headers={"X-API-Key": make_key(team, user, "another", [Scope.WRITE])[1]}),
        Client(
            headers={"X-API-Key": make_key(other_team, make_user("x@example.com", other_team), "", [Scope.WRITE])[1]}
        ),
    ):
        assert post(client, SAID | {"type": "other"}).status_code == 201
    incident = Incident.objects.first()
    assert post(api, {"message": "Hm."}, path=f"/api/incidents/{incident.uuid}/updates").status_code == 201


def test_an_answer_is_kept_sealed_and_without_its_key_it_is_a_conflict(api):
    answer = post(api)
    kept = IdempotentAnswer.objects.get()
    assert answer.json()["data"]["id"].encode() not in bytes(kept.body)
    IdempotentAnswer.objects.update(body=b"sealed under another key")
    refused = post(api)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
    assert Incident.objects.count() == 1


def test_what_was_refused_may_be_corrected_and_sent_under_its_key(api):
    assert post(api, {}).status_code == 400
    assert not IdempotentAnswer.objects.exists()
    assert post(api).status_code == 201
    malformed = api.post("/api/incidents", "{", content_type="application/json", headers={"Idempotency-Key": "key-1"})
    assert malformed.json()["error"]["code"] == "MALFORMED_JSON"


def test_a_conflict_is_not_kept_either(api, team, user):
    incident = post(api).json()["data"]
    path, called = f"/api/incidents/{incident['id']}/escalate", {"targets": [{"type": "team", "id": team.pk}]}
    api.put(f"/api/incidents/{incident['id']}/status", {"status": "resolved"}, content_type="application/json")
    assert post(api, called, path=path).status_code == 409
    api.generic("POST", f"/api/incidents/{incident['id']}/reopen")
    assert post(api, called, path=path).status_code == 200


def test_bodies_are_compared_as_json_and_not_as_bytes(api):
    first = post(api)
    spelled = json.dumps(dict(reversed(SAID.items())), indent=2).replace("Timeout", "\\u0054imeout")
    again = api.post("/api/incidents", spelled, content_type="application/json", headers={"Idempotency-Key": "key-1"})
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["ETag"] == first.headers["ETag"]
    assert Incident.objects.count() == 1


def test_nothing_of_what_was_refused_is_left(api, monkeypatch):
    def made_and_refused(view, request):
        view.team.incidents.create()
        raise Conflict("Not now.")

    monkeypatch.setattr("incidents.api.declared", made_and_refused)
    assert post(api).status_code == post(api).status_code == 409
    assert not Incident.objects.exists()


def test_what_failed_on_our_side_is_not_kept_and_can_be_sent_again(api, monkeypatch):
    def away(*_, **__):
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr("incidents.api_verbs.declare", away)
        assert post(api).status_code == 503
    assert not IdempotentAnswer.objects.exists()
    assert post(api).status_code == 201


def test_an_answer_is_kept_for_a_day_and_swept_out_then(api):
    with clock.at(NOON):
        first = post(api)
    with clock.at(NOON + timedelta(hours=23, minutes=59)):
        assert post(api).content == first.content
        assert idempotency.sweep(clock.now()) == 0
    with clock.at(NOON + timedelta(hours=24)):
        assert post(api, SAID | {"type": "other"}).status_code == 201
    assert IdempotentAnswer.objects.get().created_at == NOON + timedelta(hours=24)
    assert idempotency.sweep(NOON + timedelta(hours=48)) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9", "tab\tin", "\x7f"])
def test_a_key_that_is_none_is_named(api, key):
    refused = post(api, key=key)
    assert refused.status_code == 400, refused.content
    assert list(refused.json()["error"]["details"]["fields"]) == ["Idempotency-Key"]


@pytest.mark.parametrize("key", ["x", "x" * 255, "a b", "!~"])
def test_any_printable_ascii_is_a_key(api, key):
    assert post(api, key=key).status_code == 201


def test_refusals_come_in_their_order(api, team, user):
    no_scope = Client(headers={"X-API-Key": make_key(team, user, "", [Scope.READ])[1]})
    assert post(Client(), key="").status_code == 401
    assert post(no_scope, key="").status_code == 403
    assert post(api, key="", path="/api/incidents/x/reopen").status_code == 404
    assert post(api, key="", path="/api/incident-groups").status_code == 405
    text = api.post("/api/incidents", "x", content_type="text/plain", headers={"Idempotency-Key": ""})
    assert text.status_code == 415
    assert not IdempotentAnswer.objects.exists()


def test_other_methods_and_the_inbound_door_do_not_listen_to_it(api, client, integration):
    assert api.get("/api/incidents", headers={"Idempotency-Key": ""}).status_code == 200
    at = f"/api/webhooks/incident-log/{integration.token}"
    assert post(client, {}, key="", path=at).status_code == 422
    assert not IdempotentAnswer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_eight_that_are_sent_at_once_one_is_done_and_the_others_are_answered_the_same_or_to_try_again():
    team = make_team()
    text = make_key(team, make_user("alice@example.com", team), "", [Scope.READ, Scope.WRITE])[1]
    start, answers = Barrier(8), []

    def send():
        start.wait(timeout=60)
        answers.append(post(Client(headers={"X-API-Key": text})))
        connection.close()

    threads = [Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Incident.objects.count() == 1
    assert {each.status_code for each in answers} <= {201, 409}
    assert len({each.content for each in answers if each.status_code == 201}) == 1
    for each in answers:
        assert each.status_code == 201 or "Try again" in each.json()["error"]["message"]
        assert each.status_code == 201 or each.headers["Retry-After"] == "1"
    assert post(Client(headers={"X-API-Key": text})).status_code == 201
    assert Incident.objects.count() == 1


def test_several_incidents_under_a_key_are_locked_in_the_order_that_everybody_keeps(api, monkeypatch):
    locked = []
    monkeypatch.setattr("incidents.keeper.lock", lambda ids, resources=(): locked.append(sorted(ids)))
    made = [post(api, key=f"key-{n}").json()["data"] for n in range(2)]
    locked.clear()
    body = {"ids": [each["id"] for each in reversed(made)], "action": "acknowledge"}
    post(api, body, path="/api/incidents/bulk")
    assert locked[0] == [each["number"] for each in made]
