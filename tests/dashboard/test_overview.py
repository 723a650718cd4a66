import re
import shlex
from datetime import timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client

from config import clock
from config.health import report_loop
from config.signing import new_signing_secret
from incidents import lifecycle
from incidents.models import Incident
from integrations import waiting
from integrations.applying import apply_due
from integrations.hearing import listen
from integrations.lifecycle import set_signing_secret, shut_integration
from teams.models import Team
from tests.conftest import NOON, an_event, make_integration, tell_it
from tests.dashboard.conftest import words

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 13:14, an hour and a quarter after what happened at noon."""
    with clock.at(NOON + 74 * MINUTE) as now:
        yield now


@pytest.fixture(autouse=True)
def working(db, later):
    """The worker is at work."""
    work(later)


def work(at):
    for loop in settings.WORKER_LOOPS:
        report_loop(loop, at)


def line_of(page):
    """The line that sends the first event, as a shell takes it apart."""
    pre = re.search(r'<pre id="first-event"[^>]*>(.*?)</pre>', page.content.decode(), re.DOTALL)[1]
    curl, _, _, url, _, body = shlex.split(unescape(pre).replace("\\\n", ""))
    assert curl == "curl"
    return url, body


def test_a_team_without_integrations_is_told_how_to_make_the_first_webhook(staff, team):
    read = words(staff.get("/"))
    assert "Nothing heard yet No integration sends events to this team." in read
    assert "curl -X POST 'http://testserver/api/webhooks/incident-log/YOUR_TOKEN'" in read
    assert "create_team --organization 'Operations Inc.' --team Operations --json" in read
    Team.objects.filter(pk=team.pk).update(name="""Bob's "$HOME" `team`""")
    pre = re.search(r'<pre id="make-integration">(.*?)</pre>', staff.get("/").content.decode())[1]
    assert shlex.split(unescape(pre))[5] == """Bob's "$HOME" `team`"""


def test_a_team_that_never_heard_anything_is_not_quiet_and_its_manager_gets_a_line_that_works(manager, integration):
    page = manager.get("/")
    read = words(page)
    assert "Nothing heard yet No event has come in for this team so far." in read
    assert "All quiet" not in read and "Waiting for the first event." in read
    url, body = line_of(page)
    assert url == f"http://testserver/api/webhooks/incident-log/{integration.token}" and url in read
    assert manager.get("/heard", headers=HTMX).status_code == 204
    sent = Client().post(urlsplit(url).path, body, content_type="application/x-www-form-urlencoded")
    assert sent.status_code == 202
    turned = manager.get("/heard", headers=HTMX)
    assert (turned.status_code, turned.headers["HX-Refresh"]) == (200, "true")
    apply_due(NOON + 75 * MINUTE)
    assert "One incident is live" in words(manager.get("/"))


@pytest.mark.parametrize("who", ["staff", "viewer"])
def test_who_may_not_see_the_address_is_told_who_can_show_it(who, request, mary, integration):
    page = request.getfixturevalue(who).get("/")
    assert "A manager can show it to you: Mary Manager." in words(page)
    assert integration.token not in page.content.decode()


def test_where_signatures_are_asked_for_no_line_is_promised_to_work(manager, integration):
    set_signing_secret(integration, new_signing_secret())
    read = words(manager.get("/"))
    assert "It asks for signatures" in read and "curl" not in read


def test_an_address_that_no_key_opens_is_said_to_be_so(manager, integration):
    integration.token_ciphertext = b"x"
    integration.save()
    assert "none of the present encryption keys opens its address" in words(manager.get("/"))


def test_the_page_that_waits_leads_to_the_overview_when_it_is_opened(staff):
    answer = staff.get("/heard")
    assert (answer.status_code, answer.url) == (302, "/")


@pytest.mark.parametrize("path", ["/incidents", "/monitors", "/heartbeats"])
def test_an_empty_list_leads_to_the_overview_while_that_shows_how(path, staff, tell):
    assert "overview shows how" in words(staff.get(path))
    tell(an_event("monitor.created") if path != "/monitors" else an_event("heartbeat.created"))
    assert "overview shows how" not in words(staff.get(path))


def test_all_quiet_says_so_and_when_each_source_was_heard_last(staff, tell):
    tell(an_event("monitor.created"), at=NOON + 60 * MINUTE)
    read = words(staff.get("/"))
    assert "All quiet" in read
    assert "nothing is down. Last heard from Better Stack 14 min ago ." in read
    assert "Nothing needs you" in read


def test_while_something_dated_ahead_waits_it_is_not_quiet_and_says_from_whom_what_and_how_far_ahead(staff, tell):
    tell(an_event("monitor.created"))
    tell(*(an_event("incident.started", NOON + timedelta(hours=20), incident_id=n) for n in range(7)), at=NOON)
    read = words(staff.get("/"))
    assert "All quiet" not in read and "Nothing needs you" not in read
    assert "No incident is live" in read
    assert "incident.started Better Stack 18 h 46 min ahead received" in read
    assert (read.count("18 h 46 min ahead"), read.count("Apply now")) == (5, 5)
    assert "All that wait" in read
    with clock.at(NOON + timedelta(hours=20)):
        waiting.release_due(NOON + timedelta(hours=20))
        tell()
        assert "7 incidents are live" in words(staff.get("/"))


