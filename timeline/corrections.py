"""
Corrections: what staff say of a fact later, that it occurred at another time, reads otherwise, or is to be left out.

A correction is a fact of its own (`incident.corrected`) that names another one of its incident by identity. What was
received is never touched; what holds of it stands beside it (`Fact.correction`) and is a function of the correcting
facts alone. Pure.
"""

from collections.abc import Iterable
from datetime import datetime

from config.times import parse_rfc3339, rfc3339
from timeline.chronology import Correction, Fact, by_position
from timeline.events import EARLIEST, Payload, said
from timeline.values import digest, time

CORRECTED = "incident.corrected"

# What a correction says of the fields that it leaves alone.
NOTHING: Correction = {"occurred_at": None, "message": None, "hidden": False}


def corrects(fact: Fact) -> bytes | None:
    """The identity of the fact that a correction names; None for what is no correction."""
    named = fact.payload.get("corrects")
    return bytes.fromhex(named) if fact.event == CORRECTED and named and digest(named) is None else None


def in_force(corrections: Iterable[Fact]) -> dict[bytes, Correction]:
    """What an incident's corrections come to, by the identity of the corrected: of each field what was said last."""
    found: dict[bytes, Correction] = {}
    for each in sorted(corrections, key=by_position):
        identity = corrects(each)
        if identity is not None:
            found[identity] = found.get(identity, NOTHING) | told_by(each)
    return found


def told_by(fact: Fact) -> Correction:
    """What one correction says: what it changes, and who said so, when and why."""
    payload = fact.payload
    told: Correction = {
        "by": fact.identity.hex(),
        "at": rfc3339(fact.occurred_at),
        "user_email": fact.user_email,
        "user_name": fact.user_name,
        "reason": said(payload, "reason"),
    }
    moment, text = past(payload, fact.occurred_at), said(payload, "text")
    if moment:
        told["occurred_at"] = rfc3339(moment)
    if text:
        told["message"] = text
    if isinstance(payload.get("hidden"), bool):
        told["hidden"] = payload["hidden"]
    return told


def past(payload: Payload, until: datetime) -> datetime | None:
    """The time that a correction tells, if it lies before the correction itself; others can't be kept."""
    text = said(payload, "occurred_at")
    moment = parse_rfc3339(text) if text and time(text) is None else None
    return moment if moment and EARLIEST <= moment <= until else None


def correct(fact: Fact, correction: Correction | None) -> None:
    """Let a fact be as a correction says; None: as it was told."""
    if fact.event == CORRECTED:
        return
    at = correction["occurred_at"] if correction else None
    fact.occurred_at = parse_rfc3339(at) if at else told_at(fact.payload)
    fact.correction = correction


def correct_all(facts: Iterable[Fact], others: Iterable[Fact] = ()) -> list[Fact]:
    """An incident's facts in order, as those corrections say that are among them and among others of its facts."""
    found = list(facts)
    corrections = in_force([*others, *found])
    for fact in found:
        correct(fact, corrections.get(fact.identity))
    return sorted(found, key=by_position)


def told_at(payload: Payload) -> datetime:
    """When an event said that it occurred."""
    return parse_rfc3339(payload["dt"].strip())


def told_text(event: str, payload: Payload) -> str:
    """What an entry said, as it was told: a note's own words, or the event's message."""
    return (said(payload, "comment") if event == "incident.commented" else None) or str(payload["message"])
