"""Groups of incidents on the pages."""

import re
from datetime import timedelta

import pytest

from config import clock
from incidents import grouping, lifecycle
from incidents.models import Incident
from teams.models import Role
from tests.conftest import NOON, an_event, make_user
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


def test_all_are_resolved_and_each_is_answered(staff, group):
    answer = staff.post(f"/groups/{group.pk}/resolve")
    assert (answer.status_code, answer.url) == (302, f"/groups/{group.pk}")
    read = words(staff.get(answer.url))
    assert "Alpha Resolved. Beta Resolved." in read
    assert set(Incident.objects.values_list("status", flat=True)) == {"resolved"}
    assert "Nothing in this group is live." in words(staff.post(f"/groups/{group.pk}/resolve", follow=True))


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
