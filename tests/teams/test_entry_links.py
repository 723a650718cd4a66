"""Links that let people in: once, for a week, until they are taken back, and nobody who does not want to."""

import re
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection, connections, transaction

from config.errors import Conflict, ValidationFailed
from teams import entry_links
from teams.entry_links import (
    GOOD_FOR,
    AddressTaken,
    accept,
    choose_password,
    find_link,
    invite,
    invite_to_choose_password,
    join_anew,
    make_link,
    memberships_with_reach,
    needs_own_password,
    revoke_link,
)
from teams.lifecycle import add_member, remove_member, set_password
from teams.models import EntryLink, Membership, Role, Team, User
from tests.conftest import NOON, make_team, make_user

LATER = NOON + timedelta(days=1)
OWN = "a lamp of brass"


@pytest.fixture
def mary(team):
    return make_user("mary@example.com", team, Role.MANAGER, name="Mary")


@pytest.fixture
def bob(db):
    """Bob, who chose his password himself."""
    return make_user("bob@example.com", name="Bob", own_since=NOON)


def invited(team, by, email="bob@example.com", role=Role.RESPONDER, at=NOON):
    """A link, found by its text."""
    return find_link(invite(team, email, role, by=by, at=at)[1], at=at)


def test_an_invitation_makes_nobody_a_member_before_they_accept(team, mary, bob):
    link = invited(team, mary, " BOB@Example.com ")
    assert not team.memberships.filter(user=bob).exists()
    member = accept(link, bob, at=LATER)
    assert (member.role, member.created_at) == (Role.RESPONDER, LATER)
    link.refresh_from_db()
    assert (link.used_at, link.made_by) == (LATER, mary)


def test_a_manager_is_answered_the_same_whether_or_not_an_address_has_an_account(team, mary, bob, operator):
    """The same statements are asked, too: no time tells them apart."""
    told = []
    for email in ("bob@example.com", "nobody@example.com", "operator@example.com"):
        connection.force_debug_cursor = True
        connection.queries_log.clear()
        made, _ = invite(team, email, Role.VIEWER, by=mary, at=NOON)
        asked = [re.sub(r'"s\d+_x\d+"', "", query["sql"])[:60] for query in connection.queries_log]
        connection.force_debug_cursor = False
        told.append((made.role, made.user, made.expires_at, asked))
    assert told[0] == told[1] == told[2]


def test_a_link_is_kept_as_a_digest_and_found_by_its_text_alone(team, mary):
    made, text = invite(team, "bob@example.com", Role.VIEWER, by=mary, at=NOON)
    assert text.startswith("wlink_") and text not in str(EntryLink.objects.values())
    assert find_link(text, at=NOON) == made
    for wrong in ("", text[:-1], text + "x", "wlink_", "\ud800"):
        assert find_link(wrong, at=NOON) is None


def test_it_opens_once_for_a_week_and_until_it_is_taken_back(team, mary, bob):
    made, text = invite(team, "bob@example.com", Role.VIEWER, by=mary, at=NOON)
    assert find_link(text, at=NOON + GOOD_FOR - timedelta(seconds=1))
    assert find_link(text, at=NOON + GOOD_FOR) is None
    accept(made, bob, at=NOON)
    assert find_link(text, at=NOON) is None
    with pytest.raises(Conflict):
        accept(made, bob, at=NOON)
    assert revoke_link(made, at=NOON) is False
    other, text = invite(team, "carl@example.com", Role.VIEWER, by=mary, at=NOON)
    assert (revoke_link(other, at=NOON), revoke_link(other, at=NOON)) == (True, False)
    assert find_link(text, at=NOON) is None


def test_inviting_an_address_again_makes_a_new_link_and_ends_the_old_one(team, mary):
    _, first = invite(team, "bob@example.com", Role.VIEWER, by=mary, at=NOON)
    _, second = invite(team, "Bob@example.com", Role.MANAGER, by=mary, at=NOON)
    assert find_link(first, at=NOON) is None
    assert find_link(second, at=NOON).role == Role.MANAGER


def test_only_whom_it_is_for_can_accept(team, mary, bob, user):
    link = invited(team, mary, "carl@example.com")
    with pytest.raises(Conflict, match="another e-mail address"):
        accept(link, bob, at=NOON)
    link.refresh_from_db()
    assert link.used_at is None


def test_who_is_a_member_is_not_invited(team, mary, user):
    with pytest.raises(Conflict, match="Alice Johnson is a member already"):
        invite(team, "ALICE@example.com", Role.MANAGER, by=mary, at=NOON)
    with pytest.raises(ValidationFailed):
        invite(team, "no address", Role.MANAGER, by=mary, at=NOON)


