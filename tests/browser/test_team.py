"""A team's pages in a browser: nothing overflows, secrets can be copied, and all of it works without scripts."""

import pytest
from playwright.sync_api import expect

from teams.authentication import make_key
from teams.models import APIKey, Membership, Role, Scope
from tests.conftest import NOON, make_integration, make_user
from tests.endpoints import make_attempt, make_endpoint, make_message
from timeline.outbound.installation import pause
from timeline.outbound.lifecycle import disable
from timeline.outbound.models import Message

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LONG = "Unbroken" * 25
BOTH = pytest.mark.parametrize("browser_context_args", [{"java_script_enabled": False}, {}], indirect=True)


@pytest.fixture
def manages(user):
    """Alice manages the team."""
    Membership.objects.filter(user=user).update(role=Role.MANAGER)


@pytest.fixture
def paths(team, user, manages):
    """All pages that can be read, with long words on them."""
    integration = make_integration(team, LONG, count_only=[LONG, "a.b"])
    key, _ = make_key(team, user, LONG, list(Scope))
    key.ingest = integration.ingest_keys.create(api_key=key)
    bob = make_user(f"{'b' * 60}@{'example.' * 12}com", team, name=LONG, must_change_password=True)
    make_key(team, bob, LONG, [Scope.READ])
    member = team.memberships.get(user=bob).pk
    here = f"/team/integrations/{integration.pk}"
    lists = ["/team/members", "/team/integrations", "/team/keys", "/team/endpoints"]
    endpoint = make_endpoint(team, description=LONG, url=f"https://hooks.example.com/{LONG}", further=True)
    failed = make_endpoint(team, url=f"https://hooks.example.com/{LONG}", event_types=["monitor.down"])
    message = make_message(endpoint, status="dead", why=LONG, ended_at=NOON)
    make_attempt(message, status_code=404, error=LONG, excerpt=LONG * 20)
    disable(failed, at=NOON, why=LONG)
    pause(NOON, LONG)
    return [
        *(f"/team/endpoints/{endpoint.pk}{do}" for do in ("", "/edit", "/rotate", "/replay", "/delete")),
        f"/team/endpoints/{failed.pk}",
        "/team/messages",
        f"/team/messages/{message.pk}",
        *lists,
        *(f"{path}/new" for path in lists),
        *(f"/team/members/{member}/{do}" for do in ("role", "remove")),
        f"/team/keys/{key.pk}/revoke",
        here,
        *(f"{here}/{do}" for do in ("edit", "rotate", "signing", "shut")),
        "/password",
        "/preferences",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_page_overflows_or_makes_the_browser_complain(size, scheme, page, at_work, paths, complaints):
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    for path in paths:
        at_work(path)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, path
    assert complaints == []


@BOTH
def test_a_key_is_made_seen_once_and_revoked(page, at_work, manages):
    at_work("/")
    page.get_by_role("link", name="Team", exact=True).click()
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("link", name="Make key").click()
    page.get_by_label("Name").fill("laptop")
    page.get_by_label("Write").check()
    page.get_by_role("button", name="Make key").click()
    text = page.locator("#secret").inner_text()
    assert text.startswith(APIKey.objects.get().prefix) and text not in page.url
    page.reload()
    expect(page.locator("#secret")).to_have_count(0)
    expect(page.get_by_text("read, write")).to_be_visible()
    page.get_by_role("link", name="Revoke… laptop").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("“laptop” is revoked.")).to_be_visible()


@BOTH
def test_an_integration_is_added_its_address_seen_and_its_door_shut(page, at_work, manages):
    at_work("/team/integrations")
    page.get_by_role("link", name="Add integration").click()
    page.get_by_label("Name", exact=True).fill("Pager")
    page.get_by_role("button", name="Add integration").click()
    expect(page.locator("#secret")).to_contain_text("/api/webhooks/incident-log/whi_")
    page.reload()
    expect(page.locator("#secret")).to_have_count(0)
    page.get_by_role("button", name="Show the address").click()
    expect(page.locator("#secret")).to_contain_text("/api/webhooks/incident-log/whi_")
    page.get_by_role("link", name="Change…").click()
    page.get_by_label("Ask for signatures, with a new secret").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#secret")).to_contain_text("whsec_")
    page.get_by_role("link", name="Shut its door").click()
    page.get_by_role("button", name="Shut its door").click()
    expect(page.get_by_text("Its door is shut.")).to_be_visible()
    page.get_by_role("button", name="Reopen its door").click()
    expect(page.get_by_text("Its door is open again.")).to_be_visible()


@BOTH
def test_somebody_new_is_invited_makes_an_account_forgets_the_password_and_is_removed(page, at_work, manages):
    at_work("/team/members")
    page.get_by_role("link", name="Invite member").click()
    page.get_by_label("E-mail").fill("nora@example.com")
    page.get_by_role("button", name="Make the link").click()
    link = page.locator("#secret").inner_text()
    expect(page.get_by_text("not accepted yet")).to_be_visible()
    alice = page.context.cookies()
    page.context.clear_cookies()
    page.goto(link)
    page.get_by_label("Your name").fill("Nora New")
    choose_password(page, "a lamp of brass")
    page.get_by_role("button", name="Make an account and join").click()
    expect(page.get_by_text("Welcome to Operations.")).to_be_visible()
    page.context.clear_cookies()
    page.context.add_cookies(alice)
    at_work("/team/members")
    page.get_by_role("link", name="Password… of Nora New").click()
    page.get_by_role("button", name="Make the link").click()
    link = page.locator("#secret").inner_text()
    page.context.clear_cookies()
    page.goto(link)
    choose_password(page, "a lamp of tin 9")
    page.get_by_role("button", name="Make it and log in").click()
    expect(page.get_by_text("Your password is made.")).to_be_visible()
    page.context.clear_cookies()
    page.context.add_cookies(alice)
    at_work("/team/members")
    page.get_by_role("link", name="Remove… Nora New").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Nora New is no member any more.")).to_be_visible()


def choose_password(page, text):
    page.get_by_label("New password", exact=True).fill(text)
    page.get_by_label("The new password again").fill(text)


@BOTH
def test_an_endpoint_is_made_its_secret_seen_once_and_a_test_sent(page, at_work, manages):
    at_work("/team/endpoints")
    page.get_by_role("link", name="Add one").click()
    page.get_by_label("URL").fill("http://127.0.0.1/")
    page.get_by_role("button", name="Add endpoint").click()
    expect(page.get_by_text("127.0.0.1 is not on the public internet.")).to_be_visible()
    page.get_by_label("URL").fill("https://hooks.example.com/in")
    page.get_by_label("Description").fill("Status page")
    page.get_by_label("monitor.down").check()
    page.get_by_role("button", name="Add endpoint").click()
    expect(page.locator("#secret")).to_contain_text("whsec_")
    expect(page.get_by_role("heading", name="Status page")).to_be_visible()
    page.reload()
    expect(page.locator("#secret")).to_have_count(0)
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("A test is on its way.")).to_be_visible()
    expect(page.get_by_role("heading", name="Not tried yet")).to_be_visible()
    page.get_by_role("link", name="Status page").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No endpoints yet")).to_be_visible()


def test_what_becomes_of_a_test_is_seen_without_a_reload(page, at_work, team, manages):
    message = make_message(make_endpoint(team, description="Status page"))
    at_work(f"/team/messages/{message.pk}")
    expect(page.get_by_text("it is sent at once")).to_be_visible()
    make_attempt(message)
    Message.objects.update(status="delivered", ended_at=NOON)
    expect(page.get_by_role("button", name="Send again")).to_be_visible()
