"""
How facts are told on the pages: a line each, with who, what changed, and what the source said in its own words.

The sentences were written when the fact was folded (`entries`); this room only lays them out. Not here: markup
(templates), words for times (templatetags.moments).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from config.paging import Order
from config.rawtext import indented
from dashboard.templatetags.marks import event_words
from incidents.models import Incident
from timeline.events import said
from timeline.models import Effect, SubjectKind, TimelineEvent

NEWEST_FIRST: Order = [("occurred_at", "desc"), ("rank", "desc"), ("identity", "desc")]
# Further facts are one click away; more than this at once nobody reads.
LINES = 50
# A payload has up to 64 KiB. This much of it stands in the page, the rest on the fact's own.
PAYLOAD_SHOWN = 4_000


@dataclass(frozen=True)
class Change:
    """One thing that a fact changed, where its sentence does not say so already."""

    old: str | None
    new: str | None


@dataclass(frozen=True)
class Line:
    """
    One fact as it is read.

    `sentences`: what happened, ours. `message`: what the source said, as it said it ("" if nothing more than that).
    `actor`: who did it, a person or a program; `source`: through which integration we know, None for our own.
    `incident`: which one it is about, where the page is not about that incident anyway.
    """

    fact: TimelineEvent
    sentences: list[str]
    changes: list[Change]
    message: str
    actor: str
    source: str | None
    incident: Incident | None = None

    @property
    def sentence(self) -> str:
        """The first of its sentences."""
        return self.sentences[0]

    @property
    def payload(self) -> str:
        """The event as it was sent, as indented JSON, cut where it is very long."""
        return payload_text(self.fact)[:PAYLOAD_SHOWN]

    @property
    def is_cut(self) -> bool:
        """Whether `payload` is not all of it."""
        return len(payload_text(self.fact)) > PAYLOAD_SHOWN

    @property
    def had_no_effect(self) -> bool:
        """Whether the fact did nothing where it stands in time."""
        return self.fact.effect == Effect.NONE


def lines(
    facts: Iterable[TimelineEvent], integrations: dict[int, str], incidents: dict[int, Incident] | None = None
) -> list[Line]:
    """Facts as lines; `integrations`: id → name, of those heard from; `incidents` by id, to be named."""
    return [line(fact, integrations, incidents) for fact in facts]


def line(fact: TimelineEvent, integrations: dict[int, str], incidents: dict[int, Incident] | None = None) -> Line:
    """One fact as a line."""
    is_about_incident = fact.subject_kind == SubjectKind.INCIDENT
    entries: list[dict[str, Any]] = fact.entries
    note = any(entry["action"] == "comment_added" for entry in entries)
    told = [str(entry["message"]) for entry in entries]
    sentences = ["Investigation note added"] if note else told or [event_words(fact.event)]
    own_words = told[0] if note else source_words(fact)
    return Line(
        fact=fact,
        sentences=sentences,
        changes=[change for entry in entries if (change := untold(entry))],
        message="" if own_words in sentences else own_words,
        actor=fact.user_name or fact.user_email or said(fact.payload, "integration_name") or "",
        source=integrations.get(fact.integration_id, "a deleted integration") if fact.integration_id else None,
        incident=(incidents or {}).get(fact.subject_id) if is_about_incident else None,
    )


def source_words(fact: TimelineEvent) -> str:
    """What an integration's event said in its own words; our own facts have no other than their sentence."""
    return str(fact.payload.get("message") or "") if fact.integration_id else ""


def untold(entry: dict[str, Any]) -> Change | None:
    """What an entry changed; None if nothing, or if its sentence says it."""
    old, new, message = entry.get("old"), entry.get("new"), entry["message"]
    if old is None or (old in message and (new or "") in message):
        return None
    return Change(old, new)


def payload_text(fact: TimelineEvent) -> str:
    """The event as it was sent, as indented JSON."""
    return indented(fact.payload)
