"""Messages on the pages: the log with its filters, and one of them with its attempts."""

import json
from datetime import timedelta

import pytest

from config import clock, paging
from incidents.declaring import Declaration, declare
from incidents.models import Severity, Type
from monitors import lifecycle as resources
from monitors.models import Monitor
from tests.conftest import NOON
from tests.dashboard.conftest import words
from tests.endpoints import make_attempt, make_endpoint, make_message
from timeline.outbound.lifecycle import disable
from timeline.outbound.models import Message

HOUR = timedelta(hours=1)
NOBODYS = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture(autouse=True)
def soon_after_noon():
    with clock.at(NOON + timedelta(minutes=5)):
        yield


@pytest.fixture
def endpoint(team):
    return make_endpoint(team, description="Status page")


@pytest.fixture
def incident(team, mary, endpoint):
    said = Declaration(severity=Severity.MAJOR, type=Type.OTHER, error_message="Nobody can pay", title="Checkout")
    return declare(team, said, by=mary, at=NOON)


# --- the log ----------------------------------------------------------------------------------------------------------


def test_an_empty_log_says_what_to_do_next(manager, team):
    assert "There is no endpoint to send it to. Add one" in words(manager.get("/team/messages"))
    make_endpoint(team)
    assert "What happens from now on is." in words(manager.get("/team/messages"))
    assert "No message fits" in words(manager.get("/team/messages?status=dead"))


def test_the_log_says_what_was_sent_about_what_and_how_that_went(manager, mary, team, incident, endpoint):
    resources.create(Monitor, team, by=mary, at=NOON, name="Shop", url="https://shop.example", type="status")
    make_message(endpoint, status="dead", ended_at=NOON, why="The answer was 404.")
    make_message(endpoint, status="delivered", ended_at=NOON)
    read = words(manager.get("/team/messages"))
    assert "incident.started Checkout to Status page Waiting 5 min ago" in read
    assert f"monitor.created Monitor {Monitor.objects.get().pk} to Status page Waiting" in read
    assert "endpoint.test A test to Status page The answer was 404. Given up" in read
    assert "endpoint.test A test to Status page Delivered" in read


def found(page):
    return [message.pk for message, _, _ in page.context["messages_sent"]]


def test_the_log_is_narrowed(manager, team, incident, endpoint):
    test = make_message(make_endpoint(team), status="dead")
    about = Message.objects.exclude(pk=test.pk).get()
    for query, expected in (
        ("", [test.pk, about.pk]),
        ("status=waiting", [about.pk]),
        ("status=dead", [test.pk]),
        ("status=delivered", []),
        ("event=endpoint.test", [test.pk]),
        ("event=incident.started&status=waiting", [about.pk]),
        (f"endpoint={endpoint.pk}", [about.pk]),
        (f"incident={incident.uuid}", [about.pk]),
        (f"incident={incident.uuid}&status=dead", []),
        (f"incident={NOBODYS}", []),
    ):
        assert found(manager.get(f"/team/messages?{query}")) == expected, query
    assert "What was sent about Checkout" in words(manager.get(f"/team/messages?incident={incident.uuid}"))


@pytest.mark.parametrize("query", ["status=sent", "event=x", "endpoint=x", "incident=1", "cursor=~"])
def test_a_filter_that_makes_no_sense_is_refused(query, manager, endpoint):
    make_message(endpoint)
    answer = manager.get(f"/team/messages?{query}")
    assert (answer.status_code, 'class="row-link"' in answer.content.decode()) == (400, False)


def test_another_teams_endpoint_is_no_choice_and_its_incident_has_no_messages(manager, mary, endpoint, other_team):
    theirs = make_endpoint(other_team)
    said = Declaration(severity=Severity.MAJOR, type=Type.OTHER, error_message="Theirs")
    other = declare(other_team, said, by=mary, at=NOON)
    message = Message.objects.get()
    for key in (theirs.pk, 2**62):
        assert manager.get(f"/team/messages?endpoint={key}").status_code == 400
    assert found(manager.get(f"/team/messages?incident={other.uuid}")) == []
    for key in (message.pk, 2**62):
        for do in ("", "/body"):
            assert manager.get(f"/team/messages/{key}{do}").status_code == 404
        assert manager.post(f"/team/messages/{key}/redeliver").status_code == 404


def test_older_messages_follow_behind_a_cursor(manager, endpoint, monkeypatch):
    monkeypatch.setattr("dashboard.views.lists.ROWS", 2)
    made = [make_message(endpoint) for _ in range(3)]
    page = manager.get("/team/messages")
    older = manager.get(page.context["more"], headers={"HX-Request": "true"})
    assert found(page) + found(older) == [each.pk for each in reversed(made)]
    assert "<html" not in older.content.decode()


