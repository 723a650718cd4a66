"""What a team's managers decide on the pages: who is a member, and as what."""

import re
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config import clock
from dashboard import once
from integrations.lifecycle import issue_key
from teams.authentication import make_key
from teams.models import APIKey, EntryLink, Membership, Role, Scope, User
from tests.conftest import NOON, make_integration, make_team, make_user
from tests.dashboard.conftest import logged_in, secret_of, words

LISTS = ("/team/members", "/team/integrations", "/team/keys")


@pytest.fixture
def alice(team, user):
    """Alice's membership: she is a responder."""
    return Membership.objects.get(team=team, user=user)


def paths(key, integration, membership):
    """All pages about records, as (path, whether it can be read)."""
    reads = [
        f"/team/keys/{key}/revoke",
        f"/team/members/{membership}/role",
        f"/team/members/{membership}/remove",
        f"/team/integrations/{integration}",
        *(f"/team/integrations/{integration}/{do}" for do in ("edit", "rotate", "signing", "shut")),
    ]
    posts = [f"/team/integrations/{integration}/{do}" for do in ("address", "reopen")]
    return [(path, True) for path in reads] + [(path, False) for path in posts]


def everywhere(key, integration, membership):
    """(method, path) of everything that can be asked of the team's pages."""
    new = [(f"{path}/new", True) for path in LISTS]
    asked = [("get", path) for path in LISTS]
    for path, can_be_read in paths(key, integration, membership) + new:
        asked += [("get", path)] if can_be_read else []
        asked += [("post", path)] if not path.endswith(str(integration)) else []
    return asked


@pytest.fixture
def own(team, user, alice):
    key, _ = make_key(team, user, "laptop", [Scope.READ])
    return {"key": key.pk, "integration": make_integration(team).pk, "membership": alice.pk}


# --- who may ----------------------------------------------------------------------------------------------------------


def test_only_managers_see_the_way_to_the_team_s_pages(manager, staff, viewer):
    assert 'href="/team/members"' in manager.get("/").content.decode()
    for client in (staff, viewer):
        assert "/team/members" not in client.get("/").content.decode()


def test_only_managers_may_read_or_post_anything_there(own, staff, viewer):
    for client in (staff, viewer):
        for method, path in everywhere(**own):
            assert getattr(client, method)(path).status_code == 403, (method, path)
    assert APIKey.objects.get().revoked_at is None
    assert Membership.objects.count() == 2


def test_who_is_not_logged_in_comes_to_the_login_and_who_has_no_team_sees_none(own, db):
    nobody, outsider = Client(), logged_in(make_user("outsider@example.com"))
    for method, path in everywhere(**own):
        answer = getattr(nobody, method)(path)
        login = (answer.status_code, answer.headers.get("Location", "").partition("?")[0])
        assert login == ((302, "/login") if method == "get" else (401, ""))
        assert getattr(outsider, method)(path).status_code == 403


def test_another_team_s_records_are_as_good_as_missing(manager, foreign):
    def answers(key, integration, membership):
        asked = paths(key, integration, membership)
        read = [manager.get(path) for path, can_be_read in asked if can_be_read]
        posted = [manager.post(path) for path, _ in asked if not path.endswith(str(integration))]
        return [(answer.status_code, words(answer)) for answer in read + posted]

    missing = answers(10**9, 10**9, 10**9)
    assert {status for status, _ in missing} == {404}
    assert answers(foreign.key, foreign.integration, foreign.membership) == missing
    assert answers(10**30, 10**30, 10**30) == missing


def test_nothing_of_another_team_is_on_the_pages(manager, own, foreign):
    for path in [*LISTS, *(f"{path}/new" for path in LISTS)]:
        read = words(manager.get(path))
        assert not any(canary in read for canary in ("canary", "Theirs", "Stranger", "stranger@")), path


def test_a_manager_of_one_team_is_none_in_another_that_they_only_work_in(manager, mary, foreign, other_team):
    other_team.memberships.create(user=mary, role=Role.RESPONDER)
    for method, path in everywhere(foreign.key, foreign.integration, foreign.membership):
        if "new" not in path and path not in LISTS:
            assert getattr(manager, method)(path).status_code == 403, path


