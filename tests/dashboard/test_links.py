"""What comes of a link that somebody hands over, on the pages."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from teams.authentication import make_key
from teams.login_guard import STRANGERS_TRIES
from teams.models import APIKey, EntryLink, Membership, Role, Scope, User
from tests.conftest import make_team, make_user
from tests.dashboard.conftest import logged_in, secret_of, words

OWN = {"new_password1": "a lamp of brass", "new_password2": "a lamp of brass"}
NEW = OWN | {"name": "Nora New"}
CHANGED = OWN | {"old_password": "correct horse battery"}


def invite(manager, email="nora@example.com", role="responder"):
    """The path of a link that a manager is shown."""
    answer = manager.post("/team/members/new", {"email": email, "role": role}, follow=True)
    return secret_of(answer).removeprefix("http://testserver")


def test_a_manager_is_shown_a_link_once_and_the_invitation_until_it_is_accepted(manager, team):
    said = {"email": "nora@example.com", "role": "responder"}
    answer = manager.post("/team/members/new", said, follow=True)
    assert answer.redirect_chain == [("/team/members", 302)]
    assert secret_of(answer).startswith("http://testserver/link/wlink_")
    assert "no-store" in answer.headers["Cache-Control"]
    again = manager.get("/team/members")
    assert secret_of(again) is None
    assert "nora@example.com invited by Mary Manager" in words(again)
    assert not User.objects.filter(email="nora@example.com").exists()
    Client().post(secret_of(answer), NEW)
    assert "not accepted yet" not in words(manager.get("/team/members"))


def test_what_a_manager_reads_is_the_same_for_every_address(manager, operator, mary):
    make_user("known@example.com")
    pages = []
    for email in ("known@example.com", "nobody@example.com", "operator@example.com"):
        answer = manager.post("/team/members/new", {"email": email, "role": "viewer"}, follow=True)
        pages.append((answer.status_code, re.sub(r"wlink_[\w-]+", "", words(answer)).replace(email, "")))
        EntryLink.objects.all().delete()
    assert pages[0] == pages[1] == pages[2]
    assert Membership.objects.count() == 1


def test_somebody_new_makes_an_account_is_logged_in_and_in_the_team(manager, team):
    path, nora = invite(manager), Client()
    page = nora.get(path)
    assert "You are invited to Operations" in words(page) and "Mary Manager invites nora@example.com" in words(page)
    answer = nora.post(path, NEW, follow=True)
    assert answer.redirect_chain == [("/", 302)]
    assert "Welcome to Operations." in words(answer)
    assert team.memberships.get(user__email="nora@example.com").role == Role.RESPONDER
    nora.post("/logout")
    assert nora.post("/login", {"username": "nora@example.com", "password": "a lamp of brass"}).status_code == 302


def test_to_look_at_a_link_uses_nothing_up(manager):
    path = invite(manager)
    for _ in range(3):
        assert Client().get(path).status_code == 200
        assert Client().head(path).status_code == 200
    assert EntryLink.objects.get().used_at is None


@pytest.mark.parametrize("end", ["used", "revoked", "expired", "wrong"])
def test_a_link_that_opens_nothing_says_the_same_whatever_is_the_matter(end, manager):
    path = invite(manager)
    if end == "used":
        Client().post(path, NEW)
    elif end == "revoked":
        link = EntryLink.objects.get().pk
        assert "opens nothing any more" in words(manager.get(f"/team/invitations/{link}/revoke"))
        manager.post(f"/team/invitations/{link}/revoke")
    elif end == "expired":
        EntryLink.objects.update(expires_at="2026-01-01T00:00:00Z")
    else:
        path += "x"
    for method in ("get", "post"):
        answer = getattr(Client(), method)(path)
        assert answer.status_code == 404
        assert "This link opens nothing" in words(answer)


def test_wrong_links_are_bounded_and_leave_a_line(db, settings, capsys):
    settings.FAILED_LOGINS_PER_MINUTE = 3
    statuses = [Client().get(f"/link/wlink_{number}").status_code for number in range(5)]
    assert statuses == [404, 404, 404, 429, 429]
    assert '"what": "link"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"new_password2": "another"}, "match"),
        ({"new_password1": "short", "new_password2": "short"}, "too short"),
        ({"new_password1": "nora@example.com", "new_password2": "nora@example.com"}, "too similar"),
        ({"name": "  "}, "required"),
    ],
)
def test_what_will_not_do_is_said_and_uses_nothing_up(change, says, manager):
    path = invite(manager)
    answer = Client().post(path, NEW | change)
    assert answer.status_code == 400
    assert says in words(answer)
    assert EntryLink.objects.get().used_at is None


def test_who_has_an_account_logs_in_and_comes_back_to_accept(manager, team):
    bob = make_user("bob@example.com", name="Bob", own_since="2026-01-01T00:00:00Z")
    path, browser = invite(manager, "bob@example.com"), Client()
    [login] = re.findall(r'href="(/login\?next=[^"]+)"', browser.get(path).content.decode())
    said = {"username": "bob@example.com", "password": "correct horse battery", "next": path}
    assert browser.post(login, said).url == path
    assert "Mary Manager invites you to this team" in words(browser.get(path))
    assert not team.memberships.filter(user=bob).exists()
    assert "You are in Operations now." in words(browser.post(path, follow=True))
    assert team.memberships.filter(user=bob).exists()


def test_a_new_account_can_not_have_an_address_that_is_taken_and_its_owner_hears_of_it(manager, capsys):
    bob = make_user("bob@example.com", name="Bob")
    answer = Client().post(invite(manager, "bob@example.com"), NEW)
    assert answer.status_code == 400
    assert "No new account can be made with this address." in words(answer)
    assert '"what": "link"' in capsys.readouterr().err
    bob.refresh_from_db()
    assert bob.failed_logins == 1 and bob.check_password("correct horse battery")


def test_strangers_who_guess_at_an_invited_address_keep_nobody_from_their_link(manager, user, team):
    invitation = invite(manager)
    of_alice = secret_of(manager.post(f"/team/members/{team.memberships.get(user=user).pk}/password", follow=True))
    for number in range(STRANGERS_TRIES + 1):
        for email in ("nora@example.com", "alice@example.com"):
            stranger = Client(REMOTE_ADDR=f"198.51.100.{number + 1}")
            stranger.post("/login", {"username": email, "password": "wrong"})
    assert Client().post("/login", {"username": "alice@example.com", "password": "wrong"}).status_code == 429
    assert Client().post(invitation, NEW).status_code == 302
    assert Client().post(of_alice, OWN).status_code == 302


def test_who_is_somebody_else_is_told_nothing_of_the_invitation(manager, staff):
    path = invite(manager)
    for method in ("get", "post"):
        answer = getattr(staff, method)(path)
        assert answer.status_code == 403
        assert "for another address" in words(answer)
        assert "nora@" not in words(answer) and "Mary" not in words(answer)
    assert f'name="next" value="{path}"' in answer.content.decode()
    assert "invites nora@" in words(staff.post("/logout", {"next": path}, follow=True))


def test_one_team_s_manager_can_not_come_into_another_with_an_account_that_they_made(manager, team, other_team):
    """They use their own link for somebody's address; then the other team invites that address."""
    evil = Client()
    evil.post(invite(manager, "victim@example.com"), NEW | {"name": "Victim"})
    olaf = logged_in(make_user("olaf@example.com", other_team, Role.MANAGER))
    path = invite(olaf, "victim@example.com", "manager")
    assert "Strangers" not in words(evil.get("/"))
    assert not other_team.memberships.filter(user__email="victim@example.com").exists()
    # Whom the link was handed to comes in with a password that nobody else knows, and everybody else is logged out.
    victim = Client()
    victim.post("/login", {"username": "victim@example.com", "password": "a lamp of brass"})
    assert "choose a new one, this once" in words(victim.get(path))
    assert victim.post(path).status_code == 400
    fresh = {"old_password": "a lamp of brass", "new_password1": "only mine 77", "new_password2": "only mine 77"}
    assert "You are in Strangers now." in words(victim.post(path, fresh, follow=True))
    assert evil.get("/").url.startswith("/login")
    assert evil.post("/login", {"username": "victim@example.com", "password": "a lamp of brass"}).status_code == 400


