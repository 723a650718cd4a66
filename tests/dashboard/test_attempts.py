"""
Two people at the same thing: whoever comes second with a form is told who was first, and nothing is overwritten.

At incidents, their entries, monitors and heartbeats, integrations, members.
"""

import json
import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry

from config import clock
from config.vault import open_sealed
from incidents import details, grouping, lifecycle
from incidents.corrections import correct
from incidents.declaring import Declaration, declare
from incidents.models import Severity, Type
from integrations.lifecycle import webhook_path
from monitors.lifecycle import create, destroy, edit, pause
from monitors.models import Heartbeat, Monitor
from teams.lifecycle import change_role
from teams.models import Role
from tests.conftest import NOON, make_user
from tests.dashboard.conftest import logged_in, secret_of, words
from tests.dashboard.test_acting import facts, hidden, press

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(NOON + 180 * MINUTE) as now:
        yield now


@pytest.fixture
def bob(team):
    return make_user("bob@example.com", team, name="Bob Smith")


@pytest.fixture
def carol(team):
    return make_user("carol@example.com", team, name="Carol Jones")


@pytest.fixture
def native(team, user):
    told = Declaration(Severity.MAJOR, Type.OTHER, "nobody can buy", title="The shop is shut")
    return declare(team, told, by=user, at=NOON)


# --- what a correction changed


def corrected(incident, fact, by, minutes, **what):
    correct(incident, fact.pk, by=by, at=NOON + minutes * MINUTE, reason="It was so.", **what)


def test_who_corrected_what_one_saw_is_named_and_not_who_moved_it_before(staff, native, bob, carol):
    lifecycle.acknowledge(native, by=bob, at=NOON + MINUTE)
    resolved = lifecycle.resolve(native, by=bob, at=NOON + 2 * MINUTE)
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "move")
    corrected(native, resolved, carol, 3, hidden=True)
    answer = press(staff, native, "reopen", seen)
    assert "Carol Jones corrected its history at 12:03; it is acknowledged now." in words(answer)
    assert "Bob Smith acknowledged it at" not in words(answer)


def test_who_moved_it_after_a_correction_is_named(staff, native, bob, carol):
    resolved = lifecycle.resolve(native, by=carol, at=NOON + 2 * MINUTE)
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "move")
    corrected(native, resolved, carol, 3, hidden=True)
    lifecycle.acknowledge(native, by=bob, at=NOON + 4 * MINUTE)
    assert "Bob Smith acknowledged it at 12:04" in words(press(staff, native, "close", seen))


def test_who_corrected_a_detail_is_named_and_not_who_corrected_something_else(staff, native, bob, carol):
    first = details.change_severity(native, by=bob, at=NOON + MINUTE, severity=Severity.MINOR)
    second = details.change_severity(native, by=bob, at=NOON + 2 * MINUTE, severity=Severity.CRITICAL)
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "severity")
    corrected(native, second, carol, 3, hidden=True)
    corrected(native, first, bob, 4, message="Not so bad.")
    answer = press(staff, native, "severity", seen, severity="warning")
    assert "Carol Jones corrected its history at 12:03. Nothing was changed by you." in words(answer)
    details.change_severity(native, by=bob, at=NOON + 5 * MINUTE, severity=Severity.MAJOR)
    corrected(native, first, carol, 6, hidden=True)
    answer = press(staff, native, "severity", seen, severity="warning")
    assert "Bob Smith changed the severity at 12:05." in words(answer)
    assert facts(native, "incident.severity_changed").count() == 3


def test_who_corrected_an_edit_is_named(staff, native, bob, carol):
    details.edit(native, by=bob, at=NOON + MINUTE, error_message="No power")
    edited = details.edit(native, by=bob, at=NOON + 2 * MINUTE, error_message="No water")
    details.edit(native, by=bob, at=NOON + 3 * MINUTE, title="Shut")
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "edit")
    corrected(native, edited, carol, 4, hidden=True)
    answer = press(staff, native, "edit", seen, title="Mine", error_message="No water")
    assert "Carol Jones corrected its history at 12:04." in words(answer)


