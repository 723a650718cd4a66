"""
Two Watchkeepers side by side in one database: a team whose staff act, and teams that hear of it from their own doors.

The staff's acts are drawn (`Act`), done by the verbs, and become messages; `deliver` takes those to a second team's
inbound door in any order, some of them twice; `seen` is what a team's people see of its records, by the ids at the
first. The doors believe themselves to be of another installation, for else they would know their own words.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from config.errors import ApiError
from incidents import corrections, details, grouping, lifecycle, resources, updates
from incidents.declaring import Declaration, declare
from incidents.fold import NOTES
from incidents.models import Incident, Severity, Type
from integrations import applying, ingest, judging
from integrations.models import Integration, IntegrationType, Verdict
from monitors import lifecycle as resource_lifecycle
from monitors.models import Heartbeat, Monitor
from teams.models import Role, Team, User
from tests.conftest import make_integration, make_team, make_user
from timeline.events import INCIDENT
from timeline.kept import chronology_of
from timeline.models import TimelineEvent
from timeline.outbound.lifecycle import create_endpoint
from timeline.outbound.models import Endpoint, Message

MORNING = datetime(2026, 5, 13, 8, tzinfo=UTC)
# When all of it arrives at the other one.
EVENING = MORNING + timedelta(hours=12)
ADDRESS = "https://mirror.example.com/hook"


@dataclass(frozen=True)
class Act:
    """One thing that somebody does: by whom, to which of what there is, with which choice, and how much later."""

    name: str
    who: int = 0
    which: int = 0
    choice: int = 0
    later: int = 0  # milliseconds


@dataclass
class Staff:
    """The first Watchkeeper's team, and what its people have made."""

    team: Team = field(default_factory=lambda: make_team("Mirrored"))
    at: datetime = MORNING
    incidents: list[Incident] = field(default_factory=list)
    resources: list[Monitor | Heartbeat] = field(default_factory=list)

    def __post_init__(self) -> None:
        number = self.team.pk
        self.people = [
            make_user(f"ada.{number}@example.com", self.team, Role.MANAGER, name="Ada Lovelace"),
            make_user(f"grace.{number}@example.com", self.team, Role.MANAGER, name="Grace Hopper"),
        ]

    def do(self, act: Act) -> None:
        """Do it, if it can be done."""
        self.at += timedelta(milliseconds=act.later)
        with suppress(ApiError, IndexError):
            ACTS[act.name](self, self.people[act.who % 2], act)

    def incident(self, act: Act) -> Incident:
        """The incident that an act is about. Raises IndexError where there is none."""
        return Incident.objects.get(pk=self.incidents[act.which % (len(self.incidents) or 1)].pk)

    def resource(self, act: Act) -> Any:
        """The monitor or heartbeat that an act is about. Raises IndexError where there is none."""
        found = self.resources[act.which % (len(self.resources) or 1)]
        return type(found).objects.get(pk=found.pk)

    def entry(self, act: Act) -> TimelineEvent:
        """One of the entries of the incident that an act is about."""
        entries = list(chronology_of((INCIDENT, self.incident(act).pk)))
        return entries[act.choice % len(entries)]


def made_monitor(staff: Staff, by: User, act: Act) -> None:
    name, kind = ("Shop", "Till", "Shop")[act.choice % 3], ("status", "keyword")[act.choice % 2]
    url = f"https://shop.example/{act.choice}"
    made = resource_lifecycle.create(Monitor, staff.team, by=by, at=staff.at, name=name, url=url, type=kind)
    staff.resources.append(made)


def made_heartbeat(staff: Staff, by: User, act: Act) -> None:
    made = resource_lifecycle.create(
        Heartbeat, staff.team, by=by, at=staff.at, name="Backup", period=3600 + act.choice, grace=60
    )
    staff.resources.append(made)


def declared(staff: Staff, by: User, act: Act, *, ago: timedelta | None = None) -> None:
    about = staff.resource(act) if staff.resources and act.choice % 3 else None
    declaration = Declaration(
        severity=list(Severity)[act.choice % 4],
        type=list(Type)[act.choice % 8],
        error_message=("Connection refused", "It is slow")[act.choice % 2],
        title=("", "Shop is down")[act.choice % 2],
        started_at=staff.at - ago if ago else None,
        affected_regions=("eu-central-1", "us-east-1")[: act.choice % 3],
        resource=about,
    )
    staff.incidents.append(declare(staff.team, declaration, by=by, at=staff.at))


