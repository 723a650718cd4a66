"""Groups of incidents on the pages."""

import re
from datetime import timedelta

import pytest

from config import clock
from incidents import grouping, lifecycle
from incidents.models import Incident
from teams.models import Role
from tests.conftest import NOON, an_event, make_user, tell_it
from tests.dashboard.conftest import logged_in, words

MINUTE = timedelta(minutes=1)
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(NOON + timedelta(hours=3)) as now:
        yield now


@pytest.fixture
def group(team, user, tell):
    """A group of three incidents, one of them resolved."""
    for number, name in enumerate(("Alpha", "Beta", "Gamma"), start=1):
        tell(an_event("incident.started", NOON + number * MINUTE, incident_id=number, incident_name=name))
    made = grouping.make_group(team, "Power cut", at=NOON)
    for each in Incident.objects.all():
        grouping.group(each, made, by=user, at=NOON + 10 * MINUTE)
    lifecycle.resolve(Incident.objects.get(title="Gamma"), by=user, at=NOON + 20 * MINUTE)
    return made


def test_a_group_shows_its_incidents_and_all_that_happened_to_them(staff, group):
    read = words(staff.get(f"/groups/{group.pk}"))
    assert "Power cut" in read
    assert "2 live" in read
    times = re.findall(r"12:(\d\d) (?:Incident|Grouped)", read)
    assert times == ["20", "10", "10", "10", "03", "02", "01"]
    assert "12:03 Incident created incident.started happened Gamma" in read


def test_the_chronology_goes_on_where_the_page_ends(staff, group, tell):
    for number in (1, 2):
        tell(*(an_event("incident.escalated", NOON + n * MINUTE, incident_id=number) for n in range(40)))
    path, pages = f"/groups/{group.pk}", []
    answer = staff.get(path)
    while True:
        pages += [re.findall(r'href="/facts/(\d+)"', answer.content.decode())]
        more = re.search(r'<a href="([^"]+\?cursor=[^"]+)"', answer.content.decode())
        if not more:
            break
        answer = staff.get(more[1], headers=HTMX)
        assert "<html" not in answer.content.decode()
    seen = [fact for shown in pages for fact in shown]
    assert len(seen) == len(set(seen)) == 87
    assert [len(page) for page in pages] == [50, 37]
    assert staff.get(f"{path}?cursor=x").status_code == 400


def seen_as_live(page):
    return re.search(r'name="live" value="([^"]*)"', page.content.decode())[1]


def test_all_are_resolved_and_each_is_answered(staff, group):
    live = seen_as_live(staff.get(f"/groups/{group.pk}"))
    answer = staff.post(f"/groups/{group.pk}/resolve", {"live": live})
    assert (answer.status_code, answer.url) == (302, f"/groups/{group.pk}")
    read = words(staff.get(answer.url))
    assert "2 resolved." in read
    assert "Alpha Resolved. Beta Resolved." in read
    assert set(Incident.objects.values_list("status", flat=True)) == {"resolved"}
    assert "Nothing in this group is live." in words(staff.post(f"/groups/{group.pk}/resolve", follow=True))


def test_only_what_was_seen_as_live_is_resolved(staff, group, user, tell):
    live = seen_as_live(staff.get(f"/groups/{group.pk}"))
    lifecycle.resolve(Incident.objects.get(title="Alpha"), by=user, at=NOON + 30 * MINUTE)
    lifecycle.reopen(Incident.objects.get(title="Gamma"), by=user, at=NOON + 30 * MINUTE)
    tell(an_event("incident.started", NOON + 31 * MINUTE, incident_id=4, incident_name="Delta"))
    grouping.group(Incident.objects.get(title="Delta"), group, by=user, at=NOON + 32 * MINUTE)
    read = words(staff.post(f"/groups/{group.pk}/resolve", {"live": live}, follow=True))
    assert "1 resolved. 1 of those you saw as live had ended already. 2 became live in this group since you" in read
    assert "Beta Resolved." in read and "Alpha Resolved." not in read
    assert sorted(Incident.objects.live().values_list("title", flat=True)) == ["Delta", "Gamma"]


