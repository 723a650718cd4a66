"""
The API of monitors and heartbeats: their lists, and one of them.
"""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from config.api import listing, ok
from config.fields import query
from config.paging import Order, page
from monitors.models import Heartbeat, Monitor
from monitors.serializers import (
    HeartbeatPage,
    HeartbeatSerializer,
    MonitorPage,
    MonitorSerializer,
    ResourceQuery,
)
from teams.api import TeamView, numbered

NEWEST: Order = [("id", "desc")]


def narrowed(chosen: dict[str, Any]) -> Q:
    """The condition that a validated query string is."""
    asked = Q()
    if "status" in chosen:
        asked &= Q(status__in=chosen["status"])
    if "destroyed" in chosen:
        asked &= Q(destroyed_at__isnull=not chosen["destroyed"])
    if "q" in chosen:
        asked &= Q(name__icontains=chosen["q"])
    return asked


class Monitors(TeamView):
    """`/api/monitors`."""

    @extend_schema(
        operation_id="list_monitors",
        summary="List monitors",
        description="Newest first, deleted ones included.",
        parameters=[ResourceQuery],
        responses={200: MonitorPage},
    )
    def get(self, request: Request) -> HttpResponse:
        chosen = query(request, ResourceQuery)
        found = self.team.monitors.filter(narrowed(chosen))
        rows, more = page(found, NEWEST, chosen["limit"], chosen.get("cursor"))
        return listing("monitors", list(MonitorSerializer(rows, many=True).data), chosen["limit"], more)


class OneMonitor(TeamView):
    """`/api/monitors/{id}`."""

    monitor: Monitor

    def load(self, request: Request, id: str = "", **kwargs: Any) -> None:
        monitors: QuerySet[Monitor] = self.team.monitors.all()
        self.monitor = numbered(monitors, "Monitor", id)

    @extend_schema(operation_id="get_monitor", summary="Get a monitor", responses={200: MonitorSerializer})
    def get(self, request: Request, id: str) -> HttpResponse:
        return ok(MonitorSerializer(self.monitor).data)


class Heartbeats(TeamView):
    """`/api/heartbeats`."""

    @extend_schema(
        operation_id="list_heartbeats",
        summary="List heartbeats",
        description="Newest first, deleted ones included.",
        parameters=[ResourceQuery],
        responses={200: HeartbeatPage},
    )
    def get(self, request: Request) -> HttpResponse:
        chosen = query(request, ResourceQuery)
        found = self.team.heartbeats.filter(narrowed(chosen))
        rows, more = page(found, NEWEST, chosen["limit"], chosen.get("cursor"))
        return listing("heartbeats", list(HeartbeatSerializer(rows, many=True).data), chosen["limit"], more)


class OneHeartbeat(TeamView):
    """`/api/heartbeats/{id}`."""

    heartbeat: Heartbeat

    def load(self, request: Request, id: str = "", **kwargs: Any) -> None:
        heartbeats: QuerySet[Heartbeat] = self.team.heartbeats.all()
        self.heartbeat = numbered(heartbeats, "Heartbeat", id)

    @extend_schema(operation_id="get_heartbeat", summary="Get a heartbeat", responses={200: HeartbeatSerializer})
    def get(self, request: Request, id: str) -> HttpResponse:
        return ok(HeartbeatSerializer(self.heartbeat).data)
