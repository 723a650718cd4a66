"""Incidents are worked on in a browser: with scripts and without, by keyboard, on a phone, by two at once."""

import pytest
from playwright.sync_api import expect

from config import clock
from incidents import grouping, lifecycle
from incidents.declaring import Declaration, declare
from incidents.models import Incident, IncidentGroup, Severity, Type
from monitors.lifecycle import create
from monitors.models import Monitor
from tests.conftest import an_event, make_user, tell_it

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LONG = "Unbroken" * 31
BOTH_WAYS = pytest.mark.parametrize("browser_context_args", [{"java_script_enabled": False}, {}], indirect=True)


@pytest.fixture
def shut(team, user):
    return an_incident(team, user, "The shop is shut")


def an_incident(team, by, title):
    told = Declaration(Severity.MAJOR, Type.OTHER, "nobody can buy", title=title)
    return declare(team, told, by=by, at=clock.now())


@pytest.fixture
def everywhere(team, user, integration, shut):
    """Every page on which incidents are worked on, with long words on it."""
    at = clock.now()
    make_user("l" * 60 + "@example.com", team, name=LONG[:200])
    create(Monitor, team, by=user, at=at, name=LONG, url="https://e.example/", type="status")
    tell_it(integration, an_event("incident.started", at, incident_name=LONG, incident_cause=LONG), at=at)
    mirrored = Incident.objects.get(title=LONG)
    lifecycle.acknowledge(mirrored, by=user, at=at)
    group = grouping.make_group(team, LONG, at=at)
    grouping.group(mirrored, group, by=user, at=at)
    entry = f"/incidents/{mirrored.uuid}/entries"
    fact = mirrored.team.timeline_events.filter(subject_kind="incident", subject_id=mirrored.pk).first()
    return [
        *("/incidents", "/incidents/new", "/groups", f"/groups/{group.pk}", f"/incidents/{mirrored.uuid}"),
        *(f"/incidents/{shut.uuid}", f"/incidents/{mirrored.uuid}/delete", entry, f"{entry}/{fact.pk}"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_page_overflows_or_makes_the_browser_complain(size, scheme, page, at_work, everywhere, complaints):
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    for path in everywhere:
        at_work(path)
        for button in page.locator(".panels > details > summary").all():
            if button.is_visible():
                button.click()
                fits(page, path)
        for box in page.locator(".pick").all()[:1]:
            box.check()
        fits(page, path)
    assert complaints == []


def fits(page, path):
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, path


@BOTH_WAYS
def test_an_incident_is_worked_on_from_its_page(page, at_work, shut):
    at_work(f"/incidents/{shut.uuid}")
    page.get_by_label("Note", exact=True).first.fill("On my way")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged.", exact=True)).to_be_visible()
    expect(page.locator(".notes")).to_contain_text("On my way")
    page.get_by_text("Assign…").click()
    page.get_by_label("Who has it").select_option(label="Alice Johnson, alice@example.com")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("Saved who has it.")).to_be_visible()
    page.get_by_text("Change severity…").click()
    page.get_by_label("Severity", exact=True).select_option("critical")
    page.get_by_role("button", name="Change severity").click()
    expect(page.get_by_text("Severity changed.", exact=True)).to_be_visible()
    page.get_by_text("Escalate…").click()
    page.get_by_label("Everybody in Operations").check()
    page.get_by_role("button", name="Escalate").click()
    expect(page.get_by_text("Escalated. An escalation is only recorded: nobody is notified.")).to_be_visible()
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("Resolved.", exact=True)).to_be_visible()
    shut.refresh_from_db()
    assert (shut.status, shut.severity, shut.assignee.email) == ("resolved", "critical", "alice@example.com")


@BOTH_WAYS
def test_who_comes_second_is_told_and_keeps_what_was_typed(page, at_work, shut, team):
    bob = make_user("bob@example.com", team, name="Bob Smith")
    at_work(f"/incidents/{shut.uuid}")
    page.get_by_label("Note", exact=True).first.fill("I was first")
    lifecycle.acknowledge(shut, by=bob, at=clock.now())
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Bob Smith acknowledged it at")).to_be_visible()
    expect(page.get_by_label("Note", exact=True).first).to_have_value("I was first")
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("Resolved.", exact=True)).to_be_visible()