def test_who_presses_twice_is_not_told_of_somebody_else(staff, native):
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "severity")
    for _ in range(2):
        answer = press(staff, native, "severity", seen, severity="critical")
    assert "You changed the severity at 15:00. Nothing more was changed." in words(answer)
    assert facts(native, "incident.severity_changed").count() == 1


# --- entries


def fields(page, form):
    """What the hidden fields of a page's form carry: of the first one with a field of that id."""
    return re.search(rf'name="seen" value="([^"]*)" id="{form}-seen"', page.content.decode())[1]


@pytest.fixture
def entry(native, user):
    return lifecycle.resolve(native, by=user, at=NOON + MINUTE)


@pytest.fixture
def path(native, entry):
    return f"/incidents/{native.uuid}/entries/{entry.pk}"


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ("correct", {"verb": "correct", "message": "My words", "occurred_at": "2026-05-13T12:01"}),
        ("hide", {"verb": "hide"}),
    ],
)
def test_a_correction_does_not_override_another_s(form, sent, staff, native, entry, path, bob):
    sent = sent | {"reason": "mine", "seen": fields(staff.get(path), form)}
    corrected(native, entry, bob, 5, message="Bob's words")
    answer = staff.post(path, sent)
    assert answer.status_code == 409
    read = words(answer)
    assert "Bob Smith corrected this entry at 12:05. Nothing was changed by you." in read
    assert "Corrected by Bob Smith" in read
    assert 'value="mine"' in answer.content.decode()
    assert facts(native, "incident.corrected").count() == 1
    # Knowing that, the same person may.
    assert staff.post(path, sent | {"seen": fields(answer, form)}).status_code == 302
    assert facts(native, "incident.corrected").count() == 2


def test_several_are_hidden_but_for_what_was_corrected_meanwhile(staff, native, entry, bob):
    acknowledged = lifecycle.reopen(native, by=bob, at=NOON + 2 * MINUTE)
    page = staff.get(f"/incidents/{native.uuid}/entries").content.decode()
    picks = dict(re.findall(r'name="pick" value="((\d+) [^"]+)"', page))
    corrected(native, entry, bob, 5, message="Bob's words")
    chosen = [pick for pick, pk in picks.items() if int(pk) in (entry.pk, acknowledged.pk)]
    answer = staff.post(
        f"/incidents/{native.uuid}/entries", {"verb": "hide", "reason": "x", "pick": chosen}, follow=True
    )
    read = words(answer)
    assert "Bob's words Not done: Bob Smith corrected this entry at 12:05." in read
    assert "Hidden." in read
    entry.refresh_from_db()
    assert not entry.is_hidden


# --- several on the list


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"verb": "severity", "severity": "minor"}, "Bob Smith changed the severity at 12:03."),
        ({"verb": "assign", "assignee": "nobody"}, "Bob Smith changed who has it at 12:02."),
        ({"verb": "group", "name": "Mine"}, "Bob Smith changed its group at 12:04."),
        ({"verb": "acknowledge"}, "Bob Smith resolved it at 12:05; it is resolved now."),
    ],
)
def test_what_was_changed_since_the_list_was_looked_at_is_not_overwritten(sent, said, staff, native, team, user, bob):
    other = declare(team, Declaration(Severity.MAJOR, Type.OTHER, "x", title="Another"), by=user, at=NOON)
    picks = re.findall(r'name="pick" value="([^"]+)"', staff.get("/incidents").content.decode())
    details.assign(native, by=bob, at=NOON + 2 * MINUTE, assignee=bob)
    details.change_severity(native, by=bob, at=NOON + 3 * MINUTE, severity=Severity.WARNING)
    grouping.group_anew(native, "Bob's", by=bob, at=NOON + 4 * MINUTE)
    lifecycle.resolve(native, by=bob, at=NOON + 5 * MINUTE)
    before, others = facts(native).count(), facts(other).count()
    read = words(staff.post("/incidents/act", sent | {"pick": picks}, follow=True))
    assert f"The shop is shut Not done: {said} Nothing was changed by you." in read
    assert facts(native).count() == before
    assert facts(other).count() == others + (sent["verb"] != "assign")


