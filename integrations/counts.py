"""
What the door did not keep, counted by day: for a whole integration, or for nobody where it is nobody's.

Each count knows when the last of them came, so that a page can warn of what still goes on. Not here: what is kept
(integrations.delivery_store).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Max, Sum

from config import faults, rows
from integrations.models import DoorCount, Integration

COUNTED_SOME = faults.point("ingest: counted")

# Nobody's: a wrong token or key. An integration's own: a wrong signature with the right token or key; a slash at the
# end of its address; what is over the bound of its quarantine, or can't be kept for want of a signature.
UNAUTHORIZED, SIGNATURE, SLASH, NOT_KEPT = "unauthorized", "signature", "slash", "not_kept"
REASONS = (UNAUTHORIZED, SIGNATURE, SLASH, NOT_KEPT)

# For how long a page goes on about what was refused.
SHOWN_FOR = timedelta(days=7)

COUNT = """
INSERT INTO integrations_doorcount AS c (day, integration_id, reason, count, last_at)
SELECT %(day)s::date, e.whose, e.reason, e.number, %(at)s::timestamptz
FROM jsonb_to_recordset(%(counted)s::jsonb) AS e(whose bigint, reason text, number bigint)
ORDER BY e.whose, e.reason
ON CONFLICT (day, integration_id, reason) DO UPDATE
SET count = c.count + excluded.count, last_at = greatest(c.last_at, excluded.last_at)
"""

# Whose it is (an integration's id; None: nobody's), and the reason.
Counted = tuple[int | None, str]


@dataclass(frozen=True)
class Refusals:
    """How many were refused for a reason lately, and when the last of them came."""

    number: int
    last_at: datetime


def count_all(counted: Mapping[Counted, int], at: datetime) -> None:
    """Count what the door did not keep, in one statement."""
    if not counted:
        return
    told = [{"whose": whose, "reason": reason, "number": number} for (whose, reason), number in counted.items()]
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"counted": rows.as_json(told), "day": at.date(), "at": at})
    COUNTED_SOME()


def reason_of(event: str | None) -> str:
    """Under what an event is counted by its name; one that is called like a reason of ours is told apart from it."""
    return f"event {event}" if event in REASONS else event or ""


def refusals(integration: Integration, at: datetime) -> dict[str, Refusals]:
    """What was refused of an integration's senders in the last days, by reason; what never was, is missing."""
    lately = DoorCount.objects.filter(
        integration=integration, reason__in=REASONS, day__gte=(at - SHOWN_FOR).date(), last_at__isnull=False
    )
    found = lately.values_list("reason").annotate(number=Sum("count"), last=Max("last_at"))
    return {reason: Refusals(number, last) for reason, number, last in found}
