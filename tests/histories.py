"""
Histories for the fold's tests: events of one small world, and what a set of them comes to by the pure folds alone.

The world is a vendor's team with monitors, heartbeats and incidents known by their ids there. `Shown` is all that
staff can see of it; the tests of the database read the same shape from rows (tests/flows/test_histories.py), so that
both can be compared whole. Not here: any expectation, those stand in tests/corpus/pairs.csv and in the tests.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from config.times import parse_rfc3339, rfc3339
from incidents import fold as incident_fold
from monitors import fold as resource_fold
from monitors.keeper import columns as resource_columns
from timeline.chronology import Fact, Link, Outcome, Standing, fold
from timeline.corrections import correct_all
from timeline.events import EVENTS, RESOURCES, Payload, named_resource, said
from timeline.identity import event_identity

VENDOR_TYPES = tuple(name for name, each in EVENTS.items() if not each.ours)
INCIDENT_TYPES = tuple(name for name in VENDOR_TYPES if name.startswith("incident."))
OURS = tuple(name for name, each in EVENTS.items() if each.ours)

MORNING = datetime(2026, 5, 13, 10, tzinfo=UTC)

# (kind, id at the source) → what is shown of it.
Shown = dict[Link, dict[str, Any]]

SUBJECTS: dict[str, Payload] = {
    "monitor": {
        "monitor_id": 789,
        "monitor_url": "https://shop.example",
        "monitor_name": "Shop",
        "monitor_type": "status",
    },
    "heartbeat": {"heartbeat_id": 101, "heartbeat_name": "Nightly backup"},
    "incident": {
        "incident_id": 201,
        "incident_name": "Shop is down",
        "resource_type": "monitor",
        "resource_id": 789,
        "resource_name": "Shop",
    },
}
ACTED: Payload = {
    "user_email": "ada@example.com",
    "user_name": "Ada Lovelace",
    "integration_name": None,
    "integration_type": None,
}
DETAILS: dict[str, Payload] = {
    "monitor.down": {"cause": "Connection refused", "regions": ["us-east-1", "eu-central-1"]},
    "incident.started": {
        "incident_cause": "Connection refused",
        "regions": ["us-east-1", "eu-central-1"],
        "escalation_policy_id": 111,
    },
    "incident.acknowledged": ACTED,
    "incident.resolved": ACTED,
    "incident.reopened": ACTED,
    "incident.escalated": {
        "escalation_targets": [
            {"type": "user", "id": 123, "name": "Ada Lovelace"},
            {"type": "team", "id": 456, "name": "Night shift"},
        ]
    },
    "incident.grouped": {"incident_group_id": 999},
    "incident.closed": ACTED,
    "incident.commented": ACTED | {"comment": "The switch was replaced."},
    "incident.severity_changed": ACTED | {"severity": "critical"},
    "incident.assigned": ACTED | {"assignee_email": "grace@example.com", "assignee_name": "Grace Hopper"},
    "incident.updated": ACTED | {"title": "Shop can't be reached"},
    "incident.corrected": ACTED | {"reason": "It was a mistake."},
}


def moment(milliseconds: int) -> datetime:
    """So many milliseconds into the morning of these histories."""
    return MORNING + timedelta(milliseconds=milliseconds)


def event(name: str, at: int, **told: Any) -> Payload:
    """An event of the log, `at` milliseconds into the morning; `told` replaces fields of the usual one."""
    subject = name.partition(".")[0]
    common = {
        "dt": rfc3339(moment(at)),
        "event": name,
        "message": name,
        "organization_id": "org_1",
        "team_id": "team_1",
    }
    return common | SUBJECTS[subject] | DETAILS.get(name, {}) | told


def fact(payload: Payload) -> Fact:
    """The fact that an event becomes, with the source's ids for local ones."""
    kind = EVENTS[payload["event"]]
    named = named_resource(payload) if kind.subject == "incident" else None
    return Fact(
        event=kind.name,
        occurred_at=parse_rfc3339(payload["dt"]),
        rank=kind.rank,
        identity=event_identity(payload),
        payload=payload,
        subject=(kind.subject, payload[kind.subject_field]),
        named=named if named and named[0] in RESOURCES else None,
        user_email=said(payload, "user_email"),
        user_name=said(payload, "user_name"),
    )


def in_order(events: Iterable[Payload]) -> list[Fact]:
    """The set of facts that events are, in order."""
    facts = {each.identity: each for each in map(fact, events)}
    return sorted(facts.values(), key=lambda each: each.position)


def shown_of(events: Iterable[Payload]) -> Shown:
    """What the pure folds make of a set of events: each incident, then each resource, from the left at once."""
    facts = in_order(events)
    shown: Shown = {}
    chronologies: dict[Link, list[Fact]] = defaultdict(list)
    for each in facts:
        chronologies[each.subject].append(each)
    named = {each.named for each in facts if each.named}
    stands_in: dict[Link, list[Fact]] = defaultdict(list)
    for subject, history in chronologies.items():
        if subject[0] == "incident":
            folded = fold(Standing(incident_fold.IncidentState()), correct_all(history), incident_fold.step)
            shown[subject] = incident_shown(folded.standing.state, folded.read)
            for each in read_again(folded.read):
                if each.resource:
                    stands_in[each.resource].append(each)
    for resource in named | {subject for subject in chronologies if subject[0] in RESOURCES}:
        history = sorted(chronologies[resource] + stands_in[resource], key=lambda each: each.position)
        folded_resource = fold(Standing(resource_fold.ResourceState()), history, resource_fold.step)
        shown[resource] = resource_shown(resource[0], folded_resource.standing.state)
    return shown


def read_again(read: Iterable[tuple[Fact, Outcome]]) -> list[Fact]:
    """An incident's facts with what its fold found them to mean for a resource."""
    return [
        replace(each, resource=outcome.resource, hold=outcome.hold, presses=outcome.presses) for each, outcome in read
    ]


def incident_shown(state: incident_fold.IncidentState, read: list[tuple[Fact, Outcome]]) -> dict[str, Any]:
    """An incident: its columns, its updates newest first, and which facts had no effect and why."""
    return asdict(state) | {
        "affected_regions": list(state.affected_regions),
        "is_live": state.is_live,
        "updates": [
            (each.identity, entry["action"], entry["old"], entry["new"], entry["message"])
            for each, outcome in reversed(read)
            for entry in reversed(outcome.entries)
        ],
        "no_effect": [(each.identity, outcome.why) for each, outcome in read if outcome.why],
        "corrected": [(each.identity, each.occurred_at, each.correction) for each, _ in read if each.correction],
    }


def resource_shown(kind: str, state: resource_fold.ResourceState) -> dict[str, Any]:
    """A monitor or heartbeat: its columns."""
    return {name: value for name, value in asdict(state).items() if name in resource_columns(kind)}
