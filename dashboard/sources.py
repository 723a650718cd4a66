"""
What tells a team what happens: when each of its integrations was heard last, which are silent, and how the first event
is sent to one.

Not here: how often a source is usually heard (integrations.hearing).
"""

import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, Subquery

from config.times import rfc3339
from config.vault import CannotOpen
from dashboard.access import TeamRequest
from integrations import hearing
from integrations.lifecycle import webhook_path
from integrations.models import Hearing, InboundDelivery, Integration
from teams.models import Role, Team

LOOKED_AT = 200
MANAGERS_NAMED = 5


@dataclass(frozen=True)
class Source:
    """An open integration, what it sent last (or None), how often it usually sends, and whether it is silent."""

    integration: Integration
    delivery: InboundDelivery | None
    usual_gap: timedelta | None
    is_silent: bool

    @property
    def is_vouched_for(self) -> bool:
        """Whether that nothing is heard from it means that nothing happens."""
        return self.delivery is not None and not self.is_silent


def sources(team: Team, at: datetime) -> list[Source]:
    """The team's open integrations: those that are silent first, then those never heard from, each by name."""
    newest = InboundDelivery.objects.filter(integration=OuterRef("pk")).order_by("-id").values("pk")[:1]
    found = team.integrations.filter(deactivated_at__isnull=True).annotate(newest=Subquery(newest))
    integrations = list(found.select_related("hearing").order_by("name", "id")[:LOOKED_AT])
    deliveries = InboundDelivery.objects.defer("body", "headers").in_bulk(
        [each.newest for each in integrations if each.newest]
    )
    told = [source(each, deliveries.get(each.newest), at) for each in integrations]
    return sorted(told, key=lambda each: (not each.is_silent, each.delivery is not None))


def source(integration: Integration, delivery: InboundDelivery | None, at: datetime) -> Source:
    """An integration as a source, by its newest delivery."""
    known: Hearing | None = getattr(integration, "hearing", None)
    rhythm = hearing.rhythm_of(known)
    is_silent = delivery is not None and hearing.is_silent(rhythm, delivery.received_at, at)
    return Source(integration, delivery, rhythm.usual_gap if rhythm else None, is_silent)


def is_unheard(team: Team) -> bool:
    """Whether nothing was ever received for a team."""
    return not team.deliveries.exists()


def first_steps(request: TeamRequest, integrations: list[Integration], at: datetime) -> dict[str, Any]:
    """
    How the first event is sent: {"integration", "url", "is_signed", "managers", "dt"}, or without an integration the
    "command" that makes one. Only managers are told the url; it is None also where it can't be read.
    """
    origin = request.build_absolute_uri("/").rstrip("/")
    made = min(integrations, key=lambda each: each.pk, default=None)
    steps: dict[str, Any] = {
        "integration": made,
        "door": f"{origin}{settings.DOOR_PATH}",
        "dt": rfc3339(at),
        "managers": managers(request.team),
    }
    if made is None:
        names = f"--organization {shlex.quote(request.team.organization.name)} --team {shlex.quote(request.team.name)}"
        return steps | {"command": f"./watchkeeper create_team {names} --json"}
    steps["is_signed"] = made.signing_secret_ciphertext is not None
    if request.membership.may(Role.MANAGER):
        steps["is_shown"] = True
        try:
            steps["url"] = f"{origin}{webhook_path(made)}"
        except CannotOpen:
            steps["url"] = None
    return steps


def managers(team: Team) -> list[str]:
    """Some of those who manage a team, by name."""
    found = team.memberships.active().filter(role=Role.MANAGER).order_by("pk")
    return [each.user.get_full_name() for each in found[:MANAGERS_NAMED]]
