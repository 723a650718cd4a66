"""Endpoints on the pages: made, changed, tested, rotated, replayed, deleted; and all managers see one that failed."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry

from config import clock
from monitors import lifecycle as resources
from monitors.models import Monitor
from teams.models import User
from tests.conftest import NOON, make_user
from tests.dashboard.conftest import logged_in, secret_of, words
from tests.endpoints import HOOK, make_endpoint, make_message, secrets_at
from timeline.outbound.installation import pause as pause_sending
from timeline.outbound.installation import this_installation
from timeline.outbound.lifecycle import disable
from timeline.outbound.models import Endpoint, Message

GONE = "It answered 410: it is gone."
SAID = {"url": HOOK, "description": "Status page"}


@pytest.fixture(autouse=True)
def soon_after_noon():
    with clock.at(NOON + timedelta(minutes=5)):
        yield


@pytest.fixture
def endpoint(team):
    return make_endpoint(team, description="Status page")


@pytest.fixture
def at(endpoint):
    """`at("edit")`: the address of one of the endpoint's pages."""
    return lambda do="": f"/team/endpoints/{endpoint.pk}" + (f"/{do}" if do else "")


def noted():
    """What stands in histories, the newest last."""
    return list(LogEntry.objects.order_by("id").values_list("change_message", flat=True))


# --- the list ---------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_to_do_next(manager):
    read = words(manager.get("/team/endpoints"))
    assert "No endpoints yet" in read
    assert "Add one" in read


def test_the_list_says_how_each_goes(manager, team):
    make_endpoint(team, description="New")
    well = make_endpoint(team, description="Well")
    failing = make_endpoint(team, description="Slow")
    failed = make_endpoint(team, description="Gone")
    paused = make_endpoint(team, description="Off")
    Endpoint.objects.filter(pk=well.pk).update(succeeded_at=NOON)
    Endpoint.objects.filter(pk=failing.pk).update(failing_since=NOON)
    for status in ("new", "due", "behind", "dead", "delivered"):
        make_message(failing, status=status)
    disable(failed, at=NOON, why=GONE)
    disable(paused, at=NOON)
    read = words(manager.get("/team/endpoints"))
    assert f"New {HOOK} Enabled nothing delivered yet" in read
    assert f"Well {HOOK} Enabled 5 min ago" in read
    assert f"Slow {HOOK} failing since 12:00 3 waiting 1 given up Failing" in read
    assert f"Gone {HOOK} {GONE} Failed" in read
    assert f"Off {HOOK} Disabled" in read


def test_further_endpoints_follow_behind_a_cursor(manager, team, monkeypatch):
    monkeypatch.setattr("dashboard.views.lists.ROWS", 2)
    for name in "abc":
        make_endpoint(team, description=f"Endpoint {name}")
    page = manager.get("/team/endpoints")
    assert "Endpoint c" not in words(page)
    further = manager.get(page.context["more"], headers={"HX-Request": "true"})
    assert "Endpoint c" in words(further)
    assert "<html" not in further.content.decode()


# --- made and changed -------------------------------------------------------------------------------------------------


def test_a_new_endpoint_shows_its_secret_once(manager, team):
    answer = manager.post("/team/endpoints/new", SAID, follow=True)
    made = Endpoint.objects.get()
    assert answer.redirect_chain == [(f"/team/endpoints/{made.pk}", 302)]
    assert (made.team, made.url, made.description) == (team, HOOK, "Status page")
    assert (made.event_types, made.further, made.relay) == ([], False, False)
    assert secrets_at(made, NOON) == [secret_of(answer)]
    assert "no-store" in answer.headers["Cache-Control"]
    assert secret_of(manager.get(f"/team/endpoints/{made.pk}")) is None
    assert noted() == ["Made."]


