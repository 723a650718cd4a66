"""
Declaring an incident by hand: at once, or after the fact with the time at which it began.

Where resources are affected, the incident is about one of them, which it holds down; the others are named in its first
fact. Not here: incidents that sources tell of (integrations.applying).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from config.errors import ValidationFailed
from incidents import keeper
from incidents.details import TITLE_AT_MOST
from incidents.lifecycle import by_whom, recorded, the_only_live_one
from incidents.models import Incident, Severity, Type
from monitors.keeper import MODELS
from monitors.models import Heartbeat, Monitor
from teams.models import Team, User
from timeline.acts import PAST, Act, told_moment
from timeline.chronology import Link
from timeline.events import Payload

Affected = Monitor | Heartbeat

# More names than this make no sentence.
NAMED_AT_MOST = 5


@dataclass
class Declaration:
    """
    What somebody says went wrong. `resource` is what the incident is about; without one it is the first of `affected`.
    Without a title the cause is one. `started_at`: None for now.
    """

    severity: str
    type: str
    error_message: str
    title: str | None = None
    started_at: datetime | None = None
    affected_regions: Sequence[str] = ()
    resource: Affected | None = None
    affected: Sequence[Affected] = field(default_factory=tuple)

    @property
    def about(self) -> Affected | None:
        """What the incident is about."""
        return self.resource or next(iter(self.affected), None)

    @property
    def everything_affected(self) -> list[Affected]:
        """All that is affected, what it is about first, each once."""
        named = [self.resource, *self.affected] if self.resource else self.affected
        return list({(each.kind, each.pk): each for each in named if each}.values())


def declare(team: Team, declaration: Declaration, *, by: User | None, at: datetime) -> Incident:
    """
    A new incident. Raises ValidationFailed for a time that can't be, or for a deleted resource; Conflict, with the
    other's id, where one of a native resource is live already.
    """
    about = declaration.about
    link = (about.kind, int(about.pk)) if about else None
    with transaction.atomic(), the_only_live_one(team, link):
        incident = team.incidents.create(created_at=at, concerns_native=bool(about and about.is_native))
        keeper.lock([incident.pk], [link] if link else [])
        started_at = sound(declaration, link, at)
        recorded(
            incident,
            Act(
                "incident.started",
                sentence(declaration, by),
                by=by,
                at=at,
                fields=payload(declaration),
                named=link,
                occurred_at=started_at,
            ),
        )
    return incident


def sound(declaration: Declaration, link: Link | None, at: datetime) -> datetime:
    """When what is declared began. Raises ValidationFailed for what can't be declared."""
    started = told_moment(declaration.started_at or at, at)
    if started is None:
        raise ValidationFailed({"started_at": [PAST]})
    if link and MODELS[link[0]].objects.filter(pk=link[1], destroyed_at__isnull=False).exists():
        field = "monitor_id" if declaration.resource else "affected_monitor_ids"
        raise ValidationFailed({field: [f"This {link[0]} was deleted."]})
    return started


def title_of(declaration: Declaration) -> str:
    """What the incident is called."""
    return declaration.title or declaration.error_message[:TITLE_AT_MOST].strip()


def sentence(declaration: Declaration, by: User | None) -> str:
    """Who declared what, and what is affected."""
    names = [f'"{each}"' for each in declaration.everything_affected]
    more = len(names) - NAMED_AT_MOST
    shown = names[:NAMED_AT_MOST] + ([f"{more} more"] if more > 0 else [])
    affecting = f", affecting {' and '.join(filter(None, (', '.join(shown[:-1]), shown[-1])))}" if shown else ""
    begun = f"declared{by_whom(by)}" if by else "started"
    return f'Incident "{title_of(declaration)}" {begun}{affecting} — {declaration.error_message}'


def payload(declaration: Declaration) -> Payload:
    """The fields of `incident.started`: the log's, and ours."""
    about = declaration.about
    fields: dict[str, Any] = {
        "incident_name": title_of(declaration),
        "resource_type": about.kind if about else None,
        "resource_id": about.pk if about else None,
        "resource_name": (about.name or None) if about else None,
        "incident_cause": declaration.error_message,
        "regions": list(declaration.affected_regions),
        "escalation_policy_id": None,
        "severity": Severity(declaration.severity).value,
        "incident_type": Type(declaration.type).value,
    }
    affected = [{"type": each.kind, "id": each.pk, "name": each.name} for each in declaration.everything_affected]
    return fields | ({"affected_monitors": affected} if affected else {})