# --- what managers change


@pytest.fixture
def nora(team):
    return make_user("nora@example.com", team, Role.MANAGER, name="Nora Night")


@pytest.fixture
def second(nora):
    """The browser of another manager."""
    return logged_in(nora)


def at(minutes):
    """What is done then."""
    return clock.at(NOON + minutes * MINUTE)


def seen_on(page):
    return re.search(r'name="seen" value="([^"]*)"', page.content.decode())[1]


@pytest.mark.parametrize("kind", ["monitor", "heartbeat"])
def test_a_monitor_is_not_edited_over_another_s_edit(kind, manager, team, nora, mary):
    typed = {
        "monitor": {"url": "https://mine.example", "type": "status"},
        "heartbeat": {"period": "2 h", "grace": "1 h"},
    }
    known = {"monitor": {"url": "https://old.example", "type": "status"}, "heartbeat": {"period": 3600, "grace": 3600}}
    model = {"monitor": Monitor, "heartbeat": Heartbeat}[kind]
    own = create(model, team, by=mary, at=NOON, name="Own", **known[kind])
    path = f"/{kind}s/{own.pk}/edit"
    sent = typed[kind] | {"name": "Mine", "seen": seen_on(manager.get(path))}
    edit(own, by=nora, at=NOON + MINUTE, name="Nora's")
    pause(own, by=mary, at=NOON + 2 * MINUTE)
    answer = manager.post(path, sent)
    read = words(answer)
    assert answer.status_code == 409
    assert "Nora Night edited it at 12:01. Nothing was changed by you." in read
    assert "It is “Nora's” now." in read
    assert ("It is “https://old.example” now." in read) == (kind == "monitor")
    assert ("It is “1 h” now." in read) == (kind == "heartbeat")
    own.refresh_from_db()
    assert own.name == "Nora's"
    assert manager.post(path, sent | {"seen": seen_on(answer)}).status_code == 302
    own.refresh_from_db()
    assert own.name == "Mine"


def test_who_deleted_what_one_edits_is_named(manager, team, nora, mary):
    own = create(Monitor, team, by=mary, at=NOON, name="Own", url="https://x.example", type="status")
    sent = {"name": "Mine", "url": "https://x.example", "type": "status"}
    destroy(own, by=nora, at=NOON + MINUTE)
    read = words(manager.post(f"/monitors/{own.pk}/edit", sent, follow=True))
    assert "This monitor was deleted. Nora Night deleted it at 12:01." in read


def test_an_integration_is_not_edited_over_another_s_edit(manager, second, integration):
    path = f"/team/integrations/{integration.pk}"
    sent = {"name": "Mine", "type": "better_stack", "count_only": "monitor.checked"}
    stale = sent | {"seen": seen_on(manager.get(f"{path}/edit"))}
    with at(1):
        second.post(f"{path}/edit", sent | {"name": "Nora's", "count_only": "a\nb"})
    with at(2):
        second.post(f"{path}/shut")
    answer = manager.post(f"{path}/edit", stale)
    read = words(answer)
    assert answer.status_code == 409
    assert "Nora Night edited it at 12:01. Nothing was changed by you." in read
    assert "It is “Nora's” now." in read
    assert "It is “a, b” now." in read
    integration.refresh_from_db()
    assert integration.name == "Nora's"
    assert manager.post(f"{path}/edit", stale | {"seen": seen_on(answer)}).url == path


