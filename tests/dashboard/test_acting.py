"""Working on incidents by the forms of the pages: one by one, and several on the list."""

import re
from datetime import timedelta
from html import unescape
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import connection

from config import clock
from dashboard.acts import sight
from incidents import details, grouping, lifecycle
from incidents.declaring import Declaration, declare
from incidents.models import Incident, IncidentGroup, Severity, Type
from monitors.lifecycle import create
from monitors.models import Monitor
from teams.models import Role
from tests.conftest import NOON, an_event, make_integration, make_user, tell_it
from tests.dashboard.conftest import logged_in, words
from timeline.models import TimelineEvent

MINUTE = timedelta(minutes=1)
LATER = NOON + 180 * MINUTE
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def later():
    """Somebody looks at 15:00."""
    with clock.at(LATER) as now:
        yield now


@pytest.fixture
def bob(team):
    return make_user("bob@example.com", team, name="Bob Smith")


@pytest.fixture
def native(team, user):
    return an_incident(team, user)


@pytest.fixture
def mirrored(tell):
    tell(an_event("incident.started"))
    return Incident.objects.get(title="My Website is Down")


def an_incident(team, by, title="The shop is shut"):
    return declare(team, Declaration(Severity.MAJOR, Type.OTHER, "nobody can buy", title=title), by=by, at=NOON)


def press(client, incident, verb, seen=None, headers=None, **fields):
    """Send one of the forms of the incident's page."""
    said = {"verb": verb} | ({"seen": seen} if seen is not None else {}) | fields
    return client.post(f"/incidents/{incident.uuid}/act", said, headers=headers or {})


def hidden(page, verb):
    """What the page's form of a verb carries as seen."""
    field = re.search(rf'name="seen" value="([^"]*)"[^>]*id="{verb}-seen"', page.content.decode())
    return field[1]


def facts(incident, event=None):
    found = TimelineEvent.objects.filter(subject_kind="incident", subject_id=incident.pk)
    return found.filter(event=event) if event else found


# --- each verb


@pytest.mark.parametrize(
    ("before", "verb", "status", "said"),
    [
        ([], "acknowledge", "acknowledged", "Acknowledged."),
        ([], "resolve", "resolved", "Resolved."),
        ([lifecycle.resolve], "close", "closed", "Closed."),
        ([lifecycle.resolve], "reopen", "open", "Reopened."),
    ],
)
def test_a_move_is_made_with_its_note_and_leads_back_to_the_page(before, verb, status, said, staff, native, bob):
    for each in before:
        each(native, by=bob, at=NOON + MINUTE)
    answer = press(staff, native, verb, note="so it is")
    assert (answer.status_code, answer.url) == (302, f"/incidents/{native.uuid}")
    native.refresh_from_db()
    assert native.status == status
    read = words(staff.get(answer.url))
    assert said in read
    assert "so it is" in read
    assert facts(native).order_by("-id").first().user_email == "alice@example.com"


def test_the_page_offers_what_is_legal_now_and_nothing_else(staff, native, user):
    def offered():
        page = staff.get(f"/incidents/{native.uuid}").content.decode()
        return re.findall(r'name="verb" value="(acknowledge|resolve|close|reopen)"', page)

    assert offered() == ["acknowledge", "resolve"]
    lifecycle.acknowledge(native, by=user, at=LATER)
    assert offered() == ["resolve", "close", "reopen"]
    lifecycle.close(native, by=user, at=LATER)
    assert offered() == ["reopen"]
    lifecycle.destroy(native, by=user, at=LATER)
    assert offered() == []


def test_details_are_changed(staff, native, bob):
    press(staff, native, "assign", assignee=str(bob.uuid))
    press(staff, native, "severity", severity="critical")
    edited = {"title": "Shut", "error_message": "no power\r\nat all", "affected_regions": "eu\r\n us \r\n\r\neu"}
    press(staff, native, "edit", **edited)
    native.refresh_from_db()
    assert (native.assignee, native.severity, native.title) == (bob, "critical", "Shut")
    assert (native.error_message, native.affected_regions) == ("no power\nat all", ["eu", "us"])
    press(staff, native, "assign", assignee="nobody")
    native.refresh_from_db()
    assert native.assignee is None


