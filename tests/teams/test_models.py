import re
from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction
from django.db.models.deletion import ProtectedError

from incidents.models import Incident
from integrations.models import Integration
from monitors.models import Heartbeat, Monitor
from teams.authentication import make_key
from teams.models import APIKey, Membership, Organization, Role, Scope, Team, User
from tests.conftest import NOON, make_integration, make_team, make_user


def refused(write):
    """The name of the constraint that refuses what is written; empty where it is not refused."""
    try:
        with transaction.atomic():
            write()
    except IntegrityError as error:
        return error.__cause__.diag.constraint_name or "not null"
    return ""


def test_public_ids_are_texts_that_say_what_they_name(team):
    assert re.fullmatch(r"org_[\w-]{12}", team.organization.public_id)
    assert re.fullmatch(r"team_[\w-]{12}", team.public_id)
    assert make_team("Another").public_id != team.public_id


@pytest.mark.parametrize("spelled", ["x@github.com", "X@GitHub.COM", " x@github.com", "ｘ@ｇithub.com"])
def test_an_address_is_the_same_however_it_is_spelled(db, spelled):
    own = make_user("x@github.com")
    assert User.objects.get_by_natural_key(spelled) == own
    assert refused(lambda: make_user(spelled)) == "user_email_once"


@pytest.mark.parametrize("alike", ["x@gıthub.com", "x@githuḃ.com"])
def test_somebody_with_an_address_that_only_looks_alike_locks_nobody_out(db, alike):
    own, other = make_user("x@github.com"), make_user(alike)
    for each in (own, other):
        assert authenticate(username=each.email, password="correct horse battery") == each


def test_a_team_s_name_is_once_in_its_organization(team, other_team):
    assert refused(lambda: Team.objects.create(organization=team.organization, name="Operations")) == (
        "team_name_once_per_organization"
    )
    assert refused(lambda: Team.objects.create(organization=other_team.organization, name="Operations")) == ""


def test_an_organization_with_teams_cannot_be_deleted(team):
    with pytest.raises(ProtectedError):
        team.organization.delete()


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@example.com", "alice@EXAMPLE.com", "Alice@Example.Com"])
def test_an_address_is_there_once_however_it_is_written(user, email):
    assert refused(lambda: User.objects.create_user(email)) == "user_email_once"


def test_an_address_is_kept_without_white_space_and_found_however_it_is_written(db):
    user = User.objects.create_user(" Bob@Example.COM ", "correct horse")
    assert user.email == "Bob@example.com"
    assert User.objects.get_by_natural_key("bOB@example.com") == user
    assert authenticate(username="BOB@EXAMPLE.COM", password="correct horse") == user
    assert authenticate(username="bob@example.com", password="wrong") is None


def test_a_user_without_a_password_can_not_log_in(db):
    User.objects.create_user("c@example.com")
    for password in ("", None, "None"):
        assert authenticate(username="c@example.com", password=password) is None


def test_a_deactivated_user_can_not_log_in(db):
    User.objects.create_user("d@example.com", "correct horse", is_active=False)
    assert authenticate(username="d@example.com", password="correct horse") is None


def test_an_operator_may_do_everything_in_admin(db):
    assert not User.objects.create_user("e@example.com").is_staff
    operator = User.objects.create_superuser("f@example.com", "x")
    assert (operator.is_staff, operator.is_superuser) == (True, True)


def test_people_are_called_by_their_name_or_else_by_their_address(db):
    assert make_user("g@example.com").get_full_name() == "g@example.com"
    named = make_user("h@example.com", name="Hal")
    assert (named.get_full_name(), named.get_short_name(), str(named)) == ("Hal", "Hal", "h@example.com")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, [True, False, False]),
        (Role.RESPONDER, [True, True, False]),
        (Role.MANAGER, [True, True, True]),
    ],
)
def test_each_role_may_all_that_the_one_before_may(role, may):
    member = Membership(role=role)
    assert [member.may(other) for other in (Role.VIEWER, Role.RESPONDER, Role.MANAGER)] == may


def test_a_member_is_once_in_a_team_with_a_role_that_there_is(team, user):
    assert refused(lambda: Membership.objects.create(team=team, user=user)) == "membership_once"
    assert refused(lambda: Membership.objects.filter(user=user).update(role="owner")) == "membership_role_known"


def test_a_key_s_scopes_are_those_there_are(team, user):
    key, _ = make_key(team, user, "k", [])
    assert refused(lambda: APIKey.objects.filter(pk=key.pk).update(scopes=["read", "admin"])) == "apikey_scopes_known"
    assert refused(lambda: APIKey.objects.filter(pk=key.pk).update(scopes=list(Scope))) == ""


def test_a_key_s_digest_is_once(team, user):
    key, _ = make_key(team, user, "k", [])
    other, _ = make_key(team, user, "k", [])
    assert refused(lambda: APIKey.objects.filter(pk=other.pk).update(digest=key.digest)) == "teams_apikey_digest_key"


