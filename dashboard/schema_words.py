"""
What the API's document says in words: its introduction, and what its parts are about.

Short sentences for people who have never seen it. What a promise means exactly stands in docs/record.md.
"""

from config.bodies import LARGEST_BODY, MIB
from config.idempotency import HEADER, KEPT_FOR
from config.matching import HEADER as IF_MATCH
from incidents.serializers import ALL_UPDATES, MOST_UPDATES

HOURS = int(KEPT_FOR.total_seconds()) // 3600

INTRODUCTION = f"""
Watchkeeper keeps the record of incidents: it takes in what your uptime tools tell, lets people and programs work on
incidents, and tells other systems what happened.

## Keys

Send your key as `X-API-Key: wk_…` or `Authorization: Bearer wk_…`. A key belongs to one team and to the person who
made it: it sees that team only, and acts as that person. Its scopes say what it may do: `read`, `write`, or
`ingest` (send events in through one integration). `GET /api/me` tells whose it is. A key that is missing, wrong,
revoked or expired is a 401; one that may not do this, a 403. What belongs to another team is a 404, as if it were
not there.

## Answers and errors

A success is `{{"success": true, "data": …}}`. An error is `{{"success": false, "error": {{"code", "message",
"details"}}}}`. Go by `code`; `message` is for people. For a `VALIDATION_ERROR`, `details.fields` says what is wrong
with each field. Several errors come in this order: 401, 403, 404, 405, 415, then what is wrong with the body, 412,
409.

## Bodies

JSON in UTF-8, with `Content-Type: application/json`; at most {LARGEST_BODY // MIB} MiB. It may be compressed, with
`Content-Encoding: gzip`; answers over 1 KB are where you accept that. Types are strict: `"5"` is no number. Text is
trimmed, and what is empty then counts as missing. A field that a body does not know is a 400 that names it. A
record can be sent back as it was read: what can't be changed passes where it says what is so.

## Times

Answers have ISO 8601 in UTC with milliseconds: `2026-05-13T12:00:00.000Z`. Send RFC 3339 with seconds and an
offset. For what you declare or correct, up to 60 seconds ahead is taken as now.

## Lists

A list answers `{{"<name>": […], "pagination": {{"limit", "next_cursor"}}}}`. Ask for the next page with `cursor`,
until `next_cursor` is null. `limit` is 1 to 100, and 20 if you don't say. Deleted records are left out unless you
ask for them with `destroyed=true` or `destroyed=any`. An incident's updates are a bare array: all of them up to
{ALL_UPDATES:,}, or with a `limit` up to {MOST_UPDATES:,} and a `Link` header to the next page.

## Changing what you saw

An incident, a monitor and a heartbeat have an `ETag`. Send it back as `{IF_MATCH}` with a change: if somebody else
was first, you get a 412 and nothing is changed.

## Sending again

A POST with an `{HEADER}` of your choice is done once, however often you send it within {HOURS} hours; each time you
get the first answer. The same key with another body is a 409, and so is one that is still being worked on, with
`Retry-After`. What was refused is not kept: correct it and send it under the same key.

## Limits

6,000 requests a minute for each key, unless the operator says otherwise; more is a 429 with `Retry-After`. A 503
has it, too. The inbound door has no limit of its own.

## Events in and out

The 19 events of the incident log come in through `POST /api/webhooks/incident-log`, and go out to your endpoints as
webhooks in the same shape, signed after the Standard Webhooks specification.
""".strip()

TAGS = {
    "me": "Whose key this is.",
    "members": "The people of the team, to whom incidents are assigned.",
    "incidents": "What went wrong: declaring incidents, working on them, and their history.",
    "incident-groups": "Incidents that belong together.",
    "monitors": "URLs, hosts and services that are watched.",
    "heartbeats": "Jobs that are expected to report.",
    "integrations": "The doors through which other tools tell their incident log.",
    "deliveries": "What came in through them, exactly as it was received.",
    "endpoints": "Where the team's incident log is sent.",
    "messages": "What was sent there, and what became of it.",
    "webhooks": "The inbound door for events of the incident log.",
    "events": "What is sent to the team's endpoints.",
}

INFO = {
    "license": {"name": "MIT", "identifier": "MIT"},
    "contact": {"name": "Whoever runs this Watchkeeper"},
}
SERVERS = [{"url": "/", "description": "This Watchkeeper."}]