def test_what_a_manager_made_who_is_none_any_more_opens_nothing(team, mary, bob):
    link = invited(team, mary)
    Membership.objects.filter(user=mary).update(role=Role.RESPONDER)
    with pytest.raises(Conflict):
        accept(link, bob, at=NOON)
    Membership.objects.filter(user=mary).update(role=Role.MANAGER)
    User.objects.filter(pk=mary.pk).update(is_active=False)
    with pytest.raises(Conflict):
        accept(link, bob, at=NOON)


def test_who_was_removed_comes_in_again_by_nothing_that_was_made_before(team, mary, bob):
    """Neither by an invitation that was never needed, nor do theirs open again when they are a manager again."""
    make_user("ann@example.com", team, Role.MANAGER)
    to_bob, to_dora = invited(team, mary, "Bob@example.com"), invited(team, mary, "dora@example.com")
    add_member(team, bob, Role.MANAGER, at=NOON)
    to_carl = invited(team, bob, "carl@example.com")
    remove_member(team.memberships.get(user=bob), at=LATER)
    with pytest.raises(Conflict):
        accept(to_bob, bob, at=LATER)
    add_member(team, bob, Role.MANAGER, at=LATER)
    with pytest.raises(Conflict):
        join_anew(to_carl, "Carl", OWN, at=LATER)
    assert join_anew(to_dora, "Dora", OWN, at=LATER)


def test_nobody_comes_into_a_deactivated_team(team, mary, bob):
    link = invited(team, mary)
    Team.objects.update(deactivated_at=NOON)
    with pytest.raises(Conflict):
        accept(link, bob, at=NOON)


def test_a_team_makes_so_many_links_a_day(team, mary, monkeypatch):
    monkeypatch.setattr(entry_links, "MADE_A_DAY", 3)
    for number in range(3):
        invite(team, f"user{number}@example.com", Role.VIEWER, by=mary, at=NOON)
    with pytest.raises(Conflict, match="in a day"):
        invite(team, "user3@example.com", Role.VIEWER, by=mary, at=NOON)
    assert invite(team, "user3@example.com", Role.VIEWER, by=mary, at=NOON + timedelta(days=1))


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_somebody_new_makes_an_account_with_a_password_of_their_own(team, mary):
    nora = join_anew(invited(team, mary, "nora@example.com", Role.VIEWER), " Nora ", OWN, at=LATER)
    assert (nora.name, nora.email, nora.check_password(OWN)) == ("Nora", "nora@example.com", True)
    assert (nora.is_staff, nora.must_change_password, nora.date_joined) == (False, False, LATER)
    assert team.memberships.get(user=nora).role == Role.VIEWER


def test_an_address_that_has_an_account_makes_no_new_one_and_the_link_stays_good(team, mary, bob):
    link = invited(team, mary)
    with pytest.raises(AddressTaken):
        join_anew(link, "Bob", OWN, at=NOON)
    assert not team.memberships.filter(user=bob).exists()
    bob.refresh_from_db()
    assert bob.check_password("correct horse battery")
    assert accept(link, bob, at=NOON)


def test_an_account_that_a_team_made_comes_into_another_with_a_new_password_alone(team, mary, other_team):
    """Whoever used the first link may know the password, and would read the second team."""
    nora = join_anew(invited(team, mary, "nora@example.com"), "Nora", "known to the first team", at=NOON)
    others = make_user("olaf@example.com", other_team, Role.MANAGER)
    link = invited(other_team, others, "nora@example.com")
    assert needs_own_password(nora)
    with pytest.raises(Conflict):
        accept(link, nora, at=NOON)
    accept(link, nora, at=NOON, new_password=OWN)
    nora.refresh_from_db()
    assert (nora.check_password(OWN), nora.own_since) == (True, NOON)
    third = make_team("Third")
    third.memberships.create(user=others, role=Role.MANAGER)
    assert accept(invited(third, others, "nora@example.com"), nora, at=NOON)


# --- new passwords ----------------------------------------------------------------------------------------------------


def password_link(team, user, by, at=NOON):
    made, text = invite_to_choose_password(team.memberships.get(user=user), by=by, at=at)
    return made, text


def test_a_manager_makes_a_new_password_possible_for_who_is_this_team_s_alone(team, mary, user):
    User.objects.filter(pk=user.pk).update(must_change_password=True, own_since=NOON)
    _, text = password_link(team, user, mary)
    assert choose_password(find_link(text, at=NOON), OWN, at=LATER) == user
    user.refresh_from_db()
    assert (user.check_password(OWN), user.must_change_password, user.own_since) == (True, False, None)
    assert find_link(text, at=NOON) is None


