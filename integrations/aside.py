"""
Aside: bytes that are no event, kept in quarantine so that somebody can see what a sender sends.

What is no sound JSON is kept whole; of what is too large the beginning, and how large it was. Of both an integration
keeps so many rows and bytes, identical ones once; beyond that they are counted. Not here: events with wrong fields,
which are kept as any other (integrations.inbox).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from config import faults, rows
from config.bodies import KIB, LARGEST_BODY, MIB
from integrations.counts import NOT_KEPT, count
from integrations.models import Integration
from timeline.identity import beginning_identity, bytes_identity

# Of bytes that are no event, an integration keeps at most so many rows and bytes; what exceeds them is only counted.
MOST_RUBBISH_ROWS = 1000
MOST_RUBBISH_BYTES = 64 * MIB
# Of what is too large so much is kept.
BEGINNING = 1 * KIB
LARGEST_EVENT = 64 * KIB
# More is announced by who means no good, and can't be kept as a number.
LARGEST_SIZE = 2**63 - 1

KEPT_RUBBISH = faults.point("inbox: rubbish kept or not, before counting")

Error = dict[str, Any]


@dataclass(frozen=True)
class Rubbish:
    """
    What is kept of bytes that are no event, and by which identity; why they are none. `size`: how many there were,
    where these are only the first; `event`: its name, where it has one.
    """

    body: bytes
    identity: bytes
    error: Error
    size: int | None = None
    event: str | None = None


def refused(body: bytes, code: str, message: str) -> Rubbish:
    """Bytes that are no sound JSON, or no array of a length that is taken."""
    return Rubbish(body, bytes_identity(body), {"code": code, "message": message})


def too_large_event(body: bytes, event: str | None) -> Rubbish:
    """An event of more than 64 KiB."""
    message = f"An event has at most {LARGEST_EVENT // KIB} KiB. This one has {len(body):,} bytes."
    return beginning(body, len(body), message, event)


def too_large_request(body: bytes, size: int, *, at_least: bool) -> Rubbish:
    """A request of more than 4 MiB, of which this was read; it has so many bytes, or at least so many."""
    number = f"at least {size:,}" if at_least else f"{size:,}"
    message = f"A request body has at most {LARGEST_BODY // MIB} MiB. This one has {number} bytes."
    return beginning(body, min(size, LARGEST_SIZE), message)


def beginning(body: bytes, size: int, message: str, event: str | None = None) -> Rubbish:
    """The first of the bytes of what is too large; what was read of it beyond them still tells it from others."""
    error = {"code": "PAYLOAD_TOO_LARGE", "message": message, "details": {"size": size}}
    return Rubbish(body[:BEGINNING], beginning_identity(body, size), error, size, event)


KEEP = """
INSERT INTO integrations_inbounddelivery (team_id, integration_id, received_at, body, headers, webhook_id, identity,
    is_event, event, size, status, error, attempts)
SELECT %(team)s, %(integration)s, %(at)s, %(body)s, %(headers)s::jsonb, %(webhook_id)s, %(identity)s,
    false, %(event)s, %(size)s, 'quarantined', %(error)s::jsonb, 0
WHERE (
    SELECT count(*) < %(rows)s AND coalesce(sum(octet_length(body)), 0) + %(length)s <= %(bytes)s
    FROM integrations_inbounddelivery WHERE integration_id = %(integration)s AND NOT is_event
)
ON CONFLICT (integration_id, identity) DO NOTHING RETURNING id
"""


def keep(
    integration: Integration, rubbish: Rubbish, headers: dict[str, str], webhook_id: str | None, at: datetime
) -> int | None:
    """Keep bytes that are no event: identical ones once, up to a bound. The delivery's id; None if it is not kept."""
    values: dict[str, Any] = {
        "team": integration.team_id,
        "integration": integration.pk,
        "at": at,
        "body": rubbish.body,
        "headers": rows.as_json([headers])[1:-1],
        "webhook_id": webhook_id,
        "identity": rubbish.identity,
        "event": rubbish.event,
        "size": rubbish.size,
        "error": rows.as_json([rubbish.error])[1:-1],
        "rows": MOST_RUBBISH_ROWS,
        "bytes": MOST_RUBBISH_BYTES,
        "length": len(rubbish.body),
    }
    with connection.cursor() as cursor:
        cursor.execute(KEEP, values)
        KEPT_RUBBISH()
        made = cursor.fetchone()
    if made is not None:
        return int(made[0])
    known = integration.deliveries.filter(identity=rubbish.identity).values_list("id", flat=True).first()
    if known is None:
        count(integration, NOT_KEPT, at)
    return known