def escalated(staff: Staff, by: User, act: Act) -> None:
    targets = [staff.team] if act.choice % 2 else [staff.people[0]]
    lifecycle.escalate(staff.incident(act), by=by, at=staff.at, targets=targets, note=("", "Hurry")[act.choice % 2])


def grouped(staff: Staff, by: User, act: Act) -> None:
    groups = list(staff.team.incident_groups.order_by("pk"))
    if groups and act.choice % 2:
        grouping.group(staff.incident(act), groups[act.choice % len(groups)], by=by, at=staff.at)
    else:
        grouping.group_anew(staff.incident(act), "Storm", by=by, at=staff.at)


def edited(staff: Staff, by: User, act: Act) -> None:
    said = ({"title": "The shop is down"}, {"error_message": "A cable"}, {"affected_regions": ["asia"]})
    details.edit(staff.incident(act), by=by, at=staff.at, **said[act.choice % 3])


def retold(staff: Staff, by: User, act: Act) -> None:
    entry = staff.entry(act)
    said = (
        {"occurred_at": entry.occurred_at - timedelta(seconds=90)},
        {"message": "It was otherwise"},
        {"hidden": not entry.is_hidden},
    )
    how = said[(act.which + act.choice) % 3]
    corrections.correct(staff.incident(act), entry.pk, by=by, at=staff.at, reason="Wrong clock", **how)


def added(staff: Staff, by: User, act: Act) -> None:
    before = staff.at - timedelta(minutes=1 + act.choice)
    corrections.add(staff.incident(act), by=by, at=staff.at, message="Seen", occurred_at=before, reason="Forgotten")


def changed_resource(staff: Staff, by: User, act: Act) -> None:
    found = staff.resource(act)
    said = {"name": "The shop"} if isinstance(found, Monitor) or act.choice % 2 else {"period": 7200}
    resource_lifecycle.edit(found, by=by, at=staff.at, **said)


def on_incident(verb: Callable[..., Any], **how: Any) -> Callable[[Staff, User, Act], None]:
    """A verb of incidents that needs nothing more."""
    return lambda staff, by, act: verb(staff.incident(act), by=by, at=staff.at, **how)


def on_resource(verb: Callable[..., Any]) -> Callable[[Staff, User, Act], None]:
    """A verb of resources that needs nothing more."""
    return lambda staff, by, act: verb(staff.resource(act), by=by, at=staff.at)


# What the log's 19 events can carry.
PLAIN: dict[str, Callable[[Staff, User, Act], None]] = {
    "monitor": made_monitor,
    "heartbeat": made_heartbeat,
    "declare": declared,
    "acknowledge": on_incident(lifecycle.acknowledge),
    "resolve": on_incident(lifecycle.resolve),
    "close": on_incident(lifecycle.close),
    "reopen": on_incident(lifecycle.reopen),
    "escalate": escalated,
    "group": grouped,
    "delete": on_incident(lifecycle.destroy),
    "pause": on_resource(resource_lifecycle.pause),
    "unpause": on_resource(resource_lifecycle.unpause),
    "remove": on_resource(resources.destroy),
}
# What they can't.
FURTHER: dict[str, Callable[[Staff, User, Act], None]] = {
    # May begin before its monitor was created, which makes a mirrored one up, whatever was before.
    "declare late": partial(declared, ago=timedelta(minutes=5)),
    "comment": on_incident(lifecycle.comment, message="The switch was replaced."),
    "ungroup": on_incident(grouping.ungroup),
    "assign": lambda staff, by, act: details.assign(
        staff.incident(act), by=by, at=staff.at, assignee=(staff.people[0], staff.people[1], None)[act.choice % 3]
    ),
    "severity": lambda staff, by, act: details.change_severity(
        staff.incident(act), by=by, at=staff.at, severity=list(Severity)[act.choice % 4]
    ),
    "edit": edited,
    "correct": retold,
    "add": added,
    "change": changed_resource,
}
ACTS = PLAIN | FURTHER


