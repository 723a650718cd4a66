"""
The API of reports: what a period of a monitor or heartbeat came to.

Stands here because monitors know nothing of incidents; what is told is incidents.reports' affair.
"""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from config import clock
from config.api import ok
from config.fields import StrictChoice, query
from incidents.reports import PERIODS, stats
from incidents.serializers import StatsSerializer
from monitors.api import OfResource, described

TOLD = (
    "From the record alone, so that it follows corrections. `uptime` is the percentage of the time of which it is "
    "known whether it was up; null where nothing is known."
)


class StatsQuery(serializers.Serializer):
    """The query string of stats."""

    period = StrictChoice(choices=list(PERIODS), default="30d", help_text="So many days up to now.")


class Stats(OfResource):
    """`/api/monitors/{id}/stats`, `/api/heartbeats/{id}/stats`."""

    tagged = ()

    @described(
        lambda kind: extend_schema(
            operation_id=f"get_{kind.one}_stats",
            summary=f"Get a {kind.one}'s uptime and incidents",
            description=TOLD,
            parameters=[StatsQuery],
            responses={200: StatsSerializer},
        )
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        return ok(stats(self.resource, query(request, StatsQuery)["period"], clock.now()))
