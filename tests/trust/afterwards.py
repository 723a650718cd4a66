"""
What has to be true after anything was killed: acknowledged ⊆ stored ⊆ sent, nothing doubled, nothing unapplied,
everything equal to the fold of its facts, and the API showing the same.

`complaints` is pure, so that it can be shown to find what is wrong; the rest gathers what it looks at.
"""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.running import Running, eventually
from tests.trust.parcels import FATES, TAG
from tests.trust.senders import Ledger

UNAPPLIED_AT_MOST = 30.0  # seconds after the last event


@dataclass(frozen=True)
class Delivery:
    """A row of the inbox."""

    tag: str
    status: str
    fact_id: int | None = None


@dataclass(frozen=True)
class Recorded:
    """A fact."""

    id: int
    tag: str


def complaints(
    sent: set[str], acknowledged: set[str], inbox: Iterable[Delivery], facts: Iterable[Recorded]
) -> list[str]:
    """Everything that is not as it has to be, in sentences."""
    inbox, facts = list(inbox), list(facts)
    stored, recorded = Counter(row.tag for row in inbox), Counter(fact.tag for fact in facts)
    found = [f"{tag} was acknowledged and is lost" for tag in acknowledged if must_be_kept(tag) and not stored[tag]]
    found += [f"{tag} is stored and was never sent" for tag in (stored | recorded).keys() - sent]
    found += [f"{tag} is stored {number} times" for tag, number in stored.items() if number > 1]
    found += [f"{tag} is recorded {number} times" for tag, number in recorded.items() if number > 1]
    found += [f"{row.tag} is still unapplied" for row in inbox if row.status == "received"]
    found += [
        f"{tag} was acknowledged and has {recorded[tag]} facts"
        for tag in acknowledged
        if recorded[tag] not in FATES[tag[0]][1]
    ]
    return sorted(found + half_applied(inbox, facts))


def must_be_kept(tag: str) -> bool:
    """Whether an acknowledged event has to stand in the inbox."""
    return FATES[tag[0]][0]


def half_applied(inbox: list[Delivery], facts: list[Recorded]) -> list[str]:
    """Deliveries that say they were applied without their fact, and facts whose delivery does not know."""
    of_fact = {fact.id: fact.tag for fact in facts}
    known = {row.tag for row in inbox if row.fact_id is not None}
    found = [
        f"{row.tag} is applied without its fact"
        for row in inbox
        if (row.status == "applied" or row.fact_id is not None) and of_fact.get(row.fact_id or 0) != row.tag
    ]
    unknown = [fact.tag for fact in facts if must_be_kept(fact.tag) and fact.tag not in known]
    return found + [f"{tag} is a fact of which its delivery does not know" for tag in unknown]


def look(running: Running, ledger: Ledger, api_key: str) -> list[str]:
    """All complaints about a running Watchkeeper that was left in peace for as long as it needs."""
    eventually(lambda: not unapplied(running), UNAPPLIED_AT_MOST)
    inbox, facts = inbox_of(running), facts_of(running)
    found = complaints(ledger.sent, ledger.acknowledged, inbox, facts)
    return found + fold_differences(running) + timeline_differences(running, api_key)


def unapplied(running: Running) -> int:
    with running.connect() as connection:
        query = "SELECT count(*) FROM integrations_inbounddelivery WHERE status = 'received'"
        [[number]] = connection.execute(query)
    return int(number)


# What carries no tag was sent by other tests.


def inbox_of(running: Running) -> list[Delivery]:
    with running.connect() as connection:
        rows = connection.execute("SELECT body, status, fact_id FROM integrations_inbounddelivery").fetchall()
    tagged = ((tag_in(bytes(body).decode(errors="replace")), status, fact) for body, status, fact in rows)
    return [Delivery(tag, status, fact) for tag, status, fact in tagged if tag]


def facts_of(running: Running) -> list[Recorded]:
    with running.connect() as connection:
        rows = connection.execute("SELECT id, payload::text FROM timeline_timelineevent").fetchall()
    tagged = ((identity, tag_in(payload)) for identity, payload in rows)
    return [Recorded(identity, tag) for identity, tag in tagged if tag]


def tag_in(text: str) -> str:
    """The tag that a text carries; empty if there is none."""
    found = TAG.search(text)
    return found[1] if found else ""


def fold_differences(running: Running) -> list[str]:
    """What `rebuild --check` finds."""
    try:
        said = running.manage("rebuild", "--check")
    except Exception as error:
        return [f"rebuild --check: {error} {getattr(error, '__notes__', '')}"]
    return [] if said.startswith("0 differences; 0 deliveries") else [said]


def timeline_differences(running: Running, api_key: str, most: int = 3) -> list[str]:
    """Where the API's timeline of the fullest incidents does not show each of their facts exactly once."""
    with running.connect() as connection:
        fullest = connection.execute(
            "SELECT i.id, i.uuid, array_agg(t.payload::text) FROM incidents_incident i JOIN timeline_timelineevent t "
            "ON t.subject_kind = 'incident' AND t.subject_id = i.id GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT %s",
            [most],
        ).fetchall()
    found = []
    for number, uuid, payloads in fullest:
        recorded, shown = Counter(map(tag_in, payloads)), Counter(timeline(running, uuid, api_key))
        if recorded != shown:
            found.append(f"incident {number}: recorded {recorded - shown}, shown {shown - recorded}")
    return found


def timeline(running: Running, uuid: object, api_key: str) -> list[str]:
    """The tags of an incident's timeline as the API shows it."""
    tags: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = get(running, f"/api/incidents/{uuid}/timeline?limit=100" + (cursor and f"&cursor={cursor}"), api_key)
        tags += [tag_in(json.dumps(event)) for event in page["events"]]
        cursor = page["pagination"]["next_cursor"]
    return tags


def get(running: Running, path: str, api_key: str) -> Any:
    request = urllib.request.Request(running.base + path, headers={"X-API-Key": api_key})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())["data"]