@BOTH_WAYS
def test_several_are_worked_on_from_the_list(page, at_work, team, user):
    for title in ("Alpha", "Beta", "Gamma"):
        an_incident(team, user, title)
    at_work("/incidents?status=open")
    page.get_by_label("Select Alpha").check()
    page.get_by_label("Select Beta").check()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".answers")).to_contain_text("Alpha")
    assert page.locator(".answers .said").all_inner_texts() == ["Acknowledged."] * 2
    assert page.url.endswith("/incidents?status=open")
    at_work("/incidents")
    page.get_by_label("Select Gamma").check()
    page.get_by_text("Group…").click()
    page.get_by_label("Name of a new group").fill("Power cut")
    page.get_by_role("button", name="Group", exact=True).click()
    expect(page.locator(".answers")).to_contain_text("Grouped.")
    at_work(f"/groups/{IncidentGroup.objects.get().pk}")
    page.get_by_role("button", name="Resolve it").click()
    expect(page.locator(".answers")).to_contain_text("Resolved.")


def test_the_rows_show_what_is_stored_without_a_reload(page, at_work, team, user):
    for title in ("Alpha", "Beta"):
        an_incident(team, user, title)
    at_work("/incidents")
    page.get_by_role("button", name="Select all shown").wait_for(state="hidden")
    page.get_by_label("Select Alpha").check()
    page.get_by_role("button", name="Select all shown").click()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.evaluate("window.stays = true")
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#rows .chip", has_text="Resolved")).to_have_count(2)
    expect(page.locator("#live-count")).to_have_text("")
    assert page.evaluate("window.stays")


@BOTH_WAYS
def test_an_incident_is_declared_and_its_record_corrected(page, at_work, team):
    at_work("/incidents")
    page.get_by_role("link", name="Declare").click()
    page.get_by_label("What is wrong").fill("Nobody can buy")
    page.get_by_label("Started").fill("2026-05-13T14:05")
    page.get_by_role("button", name="Declare").click()
    expect(page.get_by_text("Declared.", exact=True)).to_be_visible()
    page.get_by_text("Add an entry after the fact").click()
    page.get_by_label("What happened").fill("Called the power company")
    page.get_by_label("When", exact=True).fill("2026-05-13T14:30")
    page.get_by_label("Why it is added now").fill("was busy")
    page.get_by_role("button", name="Add entry").click()
    expect(page.get_by_text("Entry added.")).to_be_visible()
    page.get_by_role("link", name="Correct or hide…").first.click()
    page.get_by_label("Reason").first.fill("was another day")
    page.get_by_role("button", name="Hide", exact=True).click()
    expect(page.get_by_text("Hidden by Alice Johnson")).to_be_visible()


def test_a_move_is_made_by_keyboard_alone(page, at_work, shut):
    at_work(f"/incidents/{shut.uuid}")
    page.get_by_role("button", name="Acknowledge").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Acknowledged.", exact=True)).to_be_visible()
    expect(page.locator(".acted")).to_be_focused()
    # What was swapped in is settled a moment later, and takes the focus once more then.
    expect(page.locator(".htmx-settling, .htmx-added")).to_have_count(0)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Resolve")).to_be_focused()


def test_a_panel_closes_by_escape_and_by_a_click_elsewhere(page, at_work, shut):
    at_work(f"/incidents/{shut.uuid}")
    page.get_by_text("Escalate…").click()
    page.get_by_label("Everybody in Operations").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Everybody in Operations")).not_to_be_visible()
    expect(page.locator(".panels summary").first).to_be_focused()
    page.get_by_text("Assign…").click()
    page.get_by_role("heading", name="The shop is shut").click()
    expect(page.get_by_label("Who has it")).not_to_be_visible()


def test_what_could_not_be_sent_is_said(page, at_work, shut):
    at_work(f"/incidents/{shut.uuid}")
    page.context.set_offline(True)
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("This could not be sent")).to_be_visible()
    page.context.set_offline(False)
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged.", exact=True)).to_be_visible()
    expect(page.get_by_text("This could not be sent")).not_to_be_visible()
