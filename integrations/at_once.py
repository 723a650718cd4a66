"""
The inbound door's common case: sound events of known kinds, new, each sent by itself, for integrations whose doors are
open and that do not sign. All that wait at the same time are kept in one statement, with one commit.

The statement finds the integrations and keeps the deliveries, so that nothing read before can be out of date.
Any other case keeps nothing here and is left to integrations.door and integrations.inbox, which judge events by the
very same function: this is a shorter way, not another one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from config import faults, rows, strictjson
from config.statements import fetch
from config.vault import keyed_digest, plain_digest
from integrations.inbox import ACCEPTED, Answer, Arrival, judge, webhook_id_of
from integrations.models import Verdict
from teams.models import APIKey, Scope

# How large an event is in the common case, and how much is read in one go: nobody's token was looked at yet.
LARGEST = 8 * 1024
MOST_BYTES = 128 * 1024

KEPT = faults.point("at once: kept, before the answer")

# Whatever is there already (the event, or its webhook-id) leaves no row. Those who keep the same events at once write
# them in the same order, and so never wait for each other in a circle.
KEEP = """
INSERT INTO integrations_inbounddelivery (team_id, integration_id, received_at, body, headers, webhook_id,
    webhook_digest, identity, is_event, event, ignored, status, attempts)
SELECT i.team_id, i.id, %(at)s::timestamptz, e.body, e.headers, e.webhook_id,
    e.webhook_digest, e.identity, true, e.event, e.ignored, 'received', 0
FROM jsonb_to_recordset(%(events)s::jsonb) AS e(whose {type}, body bytea, headers jsonb, webhook_id text,
    webhook_digest bytea, identity bytea, event text, ignored text[])
{whose} JOIN teams_team t ON t.id = i.team_id
WHERE i.deactivated_at IS NULL AND t.deactivated_at IS NULL AND i.signing_secret_ciphertext IS NULL
ORDER BY e.identity
ON CONFLICT DO NOTHING RETURNING identity, id
"""
KEEP_BY_TOKEN = KEEP.format(type="bytea", whose="JOIN integrations_integration i ON i.token_digest = e.whose")
KEEP_BY_KEY = KEEP.format(
    type="bigint",
    whose="JOIN integrations_ingestkey k ON k.api_key_id = e.whose JOIN integrations_integration i "
    "ON i.id = k.integration_id",
)


@dataclass(frozen=True)
class Sent:
    """One event as it came in: by whose token, or else whose usable API key; its bytes, and the headers to keep."""

    token: str | None
    key: APIKey | None
    body: bytes
    headers: dict[str, str]


def receive(sent: Sequence[Sent], at: datetime) -> list[Answer | None]:
    """Keep and answer events. None, and nothing kept, for each that is any but the common case."""
    arrivals = {place: arrival for place, each in enumerate(within(sent)) if (arrival := sound(each, at))}
    # Of the same event twice, the second is told that it is one.
    places = {arrival.identity: place for place, arrival in reversed(arrivals.items())}
    answers: list[Answer | None] = [None] * len(sent)
    for sql, is_token in ((KEEP_BY_TOKEN, True), (KEEP_BY_KEY, False)):
        chosen = [place for place in places.values() if (sent[place].token is not None) is is_token]
        events = [row(sent[place], arrivals[place]) for place in chosen]
        for identity, delivery in fetch(sql, {"events": rows.as_json(events), "at": at}) if events else ():
            place = places[bytes(identity)]
            answers[place] = Answer(delivery, ACCEPTED, ignored=arrivals[place].judged.ignored)
    if places:
        KEPT()
    return answers


def within(sent: Sequence[Sent]) -> Iterator[Sent]:
    """The first of what was sent, as many as may be read together."""
    left = MOST_BYTES
    for each in sent:
        left -= min(len(each.body), LARGEST)
        if left < 0:
            return
        yield each


def sound(sent: Sent, at: datetime) -> Arrival | None:
    """What was sent, judged, if it is a sound event of a known kind from somebody who may send it."""
    if sent.token is None and not (sent.key and Scope.INGEST in sent.key.scopes):
        return None
    if len(sent.body) > LARGEST or sent.body[:1] == b"[":
        return None
    try:
        arrival = judge(sent.body, strictjson.parse(sent.body), at)
    except strictjson.Refused:
        return None
    return arrival if arrival.status == Verdict.RECEIVED else None


def row(sent: Sent, arrival: Arrival) -> rows.Row:
    """
    What is kept of an arrival, and whose it is. A token whose digest is still that of an older key of ours finds
    nothing by the newest key's, and so goes the long way.
    """
    webhook_id = webhook_id_of(sent.headers)
    ignored = arrival.judged.ignored
    return {
        "whose": sent.key.pk if sent.token is None and sent.key else keyed_digest(sent.token or ""),
        "body": sent.body,
        "headers": sent.headers,
        "webhook_id": webhook_id,
        "webhook_digest": plain_digest(webhook_id) if webhook_id else None,
        "identity": arrival.identity,
        "event": arrival.judged.event,
        **({"ignored": list(ignored)} if ignored else {}),
    }
