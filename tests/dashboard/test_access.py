import pytest
from django.test import Client
from django.utils import timezone

from incidents.models import Incident
from integrations.models import InboundDelivery
from monitors.models import Monitor
from teams.models import Membership, Role
from tests.conftest import an_event, make_integration, make_team, make_user, tell_it
from tests.dashboard.conftest import logged_in, words
from timeline.models import TimelineEvent

LISTS = ["/", "/incidents", "/monitors", "/heartbeats", "/deliveries", "/deliveries/replay", "/preferences"]


def records_of(integration):
    """A path to each kind of record that an integration brought into the house."""
    tell_it(integration, an_event("incident.started"), an_event("heartbeat.created"))
    incident = Incident.objects.get(integration_id=integration.pk)
    delivery = InboundDelivery.objects.filter(integration=integration).first()
    heartbeat = integration.team.heartbeats.get()
    return [
        f"/incidents/{incident.uuid}",
        f"/monitors/{Monitor.objects.get(integration_id=integration.pk).pk}",
        f"/heartbeats/{heartbeat.pk}",
        f"/deliveries/{delivery.pk}",
        f"/deliveries/{delivery.pk}/body",
        f"/deliveries/{delivery.pk}/replay",
        f"/facts/{TimelineEvent.objects.filter(team=integration.team).first().pk}",
    ]


@pytest.mark.parametrize("path", [*LISTS, "/incidents/00000000-0000-0000-0000-000000000000", "/monitors/1"])
def test_whoever_is_not_logged_in_is_sent_to_the_login_page_and_back(path, db):
    answer = Client().get(path + "?q=1")
    assert answer.status_code == 302
    assert answer.url == "/login?next=" + path.replace("/", "/") + "%3Fq%3D1"


def test_an_htmx_request_without_login_leaves_the_page_where_it_is_and_says_so_there(db):
    answer = Client().get("/incidents", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content) == (401, b"")
    assert (answer.headers["HX-Trigger"], answer.headers["HX-Reswap"]) == ("logged-out", "none")


def test_what_was_posted_without_login_is_carried_through_the_login(db):
    answer = Client().post("/incidents/new", {"title": "Shop is down"})
    assert (answer.status_code, answer.templates[0].name) == (401, "entrance/login.html")
    assert answer.context["unsent"] and answer.context["signed"]
    assert answer.context["next"] == "/"


@pytest.mark.parametrize("path", LISTS)
def test_every_page_answers_a_member(path, staff, tell):
    tell(an_event("incident.started"))
    assert staff.get(path).status_code == 200


def test_every_record_answers_a_member(staff, integration):
    for path in records_of(integration):
        assert staff.get(path).status_code == 200, path


def test_another_team_s_record_is_answered_like_a_missing_one(staff, strangers):
    missing = {
        "incidents": "/incidents/00000000-0000-0000-0000-000000000000",
        "monitors": "/monitors/999999",
        "heartbeats": "/heartbeats/999999",
        "deliveries": "/deliveries/999999",
        "facts": "/facts/999999",
    }
    for path in records_of(strangers):
        theirs, none = staff.get(path), staff.get(missing[path.split("/")[1]])
        assert (theirs.status_code, none.status_code) == (404, 404), path
        assert theirs.content == none.content


@pytest.mark.parametrize("number", ["9223372036854775808", "9" * 40, "9" * 5000, "-1", "1.5", "x"])
@pytest.mark.parametrize("kind", ["monitors", "heartbeats", "deliveries", "facts"])
def test_a_number_that_no_record_can_have_is_missing_too(kind, number, staff):
    assert staff.get(f"/{kind}/{number}").status_code == 404


def test_no_list_shows_another_team_s_records(staff, strangers):
    canary = "CANARY-OF-STRANGERS"
    event = an_event("incident.started", incident_name=canary, resource_name=canary)
    tell_it(strangers, event, an_event("heartbeat.created", heartbeat_name=canary), {"event": canary})
    for path in [*LISTS, "/incidents?q=canary", "/deliveries?status=quarantined"]:
        assert canary not in staff.get(path).content.decode(), path


def test_a_record_of_one_s_other_team_takes_one_over_to_that_team(staff, user, integration):
    second = make_team("Second")
    Membership.objects.create(team=second, user=user, role=Role.VIEWER)
    path = records_of(make_integration(second))[0]
    assert staff.get(path).status_code == 200
    assert "Second" in words(staff.get("/preferences"))
    assert "First" not in words(staff.get("/incidents"))


def test_a_superuser_without_membership_sees_no_team(integration):
    root = make_user("root@example.com", is_staff=True, is_superuser=True)
    path = records_of(integration)[0]
    answer = logged_in(root).get(path)
    assert answer.status_code == 403
    assert "You are not in a team yet" in words(answer)


def test_a_deactivated_team_can_not_be_entered(staff, team):
    team.deactivated_at = timezone.now()
    team.save()
    assert staff.get("/").status_code == 403


def test_pages_are_kept_by_no_cache_and_vary_by_htmx(staff):
    answer = staff.get("/incidents")
    assert "no-store" in answer.headers["Cache-Control"]
    assert "HX-Request" in answer.headers["Vary"]


def test_times_are_shown_in_the_reader_s_zone(staff, user, tell):
    tell(an_event("incident.started"))
    user.time_zone = "Asia/Kathmandu"
    user.save()
    assert "2026-05-13 17:45:00.000 +05:45" in staff.get("/incidents").content.decode()


def test_a_time_zone_that_this_machine_does_not_know_is_shown_as_utc(staff, user, tell):
    tell(an_event("incident.started"))
    user.time_zone = "Mars/Olympus_Mons"
    user.save()
    assert "2026-05-13 12:00:00.000 +00:00" in staff.get("/incidents").content.decode()
