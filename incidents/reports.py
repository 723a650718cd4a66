"""
What a period came to: how long a monitor or heartbeat was up, how many incidents it had and how long they took.

Derived from the record alone, so that what is corrected there changes here. Not here: the states themselves
(monitors.history).
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, F, Q

from config.figures import percentage, rounded
from incidents.models import Incident
from monitors.fold import DOWN, UP
from monitors.history import seconds_by_status
from monitors.models import Resource

PERIODS = {"7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}


def stats(resource: Resource, period: str, at: datetime) -> dict[str, Any]:
    """A resource's period (one of PERIODS) up to a moment, as incidents.serializers.StatsSerializer describes it."""
    since = at - PERIODS[period]
    seconds = seconds_by_status(resource, since, at)
    return {
        "period": period,
        "since": since,
        "until": at,
        "uptime": uptime(seconds),
        "seconds": {status: rounded(spent) for status, spent in seconds.items()},
        **handling(resource, since, at),
    }


def uptime(seconds: dict[str, float]) -> float | None:
    """The percentage of the time of which it is known that it was up; None where nothing is known."""
    return percentage(seconds[UP], seconds[UP] + seconds[DOWN])


def handling(resource: Resource, since: datetime, until: datetime) -> dict[str, Any]:
    """How many incidents began, and how many seconds they took on average until they were acknowledged and resolved."""
    found = Incident.objects.filter(
        team_id=resource.team_id,
        resource_type=resource.kind,
        resource_id=resource.pk,
        started_at__gte=since,
        started_at__lt=until,
        destroyed_at=None,
    ).aggregate(
        incidents=Count("pk"),
        to_acknowledge=Avg(F("acknowledged_at") - F("started_at"), filter=Q(acknowledged_at__gte=F("started_at"))),
        to_resolve=Avg(F("resolved_at") - F("started_at"), filter=Q(resolved_at__gte=F("started_at"))),
    )
    return {
        "incidents": found["incidents"],
        "mean_seconds_to_acknowledge": in_seconds(found["to_acknowledge"]),
        "mean_seconds_to_resolve": in_seconds(found["to_resolve"]),
    }


def in_seconds(span: timedelta | None) -> float | None:
    """A span in seconds, to the millisecond; None for none."""
    return None if span is None else rounded(span.total_seconds())