def test_a_page_without_a_find_still_leads_further(manager, endpoint, incident, monkeypatch):
    monkeypatch.setattr(paging, "LOOKED_THROUGH", 2)
    for _ in range(5):
        make_message(endpoint)
    page = manager.get("/team/messages?event=incident.started")
    assert found(page) == []
    assert "No message fits" not in words(page)
    assert "Show older" in words(page)


# --- one --------------------------------------------------------------------------------------------------------------


def test_a_message_shows_its_payload_its_headers_and_every_attempt(manager, endpoint, incident):
    message = Message.objects.get()
    make_attempt(message, status_code=503, error="The answer was 503.", excerpt="<b>busy</b>")
    make_attempt(message, at=NOON + timedelta(seconds=5), ended_at=None, status_code=None)
    Message.objects.update(status="due", due_at=NOON + timedelta(minutes=10), tries=2, why="The answer was 503.")
    page = manager.get(f"/team/messages/{message.pk}")
    read = words(page)
    assert "incident.started about Checkout to Status page" in read
    assert "Waiting next try in 5 min" in read
    assert "Interrupted nobody knows whether it arrived" in read
    assert "The answer was 503. answer 503" in read
    assert "250 ms" in read
    assert "webhook-timestamp 1778673605" in read
    assert f"webhook-id {message.webhook_id}" in read
    assert '"incident_name": "Checkout"' in read
    assert "<b>busy</b>" not in page.content.decode()
    assert endpoint.secret not in page.content.decode()
    body = manager.get(f"/team/messages/{message.pk}/body")
    assert body.content == message.body.encode()
    assert body.headers["Content-Type"] == "application/octet-stream"
    assert json.loads(body.content)["event"] == "incident.started"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"status": "new"}, "Waiting it is sent at once"),
        ({"status": "behind"}, "Waiting an earlier one about the same waits before it"),
        ({"status": "sending"}, "Waiting being sent"),
        ({"status": "delivered", "ended_at": NOON}, "Delivered 5 min ago"),
        ({"status": "dead", "ended_at": NOON}, "Given up 5 min ago"),
    ],
)
def test_it_says_how_far_a_message_is(columns, said, manager, endpoint):
    message = make_message(endpoint, **columns)
    assert said in words(manager.get(f"/team/messages/{message.pk}"))


def test_it_says_when_a_message_is_tried_next_and_not_when_it_was_taken_up(manager, endpoint):
    message = make_message(endpoint, status="sending", due_at=NOON)
    assert "next try" not in words(manager.get(f"/team/messages/{message.pk}"))
    Message.objects.update(status="due", due_at=NOON + timedelta(minutes=10))
    assert "next try in 5 min" in words(manager.get(f"/team/messages/{message.pk}"))
    for due, said in ((timedelta(seconds=-9), "now"), (timedelta(seconds=9), "in a minute"), (HOUR, "13:05")):
        Message.objects.update(due_at=clock.now() + due)
        assert f"next try {said}" in words(manager.get(f"/team/messages/{message.pk}"))


def test_what_goes_on_is_asked_for_by_itself(manager, endpoint):
    message = make_message(endpoint)
    path = f"/team/messages/{message.pk}"
    assert 'hx-trigger="every 2s"' in manager.get(path).content.decode()
    Message.objects.update(status="delivered", ended_at=NOON)
    part = manager.get(path, headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert "Delivered" in words(part)
    assert 'hx-trigger="refresh"' in part.content.decode()


def test_a_message_is_sent_again(manager, endpoint):
    message = make_message(endpoint, status="dead", ended_at=NOON, why="The answer was 404.")
    path = f"/team/messages/{message.pk}"
    assert "It is on its way again." in words(manager.post(f"{path}/redeliver", follow=True))
    assert "so already" in words(manager.post(f"{path}/redeliver", follow=True))
    Message.objects.update(status="delivered", ended_at=NOON)
    disable(endpoint, at=NOON)
    assert "Send again" not in words(manager.get(path))
    assert "This endpoint is disabled" in words(manager.post(f"{path}/redeliver", follow=True))


def test_only_managers_come_here(staff, viewer, endpoint):
    message = make_message(endpoint)
    for client in (staff, viewer):
        for path in ("/team/messages", f"/team/messages/{message.pk}", f"/team/messages/{message.pk}/body"):
            assert client.get(path).status_code == 403
        assert client.post(f"/team/messages/{message.pk}/redeliver").status_code == 403


def test_an_incidents_page_leads_managers_to_what_was_sent_about_it(manager, staff, incident):
    link = f"/team/messages?incident={incident.uuid}"
    assert link in manager.get(f"/incidents/{incident.uuid}").content.decode()
    assert link not in staff.get(f"/incidents/{incident.uuid}").content.decode()
