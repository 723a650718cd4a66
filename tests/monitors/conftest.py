"""What the tests of monitors and heartbeats share: some of the team's own, and somebody who may manage them."""

import pytest
from django.test import Client

from monitors import lifecycle
from monitors.models import Heartbeat, Monitor
from teams.authentication import make_key
from teams.models import Role, Scope, Team, User
from tests.conftest import NOON, make_user

SHOP = {"name": "Shop", "url": "https://shop.example", "type": "status"}
BACKUP = {"name": "Nightly backup", "period": 86_400, "grace": 3_600}


@pytest.fixture
def manager(team: Team) -> User:
    """Mary, who manages the team."""
    return make_user("mary@example.com", team, Role.MANAGER, name="Mary Manager")


@pytest.fixture
def managing(team: Team, manager: User) -> Client:
    """A client that sends Mary's key."""
    return Client(headers={"X-API-Key": make_key(team, manager, "Mary's", [Scope.READ, Scope.WRITE])[1]})


@pytest.fixture
def shop(team: Team, manager: User) -> Monitor:
    """A monitor of the team's own, made at noon."""
    return lifecycle.create(Monitor, team, by=manager, at=NOON, **SHOP)


@pytest.fixture
def backup(team: Team, manager: User) -> Heartbeat:
    """A heartbeat of the team's own, made at noon."""
    return lifecycle.create(Heartbeat, team, by=manager, at=NOON, **BACKUP)
