"""
The fold of an incident's facts into its state: pure, one step per fact.

Source: docs/record.md, "Incident fold". A fact that can do
nothing where it stands in time stays in the timeline with the reason; it is not an error, for it may stand elsewhere
once others arrive.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from incidents.wording import Entry, as_text, by_integration, differences, entry
from timeline.chronology import Fact, Link, Outcome
from timeline.corrections import CORRECTED
from timeline.events import ORIGIN, RESOURCES, VIA, named_resource, said
from timeline.values import SEVERITIES

OPEN, ACKNOWLEDGED, RESOLVED, CLOSED = "open", "acknowledged", "resolved", "closed"
LIVE = (OPEN, ACKNOWLEDGED)

# Which version of this fold it is. What changes what it makes of facts raises it: then the worker folds again what a
# lower one found (dashboard.refolding).
VERSION = 3

# The legal moves: which statuses each can be reached from. The one table of them, read by fold and verbs alike.
MOVES: dict[str, tuple[str, ...]] = {
    ACKNOWLEDGED: (OPEN,),
    RESOLVED: LIVE,
    CLOSED: (ACKNOWLEDGED, RESOLVED),
    OPEN: (ACKNOWLEDGED, RESOLVED, CLOSED),
}


# What kinds of failure there are: the words of incidents.models.Type.
TYPES = (
    "timeout", "status_code", "keyword_missing", "ssl_error", "dns_error", "connection_error", "slow_response", "other",
)  # fmt: skip


def steps_from(status: str) -> list[str]:
    """The statuses that come next after one, in their order; to reopen is no step but a beginning anew."""
    return [to for to, of in MOVES.items() if to != OPEN and status in of]


# What is said about an incident and is nothing that happened to it.
NOTES = ("incident.commented", CORRECTED)


@dataclass(frozen=True)
class IncidentState:
    """
    An incident after some of its facts. Field names are the model's columns.

    `started_at` is None before the first fact. `resource_id` is the local id of a monitor or heartbeat, the source's
    id of anything else. `incident_group_id` is ours where `incident_group_native`, else the source's. `provisional`:
    its start was not told yet. `only_noted`: there are notes of it and nothing else, which make no beginning.
    `corrections`: how many of its facts are corrections of others. `told_title` is what its source called it last;
    `destroyed_at_source` says who deleted it: its source, or somebody here. `origin` is the installation that told of
    it as of its own.
    """

    title: str = ""
    told_title: str | None = None
    origin: str | None = None
    status: str = OPEN
    severity: str = "major"
    type: str = "other"
    error_message: str | None = None
    affected_regions: tuple[str, ...] = ()
    escalation_policy_id: int | None = None
    incident_group_id: int | None = None
    incident_group_native: bool = False
    assignee_id: int | None = None
    assignee_email: str | None = None
    assignee_name: str | None = None
    resource_type: str | None = None
    resource_id: int | None = None
    resource_name: str | None = None
    started_at: datetime | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    destroyed_at: datetime | None = None
    destroyed_at_source: bool = False
    provisional: bool = True
    only_noted: bool = False
    corrections: int = 0

    @property
    def is_live(self) -> bool:
        """Begun, neither resolved nor closed nor deleted."""
        begun = self.started_at is not None and not self.only_noted
        return begun and self.status in LIVE and self.destroyed_at is None

    @property
    def resource(self) -> Link | None:
        """(kind, local id) of the monitor or heartbeat it is about."""
        if self.resource_type in RESOURCES and self.resource_id is not None:
            return (self.resource_type, self.resource_id)
        return None

    @property
    def holds(self) -> int:
        """1 where it holds its resource down, else 0."""
        return int(self.is_live and self.resource is not None)


Effect = tuple[IncidentState, list[Entry], str]


def step(state: IncidentState, fact: Fact) -> tuple[IncidentState, Outcome]:
    """The state after one more fact, and what the fact did."""
    if fact.hidden:
        return state, Outcome(why=hidden_by(fact))
    met = introduced(state, fact)
    after, entries, why = EFFECTS[fact.event](met, fact)
    after, called = renamed(after, fact)
    entries, why = [*entries, *called], "" if called else why
    if fact.text and entries:
        entries[0]["message"] = fact.text
    return after, Outcome(
        why=why,
        entries=entries,
        resource=after.resource,
        hold=after.holds - state.holds,
        presses=pressure(state, met, after, fact) if after.resource else "",
    )


def introduced(state: IncidentState, fact: Fact) -> IncidentState:
    """
    What any fact tells by the way: that the incident exists, what it is called, and what it is about. What was only
    noted before it began does not make it begin earlier.
    """
    note = fact.event in NOTES
    met = state
    if state.started_at is None or (state.only_noted and not note):
        met = replace(state, started_at=fact.occurred_at, only_noted=note)
    if not met.title:
        name = said(fact.payload, "incident_name")
        met = replace(met, title=name or "", told_title=name if names_it(fact) else met.told_title)
    return about(originated(met, fact), fact)


def originated(state: IncidentState, fact: Fact) -> IncidentState:
    """Whose incident it is: that of another installation which tells of it straight, and as of its own."""
    if fact.native or fact.taken or not fact.kin or VIA in fact.payload:
        return state
    origin = said(fact.payload, ORIGIN)
    return state if origin == state.origin else replace(state, origin=origin)


def names_it(fact: Fact) -> bool:
    """
    Whether a fact's name of the incident is news of its source's. Our own acts repeat a name, as another Watchkeeper's
    do: those rename by an event of its own. So do notes.
    """
    return not fact.kin and not fact.taken and fact.event not in NOTES


def renamed(state: IncidentState, fact: Fact) -> tuple[IncidentState, list[Entry]]:
    """The incident as its source calls it from then on, where that is another name than it told last."""
    name = said(fact.payload, "incident_name") if names_it(fact) else None
    if name is None or name == state.told_title:
        return state, []
    after = replace(state, title=name, told_title=name)
    return after, differences(state, after)


def about(state: IncidentState, fact: Fact) -> IncidentState:
    """
    The incident's resource is the first that its facts name; its name is the latest that a source told. Our own acts
    repeat a name, they are no news of it.
    """
    # What an act from elsewhere names has an id there.
    named = fact.named or (None if fact.taken else named_resource(fact.payload))
    if named is None:
        return state
    if state.resource_type is None:
        state = replace(state, resource_type=named[0], resource_id=named[1])
    if named != (state.resource_type, state.resource_id):
        return state
    name = state.resource_name if fact.kin and state.resource_name else said(fact.payload, "resource_name")
    return replace(state, resource_name=name) if name and name != state.resource_name else state


def pressure(before: IncidentState, met: IncidentState, after: IncidentState, fact: Fact) -> str:
    """Whether the fact holds the resource down ("hold"), ends what held it ("release"), or leaves it be."""
    if after.is_live:
        tells = fact.event in ("incident.started", "incident.reopened")
        return "hold" if tells or after.holds > before.holds else ""
    return "release" if met.is_live else ""


# --- what each fact does --------------------------------------------------------------------------------------


def started(state: IncidentState, fact: Fact) -> Effect:
    """The first `started` creates; any other fills in what it knows. It never reopens."""
    if state.provisional:
        told = filled_in(state, fact)
        cause = told.error_message
        message = f"Incident created: {cause}" if cause else "Incident created"
        return replace(told, provisional=False), [entry("created", message)], ""
    told = filled_in(renamed(state, fact)[0], fact)
    return told, differences(state, told) or [entry("updated", "Incident reported again")], ""


def filled_in(state: IncidentState, fact: Fact) -> IncidentState:
    """The state with the cause, regions and policy that a `started` tells, and a Watchkeeper's name of its own."""
    regions, policy = fact.payload.get("regions"), fact.payload.get("escalation_policy_id")
    told = graded(state, fact) if fact.kin else state
    return replace(
        told,
        title=(said(fact.payload, "incident_name") if fact.kin else None) or state.title,
        error_message=said(fact.payload, "incident_cause") or state.error_message,
        affected_regions=state.affected_regions if regions is None else tuple(regions),
        escalation_policy_id=state.escalation_policy_id if policy is None else policy,
    )


