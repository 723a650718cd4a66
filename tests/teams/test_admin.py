"""Organizations, teams, people and API keys in Django admin."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config import clock
from config.vault import plain_digest
from teams.authentication import make_key, usable_key
from teams.models import APIKey, Membership, Organization, Role, Scope, Team, User
from tests.conftest import NOON, make_integration, make_team, make_user

NO_INLINES = {
    f"{prefix}-{name}": "0" for prefix in ("memberships", "memberships-2") for name in ("TOTAL_FORMS", "INITIAL_FORMS")
}
PASSWORD = {"usable_password": "true", "password1": "a long enough phrase", "password2": "a long enough phrase"}


def said(answer):
    """The messages that a page is going to show."""
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def queries_of(client, address):
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def user_form(user, **changes):
    form = {"email": user.email, "name": user.name, "time_zone": user.time_zone}
    form |= {name: "on" for name in ("is_active", "is_staff", "is_superuser") if getattr(user, name)}
    return {name: value for name, value in (form | NO_INLINES | changes).items() if value is not None}


# --- organizations and teams


def test_an_organization_with_teams_is_not_deleted_and_the_page_names_its_teams(staff, team):
    address = f"/admin/teams/organization/{team.organization_id}/delete/"
    for answer in (staff.get(address), staff.post(address, {"post": "yes"})):
        assert answer.status_code == 200
        assert "An organization with teams stays." in answer.content.decode()
        assert f'<a href="/admin/teams/team/{team.pk}/change/">' in answer.content.decode()
    said_twice = {"action": "delete_selected", "_selected_action": team.organization_id, "post": "yes"}
    staff.post("/admin/teams/organization/", said_twice)
    assert Organization.objects.filter(pk=team.organization_id).exists()


def test_an_organization_without_teams_can_be_deleted(staff, db):
    empty = Organization.objects.create(name="Empty")
    staff.post(f"/admin/teams/organization/{empty.pk}/delete/", {"post": "yes"})
    assert not Organization.objects.filter(pk=empty.pk).exists()


def test_a_team_is_made_with_a_public_id_that_nobody_types(staff, team):
    form = {"organization": team.organization_id, "name": "Payments", "public_id": "team_mine", **NO_INLINES}
    assert staff.post("/admin/teams/team/add/", form).status_code == 302
    made = Team.objects.get(name="Payments")
    assert made.public_id.startswith("team_") and made.public_id != "team_mine"


def test_a_second_team_of_the_same_name_is_refused_in_the_form(staff, team):
    answer = staff.post(
        "/admin/teams/team/add/", {"organization": team.organization_id, "name": team.name, **NO_INLINES}
    )
    assert answer.status_code == 200 and "already exists" in answer.content.decode()


def test_who_comes_second_in_a_race_is_told_so(staff, team, monkeypatch):
    monkeypatch.setattr(Team, "validate_constraints", lambda *args, **options: None)
    form = {"organization": team.organization_id, "name": team.name, **NO_INLINES}
    answer = staff.post("/admin/teams/team/add/", form)
    assert answer.status_code == 302 and "nothing was saved" in said(answer)


def test_deleting_a_team_deactivates_it_and_the_page_says_so(staff, team, user, integration):
    address = f"/admin/teams/team/{team.pk}/delete/"
    asked = staff.get(address).content.decode()
    assert "Deactivate?" in asked and "the team can be reactivated" in asked and "will be deleted" not in asked
    answer = staff.post(address, {"post": "yes"})
    assert "deactivated" in said(answer) and "deleted" not in said(answer)
    team.refresh_from_db()
    assert not team.is_active and team.memberships.exists()
    assert staff.post(address, {"post": "yes"}).status_code == 403
    [entry] = LogEntry.objects.all()
    assert (entry.action_flag, entry.get_change_message()) == (2, "Deactivated.")


def test_deleting_selected_teams_asks_first_and_deactivates_them(staff, team, other_team):
    chosen = {"action": "delete_selected", "_selected_action": [team.pk, other_team.pk], "index": "0"}
    asked = staff.post("/admin/teams/team/", chosen).content.decode()
    assert "Deactivate 2 teams?" in asked and "the team can be reactivated" in asked
    assert Team.objects.filter(deactivated_at=None).count() == 2
    staff.post("/admin/teams/team/", chosen | {"post": "yes"})
    assert Team.objects.count() == 2 and not Team.objects.filter(deactivated_at=None).exists()


def test_a_team_can_be_reactivated_from_its_page(staff, team):
    staff.post(f"/admin/teams/team/{team.pk}/delete/", {"post": "yes"})
    page = staff.get(f"/admin/teams/team/{team.pk}/change/").content.decode()
    assert 'name="action" value="reactivate"' in page
    staff.post("/admin/teams/team/", {"action": "reactivate", "_selected_action": team.pk})
    team.refresh_from_db()
    assert team.is_active


def test_members_are_added_changed_and_removed_on_the_teams_page(staff, operator, team, user):
    newcomer = make_user("carol@example.com")
    membership = team.memberships.get()
    key, _ = make_key(team, user, "Alice's", [Scope.READ])
    form = {
        "organization": team.organization_id,
        "name": team.name,
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": membership.pk,
        "memberships-0-team": team.pk,
        "memberships-0-role": "manager",
        "memberships-2-TOTAL_FORMS": "1",
        "memberships-2-INITIAL_FORMS": "0",
        "memberships-2-0-team": team.pk,
        "memberships-2-0-user": newcomer.pk,
        "memberships-2-0-role": "viewer",
    }
    page = f"/admin/teams/team/{team.pk}/change/"
    assert staff.post(page, form).status_code == 302
    assert dict(team.memberships.values_list("user__email", "role")) == {
        "alice@example.com": "manager",
        "carol@example.com": "viewer",
    }
    again = form | {"memberships-2-0-user": user.pk}
    answer = staff.post(page, again)
    assert "There is this membership already." in answer.content.decode() and team.memberships.count() == 2
    twice = form | {"memberships-2-TOTAL_FORMS": "2", "memberships-2-0-user": operator.pk}
    twice |= {"memberships-2-1-team": team.pk, "memberships-2-1-user": operator.pk, "memberships-2-1-role": "viewer"}
    assert "duplicate" in staff.post(page, twice).content.decode()
    assert staff.post(page, form | {"memberships-0-DELETE": "on", "memberships-2-0-user": ""}).status_code == 302
    assert list(team.memberships.values_list("user__email", flat=True)) == ["carol@example.com"]
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_a_membership_of_another_team_is_not_changed_through_a_teams_page(staff, team, user, other_team):
    stranger = Membership.objects.create(team=other_team, user=user, role=Role.VIEWER)
    form = {
        "organization": team.organization_id,
        "name": team.name,
        **NO_INLINES,
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": stranger.pk,
        "memberships-0-role": "manager",
    }
    staff.post(f"/admin/teams/team/{team.pk}/change/", form)
    stranger.refresh_from_db()
    assert stranger.role == Role.VIEWER


def test_a_teams_page_costs_the_same_for_one_member_and_for_thirty(staff, team, user):
    address = f"/admin/teams/team/{team.pk}/change/"
    one = queries_of(staff, address)
    for number in range(29):
        make_user(f"member{number}@example.com", team)
    assert queries_of(staff, address) == one


# --- people


def test_a_user_is_added_with_a_password_and_can_log_in(staff, client):
    form = {"email": "New.Person@Example.COM", "name": "New", "time_zone": "Europe/Berlin", **PASSWORD}
    answer = staff.post("/admin/teams/user/add/", form)
    made = User.objects.get(email__iexact="new.person@example.com")
    assert answer.headers["Location"] == f"/admin/teams/user/{made.pk}/change/"
    assert (made.email, made.time_zone, made.is_staff, made.is_superuser) == (
        "New.Person@example.com",
        "Europe/Berlin",
        False,
        False,
    )
    assert made.check_password("a long enough phrase")


def test_a_user_can_be_added_without_a_password_and_get_one_later(staff, db):
    form = {"email": "later@example.com", "time_zone": "UTC", "usable_password": "false"}
    staff.post("/admin/teams/user/add/", form)
    made = User.objects.get(email="later@example.com")
    assert not made.has_usable_password()
    answer = staff.post(f"/admin/teams/user/{made.pk}/password/", PASSWORD | {"set-password": "x"})
    assert answer.status_code == 302
    made.refresh_from_db()
    assert made.check_password("a long enough phrase")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"email": "ALICE@example.com"}, "There is a user with this e-mail address already."),
        ({"email": "nobody"}, "Enter a valid email address."),
        ({"email": ""}, "This field is required."),
        ({"time_zone": "Mars/Olympus"}, "is not one of the available choices"),
        ({"password1": "short", "password2": "short"}, "too short"),
        ({"password2": "something else"}, "didn’t match"),
        ({"name": "x" * 201}, "at most 200 characters"),
    ],
)
def test_a_user_that_cannot_be_is_refused_in_the_form(staff, user, changes, complaint):
    form = {"email": "new@example.com", "time_zone": "UTC", **PASSWORD}
    answer = staff.post("/admin/teams/user/add/", form | changes)
    assert answer.status_code == 200
    assert complaint in answer.content.decode().replace("&#x27;", "'")


def test_deleting_a_user_deactivates_and_keys_stop_acting_for_them(staff, user, api_key):
    assert usable_key(api_key)
    asked = staff.get(f"/admin/teams/user/{user.pk}/delete/").content.decode()
    assert "Everything they did stays under their name." in asked
    staff.post(f"/admin/teams/user/{user.pk}/delete/", {"post": "yes"})
    user.refresh_from_db()
    assert not user.is_active and user.memberships.exists()
    assert usable_key(api_key) is None


def test_operators_cannot_shut_themselves_out(staff, operator, user):
    assert staff.post(f"/admin/teams/user/{operator.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [operator.pk, user.pk], "post": "yes"}
    staff.post("/admin/teams/user/", chosen)
    form = user_form(operator, is_active=None, is_superuser=None, is_staff=None)
    assert staff.post(f"/admin/teams/user/{operator.pk}/change/", form).status_code == 302
    operator.refresh_from_db()
    user.refresh_from_db()
    assert (operator.is_active, operator.is_superuser, operator.is_staff, user.is_active) == (True, True, True, False)


def test_an_operator_with_permissions_only_neither_becomes_nor_changes_a_superuser(client, operator, user):
    helper = make_user("helper@example.com", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(content_type__app_label="teams"))
    client.force_login(helper)
    assert client.post(f"/admin/teams/user/{operator.pk}/password/", PASSWORD).status_code == 403
    assert client.post(f"/admin/teams/user/{operator.pk}/change/", user_form(operator)).status_code == 403
    assert client.post(f"/admin/teams/user/{operator.pk}/delete/", {"post": "yes"}).status_code == 403
    everything = user_form(user, is_superuser="on", is_staff="on", name="Alice B.")
    assert client.post(f"/admin/teams/user/{user.pk}/change/", everything).status_code == 302
    another = user_form(user, email="mine@example.com", name="Alice B.")
    assert client.post(f"/admin/teams/user/{user.pk}/change/", another).status_code == 302
    myself = user_form(helper, is_superuser="on")
    assert client.post(f"/admin/teams/user/{helper.pk}/change/", myself).status_code == 302
    user.refresh_from_db()
    helper.refresh_from_db()
    assert (user.name, user.is_staff, user.is_superuser, helper.is_superuser) == ("Alice B.", False, False, False)
    assert user.email == "alice@example.com"


def test_only_superusers_set_somebody_else_s_password_and_nobody_their_own_without_the_present_one(
    client, staff, operator, user
):
    assert staff.get(f"/admin/teams/user/{operator.pk}/password/").url == "/password"
    assert staff.post(f"/admin/teams/user/{user.pk}/password/", PASSWORD).status_code == 302
    helper = make_user("helper@example.com", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(content_type__app_label="teams"))
    helpers = Client()
    helpers.force_login(helper)
    assert helpers.get(f"/admin/teams/user/{user.pk}/password/").status_code == 403
    assert helpers.post(f"/admin/teams/user/{user.pk}/password/", PASSWORD).status_code == 403
    assert helpers.post(f"/admin/teams/user/{helper.pk}/password/", PASSWORD).url == "/password"


def test_only_superusers_say_what_a_group_may_do(staff, operator):
    helper = make_user("helper@example.com", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    group = Group.objects.create(name="Helpers")
    helpers = Client()
    helpers.force_login(helper)
    everything = {"name": "Helpers", "permissions": list(Permission.objects.values_list("pk", flat=True))}
    assert helpers.post(f"/admin/auth/group/{group.pk}/change/", everything).status_code == 403
    assert helpers.post("/admin/auth/group/add/", everything | {"name": "More"}).status_code == 403
    assert helpers.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"}).status_code == 403
    assert staff.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Renamed"}).status_code == 302
    assert (Group.objects.get().name, Group.objects.get().permissions.count()) == ("Renamed", 0)


def test_a_password_is_never_shown_and_not_searched(staff, user):
    page = staff.get(f"/admin/teams/user/{user.pk}/change/").content.decode()
    assert user.password not in page and user.password.split("$")[-1] not in page
    assert staff.get("/admin/teams/user/?password__startswith=md5").status_code == 400


# --- API keys


def key_form(of_team, **changes):
    return {"team": of_team.pk, "name": "laptop", "scopes": ["read", "write"]} | changes


@pytest.fixture
def inside(team, operator):
    """Olga is in the team, too."""
    return team.memberships.create(user=operator, role=Role.VIEWER)


def test_a_key_is_shown_once_and_kept_as_a_digest(staff, team, inside):
    answer = staff.post("/admin/teams/apikey/add/", key_form(team))
    [text] = re.findall(r"wk_[\w-]{20,}", said(answer))
    key = APIKey.objects.get()
    assert (bytes(key.digest), key.prefix, key.scopes) == (plain_digest(text), text[:10], ["read", "write"])
    assert usable_key(text) == key
    assert text in staff.get("/admin/teams/apikey/").content.decode()
    for page in (
        "/admin/teams/apikey/",
        f"/admin/teams/apikey/{key.pk}/change/",
        f"/admin/teams/apikey/{key.pk}/history/",
    ):
        assert text not in staff.get(page).content.decode()
    assert text not in "".join(LogEntry.objects.values_list("change_message", flat=True))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["ingest"]}, "is not one of the available choices"),
        ({"scopes": ["read", "everything"]}, "is not one of the available choices"),
        ({"expires_at_0": "2001-01-01", "expires_at_1": "00:00"}, "This moment has passed."),
        ({"expires_at_0": "9999-12-31", "expires_at_1": "23:59:59"}, "Enter a day of the years 2000 to 2199."),
        ({"expires_at_0": "0001-01-01", "expires_at_1": "00:00"}, "Enter a day of the years 2000 to 2199."),
        ({"expires_at_0": "2100-02-30", "expires_at_1": "00:00"}, "Enter a valid date."),
        ({"expires_at_0": "2100-02-03", "expires_at_1": "25:00"}, "Enter a valid time."),
        ({"team": "0"}, "Select a valid choice."),
        ({"name": " "}, "This field is required."),
    ],
)
def test_a_key_that_cannot_be_is_refused_in_the_form(staff, team, inside, changes, complaint):
    answer = staff.post("/admin/teams/apikey/add/", key_form(team, **changes))
    assert answer.status_code == 200 and complaint in answer.content.decode()
    assert not APIKey.objects.exists()


def test_a_key_acts_for_whoever_makes_it_and_for_nobody_else(staff, operator, team, inside, user, other_team):
    staff.post("/admin/teams/apikey/add/", key_form(team, user=user.pk))
    assert APIKey.objects.get().user == operator
    answer = staff.post("/admin/teams/apikey/add/", key_form(other_team))
    assert "you are not a member of this team" in answer.content.decode()
    assert APIKey.objects.count() == 1


def test_whoever_may_only_add_keys_makes_none_for_a_team_they_are_not_in(client, team, user):
    helper = make_user("helper@example.com", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename__in=("add_apikey", "add_ingestkey")))
    client.force_login(helper)
    assert client.post("/admin/teams/apikey/add/", key_form(team, user=user.pk)).status_code == 200
    integration = make_integration(team)
    form = {"integration": integration.pk, "user": user.pk, "name": "agent", "further": ["read", "write"]}
    assert client.post("/admin/integrations/ingestkey/add/", form).status_code == 200
    assert not APIKey.objects.exists()


@pytest.mark.parametrize(
    ("before", "wanted", "status"),
    [
        (NOON, "2100-01-01", 200),  # it opened nothing any more
        (NOON + timedelta(days=36_500), "2199-01-01", 200),
        (NOON + timedelta(days=36_500), "", 200),
        (NOON + timedelta(days=36_500), "2100-01-01", 302),
        (None, "2100-01-01", 302),
    ],
)
def test_a_delegate_lets_nobody_else_s_key_open_anything_for_longer(staff, team, user, before, wanted, status):
    helper = make_user("helper@example.com", team, is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename="change_apikey"))
    helpers = Client()
    helpers.force_login(helper)
    key, _ = make_key(team, user, "laptop", [Scope.READ], expires_at=before)
    form = {"name": "laptop", "expires_at_0": wanted, "expires_at_1": wanted and "12:00:00"}
    answer = helpers.post(f"/admin/teams/apikey/{key.pk}/change/", form)
    assert answer.status_code == status
    key.refresh_from_db()
    assert (key.expires_at == before) is (status == 200)
    own, _ = make_key(team, helper, "own", [Scope.READ], expires_at=before)
    assert helpers.post(f"/admin/teams/apikey/{own.pk}/change/", form).status_code == 302
    assert staff.post(f"/admin/teams/apikey/{key.pk}/change/", form).status_code == 302


def test_a_keys_name_and_end_can_be_changed_and_nothing_else(staff, team, user, other_team):
    key, text = make_key(team, user, "laptop", [Scope.READ])
    form = key_form(
        other_team, user="1", name="phone", scopes=["write"], digest="x", prefix="y", revoked_at_0="2001-01-01"
    )
    form |= {"expires_at_0": "2100-01-01", "expires_at_1": "12:00:00"}
    assert staff.post(f"/admin/teams/apikey/{key.pk}/change/", form).status_code == 302
    changed = APIKey.objects.get(pk=key.pk)
    assert (changed.name, changed.expires_at.year, changed.team, changed.scopes) == ("phone", 2100, team, ["read"])
    assert usable_key(text) == key


def test_an_expired_key_can_still_be_renamed(staff, team, user):
    key, _ = make_key(team, user, "laptop", [Scope.READ])
    ended = clock.now().replace(microsecond=0) - timedelta(days=1)
    APIKey.objects.filter(pk=key.pk).update(expires_at=ended)
    form = {"name": "old laptop", "expires_at_0": f"{ended:%Y-%m-%d}", "expires_at_1": f"{ended:%H:%M:%S}"}
    assert staff.post(f"/admin/teams/apikey/{key.pk}/change/", form).status_code == 302
    key.refresh_from_db()
    assert (key.name, key.expires_at) == ("old laptop", ended)


def test_keys_are_revoked_and_never_deleted(staff, team, user, api_key):
    key = usable_key(api_key)
    chosen = {"action": "delete_selected", "_selected_action": key.pk}
    assert "Revoke 1 API key?" in staff.post("/admin/teams/apikey/", chosen).content.decode()
    answer = staff.post("/admin/teams/apikey/", chosen | {"post": "yes"})
    assert "1 revoked." in said(answer)
    assert usable_key(api_key) is None
    assert APIKey.objects.get().revoked_at is not None


# --- lists


@pytest.mark.parametrize("model", ["organization", "team", "user", "apikey"])
def test_a_list_costs_the_same_for_one_row_and_for_thirty(staff, team, user, model):
    make_key(team, user, "first", [Scope.READ])
    address = f"/admin/teams/{model}/"
    few = queries_of(staff, address)
    for number in range(30):
        another = make_team(f"Team {number}")
        make_key(another, make_user(f"user{number}@example.com", another), "key", [Scope.READ])
    assert queries_of(staff, address) == few


def test_teams_and_people_are_suggested_by_the_beginnings_of_their_names(staff, team, other_team, user):
    asked = "/admin/autocomplete/?app_label=teams&model_name=apikey&field_name="
    teams = staff.get(f"{asked}team&term=oper").json()
    assert teams == {"results": [{"id": str(team.pk), "text": "Operations"}], "pagination": {"more": False}}
    assert [each["text"] for each in staff.get(f"{asked}user&term=ALI").json()["results"]] == ["alice@example.com"]
    assert staff.get(f"{asked}user&term=lice").json()["results"] == []
