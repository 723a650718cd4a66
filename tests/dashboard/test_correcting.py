"""Correcting an incident's history on the pages."""

from datetime import UTC, datetime, timedelta

import pytest

from config import clock
from incidents.models import Incident
from teams.models import Role
from tests.conftest import NOON, an_event, make_user, tell_it
from tests.dashboard.conftest import logged_in, words
from timeline.models import TimelineEvent

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(NOON + timedelta(hours=3)) as now:
        yield now


@pytest.fixture
def incident(tell):
    tell(an_event("incident.started"), an_event("incident.resolved", NOON + 9 * MINUTE, message="All good"))
    return Incident.objects.get()


@pytest.fixture
def resolved(incident):
    return TimelineEvent.objects.get(event="incident.resolved")


def path_of(incident, entry=None):
    return f"/incidents/{incident.uuid}/entries" + (f"/{entry.pk}" if entry else "")


def test_an_entry_s_time_and_text_are_corrected_and_the_original_is_one_click_away(staff, incident, resolved):
    page = staff.get(path_of(incident, resolved))
    assert 'value="2026-05-13T12:09"' in page.content.decode()
    said = {"verb": "correct", "occurred_at": "2026-05-13T12:05", "message": "Power is back", "reason": "their clock"}
    answer = staff.post(path_of(incident, resolved), said)
    assert (answer.status_code, answer.url) == (302, f"/incidents/{incident.uuid}")
    incident.refresh_from_db()
    assert incident.resolved_at == NOON + 5 * MINUTE
    read = words(staff.get(answer.url))
    assert "lasted 5 min" in read
    assert "Power is back" in read
    assert "Corrected By Alice Johnson" in read
    assert "Reason their clock Time told 2026-05-13 12:09:00.000 +00:00 Text told All good" in read


def test_what_is_left_alone_stays(staff, incident, resolved):
    said = {"verb": "correct", "occurred_at": "2026-05-13T12:09", "message": "All good", "reason": "none"}
    answer = staff.post(path_of(incident, resolved), said, follow=True)
    assert "nothing was changed" in words(answer)
    assert not TimelineEvent.objects.filter(event="incident.corrected").exists()


def test_an_entry_is_hidden_shown_collapsed_and_shown_again(staff, incident, resolved):
    staff.post(path_of(incident, resolved), {"verb": "hide", "reason": "a test"})
    incident.refresh_from_db()
    assert incident.status == "open"
    page = staff.get(f"/incidents/{incident.uuid}")
    assert "Hidden by Alice Johnson" in words(page)
    assert "a test" in words(page)
    assert '<details class="told disclosure">' in page.content.decode()
    again = staff.post(path_of(incident, resolved), {"verb": "hide", "reason": "a double click"}, follow=True)
    assert "nothing was changed" in words(again)
    incident.refresh_from_db()
    assert incident.status == "open"
    staff.post(path_of(incident, resolved), {"verb": "unhide", "reason": "it was none"})
    incident.refresh_from_db()
    assert incident.status == "resolved"


def test_several_are_hidden_and_each_is_answered(staff, incident, resolved):
    started = TimelineEvent.objects.get(event="incident.started")
    sent = {"verb": "hide", "reason": "tests", "pick": [resolved.pk, started.pk, 2**62, "x"]}
    answer = staff.post(path_of(incident), sent)
    assert (answer.status_code, answer.url) == (302, path_of(incident))
    read = words(staff.get(answer.url))
    assert "All good Hidden." in read
    assert "Not done: It is the last event of the incident" in read
    assert read.count("Not done: No entry of this incident has this id.") == 2
    staff.post(path_of(incident), sent | {"verb": "unhide", "pick": [resolved.pk]})
    assert "Shown again." in words(staff.get(path_of(incident)))


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"verb": "hide"}, "This field is required."),
        ({"verb": "hide", "reason": "x" * 501}, "at most 500 characters"),
        ({"verb": "correct", "reason": "x", "message": "y" * 1_001}, "at most 1000 characters"),
        ({"verb": "correct", "reason": "x", "message": "All good", "occurred_at": "2026-05-14T00:00"}, "to now."),
        ({"verb": "correct", "reason": "x", "message": "All good", "occurred_at": "soon"}, "valid date/time"),
        ({"verb": "correct", "reason": "x"}, "This field is required."),
    ],
)
def test_what_can_not_be_is_said_in_the_form(sent, said, staff, incident, resolved):
    answer = staff.post(path_of(incident, resolved), sent)
    assert answer.status_code == 400
    assert said in words(answer)
    assert TimelineEvent.objects.count() == 2


