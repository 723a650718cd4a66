"""Entity tags and `If-Match`: through the API of incidents, monitors and heartbeats, which have them."""

import json
from functools import partial

import pytest
from django.test import Client

from config import clock
from incidents import lifecycle
from incidents.declaring import declare
from monitors import lifecycle as monitors
from monitors.models import Heartbeat, Monitor
from teams.models import Membership, Role
from tests.conftest import NOON, an_event
from tests.incidents.conftest import a_declaration
from timeline.models import TimelineEvent

STALE = '"0123456789abcdef0123456789abcdef"'


@pytest.fixture(autouse=True)
def it_is_noon():
    with clock.at(NOON):
        yield


@pytest.fixture
def incident(team, user):
    return declare(team, a_declaration(), by=user, at=NOON)


@pytest.fixture
def url(incident):
    return f"/api/incidents/{incident.uuid}"


@pytest.fixture
def resources(team, user):
    """A monitor and a heartbeat of the team's own, which Alice may manage."""
    Membership.objects.filter(user=user).update(role=Role.MANAGER)
    shop = monitors.create(Monitor, team, by=user, at=NOON, name="Shop", url="https://shop.example", type="status")
    backup = monitors.create(Heartbeat, team, by=user, at=NOON, name="Backup", period=60, grace=0)
    return {f"/api/monitors/{shop.pk}": shop, f"/api/heartbeats/{backup.pk}": backup}


def send(client: Client, method: str, path: str, body=None, if_match=None):
    headers = {} if if_match is None else {"If-Match": if_match}
    return client.generic(method, path, body or "", content_type="application/json", headers=headers)


def failed(answer):
    assert answer.status_code == 412, answer.content
    return answer.json()["error"]["code"] == "PRECONDITION_FAILED"


def test_the_tag_changes_with_what_can_be_changed_and_with_the_status_and_not_with_notes(api, url, incident, user):
    tags = [api.get(url).headers["ETag"]]
    for method, path, body in (
        ("PUT", "", '{"title": "Renamed"}'),
        ("PUT", "", '{"severity": "warning"}'),
        ("PUT", "", '{"error_message": "DNS"}'),
        ("PUT", "", '{"affected_regions": ["eu"]}'),
        ("PUT", "", f'{{"assignee_id": "{user.uuid}"}}'),
        ("PUT", "/status", '{"status": "acknowledged"}'),
        ("POST", "/reopen", ""),
        ("POST", "/group", "{}"),
        ("POST", "/ungroup", ""),
        ("DELETE", "", ""),
    ):
        changed = send(api, method, url + path, body, tags[-1])
        assert changed.status_code == 200, changed.content
        assert changed.headers["ETag"] == api.get(url).headers["ETag"] == api.head(url).headers["ETag"]
        tags.append(changed.headers["ETag"])
    # Reopened it is as it was before it was acknowledged, and so it is out of its group.
    assert [tags.index(tag) for tag in tags] == [0, 1, 2, 3, 4, 5, 6, 5, 8, 5, 10]
    lifecycle.comment(incident, by=user, at=NOON, message="Hm.")
    assert api.get(url).headers["ETag"] == tags[-1]


def test_a_change_of_what_was_not_seen_is_a_412_and_writes_nothing(api, url, team):
    written = TimelineEvent.objects.count()
    for method, path, body in (
        ("PUT", "", '{"title": "Renamed"}'),
        ("PUT", "/status", '{"status": "acknowledged", "note": "On it."}'),
        ("POST", "/reopen", '{"note": "x"}'),
        ("POST", "/escalate", f'{{"targets": [{{"type": "team", "id": {team.pk}}}]}}'),
        ("POST", "/group", "{}"),
        ("POST", "/ungroup", ""),
        ("DELETE", "", ""),
    ):
        assert failed(send(api, method, url + path, body, STALE))
    assert TimelineEvent.objects.count() == written


def test_notes_entries_and_corrections_are_of_the_incident_that_was_seen(api, url, incident, user):
    lifecycle.acknowledge(incident, by=user, at=NOON)
    event = api.get(f"{url}/timeline").json()["data"]["events"][0]["id"]
    asked = (
        ("/updates", '{"message": "Hm."}'),
        ("/timeline", '{"message": "Hm.", "occurred_at": "2026-05-13T10:00:00Z", "reason": "r"}'),
        (f"/timeline/{event}/corrections", '{"message": "Taken.", "reason": "r"}'),
        ("/timeline/corrections", f'{{"ids": ["{event}"], "hidden": true, "reason": "r"}}'),
    )
    written = TimelineEvent.objects.count()
    for path, body in asked:
        assert send(api, "POST", url + path, '{"colour": "red"}', STALE).status_code == 400
        assert failed(send(api, "POST", url + path, body, STALE))
    assert TimelineEvent.objects.count() == written
    seen = api.get(url).headers["ETag"]
    for path, body in asked:  # the last of them brings it back to where it began
        done = send(api, "POST", url + path, body, seen)
        assert done.status_code in (200, 201), done.content
    assert TimelineEvent.objects.count() == written + len(asked)
    assert api.get(url).headers["ETag"] != seen
    assert failed(send(api, "POST", f"{url}/updates", '{"message": "Hm."}', seen))


