"""The verbs of organizations, teams and people: each makes what is missing and nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections, transaction

from config.errors import ValidationFailed
from teams.lifecycle import add_member, make_organization, make_team, make_user
from teams.models import Membership, Organization, Role, Team, User
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
