import re
from datetime import timedelta
from urllib.parse import urljoin

import pytest

from config import clock
from incidents import lifecycle
from incidents.models import Incident
from tests.conftest import NOON, an_event, make_user
from tests.dashboard.conftest import logged_in, words
from timeline.models import TimelineEvent

MINUTE = timedelta(minutes=1)
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(NOON + 180 * MINUTE) as now:
        yield now


def path_of(title="My Website is Down"):
    return f"/incidents/{Incident.objects.get(title=title).uuid}"


def titles(answer):
    return re.findall(r'class="row-link" href="/incidents/[^"]+"><bdi>([^<]*)<', answer.content.decode())


@pytest.fixture
def four(tell):
    """Open, acknowledged, resolved and deleted; the names tell."""
    for number, name in enumerate(("Open door", "Seen ghost", "Solved riddle", "Gone fishing"), start=1):
        fields = {"incident_id": number, "incident_name": name}
        tell(an_event("incident.started", NOON + number * MINUTE, incident_cause=f"cause {number}", **fields))
    tell(an_event("incident.acknowledged", NOON + 9 * MINUTE, incident_id=2, incident_name="Seen ghost"))
    tell(an_event("incident.resolved", NOON + 9 * MINUTE, incident_id=3, incident_name="Solved riddle"))
    heartbeat = {"resource_type": "heartbeat", "resource_id": 5, "resource_name": "Nightly backup"}
    tell(an_event("incident.started", NOON, incident_id=5, incident_name="Missed beat", **heartbeat))
    tell(an_event("incident.destroyed", NOON + 9 * MINUTE, incident_id=4, incident_name="Gone fishing"))


# --- the list


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Solved riddle", "Seen ghost", "Open door", "Missed beat"]),
        ("destroyed=any", ["Gone fishing", "Solved riddle", "Seen ghost", "Open door", "Missed beat"]),
        ("status=live", ["Seen ghost", "Open door", "Missed beat"]),
        ("status=acknowledged", ["Seen ghost"]),
        ("status=resolved&severity=major", ["Solved riddle"]),
        ("severity=critical", []),
        ("resource_type=heartbeat", ["Missed beat"]),
        ("destroyed=true", ["Gone fishing"]),
        ("destroyed=false&resource_type=monitor", ["Solved riddle", "Seen ghost", "Open door"]),
        ("q=gho", ["Seen ghost"]),
        ("q=see+GHO", ["Seen ghost"]),
        ("q=host", []),
        ("q=night", ["Missed beat"]),
        ("q=cause+3", ["Solved riddle"]),
        ("q=%20&status=", ["Solved riddle", "Seen ghost", "Open door", "Missed beat"]),
    ],
)
def test_the_list_is_narrowed_by_its_filters(query, expected, staff, four):
    assert titles(staff.get(f"/incidents?{query}")) == expected


@pytest.mark.parametrize("query", ["status=broken", "severity=awful", "destroyed=maybe", "q=" + "x" * 201])
def test_a_filter_that_does_not_exist_is_refused_and_said(query, staff, four):
    answer = staff.get(f"/incidents?{query}")
    assert answer.status_code == 400
    assert 'class="errors"' in answer.content.decode()


@pytest.mark.parametrize("q", ["&", "!", "a:*", "'", "\\", "(", "|", "😀", "<->", "%27", "a" * 200, "\u202e"])
def test_search_takes_any_text(q, staff, four):
    assert staff.get("/incidents", {"q": q}).status_code == 200


@pytest.mark.parametrize("cursor", ["x", "e30", "WyItaWQiLDFd", "💥", "A" * 10_000])
def test_a_cursor_that_is_none_is_a_bad_request(cursor, staff, four):
    assert staff.get("/incidents", {"cursor": cursor}).status_code == 400


def test_further_incidents_are_one_click_away_until_there_are_none(staff, tell):
    tell(*(an_event("incident.started", NOON + n * MINUTE, incident_id=n, incident_name=f"No {n}") for n in range(70)))
    path, seen = "/incidents?status=open", []
    while path:
        answer = staff.get(path)
        seen += titles(answer)
        more = re.search(r'<a href="([^"]+)"[^>]*>Show older', answer.content.decode())
        path = more and more[1].replace("&amp;", "&")
    assert seen == [f"No {n}" for n in reversed(range(70))]


def test_htmx_gets_the_rows_alone_but_a_restored_page_whole(staff, four):
    rows = staff.get("/incidents?q=gho", headers=HTMX)
    assert titles(rows) == ["Seen ghost"]
    assert "<html" not in rows.content.decode()
    assert 'href="/incidents">Clear' in rows.content.decode()
    restored = staff.get("/incidents?q=gho", headers=HTMX | {"HX-History-Restore-Request": "true"})
    assert "<html" in restored.content.decode()


def test_an_empty_list_says_what_to_do(staff):
    assert "No incidents yet" in words(staff.get("/incidents"))
    assert "No incident fits" in words(staff.get("/incidents?status=open"))