def test_what_was_not_changed_in_the_form_is_not_changed(staff, native, user):
    details.edit(native, by=user, at=LATER, error_message="one\ntwo\n three", affected_regions=["eu"])
    number = facts(native).count()
    same = {"title": native.title, "error_message": "one\r\ntwo\r\n three", "affected_regions": "eu"}
    press(staff, native, "edit", **same)
    assert facts(native).count() == number
    assert "nothing was changed" in words(staff.get(f"/incidents/{native.uuid}"))


def test_a_cause_too_long_to_be_edited_stays(staff, tell):
    tell(an_event("incident.started", incident_cause="y" * 30_000))
    incident = Incident.objects.get()
    assert "30000 characters, too many to edit here" in words(staff.get(f"/incidents/{incident.uuid}"))
    press(staff, incident, "edit", title="Shorter", error_message="")
    incident.refresh_from_db()
    assert (incident.title, len(incident.error_message)) == ("Shorter", 30_000)


@pytest.mark.parametrize(
    "regions",
    [
        ["eu", "us", "eu"],
        ["eu\nwest", " us ", "\r\nasia\rsouth\n"],
        [f"region {n}" for n in range(150)],
        ["x" * 300],
        [""],
        [],
    ],
)
def test_regions_that_the_form_could_not_say_stay_where_they_are_left_alone(regions, staff, tell):
    tell(an_event("incident.started", incident_cause=None, regions=regions))
    incident = Incident.objects.get()
    page = staff.get(f"/incidents/{incident.uuid}").content.decode()
    shown = unescape(re.search(r'name="affected_regions"[^>]*>\r?\n(.*?)</textarea>', page, re.S)[1])
    as_sent = "\r\n".join(re.split(r"\r\n|\r|\n", shown))
    press(staff, incident, "edit", title="Otherwise", affected_regions=as_sent)
    incident.refresh_from_db()
    assert (incident.title, incident.affected_regions) == ("Otherwise", regions)
    press(staff, incident, "edit", title="Otherwise", affected_regions="moon")
    incident.refresh_from_db()
    assert incident.affected_regions == ["moon"]


def test_a_title_of_several_lines_stays_where_it_is_left_alone(staff, tell):
    tell(an_event("incident.started", incident_cause=None, incident_name="Down\r\nagain"))
    incident = Incident.objects.get()
    press(staff, incident, "edit", title="Downagain", affected_regions="moon")
    incident.refresh_from_db()
    assert (incident.title, incident.affected_regions) == ("Down\r\nagain", ["moon"])


def test_members_and_the_team_are_called(staff, native, bob, team):
    assert lifecycle.ONLY_RECORDED in words(staff.get(f"/incidents/{native.uuid}"))
    assert press(staff, native, "escalate", targets=["team", str(bob.uuid)], note="help").status_code == 302
    assert f"Escalated. {lifecycle.ONLY_RECORDED}" in words(staff.get("/preferences"))
    fact = facts(native, "incident.escalated").get()
    assert [target["name"] for target in fact.payload["escalation_targets"]] == ["Operations", "Bob Smith"]
    assert "help" in words(staff.get(f"/incidents/{native.uuid}"))


def test_an_incident_is_put_into_a_group_and_taken_out(staff, native, mirrored, team):
    press(staff, native, "group", name="Power cut")
    group = IncidentGroup.objects.get()
    press(staff, mirrored, "group", group=group.pk)
    assert {each.pk for each in grouping.incidents_of(group)} == {native.pk, mirrored.pk}
    assert f'href="/groups/{group.pk}"' in staff.get(f"/incidents/{native.uuid}").content.decode()
    press(staff, native, "ungroup")
    assert {each.pk for each in grouping.incidents_of(group)} == {mirrored.pk}