def test_a_member_s_role_is_not_changed_over_another_s_change(manager, second, team, user, carol):
    member = team.memberships.get(user=user)
    path = f"/team/members/{member.pk}/role"
    seen = seen_on(manager.get(path))
    with at(1):
        second.post(path, {"role": "viewer"})
    with at(2):
        second.post(f"/team/members/{team.memberships.get(user=carol).pk}/role", {"role": "viewer"})
    answer = manager.post(path, {"role": "manager", "seen": seen})
    read = words(answer)
    assert answer.status_code == 409
    assert "Nora Night changed their role at 12:01. Nothing was changed by you." in read
    assert "It is “Viewer: reads” now." in read
    member.refresh_from_db()
    assert member.role == "viewer"
    assert manager.post(path, {"role": "manager", "seen": seen_on(answer)}).status_code == 302


def test_an_operator_who_changed_a_role_in_admin_is_named(manager, team, user):
    member = team.memberships.get(user=user)
    seen = seen_on(manager.get(f"/team/members/{member.pk}/role"))
    operator = make_user("olga@example.com", name="Olga Operator", is_staff=True, is_superuser=True)
    said = json.dumps([{"changed": {"name": "membership", "object": str(member), "fields": ["Role"]}}])
    LogEntry.objects.log_actions(operator.pk, [user], CHANGE, said, single_object=True)
    LogEntry.objects.update(action_time=NOON + MINUTE)
    change_role(member, Role.VIEWER)
    answer = manager.post(f"/team/members/{member.pk}/role", {"role": "manager", "seen": seen})
    assert "Olga Operator changed their role at 12:01." in words(answer)


def address_of(integration):
    integration.refresh_from_db()
    return webhook_path(integration)


def test_a_new_address_is_not_made_void_by_who_wanted_one_at_the_same_time(manager, second, integration):
    path = f"/team/integrations/{integration.pk}/rotate"
    mine, theirs = ({"seen": seen_on(client.get(path))} for client in (manager, second))
    with at(1):
        page = second.post(path, theirs, follow=True)
    address = address_of(integration)
    assert secret_of(page).endswith(address)
    answer = manager.post(path, mine, follow=True)
    assert "Nora Night made a new address at 12:01. Nothing was changed by you." in words(answer)
    assert secret_of(answer) is None
    assert address_of(integration) == address
    again = second.post(path, theirs, follow=True)
    assert "You made a new address at 12:01. Nothing more was changed." in words(again)
    manager.post(path, {"seen": seen_on(manager.get(path))})
    assert address_of(integration) != address


def test_a_signing_secret_is_not_replaced_by_who_wanted_one_at_the_same_time(manager, second, integration):
    path = f"/team/integrations/{integration.pk}/signing"
    seen = seen_on(manager.get(path))
    with at(1):
        secret = secret_of(second.post(path, {"signing": "new", "seen": seen}, follow=True))
    for how in ({"signing": "new"}, {"signing": "none"}):
        answer = manager.post(path, how | {"seen": seen})
        assert answer.status_code == 409
        assert "Nora Night changed this at 12:01. Nothing was changed by you." in words(answer)
        integration.refresh_from_db()
        assert open_sealed(bytes(integration.signing_secret_ciphertext)) == secret
    assert manager.post(path, {"signing": "none", "seen": seen_on(answer)}).status_code == 302
    integration.refresh_from_db()
    assert integration.signing_secret_ciphertext is None


def test_who_shuts_or_reopens_a_door_second_is_told_who_did(manager, second, integration):
    for minutes, (what, did) in enumerate((("shut", "shut it"), ("reopen", "reopened it")), start=1):
        path = f"/team/integrations/{integration.pk}/{what}"
        with at(minutes):
            second.post(path)
        read = words(manager.post(path, follow=True))
        assert f"It was so already; nothing was changed. Nora Night {did} at 12:0{minutes}." in read