def test_a_form_goes_to_the_team_it_was_made_for_whichever_is_looked_at_meanwhile(manager, mary, team):
    second = make_team("Second")
    second.memberships.create(user=mary, role=Role.MANAGER)
    manager.post("/team", {"team": team.public_id})
    [named] = re.findall(r'name="team" value="(team_[^"]+)"', manager.get("/team/keys/new").content.decode())[-1:]
    manager.post("/team", {"team": second.public_id})
    manager.post("/team/keys/new", {"team": named, "name": "laptop", "scopes": ["read"]})
    assert APIKey.objects.get().team == team


def test_a_form_for_a_team_one_is_not_in_or_does_not_manage_is_refused(manager, mary, other_team):
    said = {"team": other_team.public_id, "name": "laptop", "scopes": ["read"]}
    assert manager.post("/team/keys/new", said).status_code == 404
    assert manager.post("/team/keys/new", said | {"team": "team_none"}).status_code == 404
    other_team.memberships.create(user=mary, role=Role.RESPONDER)
    assert manager.post("/team/keys/new", said).status_code == 403
    assert not APIKey.objects.exists()


def test_who_stops_being_a_manager_while_a_form_is_under_way_changes_nothing(manager, mary, alice, monkeypatch):
    """The role is asked for again once the team is held."""
    from dashboard.views import team as pages

    def meanwhile(request, role, asked=pages.require):
        asked(request, role)
        Membership.objects.filter(user=mary).update(role=Role.VIEWER)

    monkeypatch.setattr(pages, "require", meanwhile)
    assert manager.post(f"/team/members/{alice.pk}/remove").status_code == 403
    assert Membership.objects.filter(pk=alice.pk).exists()


# --- members ----------------------------------------------------------------------------------------------------------


def test_the_members_stand_in_a_list_with_their_roles(manager, alice):
    read = words(manager.get("/team/members"))
    assert "Alice Johnson alice@example.com Responder" in read
    assert "Mary Manager mary@example.com that’s you Manager" in read


def test_the_list_goes_on_where_a_page_ends(manager, team):
    for number in range(35):
        make_user(f"user{number}@example.com", team)
    page = manager.get("/team/members")
    [more] = re.findall(r'<a href="([^"]+\?cursor=[^"]+)" hx-get', page.content.decode())
    rest = manager.get(more, headers={"HX-Request": "true"})
    assert "user34@" in words(rest) and "user34@" not in words(page)
    assert "<html" not in rest.content.decode()
    assert manager.get("/team/members?cursor=x").status_code == 400


def test_the_lists_cost_the_same_for_one_row_and_for_twenty(manager, team):
    def furnish(number):
        integration = make_integration(team, f"Integration {number}")
        user = make_user(f"user{number}@example.com", team)
        issue_key(team, user, "sender", [Scope.INGEST], integration=integration)
        make_key(team, user, "reader", [Scope.READ])

    def asked(path):
        with CaptureQueriesContext(connection) as queries:
            manager.get(path)
        return len(queries)

    furnish(0)
    few = [asked(path) for path in LISTS]
    for number in range(1, 20):
        furnish(number)
    assert [asked(path) for path in LISTS] == few
    assert max(few) < 15


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({"email": "alice@example.com", "role": "manager"}, "Alice Johnson is a member already."),
        ({"email": "no address", "role": "viewer"}, "Enter a valid email address."),
        ({"email": "new@example.com", "role": "king", "name": "N"}, "king is not one of the available choices"),
        ({}, "This field is required."),
    ],
)
def test_who_can_not_be_added_is_said_beside_the_form(said, refusal, manager, alice):
    answer = manager.post("/team/members/new", said)
    assert answer.status_code == 400
    assert refusal in words(answer)
    assert (Membership.objects.count(), EntryLink.objects.count()) == (2, 0)
    alice.refresh_from_db()
    assert alice.role == Role.RESPONDER


def test_a_member_gets_another_role(manager, alice):
    assert 'value="responder"' in manager.get(f"/team/members/{alice.pk}/role").content.decode()
    answer = manager.post(f"/team/members/{alice.pk}/role", {"role": "manager"}, follow=True)
    assert "Alice Johnson is a manager now." in words(answer)
    alice.refresh_from_db()
    assert alice.role == Role.MANAGER
    again = manager.post(f"/team/members/{alice.pk}/role", {"role": "manager"}, follow=True)
    assert "Alice Johnson is a manager now." not in words(again)
    assert manager.post(f"/team/members/{alice.pk}/role", {"role": "king"}).status_code == 400


