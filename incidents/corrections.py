"""
The verbs that correct an incident's history: adding an entry after the fact, and saying of an entry that it occurred at
another time, reads otherwise, or is not to count.

What was received stays as it is. A correction is a fact about the incident too, and is itself corrected by correcting
the entry once more. As incidents.lifecycle has it: None where there is nothing to do, Conflict where it is not allowed.
Deleted incidents can be corrected like others.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from config.clock import milliseconds
from config.errors import Conflict, ValidationFailed
from config.times import parse_rfc3339, rfc3339
from incidents import keeper
from incidents.fold import NOTES
from incidents.lifecycle import locked, recorded, resource_of, the_only_live_one
from incidents.models import Incident
from incidents.moves import when
from teams.models import User
from timeline.acts import APART
from timeline.corrections import CORRECTED, told_text
from timeline.events import EARLIEST, INCIDENT, Payload
from timeline.kept import chronology_of
from timeline.models import TimelineEvent

REASON_AT_MOST = 500
# How much of an entry's text stands in the sentence about its correction.
QUOTED_AT_MOST = 100


def add(
    incident: Incident, *, by: User | None, at: datetime, message: str, occurred_at: datetime, reason: str
) -> TimelineEvent:
    """Add an entry of 1 to 1,000 characters after the fact, a note with its own time."""
    in_the_past(occurred_at, at)
    sentence = f'{name_of(by)} added an entry to incident "{incident}" after the fact ({reason})'
    with transaction.atomic():
        locked(incident)
        return recorded(
            incident,
            "incident.commented",
            sentence,
            by=by,
            at=at,
            fields={"comment": message, "reason": reason},
            occurred_at=free(incident, milliseconds(occurred_at)),
        )


def correct(
    incident: Incident,
    entry_id: int,
    *,
    by: User | None,
    at: datetime,
    reason: str,
    occurred_at: datetime | None = None,
    message: str | None = None,
    hidden: bool | None = None,
) -> TimelineEvent | None:
    """
    Correct the time or the text of an incident's entry (the fact with that row's id), hide it or show it again; None
    leaves each as it is.
    """
    if occurred_at:
        in_the_past(occurred_at, at)
    with transaction.atomic():
        keeper.lock([incident.pk], corrected_ids=[incident.pk])
        incident.refresh_from_db()
        entry = chronology_of((INCIDENT, incident.pk)).get(pk=entry_id)
        changed = differing(entry, occurred_at, message, hidden)
        if not changed:
            return None
        if entry.event == CORRECTED:
            raise Conflict("A correction can't be corrected; correct the entry itself again.")
        if hidden and entry.event not in NOTES and not others_count(incident, entry):
            raise Conflict(
                "It is the last event of the incident that is not hidden; to be rid of all, delete the incident."
            )
        what = f'"{quoted(entry)}" {done(changed, entry, at)} ({reason})'
        sentence = f'{name_of(by)} corrected incident "{incident}": {what}'
        fields = {"corrects": bytes(entry.identity).hex(), **changed, "reason": reason}
        with the_only_live_one(incident.team, resource_of(incident)):
            return with_its_outcome(incident, sentence, fields, by=by, at=at)


def with_its_outcome(
    incident: Incident, sentence: str, fields: Payload, *, by: User | None, at: datetime
) -> TimelineEvent:
    """Record a correction, which says what became of the incident: that is found out by making it."""
    moment, was = after_corrections(incident, at), standing(incident)

    def made(more: Payload) -> TimelineEvent:
        return recorded(incident, CORRECTED, sentence, by=by, at=at, fields=fields | more, occurred_at=moment)

    before = transaction.savepoint()
    fact, now = made({}), standing(incident)
    if now == was:
        transaction.savepoint_commit(before)
        return fact
    transaction.savepoint_rollback(before)
    incident.refresh_from_db()
    return made(outcome(was, now))


def standing(incident: Incident) -> dict[str, Any]:
    """What a correction may change of an incident, by name."""
    return {name: getattr(incident, name) for name in keeper.COLUMNS if name != "corrections"}


def outcome(was: dict[str, Any], now: dict[str, Any]) -> Payload:
    """What a correction says of what it changed."""
    changes: Payload = {"changes": [name for name in was if was[name] != now[name]]}
    statuses = {"old_status": was["status"], "new_status": now["status"]}
    return changes | (statuses if "status" in changes["changes"] else {})


def in_the_past(occurred_at: datetime, at: datetime) -> None:
    """Raises ValidationFailed for what can't have occurred then."""
    if not EARLIEST <= occurred_at <= at:
        raise ValidationFailed({"occurred_at": ["Must be from 2000-01-01 to now."]})


def after_corrections(incident: Incident, at: datetime) -> datetime:
    """
    The moment of a correction: now, or just after the last one of the incident, which it overrules. Other than all acts
    it need not stand behind the last event, which may be the one of a wrong clock that is to be hidden.
    """
    made = chronology_of((INCIDENT, incident.pk)).filter(event=CORRECTED).reverse()
    last = made.values_list("occurred_at", flat=True).first()
    return free(incident, milliseconds(at) if last is None else max(milliseconds(at), last + APART))


def free(incident: Incident, at: datetime) -> datetime:
    """The moment, or the next at which no act of ours on the incident stands."""
    ours = chronology_of((INCIDENT, incident.pk)).filter(integration_id=None)
    while ours.filter(occurred_at=at).exists():
        at += APART
    return at


def differing(entry: TimelineEvent, occurred_at: datetime | None, message: str | None, hidden: bool | None) -> Payload:
    """What of the given is not so already, as a correction's fields."""
    changed: dict[str, Any] = {}
    if occurred_at and milliseconds(occurred_at) != entry.occurred_at:
        changed["occurred_at"] = rfc3339(milliseconds(occurred_at))
    if message and message != text_of(entry):
        changed["text"] = message
    if hidden is not None and hidden != entry.is_hidden:
        changed["hidden"] = hidden
    return changed


def text_of(entry: TimelineEvent) -> str:
    """How an entry reads now."""
    corrected = entry.correction["message"] if entry.correction else None
    return corrected or told_text(entry.event, entry.payload)


def others_count(incident: Incident, entry: TimelineEvent) -> bool:
    """Whether anything but notes would be left of an incident without an entry."""
    others = chronology_of((INCIDENT, incident.pk)).exclude(pk=entry.pk).exclude(event__in=NOTES)
    return others.filter(Q(correction__isnull=True) | Q(correction__hidden=False)).exists()


# --- words ----------------------------------------------------------------------------------------------------


def name_of(by: User | None) -> str:
    """Who acts."""
    return by.get_full_name() if by else "Watchkeeper"


def quoted(entry: TimelineEvent) -> str:
    """The beginning of an entry's text."""
    text = text_of(entry)
    return text if len(text) <= QUOTED_AT_MOST else f"{text[: QUOTED_AT_MOST - 1]}…"


def done(changed: Payload, entry: TimelineEvent, at: datetime) -> str:
    """What a correction says of an entry."""
    words = []
    if "occurred_at" in changed:
        told = parse_rfc3339(changed["occurred_at"])
        words.append(f"occurred {when(told, at)}, not {when(entry.occurred_at, at)}")
    if "text" in changed:
        words.append("reads otherwise")
    if "hidden" in changed:
        words.append("is hidden" if changed["hidden"] else "is shown again")
    return " and ".join(words)
