"""
The fold of a resource's facts into its state: pure, one step per fact.

A resource's chronology holds its own facts and those of the incidents about it. What an incident's fact means for the
resource was found by the incident's fold and stands on the fact (`hold`, `presses`); nothing here knows incidents.

Source: docs/record.md, "Resource fold". A state that was concluded rather than said is marked inferred.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from monitors.spans import written
from timeline.chronology import Fact, Outcome
from timeline.events import HEARTBEAT, MONITOR, said
from timeline.values import seconds

# Which version of this fold it is: see incidents.fold.
VERSION = 2

PENDING, UP, DOWN, VERIFYING, PAUSED = "pending", "up", "down", "verifying_recovery", "paused"


@dataclass(frozen=True)
class ResourceState:
    """
    A monitor or heartbeat after some of its facts. Field names are the models' columns; url and type only monitors
    have, period and grace (in seconds) only heartbeats. `kin`: a Watchkeeper created it, this one or another one that
    tells of it; what nobody has said yet is not concluded then.
    """

    name: str = ""
    url: str = ""
    type: str = ""
    status: str = PENDING
    status_inferred: bool = False
    status_since: datetime | None = None
    provisional: bool = True
    destroyed_at: datetime | None = None
    live_incidents: int = 0
    kin: bool = False
    period: int | None = None
    grace: int | None = None


def step(state: ResourceState, fact: Fact) -> tuple[ResourceState, Outcome]:
    """The state after one more fact, and what the fact did to it."""
    if fact.subject[0] not in (MONITOR, HEARTBEAT):
        return pressed(state, fact), Outcome()
    called = named(state, fact)
    after = EFFECTS[fact.event.partition(".")[2]](called, fact)
    return after, Outcome(why=why_not(state, after, fact), entries=changes(state, after, fact), resource=fact.subject)


def named(state: ResourceState, fact: Fact) -> ResourceState:
    """The latest name, url and type by order; of our own also period and grace."""
    payload = fact.payload
    if fact.kin:
        state = timed(state, payload)
    name = said(payload, f"{fact.subject[0]}_name") or state.name
    url, kind = said(payload, "monitor_url") or state.url, said(payload, "monitor_type") or state.type
    if (name, url, kind) == (state.name, state.url, state.type):
        return state
    return replace(state, name=name, url=url, type=kind)


def timed(state: ResourceState, payload: dict[str, Any]) -> ResourceState:
    """How often a heartbeat of a Watchkeeper's own has to report, and how late it may be."""
    period, grace = span(payload, "heartbeat_period", state.period), span(payload, "heartbeat_grace", state.grace)
    return state if (period, grace) == (state.period, state.grace) else replace(state, period=period, grace=grace)


def span(payload: dict[str, Any], field: str, known: int | None) -> int | None:
    """What a payload says of a span of time in seconds; what was known where it says nothing sound."""
    value = payload.get(field)
    return value if seconds(value) is None else known


def pressed(state: ResourceState, fact: Fact) -> ResourceState:
    """
    What an incident's fact does: hold the resource down, or, when the last live one ends, let it up again. What was
    said to be so already stays said. One of ours is not up again until a check says so.
    """
    held = replace(state, live_incidents=state.live_incidents + fact.hold) if fact.hold else state
    name = said(fact.payload, "resource_name") if fact.named == fact.resource else None
    if name and name != state.name and not (fact.kin and state.name):
        held = replace(held, name=name)
    if fact.presses == "hold" and state.status != DOWN:
        return unless_paused(held, DOWN, fact)
    if fact.presses == "release" and held.live_incidents == 0 and state.status != UP:
        return released(held, fact)
    return held


def released(state: ResourceState, fact: Fact) -> ResourceState:
    """Nothing holds it down any more: up, we conclude; one of ours waits for a check."""
    if not state.kin:
        return unless_paused(state, UP, fact)
    return state if state.status == PAUSED else turned(state, PENDING, fact, inferred=False)


def unless_paused(state: ResourceState, status: str, fact: Fact) -> ResourceState:
    """An inferred status; a paused resource stays paused until it is unpaused."""
    return state if state.status == PAUSED else turned(state, status, fact, inferred=True)


def turned(state: ResourceState, status: str, fact: Fact, *, inferred: bool) -> ResourceState:
    """The state with another status; the moment stays where the status does."""
    since = state.status_since if status == state.status else fact.occurred_at
    return replace(state, status=status, status_inferred=inferred, status_since=since)


