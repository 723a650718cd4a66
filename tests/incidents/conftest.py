"""What the tests of incidents share: a monitor of the team's own, colleagues, and an incident declared by hand."""

from datetime import timedelta

import pytest

from incidents.declaring import Declaration, declare
from incidents.models import Incident, Severity, Type
from monitors import lifecycle
from monitors.models import Monitor
from teams.models import Role, Team, User
from tests.conftest import NOON, make_user


@pytest.fixture
def bob(team: Team) -> User:
    """Bob, another responder of the team."""
    return make_user("bob@example.com", team, name="Bob Smith")


@pytest.fixture
def stranger(other_team: Team) -> User:
    """Somebody of another team."""
    return make_user("stranger@example.com", other_team, Role.MANAGER, name="A Stranger")


@pytest.fixture
def shop(team: Team, user: User) -> Monitor:
    """A monitor of the team's own, made before noon."""
    at = NOON - timedelta(days=1)
    return lifecycle.create(Monitor, team, by=user, at=at, name="Shop", url="https://shop.example", type="status")


def a_declaration(**said: object) -> Declaration:
    """What somebody says went wrong."""
    usual = {"severity": Severity.MINOR, "type": Type.TIMEOUT, "error_message": "Timeout after 30 s"}
    return Declaration(**usual | said)


@pytest.fixture
def declared(team: Team, user: User) -> Incident:
    """An incident that Alice declared by hand at noon."""
    return declare(team, a_declaration(title="Checkout is slow"), by=user, at=NOON)
