"""
The verbs that correct an incident's history: adding an entry after the fact, and saying of an entry that it occurred at
another time, reads otherwise, or is not to count.

What was received stays as it is. A correction is a fact about the incident too, and is itself corrected by correcting
the entry once more. As incidents.lifecycle has it: None where there is nothing to do, Conflict where it is not allowed.
Deleted incidents can be corrected like others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from config.clock import milliseconds
from config.errors import ApiError, Conflict, ValidationFailed
from config.heavy import heavy
from config.seen import Deed, Overtaken, digest, unless_overtaken
from config.times import parse_rfc3339, rfc3339
from incidents import keeper
from incidents.fold import NOTES
from incidents.lifecycle import fact_of, locked, record_acts, recorded, resource_of, the_only_live_one
from incidents.models import Incident
from incidents.moves import when
from teams.models import User
from timeline.acts import APART, PAST, Act, told_moment
from timeline.chronology import Fact
from timeline.corrections import CORRECTED, told_text
from timeline.events import INCIDENT, Payload
from timeline.kept import chronology_of
from timeline.models import TimelineEvent
from timeline.record import NewFact

REASON_AT_MOST = 500
# How much of an entry's text stands in the sentence about its correction.
QUOTED_AT_MOST = 100


def add(
    incident: Incident, *, by: User | None, at: datetime, message: str, occurred_at: datetime, reason: str
) -> TimelineEvent:
    """Add an entry of 1 to 1,000 characters after the fact, a note with its own time."""
    occurred_at = sound_moment(occurred_at, at)
    sentence = f'{name_of(by)} added an entry to incident "{incident}" after the fact ({reason})'
    with heavy(incident.facts), transaction.atomic():
        locked(incident)
        return recorded(
            incident,
            Act(
                "incident.commented",
                sentence,
                by=by,
                at=at,
                fields={"comment": message, "reason": reason},
                occurred_at=free(incident, milliseconds(occurred_at)),
            ),
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
    seen: str = "",
) -> TimelineEvent | None:
    """
    Correct the time or the text of an incident's entry (the fact with that row's id), hide it or show it again; None
    leaves each as it is. `seen` is the version of the entry that is gone by: Overtaken if it was corrected since.
    """
    if occurred_at:
        occurred_at = sound_moment(occurred_at, at)
    with heavy(incident.facts), transaction.atomic():
        lock(incident)
        entry = chronology_of((INCIDENT, incident.pk)).get(pk=entry_id)
        unless_corrected(entry, seen, by, at)
        changed = differing(entry, occurred_at, message, hidden)
        if not changed:
            return None
        correctable(entry)
        if hidden:
            dispensable(entry, counting(incident))
        [fact] = made(incident, [(entry, changed)], by=by, at=at, reason=reason)
        return fact


@dataclass
class Answer:
    """What became of one entry of several: its correction, or (None) nothing to do, or the refusal."""

    fact: TimelineEvent | None = None
    refused: ApiError | None = None


def hide(
    incident: Incident,
    entry_ids: Sequence[int],
    *,
    by: User | None,
    at: datetime,
    reason: str,
    hidden: bool = True,
    seen: Mapping[int, str] | None = None,
) -> dict[int, Answer]:
    """
    Hide several entries of an incident, or show them again: each by itself, in that order, but folded all at once. The
    answer to each by its id; there is none to an id of no entry. `seen` as for `correct`, by id.
    """
    with heavy(incident.facts), transaction.atomic():
        lock(incident)
        ids = list(dict.fromkeys(entry_ids))
        answers = overtaken(incident, seen or {}, by, at)
        fresh = [each for each in ids if each not in answers]
        answers |= hide_together(incident, fresh, hidden, by=by, at=at, reason=reason)
        return {each: answers[each] for each in ids if each in answers}


def overtaken(incident: Incident, seen: Mapping[int, str], by: User | None, at: datetime) -> dict[int, Answer]:
    """The refusals of those entries of a locked incident that are not as they were seen, by their ids."""
    refusals = {}
    for entry in chronology_of((INCIDENT, incident.pk)).filter(pk__in=seen):
        try:
            unless_corrected(entry, seen[entry.pk], by, at)
        except Overtaken as refused:
            refusals[entry.pk] = Answer(refused=refused)
    return refusals


def hide_together(
    incident: Incident, entry_ids: Sequence[int], hidden: bool, *, by: User | None, at: datetime, reason: str
) -> dict[int, Answer]:
    """Hide entries of a locked incident. Where all together can't be, one of them can't: it is looked for by halves."""
    answers, wanted = sorted_out(incident, entry_ids, hidden)
    if not wanted:
        return answers
    try:
        corrections = made(incident, [(each, {"hidden": hidden}) for each in wanted], by=by, at=at, reason=reason)
    except Conflict as refused:
        incident.refresh_from_db()
        if len(wanted) == 1:
            return answers | {wanted[0].pk: Answer(refused=refused)}
        half = len(entry_ids) // 2
        for part in (entry_ids[:half], entry_ids[half:]):
            answers |= hide_together(incident, part, hidden, by=by, at=at, reason=reason)
        return answers
    return answers | {entry.pk: Answer(fact) for entry, fact in zip(wanted, corrections, strict=True)}


def sorted_out(
    incident: Incident, entry_ids: Sequence[int], hidden: bool
) -> tuple[dict[int, Answer], list[TimelineEvent]]:
    """The entries that can be hidden or shown again one after the other, behind the answers to all others."""
    found = chronology_of((INCIDENT, incident.pk)).in_bulk(entry_ids)
    answers, wanted, left = {}, [], counting(incident)
    for entry in (found[each] for each in entry_ids if each in found):
        try:
            if not differing(entry, None, None, hidden):
                answers[entry.pk] = Answer()
                continue
            correctable(entry)
            if hidden:
                dispensable(entry, left)
        except Conflict as refused:
            answers[entry.pk] = Answer(refused=refused)
            continue
        wanted.append(entry)
        left += 0 if entry.event in NOTES else -1 if hidden else 1
    return answers, wanted


# --- what they share ------------------------------------------------------------------------------------------


def lock(incident: Incident) -> None:
    """Lock an incident that is to be corrected, and whatever it may come to be about, and read it anew."""
    keeper.lock([incident.pk], corrected_ids=[incident.pk])
    incident.refresh_from_db()


def version(entry: TimelineEvent) -> str:
    """Which correction of an entry holds, in short."""
    return digest(entry.correction and entry.correction["by"])


def unless_corrected(entry: TimelineEvent, seen: str, by: User | None, at: datetime) -> None:
    """Raises Overtaken if an entry is another version than was seen."""
    unless_overtaken(seen, version(entry), lambda: last_correction(entry), at, by=by.email if by else "")


def last_correction(entry: TimelineEvent) -> Deed | None:
    """Who corrected an entry last, and when."""
    told = entry.correction
    if told is None:
        return None
    who = told["user_name"] or told["user_email"] or "Watchkeeper"
    return Deed(who, "corrected this entry", parse_rfc3339(told["at"]), told["user_email"])


def correctable(entry: TimelineEvent) -> None:
    """Raises Conflict for a correction."""
    if entry.event == CORRECTED:
        raise Conflict("A correction can't be corrected; correct the entry itself again.")


def dispensable(entry: TimelineEvent, left: int) -> None:
    """Raises Conflict if an entry is the last of `left` that count."""
    if entry.event not in NOTES and left <= 1:
        raise Conflict(
            "It is the last event of the incident that is not hidden; to be rid of all, delete the incident."
        )


def counting(incident: Incident) -> int:
    """How many facts of an incident are neither notes nor hidden."""
    facts = chronology_of((INCIDENT, incident.pk)).exclude(event__in=NOTES)
    return facts.filter(Q(correction__isnull=True) | Q(correction__hidden=False)).count()


def made(
    incident: Incident,
    changes: Sequence[tuple[TimelineEvent, Payload]],
    *,
    by: User | None,
    at: datetime,
    reason: str,
) -> list[TimelineEvent]:
    """
    Record corrections of several entries of a locked incident and fold them in at once. The last one says what became
    of the incident by all of them: that is found out by making them.
    """
    was = standing(incident)
    with the_only_live_one(incident.team, resource_of(incident)):
        before = transaction.savepoint()
        facts = taken_in(incident, changes, {}, by=by, at=at, reason=reason)
        now = standing(incident)
        if now == was:
            transaction.savepoint_commit(before)
        else:
            transaction.savepoint_rollback(before)
            incident.refresh_from_db()
            facts = taken_in(incident, changes, outcome(was, now), by=by, at=at, reason=reason)
    kept = TimelineEvent.objects.in_bulk([each.id for each in facts])
    return [kept[each.id] for each in facts]


def taken_in(
    incident: Incident,
    changes: Sequence[tuple[TimelineEvent, Payload]],
    of_last: Payload,
    *,
    by: User | None,
    at: datetime,
    reason: str,
) -> list[Fact]:
    """Record corrections of entries and fold them in; `of_last` is said by the last of them only."""
    facts: list[NewFact] = []
    for number, (entry, changed) in enumerate(changes, start=1):
        what = f'"{quoted(entry)}" {done(changed, entry, at)} ({reason})'
        sentence = f'{name_of(by)} corrected incident "{incident}": {what}'
        fields = {"corrects": bytes(entry.identity).hex(), **changed, "reason": reason}
        if number == len(changes):
            fields |= of_last
        moment = free(incident, facts[-1].fact.occurred_at + APART) if facts else after_corrections(incident, at)
        facts.append(fact_of(incident, Act(CORRECTED, sentence, by=by, at=at, fields=fields, occurred_at=moment)))
    return record_acts(incident, facts)


# What of an incident its fold alone reads.
UNSHOWN = ("corrections", "told_title", "origin")


def standing(incident: Incident) -> dict[str, Any]:
    """What a correction may change of an incident, by name."""
    return {name: getattr(incident, name) for name in keeper.COLUMNS if name not in UNSHOWN}


def outcome(was: dict[str, Any], now: dict[str, Any]) -> Payload:
    """What a correction says of what it changed."""
    changes: Payload = {"changes": [name for name in was if was[name] != now[name]]}
    statuses = {"old_status": was["status"], "new_status": now["status"]}
    return changes | (statuses if "status" in changes["changes"] else {})


def sound_moment(occurred_at: datetime, at: datetime) -> datetime:
    """When something occurred that is told to have been then. Raises ValidationFailed for what can't be."""
    moment = told_moment(occurred_at, at)
    if moment is None:
        raise ValidationFailed({"occurred_at": [PAST]})
    return moment


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
