"""Correcting incidents' histories in Django admin."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission

from config import clock
from incidents import corrections
from incidents.models import Incident
from tests.conftest import NOON, an_event, make_integration, make_user, tell_it
from tests.incidents.test_keeper import differences
from timeline.models import TimelineEvent

LIST = "/admin/timeline/timelineevent/"
LATER = NOON + timedelta(hours=3)


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(LATER) as now:
        yield now


@pytest.fixture
def incident(tell):
    tell(
        an_event("monitor.created"),
        an_event("incident.started"),
        an_event("incident.resolved", NOON + timedelta(minutes=9), message="All good"),
    )
    return Incident.objects.get()


@pytest.fixture
def resolved(incident):
    return TimelineEvent.objects.get(event="incident.resolved")


def act(client, action, *facts, **typed):
    """The answer to an action on facts; with what was typed in its form, if anything was."""
    chosen = {"action": action, "_selected_action": [each.pk for each in facts]}
    return client.post(LIST, chosen | ({"post": "yes"} | typed if typed else {}), follow=True)


def said(answer):
    return [str(message) for message in answer.context["messages"]]


def offered(client, fact):
    page = client.get(f"{LIST}{fact.pk}/change/").content.decode()
    return re.findall(r'name="action" value="(\w+)"', page)


def corrections_there_are():
    return TimelineEvent.objects.filter(event="incident.corrected")


def test_the_page_of_an_incident_s_fact_has_the_tools_and_that_of_others_has_not(staff, operator, incident, resolved):
    assert offered(staff, resolved) == ["correct", "hide"]
    fact = corrections.correct(incident, resolved.pk, by=operator, at=LATER, reason="x", hidden=True)
    assert offered(staff, resolved) == ["correct", "show_again"]
    assert offered(staff, fact) == []
    assert offered(staff, TimelineEvent.objects.get(event="monitor.created")) == []
    page = staff.get(f"/admin/incidents/incident/{incident.pk}/change/").content.decode()
    assert 'name="action" value="add_entry"' in page
    assert f'<a href="{LIST}?about=incident-{incident.pk}">All of them, where several can be hidden</a>' in page


def test_an_entry_s_time_and_text_are_corrected_by_the_same_verb(staff, operator, incident, resolved):
    asked = act(staff, "correct", resolved).content.decode()
    assert 'value="2026-05-13T12:09"' in asked and ">\nAll good</textarea>" in asked
    assert said(act(staff, "correct", resolved, message="All good", reason="x")) == [
        "0 corrected. Nothing to do for 1."
    ]
    typed = {"occurred_at": "2026-05-13T12:05", "message": "Power is back", "reason": "Their clock."}
    assert said(act(staff, "correct", resolved, **typed)) == ["1 corrected."]
    incident.refresh_from_db()
    assert incident.resolved_at == NOON + timedelta(minutes=5)
    fact = corrections_there_are().get()
    assert (fact.user, fact.payload["reason"], fact.payload["text"]) == (operator, "Their clock.", "Power is back")
    assert "Entry corrected: incident.resolved at" in LogEntry.objects.get().change_message
    assert LogEntry.objects.get().object_id == str(incident.pk)
    assert differences() == []


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"reason": ""}, "This field is required."),
        ({"reason": "x", "message": "y" * 1001}, "at most 1000 characters"),
        ({"reason": "x", "message": "All good", "occurred_at": "2026-05-14T00:00"}, "Must be from 2000-01-01 to now."),
        ({"reason": "x", "message": "All good", "occurred_at": "soon"}, "Enter a valid date/time."),
    ],
)
def test_what_is_typed_wrong_is_said_and_nothing_is_written(staff, resolved, typed, wrong):
    answer = act(staff, "correct", resolved, **typed)
    assert answer.status_code == 200 and wrong in answer.content.decode()
    assert not corrections_there_are().exists()


def test_a_stale_form_overrides_nobody_s_correction(staff, user, incident, resolved):
    asked = act(staff, "correct", resolved).content.decode()
    seen = re.search(r'name="seen" value="([^"]+)"', asked)[1]
    several = re.search(r'name="seen" value="([^"]+)"', act(staff, "hide", resolved).content.decode())[1]
    at = LATER - timedelta(minutes=5)
    corrections.correct(incident, resolved.pk, by=user, at=at, reason="x", message="Alice's words")
    answer = act(staff, "correct", resolved, message="Mine", reason="mine", seen=seen)
    told = "Alice Johnson corrected this entry at 14:55. Nothing was changed by you."
    assert said(answer) == [told]
    page = answer.content.decode()
    assert ">\nMine</textarea>" in page and "Alice&#x27;s words" in page
    assert said(act(staff, "hide", resolved, reason="mine", seen=several))[1].endswith(told)
    assert corrections_there_are().count() == 1
    again = re.search(r'name="seen" value="([^"]+)"', page)[1]
    assert said(act(staff, "correct", resolved, message="Mine", reason="mine", seen=again)) == ["1 corrected."]


def test_several_are_hidden_of_several_incidents_and_shown_again(staff, incident, resolved, other_team):
    tell_it(make_integration(other_team), an_event("incident.started"), an_event("incident.escalated"))
    facts = [*TimelineEvent.objects.filter(subject_kind="incident"), TimelineEvent.objects.get(event="monitor.created")]
    asked = act(staff, "hide", *facts).content.decode()
    assert all(text in asked for text in ("All good", "incident.escalated", 'name="reason"'))
    assert "monitor.created" not in re.search(r"<tbody>.*</tbody>", asked, re.S)[0]
    first, *refused = said(act(staff, "hide", *facts, reason="Tests."))
    assert first == "2 hidden."
    assert len(refused) == 2 and all("last event of the incident" in each for each in refused)
    assert said(act(staff, "show_again", *facts, reason="They were none.")) == ["2 shown again. Nothing to do for 2."]
    assert differences() == []


def test_what_can_not_be_corrected_is_said(staff, operator, incident, resolved):
    fact = corrections.correct(incident, resolved.pk, by=operator, at=LATER, reason="x", hidden=True)
    other = TimelineEvent.objects.get(event="monitor.created")
    assert said(act(staff, "correct", fact)) == ["Choose one entry of an incident, and no correction."]
    assert said(act(staff, "correct", resolved, other)) == ["Choose one entry of an incident, and no correction."]
    assert said(act(staff, "hide", fact, other)) == ["Choose entries of incidents, and no corrections."]


def test_an_operator_who_may_only_look_corrects_nothing(client, resolved):
    looking = make_user("looking@example.com", is_staff=True)
    looking.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(looking)
    assert offered(client, resolved) == []
    for action in ("correct", "hide", "show_again"):
        act(client, action, resolved, reason="x", message="y")
    assert not corrections_there_are().exists()


@pytest.mark.parametrize("seen", ["x", "1", ":", "99999999999999999999:x 5:", "\u0663:x", "a:b:c"])
def test_what_was_seen_may_be_rubbish(seen, staff, resolved):
    assert said(act(staff, "hide", resolved, reason="x", seen=seen)) == ["1 hidden."]
