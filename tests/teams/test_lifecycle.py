"""The verbs of organizations, teams and people: each makes what is missing and nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections, transaction

from config.errors import Conflict, ValidationFailed
from teams.authentication import make_key
from teams.lifecycle import (
    add_member,
    change_role,
    has_expired_password,
    make_organization,
    make_team,
    make_user,
    remove_member,
    revoke_own_keys,
    set_password,
)
from teams.models import APIKey, Membership, Organization, Role, Scope, Team, User
from tests import conftest
from tests.conftest import NOON

EARLIER = NOON - timedelta(days=30)


def at_once(verb, times=4):
    """Call a verb in several connections at the same moment; the answers."""
    start = Barrier(times)

    def call(_):
        start.wait()
        try:
            with transaction.atomic():
                return verb()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(call, range(times)))


def test_an_organization_is_made_once_under_its_trimmed_name(db):
    made = make_organization("  Acme Ltd ", at=EARLIER)
    assert (made.name, made.created_at) == ("Acme Ltd", EARLIER)
    assert made.public_id.startswith("org_")
    assert make_organization("Acme Ltd", at=NOON) == made
    assert Organization.objects.count() == 1


def test_an_organization_with_a_public_id_is_found_by_it_whatever_it_is_called_now(db):
    made = make_organization("Acme Ltd", at=NOON, public_id="org_acme")
    Organization.objects.filter(pk=made.pk).update(name="Renamed")
    assert make_organization("Acme Ltd", at=NOON, public_id="org_acme") == made
    assert make_organization("Acme Ltd", at=NOON) != made


def test_the_first_of_two_organizations_with_one_name_is_meant(db):
    first, _ = (Organization.objects.create(name="Acme") for _ in range(2))
    assert make_organization("Acme", at=NOON) == first


def test_a_team_is_made_once_in_its_organization(db):
    acme, other = (make_organization(name, at=NOON) for name in ("Acme", "Other"))
    made = make_team(acme, " Night shift ", at=EARLIER)
    assert (made.name, made.created_at, made.organization) == ("Night shift", EARLIER, acme)
    assert make_team(acme, "Night shift", at=NOON) == made
    assert make_team(other, "Night shift", at=NOON) != made


@pytest.mark.parametrize("name", ["", "   ", "\t\n", "x" * 201, "a\0b", "a\udcffb"])
def test_names_that_cannot_be_are_refused_and_name_their_field(db, name):
    with pytest.raises(ValidationFailed) as refused:
        make_organization(name, at=NOON)
    assert list(refused.value.fields) == ["organization"]
    with pytest.raises(ValidationFailed) as refused:
        make_team(make_organization("Acme", at=NOON), name, at=NOON)
    assert list(refused.value.fields) == ["team"]
    assert Team.objects.count() == 0


def test_a_name_of_200_code_points_of_any_script_is_kept(db):
    name = "船" * 200
    assert make_organization(name, at=NOON).name == name


def test_a_user_is_made_once_whatever_the_case_of_the_address(db):
    made, is_new = make_user(" Ada@Example.com ", name="Ada", at=EARLIER)
    assert is_new
    assert (made.name, made.date_joined, made.is_staff, made.has_usable_password()) == ("Ada", EARLIER, False, False)
    again, is_new = make_user("ada@example.com", name="Somebody", password="other", operator=True, at=NOON)
    assert (again, is_new) == (made, False)
    again.refresh_from_db()
    assert (again.name, again.is_staff, again.is_superuser) == ("Ada", False, False)


def test_an_operator_may_log_in_and_enter_the_admin(db):
    made, _ = make_user("ada@example.com", password="correct horse", operator=True, at=NOON)
    assert (made.is_staff, made.is_superuser, made.check_password("correct horse")) == (True, True, True)


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "a\0da@example.com", "a b@example.com", f"{'a' * 250}@example.com"]
)
def test_what_is_no_address_is_refused(db, email):
    with pytest.raises(ValidationFailed) as refused:
        make_user(email, at=NOON)
    assert list(refused.value.fields) == ["email"]


def test_a_member_keeps_the_higher_role(team, user):
    assert add_member(team, user, Role.VIEWER, at=NOON).role == Role.RESPONDER
    assert add_member(team, user, Role.MANAGER, at=NOON).role == Role.MANAGER
    assert Membership.objects.get().role == Role.MANAGER


@pytest.mark.django_db(transaction=True)
def test_several_at_once_make_one_organization_one_team_one_user_one_membership():
    def join():
        organization = make_organization("Acme", at=NOON)
        team = make_team(organization, "Night shift", at=NOON)
        user, _ = make_user("ada@example.com", at=NOON)
        return add_member(team, user, Role.RESPONDER, at=NOON).pk

    assert len(set(at_once(join))) == 1
    assert [model.objects.count() for model in (Organization, Team, User, Membership)] == [1, 1, 1, 1]


@pytest.mark.django_db(transaction=True)
def test_several_at_once_make_one_user():
    assert sorted(is_new for _, is_new in at_once(lambda: make_user("ada@example.com", at=NOON))) == [False] * 3 + [
        True
    ]


@pytest.mark.django_db(transaction=True)
def test_several_at_once_make_one_team():
    organization = make_organization("Acme", at=NOON)
    assert len({team.pk for team in at_once(lambda: make_team(organization, "Night shift", at=NOON))}) == 1


# --- members ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def managers(team):
    """The memberships of two managers."""
    people = [conftest.make_user(f"{name}@example.com", team, Role.MANAGER, name=name) for name in ("Ann", "Bea")]
    return [team.memberships.get(user=each) for each in people]


def test_a_first_password_ends_after_a_week_unless_it_is_changed(team):
    nora = conftest.make_user("nora@example.com", team, must_change_password=True, date_joined=NOON)
    assert not has_expired_password(nora, at=NOON + timedelta(days=6))
    assert has_expired_password(nora, at=NOON + timedelta(days=7))
    nora.password_expires_at = NOON + timedelta(days=30)
    assert not has_expired_password(nora, at=NOON + timedelta(days=29))
    set_password(nora, "a lamp of brass")
    nora.refresh_from_db()
    assert (nora.must_change_password, nora.password_expires_at) == (False, None)
    assert not has_expired_password(nora, at=NOON + timedelta(days=300))


def test_one_s_own_keys_are_revoked_in_every_team_and_nobody_else_s(managers, other_team):
    ann, bea = managers
    other_team.memberships.create(user=ann.user)
    for team, member in [(ann.team, ann), (other_team, ann), (bea.team, bea)]:
        make_key(team, member.user, f"{member.user.name} in {team}", [Scope.READ])
    assert revoke_own_keys(ann.user, at=NOON) == 2
    assert revoke_own_keys(ann.user, at=NOON) == 0
    assert APIKey.objects.get(revoked_at=None).user == bea.user


def test_a_role_is_changed_once(managers):
    ann, _ = managers
    assert change_role(ann, Role.VIEWER) is True
    assert change_role(ann, Role.VIEWER) is False
    assert list(Membership.objects.order_by("id").values_list("role", flat=True)) == [Role.VIEWER, Role.MANAGER]


def test_the_last_manager_stays_whatever_is_asked(managers):
    ann, bea = managers
    change_role(ann, Role.VIEWER)
    for verb in (lambda: change_role(bea, Role.RESPONDER), lambda: remove_member(bea, at=NOON)):
        with pytest.raises(Conflict, match="Bea is the team’s last manager"):
            verb()
    assert change_role(bea, Role.MANAGER) is False
    assert change_role(bea, Role.VIEWER, even_the_last=True) is True


def test_a_manager_who_can_not_log_in_does_not_count_and_may_go(managers):
    ann, bea = managers
    User.objects.filter(pk=ann.user_id).update(is_active=False)
    with pytest.raises(Conflict):
        remove_member(bea, at=NOON)
    assert remove_member(ann, at=NOON) is True


def test_removing_a_member_revokes_their_keys_for_this_team_alone(managers, other_team):
    ann, bea = managers
    other_team.memberships.create(user=ann.user)
    for team, member in [(ann.team, ann), (other_team, ann), (bea.team, bea)]:
        make_key(team, member.user, f"{member.user.name} in {team}", [Scope.READ])
    assert remove_member(ann, at=NOON) is True
    assert remove_member(ann, at=NOON) is False
    assert APIKey.objects.get(revoked_at__isnull=False).name == "Ann in Operations"
    assert APIKey.objects.get(revoked_at=NOON)
    with pytest.raises(Conflict, match="Ann is no member any more"):
        change_role(ann, Role.VIEWER)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", [lambda one: change_role(one, Role.VIEWER), lambda one: remove_member(one, at=NOON)])
def test_two_managers_who_turn_on_each_other_leave_one(verb):
    team = conftest.make_team()
    for name in ("Ann", "Bea"):
        conftest.make_user(f"{name}@example.com", team, Role.MANAGER, name=name)
    waiting = list(team.memberships.select_related("user", "team"))

    def turn_on():
        try:
            return verb(waiting.pop())
        except Conflict as refusal:
            return refusal.message

    answers = at_once(turn_on, times=2)
    assert True in answers and any("last manager" in str(answer) for answer in answers)
    assert team.memberships.filter(role=Role.MANAGER).count() == 1