def created(state: ResourceState, fact: Fact) -> ResourceState:
    """
    A mirrored resource that was created is up, we conclude, or down while an incident is live; one of ours is pending
    until it was checked.
    """
    known = replace(state, provisional=False, kin=fact.kin)
    if not fact.kin:
        return unless_paused(known, DOWN if known.live_incidents else UP, fact)
    # What incidents of before its creation came to says nothing of it.
    return known if known.live_incidents or known.status in (PENDING, PAUSED) else released(known, fact)


def said_to_be(status: str) -> Callable[[ResourceState, Fact], ResourceState]:
    """The effect of a fact that says the status itself."""

    def effect(state: ResourceState, fact: Fact) -> ResourceState:
        return state if state.status == PAUSED else turned(state, status, fact, inferred=False)

    return effect


def paused(state: ResourceState, fact: Fact) -> ResourceState:
    """Paused, until unpaused."""
    return turned(state, PAUSED, fact, inferred=False)


def unpaused(state: ResourceState, fact: Fact) -> ResourceState:
    """
    Back to work: down if an incident is live, else up; both are conclusions. One of ours that none holds down waits for
    a check.
    """
    if fact.kin and not state.live_incidents:
        return turned(state, PENDING, fact, inferred=False)
    return turned(state, DOWN if state.live_incidents else UP, fact, inferred=True)


def updated(state: ResourceState, fact: Fact) -> ResourceState:
    """Edited: what it is called and where it is found was read before; the status stays."""
    return state


def destroyed(state: ResourceState, fact: Fact) -> ResourceState:
    """A tombstone, final; the history goes on."""
    return replace(state, destroyed_at=state.destroyed_at or fact.occurred_at)


EFFECTS: dict[str, Callable[[ResourceState, Fact], ResourceState]] = {
    "created": created,
    "down": said_to_be(DOWN),
    "up": said_to_be(UP),
    "verifying_recovery": said_to_be(VERIFYING),
    "paused": paused,
    "unpaused": unpaused,
    "updated": updated,
    "destroyed": destroyed,
}


# --- the words of an entry ------------------------------------------------------------------------------------

FIELDS = {"name": "Name", "url": "Address", "type": "Type", "period": "Period", "grace": "Grace"}

Entry = dict[str, str | None]


def why_not(before: ResourceState, after: ResourceState, fact: Fact) -> str:
    """Why a fact changed nothing; empty where it did."""
    if after != before:
        return ""
    if fact.event.endswith(".destroyed"):
        return "It was deleted already."
    if fact.event.endswith(".updated"):
        return "Nothing differed."
    return f"It was {before.status.replace('_', ' ')} already." if before.status != PAUSED else "It was paused."


def changes(before: ResourceState, after: ResourceState, fact: Fact) -> list[Entry]:
    """What a fact changed, as entries of the resource's history: its status, or what was edited."""
    if fact.event.endswith(".updated"):
        return differences(before, after)
    if before.status == after.status:
        return []
    return [entry("status_changed", sentence(after, fact), "status", before.status, after.status)]


def sentence(after: ResourceState, fact: Fact) -> str:
    """A change of status in words."""
    if fact.kin and fact.event.endswith(".unpaused"):
        return "Unpaused, down while an incident is live" if after.status == DOWN else "Unpaused, waiting for a check"
    new = after.status.replace("_", " ")
    return f"Went {new}" if after.status in (UP, DOWN) else new.capitalize()


def differences(before: ResourceState, after: ResourceState) -> list[Entry]:
    """An entry for each detail that was edited."""
    found = []
    for field, word in FIELDS.items():
        old, new = as_text(field, getattr(before, field)), as_text(field, getattr(after, field))
        if old != new:
            message = f"{word} changed from {old} to {new}" if old else f"{word} set to {new}"
            found.append(entry("updated", message, field, old, new))
    return found


def as_text(field: str, value: str | int | None) -> str | None:
    """A detail's value in words; None for none."""
    if value is None or value == "":
        return None
    return written(int(value)) if field in ("period", "grace") else str(value)


def entry(action: str, message: str, field: str, old: str | None, new: str | None) -> Entry:
    """One line of a resource's history."""
    return {"action": action, "field": field, "old": old, "new": new, "message": message}