def test_an_entry_is_added_after_the_fact_in_the_reader_s_time_zone(staff, native, user):
    user.time_zone = "Europe/Berlin"
    user.save()
    said = {"message": "Called the power company", "occurred_at": "2026-05-13T14:30", "reason": "was busy"}
    press(staff, native, "add", **said)
    assert facts(native, "incident.commented").get().occurred_at == NOON + 30 * MINUTE


def test_an_incident_is_deleted_after_one_was_told_what_that_means(staff, native, mirrored):
    assert "Delete this incident?" in words(staff.get(f"/incidents/{native.uuid}/delete"))
    assert "Better Stack is not told" in words(staff.get(f"/incidents/{mirrored.uuid}/delete"))
    unasked = staff.post(f"/incidents/{native.uuid}/delete")
    assert (unasked.status_code, "Delete this incident?" in words(unasked)) == (400, True)
    native.refresh_from_db()
    assert not native.destroyed_at
    assert staff.post(f"/incidents/{native.uuid}/delete", {"post": "yes"}).status_code == 302
    native.refresh_from_db()
    assert native.destroyed_at
    assert "nothing was changed" in words(staff.post(f"/incidents/{native.uuid}/delete", {"post": "yes"}, follow=True))


def test_a_mirrored_incident_says_that_acts_are_recorded_here_only(staff, mirrored, native):
    assert "recorded here only" in words(staff.get(f"/incidents/{mirrored.uuid}"))
    assert "recorded here only" not in words(staff.get(f"/incidents/{native.uuid}"))


# --- what goes wrong


@pytest.mark.parametrize(
    ("verb", "fields", "said"),
    [
        ("", {}, "Choose what is to be done."),
        ("fly", {}, "Choose what is to be done."),
        ("acknowledge", {"note": "x" * 501}, "at most 500 characters"),
        ("escalate", {}, "Choose to whom it is escalated."),
        ("escalate", {"targets": ["team", "42"]}, "No active member of the team has this id."),
        ("severity", {"severity": "awful"}, "Select a valid choice"),
        ("severity", {}, "This field is required."),
        ("edit", {"title": "x" * 256, "error_message": "y"}, "at most 255 characters"),
        ("edit", {"title": "", "error_message": "y"}, "This field is required."),
        ("edit", {"title": "x", "error_message": "y", "affected_regions": "z" * 256}, "at most 255 characters"),
        ("add", {"message": "x", "occurred_at": "tomorrow", "reason": "y"}, "Enter a valid date/time."),
        ("add", {"message": "x", "occurred_at": "2026-05-13T23:00", "reason": "y"}, "Must be from 2000-01-01 to now."),
        ("add", {"message": "x", "occurred_at": "1999-05-13T23:00", "reason": "y"}, "Must be from 2000-01-01 to now."),
        ("add", {"message": "x", "occurred_at": "2026-05-13T12:00"}, "This field is required."),
    ],
)
def test_what_can_not_be_is_said_in_the_form_and_changes_nothing(verb, fields, said, staff, native):
    answer = press(staff, native, verb, **fields)
    assert answer.status_code == 400
    assert said in words(answer)
    assert facts(native).count() == 1


def test_somebody_of_another_team_is_as_good_as_nobody(staff, native, other_team):
    stranger = make_user("mallory@example.com", other_team)
    theirs = grouping.make_group(other_team, "Theirs", at=NOON)
    for verb, foreign, missing in (
        ("assign", {"assignee": str(stranger.uuid)}, {"assignee": str(uuid4())}),
        ("escalate", {"targets": [str(stranger.uuid)]}, {"targets": [str(uuid4())]}),
        ("group", {"group": theirs.pk}, {"group": 2**62}),
    ):
        answers = [press(staff, native, verb, **fields) for fields in (foreign, missing)]
        said = [re.findall(r'class="errors".*?</ul>', answer.content.decode(), re.S) for answer in answers]
        assert said[0] == said[1] != []
        assert [answer.status_code for answer in answers] == [400, 400]
    assert facts(native).count() == 1


