"""
What the door did not keep, counted by day: for a whole integration, or for nobody where it is nobody's.

Each count knows when the last of them came, so that a page can warn of what still goes on. Not here: what is kept
(integrations.inbox, integrations.aside).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Max, Sum

from config import faults
from integrations.models import DoorCount, Integration

COUNTED_SOME = faults.point("inbox: counted")

# Nobody's: a wrong token or key. An integration's own: a wrong signature with the right token or key; a slash at the
# end of its address; what is over the bound of its quarantine, or can't be kept for want of a signature.
UNAUTHORIZED, SIGNATURE, SLASH, NOT_KEPT = "unauthorized", "signature", "slash", "not_kept"
REASONS = (UNAUTHORIZED, SIGNATURE, SLASH, NOT_KEPT)

# For how long a page goes on about what was refused.
SHOWN_FOR = timedelta(days=7)

COUNT = """
INSERT INTO integrations_doorcount AS c (day, integration_id, reason, count, last_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (day, integration_id, reason) DO UPDATE
SET count = c.count + excluded.count, last_at = greatest(c.last_at, excluded.last_at)
"""


@dataclass(frozen=True)
class Refusals:
    """How many were refused for a reason lately, and when the last of them came."""

    number: int
    last_at: datetime


def count(integration: Integration | None, reason: str, at: datetime, number: int = 1) -> None:
    """Count something that the door did not keep; without an integration where it is nobody's."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [at.date(), integration.pk if integration else None, reason, number, at])
    COUNTED_SOME()


def count_events(integration: Integration, numbers: Mapping[str, int], at: datetime) -> None:
    """Count events by name; one that is called like a reason of ours is told apart from it."""
    for name, number in sorted(numbers.items()):
        count(integration, f"event {name}" if name in REASONS else name, at, number)


def refusals(integration: Integration, at: datetime) -> dict[str, Refusals]:
    """What was refused of an integration's senders in the last days, by reason; what never was, is missing."""
    lately = DoorCount.objects.filter(
        integration=integration, reason__in=REASONS, day__gte=(at - SHOWN_FOR).date(), last_at__isnull=False
    )
    found = lately.values_list("reason").annotate(number=Sum("count"), last=Max("last_at"))
    return {reason: Refusals(number, last) for reason, number, last in found}
