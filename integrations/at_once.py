"""
The inbound door's common case in one statement: one sound event of a known kind, new, for an integration whose door is
open and that does not sign.

The statement finds the integration by its token and keeps the delivery, so that nothing read before can be out of date.
Any other case keeps nothing here and is left to integrations.door and integrations.inbox, which judge the event by the
very same function: this is a shorter way, not another one.
"""

from datetime import datetime

from config import faults, rows, strictjson
from config.statements import fetch
from config.vault import keyed_digests, plain_digest
from integrations.inbox import ACCEPTED, Answer, judge
from integrations.models import Verdict

KEPT = faults.point("at once: kept, before the answer")

# Whatever is there already (the event, or its webhook-id) leaves no row.
KEEP = """
INSERT INTO integrations_inbounddelivery (team_id, integration_id, received_at, body, headers, webhook_id,
    webhook_digest, identity, is_event, event, status, attempts)
SELECT i.team_id, i.id, %(at)s::timestamptz, %(body)s::bytea, %(headers)s::jsonb, %(webhook_id)s::text,
    %(webhook_digest)s::bytea, %(identity)s::bytea, true, %(event)s::text, 'received', 0
FROM integrations_integration i JOIN teams_team t ON t.id = i.team_id
WHERE i.token_digest = ANY(%(digests)s::bytea[]) AND i.deactivated_at IS NULL AND t.deactivated_at IS NULL
    AND i.signing_secret_ciphertext IS NULL
ON CONFLICT DO NOTHING RETURNING id
"""


def receive(token: str, body: bytes, headers: dict[str, str], at: datetime) -> Answer | None:
    """Keep and answer an event that came under a token. None, and nothing kept, in any but the common case."""
    try:
        value = strictjson.parse(body)
    except strictjson.Refused:
        return None
    arrival = judge(body, value, at)
    if arrival.status != Verdict.RECEIVED:
        return None
    webhook_id = headers.get("webhook-id") or None
    kept = fetch(
        KEEP,
        {
            # An array in PostgreSQL's own words: the driver takes longer over it than over all else.
            "digests": "{" + ",".join(f'"\\\\x{digest.hex()}"' for digest in keyed_digests(token)) + "}",
            "at": at,
            "body": body,
            "headers": rows.as_json([headers])[1:-1],
            "webhook_id": webhook_id,
            "webhook_digest": plain_digest(webhook_id) if webhook_id else None,
            "identity": arrival.identity,
            "event": arrival.judged.event,
        },
    )
    KEPT()
    return Answer(kept[0][0], ACCEPTED) if kept else None