def test_what_is_sent_is_chosen_and_changed(manager, endpoint, at):
    chosen = {"events": ["monitor.down"], "further": "on", "further_events": ["incident.closed"], "relay": "on"}
    assert "Saved." in words(manager.post(at("edit"), SAID | chosen, follow=True))
    endpoint.refresh_from_db()
    assert (endpoint.event_types, endpoint.further, endpoint.relay) == (["monitor.down", "incident.closed"], True, True)
    page = manager.get(at("edit")).content.decode()
    assert page.count("checked") == 4
    read = words(manager.get(at()))
    assert "monitor.down , incident.closed" in read
    assert "What happens here, and what integrations tell" in read
    assert "Saved." not in words(manager.post(at("edit"), SAID | chosen, follow=True))
    manager.post(at("edit"), SAID)
    endpoint.refresh_from_db()
    assert (endpoint.event_types, endpoint.further, endpoint.relay) == ([], False, False)
    assert noted()[0] == "Changed: relay, further, events, further_events."


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"url": ""}, "This field is required."),
        ({"url": "hooks.example.com"}, "Expected an address such as"),
        ({"url": "http://127.0.0.1/"}, "127.0.0.1 is not on the public internet."),
        ({"url": "http://[fd00::1]/"}, "fd00::1 is not on the public internet."),
        ({"url": f"{HOOK}/{'x' * 2048}"}, "at most 2048 characters"),
        ({"description": "x" * 256}, "at most 255 characters"),
        ({"events": ["monitor.melted"]}, "monitor.melted is not one of the available choices"),
        ({"further_events": ["incident.closed"]}, "Tick “Further events and fields”, too, or none of these."),
    ],
)
def test_what_can_be_no_endpoint_is_said_beside_the_form(change, refusal, manager, endpoint, at):
    for path in ("/team/endpoints/new", at("edit")):
        answer = manager.post(path, SAID | change)
        assert answer.status_code == 400, path
        assert refusal in words(answer)
    assert [each.url for each in Endpoint.objects.all()] == [HOOK]


def test_one_more_than_a_team_can_have_is_refused_beside_the_form(manager, endpoint, monkeypatch):
    monkeypatch.setattr("timeline.outbound.lifecycle.MOST_ENDPOINTS", 1)
    answer = manager.post("/team/endpoints/new", SAID)
    assert (answer.status_code, Endpoint.objects.count()) == (400, 1)
    assert "A team has 1 endpoints at most." in words(answer)


def test_a_form_makes_it_in_the_team_that_it_was_made_for(manager, mary, team, other_team):
    other_team.memberships.create(user=mary, role="manager")
    manager.post("/team", {"team": other_team.public_id})
    assert manager.post("/team/endpoints/new", SAID | {"team": team.public_id}).status_code == 302
    assert Endpoint.objects.get().team == team


# --- buttons ----------------------------------------------------------------------------------------------------------


def test_it_is_disabled_and_enabled(manager, endpoint, at):
    for do, said in (("disable", "It is disabled."), ("disable", "so already"), ("enable", "It is enabled.")):
        assert said in words(manager.post(at(do), follow=True))
    assert manager.get(at("enable")).status_code == 405
    assert noted() == ["Disabled.", "Enabled."]


def test_a_test_leads_to_its_message(manager, endpoint, at):
    answer = manager.post(at("test"), follow=True)
    message = Message.objects.get()
    assert answer.redirect_chain == [(f"/team/messages/{message.pk}", 302)]
    assert "A test is on its way." in words(answer)
    disable(endpoint, at=NOON)
    assert "This endpoint is disabled; enable it first." in words(manager.post(at("test"), follow=True))
    assert Message.objects.count() == 1


def test_a_rotated_secret_is_shown_once_and_both_are_good_for_a_day(manager, endpoint, at):
    assert "For 24 hours each message has two signatures" in words(manager.get(at("rotate")))
    answer = manager.post(at("rotate"), follow=True)
    endpoint.refresh_from_db()
    assert secrets_at(endpoint, NOON + timedelta(hours=1)) == [secret_of(answer), endpoint.secret]
    assert "until 2026-05-14 12:05:00.000 +00:00 messages are signed with the one before, too" in words(answer)
    assert secret_of(manager.get(at())) is None
    with clock.at(NOON + timedelta(days=2)):
        assert "The secret was rotated" not in words(manager.get(at()))
    assert noted() == ["Signing secret rotated."]


