import re
from datetime import timedelta

import pytest

from config import clock
from monitors.models import Heartbeat, Monitor
from tests.conftest import NOON, an_event
from tests.dashboard.conftest import words

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(NOON + 180 * MINUTE):
        yield


def names(answer):
    return re.findall(r'class="row-link" href="/(?:monitor|heartbeat)s/\d+"><bdi>([^<]*)<', answer.content.decode())


@pytest.fixture
def some(tell):
    """Monitors in several states; the names tell."""
    for number, event in enumerate(("down", "paused", "verifying_recovery", "created", "destroyed"), start=1):
        tell(an_event(f"monitor.{event}", monitor_id=number, monitor_name=event))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("", ["created", "verifying_recovery", "paused", "down"]),
        ("down", ["down"]),
        ("up", ["created"]),
        ("paused", ["paused"]),
        ("verifying_recovery", ["verifying_recovery"]),
        ("destroyed", ["destroyed"]),
        ("maintenance", []),
    ],
)
def test_the_list_is_narrowed_by_state(status, expected, staff, some):
    assert names(staff.get(f"/monitors?status={status}")) == expected
    assert names(staff.get(f"/monitors?status={status}", headers={"HX-Request": "true"})) == expected


def test_a_state_that_does_not_exist_is_refused(staff, some):
    assert staff.get("/monitors?status=broken").status_code == 400


def test_an_inferred_state_is_marked_by_shape_and_word_and_a_said_one_is_not(staff, some):
    page = staff.get("/monitors")
    assert "Up inferred" in words(page)
    assert "chip tone-calm inferred" in page.content.decode()
    assert "Down inferred" not in words(page)
    assert "Deleted since 12:00" in words(staff.get("/monitors?status=destroyed"))


def test_empty_lists_say_what_to_do(staff):
    assert "No monitors yet" in words(staff.get("/monitors"))
    assert "No heartbeats yet" in words(staff.get("/heartbeats"))
    assert "No heartbeat is in this state" in words(staff.get("/heartbeats?status=down"))


def test_a_monitor_shows_its_state_its_incidents_and_all_that_happened(staff, tell):
    tell(
        an_event("monitor.created", NOON - 60 * MINUTE, monitor_type="keyword"),
        an_event("monitor.down", NOON),
        an_event("incident.started", NOON, incident_cause="Status 503"),
        an_event("incident.resolved", NOON + 30 * MINUTE),
        an_event("monitor.verifying_recovery", NOON + 20 * MINUTE),
    )
    read = words(staff.get(f"/monitors/{Monitor.objects.get().pk}"))
    assert "My Website Up inferred since 12:30 , for 2 h 30 min" in read
    assert "https://www.example.com" in read
    assert "My Website is Down Major Resolved 12:00 lasted 30 min" in read
    for line in ("12:30 Incident resolved", "12:20 Verifying recovery", "12:00 Incident created", "11:00 Went up"):
        assert line in read
    assert "State inferred from incidents and events" in read


def test_a_heartbeat_is_shown_alike(staff, tell):
    tell(an_event("heartbeat.created"), an_event("heartbeat.down", NOON + MINUTE))
    read = words(staff.get(f"/heartbeats/{Heartbeat.objects.get().pk}"))
    assert "Daily Backup Down since 12:01" in read
    assert "State as told by its source" in read


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://www.example.com/a?b=1", True),
        ("http://127.0.0.1", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt://x/%0aalert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("//example.com", False),
        ("http://[::1", False),
        ("https:///nowhere", False),
        ("ftp://example.com", False),
        ("https://example.com/" + "x" * 50_000, True),
    ],
)
def test_an_address_is_a_link_only_where_it_is_safe_to_follow(url, is_link, staff, tell):
    tell(an_event("monitor.created", monitor_url=url))
    page = staff.get(f"/monitors/{Monitor.objects.get().pk}").content.decode()
    links = re.findall(r'<a href="([^"]*)" rel="noopener noreferrer nofollow"', page)
    assert bool(links) is is_link
    assert not re.search(r'href="\s*(?:javascript|data|ftp)', page, re.IGNORECASE)


def test_the_list_asks_the_database_as_often_for_one_as_for_thirty(staff, tell, django_assert_num_queries):
    tell(an_event("monitor.created"))
    with django_assert_num_queries(7):
        staff.get("/monitors")
    tell(*(an_event("monitor.created", monitor_id=n) for n in range(30)))
    with django_assert_num_queries(7):
        staff.get("/monitors")


def test_a_monitor_asks_the_database_as_often_for_one_incident_as_for_thirty(staff, tell, django_assert_num_queries):
    tell(an_event("incident.started"))
    path = f"/monitors/{Monitor.objects.get().pk}"
    with django_assert_num_queries(10):
        staff.get(path)
    tell(*(an_event("incident.started", incident_id=n) for n in range(30)))
    with django_assert_num_queries(10):
        staff.get(path)