@pytest.mark.parametrize("shape", ["{}", "W/{}", "*", f"{STALE}, {{}}", f"W/{STALE},W/{{}}"])
def test_if_match_may_be_weak_a_list_or_any(api, url, shape):
    tag = api.get(url).headers["ETag"]
    assert send(api, "PUT", url, '{"title": "Renamed"}', shape.format(tag)).status_code == 200


@pytest.mark.parametrize("if_match", ["", "x", "0123456789abcdef0123456789abcdef", f"{STALE}, x", 'W/""'])
def test_whatever_else_it_says_does_not_hold(api, url, if_match):
    assert failed(send(api, "PUT", url, '{"title": "Renamed"}', if_match))


def test_a_bad_body_comes_before_it_and_a_conflict_after_it(api, url, incident, user):
    for body in ("{", '{"severity": "bad"}', '{"colour": "red"}', f'{{"assignee_id": "{incident.uuid}"}}'):
        assert send(api, "PUT", url, body, STALE).status_code == 400
    assert failed(send(api, "PUT", f"{url}/status", '{"status": "closed"}', STALE))
    assert send(api, "PUT", f"{url}/status", '{"status": "closed"}', "*").status_code == 400
    lifecycle.destroy(incident, by=user, at=NOON)
    assert failed(send(api, "PUT", url, '{"title": "x"}', STALE))
    assert send(api, "PUT", url, '{"title": "x"}', "*").status_code == 409


def test_a_whole_record_sent_back_after_somebody_changed_it_is_a_412_and_no_word_about_read_only(
    api, url, incident, user, resources
):
    for path, change in (
        (url, lambda: lifecycle.acknowledge(incident, by=user, at=NOON)),
        *((path, partial(monitors.pause, resource, by=user, at=NOON)) for path, resource in resources.items()),
    ):
        seen = api.get(path)
        record = json.dumps(seen.json()["data"])
        change()
        assert failed(send(api, "PUT", path, record, seen.headers["ETag"]))
        for if_match in (None, "*", api.get(path).headers["ETag"]):
            refused = send(api, "PUT", path, record, if_match)
            assert refused.status_code == 400
            assert refused.json()["error"]["details"]["fields"]["status"] == ["This field is read-only."]
        other = json.dumps(json.loads(record) | {"colour": "red"})
        assert send(api, "PUT", path, other, seen.headers["ETag"]).status_code == 400


def test_monitors_and_heartbeats_have_tags_of_what_was_given_and_their_status(api, resources):
    for path in resources:
        tag = api.get(path).headers["ETag"]
        written = TimelineEvent.objects.count()
        for method, verb, body in (("PUT", "", '{"name": "x"}'), ("POST", "/pause", ""), ("DELETE", "", "")):
            assert failed(send(api, method, path + verb, body, STALE))
        assert TimelineEvent.objects.count() == written
        for method, verb, body in (
            ("PUT", "", '{"name": "x"}'),
            ("POST", "/pause", ""),
            ("POST", "/unpause", ""),
            ("DELETE", "", ""),
        ):
            changed = send(api, method, path + verb, body, tag)
            assert changed.status_code == 200, changed.content
            assert changed.headers["ETag"] == api.get(path).headers["ETag"] != tag
            tag = changed.headers["ETag"]
        assert send(api, "PUT", path, '{"name": "y"}', tag).status_code == 409
        assert failed(send(api, "PUT", path, '{"name": "y"}', STALE))


def test_a_mirrored_one_has_a_tag_too_and_its_conflict_comes_after(api, resources, tell):
    tell(an_event("monitor.created"))
    path = f"/api/monitors/{Monitor.objects.exclude(integration_id=None).get().pk}"
    tag = api.get(path).headers["ETag"]
    assert failed(send(api, "PUT", path, '{"name": "x"}', STALE))
    assert send(api, "PUT", path, '{"name": "x"}', tag).status_code == 409


def test_what_is_made_is_answered_with_its_tag(api, resources):
    body = '{"severity": "major", "type": "other", "error_message": "x"}'
    made = send(api, "POST", "/api/incidents", body)
    assert made.headers["ETag"] == api.get(f"/api/incidents/{made.json()['data']['id']}").headers["ETag"]
    made = send(api, "POST", "/api/heartbeats", '{"name": "x"}')
    assert made.headers["ETag"] == api.get(f"/api/heartbeats/{made.json()['data']['id']}").headers["ETag"]