def test_a_member_is_removed_after_being_asked_and_their_keys_are_revoked(manager, alice, team, user, other_team):
    key, text = make_key(team, user, "laptop", [Scope.READ])
    other_team.memberships.create(user=user, role=Role.VIEWER)
    elsewhere, _ = make_key(other_team, user, "elsewhere", [Scope.READ])
    assert "This key of theirs is revoked, too." in words(manager.get(f"/team/members/{alice.pk}/remove"))
    assert Membership.objects.filter(pk=alice.pk).exists()
    answer = manager.post(f"/team/members/{alice.pk}/remove", follow=True)
    assert "Alice Johnson is no member any more." in words(answer)
    assert Client(headers={"X-API-Key": text}).get("/api/incidents").status_code == 401
    key.refresh_from_db(), elsewhere.refresh_from_db()
    assert key.revoked_at is not None and elsewhere.revoked_at is None
    team.memberships.create(user=user, role=Role.RESPONDER)
    assert Client(headers={"X-API-Key": text}).get("/api/incidents").status_code == 401


def test_the_last_manager_stays_one(manager, mary, team, alice):
    own = team.memberships.get(user=mary)
    answer = manager.post(f"/team/members/{own.pk}/role", {"role": "viewer"})
    assert answer.status_code == 400
    assert "Mary Manager is the team’s last manager. Make somebody else a manager first." in words(answer)
    assert "last manager" in words(manager.post(f"/team/members/{own.pk}/remove", follow=True))
    own.refresh_from_db()
    assert own.role == Role.MANAGER


def test_a_manager_who_can_not_log_in_is_none_to_leave_the_team_to(manager, mary, team):
    make_user("gone@example.com", team, Role.MANAGER, is_active=False)
    own = team.memberships.get(user=mary)
    assert manager.post(f"/team/members/{own.pk}/role", {"role": "viewer"}).status_code == 400


def test_one_of_two_managers_may_go_and_is_led_to_where_they_may_be(manager, mary, team, alice):
    Membership.objects.filter(pk=alice.pk).update(role=Role.MANAGER)
    own = team.memberships.get(user=mary)
    assert manager.post(f"/team/members/{own.pk}/role", {"role": "viewer"}).url == "/"
    assert manager.get("/team/members").status_code == 403


def test_operators_read_in_admin_who_did_it(manager, mary, alice):
    manager.post(f"/team/members/{alice.pk}/remove")
    entry = LogEntry.objects.get()
    assert (entry.user, entry.change_message, entry.object_id) == (
        mary,
        "Removed alice@example.com.",
        str(alice.team_id),
    )


# --- a password that somebody else gave -------------------------------------------------------------------------------


@pytest.fixture
def nora(team):
    return make_user("nora@example.com", team, name="Nora New", must_change_password=True)


CHOSEN = {
    "old_password": "correct horse battery",
    "new_password1": "a lamp of brass",
    "new_password2": "a lamp of brass",
}


def test_whose_password_somebody_else_gave_sees_no_page_before_it_is_changed(nora):
    client = logged_in(nora)
    for path in ("/", "/incidents", "/preferences", "/deliveries?status=quarantined"):
        assert client.get(path).url == f"/password?next={quote(path, safe='')}"
    assert client.post("/team", {"team": "x"}).url == "/password?next=%2F"
    part = client.get("/incidents", headers={"HX-Request": "true"})
    assert part.headers["HX-Redirect"] == "/password?next=%2Fincidents"
    assert "Somebody else knows the present one." in words(client.get("/password"))


def test_after_choosing_a_password_everything_opens_and_the_session_goes_on(nora):
    client = logged_in(nora)
    answer = client.post("/password", CHOSEN, follow=True)
    assert answer.redirect_chain == [("/", 302)]
    assert "Your password is changed. You are logged out everywhere else." in words(answer)
    nora.refresh_from_db()
    assert nora.check_password("a lamp of brass") and not nora.must_change_password


@pytest.mark.parametrize(
    "change",
    [
        {"old_password": "wrong"},
        {"new_password2": "another"},
        {"new_password1": "short", "new_password2": "short"},
        {"new_password1": CHOSEN["old_password"], "new_password2": CHOSEN["old_password"]},
        {"new_password1": "", "new_password2": ""},
    ],
)
def test_a_password_that_will_not_do_changes_nothing(change, nora):
    assert logged_in(nora).post("/password", CHOSEN | change).status_code == 400
    nora.refresh_from_db()
    assert nora.check_password("correct horse battery") and nora.must_change_password


