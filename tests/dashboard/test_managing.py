"""Making and changing the team's own monitors and heartbeats on the pages."""

import re
from datetime import timedelta

import pytest

from config import clock
from incidents.models import Incident
from monitors.lifecycle import create, destroy, pause
from monitors.models import NOTHING_CHECKS, Heartbeat, Monitor
from teams.models import Membership, Role
from tests.conftest import NOON, an_event, make_user, tell_it
from tests.dashboard.conftest import logged_in, words
from tests.incidents.test_resources import live_about
from timeline.models import TimelineEvent

SHOP = {"name": "Shop", "url": "https://shop.example", "type": "status"}
BACKUP = {"name": "Nightly backup", "period": 86_400, "grace": 3_600}
TYPED = {"monitor": SHOP, "heartbeat": {"name": "Nightly backup", "period": "1 d", "grace": "1 h"}}
MODELS = {"monitor": Monitor, "heartbeat": Heartbeat}
KINDS = pytest.mark.parametrize("kind", MODELS)


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(NOON + timedelta(hours=3)):
        yield


@pytest.fixture
def mary(team):
    return make_user("mary@example.com", team, Role.MANAGER, name="Mary Manager")


@pytest.fixture
def manager(mary):
    """The browser of a member who manages the team."""
    return logged_in(mary)


@pytest.fixture
def own(team, mary):
    """One of each kind of the team's own."""
    return {
        "monitor": create(Monitor, team, by=mary, at=NOON, **SHOP),
        "heartbeat": create(Heartbeat, team, by=mary, at=NOON, **BACKUP),
    }


def facts():
    return list(TimelineEvent.objects.order_by("id").values_list("event", flat=True))


# --- making ---------------------------------------------------------------------------------------------------


@KINDS
def test_one_is_added_with_a_form_and_all_pages_say_that_nothing_checks_it(kind, manager, mary):
    form = words(manager.get(f"/{kind}s/new"))
    assert f"Add a {kind}" in form and NOTHING_CHECKS in form and "counts as down" not in form
    answer = manager.post(f"/{kind}s/new", TYPED[kind], follow=True)
    made = MODELS[kind].objects.get()
    assert answer.redirect_chain == [(f"/{kind}s/{made.pk}", 302)]
    read = words(answer)
    assert f"{kind.capitalize()} added." in read and NOTHING_CHECKS in read
    assert "State not known yet" in read
    assert NOTHING_CHECKS in words(manager.get(f"/{kind}s/{made.pk}/edit"))
    assert "Source Watchkeeper" in read
    assert (
        f"12:00 {kind.capitalize()} created" not in read and f"15:00 {kind.capitalize()} created Mary Manager" in read
    )
    assert "not checked yet" in words(manager.get(f"/{kind}s"))


