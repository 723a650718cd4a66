"""Forms that are sent twice are done once."""

import re
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection

from config import clock
from incidents.models import Incident
from monitors.models import Monitor
from teams.models import APIKey
from tests.conftest import NOON, an_event
from tests.dashboard.conftest import logged_in, words
from timeline.models import TimelineEvent


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(NOON + timedelta(hours=3)) as now:
        yield now


@pytest.fixture
def incident(tell):
    tell(an_event("incident.started"))
    return Incident.objects.get()


def once_of(client, path, after=""):
    """The word that a page's form carries, the first one behind some text."""
    page = client.get(path).content.decode()
    return re.search(r'name="once" value="([\w-]+)"', page[page.index(after) :])[1]


@pytest.mark.parametrize(
    ("path", "form", "sent", "written"),
    [
        ("", 'id="notes"', {"message": "Looked"}, "incident.commented"),
        ("/act", 'value="escalate"', {"verb": "escalate", "targets": "team"}, "incident.escalated"),
        (
            "/act",
            'value="add"',
            {"verb": "add", "message": "x", "occurred_at": "2026-05-13T12:00", "reason": "y"},
            "incident.commented",
        ),
    ],
)
def test_what_is_sent_twice_is_written_once(path, form, sent, written, staff, incident):
    place = f"/incidents/{incident.uuid}"
    sent = sent | {"once": once_of(staff, place, form)}
    first = staff.post(place + path, sent)
    again = staff.post(place + path, sent)
    assert (first.status_code, again.status_code, first.url) == (302, 302, again.url)
    assert "It was sent twice, and done once." in words(staff.get(place))
    assert TimelineEvent.objects.filter(event=written).count() == 1


def test_an_incident_a_monitor_and_a_key_are_made_once(staff, manager):
    declared = {"error_message": "No power", "severity": "major", "type": "other"}
    monitor = {"name": "Shop", "url": "https://shop.example", "type": "status"}
    for client, path, typed, model in (
        (staff, "/incidents/new", declared, Incident),
        (manager, "/monitors/new", monitor, Monitor),
        (manager, "/team/keys/new", {"name": "Key", "scopes": "read"}, APIKey),
    ):
        sent = typed | {"once": once_of(client, path)}
        places = {client.post(path, sent).url for _ in range(3)}
        assert (len(places), model.objects.count()) == (1, 1)


def test_what_else_is_typed_on_a_page_that_was_gone_back_to_is_done(staff, incident):
    place = f"/incidents/{incident.uuid}"
    word = once_of(staff, place, 'id="notes"')
    for message in ("One", "Two", "One"):
        staff.post(place, {"message": message, "once": word})
    notes = TimelineEvent.objects.filter(event="incident.commented").order_by("id")
    assert [each.payload["comment"] for each in notes] == ["One", "Two"]


def test_what_was_refused_is_not_remembered(staff, incident):
    place = f"/incidents/{incident.uuid}"
    word = once_of(staff, place, 'id="notes"')
    for _ in range(2):
        assert staff.post(place, {"message": "", "once": word}).status_code == 400


@pytest.mark.parametrize("word", ["", "x" * 41])
def test_a_form_without_a_word_of_its_own_is_done_each_time(word, staff, incident):
    for _ in range(2):
        staff.post(f"/incidents/{incident.uuid}", {"message": "Looked", "once": word})
    assert TimelineEvent.objects.filter(event="incident.commented").count() == 2


def test_another_s_word_is_another_word(staff, manager, incident):
    for client in (staff, manager):
        client.post(f"/incidents/{incident.uuid}", {"message": "Looked", "once": "same"})
    assert TimelineEvent.objects.filter(event="incident.commented").count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_four_that_are_sent_at_the_same_time_one_is_done(team, user):
    start, answers = Barrier(4), []

    def send():
        try:
            client = logged_in(user)
            start.wait()
            sent = {"error_message": "No power", "severity": "major", "type": "other", "once": "same"}
            answers.append(client.post("/incidents/new", sent).url)
        finally:
            connection.close()

    threads = [Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [f"/incidents/{Incident.objects.get().uuid}"] * 4
