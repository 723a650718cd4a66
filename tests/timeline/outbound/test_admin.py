"""Endpoints, messages and attempts in Django admin, and letting sending go on."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission

from config import clock
from monitors import lifecycle as resources
from monitors.models import Monitor
from tests.conftest import NOON, make_user
from tests.endpoints import HOOK, make_attempt, make_endpoint, make_message, secrets_at
from timeline.outbound.installation import pause, this_installation
from timeline.outbound.lifecycle import delete_endpoint, disable
from timeline.outbound.models import Endpoint, Installation, Message

ENDPOINTS, MESSAGES = "/admin/timeline/endpoint/", "/admin/timeline/message/"
ATTEMPTS, INSTALLATIONS = "/admin/timeline/attempt/", "/admin/timeline/installation/"


@pytest.fixture(autouse=True)
def at_noon():
    with clock.at(NOON):
        yield


@pytest.fixture
def endpoint(team):
    return make_endpoint(team, description="Status page")


def text_of(answer):
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def act(staff, address, action, *records, **further):
    """Run an action on some records."""
    said = {"action": action, "_selected_action": [each.pk for each in records], **further}
    return text_of(staff.post(address, said, follow=True))


def secret_in(page):
    """The secret that a page shows, this once."""
    found = re.search(r'<code class="secret">(whsec_[^<]+)</code>', page)
    return found and found[1]


# --- endpoints --------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_added_its_secret_seen_once_and_changed(staff, team):
    said = {"team": team.pk, "url": HOOK, "description": "Status page", "events": ["monitor.down"]}
    page = text_of(staff.post(f"{ENDPOINTS}add/", said, follow=True))
    made = Endpoint.objects.get()
    assert (made.team, made.url, made.event_types) == (team, HOOK, ["monitor.down"])
    assert secrets_at(made, NOON) == [secret_in(page)]
    address = f"{ENDPOINTS}{made.pk}/change/"
    assert secret_in(text_of(staff.get(address))) is None
    said = {"url": HOOK, "further": "on", "further_events": ["incident.closed"], "relay": "on"}
    staff.post(address, said, follow=True)
    made.refresh_from_db()
    assert (made.description, made.event_types) == ("", ["incident.closed"])
    assert (made.further, made.relay) == (True, True)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"url": "http://10.0.0.1/"}, "10.0.0.1 is not on the public internet."),
        ({"url": "x"}, "Expected an address such as"),
        ({"further_events": ["incident.closed"]}, "Tick “Further events and fields”, too, or none of these."),
    ],
)
def test_what_can_be_no_endpoint_is_said_beside_the_form(change, refusal, staff, team, endpoint):
    for address in (f"{ENDPOINTS}add/", f"{ENDPOINTS}{endpoint.pk}/change/"):
        assert refusal in text_of(staff.post(address, {"team": team.pk, "url": HOOK} | change))
    assert [each.url for each in Endpoint.objects.all()] == [HOOK]


def test_endpoints_are_enabled_disabled_tested_and_rotated(staff, endpoint):
    assert "1 disabled." in act(staff, ENDPOINTS, "disable", endpoint)
    assert "This endpoint is disabled; enable it first." in act(staff, ENDPOINTS, "send_test", endpoint)
    assert "1 enabled." in act(staff, ENDPOINTS, "enable", endpoint)
    assert "0 enabled." in act(staff, ENDPOINTS, "enable", endpoint)
    assert "1 sent a test." in act(staff, ENDPOINTS, "send_test", endpoint)
    assert Message.objects.get().event == "endpoint.test"
    assert secret_in(act(staff, ENDPOINTS, "rotate", endpoint)) is None
    secret = secret_in(act(staff, ENDPOINTS, "rotate", endpoint, post="yes"))
    endpoint.refresh_from_db()
    assert secrets_at(endpoint, NOON) == [secret, endpoint.secret]
    assert LogEntry.objects.count() == 4


def test_of_two_who_rotate_a_secret_at_the_same_time_the_second_is_told(staff, endpoint):
    """The one before it stays good for a day, which a second rotation would end."""
    asked = act(staff, ENDPOINTS, "rotate", endpoint)
    sent = {"post": "yes", "seen": re.search(r'name="seen" value="([^"]+)"', asked)[1]}
    secret = secret_in(act(staff, ENDPOINTS, "rotate", endpoint, **sent))
    again = act(staff, ENDPOINTS, "rotate", endpoint, **sent)
    assert "You made a new secret" in again and secret_in(again) is None
    endpoint.refresh_from_db()
    assert secrets_at(endpoint, NOON) == [secret, endpoint.secret]


def test_a_time_is_replayed(staff, endpoint, team, user):
    resources.create(Monitor, team, by=user, at=NOON, name="Shop", url="https://shop.example", type="status")
    Message.objects.update(status="delivered", ended_at=NOON)
    assert "id_since_0" in act(staff, ENDPOINTS, "replay", endpoint)
    said = {"since_0": "2026-05-13", "since_1": "11:00", "until_0": "2026-05-13", "until_1": "11:00", "post": "yes"}
    assert "It must be later than the beginning." in act(staff, ENDPOINTS, "replay", endpoint, **said)
    done = act(staff, ENDPOINTS, "replay", endpoint, **said | {"until_1": "13:00"})
    assert "Messages on their way: 1." in done
    assert Message.objects.get().status == "new"


def test_a_deleted_one_stays_to_be_read_and_takes_no_change(staff, endpoint):
    staff.post(f"{ENDPOINTS}{endpoint.pk}/delete/", {"post": "yes"})
    endpoint.refresh_from_db()
    assert endpoint.deleted_at == NOON
    page = text_of(staff.get(f"{ENDPOINTS}{endpoint.pk}/change/"))
    assert 'name="_save"' not in page
    assert staff.post(f"{ENDPOINTS}{endpoint.pk}/change/", {"url": HOOK}).status_code == 403
    for action in ("enable", "disable", "send_test"):
        assert "This endpoint was deleted." in act(staff, ENDPOINTS, action, endpoint)
    assert "Status page" in text_of(staff.get(f"{ENDPOINTS}?deleted=yes"))
    assert "Status page" not in text_of(staff.get(f"{ENDPOINTS}?deleted=no"))


def test_its_page_offers_what_makes_sense_and_shows_what_was_sent(staff, endpoint):
    make_message(endpoint, status="dead", why="The answer was 404.")
    page = text_of(staff.get(f"{ENDPOINTS}{endpoint.pk}/change/"))
    assert "The answer was 404." in page
    assert ("Disable</button>" in page, "Enable</button>" in page) == (True, False)
    disable(endpoint, at=NOON, why="It answered 410: it is gone.")
    page = text_of(staff.get(f"{ENDPOINTS}{endpoint.pk}/change/"))
    assert "It answered 410: it is gone." in page
    assert ("Disable</button>" in page, "Enable</button>" in page) == (False, True)


# --- messages and attempts --------------------------------------------------------------------------------------------


def test_a_message_is_read_with_its_attempts_and_nobody_changes_it(staff, endpoint):
    message = make_message(endpoint, status="due", due_at=NOON, why="The answer was 503.", tries=1)
    attempt = make_attempt(message, status_code=503, error="The answer was 503.", excerpt="<b>busy</b>")
    interrupted = make_attempt(message, ended_at=None, status_code=None)
    page = text_of(staff.get(f"{MESSAGES}{message.pk}/change/"))
    assert message.webhook_id in page
    assert "250 ms" in page
    assert "no end" in page
    assert endpoint.secret not in page
    assert 'name="_save"' not in page
    assert staff.get(f"{MESSAGES}add/").status_code == 403
    assert staff.post(f"{MESSAGES}{message.pk}/delete/", {"post": "yes"}).status_code == 403
    assert "&lt;b&gt;busy&lt;/b&gt;" in text_of(staff.get(f"{ATTEMPTS}{attempt.pk}/change/"))
    assert "no end" in text_of(staff.get(f"{ATTEMPTS}{interrupted.pk}/change/"))
    assert "no end" in text_of(staff.get(f"{ATTEMPTS}?message_id={message.pk}"))


def found(staff, query):
    """The ids of the messages in a list."""
    page = text_of(staff.get(f"{MESSAGES}?{query}"))
    return [int(number) for number in re.findall(r'name="_selected_action" value="(\d+)"', page)]


def test_messages_are_narrowed(staff, endpoint, team, user):
    shop = resources.create(Monitor, team, by=user, at=NOON, name="Shop", url="https://shop.example", type="status")
    about = Message.objects.get()
    test = make_message(make_endpoint(team), status="dead")
    for query, expected in (
        ("", [test.pk, about.pk]),
        ("state=dead", [test.pk]),
        ("state=waiting", [about.pk]),
        ("event=endpoint.test", [test.pk]),
        (f"about=monitor-{shop.pk}", [about.pk]),
        (f"endpoint_id={endpoint.pk}", [about.pk]),
        (f"team__id__exact={team.pk}&state=dead", [test.pk]),
        (f"q={about.pk}", [about.pk]),
    ):
        assert found(staff, query) == expected, query
    assert staff.get(f"{MESSAGES}?state=lost").status_code == 302


def test_messages_are_sent_again_and_given_up(staff, endpoint):
    over, waits = make_message(endpoint, status="delivered", ended_at=NOON), make_message(endpoint)
    assert "1 sent again." in act(staff, MESSAGES, "redeliver", over, waits)
    assert "They are not sent any more." in act(staff, MESSAGES, "give_up", over, waits)
    assert set(Message.objects.values_list("status", flat=True)) == {"new"}
    assert "2 given up." in act(staff, MESSAGES, "give_up", over, waits, post="yes")
    assert set(Message.objects.values_list("status", "why")) == {("dead", "Given up by hand.")}
    delete_endpoint(endpoint, at=NOON)
    assert "This endpoint was deleted." in act(staff, MESSAGES, "redeliver", over)


def test_who_may_only_look_does_nothing(client, endpoint):
    clerk = make_user("clerk@example.com", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(clerk)
    message = make_message(endpoint)
    this_installation()
    pause(NOON, "Why")
    assert found(client, "") == [message.pk] or "result_list" in text_of(client.get(MESSAGES))
    for address, action, record in (
        (ENDPOINTS, "disable", endpoint),
        (MESSAGES, "give_up", message),
        (INSTALLATIONS, "let_go_on", Installation.objects.get()),
    ):
        client.post(address, {"action": action, "_selected_action": [record.pk], "post": "yes"})
    assert Endpoint.objects.get().disabled_at is None
    assert Message.objects.get().status == "new"
    assert Installation.objects.get().paused_at == NOON


# --- this installation ------------------------------------------------------------------------------------------------


def test_an_operator_lets_sending_go_on(staff, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    present = this_installation()
    assert "Sending is not paused." in act(staff, INSTALLATIONS, "let_go_on", present)
    pause(NOON - timedelta(hours=1), "The database is older than what was sent: it was restored from a backup.")
    assert "restored from a backup" in text_of(staff.get(f"{INSTALLATIONS}{present.pk}/change/"))
    assert "What waits is sent" in act(staff, INSTALLATIONS, "let_go_on", present)
    assert Installation.objects.get().paused_at is not None
    assert "Sending goes on." in act(staff, INSTALLATIONS, "let_go_on", present, post="yes")
    assert Installation.objects.get().paused_at is None
    assert staff.get(f"{INSTALLATIONS}add/").status_code == 403


def test_one_more_than_a_team_can_have_is_refused_in_words(staff, team, monkeypatch):
    monkeypatch.setattr("timeline.outbound.lifecycle.MOST_ENDPOINTS", 0)
    page = text_of(staff.post(f"{ENDPOINTS}add/", {"team": team.pk, "url": HOOK}, follow=True))
    assert "A team has 0 endpoints at most." in page
    assert not Endpoint.objects.exists()