def test_a_deleted_one_is_gone_from_the_pages_and_what_it_was_sent_is_not(manager, endpoint, at):
    message = make_message(endpoint)
    assert "what waits is given up" in words(manager.get(at("delete")))
    answer = manager.post(at("delete"), follow=True)
    assert answer.redirect_chain == [("/team/endpoints", 302)]
    assert "No endpoints yet" in words(answer)
    assert manager.get(at()).status_code == 404
    read = words(manager.get(f"/team/messages/{message.pk}"))
    assert "Status page , which was deleted" in read
    assert "Given up" in read
    assert noted() == ["Deleted."]


def test_a_time_is_replayed_by_the_readers_clock(manager, mary, team, endpoint, at):
    User.objects.filter(pk=mary.pk).update(time_zone="Europe/Berlin")
    for minute in range(3):
        moment = NOON + timedelta(minutes=minute)
        resources.create(Monitor, team, by=mary, at=moment, name="Shop", url="https://shop.example", type="status")
    Message.objects.update(status="delivered", ended_at=NOON)
    answer = manager.post(at("replay"), {"since": "2026-05-13T14:00", "until": "2026-05-13T14:01:30"}, follow=True)
    assert "2 messages are on their way." in words(answer)
    assert list(Message.objects.order_by("id").values_list("status", flat=True)) == ["new", "new", "delivered"]
    again = manager.post(at("replay"), {"since": "2026-05-13T14:00", "until": "2026-05-13T14:01:30"}, follow=True)
    assert "Nothing of this time is to be sent there, or it waits already." in words(again)
    assert set(noted()) == {"Replayed from 2026-05-13T12:00:00.000Z to 2026-05-13T12:01:30.000Z."}


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({}, "This field is required."),
        ({"since": "2026-05-13T12:00", "until": "2026-05-13T12:00"}, "It must be later than the beginning."),
        ({"since": "noon", "until": "2026-05-13T12:00"}, "Enter a valid date/time."),
        ({"since": "0001-01-01T00:00", "until": "9999-12-31T23:59"}, "Enter a day of the years 2000 to 2199."),
    ],
)
def test_a_time_that_is_none_is_said_beside_the_form(said, refusal, manager, endpoint, at):
    answer = manager.post(at("replay"), said)
    assert answer.status_code == 400
    assert refusal in words(answer)


def test_to_a_disabled_one_nothing_is_replayed(manager, endpoint, at):
    disable(endpoint, at=NOON)
    answer = manager.post(at("replay"), {"since": "2026-05-13T12:00", "until": "2026-05-13T13:00"})
    assert answer.status_code == 400
    assert "This endpoint is disabled; enable it first." in words(answer)


# --- two at once ------------------------------------------------------------------------------------------------------


def seen_in(page):
    """What a form says that its sender saw."""
    return re.search(r'name="seen" value="([^"]+)"', page.content.decode())[1]


def test_who_edits_what_somebody_else_just_edited_is_told(manager, mary, team, endpoint, at):
    mark = logged_in(make_user("mark@example.com", team, "manager", name="Mark"))
    seen = {"seen": seen_in(manager.get(at("edit")))}
    mark.post(at("edit"), SAID | {"description": "Marks", "events": ["monitor.down"], "relay": "on"})
    answer = manager.post(at("edit"), SAID | seen)
    assert answer.status_code == 409
    read = words(answer)
    assert "Mark edited it" in read
    for present in ("It is “Marks” now.", "It is “monitor.down” now.", "It is ticked now."):
        assert present in read
    endpoint.refresh_from_db()
    assert endpoint.description == "Marks"
    assert manager.post(at("edit"), SAID | {"seen": seen_in(answer)}).status_code == 302


