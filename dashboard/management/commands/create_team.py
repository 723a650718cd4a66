"""
A team ready for use in one step: organization, team, integration, a manager who can log in, and a key for programs.
The first manager that is made so on an installation is its operator, too, who may do everything in Django admin; later
ones only where that is asked for.

Running it again changes nothing and gives the same answer without the secrets that are shown once.
"""

import json
import secrets
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.text import slugify

from config import clock
from config.errors import ApiError, Conflict, ValidationFailed
from config.turns import wait_for_turn
from config.vault import CannotOpen
from integrations.lifecycle import bind_key, open_integration, webhook_path
from integrations.models import Integration, IntegrationType
from teams.authentication import make_key
from teams.lifecycle import (
    LONGEST_NAME,
    add_member,
    make_operator,
    make_organization,
    make_team,
    make_user,
)
from teams.models import APIKey, Role, Scope, Team, User
from timeline.outbound.installation import is_set_up, note_set_up

INTEGRATION_NAME = "Incident log"
KEY_NAME = "create_team"
ALL_SCOPES = [Scope.READ, Scope.WRITE, Scope.INGEST]
SLUG_AT_MOST = 40


@dataclass(frozen=True)
class Ready:
    """
    A team that can be used. Public ids; a path on this server; a login. The key and the password are there only when
    they were made just now; the path is None only if no present encryption key opens its token.
    """

    organization_id: str
    team_id: str
    api_key: str | None
    webhook_path: str | None
    admin_email: str
    admin_password: str | None
    admin_is_operator: bool


class Command(BaseCommand):
    help = "Makes an organization's team, with an integration, an API key and a manager's login. Makes nothing twice."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="NAME")
        parser.add_argument("--team", required=True, metavar="NAME")
        parser.add_argument("--email", metavar="ADDRESS", help="The manager's; else it is derived from the team.")
        parser.add_argument(
            "--operator", action="store_true", help="The manager may do everything in Django admin, for all teams."
        )
        parser.add_argument("--json", action="store_true", help="Say it as one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            ready = make_ready(
                options["organization"],
                options["team"],
                options["email"],
                clock.now(),
                operator=options["operator"],
            )
        except ApiError as error:
            raise CommandError(in_one_line(error)) from None
        self.stdout.write(json.dumps(asdict(ready)) if options["json"] else in_words(ready))


def make_ready(
    organization_name: str, team_name: str, email: str | None, at: datetime, *, operator: bool = False
) -> Ready:
    """
    Make whatever of the team is not there yet; all of it or nothing. Raises ValidationFailed for names that can't be,
    Conflict for a team or an integration that was deactivated.
    """
    with transaction.atomic():
        wait_for_turn("create_team")  # of two that run at once, one is the first
        organization = make_organization(organization_name, at=at)
        team = make_team(organization, team_name, at=at)
        if not team.is_active:
            raise Conflict(f"The team {team} is deactivated; activate it in Django admin first.")
        integration = integration_of(team, at)
        admin, password = admin_of(team, email, at, operator=operator)
        note_set_up(at)
        return Ready(
            organization_id=organization.public_id,
            team_id=team.public_id,
            api_key=new_key(integration, admin),
            webhook_path=readable_path(integration),
            admin_email=admin.email,
            admin_password=password,
            admin_is_operator=admin.is_superuser,
        )


def integration_of(team: Team, at: datetime) -> Integration:
    """The team's first open integration; if it never had one, a new one."""
    integrations = team.integrations.order_by("id")
    found = integrations.filter(deactivated_at__isnull=True).first()
    if found is None and integrations.exists():
        raise Conflict(f"The integrations of {team} are deactivated; activate one in Django admin first.")
    return found or open_integration(team, INTEGRATION_NAME, IntegrationType.BETTER_STACK, at)[0]


def admin_of(team: Team, email: str | None, at: datetime, *, operator: bool) -> tuple[User, str | None]:
    """
    The team's manager: with the address given, or the first there is, or a new one with an address of the team's. The
    password is there only for a new user, who is an operator if this is the first time on this installation. Whoever is
    there already becomes one only if that is asked for.
    """
    manager = team.memberships.active().filter(role=Role.MANAGER).order_by("id").first()
    if manager and email is None:
        user, password = manager.user, None
    else:
        user, password = manager_of(team, email, at, operator=operator or not is_set_up())
    if operator and not user.is_superuser:
        make_operator(user)
    return user, password


def manager_of(team: Team, email: str | None, at: datetime, *, operator: bool) -> tuple[User, str | None]:
    """A manager with the address given, or one of the team's, and the password of a new one."""
    password = secrets.token_urlsafe(12)
    address = address_of(team) if email is None else email
    name = f"{team} admin"[:LONGEST_NAME]
    user, is_new = make_user(address, name=name, password=password, operator=operator, at=at)
    if not user.is_active:
        raise ValidationFailed({"email": ["This user is deactivated."]})
    add_member(team, user, Role.MANAGER, at=at)
    return user, password if is_new else None


def address_of(team: Team) -> str:
    """An address that is nobody else's: the names of two teams may be the same, their numbers are not."""
    name = slugify(team.name)[:SLUG_AT_MOST].strip("-")
    return "-".join(filter(None, ["admin", name, str(team.pk)])) + "@example.com"


def new_key(integration: Integration, user: User) -> str | None:
    """The text of a new key for everything; None if the integration has a key that was not revoked."""
    if APIKey.objects.filter(ingest__integration=integration, revoked_at__isnull=True).exists():
        return None
    key, text = make_key(integration.team, user, KEY_NAME, list(ALL_SCOPES))
    bind_key(key, integration)
    return text


def readable_path(integration: Integration) -> str | None:
    """The path to post to, if its token can be read with the present encryption keys."""
    try:
        return webhook_path(integration)
    except CannotOpen:
        return None


def in_one_line(error: ApiError) -> str:
    """What was wrong, for a person at a terminal."""
    if isinstance(error, ValidationFailed):
        return "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.fields.items())
    return error.message


def in_words(ready: Ready) -> str:
    """What there is now, for a person at a terminal."""
    once = "(shown when it was made)"
    lines = [
        ("Organization", ready.organization_id),
        ("Team", ready.team_id),
        ("Webhook", ready.webhook_path or "(no present encryption key opens its token)"),
        ("API key", ready.api_key or once),
        ("Login", ready.admin_email),
        ("Password", ready.admin_password or once),
        ("Operator", "yes: may do everything in Django admin, for all teams" if ready.admin_is_operator else "no"),
    ]
    return "\n".join(f"{name + ':':<14}{value}" for name, value in lines)