def test_the_present_password_is_not_to_be_guessed_at_length(nora, settings):
    settings.FAILED_LOGINS_PER_MINUTE = 3
    client = logged_in(nora)
    answers = [client.post("/password", CHOSEN | {"old_password": "wrong"}).status_code for _ in range(4)]
    assert answers[0] == 400 and answers[-1] == 429


def test_where_one_wanted_to_go_survives_the_first_password(nora):
    client = logged_in(nora)
    address = client.get("/incidents?status=live").url
    assert 'name="next" value="/incidents?status=live"' in client.get(address).content.decode()
    assert client.post("/password", CHOSEN | {"next": "/incidents?status=live"}).url == "/incidents?status=live"


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_changing_a_password_leads_to_no_other_site(elsewhere, nora):
    assert logged_in(nora).post("/password", CHOSEN | {"next": elsewhere}).url == "/"


def test_a_first_password_that_expired_opens_nothing(nora):
    client = logged_in(nora)
    User.objects.update(password_expires_at=NOON)
    said = {"username": "nora@example.com", "password": "correct horse battery"}
    answer = Client().post("/login", said)
    assert answer.status_code == 400
    assert "This first password has expired." in words(answer)
    assert "The e-mail or the password is not right." in words(Client().post("/login", said | {"password": "wrong"}))
    assert "has expired" in words(client.post("/password", CHOSEN, follow=True))
    nora.refresh_from_db()
    assert nora.check_password("correct horse battery")


def test_changing_a_password_offers_to_revoke_one_s_keys(staff, user, team):
    assert "API key" not in words(staff.get("/password"))
    key, _ = make_key(team, user, "laptop", [Scope.READ])
    assert (
        f"Also revoke my 1 API key If somebody may have known your password: laptop ({key.prefix}…, Operations)."
        in (words(staff.get("/password")))
    )
    staff.post("/password", CHOSEN)
    key.refresh_from_db()
    assert key.revoked_at is None
    again = {"old_password": "a lamp of brass", "new_password1": "of tin 1234", "new_password2": "of tin 1234"}
    assert "API keys revoked: 1." in words(staff.post("/password", again | {"revoke_keys": "on"}, follow=True))
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_everybody_may_change_their_password_and_nobody_without_a_login(staff, user):
    assert "/password" in staff.get("/preferences").content.decode()
    assert "Change your password" in words(staff.get("/password"))
    assert staff.post("/password", CHOSEN).url == "/"
    assert Client().get("/password").url.startswith("/login")


# --- what is shown once -----------------------------------------------------------------------------------------------


def kept(place="team_a", at=NOON):
    """A session in which a secret is kept."""
    request = SimpleNamespace(method="GET", session={})
    once.keep(request, "This is it.", "wk_secret", place=place, at=at)
    return request


def test_a_secret_is_taken_once():
    request = kept()
    assert once.take(request, place="team_a", at=NOON) == ("This is it.", once.ONCE, "wk_secret")
    assert once.take(request, place="team_a", at=NOON) is None


def test_looking_without_reading_does_not_use_a_secret_up():
    request = kept()
    request.method = "HEAD"
    assert once.take(request, place="team_a", at=NOON) is None
    request.method = "GET"
    assert once.take(request, place="team_a", at=NOON)


def test_a_secret_is_gone_on_another_team_s_page_after_a_while_and_without_its_encryption_key(settings):
    assert once.take(kept("team_b"), place="team_a", at=NOON) is None
    assert once.take(kept(), place="team_a", at=NOON + timedelta(minutes=6)) is None
    request = kept()
    settings.ENCRYPTION_KEYS = ["another"]
    assert once.take(request, place="team_a", at=NOON) is None


def test_the_session_in_the_database_holds_it_sealed(manager):
    manager.post("/team/members/new", {"email": "new@example.com", "role": "viewer"})
    [data] = [session.get_decoded() for session in Session.objects.all()]
    with clock.at(clock.now()):
        address = secret_of(manager.get("/team/members"))
    assert address and address.rpartition("/")[2] not in str(data)