@pytest.mark.parametrize("path", ["act", "delete", "entries", ""])
def test_viewers_see_no_forms_and_may_not_act(path, viewer, native):
    page = viewer.get(f"/incidents/{native.uuid}").content.decode()
    assert "/act" not in page
    assert "Delete" not in page
    assert "Correct or hide" not in page
    assert viewer.post(f"/incidents/{native.uuid}/{path}".rstrip("/"), {"verb": "resolve"}).status_code == 403
    assert viewer.post("/incidents/act", {"verb": "resolve", "pick": str(native.uuid)}).status_code == 403
    assert 'name="pick"' not in viewer.get("/incidents").content.decode()
    assert facts(native).count() == 1


def test_nobody_acts_on_another_team_s_incident(native, other_team, client):
    mallory = logged_in(make_user("mallory@example.com", other_team, Role.MANAGER))
    assert press(mallory, native, "resolve").status_code == 404
    assert mallory.post(f"/incidents/{native.uuid}/delete", {"post": "yes"}).status_code == 404
    assert press(client, native, "resolve").status_code == 401
    assert facts(native).count() == 1


# --- two at once


def test_who_comes_second_is_told_who_was_first_and_when(staff, native, bob):
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "move")
    lifecycle.acknowledge(native, by=bob, at=NOON + 2 * MINUTE)
    answer = press(staff, native, "acknowledge", seen, note="mine")
    assert answer.status_code == 409
    assert "Bob Smith acknowledged it at 12:02; it is acknowledged now. Nothing was changed by you." in words(answer)
    assert 'value="mine"' in answer.content.decode()
    assert facts(native).count() == 2


def test_nobody_closes_what_was_reopened_meanwhile(staff, native, bob):
    lifecycle.resolve(native, by=bob, at=NOON + MINUTE)
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "move")
    lifecycle.reopen(native, by=bob, at=NOON + 2 * MINUTE)
    lifecycle.acknowledge(native, by=bob, at=NOON + 3 * MINUTE)
    answer = press(staff, native, "close", seen)
    assert "Bob Smith acknowledged it at 12:03; it is acknowledged now." in words(answer)
    native.refresh_from_db()
    assert native.status == "acknowledged"
    # Knowing that, the same person may.
    assert press(staff, native, "close", hidden(answer, "move")).status_code == 302


def test_an_edit_does_not_undo_another_s(staff, native, bob):
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "edit")
    details.edit(native, by=bob, at=NOON + 5 * MINUTE, title="Bob's title")
    answer = press(staff, native, "edit", seen, title="Mine", error_message="nobody can buy")
    assert answer.status_code == 409
    assert "Bob Smith changed title, cause or regions at 12:05" in words(answer)
    assert 'value="Mine"' in answer.content.decode()
    native.refresh_from_db()
    assert native.title == "Bob's title"


@pytest.mark.parametrize(
    ("verb", "fields"),
    [("assign", {"assignee": "nobody"}), ("severity", {"severity": "minor"}), ("group", {"name": "Mine"})],
)
def test_the_other_forms_notice_too(verb, fields, staff, native, bob):
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), verb)
    details.assign(native, by=bob, at=NOON + 2 * MINUTE, assignee=bob)
    details.change_severity(native, by=bob, at=NOON + 3 * MINUTE, severity=Severity.WARNING)
    grouping.group_anew(native, "Bob's", by=bob, at=NOON + 4 * MINUTE)
    number = facts(native).count()
    answer = press(staff, native, verb, seen, **fields)
    assert "Bob Smith changed" in words(answer)
    assert facts(native).count() == number


def test_a_deleted_incident_tells_who_deleted_it(staff, native, bob):
    seen = hidden(staff.get(f"/incidents/{native.uuid}"), "move")
    lifecycle.destroy(native, by=bob, at=NOON + 2 * MINUTE)
    assert "Bob Smith deleted it at 12:02" in words(press(staff, native, "resolve", seen))


