import pytest
from django.conf import settings
from playwright.sync_api import expect

from config import clock
from config.health import report_loop
from incidents.models import Incident
from integrations.models import InboundDelivery
from tests.conftest import an_event, tell_it

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
NASTY = "Unbroken" * 400 + "\u202e<b>مرحبا</b>"


@pytest.fixture
def month(integration):
    """An incident with all kinds of texts, and something in quarantine."""
    now = clock.now()
    tell_it(
        integration,
        an_event("monitor.created", now, monitor_name=NASTY, monitor_url="https://example.com/" + "x" * 500),
        an_event("incident.started", now, incident_name=NASTY, resource_name=NASTY, incident_cause=NASTY),
        an_event("incident.acknowledged", now, user_name=NASTY, message=NASTY),
        an_event("heartbeat.down", now, heartbeat_name=NASTY),
        an_event("incident.started", now, incident_id=NASTY),
        at=now,
    )


def every_path():
    incident, delivery = Incident.objects.get(), InboundDelivery.objects.latest("id")
    return [
        *("/", "/incidents", "/incidents?status=closed", f"/incidents/{incident.uuid}", "/preferences"),
        *("/monitors", f"/monitors/{incident.resource_id}", "/heartbeats", "/deliveries"),
        *("/deliveries/replay", f"/deliveries/{delivery.pk}", f"/deliveries/{delivery.pk}/replay"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_page_overflows_or_makes_the_browser_complain(size, scheme, page, at_work, month, complaints):
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    for path in every_path():
        at_work(path)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, path
    assert complaints == []


def test_it_can_be_used_by_keyboard_alone(page, at_work, month):
    at_work("/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.locator(".account summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out")).not_to_be_visible()
    expect(page.locator(".account summary")).to_be_focused()


def test_search_narrows_the_list_as_one_types_and_back_leads_back(page, at_work, integration):
    now = clock.now()
    for number, name in enumerate(("Alpha", "Beta"), start=1):
        tell_it(integration, an_event("incident.started", now, incident_id=number, incident_name=name), at=now)
    at_work("/incidents")
    page.get_by_label("Search").press_sequentially("alp")
    expect(page.get_by_role("link", name="Beta")).not_to_be_visible()
    expect(page.get_by_role("link", name="Alpha")).to_be_visible()
    assert "q=alp" in page.url
    page.get_by_role("link", name="Clear").click()
    expect(page.get_by_role("link", name="Beta")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Search")).to_have_value("alp")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def test_the_overview_refreshes_itself_and_says_when_it_can_not(page, at_work, integration):
    now = clock.now()
    for loop in settings.WORKER_LOOPS:
        report_loop(loop, now)
    at_work("/")
    expect(page.get_by_role("heading", name="Nothing heard yet")).to_be_visible()
    tell_it(integration, an_event("monitor.created", now), at=now)
    # The page that waits turns by itself.
    expect(page.get_by_role("heading", name="All quiet")).to_be_visible()
    tell_it(integration, an_event("incident.started", now), at=now)
    come_back = "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(come_back)
    expect(page.get_by_role("heading", name="One incident is live")).to_be_visible()
    expect(page.locator("#live-count")).to_have_text("1 live")
    page.context.set_offline(True)
    page.evaluate(come_back)
    expect(page.get_by_text("This page could not be refreshed")).to_be_visible()
    page.context.set_offline(False)
    page.evaluate(come_back)
    expect(page.get_by_text("This page could not be refreshed")).not_to_be_visible()


def test_what_one_chooses_is_still_chosen_after_a_reload(page, at_work, month):
    at_work("/incidents")
    page.locator(".account summary").click()
    page.get_by_role("button", name="Dark").click()
    page.get_by_role("button", name="Exact").click()
    page.reload()
    chosen = page.evaluate("({...document.documentElement.dataset})")
    assert (chosen["theme"], chosen["times"]) == ("dark", "exact")
    expect(page.locator(".row-side .exact").first).to_be_visible()


def test_a_tap_on_a_time_shows_it_exactly(page, at_work, month):
    at_work("/incidents")
    time = page.locator(".row-side time").first
    expect(time.locator(".exact")).not_to_be_visible()
    time.click()
    expect(time.locator(".exact")).to_be_visible()
    assert page.url.endswith("/incidents")


@pytest.fixture
def plain_page(browser, live_server, user):
    """A page of a browser without JavaScript, on which Alice logged in by the form."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(live_server.url + "/login?next=/incidents")
    page.get_by_label("E-mail").fill("alice@example.com")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()
    yield page
    context.close()


def test_without_javascript_it_still_filters_opens_and_takes_notes(plain_page, month):
    plain_page.get_by_label("Status").select_option("acknowledged")
    plain_page.get_by_role("button", name="Filter").click()
    plain_page.locator(".row-link").click()
    plain_page.get_by_text("Raw", exact=True).first.click()
    expect(plain_page.locator("pre.raw").first).to_be_visible()
    plain_page.get_by_label("Add a note").fill("Written without a script.")
    plain_page.get_by_role("button", name="Add note").click()
    expect(plain_page.locator(".note")).to_contain_text("Written without a script.")
    plain_page.locator(".account summary").click()
    plain_page.get_by_role("button", name="Log out").click()
    expect(plain_page.get_by_role("heading", name="Log in")).to_be_visible()