def graded(state: IncidentState, fact: Fact) -> IncidentState:
    """The severity and type that a Watchkeeper gave an incident of its own; a vendor's words for them are not ours."""
    severity, kind = said(fact.payload, "severity"), said(fact.payload, "incident_type")
    return replace(
        state,
        severity=severity if severity in SEVERITIES else state.severity,
        type=kind if kind in TYPES else state.type,
    )


def moved(action: str, to: str) -> Callable[[IncidentState, Fact], Effect]:
    """The effect of a fact that moves the status, where the status is one of those it can move."""

    def effect(state: IncidentState, fact: Fact) -> Effect:
        if state.status not in MOVES[to]:
            return state, [], cannot(state, to)
        after = replace(state, status=to, **stamped(state, fact, to))
        return after, [entry(action, f"Incident {action}{by_integration(fact)}", "status", state.status, to)], ""

    return effect


def stamped(state: IncidentState, fact: Fact, to: str) -> dict[str, Any]:
    """The moments that a new status sets; reopened, an incident has none of them any more."""
    at = fact.occurred_at
    if to == OPEN:
        return {"acknowledged_at": None, "resolved_at": None, "closed_at": None}
    if to == CLOSED:
        return {"closed_at": at, "resolved_at": state.resolved_at or at}
    return {f"{to}_at": at}


def cannot(state: IncidentState, to: str) -> str:
    """Why a status fact had no effect."""
    return f"It was {state.status} already." if state.status == to else f"It was {state.status} then."


def destroyed(state: IncidentState, fact: Fact) -> Effect:
    """A tombstone, final: later facts still join the history and move the status."""
    if state.destroyed_at is not None:
        return state, [], "It was deleted already."
    # A Watchkeeper that mirrors another one shows what is read there.
    where = "deleted" if fact.kin else "deleted at source"
    gone = entry("updated", f"Incident {where}", "deleted", None, where)
    return replace(state, destroyed_at=fact.occurred_at, destroyed_at_source=not fact.native), [gone], ""