@pytest.mark.parametrize("change", [{"is_staff": True}, {"is_superuser": True}, {"is_active": False}])
def test_nobody_s_password_who_is_more_than_a_member(change, team, mary, user):
    made, text = password_link(team, user, mary)
    User.objects.filter(pk=user.pk).update(**change)
    assert find_link(text, at=NOON) is None
    with pytest.raises(Conflict):
        password_link(team, user, mary)
    with pytest.raises(Conflict):
        choose_password(made, OWN, at=NOON)


def test_nor_of_who_is_in_another_team_or_left_this_one(team, mary, user, other_team):
    made, text = password_link(team, user, mary)
    elsewhere = other_team.memberships.create(user=user)
    assert find_link(text, at=NOON) is None
    with pytest.raises(Conflict, match="not this team’s alone"):
        password_link(team, user, mary)
    elsewhere.delete()
    assert find_link(text, at=NOON) == made
    team.memberships.filter(user=user).delete()
    assert find_link(text, at=NOON) is None
    assert not memberships_with_reach(team).filter(user=user).exists()


def test_what_the_operator_makes_is_for_everybody_who_is_active(team, operator):
    _, text = make_link(None, at=NOON, email=operator.email, user=operator)
    User.objects.update(own_since=NOON)
    choose_password(find_link(text, at=NOON), OWN, at=NOON)
    operator.refresh_from_db()
    assert operator.check_password(OWN) and operator.own_since == NOON


def test_who_chose_a_password_by_one_link_is_not_undone_by_an_older_one(team, mary):
    bob = make_user("bob@example.com", team)
    older, newer = [make_link(None, at=NOON, email=bob.email, user=bob)[0] for _ in range(2)]
    by_manager, _ = invite_to_choose_password(team.memberships.get(user=bob), by=mary, at=NOON)
    choose_password(newer, OWN, at=LATER)
    for link in (older, by_manager):
        with pytest.raises(Conflict):
            choose_password(link, "whoever finds it in the chat", at=LATER)
    bob.refresh_from_db()
    assert bob.check_password(OWN)


@pytest.mark.django_db(transaction=True)
def test_several_at_once_use_a_link_once():
    team = make_team()
    mary = make_user("mary@example.com", team, Role.MANAGER)
    link, start = invited(team, mary, "nora@example.com"), Barrier(4)

    def join(number):
        start.wait()
        try:
            return join_anew(link, f"Nora {number}", OWN, at=NOON).pk
        except Conflict:
            return None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        made = [each for each in pool.map(join, range(4)) if each]
    assert len(made) == 1
    assert team.memberships.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_first", ["who comes into another team", "who makes them a password"])
def test_nobody_is_in_another_team_with_a_password_that_was_made_for_them_at_the_same_moment(is_first):
    """Of the two, the second waits for the first, and goes by what is so then."""
    team, second = make_team(), make_team("Second")
    mary = make_user("mary@example.com", team, Role.MANAGER)
    ann = make_user("ann@example.com", second, Role.MANAGER)
    bob = make_user("bob@example.com", team, own_since=NOON)
    password = find_link(invite_to_choose_password(team.memberships.get(user=bob), by=mary, at=NOON)[1], at=NOON)
    invitation = invited(second, ann)
    acts = [lambda: accept(invitation, bob, at=LATER), lambda: choose_password(password, OWN, at=LATER)]
    if is_first == "who makes them a password":
        acts.reverse()

    def second_act():
        try:
            acts[1]()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            acts[0]()
            coming = pool.submit(second_act)
            wait([coming], timeout=1)
        with pytest.raises(Conflict):
            coming.result()
    bob.refresh_from_db()
    assert second.memberships.filter(user=bob).exists() is not bob.check_password(OWN)


@pytest.mark.django_db(transaction=True)
def test_who_makes_somebody_a_link_while_they_use_another_waits_for_nothing_that_waits_for_them(monkeypatch):
    team = make_team()
    mary, bob = make_user("mary@example.com", team, Role.MANAGER), make_user("bob@example.com", team)
    member = team.memberships.get(user=bob)
    invite_to_choose_password(member, by=mary, at=NOON)
    operators, _ = make_link(None, at=NOON, email=bob.email, user=bob)
    coming = []

    def make_another():
        try:
            return invite_to_choose_password(member, by=mary, at=LATER)
        finally:
            connections.close_all()

    def set_while_another_is_made(user, password):
        coming.append(pool.submit(make_another))
        wait(coming, timeout=1)
        set_password(user, password)

    monkeypatch.setattr(entry_links, "set_password", set_while_another_is_made)
    with ThreadPoolExecutor(1) as pool:
        choose_password(operators, OWN, at=LATER)
        assert find_link(coming[0].result()[1], at=LATER), "what is made afterwards opens"