def test_another_live_incident_in_the_way_is_named_with_the_way_there(staff, team, user):
    monitor = create(Monitor, team, by=user, at=NOON, name="Shop", url="https://shop.example", type="status")
    told = Declaration(Severity.MAJOR, Type.OTHER, "down", resource=monitor)
    first = declare(team, told, by=user, at=NOON)
    lifecycle.resolve(first, by=user, at=NOON + MINUTE)
    second = declare(team, told, by=user, at=NOON + 2 * MINUTE)
    answer = press(staff, first, "reopen")
    assert answer.status_code == 409
    assert f'href="/incidents/{second.uuid}">Go to it' in answer.content.decode()


# --- htmx


def test_htmx_gets_the_page_s_content_as_it_is_stored(staff, native):
    answer = press(staff, native, "acknowledge", headers=HTMX)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in page
    assert 'id="live-count" hx-swap-oob="true"' in page
    assert "Acknowledged." in words(answer)
    assert 'value="close"' in page
    assert press(staff, native, "severity", headers=HTMX, severity="x").status_code == 422
    note = staff.post(f"/incidents/{native.uuid}", {"message": "seen"}, headers=HTMX)
    assert "Note added." in words(note)
    assert "<html" not in note.content.decode()


# --- several


def picks(*incidents, seen=None):
    return [f"{each.uuid} {seen or each.status}" for each in incidents]


def test_several_are_moved_and_each_is_answered(staff, team, user, bob):
    one, two, three = (an_incident(team, user, title) for title in ("One", "Two", "Three"))
    lifecycle.resolve(two, by=bob, at=NOON + MINUTE)
    sent = {"verb": "acknowledge", "pick": [*picks(one, three), *picks(two, seen="open")]}
    answer = staff.post("/incidents/act?status=open&q=o", sent)
    assert (answer.status_code, answer.url) == (302, "/incidents?status=open&q=o")
    read = words(staff.get(answer.url))
    assert "One Acknowledged." in read
    assert "Three Acknowledged." in read
    assert "Two Not done: Bob Smith resolved it at 12:01" in read
    assert "What was done" not in words(staff.get("/incidents"))
    assert facts(two).count() == 2


def test_htmx_gets_the_answers_and_the_rows_as_they_are_stored(staff, team, user):
    one, two = (an_incident(team, user, title) for title in ("One", "Two"))
    answer = staff.post("/incidents/act", {"verb": "resolve", "pick": picks(one, two)}, headers=HTMX)
    page = answer.content.decode()
    assert "<html" not in page
    assert page.count('hx-swap-oob="true"') == 3
    assert f'value="{one.uuid} resolved ' in page
    assert "One Resolved." in words(answer)


def test_several_are_assigned_graded_and_grouped(staff, team, user, bob):
    both = [an_incident(team, user, title) for title in ("One", "Two")]
    for sent in ({"verb": "assign", "assignee": str(bob.uuid)}, {"verb": "severity", "severity": "minor"}):
        staff.post("/incidents/act", sent | {"pick": picks(*both)})
    staff.post("/incidents/act", {"verb": "group", "name": "Power cut", "pick": picks(*both)})
    group = IncidentGroup.objects.get()
    for each in both:
        each.refresh_from_db()
        assert (each.assignee, each.severity, each.incident_group_id) == (bob, "minor", group.pk)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"verb": "acknowledge"}, "Choose the incidents first."),
        ({"verb": "fly", "pick": "x"}, "Choose what is to be done."),
        ({"verb": "edit", "title": "x", "pick": "x"}, "Choose what is to be done."),
        ({"verb": "severity", "pick": "x"}, "Severity: This field is required."),
        ({"verb": "assign", "assignee": str(uuid4()), "pick": "x"}, "No active member of the team has this id."),
        ({"verb": "resolve", "pick": [str(uuid4()) for _ in range(101)]}, "At most 100 incidents at once."),
        ({"verb": "resolve", "pick": ["rubbish", "\u202e", str(uuid4())]}, "An incident Not done: Not found."),
    ],
)
def test_what_can_not_be_done_with_several_is_said(sent, said, staff):
    assert said in words(staff.post("/incidents/act", sent, follow=True))


