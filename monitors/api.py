"""
The API of monitors and heartbeats: their lists, one of them, and the verbs of those that are the team's own.

Deleting is handed in where the paths are named (`deleting`): before a resource goes, the storey above has something to
do. Not here: what the answers look like (monitors.serializers), what the verbs do (monitors.lifecycle).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from config import clock
from config.api import ok, say_nothing
from config.fields import said
from config.matching import unchanged
from monitors import lifecycle
from monitors.filters import ResourceFilters
from monitors.models import NOTHING_CHECKS, Heartbeat, Monitor, Resource
from monitors.serializers import (
    HeartbeatBody,
    HeartbeatChanges,
    HeartbeatSerializer,
    MonitorBody,
    MonitorChanges,
    MonitorSerializer,
    tag,
)
from teams.api import TeamList, TeamView, described_list, numbered
from teams.models import Role

LISTED = "Newest first. Deleted ones are left out unless `destroyed` says otherwise."
CREATED = f"It is `pending`. {NOTHING_CHECKS}"
CHANGED = "What isn't said stays; values that are so already change nothing. A mirrored one can't be changed: 409."
DELETED = (
    "It stays in the record with its `destroyed_at`, as does its history. A live incident about it is resolved first. "
    "A mirrored one can't be deleted: 409."
)
PAUSED = "It is `paused` until it is unpaused. One that is paused already stays so. A mirrored one can't be: 409."
UNPAUSED = (
    "It is `pending` again, or `down` while an incident is live. One that isn't paused stays as it is. A mirrored one "
    f"can't be unpaused: 409. {NOTHING_CHECKS}"
)


class ManagedView(TeamView):
    """What members read and managers change."""

    roles = dict.fromkeys(("POST", "PUT", "DELETE"), Role.MANAGER)
    deleting: Callable[..., Any] = staticmethod(lifecycle.destroy)

    def unchanged(self, resource: Resource) -> AbstractContextManager[None]:
        """A transaction on a resource as the request's `If-Match` knows it."""
        return unchanged(self.request, lambda: lifecycle.locked(resource), lambda: tag(resource))


def shown(resource: Monitor | Heartbeat, status: int = 200) -> HttpResponse:
    """The answer to any change of a monitor or heartbeat: it, and its ETag."""
    serializer = MonitorSerializer if isinstance(resource, Monitor) else HeartbeatSerializer
    return ok(serializer(resource).data, status=status, headers={"ETag": tag(resource)})


# --- monitors -------------------------------------------------------------------------------------------------


@described_list("List monitors", LISTED)
class Monitors(TeamList, ManagedView):
    """`/api/monitors`."""

    tagged: tuple[str, ...] = ("POST",)
    called, filters, serializer = "monitors", ResourceFilters, MonitorSerializer

    def records(self) -> QuerySet[Monitor]:
        return self.team.monitors.all()

    @extend_schema(
        operation_id="create_monitor",
        summary="Create a monitor",
        description=CREATED,
        request=MonitorBody,
        responses={201: MonitorSerializer},
    )
    def post(self, request: Request) -> HttpResponse:
        body = said(request, MonitorBody)
        monitor = lifecycle.create(Monitor, self.team, by=self.user, at=clock.now(), **body)
        return shown(monitor, status=201)


class OfMonitor(ManagedView):
    """The base of endpoints of one monitor, which the path names by its id."""

    tagged: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE")

    monitor: Monitor

    def load(self, request: Request, id: str = "", **kwargs: Any) -> None:
        monitors: QuerySet[Monitor] = self.team.monitors.all()
        self.monitor = numbered(monitors, "Monitor", id)

    def shown(self) -> HttpResponse:
        """The monitor as it is now."""
        return shown(self.monitor)