def test_coming_into_another_team_offers_to_revoke_one_s_keys(staff, user, team, other_team):
    make_key(team, user, "laptop", [Scope.READ])
    olaf = logged_in(make_user("olaf@example.com", other_team, Role.MANAGER))
    path = invite(olaf, "alice@example.com")
    assert "Also revoke my 1 API key" in words(staff.get(path))
    staff.post(path, CHANGED | {"revoke_keys": "on"})
    assert APIKey.objects.get().revoked_at is not None


# --- a new password ---------------------------------------------------------------------------------------------------


def test_a_manager_makes_a_link_for_a_member_who_forgot_theirs(manager, mary, user, team):
    member = team.memberships.get(user=user).pk
    assert f"/team/members/{member}/password" in manager.get("/team/members").content.decode()
    assert "A new password for Alice Johnson?" in words(manager.get(f"/team/members/{member}/password"))
    answer = manager.post(f"/team/members/{member}/password", follow=True)
    path = secret_of(answer).removeprefix("http://testserver")
    assert "can make a new password, by a link of Mary Manager" in words(answer)
    old, alice = logged_in(user), Client()
    assert "Make your new password" in words(alice.get(path))
    assert alice.post(path, OWN | {"new_password2": "x"}).status_code == 400
    assert alice.post(path, OWN, follow=True).redirect_chain == [("/", 302)]
    assert old.get("/").url.startswith("/login")
    assert alice.get(path).status_code == 404
    user.refresh_from_db()
    assert user.check_password("a lamp of brass")
    assert LogEntry.objects.filter(object_id=str(user.pk), user=mary).exists()


def test_a_link_for_a_new_password_is_taken_back(manager, user, team):
    member = team.memberships.get(user=user).pk
    path = secret_of(manager.post(f"/team/members/{member}/password", follow=True)).removeprefix("http://testserver")
    [revoke] = re.findall(r'href="(/team/invitations/\d+/revoke)"', manager.get("/team/members").content.decode())
    assert "Take back the link of alice@example.com?" in words(manager.get(revoke))
    manager.post(revoke)
    assert Client().get(path).status_code == 404
    assert "can make a new password" not in words(manager.get("/team/members"))


def test_not_for_who_is_in_another_team_or_an_operator(manager, user, team):
    member = team.memberships.get(user=user).pk
    make_team("Second").memberships.create(user=user)
    boss = make_user("boss@example.com", team, is_staff=True)
    page = manager.get("/team/members").content.decode()
    assert f"/team/members/{member}/password" not in page
    for pk in (member, team.memberships.get(user=boss).pk):
        answer = manager.post(f"/team/members/{pk}/password", follow=True)
        assert "Only the operator can make them a new password." in words(answer)
        assert secret_of(answer) is None


def test_the_login_page_says_what_to_do_when_a_password_is_forgotten(db):
    page = words(Client().get("/login"))
    assert "Forgotten your password?" in page and "./watchkeeper password_link" in page