def test_the_list_asks_the_database_as_often_for_one_as_for_thirty(staff, tell, django_assert_num_queries):
    tell(an_event("incident.started"))
    with django_assert_num_queries(8):
        staff.get("/incidents")
    tell(*(an_event("incident.started", incident_id=n, resource_id=n) for n in range(30)))
    with django_assert_num_queries(8):
        staff.get("/incidents")


# --- one incident


def test_an_incident_tells_what_happened_who_did_it_and_when(staff, tell):
    bob = {"user_email": "bob@example.com", "user_name": "Bob Smith"}
    tell(
        an_event("incident.started", incident_cause="Connection refused", regions=["eu", "us"]),
        an_event("incident.acknowledged", NOON + 6 * MINUTE, message="Bob is looking", **bob),
        an_event("incident.resolved", NOON + 45 * MINUTE, **bob),
        an_event("incident.escalated", NOON + 8 * MINUTE, escalation_targets=[{"type": "user", "id": 1, "name": "Cy"}]),
    )
    read = words(staff.get(path_of()))
    assert "Resolved Major My Website monitor lasted 45 min" in read
    assert "Acknowledged 12:06 Bob Smith , after 6 min" in read
    assert "Resolved 12:45 Bob Smith , after 45 min" in read
    assert "12:06 Incident acknowledged Open became Acknowledged Bob is looking Bob Smith via Better Stack" in read
    assert "12:08 Escalated to Cy" in read
    assert "12:00 Incident created: Connection refused" in read
    assert read.index("12:45 Incident resolved") < read.index("12:08 Escalated") < read.index("12:06 Incident ack")
    assert "Regions eu , us" in read


def test_what_arrived_late_and_what_had_no_effect_is_marked_with_why(staff, tell):
    tell(an_event("incident.started"), at=NOON)
    tell(an_event("incident.resolved", NOON + MINUTE), at=NOON + 8 * MINUTE)
    tell(an_event("incident.resolved", NOON + 2 * MINUTE, user_name="Again"), at=NOON + 2 * MINUTE)
    read = words(staff.get(path_of()))
    assert read.count("arrived 7 min late") == 1
    assert "No effect: resolved at 12:01, arrived 12:08. It was resolved already." in read


def test_a_provisional_and_a_deleted_incident_are_marked(staff, tell):
    tell(an_event("incident.acknowledged"), an_event("incident.destroyed", NOON + MINUTE))
    read = words(staff.get(path_of()))
    assert "start not told" in read
    assert "Deleted at source" in read


def test_every_time_is_exact_on_demand_with_its_offset(staff, user, tell):
    user.time_zone = "Europe/Berlin"
    user.save()
    tell(an_event("incident.started"))
    page = staff.get(path_of()).content.decode()
    assert 'datetime="2026-05-13T12:00:00.000Z" title="2026-05-13 14:00:00.000 +02:00 Europe/Berlin"' in page


def test_the_raw_payload_is_one_click_away_and_cut_where_it_is_long(staff, tell):
    tell(an_event("incident.started", extra={"kept": "w" * 20_000}))
    page = staff.get(path_of())
    assert "<details" in page.content.decode()
    assert "w" * 3_000 in words(page)
    assert "w" * 4_001 not in words(page)
    fact = TimelineEvent.objects.get(event="incident.started")
    assert "w" * 20_000 in words(staff.get(f"/facts/{fact.pk}"))


def test_further_facts_are_one_click_away(staff, tell):
    tell(*(an_event("incident.escalated", NOON + n * MINUTE) for n in range(60)))
    page = staff.get(path_of())
    more = re.search(r'<a href="([^"]+\?cursor=[^"]+)"', page.content.decode())[1]
    rest = staff.get(more, headers=HTMX).content.decode()
    assert page.content.decode().count('class="entry') == 50
    assert rest.count('class="entry') == 10
    assert "<html" not in rest


@pytest.mark.parametrize(
    ("sent", "status"), [({"verb": "acknowledge", "seen": "resolved"}, 409), ({"verb": "fly"}, 400)]
)
def test_further_facts_are_found_from_a_page_that_came_back_too(sent, status, staff, tell):
    tell(*(an_event("incident.escalated", NOON + n * MINUTE) for n in range(60)))
    page = staff.post(f"{path_of()}/act", sent)
    assert page.status_code == status
    more = re.search(r'<a href="([^"]*\?cursor=[^"]+)" hx-get="\1"', page.content.decode())[1]
    older = staff.get(urljoin(page.request["PATH_INFO"], more))
    assert (older.status_code, older.content.decode().count('class="entry')) == (200, 10)
    # And looked at anew it is the incident's page.
    assert staff.get(f"{path_of()}/act").url == path_of()


def test_an_incident_asks_the_database_as_often_for_one_fact_as_for_thirty(
    staff, user, tell, django_assert_num_queries
):
    tell(an_event("incident.started"), an_event("incident.acknowledged"), an_event("incident.resolved"))
    path = path_of()
    with django_assert_num_queries(14):
        staff.get(path)
    tell(*(an_event("incident.escalated", NOON + n * MINUTE) for n in range(30)))
    for n in range(5):
        lifecycle.comment(Incident.objects.get(), by=user, at=NOON + n * MINUTE, message=f"note {n}")
    with django_assert_num_queries(14):
        staff.get(path)