def test_a_key_opens_something_while_it_its_user_and_its_team_are_good(team, user):
    key, _ = make_key(team, user, "k", [Scope.READ])
    key = APIKey.objects.select_related("user", "team").get(pk=key.pk)
    assert key.is_usable(NOON)
    key.expires_at = NOON
    assert [key.is_usable(NOON - timedelta(milliseconds=1)), key.is_usable(NOON)] == [True, False]
    key.expires_at, key.revoked_at = None, NOON + timedelta(days=1)
    assert not key.is_usable(NOON)
    key.revoked_at, key.user.is_active = None, False
    assert not key.is_usable(NOON)
    key.user.is_active, key.team.deactivated_at = True, NOON
    assert not key.is_usable(NOON)


def test_things_are_called_what_people_call_them(team, user):
    key, text = make_key(team, user, "laptop", [])
    membership = Membership.objects.get()
    assert [str(each) for each in (team.organization, team, membership, key)] == [
        "Operations Inc.", "Operations", "alice@example.com in Operations", f"laptop ({text[:10]}…)",
    ]  # fmt: skip


# --- what other storeys ask the database to refuse ------------------------------------------------------------

MIRRORED = {"integration_id": 1, "source_key": b"k", "source_id": 0}


@pytest.mark.parametrize("model", [Monitor, Heartbeat, Incident])
@pytest.mark.parametrize(
    "columns",
    [
        {"integration_id": 1},
        {"source_key": b"k"},
        {"source_id": 5},
        MIRRORED | {"source_key": None},
        MIRRORED | {"source_id": None},
        MIRRORED | {"source_id": -1},
        MIRRORED | {"integration_id": None},
    ],
)
def test_a_record_is_native_or_mirrored_and_nothing_between(team, model, columns):
    assert refused(lambda: model.objects.create(team=team, **columns)) == f"{model.__name__.lower()}_native_or_mirrored"


@pytest.mark.parametrize("model", [Monitor, Heartbeat, Incident])
def test_a_vendor_s_record_is_mirrored_once(team, other_team, model):
    model.objects.create(team=team, **MIRRORED)
    assert "source_key" in refused(lambda: model.objects.create(team=other_team, **MIRRORED | {"integration_id": 2}))
    assert refused(lambda: model.objects.create(team=team)) == refused(lambda: model.objects.create(team=team)) == ""


@pytest.mark.parametrize("model", [Monitor, Heartbeat])
def test_a_resource_has_a_status_that_there_is_and_counts_from_zero(team, model):
    name = model.__name__.lower()
    assert refused(lambda: model.objects.create(team=team, status="broken")) == f"{name}_status_known"
    assert refused(lambda: model.objects.create(team=team, live_incidents=-1)) == f"{name}_live_incidents_counted"


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"status": "broken"}, "incident_status_known"),
        ({"severity": "awful"}, "incident_severity_known"),
        ({"type": "weather"}, "incident_type_known"),
        ({"is_live": True, "status": "resolved"}, "incident_live_means_it"),
        ({"is_live": True, "status": "closed"}, "incident_live_means_it"),
        ({"is_live": True, "status": "open", "destroyed_at": NOON}, "incident_live_means_it"),
    ],
)
def test_a_bad_incident_is_refused(team, columns, constraint):
    assert refused(lambda: Incident.objects.create(team=team, **columns)) == constraint


def test_a_native_resource_has_one_live_native_incident(team):
    about = {"resource_type": "monitor", "resource_id": 5, "concerns_native": True}

    def live(**columns):
        return refused(lambda: Incident.objects.create(team=team, **about | {"is_live": True} | columns))

    assert live() == ""
    assert live() == "one_live_native_incident_per_native_resource"
    assert live(resource_type="heartbeat") == live(resource_id=6) == live(is_live=False) == ""
    # Mirrored ones have no such limit.
    assert live(**MIRRORED) == live(**MIRRORED | {"source_key": b"j"}) == live(concerns_native=False) == ""


def test_an_integration_has_a_name_and_a_token_of_its_own(team, other_team, integration):
    assert refused(lambda: make_integration(team)) == "integration_name_once_per_team"
    assert refused(lambda: make_integration(other_team)) == ""
    assert refused(lambda: make_integration(team, "Another", type="nagios")) == "integration_type_known"

    def same_token():
        Integration.objects.create(team=team, name="Third", token_digest=integration.token_digest, token_ciphertext=b"")

    assert refused(same_token) == "integrations_integration_token_digest_key"


def test_what_has_a_history_can_not_be_deleted(team, user, integration):
    Incident.objects.create(team=team)
    for each in (team, Organization.objects.get()):
        with pytest.raises(ProtectedError):
            each.delete()
