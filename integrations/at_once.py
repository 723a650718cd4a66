"""
The inbound door's common case in one statement: one sound event of a known kind, new, for an integration whose door is
open and that does not sign.

The statement finds the integration and keeps the delivery, so that nothing read before can be out of date.
Any other case keeps nothing here and is left to integrations.door and integrations.inbox, which judge the event by the
very same function: this is a shorter way, not another one.
"""

from datetime import datetime
from typing import Any

from config import faults, rows, strictjson
from config.statements import fetch
from config.vault import keyed_digests, plain_digest
from integrations.inbox import ACCEPTED, Answer, Arrival, judge
from integrations.models import Verdict
from teams.models import APIKey, Scope

KEPT = faults.point("at once: kept, before the answer")

# Whatever is there already (the event, or its webhook-id) leaves no row.
KEEP = """
INSERT INTO integrations_inbounddelivery (team_id, integration_id, received_at, body, headers, webhook_id,
    webhook_digest, identity, is_event, event, status, attempts)
SELECT i.team_id, i.id, %(at)s::timestamptz, %(body)s::bytea, %(headers)s::jsonb, %(webhook_id)s::text,
    %(webhook_digest)s::bytea, %(identity)s::bytea, true, %(event)s::text, 'received', 0
FROM integrations_integration i JOIN teams_team t ON t.id = i.team_id
WHERE {whose} AND i.deactivated_at IS NULL AND t.deactivated_at IS NULL AND i.signing_secret_ciphertext IS NULL
ON CONFLICT DO NOTHING RETURNING id
"""
KEEP_BY_TOKEN = KEEP.format(whose="i.token_digest = ANY(%(digests)s::bytea[])")
KEEP_BY_KEY = KEEP.format(
    whose="i.id = (SELECT integration_id FROM integrations_ingestkey WHERE api_key_id = %(key)s::bigint)"
)


def receive_by_token(token: str, body: bytes, headers: dict[str, str], at: datetime) -> Answer | None:
    """Keep and answer an event that came under a token. None, and nothing kept, in any but the common case."""
    # An array in PostgreSQL's own words: the driver takes longer over it than over all else.
    digests = "{" + ",".join(f'"\\\\x{digest.hex()}"' for digest in keyed_digests(token)) + "}"
    return _receive(KEEP_BY_TOKEN, {"digests": digests}, body, headers, at)


def receive_by_key(key: APIKey, body: bytes, headers: dict[str, str], at: datetime) -> Answer | None:
    """As `receive_by_token`, for what came with a usable API key."""
    if Scope.INGEST not in key.scopes:
        return None
    return _receive(KEEP_BY_KEY, {"key": key.pk}, body, headers, at)


def _receive(sql: str, whose: dict[str, Any], body: bytes, headers: dict[str, str], at: datetime) -> Answer | None:
    try:
        value = strictjson.parse(body)
    except strictjson.Refused:
        return None
    arrival = judge(body, value, at)
    if arrival.status != Verdict.RECEIVED:
        return None
    kept = fetch(sql, whose | row(arrival, body, headers, at))
    KEPT()
    return Answer(kept[0][0], ACCEPTED) if kept else None


def row(arrival: Arrival, body: bytes, headers: dict[str, str], at: datetime) -> dict[str, Any]:
    """What is kept of an arrival, but for whose it is."""
    webhook_id = headers.get("webhook-id") or None
    return {
        "at": at,
        "body": body,
        "headers": rows.as_json([headers])[1:-1],
        "webhook_id": webhook_id,
        "webhook_digest": plain_digest(webhook_id) if webhook_id else None,
        "identity": arrival.identity,
        "event": arrival.judged.event,
    }