def test_the_last_entry_that_counts_can_not_be_hidden_and_that_is_said(staff, incident, resolved):
    staff.post(path_of(incident, resolved), {"verb": "hide", "reason": "a test"})
    started = TimelineEvent.objects.get(event="incident.started")
    answer = staff.post(path_of(incident, started), {"verb": "hide", "reason": "a test"})
    assert answer.status_code == 400
    assert "last event of the incident" in words(answer)


@pytest.mark.parametrize("sent", [{}, {"reason": "x"}, {"reason": "x", "pick": [""] * 1 + list(map(str, range(101)))}])
def test_several_need_a_reason_and_a_number_that_can_be(sent, staff, incident):
    answer = staff.post(path_of(incident), sent | {"verb": "hide"}, follow=True)
    assert "Reason: This field is required." in words(answer) or "Choose 1 to 100 entries." in words(answer)


def test_without_a_verb_nothing_is_hidden(staff, incident, resolved):
    answer = staff.post(path_of(incident), {"reason": "x", "pick": [resolved.pk]}, follow=True)
    assert "Choose what is to be done." in words(answer)
    assert staff.post(path_of(incident, resolved), {"reason": "x", "verb": "burn"}).status_code == 400
    assert not TimelineEvent.objects.filter(event="incident.corrected").exists()


def test_viewers_read_and_strangers_find_nothing(viewer, other_team, client, incident, resolved, strangers):
    mallory = logged_in(make_user("mallory@example.com", other_team, Role.MANAGER))
    for path in (path_of(incident), path_of(incident, resolved)):
        assert viewer.get(path).status_code == 403
        assert viewer.post(path, {"verb": "hide", "reason": "x"}).status_code == 403
        assert mallory.get(path).status_code == 404
        assert mallory.post(path, {"verb": "hide", "reason": "x"}).status_code == 404
        assert client.get(path).url.startswith("/login")
    assert TimelineEvent.objects.count() == 2


def test_an_entry_of_another_incident_is_none_of_this_one(staff, incident, strangers):
    tell_it(strangers, an_event("incident.started", incident_name="Secret"))
    theirs = TimelineEvent.objects.latest("id")
    assert staff.get(path_of(incident, theirs)).status_code == 404
    staff.post(path_of(incident), {"verb": "hide", "reason": "x", "pick": [theirs.pk]})
    read = words(staff.get(path_of(incident)))
    assert "No entry of this incident has this id." in read
    assert "Secret" not in read


def test_a_time_that_the_readers_clock_has_twice_is_asked_back_and_then_entered(staff, incident, user):
    user.time_zone = "Europe/Berlin"
    user.save()
    said = {"verb": "add", "message": "It flickered", "occurred_at": "2025-10-26T02:30", "reason": "seen"}
    answer = staff.post(f"/incidents/{incident.uuid}/act", said)
    assert answer.status_code == 400
    assert "this time comes twice" in words(answer)
    assert "02:30 +02:00 02:30 +01:00" in words(answer) and "It flickered" in answer.content.decode()
    assert staff.post(f"/incidents/{incident.uuid}/act", said | {"occurred_at_offset": "+01:00"}).status_code == 302
    note = TimelineEvent.objects.get(event="incident.commented")
    assert note.occurred_at == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)
    page = staff.get(path_of(incident, note)).content.decode()
    assert '<option value="+01:00" selected>02:30 +01:00</option>' in page
