"""Facts in Django admin."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import clock
from incidents.lifecycle import comment
from incidents.models import Incident
from monitors.models import Monitor
from tests.conftest import NOON, an_event
from timeline.models import TimelineEvent

LIST = "/admin/timeline/timelineevent/"


def shown(client, query=""):
    return [fact.pk for fact in client.get(f"{LIST}?{query}").context["cl"].result_list]


def ids(**narrowed):
    return list(TimelineEvent.objects.filter(**narrowed).order_by("-id").values_list("id", flat=True))


@pytest.fixture
def history(tell):
    tell(
        an_event("monitor.created", NOON.replace(hour=1)),
        an_event("incident.started", NOON),
        an_event("incident.resolved", NOON.replace(minute=2), message="<b>All good</b>"),
        an_event("incident.acknowledged", NOON.replace(minute=1), user_name="Ann"),
        an_event("incident.acknowledged", NOON.replace(minute=9), user_name="Ann"),
    )
    return Incident.objects.get()


def test_facts_are_not_made_changed_or_deleted_here_by_anybody(staff, history):
    fact = TimelineEvent.objects.earliest("id")
    before = TimelineEvent.objects.values().get(pk=fact.pk)
    assert staff.post(f"{LIST}add/", {}).status_code == 403
    assert staff.post(f"{LIST}{fact.pk}/change/", {"event": "monitor.up"}).status_code == 403
    assert staff.post(f"{LIST}{fact.pk}/delete/", {"post": "yes"}).status_code == 403
    staff.post(LIST, {"action": "delete_selected", "_selected_action": fact.pk, "post": "yes"})
    assert TimelineEvent.objects.values().get(pk=fact.pk) == before


def test_a_facts_page_shows_what_was_told_and_how_it_was_read(staff, history):
    fact = TimelineEvent.objects.get(occurred_at=NOON.replace(minute=9))
    page = staff.get(f"{LIST}{fact.pk}/change/").content.decode()
    assert "2026-05-13 12:09:00<span" in page and ".000<span" in page
    assert "&quot;user_name&quot;: &quot;Ann&quot;" in page
    assert fact.why and fact.why in page.replace("&#x27;", "'")
    assert f'<a href="/admin/incidents/incident/{history.pk}/change/">' in page
    assert bytes(fact.identity).hex() in page


def test_what_vendors_write_is_shown_as_text(staff, history):
    page = staff.get(f"/admin/incidents/incident/{history.pk}/change/").content.decode()
    assert "&lt;b&gt;All good&lt;/b&gt;" in page and "<b>All good</b>" not in page


def test_facts_are_found_by_what_they_are_about(staff, history):
    monitor = Monitor.objects.get()
    about = ids(subject_kind="incident", subject_id=history.pk)
    by_occurrence = [
        fact.pk for fact in TimelineEvent.objects.filter(pk__in=about).order_by("-occurred_at", "-rank", "-identity")
    ]
    assert shown(staff, f"about=incident-{history.pk}") == by_occurrence
    assert sorted(shown(staff, f"in=monitor-{monitor.pk}")) == sorted(ids(resource_kind="monitor"))
    assert shown(staff, f"q=Incident+{history.pk}") == by_occurrence
    assert shown(staff, f"q={about[0]}") == about[:1]
    assert shown(staff, "q=nonsense") == []
    assert shown(staff, "event=monitor.created") == ids(event="monitor.created")
    assert shown(staff, "effect__exact=none") == ids(effect="none")
    assert shown(staff, f"integration_id={history.integration_id}") == ids()
    assert shown(staff, f"integration_id={history.integration_id + 1}") == []


def test_our_own_acts_name_their_actor(staff, history, user):
    comment(history, by=user, at=clock.now(), message="Looking into it")
    fact = TimelineEvent.objects.latest("id")
    page = staff.get(f"{LIST}{fact.pk}/change/").content.decode()
    assert "our own" in page and f'<a href="/admin/teams/user/{user.pk}/change/">' in page


def test_a_list_costs_the_same_for_one_row_and_for_thirty(staff, tell):
    tell(an_event("incident.started"))
    for query in ("", "about=incident-1", "event=incident.started"):
        with CaptureQueriesContext(connection) as one:
            staff.get(f"{LIST}?{query}")
        tell(*(an_event("incident.started", incident_id=hash(query) % 10**6 + n) for n in range(30)))
        with CaptureQueriesContext(connection) as thirty:
            staff.get(f"{LIST}?{query}")
        assert len(thirty) == len(one)


def test_the_list_does_without_payloads(staff, tell):
    tell(an_event("incident.started"))
    with CaptureQueriesContext(connection) as queries:
        staff.get(LIST)
    assert not [each["sql"] for each in queries if '"payload"' in each["sql"]]
