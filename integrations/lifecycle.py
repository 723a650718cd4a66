"""
The verbs of integrations: opening and shutting an inbound door, its secrets, and the keys bound to it. Called alike by
dashboard, admin and commands.

Not here: what comes in through the door (integrations.ingest).
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from config.errors import Conflict
from config.seen import digest
from config.signing import sound_signing_secret
from config.vault import keyed_digest, new_token, open_sealed, seal
from integrations.models import IngestKey, Integration, IntegrationType
from teams.authentication import make_key
from teams.models import APIKey, Scope, Team, User

TOKEN_PREFIX = "whi_"  # noqa: S105 - what tokens begin with, so that a leaked one is recognized

# What is noted of those who changed an integration's secrets.
ROTATED, SIGNED, UNSIGNED = "Token rotated.", "Signing secret set.", "Signatures are not asked for any more."


def open_integration(team: Team, name: str, type: IntegrationType, at: datetime) -> tuple[Integration, str]:
    """A new integration of a team, and its token. Raises Conflict if the team has one of that name."""
    token = new_token(TOKEN_PREFIX)
    try:
        with transaction.atomic():
            integration = team.integrations.create(
                name=name,
                type=type,
                token_digest=keyed_digest(token),
                token_ciphertext=seal(token),
                created_at=at,
                may_act=type == IntegrationType.WATCHKEEPER,
            )
    except IntegrityError:
        raise Conflict(f"The team already has an integration called {name}.") from None
    return integration, token


def lock(integration: Integration) -> None:
    """Let nobody else change an integration until the transaction ends, and read it anew."""
    integration.refresh_from_db(from_queryset=Integration.objects.select_for_update(no_key=True))


def edit_integration(
    integration: Integration, *, name: str, type: str, count_only: list[str], may_act: bool | None = None
) -> bool:
    """
    Change what an integration is called, whose log comes in, which unknown events are counted only, and whether another
    Watchkeeper's staff may act on our incidents (None: as it is); whether anything is other than it was. Raises
    Conflict if another one of the team has that name.
    """
    said: dict[str, Any] = {"name": name, "type": type, "count_only": count_only}
    said |= {} if may_act is None else {"may_act": may_act}
    try:
        with transaction.atomic():
            present = Integration.objects.select_for_update(no_key=True).get(pk=integration.pk)
            if all(getattr(present, field) == value for field, value in said.items()):
                return False
            return bool(Integration.objects.filter(pk=integration.pk).update(**said))
    except IntegrityError:
        raise Conflict(f"The team already has an integration called {name}.") from None


def webhook_path(integration: Integration) -> str:
    """The path that a sender posts to, with its secret token. Raises vault.CannotOpen where that can't be read."""
    return f"{settings.DOOR_PATH}/{open_sealed(bytes(integration.token_ciphertext))}"


def token_version(integration: Integration) -> str:
    """Which token an integration has, in short and without telling it."""
    return digest(bytes(integration.token_digest).hex())


def signing_version(integration: Integration) -> str:
    """Which signing secret an integration has, if any, in short and without telling it."""
    sealed = integration.signing_secret_ciphertext
    return digest(sealed and bytes(sealed).hex())


def rotate_token(integration: Integration) -> str:
    """Give an integration a new token, which is the answer; the old one opens nothing from now on."""
    token = new_token(TOKEN_PREFIX)
    integration.token_digest, integration.token_ciphertext = keyed_digest(token), seal(token)
    integration.save(update_fields=["token_digest", "token_ciphertext"])
    return token


def set_signing_secret(integration: Integration, secret: str | None) -> None:
    """From now on ask for signatures made with a secret; None: for no signatures. Raises ValueError for a bad one."""
    sealed = None if secret is None else seal(sound_signing_secret(secret))
    integration.signing_secret_ciphertext = sealed
    integration.save(update_fields=["signing_secret_ciphertext"])


def shut_integration(integration: Integration, *, at: datetime) -> bool:
    """Shut an integration's door; whether it was open."""
    return bool(Integration.objects.filter(pk=integration.pk, deactivated_at=None).update(deactivated_at=at))


def reopen_integration(integration: Integration) -> bool:
    """Open an integration's door again; whether it was shut."""
    return bool(Integration.objects.filter(pk=integration.pk).exclude(deactivated_at=None).update(deactivated_at=None))


def bind_key(key: APIKey, integration: Integration) -> IngestKey:
    """
    Let a key of the same team, with the scope `ingest`, send to an integration. Raises Conflict for any other key, and
    for one that is bound to another integration.
    """
    if key.team_id != integration.team_id:
        raise Conflict("The key and the integration belong to different teams.")
    if Scope.INGEST not in key.scopes:
        raise Conflict(f"The key does not have the scope {Scope.INGEST}.")
    bound, _ = IngestKey.objects.get_or_create(api_key=key, defaults={"integration": integration})
    if bound.integration_id != integration.pk:
        raise Conflict("The key is bound to another integration.")
    return bound


def issue_key(
    team: Team,
    user: User,
    name: str,
    scopes: list[str],
    *,
    expires_at: datetime | None = None,
    integration: Integration | None = None,
) -> tuple[APIKey, str]:
    """
    A new key that acts for a member of the team, and its text, which is shown once. With the scope `ingest` it is bound
    to an integration of the team. Raises Conflict for an integration without that scope, or the scope without one.
    """
    if (Scope.INGEST in scopes) != (integration is not None):
        raise Conflict(f"A key that has the scope {Scope.INGEST}, and no other, is bound to an integration.")
    with transaction.atomic():
        key, text = make_key(team, user, name, scopes, expires_at=expires_at)
        if integration is not None:
            bind_key(key, integration)
        return key, text
