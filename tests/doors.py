"""
Inbound doors for cases of the corpus, many at once: an integration for each, open or shut, signed or not, and a key.

Runs inside of a Watchkeeper (`./watchkeeper shell`), for tests/rubbish.py.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import transaction

from config.vault import keyed_digest, new_token, plain_digest, seal
from integrations.models import IngestKey, Integration
from teams.authentication import KEY_PREFIX, SHOWN_CHARACTERS
from teams.models import APIKey, Scope, Team, User
from tests.made import SECRET

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


def make(team_id: str, path: str) -> None:
    """
    Read wishes (`{name: {"integration": {…}, "key": {…}}}`) from a file, fulfil them, and write there what was made:
    `{name: {"integration": id, "token": …, "key": …}}`.
    """
    wishes = json.loads(Path(path).read_text())
    team = Team.objects.get(public_id=team_id)
    user = User.objects.filter(memberships__team=team).earliest("id")
    doors = {name: (new_token("whi_"), new_token(KEY_PREFIX)) for name in wishes}
    with transaction.atomic():
        integrations = Integration.objects.bulk_create(
            an_integration(team, name, doors[name][0], **wish["integration"]) for name, wish in wishes.items()
        )
        keys = APIKey.objects.bulk_create(
            a_key(team, user, name, doors[name][1], **wish["key"]) for name, wish in wishes.items()
        )
        IngestKey.objects.bulk_create(
            IngestKey(api_key=key, integration=integration)
            for key, integration, wish in zip(keys, integrations, wishes.values(), strict=True)
            if not wish["key"].get("unbound")
        )
    made = {
        name: {"integration": integration.pk, "token": doors[name][0], "key": doors[name][1]}
        for name, integration in zip(wishes, integrations, strict=True)
    }
    Path(path).write_text(json.dumps(made))


def an_integration(
    team: Team, name: str, token: str, signed: bool = False, deactivated: bool = False, count_only: Sequence[str] = ()
) -> Integration:
    """An integration, not yet saved."""
    return Integration(
        team=team,
        name=name[:200],
        token_digest=keyed_digest(token),
        token_ciphertext=seal(token),
        signing_secret_ciphertext=seal(SECRET) if signed else None,
        count_only=list(count_only),
        deactivated_at=YESTERDAY if deactivated else None,
    )


def a_key(
    team: Team,
    user: User,
    name: str,
    text: str,
    scopes: Sequence[str] = (Scope.INGEST,),
    revoked: bool = False,
    expired: bool = False,
    unbound: bool = False,
) -> APIKey:
    """An API key, not yet saved."""
    return APIKey(
        team=team,
        user=user,
        name=name[:50],
        prefix=text[:SHOWN_CHARACTERS],
        digest=plain_digest(text),
        scopes=list(scopes),
        revoked_at=YESTERDAY if revoked else None,
        expires_at=YESTERDAY if expired else None,
    )
