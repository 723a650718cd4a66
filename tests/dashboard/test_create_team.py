"""`create_team`: what it promises."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from integrations.models import IngestKey, Integration
from teams.authentication import make_key
from teams.models import APIKey, Membership, Organization, Role, Scope, Team, User
from tests.conftest import an_event, make_team, make_user
from timeline.outbound.models import Installation

MADE = (Organization, Team, User, Membership, Integration, APIKey, IngestKey)


def create_team(organization="Acme", team="Night shift", **options):
    """What the command says."""
    said = io.StringIO()
    call_command("create_team", organization=organization, team=team, stdout=said, **options)
    return said.getvalue()


def created(*names, **options):
    """What the command says as JSON."""
    return json.loads(create_team(*names, json=True, **options))


def counts():
    """How many rows there are of what the command makes."""
    return [model.objects.count() for model in MADE]


def test_it_says_one_json_object_with_everything_that_a_program_needs(db):
    said = created()
    assert list(said) == [
        "organization_id",
        "team_id",
        "api_key",
        "webhook_path",
        "admin_email",
        "admin_password",
        "admin_is_operator",
    ]
    assert said["organization_id"] == Organization.objects.get(name="Acme").public_id
    assert said["team_id"] == Team.objects.get(name="Night shift").public_id
    assert said["webhook_path"].startswith("/api/webhooks/incident-log/")
    assert all(said.values())
    assert counts() == [1] * len(MADE)


def test_both_ways_in_lead_to_the_same_integration(db, client: Client):
    said = created()
    event = json.dumps(an_event("incident.started"))
    first = client.post(said["webhook_path"], event, content_type="application/json")
    second = client.post(
        "/api/webhooks/incident-log", event, content_type="application/json", headers={"x-api-key": said["api_key"]}
    )
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["data"]["id"] == second.json()["data"]["id"]


def test_the_key_has_all_scopes_and_its_user_is_the_admin(db):
    said = created()
    key = APIKey.objects.get()
    assert set(key.scopes) == {"read", "write", "ingest"}
    assert key.user.email == said["admin_email"]


def test_the_admin_logs_in_as_a_manager_and_an_operator(db, client: Client):
    said = created()
    assert client.login(username=said["admin_email"], password=said["admin_password"])
    admin = User.objects.get(email=said["admin_email"])
    assert (admin.is_staff, admin.is_superuser, said["admin_is_operator"]) == (True, True, True)
    assert Membership.objects.get(user=admin).role == Role.MANAGER


def test_only_the_first_manager_is_an_operator(db):
    created()
    said = created("Acme", "Day shift")
    admin = User.objects.get(email=said["admin_email"])
    assert (admin.is_staff, admin.is_superuser, said["admin_is_operator"]) == (False, False, False)
    assert Membership.objects.get(user=admin).role == Role.MANAGER
    assert created("Acme", "Day shift")["admin_is_operator"] is False
    assert created()["admin_is_operator"] is True


def test_an_installation_whose_key_was_revoked_has_had_its_first(db):
    created()
    APIKey.objects.update(revoked_at="2026-05-13T12:00:00Z")
    assert created("Umbrella")["admin_is_operator"] is False


def test_a_key_of_the_same_name_that_somebody_made_is_no_first_time(team, user):
    make_key(team, user, "create_team", [Scope.READ])
    assert created()["admin_is_operator"] is True


def test_nor_does_it_matter_how_keys_are_called_later(db):
    created()
    APIKey.objects.update(name="vendor")
    assert created("Umbrella")["admin_is_operator"] is False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("scopes", "was_set_up"), [([Scope.READ, Scope.WRITE, Scope.INGEST], True), ([Scope.READ], False)]
)
def test_an_older_installation_knows_by_its_key_that_it_had_its_first(scopes, was_set_up):
    call_command("migrate", "timeline", "0012", verbosity=0)
    team = make_team()
    key, _ = make_key(team, make_user("old@example.com", team), "create_team", scopes)
    call_command("migrate", verbosity=0)
    assert created("Umbrella")["admin_is_operator"] is not was_set_up
    if was_set_up:
        assert Installation.objects.get().set_up_at == key.created_at


def test_with_the_word_operator_a_later_manager_is_one_too_also_if_they_are_there_already(db):
    created()
    assert created("Acme", "Day shift", operator=True)["admin_is_operator"] is True
    late = created("Acme", "Late shift")
    assert late["admin_is_operator"] is False
    again = created("Acme", "Late shift", operator=True)
    assert (again["admin_is_operator"], again["admin_password"]) == (True, None)
    assert User.objects.get(email=late["admin_email"]).is_superuser
    assert "Operator:     yes" in create_team("Acme", "Late shift")


def test_again_it_makes_nothing_and_says_no_secret_twice(db):
    first = created()
    before = counts()
    second = created(" Acme ", "Night shift")
    assert second == first | {"api_key": None, "admin_password": None}
    assert counts() == before
    user = User.objects.get()
    assert user.check_password(first["admin_password"])


def test_again_without_the_address_given_first_it_finds_the_same_admin(db):
    first = created(email="ops@example.org")
    assert first["admin_email"] == "ops@example.org"
    assert created()["admin_email"] == "ops@example.org"
    assert User.objects.count() == 1


def test_somebody_there_already_becomes_a_manager_and_nothing_else(db):
    User.objects.create_user("ada@example.org", "correct horse")
    said = created(email="Ada@example.org")
    assert (said["admin_email"], said["admin_password"]) == ("ada@example.org", None)
    ada = User.objects.get()
    assert (ada.is_staff, ada.is_superuser, ada.check_password("correct horse")) == (False, False, True)
    assert Membership.objects.get(user=ada).role == Role.MANAGER


def test_teams_of_one_name_in_two_organizations_share_nothing(db):
    first, second = created("Acme"), created("Umbrella")
    assert all(first[name] != second[name] for name in first)  # the operator, too
    assert counts() == [2] * len(MADE)


def test_two_teams_of_one_organization(db):
    first, second = created("Acme", "Night shift"), created("Acme", "Day shift")
    assert first["organization_id"] == second["organization_id"]
    assert first["admin_email"] != second["admin_email"]


@pytest.mark.parametrize(
    "name", ["Nachtschicht & Söhne", "夜勤", "🚢", '"; DROP TABLE teams; --', "<b>bold</b>", "a" * 200]
)
def test_names_of_any_kind(db, name):
    said = created(name, name)
    assert Team.objects.get(public_id=said["team_id"]).name == name
    assert said["admin_email"].isascii()


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\0b", "a\udcff"])
@pytest.mark.parametrize("which", ["organization", "team"])
def test_a_name_that_cannot_be_is_one_clear_line_and_makes_nothing(db, which, name):
    with pytest.raises(CommandError) as refused:
        create_team(**{which: name})
    assert str(refused.value).startswith(f"{which}: A name ")
    assert "\n" not in str(refused.value)
    assert not Organization.objects.exists()


def test_what_is_no_address_is_one_clear_line_and_makes_nothing(db):
    with pytest.raises(CommandError, match=r"^email: This is no e-mail address\.$"):
        create_team(email="nobody")
    assert counts() == [0] * len(MADE)


def test_a_deactivated_team_is_not_entered_by_the_back_door(db):
    created()
    Team.objects.update(deactivated_at="2026-05-13T12:00:00Z")
    with pytest.raises(CommandError, match="is deactivated"):
        create_team()


def test_a_deactivated_integration_stays_shut(db):
    created()
    Integration.objects.update(deactivated_at="2026-05-13T12:00:00Z")
    with pytest.raises(CommandError, match="deactivated"):
        create_team()


def test_a_deactivated_person_is_not_made_a_manager(db):
    User.objects.create_user("ada@example.org", is_active=False)
    with pytest.raises(CommandError, match="deactivated"):
        create_team(email="ada@example.org")


def test_for_a_team_made_elsewhere_it_adds_what_is_missing(team, user):
    said = created(team.organization.name, team.name)
    assert said["team_id"] == team.public_id
    assert said["api_key"]
    assert said["admin_password"]


def test_a_revoked_key_is_replaced(db):
    first = created()
    APIKey.objects.update(revoked_at="2026-05-13T12:00:00Z")
    second = created()
    assert second["api_key"] not in (None, first["api_key"])
    assert created()["api_key"] is None


def test_a_path_that_no_present_key_opens_is_null(db, settings):
    created()
    settings.ENCRYPTION_KEYS = ["another key, another key, another key"]
    assert created()["webhook_path"] is None
    assert "no present encryption key" in create_team()


def test_without_json_it_says_the_same_in_words(db):
    first, second = create_team(), create_team()
    assert Team.objects.get().public_id in first
    assert " wk_" in first
    assert " wk_" not in second  # a webhook's address may have the letters in its midst


@pytest.mark.django_db(transaction=True)
def test_several_at_once_make_one_team_and_say_its_secrets_once():
    start = Barrier(4)

    def call(_):
        start.wait()
        try:
            return created()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(call, range(4)))
    assert counts() == [1] * len(MADE)
    assert sorted(each["api_key"] is None for each in said) == [False, True, True, True]
    assert sorted(each["admin_password"] is None for each in said) == [False, True, True, True]
    assert len({each["webhook_path"] for each in said}) == 1