def escalated(state: IncidentState, fact: Fact) -> Effect:
    """Somebody was called; nothing else changes."""
    called = ", ".join(filter(None, map(target_name, fact.payload.get("escalation_targets") or [])))
    message = f"Escalated to {called}" if called else "Incident escalated"
    return state, [entry("updated", message, "escalation_targets", None, called or None)], ""


def target_name(target: dict[str, Any]) -> str | None:
    """What an escalation target is called."""
    identity = target.get("id")
    return said(target, "name") or (f"{said(target, 'type') or 'target'} {identity}" if identity is not None else None)


def grouped(state: IncidentState, fact: Fact) -> Effect:
    """Put into a group. Without an id a Watchkeeper took it out of one, before it had a word for that."""
    group, name = fact.payload.get("incident_group_id"), said(fact.payload, "incident_group_name")
    if group is None:
        return taken_out(state) if fact.kin else (state, [], "It names no group.")
    message = f'Grouped into "{name}"' if name else f"Grouped into incident group {group}"
    changed = entry("updated", message, "incident_group_id", as_text(state.incident_group_id), as_text(group))
    return replace(state, incident_group_id=group, incident_group_native=fact.native), [changed], ""


def ungrouped(state: IncidentState, fact: Fact) -> Effect:
    """Taken out of its group."""
    return taken_out(state) if state.incident_group_id is not None else (state, [], "It was in no group then.")


def taken_out(state: IncidentState) -> Effect:
    """The state in no group."""
    was = as_text(state.incident_group_id)
    changed = entry("updated", "Taken out of its incident group", "incident_group_id", was, None)
    return replace(state, incident_group_id=None, incident_group_native=False), [changed], ""


def severity_changed(state: IncidentState, fact: Fact) -> Effect:
    """Worse or better than it was."""
    severity = said(fact.payload, "severity") or state.severity
    message = f"Severity changed from {state.severity} to {severity}"
    changed = entry("severity_changed", message, "severity", state.severity, severity)
    return replace(state, severity=severity), [changed], ""


def assigned(state: IncidentState, fact: Fact) -> Effect:
    """Somebody has it now, or (no e-mail) nobody."""
    email, name = said(fact.payload, "assignee_email"), said(fact.payload, "assignee_name")
    identity = fact.payload.get("assignee_id") if fact.native else None
    actor = fact.user_name or fact.user_email
    by = f" by {actor}" if actor else ""
    message = f"Assigned to {name or email}{by}" if email else f"Unassigned{by}"
    changed = entry("assigned", message, "assignee", state.assignee_email, email)
    changed["user"] = {"id": identity, "email": email, "name": name}
    return replace(state, assignee_id=identity, assignee_email=email, assignee_name=name), [changed], ""


def updated(state: IncidentState, fact: Fact) -> Effect:
    """Title, cause or regions were edited: an entry for each field that differs."""
    regions = fact.payload.get("affected_regions")
    after = replace(
        state,
        title=said(fact.payload, "title") or state.title,
        error_message=said(fact.payload, "error_message") or state.error_message,
        affected_regions=state.affected_regions if regions is None else tuple(regions),
    )
    changed = differences(state, after)
    return after, changed, "" if changed else "Nothing differed."


def commented(state: IncidentState, fact: Fact) -> Effect:
    """An investigation note; shown apart from the updates."""
    return state, [entry("comment_added", said(fact.payload, "comment") or fact.payload["message"])], ""


def corrected(state: IncidentState, fact: Fact) -> Effect:
    """
    What it corrects was corrected before the fold; its entry says what became of the status, as was found when it was
    made.
    """
    old, new, reason = (said(fact.payload, name) for name in ("old_status", "new_status", "reason"))
    changed = []
    if old and new and old != new:
        message = f"Status corrected from {old} to {new}" + (f": {reason}" if reason else "")
        changed = [entry("status_changed", message, "status", old, new)]
    return replace(state, corrections=state.corrections + 1), changed, ""


def hidden_by(fact: Fact) -> str:
    """Why a hidden fact had no effect."""
    told = fact.correction or {}
    name, reason = told.get("user_name") or told.get("user_email"), told.get("reason")
    return "Hidden" + (f" by {name}" if name else "") + (f": {reason}" if reason else ".")


EFFECTS: dict[str, Callable[[IncidentState, Fact], Effect]] = {
    "incident.started": started,
    "incident.acknowledged": moved("acknowledged", ACKNOWLEDGED),
    "incident.resolved": moved("resolved", RESOLVED),
    "incident.reopened": moved("reopened", OPEN),
    "incident.closed": moved("closed", CLOSED),
    "incident.destroyed": destroyed,
    "incident.escalated": escalated,
    "incident.grouped": grouped,
    "incident.ungrouped": ungrouped,
    "incident.severity_changed": severity_changed,
    "incident.assigned": assigned,
    "incident.updated": updated,
    "incident.commented": commented,
    CORRECTED: corrected,
}