class OneMonitor(OfMonitor):
    """`/api/monitors/{id}`."""

    @extend_schema(
        operation_id="get_monitor",
        summary="Get a monitor",
        description="A deleted one too, with its `destroyed_at`.",
        responses={200: MonitorSerializer},
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        return self.shown()

    @extend_schema(
        operation_id="update_monitor",
        summary="Change a monitor",
        description=CHANGED,
        request=MonitorChanges,
        responses={200: MonitorSerializer},
    )
    def put(self, request: Request, id: str) -> HttpResponse:
        changes = said(request, MonitorChanges, MonitorSerializer(self.monitor).data, tag(self.monitor))
        with self.unchanged(self.monitor):
            lifecycle.edit(self.monitor, by=self.user, at=clock.now(), **changes)
        return self.shown()

    @extend_schema(
        operation_id="delete_monitor",
        summary="Delete a monitor",
        description=DELETED,
        request=None,
        responses={200: MonitorSerializer},
    )
    def delete(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        with self.unchanged(self.monitor):
            self.deleting(self.monitor, by=self.user, at=clock.now())
        return self.shown()


class MonitorPause(OfMonitor):
    """`/api/monitors/{id}/pause`."""

    @extend_schema(
        operation_id="pause_monitor",
        summary="Pause a monitor",
        description=PAUSED,
        request=None,
        responses={200: MonitorSerializer},
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        with self.unchanged(self.monitor):
            lifecycle.pause(self.monitor, by=self.user, at=clock.now())
        return self.shown()


class MonitorUnpause(OfMonitor):
    """`/api/monitors/{id}/unpause`."""

    @extend_schema(
        operation_id="unpause_monitor",
        summary="Unpause a monitor",
        description=UNPAUSED,
        request=None,
        responses={200: MonitorSerializer},
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        with self.unchanged(self.monitor):
            lifecycle.unpause(self.monitor, by=self.user, at=clock.now())
        return self.shown()


# --- heartbeats -----------------------------------------------------------------------------------------------


@described_list("List heartbeats", LISTED)
class Heartbeats(TeamList, ManagedView):
    """`/api/heartbeats`."""

    tagged: tuple[str, ...] = ("POST",)
    called, filters, serializer = "heartbeats", ResourceFilters, HeartbeatSerializer

    def records(self) -> QuerySet[Heartbeat]:
        return self.team.heartbeats.all()

    @extend_schema(
        operation_id="create_heartbeat",
        summary="Create a heartbeat",
        description=CREATED,
        request=HeartbeatBody,
        responses={201: HeartbeatSerializer},
    )
    def post(self, request: Request) -> HttpResponse:
        body = said(request, HeartbeatBody)
        heartbeat = lifecycle.create(Heartbeat, self.team, by=self.user, at=clock.now(), **body)
        return shown(heartbeat, status=201)


class OfHeartbeat(ManagedView):
    """The base of endpoints of one heartbeat, which the path names by its id."""

    tagged: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE")

    heartbeat: Heartbeat

    def load(self, request: Request, id: str = "", **kwargs: Any) -> None:
        heartbeats: QuerySet[Heartbeat] = self.team.heartbeats.all()
        self.heartbeat = numbered(heartbeats, "Heartbeat", id)

    def shown(self) -> HttpResponse:
        """The heartbeat as it is now."""
        return shown(self.heartbeat)


class OneHeartbeat(OfHeartbeat):
    """`/api/heartbeats/{id}`."""

    @extend_schema(
        operation_id="get_heartbeat",
        summary="Get a heartbeat",
        description="A deleted one too, with its `destroyed_at`.",
        responses={200: HeartbeatSerializer},
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        return self.shown()

    @extend_schema(
        operation_id="update_heartbeat",
        summary="Change a heartbeat",
        description=CHANGED,
        request=HeartbeatChanges,
        responses={200: HeartbeatSerializer},
    )
    def put(self, request: Request, id: str) -> HttpResponse:
        changes = said(request, HeartbeatChanges, HeartbeatSerializer(self.heartbeat).data, tag(self.heartbeat))
        with self.unchanged(self.heartbeat):
            lifecycle.edit(self.heartbeat, by=self.user, at=clock.now(), **changes)
        return self.shown()

    @extend_schema(
        operation_id="delete_heartbeat",
        summary="Delete a heartbeat",
        description=DELETED,
        request=None,
        responses={200: HeartbeatSerializer},
    )
    def delete(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        with self.unchanged(self.heartbeat):
            self.deleting(self.heartbeat, by=self.user, at=clock.now())
        return self.shown()


class HeartbeatPause(OfHeartbeat):
    """`/api/heartbeats/{id}/pause`."""

    @extend_schema(
        operation_id="pause_heartbeat",
        summary="Pause a heartbeat",
        description=PAUSED,
        request=None,
        responses={200: HeartbeatSerializer},
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        with self.unchanged(self.heartbeat):
            lifecycle.pause(self.heartbeat, by=self.user, at=clock.now())
        return self.shown()


class HeartbeatUnpause(OfHeartbeat):
    """`/api/heartbeats/{id}/unpause`."""

    @extend_schema(
        operation_id="unpause_heartbeat",
        summary="Unpause a heartbeat",
        description=UNPAUSED,
        request=None,
        responses={200: HeartbeatSerializer},
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        with self.unchanged(self.heartbeat):
            lifecycle.unpause(self.heartbeat, by=self.user, at=clock.now())
        return self.shown()
