"""
Tests of incidents.known: what is long and read as it was, corrected, or done to many at once is bounded for each who
asks; what is short is not. That what was known is shown again as it was, tests/flows/test_as_of.py looks at.
"""

import threading
from contextlib import contextmanager

import pytest

from config import heavy
from teams.models import APIKey
from tests.conftest import NOON, an_event, rfc

AS_OF = rfc(NOON.replace(hour=20))


@pytest.fixture(autouse=True)
def all_is_heavy(monkeypatch, tmp_path, settings):
    monkeypatch.setattr(heavy, "LIGHT", 0)
    settings.DATA_DIR = tmp_path


@pytest.fixture
def incident(team, tell):
    tell(an_event("incident.started"), an_event("incident.acknowledged", NOON.replace(minute=1)))
    return team.incidents.get()


@contextmanager
def working(team_id, who):
    """Somebody's heavy request is worked on, by another thread."""
    begun, done = threading.Event(), threading.Event()

    def work():
        heavy.note_asker(team_id, who)
        with heavy.heavy(1):
            begun.set()
            done.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(5)
    try:
        yield
    finally:
        done.set()
        thread.join()


def entry_of(api, incident):
    return api.get(f"/api/incidents/{incident.uuid}/timeline").json()["data"]["events"][0]["id"]


def asked(api, incident, entry):
    """The statuses of all that is heavy."""
    path = f"/api/incidents/{incident.uuid}"
    json = {"content_type": "application/json"}
    return [
        api.get(f"{path}/timeline?as_of={AS_OF}").status_code,
        api.get(f"{path}/updates?as_of={AS_OF}").status_code,
        api.post(f"{path}/timeline/{entry}/corrections", {"message": "x", "reason": "y"}, **json).status_code,
        api.post(f"{path}/timeline/corrections", {"ids": [entry], "hidden": True, "reason": "y"}, **json).status_code,
        api.post(f"{path}/timeline", {"message": "x", "occurred_at": AS_OF, "reason": "y"}, **json).status_code,
        api.post(
            "/api/incidents/bulk", {"ids": [str(incident.uuid)], "action": "comment", "message": "z"}, **json
        ).status_code,
    ]


def test_who_asks_for_more_than_one_heavy_thing_at_a_time_is_told_to_come_again(api, incident, team):
    entry = entry_of(api, incident)
    who = f"api key {APIKey.objects.get().pk}"
    with working(team.pk, who):
        assert asked(api, incident, entry) == [429] * 6
        refused = api.get(f"/api/incidents/{incident.uuid}/timeline?as_of={AS_OF}")
        assert refused.json()["error"]["code"] == "RATE_LIMITED"
        assert int(refused.headers["Retry-After"]) >= 1
        # What is light goes on.
        assert api.get(f"/api/incidents/{incident.uuid}/timeline").status_code == 200
        assert api.get("/api/incidents").status_code == 200


def test_one_key_hinders_no_other(api, incident, team):
    entry = entry_of(api, incident)
    with working(team.pk, "api key 0"):
        assert asked(api, incident, entry) == [200, 200, 201, 200, 201, 200]


def test_two_of_a_team_are_all_that_it_has(api, incident, team, other_team):
    entry = entry_of(api, incident)
    with working(team.pk, "api key 0"), working(team.pk, "user 7"):
        assert asked(api, incident, entry) == [429] * 6
    with working(other_team.pk, "api key 0"), working(other_team.pk, "user 7"):
        assert asked(api, incident, entry) == [200, 200, 201, 200, 201, 200]


def test_several_that_are_worked_on_from_a_page_are_heavy_too(client, user, incident, team):
    client.force_login(user)
    form = {"verb": "acknowledge", "pick": [f"{incident.uuid} "]}
    with working(team.pk, f"user {user.pk}"):
        assert client.post("/incidents/act", form).status_code == 429
    assert client.post("/incidents/act", form).status_code in (200, 302)
