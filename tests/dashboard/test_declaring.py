"""Declaring an incident on the page for that."""

import re
from datetime import timedelta

import pytest

from config import clock
from incidents.models import Incident
from monitors.lifecycle import create
from monitors.models import Monitor
from teams.models import Membership, Role
from tests.conftest import NOON, make_user
from tests.dashboard.conftest import words
from timeline.models import TimelineEvent

LATER = NOON + timedelta(hours=3)
SAID = {"severity": "critical", "type": "timeout", "error_message": "nobody can buy"}


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(LATER) as now:
        yield now


def a_monitor(team, by, name="Shop"):
    return create(Monitor, team, by=by, at=NOON, name=name, url="https://shop.example", type="status")


def test_an_incident_is_declared_with_what_is_required(staff):
    answer = staff.post("/incidents/new", SAID)
    incident = Incident.objects.get()
    assert (answer.status_code, answer.url) == (302, f"/incidents/{incident.uuid}")
    assert (incident.title, incident.severity, incident.type) == ("nobody can buy", "critical", "timeout")
    assert incident.started_at == LATER
    assert "Declared." in words(staff.get(answer.url))


def test_it_may_have_begun_earlier_by_the_reader_s_clock_and_affect_more(staff, team, user):
    user.time_zone = "Europe/Berlin"
    user.save()
    shop, till = a_monitor(team, user), a_monitor(team, user, "Till")
    form = staff.get(f"/incidents/new?monitor={shop.pk}")
    assert "In Europe/Berlin, +02:00." in words(form)
    assert f'<option value="{shop.pk}" selected>' in form.content.decode()
    more = {"title": "Shut", "started_at": "2026-05-13T14:05", "affected_regions": "eu\r\nus"}
    staff.post("/incidents/new", SAID | more | {"monitor_id": shop.pk, "affected_monitor_ids": [till.pk, shop.pk]})
    incident = Incident.objects.get()
    assert incident.started_at == NOON + timedelta(minutes=5)
    assert (incident.title, incident.affected_regions, incident.resource_id) == ("Shut", ["eu", "us"], shop.pk)
    read = words(staff.get(f"/incidents/{incident.uuid}"))
    assert "Affected Shop , Till" in read


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"error_message": ""}, "This field is required."),
        ({"error_message": "x" * 1_001}, "at most 1000 characters"),
        ({"severity": "awful"}, "Select a valid choice"),
        ({"type": ""}, "This field is required."),
        ({"title": "x" * 256}, "at most 255 characters"),
        ({"started_at": "2026-05-14T00:00"}, "Must be from 2000-01-01 to now."),
        ({"started_at": "1999-12-31T00:00"}, "Must be from 2000-01-01 to now."),
        ({"started_at": "0001-01-01T00:00"}, "Must be from 2000-01-01 to now."),
        ({"started_at": "9999-12-31T23:59"}, "Must be from 2000-01-01 to now."),
        ({"title": "a\x00b"}, "The form is not clean UTF-8 text."),
        ({"started_at": "soon"}, "Enter a valid date/time."),
        ({"monitor_id": "x"}, "No monitor of the team has this id."),
        ({"affected_monitor_ids": ["x"]}, "No monitor of the team has this id."),
        ({"affected_regions": "\n".join(map(str, range(101)))}, "At most 100 regions."),
    ],
)
def test_what_can_not_be_is_said_in_the_form(changed, said, staff):
    answer = staff.post("/incidents/new", SAID | changed)
    assert answer.status_code == 400
    assert said in words(answer)
    assert not TimelineEvent.objects.exists()


def test_a_second_live_incident_of_a_monitor_leads_to_the_first(staff, team, user):
    shop = a_monitor(team, user)
    staff.post("/incidents/new", SAID | {"monitor_id": shop.pk})
    first = Incident.objects.get()
    answer = staff.post("/incidents/new", SAID | {"monitor_id": shop.pk})
    assert answer.status_code == 400
    assert "is live already" in words(answer)
    assert f'href="/incidents/{first.uuid}">Go to it' in answer.content.decode()
    assert Incident.objects.count() == 1


def test_another_team_s_monitor_is_as_good_as_none(staff, other_team):
    mallory = make_user("mallory@example.com", other_team)
    theirs = a_monitor(other_team, mallory, "Secret")
    for name in ("monitor_id", "affected_monitor_ids"):
        answers = [staff.post("/incidents/new", SAID | {name: pk}) for pk in (theirs.pk, 2**62)]
        said = [re.findall(r'class="errors".*?</ul>', answer.content.decode(), re.S) for answer in answers]
        assert said[0] == said[1] != []
    assert "Secret" not in words(staff.get(f"/incidents/new?monitor={theirs.pk}"))
    assert not Incident.objects.exists()


def test_viewers_do_not_declare_and_strangers_log_in(viewer, client):
    assert viewer.get("/incidents/new").status_code == 403
    assert viewer.post("/incidents/new", SAID).status_code == 403
    assert "/incidents/new" not in viewer.get("/incidents").content.decode()
    assert client.get("/incidents/new").url == "/login?next=/incidents/new"


def test_it_is_declared_in_the_team_whose_page_it_was_though_another_was_looked_at_since(staff, user, team, other_team):
    form = staff.get("/incidents/new").content.decode()
    assert f'name="team" value="{team.public_id}"' in form
    Membership.objects.create(user=user, team=other_team, role=Role.VIEWER)
    staff.post("/team", {"team": other_team.public_id})
    assert staff.post("/incidents/new", SAID | {"team": team.public_id}).status_code == 302
    assert Incident.objects.get().team == team
    assert staff.post("/incidents/new", SAID | {"team": other_team.public_id}).status_code == 403
    assert staff.post("/incidents/new", SAID | {"team": "team_nobody"}).status_code == 404
