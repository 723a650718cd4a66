"""Django admin in a real browser: under the policy of the pages its scripts work and nothing is refused."""

import pytest
from django.conf import settings
from playwright.sync_api import expect

from config import clock
from incidents.models import Incident
from integrations.models import InboundDelivery
from teams.authentication import make_key
from teams.models import APIKey, Scope, User
from tests.conftest import an_event, tell_it


@pytest.fixture
def records(integration, team, user):
    """A record of every kind."""
    make_key(team, user, "laptop", [Scope.READ])
    now = clock.now()
    told = [an_event("monitor.created", now), an_event("incident.started", now), an_event("heartbeat.up", now)]
    tell_it(integration, *told, an_event("incident.started", now, incident_id="x"), at=now)


@pytest.fixture
def in_admin(page, live_server, staff):
    """Olga's page in the browser: `in_admin("teams/team/")` goes there."""
    session = staff.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])

    def goes(path):
        page.goto(f"{live_server.url}/admin/{path}")
        return page

    return goes


def every_path():
    incident, delivery, key = Incident.objects.get(), InboundDelivery.objects.latest("id"), APIKey.objects.get()
    team, user = key.team_id, key.user_id
    return [
        *("", "teams/", f"teams/team/{team}/change/", f"teams/team/{team}/delete/", f"teams/team/{team}/history/"),
        *("teams/organization/", f"teams/organization/{key.team.organization_id}/delete/", "teams/apikey/add/"),
        *("teams/user/", f"teams/user/{user}/change/", "teams/user/add/", f"teams/user/{user}/password/"),
        *(f"teams/apikey/{key.pk}/change/", "integrations/ingestkey/add/", "password_change/", "auth/group/add/"),
        *(f"integrations/integration/{delivery.integration_id}/change/", "integrations/integration/add/"),
        *("integrations/inbounddelivery/?status__exact=quarantined", "incidents/incident/", "integrations/doorcount/"),
        *(f"integrations/inbounddelivery/{delivery.pk}/change/", f"incidents/incident/{incident.pk}/change/"),
        *(f"incidents/incident/{incident.pk}/delete/", f"monitors/monitor/{incident.resource_id}/change/"),
        *("monitors/heartbeat/", "timeline/timelineevent/", f"timeline/timelineevent/{delivery.fact_id or 1}/change/"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_admin_overflows_or_makes_the_browser_complain(scheme, page, in_admin, records, complaints):
    page.set_viewport_size({"width": 1280, "height": 860})
    page.emulate_media(color_scheme=scheme)
    for path in every_path():
        in_admin(path)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (complaints, max(wider, 0)) == ([], 0), path


def test_an_api_key_is_made_with_suggestions_and_a_calendar(page, in_admin, records, complaints, team, user):
    in_admin("teams/apikey/add/")
    operator = User.objects.get(is_superuser=True)
    team.memberships.create(user=operator)
    for field, sought, name in (("team", "oper", "Operations"),):
        page.locator(f".field-{field} .select2-selection").click()
        page.locator(".select2-search__field").fill(sought)
        page.locator(".select2-results__option", has_text=name).click()
    page.get_by_label("Name:").fill("agent")
    page.locator(".field-expires_at .date-icon").click()
    expect(page.locator(".calendarbox")).to_be_visible()
    page.locator(".calendarbox .calendarnav-next").click()
    page.locator(".calendarbox .calendar td a").first.click()
    page.locator(".field-expires_at .clock-icon").click()
    page.get_by_role("link", name="Noon").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .secret")).to_contain_text("wk_")
    made = APIKey.objects.get(name="agent")
    assert (made.team, made.user, made.expires_at > clock.now()) == (team, operator, True)
    assert complaints == []


def test_replaying_is_tried_dry_and_can_be_called_off(page, in_admin, records, complaints):
    in_admin("integrations/inbounddelivery/?status__exact=quarantined")
    page.locator(".action-select").check()
    page.get_by_label("Action:").select_option("replay")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_text("A dry run: nothing has been changed yet.")).to_be_visible()
    page.get_by_role("link", name="No, take me back").click()
    expect(page.get_by_role("heading", name="Select inbound delivery to view")).to_be_visible()
    assert not InboundDelivery.objects.exclude(replayed_at=None).exists()
    assert complaints == []


def test_the_theme_is_the_one_that_the_pages_have(page, in_admin, live_server, records):
    in_admin("")
    page.get_by_role("group", name="Theme").get_by_role("button", name="Dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto(f"{live_server.url}/login")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
