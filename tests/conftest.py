"""
What the tests share: a team with people, an integration, and a vendor who tells it things.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import settings as hypothesis_settings

from config import clock, health, rows
from config.vault import keyed_digest, new_token, seal
from incidents import lifecycle
from incidents.models import Incident
from integrations import applying, ingest
from integrations.models import InboundDelivery, IngestKey, Integration
from teams.authentication import make_key
from teams.models import Membership, Organization, Role, Scope, Team, User
from tests import sharing
from timeline.acts import Act
from timeline.events import validate
from timeline.models import TimelineEvent

# How long an example takes says nothing on a busy machine.
hypothesis_settings.register_profile("watchkeeper", deadline=None)
hypothesis_settings.load_profile("watchkeeper")

# The moment around which the vendor's documented examples happen.
NOON = datetime(2026, 5, 13, 12, 0, tzinfo=UTC)

COMMON = {"organization_id": "org_123", "team_id": "team_456"}
OF_MONITOR = {"monitor_id": 789, "monitor_url": "https://www.example.com", "monitor_name": "My Website"}
OF_HEARTBEAT = {"heartbeat_id": 101, "heartbeat_name": "Daily Backup"}
OF_INCIDENT = {
    "incident_id": 201,
    "incident_name": "My Website is Down",
    "resource_type": "monitor",
    "resource_id": 789,
    "resource_name": "My Website",
}
FIELDS = {"monitor": OF_MONITOR, "heartbeat": OF_HEARTBEAT, "incident": OF_INCIDENT}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The test database, of which is known what a process asks for once: so every test counts alike, the first too."""
    with django_db_blocker.unblock():
        for model in (InboundDelivery, TimelineEvent):
            rows.sequence(model)


def rfc(moment: datetime) -> str:
    """A moment as vendors write it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def an_event(name: str, at: datetime = NOON, **fields: Any) -> dict[str, Any]:
    """An event of the incident log as a vendor would send it; `fields` add or replace."""
    subject = name.partition(".")[0]
    event = {"dt": rfc(at), "event": name, "message": f"{name} happened", **COMMON, **FIELDS.get(subject, {})}
    return event | fields


def make_team(name: str = "Operations") -> Team:
    """A team in an organization of its own."""
    return Team.objects.create(organization=Organization.objects.create(name=f"{name} Inc."), name=name)


def make_user(email: str, team: Team | None = None, role: Role = Role.RESPONDER, **fields: Any) -> User:
    """A user, a member of the team if one is given."""
    user = User.objects.create_user(email, "correct horse battery", **fields)
    if team:
        Membership.objects.create(team=team, user=user, role=role)
    return user


def make_integration(team: Team, name: str = "Better Stack", **fields: Any) -> Integration:
    """An integration; its token stands at `integration.token`."""
    token = new_token("whi_")
    made = Integration.objects.create(
        team=team, name=name, token_digest=keyed_digest(token), token_ciphertext=seal(token), **fields
    )
    made.token = token
    return made


def tell_it(integration: Integration, *events: dict[str, Any], at: datetime | None = None) -> list[Any]:
    """
    Let a vendor send events, one request each, and the worker apply them, at 13:00 if no other time is said, or when
    the last of them occurs; the answers to them.
    """
    received = at or max(
        [NOON + timedelta(hours=1), *filter(None, (validate(each, NOON).occurred_at for each in events))]
    )
    answers = [ingest.receive_from(integration, json.dumps(event).encode(), {}, received) for event in events]
    while applying.apply_due(received):
        pass
    return answers


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest where processes share the tests."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: sharing.place(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> sharing.Sharing:
    """Who is to run what."""
    config.option.loadscopereorder = False
    return sharing.Sharing(config, log)


@pytest.fixture(autouse=True)
def nothing_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process saw of the worker's loops in another test says nothing in this one."""
    monkeypatch.setattr(health, "_seen", {})


@pytest.fixture
def team(db: None) -> Team:
    return make_team()


@pytest.fixture
def other_team(db: None) -> Team:
    return make_team("Strangers")


@pytest.fixture
def user(team: Team) -> User:
    """Alice, a responder of the team."""
    return make_user("alice@example.com", team, name="Alice Johnson")


@pytest.fixture
def integration(team: Team) -> Integration:
    return make_integration(team)


@pytest.fixture
def api_key(team: Team, user: User) -> str:
    """The text of a key of Alice's that may read and write."""
    return make_key(team, user, "tests", [Scope.READ, Scope.WRITE])[1]


@pytest.fixture
def ingest_key(team: Team, user: User, integration: Integration) -> str:
    """The text of a key of Alice's that may send events to the integration."""
    key, text = make_key(team, user, "sender", [Scope.INGEST])
    IngestKey.objects.create(api_key=key, integration=integration)
    return text


@pytest.fixture
def tell(integration: Integration) -> Callable[..., list[Any]]:
    """`tell(event, …)`: the vendor sends events and the worker applies them."""
    return lambda *events, at=None: tell_it(integration, *events, at=at)


@pytest.fixture
def api(api_key: str) -> Client:
    """A client that sends Alice's key."""
    return Client(headers={"X-API-Key": api_key})


@pytest.fixture
def still() -> Iterator[datetime]:
    """
    The clock stands, for who counts statements: what is written once a minute, such as a key's last use or a window of
    requests, is written by none of those that are compared, or by all.
    """
    with clock.at(clock.now()) as moment:
        yield moment


def act(incident: Incident, event: str, *, by: User | None, at: datetime, **fields: Any) -> TimelineEvent:
    """Record an act of ours on an incident as its verbs do, whether or not there is a verb for it yet."""
    with transaction.atomic():
        lifecycle.locked(incident)
        return lifecycle.recorded(incident, Act(event, f"{event} by us", by=by, at=at, fields=fields))


@pytest.fixture
def operator(db: None) -> User:
    """Olga, who may do everything in Django admin and is in no team."""
    return make_user("operator@example.com", name="Olga Operator", is_staff=True, is_superuser=True)


@pytest.fixture
def staff(client: Client, operator: User) -> Client:
    """A client in which Olga is logged in."""
    client.force_login(operator)
    return client
