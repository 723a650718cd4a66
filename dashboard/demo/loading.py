"""
Makes the demo's team and lets its story happen, once.

All of it is one transaction. So a load that is killed leaves nothing behind, two at once make one team, and the worker
never sees a delivery of the story: it would apply it at its own hour, which the story has not reached.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from dashboard.demo.cast import BEGINNING, ORGANIZATION, ORGANIZATION_ID, PEOPLE, SOURCES, TEAM, TEAM_ID
from dashboard.demo.player import Player
from dashboard.demo.scripts import Happening
from dashboard.demo.story import story
from integrations.lifecycle import open_integration
from integrations.models import Integration
from teams.lifecycle import add_member, make_organization, make_team, make_user
from teams.models import Role, Team, User
from timeline.outbound.lifecycle import create_endpoint, disable


@dataclass(frozen=True)
class Loaded:
    """The demo's team, whether it was loaded just now, and the operators who were let into it just now."""

    team: Team
    is_new: bool
    let_in: list[User]


# Told (how many incidents have begun, of how many).
Progress = Callable[[int, int], None]


def load(now: datetime, progress: Progress) -> Loaded:
    """Load the demo up to `now`, unless it is there already."""
    with transaction.atomic():
        team = loaded()
        if team is None:
            # Whoever makes the organization holds its turn until the end: a second load waits here for the first.
            organization = make_organization(ORGANIZATION, at=now - BEGINNING, public_id=ORGANIZATION_ID)
            team = loaded()
            if team is None:
                team = make_team(organization, TEAM, at=now - BEGINNING, public_id=TEAM_ID)
                tell_story(team, now, progress)
                return Loaded(team, True, let_operators_in(team, now))
        return Loaded(team, False, let_operators_in(team, now) if team.is_active else [])


def loaded() -> Team | None:
    """The demo's team, if it is there; then it is there completely."""
    return Team.objects.filter(public_id=TEAM_ID).first()


def tell_story(team: Team, now: datetime, progress: Progress) -> None:
    """Fill a new team with people and integrations, and let the story happen."""
    happenings = story(now)
    total = incidents_in(happenings)
    lead_nowhere(team, now)
    player = Player(
        team, open_doors(team, now), let_people_in(team, now), progress=lambda begun: progress(begun, total)
    )
    player.play(happenings)


def incidents_in(happenings: list[Happening]) -> int:
    """How many incidents the story tells the beginning of."""
    return len({each.opens for each in happenings if each.opens})


def open_doors(team: Team, now: datetime) -> dict[str, Integration]:
    """The story's integrations by key."""
    return {
        key: open_integration(team, source.name, source.type, now - source.since)[0] for key, source in SOURCES.items()
    }


def lead_nowhere(team: Team, now: datetime) -> None:
    """An endpoint to look at, which is disabled from the start: the demo sends nothing to anybody."""
    at = now - BEGINNING
    made, _ = create_endpoint(team, at=at, url="https://status.example.com/hooks", description="Status page")
    disable(made, at=at)


def let_people_in(team: Team, now: datetime) -> dict[str, User]:
    """The story's people by key, members of the team. They can't log in: they have no password."""
    users = {}
    for key, person in PEOPLE.items():
        users[key], _ = make_user(person.email, name=person.name, at=now - BEGINNING)
        add_member(team, users[key], person.role, at=now - BEGINNING)
    return users


def let_operators_in(team: Team, now: datetime) -> list[User]:
    """
    Make managers of the operators who belong to no team yet, so that they have something to see; the answer is who that
    was. Whoever has a team of their own is left in peace.
    """
    homeless = User.objects.filter(is_superuser=True, is_active=True, memberships=None).order_by("id")
    operators = list(homeless)
    for operator in operators:
        add_member(team, operator, Role.MANAGER, at=now)
    return operators