def test_all_are_resolved_however_many_some_at_a_time(staff, group, user, tell, monkeypatch):
    monkeypatch.setattr(grouping, "AT_ONCE", 2)
    for number in range(4, 7):
        tell(an_event("incident.started", NOON + number * MINUTE, incident_id=number, incident_name=f"No. {number}"))
        grouping.group(Incident.objects.get(title=f"No. {number}"), group, by=user, at=NOON + 20 * MINUTE)
    path = f"/groups/{group.pk}/resolve"
    live = seen_as_live(staff.get(f"/groups/{group.pk}"))
    tell(an_event("incident.started", NOON, incident_id=9, incident_name="Late"))
    grouping.group(Incident.objects.get(title="Late"), group, by=user, at=NOON + 20 * MINUTE)
    page = staff.post(path, {"live": live})
    assert page.status_code == 200
    assert "2 resolved. 3 of those you saw as live are to go. 1 became live" in words(page)
    assert "Alpha Resolved. Beta Resolved." in words(page)
    assert "Go on: resolve the other 3" in words(page)
    assert staff.get(path).url == f"/groups/{group.pk}"
    # Sent twice, it goes on as well.
    page = staff.post(path, {"live": live})
    assert "2 resolved. 1 of those you saw as live is to go." in words(page)
    assert "Resolve it" not in words(page) and seen_as_live(page).count(" ") == 0
    assert staff.post(path, {"live": seen_as_live(page)}).url == f"/groups/{group.pk}"
    assert list(Incident.objects.live().values_list("title", flat=True)) == ["Late"]


@pytest.mark.parametrize("live", ["", "x", "-1 1.5 99999999999999999999 \u0663", "0"])
def test_who_names_nothing_that_is_live_resolves_nothing(live, staff, group):
    assert staff.post(f"/groups/{group.pk}/resolve", {"live": live}).status_code == 302
    assert Incident.objects.live().count() == 2


def test_another_team_s_incident_or_another_group_s_is_not_resolved(staff, group, team, user, strangers, tell):
    tell_it(strangers, an_event("incident.started", incident_name="Theirs"))
    tell(an_event("incident.started", incident_id=8, incident_name="Apart"))
    live = " ".join(str(each.pk) for each in Incident.objects.all())
    read = words(staff.post(f"/groups/{group.pk}/resolve", {"live": live}, follow=True))
    assert "2 resolved." in read and "Theirs" not in read
    assert set(Incident.objects.live().values_list("title", flat=True)) == {"Theirs", "Apart"}


def test_the_list_shows_groups_newest_first(staff, group, team, tell):
    assert "Power cut 2 live" in words(staff.get("/groups"))
    tell(an_event("incident.grouped", incident_id=9, incident_group_id=999))
    read = words(staff.get("/groups"))
    assert "Incident group 999 from Better Stack" in read
    assert read.index("Incident group 999") < read.index("Power cut")
    mirrored = team.incident_groups.get(source_id=999)
    assert "group 999" in words(staff.get(f"/groups/{mirrored.pk}"))


def test_no_groups_says_how_to_make_one(staff):
    assert "No groups yet" in words(staff.get("/groups"))


def test_viewers_read_and_strangers_find_nothing(viewer, group, other_team, client):
    page = viewer.get(f"/groups/{group.pk}")
    assert "Resolve all" not in words(page)
    assert viewer.post(f"/groups/{group.pk}/resolve").status_code == 403
    mallory = logged_in(make_user("mallory@example.com", other_team, Role.MANAGER))
    assert mallory.get(f"/groups/{group.pk}").status_code == 404
    assert mallory.post(f"/groups/{group.pk}/resolve").status_code == 404
    assert "Power cut" not in words(mallory.get("/groups"))
    assert client.get(f"/groups/{group.pk}").url.startswith("/login")
    assert Incident.objects.live().count() == 2