def test_where_a_source_is_silent_for_three_times_its_usual_gap_it_is_not_all_quiet(staff, integration):
    for hours in range(30):
        at = NOON - (30 - hours) * HOUR
        tell_it(integration, an_event("monitor.created", at, monitor_id=hours), at=at)
    listen(NOON)
    with clock.at(NOON + 2 * HOUR):
        work(NOON + 2 * HOUR)
        assert "All quiet" in words(staff.get("/"))
    with clock.at(NOON + 2 * HOUR + MINUTE):
        work(NOON + 2 * HOUR + MINUTE)
        read = words(staff.get("/"))
    assert "All quiet" not in read and "No incident is known" in read
    assert "Better Stack is silent. It was last heard from 11:00 ; usually it is every 1 h." in read


def test_where_a_source_was_never_heard_or_none_is_open_it_is_not_all_quiet(staff, team, integration, tell):
    tell(an_event("monitor.created"))
    silent = make_integration(team, "Pager")
    read = words(staff.get("/"))
    assert "All quiet" not in read and "Never heard from: Pager ." in read
    for each in (silent, integration):
        shut_integration(each, at=NOON)
    read = words(staff.get("/"))
    assert "All quiet" not in read and "No integration is open, so nothing is heard." in read


def test_a_live_incident_says_what_since_when_who_and_what_was_done_last(staff, user, tell):
    tell(
        an_event("incident.started", incident_cause="Connection refused"),
        an_event("incident.acknowledged", NOON + 6 * MINUTE, user_email="bob@example.com", user_name="Bob Smith"),
    )
    lifecycle.comment(Incident.objects.get(), by=user, at=NOON + 50 * MINUTE, message="Failing over.")
    read = words(staff.get("/"))
    assert "One incident is live" in read
    assert "1 h 14 min since 12:00" in read
    assert "Acknowledged Major My Website is Down My Website monitor" in read
    assert "Bob Smith , acknowledged 12:06" in read
    assert "Investigation note added by Alice Johnson , 24 min ago" in read


def test_an_incident_that_nobody_has_says_so(staff, tell):
    tell(an_event("incident.started"))
    assert "Nobody has it yet" in words(staff.get("/"))


def test_the_worst_stands_first_and_resolved_ones_are_gone(staff, tell):
    tell(
        an_event("incident.started", incident_id=1, incident_name="Held"),
        an_event("incident.acknowledged", incident_id=1, incident_name="Held", user_name="Bob"),
        an_event("incident.started", incident_id=2, incident_name="Free"),
        an_event("incident.started", incident_id=3, incident_name="Done"),
        an_event("incident.resolved", incident_id=3, incident_name="Done"),
        an_event("incident.started", incident_id=4, incident_name="Gone"),
        an_event("incident.destroyed", incident_id=4, incident_name="Gone"),
    )
    read = words(staff.get("/"))
    assert read.index("Free") < read.index("Held")
    assert "Done" not in read
    assert "Gone" not in read


def test_resources_that_are_not_up_are_listed_and_inferred_states_are_marked(staff, tell):
    tell(
        an_event("monitor.down", monitor_id=1, monitor_name="Said to be down"),
        an_event("incident.started", resource_id=2, resource_name="Concluded"),
        an_event("monitor.verifying_recovery", monitor_id=3, monitor_name="Coming back"),
        an_event("monitor.paused", monitor_id=4),
        an_event("heartbeat.up"),
    )
    read = words(staff.get("/"))
    assert "Said to be down Down for 1 h 14 min" in read
    assert "Concluded Down inferred for 1 h 14 min" in read
    assert "Coming back Verifying recovery" in read
    assert "Paused: 1 monitor" in read
    assert "Daily Backup" not in read


def test_of_what_is_not_up_those_that_are_down_and_the_newest_stand_first_and_all_are_counted(staff, tell):
    tell(*(an_event("monitor.down", NOON + n * MINUTE, monitor_id=n, monitor_name=f"M{n}") for n in range(1, 41)))
    # The oldest record is the newest outage.
    tell(an_event("monitor.created", monitor_id=1, monitor_name="M1"), an_event("heartbeat.up"))
    tell(an_event("monitor.down", NOON + 50 * MINUTE, monitor_id=1, monitor_name="M1"))
    tell(an_event("monitor.down", NOON + 60 * MINUTE, monitor_id=50, monitor_name="M50"))
    tell(an_event("monitor.verifying_recovery", NOON + 70 * MINUTE, monitor_id=51, monitor_name="Coming back"))
    tell(an_event("heartbeat.down", NOON + 55 * MINUTE, heartbeat_id=9, heartbeat_name="Backup"))
    page = staff.get("/")
    shown = re.findall(r'class="row-link" href="/(?:monitor|heartbeat)s/[0-9]+"><bdi>([^<]*)<', page.content.decode())
    assert shown == ["M50", "Backup", *(f"M{n}" for n in range(40, 30, -1))]
    read = words(page)
    assert "Not up 43" in read and "All of them: 42 monitors , 1 heartbeat" in read
    rest = staff.get("/monitors?status=not_up")
    names = re.findall(r'class="row-link" href="/monitors/[0-9]+"><bdi>([^<]*)<', rest.content.decode())
    assert (names[0], len(names)) == ("M50", 30)
    more = re.search(r'<a href="([^"]+cursor=[^"]+)"', rest.content.decode())[1]
    others = re.findall(r'href="/monitors/[0-9]+"><bdi>([^<]*)<', staff.get(unescape(more)).content.decode())
    assert others[-1] == "Coming back" and len({*names, *others}) == 42


