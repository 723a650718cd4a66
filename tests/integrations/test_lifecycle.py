"""Opening inbound doors, and binding keys to them."""

import pytest
from django.db import transaction

from config.errors import Conflict
from config.vault import CannotOpen
from integrations import doors
from integrations.doors import Credential
from integrations.lifecycle import bind_key, edit_integration, issue_key, open_integration, webhook_path
from integrations.models import IngestKey, IntegrationType
from teams.authentication import make_key
from teams.models import Scope
from tests.conftest import NOON, make_integration


def whose(credential):
    """Which integration's door a credential opens."""
    return doors.find_doors({0: credential}, NOON, set())[0][0].integration_id


def test_an_integration_is_found_by_its_token_and_shows_it_again(team):
    made, token = open_integration(team, "Better Stack", IntegrationType.BETTER_STACK, NOON)
    assert (made.team, made.name, made.type, made.created_at) == (team, "Better Stack", "better_stack", NOON)
    assert whose(Credential(token)) == made.pk
    assert webhook_path(made) == f"/api/webhooks/incident-log/{token}"


def test_the_token_stands_nowhere_in_the_row(team):
    made, token = open_integration(team, "Better Stack", IntegrationType.OTHER, NOON)
    made.refresh_from_db()
    assert token.encode() not in bytes(made.token_ciphertext) + bytes(made.token_digest)


def test_a_second_integration_of_the_same_name_is_refused_and_breaks_no_transaction(team, other_team):
    open_integration(team, "Better Stack", IntegrationType.OTHER, NOON)
    with transaction.atomic():
        with pytest.raises(Conflict, match="already has an integration called Better Stack"):
            open_integration(team, "Better Stack", IntegrationType.OTHER, NOON)
        open_integration(other_team, "Better Stack", IntegrationType.OTHER, NOON)
    assert team.integrations.count() == 1


def test_a_path_whose_key_is_gone_cannot_be_shown(team, settings):
    made, _ = open_integration(team, "Better Stack", IntegrationType.OTHER, NOON)
    settings.ENCRYPTION_KEYS = ["another key, another key, another key"]
    with pytest.raises(CannotOpen):
        webhook_path(made)


def test_a_key_is_bound_once(team, user, integration):
    key, text = make_key(team, user, "sender", [Scope.INGEST])
    assert bind_key(key, integration) == bind_key(key, integration)
    assert whose(Credential(key=text)) == integration.pk


def test_a_key_is_not_bound_to_two_integrations(team, user, integration):
    key, text = make_key(team, user, "sender", [Scope.INGEST])
    bind_key(key, integration)
    with pytest.raises(Conflict, match="bound to another"):
        bind_key(key, make_integration(team, "Second"))
    assert whose(Credential(key=text)) == integration.pk


def test_a_key_of_another_team_is_not_bound(other_team, user, integration):
    key, _ = make_key(other_team, user, "sender", [Scope.INGEST])
    with pytest.raises(Conflict, match="different teams"):
        bind_key(key, integration)


def test_a_key_that_may_not_send_is_not_bound(team, user, integration):
    key, _ = make_key(team, user, "reader", [Scope.READ, Scope.WRITE])
    with pytest.raises(Conflict, match="ingest"):
        bind_key(key, integration)
    assert not IngestKey.objects.exists()


def test_an_integration_is_edited_and_keeps_its_token(team, integration):
    said = {"name": "Pager", "type": IntegrationType.OTHER, "count_only": ["a.b"]}
    assert edit_integration(integration, **said) is True
    assert edit_integration(integration, **said) is False
    integration.refresh_from_db()
    assert {field: getattr(integration, field) for field in said} == said
    assert webhook_path(integration).endswith(integration.token)


def test_a_name_is_not_taken_twice_in_a_team_by_editing(team, integration):
    make_integration(team, "Second")
    with pytest.raises(Conflict, match="already has an integration called Second"):
        edit_integration(integration, name="Second", type=IntegrationType.OTHER, count_only=[])
    integration.refresh_from_db()
    assert integration.name == "Better Stack"


def test_a_key_is_issued_bound_or_not_at_all(team, user, integration, other_team):
    key, text = issue_key(team, user, "sender", [Scope.INGEST], expires_at=NOON, integration=integration)
    assert (key.ingest.integration, key.expires_at) == (integration, NOON)
    assert text.startswith(key.prefix)
    foreign = make_integration(other_team)
    for scopes, bound in [([Scope.INGEST], None), ([Scope.READ], integration), ([Scope.INGEST], foreign)]:
        with pytest.raises(Conflict):
            issue_key(team, user, "another", scopes, integration=bound)
    assert team.api_keys.get() == key
