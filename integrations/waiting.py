"""
Waiting: events that say they occur more than ten minutes ahead of their receipt, as from a clock that is wrong.

They are kept and not applied, for whatever staff did until then would be dated after them. Each is handed to the worker
as soon as it is ten minutes ahead or less. Not here: letting one occur when it was received, now (integrations.replay).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from config import faults
from integrations.models import InboundDelivery, Verdict
from teams.models import Team
from timeline.events import AHEAD_AT_MOST

RELEASED = faults.point("waiting: released")

# So many are named on a page.
SHOWN = 5
AT_ONCE = 200

# We come to know of an event when it is believed, not when it arrived.
RELEASE = """
UPDATE integrations_inbounddelivery SET status = 'received', replayed_at = %(at)s, due_at = NULL, attempts = 0
WHERE id IN (
    SELECT id FROM integrations_inbounddelivery WHERE status = 'waiting' AND due_at <= %(at)s
    ORDER BY due_at, id LIMIT %(most)s FOR NO KEY UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True)
class Ahead:
    """A delivery that waits, and by how many seconds it is ahead at a moment."""

    delivery: InboundDelivery
    seconds: float


def release_due(at: datetime, most: int = AT_ONCE) -> int:
    """Hand the next of those that waited long enough to the worker; how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, {"at": at, "most": most})
        released = cursor.rowcount
    if released:
        RELEASED()
    return released


def waiting(team: Team) -> QuerySet[InboundDelivery]:
    """The team's deliveries that wait, oldest first."""
    return team.deliveries.filter(status=Verdict.WAITING).order_by("id")


def newest_waiting(team: Team, at: datetime) -> Sequence[Ahead]:
    """Some of the team's deliveries that wait, the newest first, one more than are named on a page."""
    found = waiting(team).order_by("-id").select_related("integration").defer("body", "headers")
    return [Ahead(each, ahead_by(each, at)) for each in found[: SHOWN + 1]]


def ahead_by(delivery: InboundDelivery, at: datetime) -> float:
    """By how many seconds a delivery that waits says that it lies ahead of a moment."""
    return (delivery.due_at + AHEAD_AT_MOST - at).total_seconds() if delivery.due_at else 0.0
