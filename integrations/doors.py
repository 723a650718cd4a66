"""
Doors: who may send, found by the secret token of an integration's address or by an API key bound to it.

One statement says so, for many at once (`gate_sql`). What it said is remembered, so that events can be judged before
the database is asked again; but what is remembered lets nobody in: the statement that keeps deliveries begins with the
same gate, and keeps nothing where a door was shut or is another one than it was. So a token that was rotated and a key
that was revoked open nothing from then on, whatever a process remembers. Not here: what comes in (integrations.ingest).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from config import rows
from config.errors import ApiError, Forbidden, Unauthorized
from config.statements import fetch
from config.vault import keyed_digests, plain_digest
from integrations.models import Integration
from teams.authentication import USABLE, USED_RESOLUTION, beginning_of, note_use
from teams.models import Scope

# So many doors are remembered by a process.
MOST_REMEMBERED = 10_000


class Credential(NamedTuple):
    """What opens a door: a token, else the text of a key ("": none was sent); or we know the integration ourselves."""

    token: str | None = None
    key: str = ""
    integration_id: int | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """
    An open door, as it was when it was looked up: whose it is, and how what comes through is read.

    `secret`: its sealed signing secret, if it asks for signatures. `asked`: how the gate is asked for it again.
    `account`, `prefix`: of the key, for the log. `is_fresh`: it was looked up just now.
    """

    integration_id: int
    type: str
    count_only: tuple[str, ...]
    secret: bytes | None
    asked: rows.Row
    key_id: int | None = None
    key_used_at: datetime | None = None
    account: str = ""
    prefix: str = ""
    is_fresh: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not let in: what they are told, and what the log's line says (config.refusals)."""

    error: ApiError
    what: str = ""
    why: str = ""
    account: str = ""
    prefix: str = ""


# Each door that is asked for, by `n`: the usable key, and the open integration that the key or token leads to.
# `as_known`: whether it is just as it was said to be. LIMIT keeps the planner from reading whole tables for a few rows.
# Where no door is asked for by a key, keys are not looked at: their tables and indexes would be opened all the same.
_GATE = """
WITH gate AS MATERIALIZED (
    SELECT c.n, {of_key}i.id AS integration_id, i.team_id, i.type,
        i.count_only::text[] AS count_only, i.signing_secret_ciphertext AS secret, c.token,
        c.id = i.id AND c.type = i.type AND c.count_only = i.count_only::text[]
            AND c.secret IS NOT DISTINCT FROM i.signing_secret_ciphertext AS as_known
    FROM jsonb_to_recordset(%(doors)s::jsonb) AS c(n int, token bytea, key bytea, integration bigint,
        id bigint, type text, count_only text[], secret bytea)
    {keys}
    LEFT JOIN LATERAL (
        SELECT i.* FROM integrations_integration i JOIN teams_team t ON t.id = i.team_id
        WHERE i.deactivated_at IS NULL AND t.deactivated_at IS NULL AND i.id = coalesce(
            c.integration, {by_key}
            (SELECT x.id FROM integrations_integration x WHERE x.token_digest = c.token)
        ) LIMIT 1
    ) i ON true
)
"""
_KEYS = f"""
    LEFT JOIN LATERAL (
        SELECT k.id, k.last_used_at, u.email, k.prefix, b.integration_id, '{Scope.INGEST}' = ANY (k.scopes) AS may
        FROM teams_apikey k {USABLE} LEFT JOIN integrations_ingestkey b ON b.api_key_id = k.id
        WHERE k.digest = c.key LIMIT 1
    ) k ON true
"""  # noqa: S608 - names of our own


def gate_sql(*, with_keys: bool) -> str:
    """The gate, for `WITH`: doors are asked for in %(doors)s, at the moment %(at)s."""
    if not with_keys:
        return _GATE.format(of_key="", keys="", by_key="")
    of_key = "k.id AS key_id, k.last_used_at, k.email, k.prefix, k.may, "
    return _GATE.format(of_key=of_key, keys=_KEYS, by_key="CASE WHEN k.may THEN k.integration_id END,")


FIND = f"""{gate_sql(with_keys=True)}
SELECT n, key_id, last_used_at, email, prefix, may, integration_id, type, count_only, secret, token FROM gate
ORDER BY n, integration_id
"""  # noqa: S608 - as above

_remembered: dict[bytes | int, Door] = {}


