"""
The fold of a resource's facts into its state: pure, one step per fact.

A resource's chronology holds its own facts and those of the incidents about it. What an incident's fact means for the
resource was found by the incident's fold and stands on the fact (`hold`, `presses`); nothing here knows incidents.

Source: docs/record.md, "Resource fold". A state that was concluded rather than said is marked inferred.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from timeline.chronology import Fact, Outcome
from timeline.events import HEARTBEAT, MONITOR, said

PENDING, UP, DOWN, VERIFYING, PAUSED = "pending", "up", "down", "verifying_recovery", "paused"


@dataclass(frozen=True)
class ResourceState:
    """
    A monitor or heartbeat after some of its facts. Field names are the models' columns; url and type only monitors
    have.
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


def step(state: ResourceState, fact: Fact) -> tuple[ResourceState, Outcome]:
    """The state after one more fact, and what the fact did to it."""
    if fact.subject[0] not in (MONITOR, HEARTBEAT):
        return pressed(state, fact), Outcome()
    called = named(state, fact)
    after = EFFECTS[fact.event.partition(".")[2]](called, fact)
    return after, Outcome(why=why_not(state, after, fact), entries=changes(state, after), resource=fact.subject)


def named(state: ResourceState, fact: Fact) -> ResourceState:
    """The latest name, url and type by order."""
    payload = fact.payload
    name = said(payload, f"{fact.subject[0]}_name") or state.name
    url, kind = said(payload, "monitor_url") or state.url, said(payload, "monitor_type") or state.type
    if (name, url, kind) == (state.name, state.url, state.type):
        return state
    return replace(state, name=name, url=url, type=kind)


def pressed(state: ResourceState, fact: Fact) -> ResourceState:
    """
    What an incident's fact does: hold the resource down, or, when the last live one ends, let it up again. What was
    said to be so already stays said.
    """
    held = replace(state, live_incidents=state.live_incidents + fact.hold) if fact.hold else state
    name = said(fact.payload, "resource_name") if fact.named == fact.resource else None
    if name and name != state.name and not (fact.native and state.name):
        held = replace(held, name=name)
    if fact.presses == "hold" and state.status != DOWN:
        return unless_paused(held, DOWN, fact)
    if fact.presses == "release" and held.live_incidents == 0 and state.status != UP:
        return unless_paused(held, UP, fact)
    return held


def unless_paused(state: ResourceState, status: str, fact: Fact) -> ResourceState:
    """An inferred status; a paused resource stays paused until it is unpaused."""
    return state if state.status == PAUSED else turned(state, status, fact, inferred=True)


def turned(state: ResourceState, status: str, fact: Fact, *, inferred: bool) -> ResourceState:
    """The state with another status; the moment stays where the status does."""
    since = state.status_since if status == state.status else fact.occurred_at
    return replace(state, status=status, status_inferred=inferred, status_since=since)


def created(state: ResourceState, fact: Fact) -> ResourceState:
    """A mirrored resource that was created is up, we conclude; one of ours is pending until it was checked."""
    known = replace(state, provisional=False)
    return known if fact.native else unless_paused(known, UP, fact)


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
    Back to work: down if an incident is live, else up; both are conclusions. One of ours waits for its first check.
    """
    if fact.native:
        return turned(state, PENDING, fact, inferred=False)
    return turned(state, DOWN if state.live_incidents else UP, fact, inferred=True)


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
    "destroyed": destroyed,
}


def why_not(before: ResourceState, after: ResourceState, fact: Fact) -> str:
    """Why a fact changed nothing; empty where it did."""
    if after != before:
        return ""
    if fact.event.endswith(".destroyed"):
        return "It was deleted already."
    return f"It was {before.status.replace('_', ' ')} already." if before.status != PAUSED else "It was paused."


def changes(before: ResourceState, after: ResourceState) -> list[dict[str, str | None]]:
    """The status change a fact made, as an entry of the resource's history."""
    if before.status == after.status:
        return []
    new = after.status.replace("_", " ")
    return [
        {
            "action": "status_changed",
            "field": "status",
            "old": before.status,
            "new": after.status,
            "message": f"Went {new}" if after.status in (UP, DOWN) else new.capitalize(),
        }
    ]
