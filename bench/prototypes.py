"""
The stories that bench.story multiplies: a few incidents, each recorded by Watchkeeper itself, as it records any other.

Runs inside of Django, on a database without anything else in it. Not here: how many of each there are, whose they are
and when they happen.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from config.times import rfc3339
from incidents import lifecycle
from incidents.models import Incident
from integrations import applying, ingest
from integrations.lifecycle import open_integration
from integrations.models import Integration, IntegrationType
from teams.authentication import make_key
from teams.lifecycle import add_member, make_organization, make_team, make_user
from teams.models import Role, Scope, Team, User
from timeline.acts import Act

# Whatever happens in a prototype happens from here on; its copies are moved in time.
BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)
PEOPLE = 20
TEAMS = ("Prototypes", "Large", "Middle", *(f"Small {number}" for number in range(1, 11)), "Tiny")
PASSWORD = "correct horse battery"  # noqa: S105  of people who live in a bench

# What a vendor tells of an incident: (minutes after its start, event, the event's own fields).
Told = tuple[float, str, dict[str, Any]]
BOB = {"user_email": "bob@vendor.example", "user_name": "Bob Vendor"}
CALLED = {
    "escalation_targets": [{"type": "user", "id": 7, "name": "Ada"}, {"type": "team", "id": 3, "name": "On call"}]
}
START: Told = (0, "started", {"incident_cause": "Connection refused", "regions": ["eu-central-1", "us-east-1"]})


def round_of(number: int) -> list[Told]:
    """Up and down again, for the so many-th time."""
    return [(10 + 20 * number, "resolved", {}), (20 + 20 * number, "reopened", {})]


def rounds(number: int) -> list[Told]:
    """Up and down so many times."""
    return [told for each in range(number) for told in round_of(each)]


VENDOR_STORIES: dict[str, list[Told]] = {
    "blip": [START, (3, "resolved", {})],
    "usual": [START, (4, "acknowledged", BOB), (35, "resolved", BOB)],
    "worked": [START, (2, "escalated", CALLED), (4, "acknowledged", BOB), (6, "grouped", {"incident_group_id": 12})],
    "flapping": [START, (5, "acknowledged", BOB), *rounds(9), (400, "resolved", BOB)],
    "long": [START, (5, "acknowledged", BOB), *rounds(29), (1300, "resolved", BOB)],
    "endless": [START, (5, "acknowledged", BOB), *rounds(600), (13_000, "resolved", BOB)],
    "deleted": [START, (5, "acknowledged", BOB), (30, "resolved", {}), (90, "destroyed", {})],
    "rare": [START, (9, "resolved", {})],
    "open": [START, (2, "escalated", CALLED)],
    "acknowledged": [START, (2, "escalated", CALLED), (4, "acknowledged", BOB)],
    "workflow": [START, (9, "resolved", {})],
    "declared": [],
}
# What our own people do: (minutes after its start, event, the event's own fields).
OUR_PART: dict[str, list[Told]] = {
    "worked": [
        (8, "commented", {"comment": "The pool was full after the deployment. Rolling back."}),
        (9, "severity_changed", {"severity": "critical"}),
        (10, "assigned", {"assignee_email": "person-1@example.com", "assignee_name": "Person 1"}),
        (30, "commented", {"comment": "Rolled back, watching."}),
        (40, "resolved", {}),
        (60, "closed", {}),
    ],
    "rare": [(5, "severity_changed", {"severity": "warning"})],
    "declared": [
        (0, "started", {"incident_cause": "A customer called", "severity": "minor"}),
        (5, "acknowledged", {}),
        (50, "resolved", {}),
    ],
}


def record() -> None:
    """Make teams and people and record every prototype; prints what bench.story needs to know as JSON."""
    teams = [made_team(name) for name in TEAMS]
    people = [made_person(number, teams) for number in range(1, PEOPLE + 1)]
    keys = {team.name: make_key(team, people[0], "bench", [Scope.READ, Scope.WRITE])[1] for team in teams}
    sources = {team: open_integration(team, "Vendor", IntegrationType.BETTER_STACK, BEGINNING)[0] for team in teams}
    tell(sources[teams[0]])
    for name, acts in OUR_PART.items():
        work_on(incident_of(teams[0], name), acts, people[0])
    operator, _ = make_user("operator@example.com", at=BEGINNING, name="Operator", password=PASSWORD, operator=True)
    told = {
        "prototypes": {name: incident_of(teams[0], name).pk for name in VENDOR_STORIES},
        "teams": {
            team.name: {"id": team.pk, "key": keys[team.name], "integration": sources[team].pk} for team in teams
        },
        "person": {"email": people[0].email, "password": PASSWORD, "uuid": str(people[0].uuid)},
        "operator": {"email": operator.email, "password": PASSWORD},
        "people": [person.pk for person in people],
        "seldom": {"id": people[-1].pk, "uuid": str(people[-1].uuid)},
    }
    print(json.dumps(told))


def made_team(name: str) -> Team:
    return make_team(make_organization("Bench", at=BEGINNING), name, at=BEGINNING)


def made_person(number: int, teams: list[Team]) -> User:
    """Somebody who is a manager everywhere."""
    email = f"person-{number}@example.com"
    person, _ = make_user(email, at=BEGINNING, name=f"Person {number}", password=PASSWORD)
    for team in teams:
        add_member(team, person, Role.MANAGER, at=BEGINNING)
    return person


def incident_of(team: Team, name: str) -> Incident:
    """The prototype of that name; one that no vendor tells of is made here."""
    found = team.incidents.filter(title=name).first()
    return found or Incident.objects.create(team=team, title=name, created_at=BEGINNING)


def tell(source: Integration) -> None:
    """Let the vendor send all it tells, in order of time, and the worker apply it."""
    for at, event in sorted(told_events(), key=lambda each: each[0]):
        ingest.receive_from(source, json.dumps(event).encode(), {"content-type": "application/json"}, at)
    while applying.apply_due(BEGINNING + timedelta(days=400)):
        pass


def told_events() -> Iterator[tuple[datetime, dict[str, Any]]]:
    """(when it arrives, the event) of everything that the vendor tells."""
    for kind, number in (*(("monitor", number) for number in (1, 2, 3, 4)), ("heartbeat", 1)):
        more = {"monitor_url": "https://shop.example.com/", "monitor_type": "status"} if kind == "monitor" else {}
        yield event(f"{kind}.created", 0, {f"{kind}_id": number, f"{kind}_name": f"{kind} {number}"} | more)
    yield event("monitor.paused", 1, {"monitor_id": 3, "monitor_name": "monitor 3"})
    for number, (name, story) in enumerate(VENDOR_STORIES.items(), start=1):
        about = {"incident_id": number, "incident_name": name} | about_resource(name)
        for minutes, action, fields in story:
            yield event(f"incident.{action}", minutes, about | fields)


def about_resource(name: str) -> dict[str, Any]:
    """The log's fields of what an incident is about; monitor 2 is down, 3 is paused, 4 is never at rest."""
    kind, number = {"workflow": ("workflow", 9), "open": ("monitor", 2), "endless": ("monitor", 4)}.get(
        name, ("monitor", 1)
    )
    return {"resource_type": kind, "resource_id": number, "resource_name": f"{kind} {number}"}


def event(name: str, minutes: float, fields: dict[str, Any]) -> tuple[datetime, dict[str, Any]]:
    """(when it arrives, the event) of something that happened so many minutes after the beginning."""
    at = BEGINNING + timedelta(minutes=minutes)
    common = {"dt": rfc3339(at), "event": name, "message": f'Incident log: {name} of "{fields.get("incident_name")}"'}
    whose = {"organization_id": "org_1234567", "team_id": "team_1234567"}
    return at + timedelta(seconds=2), common | whose | fields


def work_on(incident: Incident, acts: list[Told], by: User) -> None:
    """Let one of ours do things to an incident."""
    for minutes, action, fields in acts:
        own = {"assignee_id": by.pk} if action == "assigned" else {}
        with transaction.atomic():
            lifecycle.locked(incident)
            at = BEGINNING + timedelta(minutes=minutes)
            said = f'{by.get_full_name()}: {action} of "{incident}"'
            lifecycle.recorded(incident, Act(f"incident.{action}", said, by=by, at=at, fields=fields | own))
