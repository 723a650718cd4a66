"""
What cases about pages, API and admin find: records to be named in paths and forms, people who are logged in, keys.

Runs inside of a Watchkeeper (`./watchkeeper shell`), as tests/doors.py does. Not here: the cases themselves.
"""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from config.vault import keyed_digest, new_token, seal
from integrations import applying, ingest
from integrations.models import Integration
from monitors.lifecycle import create
from monitors.models import Heartbeat, Monitor
from teams.authentication import make_key
from teams.models import APIKey, Membership, Organization, Role, Scope, Team, User
from tests.made import example
from tests.readers import session_of, someone
from timeline.models import TimelineEvent
from timeline.outbound import lifecycle

PASSWORD = "correct horse battery"


def furnish(public_id: str) -> dict[str, str]:
    """Name → value of all that cases call by name."""
    team = Team.objects.get(public_id=public_id)
    strangers = Team.objects.create(organization=Organization.objects.create(name="Strangers Inc."), name="Strangers")
    names = records(team, "") | records(strangers, "foreign_") | people(team) | keys(team, strangers)
    names |= own_resources(team, "") | own_resources(strangers, "foreign_")
    names |= endpoint(team, "") | endpoint(strangers, "foreign_")
    return {name: str(value) for name, value in names.items()}


def records(team: Team, prefix: str) -> dict[str, Any]:
    """An integration that told a bit of everything, and its records."""
    token = new_token("whi_")
    integration = Integration.objects.create(
        team=team, name="Scenery", token_digest=keyed_digest(token), token_ciphertext=seal(token)
    )
    at = datetime.now(UTC)
    wrong = {"incident_id": "no number"}
    for fields in ({}, {"event": "incident.acknowledged"}, {"event": "heartbeat.created"}, wrong, {"event": "x.y"}):
        event = example(str(fields.get("event", "incident.started"))) | fields
        ingest.receive_from(integration, json.dumps(event).encode(), {}, at)
    while integration.deliveries.filter(status="received").exists():
        # The server's own worker may have been quicker.
        if not applying.apply_due(datetime.now(UTC)):
            time.sleep(0.02)
    incident = team.incidents.get(integration_id=integration.pk)
    found = {
        "team": team.pk,
        "team_public": team.public_id,
        "organization": team.organization_id,
        "integration": integration.pk,
        "integration_name": integration.name,
        "incident": incident.uuid,
        "incident_number": incident.pk,
        "monitor": Monitor.objects.get(team=team, integration_id=integration.pk).pk,
        "heartbeat": Heartbeat.objects.get(team=team, integration_id=integration.pk).pk,
        "fact": TimelineEvent.objects.filter(subject_kind="incident", subject_id=incident.pk).latest("id").pk,
        "delivery": integration.deliveries.get(status="applied", event="incident.started").pk,
        "quarantined": integration.deliveries.get(status="quarantined").pk,
        "unrecognized": integration.deliveries.get(status="unrecognized").pk,
    }
    return {prefix + name: value for name, value in found.items()}


def own_resources(team: Team, prefix: str) -> dict[str, Any]:
    """A monitor and a heartbeat of the team's own."""
    maker, at = someone(f"{prefix}maker@example.com"), datetime.now(UTC)
    monitor = create(Monitor, team, by=maker, at=at, name="Own", url="https://own.example", type="status")
    heartbeat = create(Heartbeat, team, by=maker, at=at, name="Own", period=60, grace=0)
    return {f"{prefix}own_monitor": monitor.pk, f"{prefix}own_heartbeat": heartbeat.pk}


def endpoint(team: Team, prefix: str) -> dict[str, Any]:
    """A disabled endpoint, to which nothing is sent, and a message of it that was given up."""
    at = datetime.now(UTC)
    made, _ = lifecycle.create_endpoint(team, at=at, url="http://127.0.0.1:1/", description=f"{prefix}endpoint")
    message = lifecycle.send_test(made, at=at)
    lifecycle.disable(made, at=at)
    lifecycle.give_up(made.messages.all(), at=at, why="Nobody listens.")
    return {f"{prefix}endpoint": made.pk, f"{prefix}message": message.pk}


def people(team: Team) -> dict[str, Any]:
    """People, by their sessions; the member also by id and address."""
    member = someone("member@example.com", name="Mem Ber", password=PASSWORD)
    viewer, outsider = someone("viewer@example.com"), someone("outsider@example.com")
    clerk = someone("clerk@example.com", is_staff=True)
    operator = someone("operator@example.com", name="Olga", is_staff=True, is_superuser=True)
    Membership.objects.create(team=team, user=member, role=Role.MANAGER)
    Membership.objects.create(team=team, user=viewer, role=Role.VIEWER)
    sessions = {"session": member, "viewer": viewer, "outsider": outsider, "clerk": clerk, "operator": operator}
    return {name: session_of(user) for name, user in sessions.items()} | {
        "user": member.pk,
        "user_uuid": member.uuid,
        "operator_user": operator.pk,
        "email": member.email,
        "password": PASSWORD,
    }


def keys(team: Team, strangers: Team) -> dict[str, Any]:
    """Keys of all kinds, each as the text that is sent."""
    member = User.objects.get(email="member@example.com")
    Membership.objects.create(team=strangers, user=someone("stranger@example.com"), role=Role.MANAGER)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    both = [Scope.READ, Scope.WRITE]
    made = {
        "write_key": make_key(team, member, "write", both),
        "read_key": make_key(team, member, "read", [Scope.READ]),
        "revoked_key": make_key(team, member, "revoked", both),
        "expired_key": make_key(team, member, "expired", both),
        "foreign_key": make_key(strangers, User.objects.get(email="stranger@example.com"), "theirs", both),
    }
    APIKey.objects.filter(pk=made["revoked_key"][0].pk).update(revoked_at=yesterday)
    APIKey.objects.filter(pk=made["expired_key"][0].pk).update(expires_at=yesterday)
    return {name: text for name, (_, text) in made.items()} | {"key_number": made["write_key"][0].pk}
