"""
How facts are told on the pages: a line each, with who, what changed, and what the source said in its own words.

The sentences were written when the fact was folded (`entries`); this room only lays them out. Not here: markup
(templates), words for times (templatetags.moments).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from config.clock import now
from config.moments import on_the_clock
from config.rawtext import indented
from config.statements import fetch
from config.times import parse_rfc3339
from dashboard.templatetags.marks import event_words
from incidents.corrections import text_of
from incidents.models import Incident
from incidents.moves import SAID
from timeline.corrections import CORRECTED, told_text
from timeline.events import said
from timeline.models import Effect, SubjectKind, TimelineEvent

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
class Correction:
    """Who corrected a fact last, when and why; and what it was before, where that was changed."""

    by: str
    at: datetime
    reason: str
    told_at: datetime | None
    told_text: str


@dataclass(frozen=True)
class Dated:
    """Who let a fact that was dated ahead occur when it was received, when that was, and when its source said."""

    by: str
    at: datetime
    as_sent: str


@dataclass(frozen=True)
class Line:
    """
    One fact as it is read.

    `sentences`: what happened, ours. `message`: what the source said, as it said it ("" if nothing more than that).
    `actor`: who did it, a person or a program; `source`: through which integration we know, None for our own.
    `incident`: which one it is about, where the page is not about that incident anyway. `mover`: for a fact without
    effect, what had brought its incident to where it stood then.
    """

    fact: TimelineEvent
    sentences: list[str]
    changes: list[Change]
    message: str
    actor: str
    source: str | None
    incident: Incident | None = None
    mover: TimelineEvent | None = None

    @property
    def sentence(self) -> str:
        """The first of its sentences."""
        return self.sentences[0]

    @cached_property
    def whole_payload(self) -> str:
        """The event as it was sent, as indented JSON."""
        return payload_text(self.fact)

    @property
    def payload(self) -> str:
        """The same, cut where it is very long."""
        return self.whole_payload[:PAYLOAD_SHOWN]

    @property
    def is_cut(self) -> bool:
        """Whether `payload` is not all of it."""
        return len(self.whole_payload) > PAYLOAD_SHOWN

    @property
    def had_no_effect(self) -> bool:
        """Whether the fact did nothing where it stands in time, though nobody hid it."""
        return self.fact.effect == Effect.NONE and not self.fact.is_hidden

    @property
    def no_effect(self) -> str:
        """Why it had no effect: `resolved at 10:00, arrived 10:12`, or else the fold's reason alone."""
        if self.mover is None:
            return self.fact.why
        arrived = f", arrived {hour(self.mover.recorded_at)}" if self.mover.late_seconds else ""
        moved = self.mover.event.rpartition(".")[2]
        return f"{moved} at {hour(self.mover.occurred_at)}{arrived}. {self.fact.why}"

    @property
    def corrected(self) -> Correction | None:
        """What was said of the fact later; None for nothing."""
        told = self.fact.correction
        if told is None:
            return None
        return Correction(
            by=told["user_name"] or told["user_email"] or "Watchkeeper",
            at=parse_rfc3339(told["at"]),
            reason=told["reason"] or "",
            told_at=self.fact.told_at if self.fact.told_at != self.fact.occurred_at else None,
            told_text=told_text(self.fact.event, self.fact.payload) if told["message"] else "",
        )

    @property
    def dated(self) -> Dated | None:
        """Who dated the fact anew; None where it stands as it was sent."""
        told = self.fact.dated
        if told is None:
            return None
        by = told["by"] or {}
        return Dated(by.get("name") or by.get("email") or "somebody", parse_rfc3339(told["at"]), told["as_sent"])

    @property
    def can_be_corrected(self) -> bool:
        """Whether it is an incident's, and no correction itself."""
        return self.fact.subject_kind == SubjectKind.INCIDENT and self.fact.event != CORRECTED


def hour(moment: datetime) -> str:
    """`10:00`, or with the day, by the reader's clock."""
    return on_the_clock(moment, now())


def lines(
    facts: Sequence[TimelineEvent], integrations: dict[int, str], incidents: dict[int, Incident] | None = None
) -> list[Line]:
    """Facts as lines; `integrations`: id → name, of those heard from; `incidents` by id, to be named."""
    moved = movers(facts)
    return [replace(line(fact, integrations, incidents), mover=moved.get(fact.pk)) for fact in facts]


def line(fact: TimelineEvent, integrations: dict[int, str], incidents: dict[int, Incident] | None = None) -> Line:
    """One fact as a line."""
    is_about_incident = fact.subject_kind == SubjectKind.INCIDENT
    entries: list[dict[str, Any]] = fact.entries
    note = any(entry["action"] == "comment_added" for entry in entries)
    told = [str(entry["message"]) for entry in entries]
    sentences = ["Investigation note added"] if note else told or [plainly(fact)]
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


def plainly(fact: TimelineEvent) -> str:
    """What a fact without updates is called: a correction says it itself, a hidden one says what it said."""
    if fact.event == CORRECTED or fact.is_hidden:
        return text_of(fact)
    return event_words(fact.event)


# What had moved the incident of each of some facts, before it, as far as it had an effect: ids.
MOVERS = """
SELECT f.id, mover.id FROM timeline_timelineevent f CROSS JOIN LATERAL (
    SELECT m.id FROM timeline_timelineevent m
    WHERE m.subject_kind = 'incident' AND m.subject_id = f.subject_id
        AND (m.occurred_at, m.rank, m.identity) < (f.occurred_at, f.rank, f.identity)
        AND m.effect = 'applied' AND m.event = ANY(%(moving)s)
    ORDER BY m.occurred_at DESC, m.rank DESC, m.identity DESC LIMIT 1
) AS mover WHERE f.id = ANY(%(facts)s)
"""


def movers(facts: Iterable[TimelineEvent]) -> dict[int, TimelineEvent]:
    """For those of some facts that had no effect: what had brought their incident to where it stood then, by id."""
    ineffective = [
        fact.pk
        for fact in facts
        if fact.effect == Effect.NONE and fact.subject_kind == SubjectKind.INCIDENT and not fact.is_hidden
    ]
    if not ineffective:
        return {}
    found = dict(fetch(MOVERS, {"facts": ineffective, "moving": list(SAID)}))
    told = TimelineEvent.objects.in_bulk(found.values())
    return {fact: told[mover] for fact, mover in found.items()}


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