# --- notes


def test_a_note_is_added_and_appears_among_the_notes_and_in_the_timeline(staff, tell, later):
    tell(an_event("incident.started"))
    answer = staff.post(path_of(), {"message": "  Restarted <b>everything</b>.  "})
    assert answer.status_code == 302
    assert answer.url == path_of() + "#notes"
    fact = TimelineEvent.objects.get(event="incident.commented")
    assert (fact.user_email, fact.occurred_at) == ("alice@example.com", later)
    page = staff.get(path_of())
    assert words(page).count("Restarted <b>everything</b>.") >= 2
    assert "<b>everything" not in page.content.decode()
    assert "Note added." in words(page)


@pytest.mark.parametrize("message", [None, "", " \n\t ", "x" * 1_001])
def test_a_note_without_text_or_too_long_is_refused_and_said(message, staff, tell):
    tell(an_event("incident.started"))
    answer = staff.post(path_of(), {} if message is None else {"message": message})
    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not TimelineEvent.objects.filter(event="incident.commented").exists()


def test_a_note_may_have_a_thousand_characters_of_any_script(staff, tell):
    tell(an_event("incident.started"))
    assert staff.post(path_of(), {"message": "💥" * 1_000}).status_code == 302


def test_the_same_note_twice_is_two_notes(staff, tell):
    tell(an_event("incident.started"))
    staff.post(path_of(), {"message": "again"})
    staff.post(path_of(), {"message": "again"})
    assert TimelineEvent.objects.filter(event="incident.commented").count() == 2


def test_a_viewer_reads_notes_and_can_not_add_one(viewer, tell):
    tell(an_event("incident.started"))
    page = viewer.get(path_of())
    assert "Investigation notes" in words(page)
    assert "<textarea" not in page.content.decode()
    assert viewer.post(path_of(), {"message": "me too"}).status_code == 403
    assert not TimelineEvent.objects.filter(event="incident.commented").exists()


def test_nobody_adds_a_note_to_another_team_s_incident(tell, other_team):
    tell(an_event("incident.started"))
    mallory = logged_in(make_user("mallory@example.com", other_team))
    assert mallory.post(path_of(), {"message": "x"}).status_code == 404
    assert not TimelineEvent.objects.filter(event="incident.commented").exists()


# --- whatever vendors send

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7|add:7 }}{% now 'Y' %}",
    "\u202eright to left\u202c مرحبا بالعالم",
    "x" * 60_000,
    "a\nb\r\nc\td",
    "💥" * 1_000,
    "\x1b[31m\x07bell\x7f",
]


@pytest.mark.parametrize("text", NASTY)
def test_text_from_outside_is_shown_and_never_run(text, staff, tell):
    rest = text[:1_000]
    tell(an_event("incident.started", incident_name=text, resource_name=rest, message=rest, incident_cause=rest))
    incident = Incident.objects.get()
    for path in ("/", "/incidents", f"/incidents/{incident.uuid}", "/monitors", f"/monitors/{incident.resource_id}"):
        answer = staff.get(path)
        page = answer.content.decode()
        assert answer.status_code == 200, path
        assert "<script>alert" not in page
        assert "<img" not in page
        assert text.split()[0][:20] in words(answer)


def test_a_long_text_is_clamped_and_whole_on_demand(staff, tell):
    tell(an_event("incident.started", incident_cause="y" * 30_000))
    page = staff.get(path_of()).content.decode()
    assert "All 30000 characters" in page
    assert "y" * 30_000 in page


def test_a_note_of_a_thousand_characters_is_taken_however_its_line_ends_are_sent(staff, tell):
    tell(an_event("incident.started"))
    incident = Incident.objects.get()
    typed = "\r\n".join(["x" * 9] * 100) + "y"
    assert staff.post(f"/incidents/{incident.uuid}", {"message": typed}).status_code == 302
    note = TimelineEvent.objects.get(event="incident.commented")
    assert note.payload["comment"] == typed.replace("\r\n", "\n")


@pytest.mark.parametrize("path", ["/incidents", "/monitors", "/heartbeats", "/deliveries"])
def test_a_filter_that_makes_no_sense_shows_nothing_and_keeps_the_others(path, staff, tell):
    tell(an_event("incident.started"), an_event("heartbeat.up"))
    good = {"/incidents": "severity=major&q=website", "/deliveries": "integration=1"}.get(path, "")
    answer = staff.get(f"{path}?status=bogus&{good}")
    assert answer.status_code == 400
    assert 'class="row-link"' not in answer.content.decode()
    assert "Select a valid choice. bogus is not one of the available choices." in words(answer)
    if path == "/incidents":
        assert 'value="website"' in answer.content.decode()
        assert '<option value="major" selected>' in answer.content.decode()
