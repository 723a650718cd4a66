"""Coming in, in a browser: what was typed when a session had ended, two windows, and links that are handed over."""

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from config import clock
from incidents.declaring import Declaration, declare
from incidents.models import Severity, Type
from teams.entry_links import invite
from teams.models import Membership, Role, User
from tests.conftest import make_user

TYPED = "The database was restarted.\nIt took long."
BOTH = pytest.mark.parametrize("browser_context_args", [{"java_script_enabled": False}, {}], indirect=True)


@pytest.fixture
def shut(team, user):
    told = Declaration(Severity.MAJOR, Type.OTHER, "nobody can buy", title="The shop is shut")
    return f"/incidents/{declare(team, told, by=user, at=clock.now()).uuid}"


def log_in(page, email="alice@example.com", password="correct horse battery"):
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


@BOTH
def test_what_was_typed_when_the_session_had_ended_is_kept_until_it_is_recorded(page, at_work, shut, complaints):
    at_work(shut)
    page.get_by_label("Add a note").fill(TYPED)
    Session.objects.all().delete()
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("You are logged out, so this was not recorded.")).to_be_visible()
    expect(page.get_by_text("It took long.")).to_be_visible()
    log_in(page, password="wrong")
    expect(page.get_by_text("The e-mail or the password is not right.")).to_be_visible()
    log_in(page)
    expect(page.get_by_role("heading", name="Not recorded yet")).to_be_visible()
    expect(page.get_by_label("Message")).to_have_value(TYPED)
    page.get_by_role("button", name="Send it again").click()
    expect(page.locator(".note").first).to_contain_text("The database was restarted.")
    assert [each for each in complaints if "401" not in each and "400" not in each] == []


def test_a_page_says_that_the_session_ended_and_keeps_what_is_being_typed(page, at_work, shut):
    at_work("/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<textarea id=mine></textarea>')")
    page.locator("#mine").fill(TYPED)
    page.locator("h1").first.click()
    Session.objects.all().delete()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#logged-out")).to_be_visible()
    expect(page.locator("#mine")).to_have_value(TYPED)
    page.locator("#logged-out").get_by_role("link", name="Log in").click()
    log_in(page)
    expect(page.locator("#logged-out")).to_be_hidden()


@BOTH
def test_a_login_opened_in_two_windows_is_no_error(page, live_server, user):
    second = page.context.new_page()
    for each in (page, second):
        each.goto(live_server.url + "/login?next=/incidents")
    log_in(page)
    log_in(second)
    for each in (page, second):
        expect(each.get_by_role("heading", name="Incidents", exact=True)).to_be_visible()


def test_a_note_typed_before_one_logged_in_again_in_another_window_is_kept(page, at_work, live_server, shut):
    at_work(shut)
    page.get_by_label("Add a note").fill(TYPED)
    Session.objects.all().delete()
    second = page.context.new_page()
    second.goto(live_server.url + "/login")
    log_in(second)
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_label("Message")).to_have_value(TYPED)
    page.get_by_role("button", name="Send it again").click()
    expect(page.locator(".note").first).to_contain_text("It took long.")


@BOTH
def test_where_one_wanted_to_go_survives_the_login_and_the_first_password(page, live_server, user):
    User.objects.filter(pk=user.pk).update(must_change_password=True)
    page.goto(live_server.url + "/incidents?status=live")
    log_in(page)
    page.get_by_label("Present password").fill("correct horse battery")
    page.get_by_label("New password", exact=True).fill("a lamp of brass")
    page.get_by_label("The new password again").fill("a lamp of brass")
    page.get_by_role("button", name="Change it").click()
    expect(page).to_have_url(live_server.url + "/incidents?status=live")


@BOTH
@pytest.mark.parametrize("size", [{"width": 1280, "height": 900}, {"width": 390, "height": 844}], ids=["wide", "phone"])
def test_links_open_pages_that_neither_overflow_nor_make_the_browser_complain(
    size, page, live_server, team, complaints
):
    page.set_viewport_size(size)
    mary = make_user("mary@example.com", team, Role.MANAGER, name="M" * 200)
    _, text = invite(team, "n" * 60 + "@example.com", Role.VIEWER, by=mary, at=clock.now())
    for path in (f"/link/{text}", "/login"):
        page.goto(live_server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, path
    assert complaints == []
    page.goto(f"{live_server.url}/link/{text}")
    page.get_by_label("Your name").fill("Nora")
    page.get_by_label("New password", exact=True).fill("a lamp of brass")
    page.get_by_label("The new password again").fill("a lamp of brass")
    page.get_by_role("button", name="Make an account and join").click()
    expect(page.get_by_text("Welcome to Operations.")).to_be_visible()
    assert Membership.objects.filter(team=team, user__name="Nora").exists()