def test_a_secret_that_somebody_else_just_rotated_is_not_rotated_again(manager, team, endpoint, at):
    mark = logged_in(make_user("mark@example.com", team, "manager", name="Mark"))
    seen = {"seen": seen_in(manager.get(at("rotate")))}
    secret = secret_of(mark.post(at("rotate"), follow=True))
    answer = manager.post(at("rotate"), seen, follow=True)
    assert "Mark made a new secret" in words(answer)
    assert secret_of(answer) is None
    endpoint.refresh_from_db()
    assert secrets_at(endpoint, NOON) == [secret, endpoint.secret]


def test_an_endpoint_whose_form_is_sent_twice_is_made_once(manager):
    sent = SAID | {"once": "a-word"}
    first, again = (manager.post("/team/endpoints/new", sent) for _ in range(2))
    assert Endpoint.objects.count() == 1
    assert first.headers["Location"] == again.headers["Location"]


def test_who_disables_what_is_disabled_is_told_who_did_it(manager, team, endpoint, at):
    logged_in(make_user("mark@example.com", team, "manager", name="Mark")).post(at("disable"))
    assert "Mark disabled it" in words(manager.post(at("disable"), follow=True))


# --- who may ----------------------------------------------------------------------------------------------------------

DOINGS = ("", "edit", "rotate", "replay", "delete")
PRESSES = ("enable", "disable", "test", "rotate", "delete")


def test_only_managers_come_here(staff, viewer, endpoint, at):
    for client in (staff, viewer):
        for path in ("/team/endpoints", "/team/endpoints/new", *map(at, DOINGS)):
            assert client.get(path).status_code == 403
        for do in PRESSES:
            assert client.post(at(do)).status_code == 403
    assert not LogEntry.objects.exists()


def test_another_teams_is_as_good_as_missing(manager, other_team):
    theirs = make_endpoint(other_team)
    for key in (theirs.pk, 2**62):
        for do in DOINGS:
            assert manager.get(f"/team/endpoints/{key}/{do}".rstrip("/")).status_code == 404
        for do in PRESSES:
            assert manager.post(f"/team/endpoints/{key}/{do}").status_code == 404


# --- on every page ----------------------------------------------------------------------------------------------------

FAILED = "An endpoint was disabled because it failed."
PAUSED = "No webhooks are sent."


def test_every_page_tells_managers_of_an_endpoint_that_failed(manager, staff, endpoint, team):
    other = make_endpoint(team)
    disable(other, at=NOON)
    for path in ("/", "/incidents", "/team/endpoints"):
        assert FAILED not in words(manager.get(path))
    disable(endpoint, at=NOON, why=GONE)
    for path in ("/", "/incidents", "/team/endpoints", "/preferences"):
        page = manager.get(path)
        assert FAILED in words(page)
        assert f'href="/team/endpoints/{endpoint.pk}"' in page.content.decode()
        assert FAILED not in words(staff.get("/incidents"))
    manager.post(f"/team/endpoints/{endpoint.pk}/enable")
    assert FAILED not in words(manager.get("/"))


def test_no_page_tells_of_one_that_was_deleted_or_is_anothers(manager, endpoint, other_team, at):
    disable(make_endpoint(other_team), at=NOON, why=GONE)
    disable(endpoint, at=NOON, why=GONE)
    manager.post(at("delete"))
    assert FAILED not in words(manager.get("/"))


def test_every_page_tells_managers_that_sending_is_paused(manager, staff, team):
    this_installation()
    assert PAUSED not in words(manager.get("/"))
    pause_sending(NOON, "The database is older than what was sent: it was restored from a backup.")
    for path in ("/", "/incidents", "/team/endpoints"):
        read = words(manager.get(path))
        assert f"{PAUSED} The database is older than what was sent" in read
        assert PAUSED not in words(staff.get("/incidents"))


def test_the_notice_costs_one_question(manager, mary, endpoint, django_assert_num_queries):
    from timeline.outbound.log import trouble

    logged_in(mary)
    with django_assert_num_queries(1):
        assert trouble(endpoint.team) is None