# --- on the way -----------------------------------------------------------------------------------------------


def endpoint(team: Team, **wishes: bool) -> Endpoint:
    """Where a team's log is sent."""
    return create_endpoint(team, at=MORNING, url=ADDRESS, **wishes)[0]


def bodies(sent_to: Endpoint) -> list[bytes]:
    """What was to be sent there, in order."""
    return [
        body.encode() for body in Message.objects.filter(endpoint=sent_to).order_by("id").values_list("body", flat=True)
    ]


@contextmanager
def as_installation(public_id: str) -> Iterator[None]:
    """Let the doors be of that installation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "this_installation", lambda: SimpleNamespace(public_id=public_id))
        yield


def mirror(type: IntegrationType) -> Integration:
    """An integration of a team of its own."""
    return make_integration(make_team(f"Mirror {type}"), f"Their {type}", type=type)


def deliver(told: Sequence[bytes], to: Integration, chance: random.Random, public_id: str = "wk_mirror") -> None:
    """Let messages arrive in any order, some of them twice, some of them together."""
    arriving = [*told, *chance.choices(told, k=len(told) // 3)] if told else []
    chance.shuffle(arriving)
    with as_installation(public_id):
        while arriving:
            size = chance.randint(1, 4)
            some, arriving = arriving[:size], arriving[size:]
            body = some[0] if len(some) == 1 else b"[" + b",".join(some) + b"]"
            ingest.receive_from(to, body, {}, EVENING)
            if chance.random() < 0.5:
                applying.apply_due(EVENING)
    while applying.apply_due(EVENING):
        pass
    assert not to.deliveries.filter(status__in=(Verdict.QUARANTINED, Verdict.RECEIVED, Verdict.CONFLICT)).exists()


# --- what is seen ---------------------------------------------------------------------------------------------

Seen = dict[tuple[str, int], dict[str, Any]]

ROW = (
    "title", "status", "severity", "type", "error_message", "affected_regions", "started_at", "acknowledged_at",
    "resolved_at", "closed_at", "destroyed_at", "provisional", "assignee_email", "assignee_name", "resource_type",
    "resource_name", "is_live", "updated_at",
)  # fmt: skip
RESOURCE = ("name", "status", "status_inferred", "status_since", "provisional", "destroyed_at", "live_incidents")
ONLY = {Monitor: ("url", "type"), Heartbeat: ("period", "grace")}
UPDATE = ("action", "user_email", "user_name", "message", "old_value", "new_value", "created_at")
EVENT = ("event", "message", "occurred_at", "effect", "why", "changes", "hidden")


def seen(team: Team) -> Seen:
    """All that a team's people see, by kind and the id at the first."""
    found: Seen = {}
    for model, kind in ((Monitor, "monitor"), (Heartbeat, "heartbeat")):
        for each in model.objects.filter(team=team):
            found[kind, each.source_id or each.pk] = {name: getattr(each, name) for name in (*RESOURCE, *ONLY[model])}
    for incident in Incident.objects.filter(team=team):
        found[INCIDENT, incident.source_id or incident.pk] = seen_incident(incident)
    return found


def seen_incident(incident: Incident) -> dict[str, Any]:
    """An incident: its row, its updates, its notes and its whole timeline."""
    page = updates.timeline(incident, 1000)
    told = updates.updates(incident, 1000), updates.notes(incident, 1000)
    return {name: getattr(incident, name) for name in ROW} | {
        "group": group_number(incident),
        "updates": [{name: each[name] for name in UPDATE} for each in told[0].rows],
        "notes": [{name: each[name] for name in UPDATE} for each in told[1].rows],
        "timeline": [seen_event(each) for each in page.rows],
    }


def group_number(incident: Incident) -> int | None:
    """The id at the first of the group it is in."""
    return incident.incident_group_id


def seen_event(event: dict[str, Any]) -> dict[str, Any]:
    """An event of a timeline, without what is local."""
    who = event["user"]
    corrected = event["corrected"]
    return {name: event[name] for name in EVENT} | {
        "who": (who["email"], who["name"]) if who else None,
        "corrected": corrected and (corrected["at"], corrected["reason"], corrected["was"], corrected["by"]["email"]),
        "is_note": event["event"] in NOTES,
    }
