"""
The verbs about what is said of an incident: how bad it is, whose it is, what it is called, why it happened and where.

As incidents.lifecycle has it: None where there is nothing to do, Conflict where it is not allowed.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from config.errors import ValidationFailed
from incidents.fold import OPEN
from incidents.lifecycle import NOBODY, acknowledge, by_whom, comment, is_member, locked, recorded, workable
from incidents.models import Incident, Severity
from teams.models import User
from timeline.acts import Act
from timeline.events import Payload
from timeline.models import TimelineEvent

TITLE_AT_MOST = 255
CAUSE_AT_MOST = 1000

WORDS = {"title": "title", "error_message": "cause", "affected_regions": "regions"}


def assign(incident: Incident, *, by: User | None, at: datetime, assignee: User | None) -> TimelineEvent | None:
    """Give an incident to a member of its team, or (None) to nobody. Raises ValidationFailed naming `assignee_id`."""
    with transaction.atomic():
        locked(incident)
        if assignee is None:
            return unassigned(incident, by=by, at=at)
        if not is_member(incident.team, assignee):
            raise ValidationFailed({"assignee_id": [NOBODY]})
        if incident.assignee_id == assignee.pk:
            return None
        workable(incident, at)
        name = assignee.get_full_name()
        return recorded(
            incident,
            Act(
                "incident.assigned",
                f'Incident "{incident}" assigned to {name}{by_whom(by)}',
                by=by,
                at=at,
                fields={"assignee_id": assignee.pk, "assignee_email": assignee.email, "assignee_name": name},
            ),
        )


def take(incident: Incident, *, by: User, at: datetime, note: str | None = None) -> TimelineEvent | None:
    """
    Acknowledge an open incident, with a note where one is given, and assign a live one to whoever does so. Raises what
    acknowledging and assigning raise.
    """
    with transaction.atomic():
        locked(incident)
        moved = acknowledge(incident, by=by, at=at, note=note) if incident.status == OPEN else None
        assigned = assign(incident, by=by, at=at, assignee=by)
        if note and moved is None and assigned is not None:
            comment(incident, by=by, at=at, message=note)
        return assigned or moved


def unassigned(incident: Incident, *, by: User | None, at: datetime) -> TimelineEvent | None:
    """Record that nobody has a locked incident any more, if somebody has."""
    if not (incident.assignee_id or incident.assignee_email):
        return None
    workable(incident, at)
    nobody = dict.fromkeys(("assignee_id", "assignee_email", "assignee_name"))
    whose = incident.assignee_name or incident.assignee_email
    message = f'Incident "{incident}" taken from {whose}{by_whom(by)}'
    return recorded(incident, Act("incident.assigned", message, by=by, at=at, fields=nobody))


def change_severity(incident: Incident, *, by: User | None, at: datetime, severity: str) -> TimelineEvent | None:
    """Say that an incident is worse, or not as bad, as was said."""
    with transaction.atomic():
        locked(incident)
        severity = Severity(severity).value
        if incident.severity == severity:
            return None
        workable(incident, at)
        changed = f"changed from {incident.severity} to {severity}{by_whom(by)}"
        return recorded(
            incident,
            Act(
                "incident.severity_changed",
                f'Severity of incident "{incident}" {changed}',
                by=by,
                at=at,
                fields={"severity": severity},
            ),
        )


def edit(
    incident: Incident,
    *,
    by: User | None,
    at: datetime,
    title: str | None = None,
    error_message: str | None = None,
    affected_regions: Sequence[str] | None = None,
) -> TimelineEvent | None:
    """Change the title, the cause or the regions; None leaves one as it is."""
    given = {"title": title, "error_message": error_message, "affected_regions": affected_regions}
    with transaction.atomic():
        locked(incident)
        changed = differing(incident, given)
        if not changed:
            return None
        workable(incident, at)
        what = " and ".join(WORDS[name] for name in changed).capitalize()
        message = f'{what} of incident "{incident}" changed{by_whom(by)}'
        return recorded(incident, Act("incident.updated", message, by=by, at=at, fields=changed))


def differing(incident: Incident, given: Payload) -> Payload:
    """What of the given fields is not as the incident has it."""
    said = {
        name: list(value) if name == "affected_regions" else value for name, value in given.items() if value is not None
    }
    return {name: value for name, value in said.items() if value != getattr(incident, name)}