def find_doors(
    wanted: Mapping[int, Credential], at: datetime, remembered: set[int]
) -> tuple[dict[int, Door], dict[int, Refusal]]:
    """
    The doors that credentials open, and why others open none; by the places of the credentials. Those at the places in
    `remembered` may be as a process remembers them.
    """
    each_once = {credential: key_of(credential) for credential in set(wanted.values())}
    keys = {place: each_once[credential] for place, credential in wanted.items()}
    doors = {
        place: known
        for place, key in keys.items()
        if place in remembered and key is not None and (known := _remembered.get(key))
    }
    missing = {place: credential for place, credential in wanted.items() if place not in doors}
    found, refused = look_up(missing, at) if missing else ({}, {})
    for place, door in found.items():
        remember(keys[place], door)
    doors |= found
    note_keys(keys, doors, at)
    return doors, refused


def key_of(credential: Credential) -> bytes | int | None:
    """Under what a credential's door is remembered, which says nothing of the secret; None for none at all."""
    if credential.token is not None:
        return keyed_digests(credential.token)[0]
    if credential.integration_id is not None:
        return credential.integration_id
    return plain_digest(credential.key) if credential.key else None


def remember(key: bytes | int | None, door: Door) -> None:
    """Remember a door for the next time."""
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    if key is not None:
        _remembered[key] = replace(door, is_fresh=False)


def note_keys(keys: Mapping[int, bytes | int | None], doors: Mapping[int, Door], at: datetime) -> None:
    """Note when keys were used, to within a minute."""
    stale = {
        place: door
        for place, door in doors.items()
        if door.key_id and (door.key_used_at is None or at - door.key_used_at > USED_RESOLUTION)
    }
    if stale:
        note_use({door.key_id for door in stale.values() if door.key_id}, at)
        for place, door in stale.items():
            remember(keys[place], replace(door, key_used_at=at))


def look_up(wanted: Mapping[int, Credential], at: datetime) -> tuple[dict[int, Door], dict[int, Refusal]]:
    """Ask the gate for the doors of credentials. Without any that could be right nothing is asked."""
    asked = [{"n": place} | each for place, credential in wanted.items() for each in spelled(credential)]
    doors: dict[int, Door] = {}
    keys: dict[int, tuple[str, str, bool]] = {}
    for row in fetch(FIND, {"doors": rows.as_json(asked), "at": at}) if asked else ():
        place, key_id, used_at, email, prefix, may, integration_id, type_, count_only, secret, token = row
        if key_id is not None:
            keys[place] = (email, prefix, may)
        if integration_id is None or place in doors:
            continue
        sealed = None if secret is None else bytes(secret)
        known = {"id": integration_id, "type": type_, "count_only": count_only, "secret": sealed}
        way = {"token": bytes(token)} if token is not None else spelled(wanted[place])[0]
        doors[place] = Door(
            integration_id, type_, tuple(count_only), sealed, way | known, key_id, used_at, email or "", prefix or ""
        )
    closed = {place: refusal_of(wanted[place], keys.get(place)) for place in wanted if place not in doors}
    return doors, closed


def spelled(credential: Credential) -> list[rows.Row]:
    """How the gate is asked for a credential: a token's digest may be one under an older key of ours."""
    if credential.integration_id is not None:
        return [{"integration": credential.integration_id}]
    if credential.token is not None:
        return [{"token": digest} for digest in keyed_digests(credential.token)]
    return [{"key": plain_digest(credential.key)}] if credential.key else []


def refusal_of(credential: Credential, key: tuple[str, str, bool] | None) -> Refusal:
    """Why a credential opens no door; `key`: whose it is, its prefix and whether it may send, if it is a usable key."""
    if credential.token is None and credential.integration_id is None:
        if not credential.key:
            return Refusal(Unauthorized(), "api key", "There was none.")
        if key is None:
            return Refusal(Unauthorized(), "api key", prefix=beginning_of(credential.key))
        account, prefix, may = key
        if not may:
            error = Forbidden(f"This key does not have the scope {Scope.INGEST}.")
            return Refusal(error, account=account, prefix=prefix)
        return Refusal(Unauthorized(NEITHER), "api key", account=account, prefix=prefix)
    return Refusal(Unauthorized(NEITHER), "token")


NEITHER = "A valid token or API key is required."


def of(integration: Integration) -> Credential:
    """The credential of who knows the integration without its secret: we ourselves."""
    return Credential(integration_id=integration.pk)