def test_each_integration_says_when_it_was_last_heard(staff, team, integration):
    make_integration(team, "Silent one")
    tell_it(integration, an_event("monitor.created"), at=NOON + 60 * MINUTE)
    read = words(staff.get("/"))
    assert "Better Stack 14 min ago monitor.created" in read
    assert "Silent one Nothing received yet" in read


def test_deliveries_in_quarantine_are_seen_at_once(staff, tell):
    tell(an_event("incident.started", incident_id="x"), an_event("monitor.created"))
    assert "1 delivery is in quarantine: received, but not applied." in words(staff.get("/"))


def test_a_stopped_worker_is_seen(staff, tell, later):
    tell(an_event("monitor.created"))
    for loop in settings.WORKER_LOOPS:
        report_loop(loop, NOON if loop == "apply" else later)
    read = words(staff.get("/"))
    assert "The worker has stopped; it last ran 12:00 ." in read and "All quiet" not in read
    report_loop("apply", later)
    assert "The worker has stopped" not in words(staff.get("/"))


def test_a_live_refresh_gets_the_content_and_both_counts(staff, tell):
    tell(an_event("incident.started"), an_event("incident.started", incident_id="x"))
    fragment = staff.get("/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert 'id="live-count" hx-swap-oob="true" class="count alarm">1<' in fragment
    assert 'id="quarantine-count" hx-swap-oob="true" class="count watch">1<' in fragment


def test_more_incidents_than_are_shown_lead_to_the_list(staff, tell):
    tell(*(an_event("incident.started", incident_id=n, resource_id=n) for n in range(1, 33)))
    read = words(staff.get("/"))
    assert "32 incidents are live" in read
    assert "All live incidents" in read
    assert read.count("Nobody has it yet") == 30


def test_it_asks_the_database_as_often_for_one_as_for_thirty(staff, team, tell, django_assert_num_queries):
    tell(an_event("incident.started"), an_event("monitor.down"), an_event("incident.acknowledged"))
    with django_assert_num_queries(QUERIES):
        staff.get("/")
    tell(*(an_event("incident.started", incident_id=n, resource_id=n) for n in range(300, 330)))
    tell(*(an_event("incident.acknowledged", incident_id=n, resource_id=n) for n in range(300, 330)))
    for name in map(str, range(10)):
        tell_it(make_integration(team, name), an_event("monitor.created"))
    with django_assert_num_queries(QUERIES + 2):  # more is not up than is shown: how much, of both kinds
        staff.get("/")


# Session, user, memberships; incidents, who acknowledged them, their facts, names; two of resources, two of paused
# ones; integrations and the newest of each; what waits; the worker's loops; two counts.
QUERIES = 17


def test_an_acknowledgement_shows_when_it_was_pressed_also_where_the_source_s_clock_is_ahead(staff, user, tell, later):
    ahead = later + 7 * MINUTE
    tell(an_event("incident.started", ahead), at=later)
    incident = Incident.objects.get()
    lifecycle.acknowledge(incident, by=user, at=later)
    assert incident.acknowledged_at > ahead
    read = words(staff.get("/"))
    assert "Alice Johnson , acknowledged just now" in read
    assert "Incident acknowledged by Alice Johnson , just now" in read
    page = words(staff.get(f"/incidents/{incident.uuid}"))
    assert "stands at 13:21" in page
    assert "behind its source, whose clock is ahead" in page
    fact = incident.team.timeline_events.get(event="incident.acknowledged")
    assert (fact.acted_at, fact.done_at, fact.payload["acted_at"]) == (later, later, "2026-05-13T13:14:00.000Z")


def test_what_an_older_version_stored_of_such_an_act_shows_it_too(staff, user, tell, later):
    tell(an_event("incident.started", later + 7 * MINUTE), at=later)
    lifecycle.acknowledge(Incident.objects.get(), by=user, at=later)
    fact = Incident.objects.get().team.timeline_events.get(event="incident.acknowledged")
    del fact.payload["acted_at"]
    fact.save()
    assert fact.acted_at == later
    assert "Alice Johnson , acknowledged just now" in words(staff.get("/"))


def test_what_occurred_before_it_was_recorded_shows_when_it_occurred(user, tell):
    tell(an_event("incident.started"))
    incident = Incident.objects.get()
    lifecycle.comment(incident, by=user, at=NOON + MINUTE, message="A note.")
    assert {each.acted_at for each in incident.team.timeline_events.all()} == {None}