def test_another_team_s_incident_among_several_is_as_good_as_none(staff, other_team, strangers):
    tell_it(strangers, an_event("incident.started", incident_name="Secret"))
    theirs = Incident.objects.get(title="Secret")
    answers = [
        words(staff.post("/incidents/act", {"verb": "resolve", "pick": str(each)}, follow=True))
        for each in (theirs.uuid, uuid4())
    ]
    assert answers[0] == answers[1]
    assert "Secret" not in answers[0]
    assert facts(theirs).count() == 1


# --- what lost its effect


def test_an_act_that_lost_its_effect_by_a_late_event_says_by_which(staff, tell, user, mirrored):
    lifecycle.acknowledge(mirrored, by=user, at=NOON + 5 * MINUTE)
    tell(an_event("incident.resolved", NOON + 2 * MINUTE), at=NOON + 12 * MINUTE)
    read = words(staff.get(f"/incidents/{mirrored.uuid}"))
    assert "No effect: resolved at 12:02, arrived 12:12." in read


@pytest.mark.django_db(transaction=True)
def test_of_several_who_press_at_once_one_is_first_and_the_others_are_told(team, user, native):
    people = [make_user(f"{n}@example.com", team, name=f"No {n}") for n in range(4)]
    clients, start, answers = [logged_in(each) for each in people], Barrier(4), []

    def presses(client):
        try:
            with clock.at(LATER):
                start.wait()
                answers.append(press(client, native, "acknowledge", "open"))
        finally:
            connection.close()

    threads = [Thread(target=presses, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [302, 409, 409, 409]
    first = facts(native, "incident.acknowledged").get().user_name
    told = [words(answer) for answer in answers if answer.status_code == 409]
    assert all(f"{first} acknowledged it at 15:00; it is acknowledged now." in read for read in told)


# --- what nobody touched, nobody changes


def chosen(page, name):
    """What a page's last box of a name has chosen, and all that can be chosen in it."""
    box = re.findall(rf'<select name="{name}".*?</select>', page.content.decode(), re.DOTALL)[-1]
    found = re.findall(r'<option value="([^"]*)"( selected)?>([^<]*)', box)
    return [value for value, is_chosen, _ in found if is_chosen], {value: unescape(word) for value, _, word in found}


def test_an_incident_whose_holder_left_keeps_them_until_somebody_chooses_another(staff, native, user, bob, team):
    details.assign(native, by=user, at=LATER, assignee=bob)
    team.memberships.filter(user=bob).delete()
    page = staff.get(f"/incidents/{native.uuid}")
    now, words_of = chosen(page, "assignee")
    assert now == ["present"] and words_of["present"] == "Bob Smith, no member of the team"
    seen = hidden(page, "assign")
    assert "nothing was changed" in words(staff.get(press(staff, native, "assign", seen, assignee="present").url))
    native.refresh_from_db()
    assert native.assignee == bob
    press(staff, native, "assign", seen, assignee="nobody")
    native.refresh_from_db()
    assert native.assignee is None


def test_a_holder_whom_only_the_source_knows_stays_too(staff, team, user):
    kin = make_integration(team, "Other", type="watchkeeper")
    tell_it(kin, an_event("incident.started", NOON), an_event("incident.assigned", assignee_email="eve@theirs.example"))
    incident = Incident.objects.get()
    assert incident.assignee_email == "eve@theirs.example"
    page = staff.get(f"/incidents/{incident.uuid}")
    assert "eve@theirs.example has it" in words(page)
    now, words_of = chosen(page, "assignee")
    assert words_of[now[0]] == "eve@theirs.example, no member of the team"
    press(staff, incident, "assign", hidden(page, "assign"), assignee=now[0])
    incident.refresh_from_db()
    assert incident.assignee_email == "eve@theirs.example"


def test_every_form_of_the_page_sent_as_it_is_changes_nothing(staff, native, mirrored, user, bob, team, monkeypatch):
    monkeypatch.setattr("dashboard.acts.GROUPS_OFFERED", 1)
    details.edit(native, by=user, at=LATER, error_message="two\nlines ", title="One\ntitle")
    details.assign(native, by=user, at=LATER, assignee=bob)
    grouping.group_anew(native, "First", by=user, at=LATER)
    grouping.make_group(team, "Newer", at=LATER)
    before = facts(native).count()
    page = staff.get(f"/incidents/{native.uuid}").content.decode()
    sent = {
        "assign": {"assignee": str(bob.uuid)},
        "severity": {"severity": "major"},
        "edit": {"title": "Onetitle", "error_message": "two\r\nlines", "affected_regions": ""},
        "group": {"group": str(IncidentGroup.objects.get(name="First").pk), "name": ""},
    }
    for verb, fields in sent.items():
        for name, value in fields.items():
            assert name not in ("assignee", "severity", "group") or f'value="{value}" selected' in page
        assert "nothing was changed" in words(staff.get(press(staff, native, verb, **fields).url))
    assert facts(native).count() == before


def test_a_name_for_a_new_group_is_not_lost_because_another_is_chosen(staff, native, mirrored, team):
    group = grouping.make_group(team, "Power cut", at=NOON)
    answer = press(staff, native, "group", group=group.pk, name="Mine")
    assert (answer.status_code, "Choose “A new group” to give it this name." in words(answer)) == (400, True)


@pytest.mark.parametrize("verb", ["assign", "severity"])
def test_on_the_list_nothing_is_chosen_beforehand(verb, staff, native):
    form = {"assign": "assignee", "severity": "severity"}[verb]
    page = staff.get("/incidents")
    assert chosen(page, form)[1][""] == "Choose…"
    assert not re.search(rf'<select name="{form}"[^>]* required', page.content.decode())
    answer = staff.post("/incidents/act", {"verb": verb, form: "", "pick": picks(native)}, follow=True)
    assert "This field is required." in words(answer)
    assert facts(native).count() == 1


# --- taking it


def test_who_acknowledges_can_take_it_at_once(staff, native, user):
    assert "Acknowledge Take it Resolve" in words(staff.get(f"/incidents/{native.uuid}"))
    answer = press(staff, native, "take", note="On my way")
    read = words(staff.get(answer.url))
    assert "You have it now." in read and "Alice Johnson has it" in read and "On my way" in read
    assert "Take it" not in read
    native.refresh_from_db()
    assert (native.status, native.assignee) == ("acknowledged", user)


def test_both_pages_say_alike_who_has_it(staff, native, mirrored, user, bob):
    assert words(staff.get("/")).count("Nobody has it yet") == 2
    assert "Nobody has it yet" in words(staff.get(f"/incidents/{native.uuid}"))
    lifecycle.acknowledge(native, by=bob, at=LATER)
    assert "Bob Smith , acknowledged" in words(staff.get("/"))
    read = words(staff.get(f"/incidents/{native.uuid}"))
    assert "Bob Smith has it" in read and "Who has it Bob Smith , who acknowledged it" in read and "Take it" in read


def test_several_are_taken_at_once(staff, native, mirrored, user):
    both = (native, mirrored)
    staff.post("/incidents/act", {"verb": "take", "pick": [f"{each.uuid} {sight(each)}" for each in both]})
    assert list(Incident.objects.values_list("status", "assignee")) == [("acknowledged", user.pk)] * 2


def test_who_takes_what_another_was_given_meanwhile_is_told(staff, native, user, bob):
    page = staff.get(f"/incidents/{native.uuid}").content.decode()
    held = re.search(r'name="held" value="([^"]*)"', page)[1]
    details.assign(native, by=bob, at=LATER, assignee=bob)
    answer = press(staff, native, "take", "open", held=held)
    assert answer.status_code == 409
    assert "Bob Smith changed who has it at 15:00; it is open now. Nothing was changed by you." in words(answer)
    native.refresh_from_db()
    assert (native.status, native.assignee) == ("open", bob)
    again = re.search(r'name="held" value="([^"]*)"', answer.content.decode())[1]
    assert press(staff, native, "take", "open", held=again).status_code == 302
    native.refresh_from_db()
    assert native.assignee == user
