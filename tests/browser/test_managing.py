"""Monitors and heartbeats are made, changed and deleted in a browser, with scripts and without."""

import pytest
from playwright.sync_api import expect

from config import clock
from monitors.lifecycle import create
from monitors.models import Heartbeat, Monitor
from teams.models import Membership, Role
from tests.incidents.test_resources import live_about

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LONG = "Unbroken" * 31


@pytest.fixture
def manages(user):
    """Alice manages the team."""
    Membership.objects.filter(user=user).update(role=Role.MANAGER)


@pytest.fixture
def own(team, user, manages):
    """One of each kind with long words; something is live about the monitor."""
    at = clock.now()
    monitor = create(Monitor, team, by=user, at=at, name=LONG, url="https://e.example/" + "x" * 500, type="status")
    heartbeat = create(Heartbeat, team, by=user, at=at, name=LONG, period=5_400, grace=0)
    live_about(monitor, user)
    return [f"/monitors/{monitor.pk}", f"/heartbeats/{heartbeat.pk}"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_page_overflows_or_makes_the_browser_complain(size, scheme, page, at_work, own, complaints):
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    for path in ["/monitors", "/monitors/new", "/heartbeats/new", *own, *(f"{one}/{do}" for one in own for do in DOES)]:
        at_work(path)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, path
    assert complaints == []


DOES = ("edit", "delete")


@pytest.mark.parametrize("browser_context_args", [{"java_script_enabled": False}, {}], indirect=True)
def test_a_monitor_is_added_edited_paused_and_deleted(page, at_work, manages):
    at_work("/monitors")
    page.get_by_role("link", name="Add monitor").click()
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Address").fill("https://shop.example")
    page.get_by_role("button", name="Add monitor").click()
    expect(page.get_by_text("Nothing checks your own monitors and heartbeats yet")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("paused here")).to_be_visible()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Name").fill("Till")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Name changed from Shop to Till")).to_be_visible()
    page.get_by_role("button", name="Unpause").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    assert Monitor.objects.get().destroyed_at is not None