@pytest.mark.parametrize(
    ("kind", "said", "error"),
    [
        ("monitor", {"name": " "}, "This field is required."),
        ("monitor", {"name": "x" * 256}, "at most 255 characters"),
        ("monitor", {"url": "https://me:secret@shop.example"}, "Expected an address such as"),
        ("monitor", {"url": "javascript:alert(1)"}, "Expected an address such as"),
        ("monitor", {"type": "http"}, "is not one of the available choices"),
        ("heartbeat", {"period": "soon"}, "Enter a length of time such as 1 d"),
        ("heartbeat", {"period": "10"}, "From 30 s to 365 d."),
        ("heartbeat", {"grace": "400 d"}, "At most 365 d."),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_kept_there(kind, said, error, manager, own):
    for path in (f"/{kind}s/new", f"/{kind}s/{own[kind].pk}/edit"):
        answer = manager.post(path, TYPED[kind] | said)
        assert answer.status_code == 400
        assert error in words(answer)
    assert len(facts()) == 2


# --- changing -------------------------------------------------------------------------------------------------


def test_an_edit_is_told_in_the_timeline(manager, own):
    path = f"/heartbeats/{own['heartbeat'].pk}"
    assert 'value="1 d"' in manager.get(f"{path}/edit").content.decode()
    read = words(manager.post(f"{path}/edit", TYPED["heartbeat"] | {"period": "90 min"}, follow=True))
    assert "Saved." in read
    assert "Period changed from 1 d to 1 h 30 min" in read
    assert "Reports once in 1 h 30 min" in read


@KINDS
def test_an_edit_that_changes_nothing_says_so_and_writes_nothing(kind, manager, own):
    read = words(manager.post(f"/{kind}s/{own[kind].pk}/edit", TYPED[kind], follow=True))
    assert "It was so already; nothing was changed." in read
    assert len(facts()) == 2


@KINDS
def test_pausing_and_unpausing_are_sentences_in_the_timeline(kind, manager, own):
    path = f"/{kind}s/{own[kind].pk}"
    read = words(manager.post(f"{path}/pause", follow=True))
    assert "Paused. Monitors" in read or "Paused. Heartbeats" in read
    assert "15:00 Paused Pending became Paused Mary Manager" in read
    assert "State paused here" in read
    read = words(manager.post(f"{path}/unpause", follow=True))
    assert "15:00 Unpaused, waiting for a check Paused became Pending Mary Manager" in read
    assert "Pending since 15:00" in read


def test_the_second_of_two_learns_who_came_first(manager, own, team):
    bob = make_user("bob@example.com", team, Role.MANAGER, name="Bob Smith")
    pause(own["monitor"], by=bob, at=clock.now() - timedelta(minutes=1))
    read = words(manager.post(f"/monitors/{own['monitor'].pk}/pause", follow=True))
    assert "It was so already; nothing was changed. Bob Smith paused it at 14:59." in read


@KINDS
def test_deleting_asks_first_and_keeps_the_history(kind, manager, own):
    path = f"/{kind}s/{own[kind].pk}"
    asked = words(manager.get(f"{path}/delete"))
    assert f"Delete this {kind}?" in asked
    assert "Its history and its incidents stay. This can’t be taken back." in asked
    assert "resolved first" not in asked
    before = facts()
    unasked = manager.post(f"{path}/delete")
    assert (unasked.status_code, f"Delete this {kind}?" in words(unasked), facts()) == (400, True, before)
    read = words(manager.post(f"{path}/delete", {"post": "yes"}, follow=True))
    assert "Deleted since 15:00" in read
    assert "not checked yet" not in read.replace("pending: not checked yet", "")
    assert own[kind].name not in words(manager.get(f"/{kind}s"))


def test_deleting_names_what_is_live_and_resolves_it(manager, own, mary):
    live_about(own["monitor"], mary)
    path = f"/monitors/{own['monitor'].pk}"
    asked = words(manager.get(f"{path}/delete"))
    assert "A live incident is about it and will be resolved first, in your name: The shop is shut" in asked
    assert "Resolve and delete" in asked
    manager.post(f"{path}/delete", {"post": "yes"})
    assert Incident.objects.get().status == "resolved"
    assert facts()[-2:] == ["incident.resolved", "monitor.destroyed"]


@KINDS
def test_a_deleted_one_takes_no_more_changes(kind, manager, own, mary):
    destroy(own[kind], by=mary, at=NOON + timedelta(hours=1))
    path, before = f"/{kind}s/{own[kind].pk}", facts()
    for answer in (
        manager.get(f"{path}/edit", follow=True),
        manager.get(f"{path}/delete", follow=True),
        manager.post(f"{path}/edit", TYPED[kind], follow=True),
        manager.post(f"{path}/pause", follow=True),
        manager.post(f"{path}/unpause", follow=True),
    ):
        assert f"This {kind} was deleted." in words(answer)
        assert "/edit" not in answer.content.decode()
    assert "Mary Manager deleted it at 13:00." in words(manager.post(f"{path}/delete", {"post": "yes"}, follow=True))
    assert facts() == before


# --- mirrored ones --------------------------------------------------------------------------------------------


@KINDS
def test_a_mirrored_one_says_where_it_is_from_and_cannot_be_changed(kind, manager, tell):
    tell(an_event(f"{kind}.created"))
    found = MODELS[kind].objects.get()
    path = f"/{kind}s/{found.pk}"
    assert "from Better Stack" in words(manager.get(f"/{kind}s"))
    page = manager.get(path)
    assert f"Better Stack , {kind} {found.source_id} . It is changed there and can’t be changed here." in words(page)
    assert not re.search(r"/(edit|pause|unpause|delete)\"", page.content.decode())
    refusal = f"This {kind} is mirrored from Better Stack, so it can’t be changed here."
    for answer in (
        manager.get(f"{path}/edit", follow=True),
        manager.post(f"{path}/edit", TYPED[kind], follow=True),
        manager.post(f"{path}/pause", follow=True),
        manager.post(f"{path}/unpause", follow=True),
        manager.get(f"{path}/delete", follow=True),
        manager.post(f"{path}/delete", {"post": "yes"}, follow=True),
    ):
        assert refusal in words(answer)
    assert facts() == [f"{kind}.created"]


# --- who may --------------------------------------------------------------------------------------------------


@KINDS
def test_those_who_do_not_manage_see_no_buttons_and_are_refused(kind, staff, viewer, own):
    path = f"/{kind}s/{own[kind].pk}"
    for browser in (staff, viewer):
        shown = browser.get(path).content.decode() + browser.get(f"/{kind}s").content.decode()
        assert not re.search(r"/(new|edit|pause|unpause|delete)\"", shown)
        for method, address in (
            ("get", f"/{kind}s/new"),
            ("post", f"/{kind}s/new"),
            ("get", f"{path}/edit"),
            ("post", f"{path}/edit"),
            ("post", f"{path}/pause"),
            ("post", f"{path}/unpause"),
            ("get", f"{path}/delete"),
            ("post", f"{path}/delete"),
        ):
            assert getattr(browser, method)(address, TYPED[kind]).status_code == 403
    assert len(facts()) == 2


@KINDS
def test_another_teams_is_as_good_as_missing(kind, manager, strangers):
    tell_it(strangers, an_event(f"{kind}.created"))
    theirs = MODELS[kind].objects.get()
    for pk in (theirs.pk, 2**62):
        for action in ("edit", "pause", "unpause", "delete"):
            assert manager.post(f"/{kind}s/{pk}/{action}", TYPED[kind]).status_code == 404


def test_an_empty_list_says_what_to_do_next(manager, staff, mary):
    assert "No monitors yet Add a monitor , or let an integration send an event" in words(manager.get("/monitors"))
    assert "No heartbeats yet A manager of the team can add one." in words(staff.get("/heartbeats"))
    assert '<a class="button push" href="/monitors/new">' in manager.get("/monitors").content.decode()
    Membership.objects.filter(user=mary).update(role=Role.VIEWER)
    assert "/monitors/new" not in manager.get("/monitors").content.decode()
