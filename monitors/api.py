"""
The API of monitors and heartbeats, which is one: their lists, one of them, and the verbs of those that are the team's
own. Each view is made for both kinds (`view_of`).

Deleting is handed in where the paths are named (`deleting`): before a resource goes, the storey above has something to
do. Not here: what the answers look like (monitors.serializers), what the verbs do (monitors.lifecycle).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request

from config import clock
from config.api import ok, say_nothing, wordless
from config.fields import Body, said
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

Method = TypeVar("Method", bound=Callable[..., HttpResponse])

DESCRIBED = "described"

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


# --- the two kinds ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """What the API of monitors and that of heartbeats differ in: one and several of them, and what is sent of them."""

    model: type[Monitor] | type[Heartbeat]
    one: str
    several: str
    answer: type[serializers.Serializer]
    new: type[Body]
    changes: type[Body]


MONITOR = Kind(Monitor, "monitor", "monitors", MonitorSerializer, MonitorBody, MonitorChanges)
HEARTBEAT = Kind(Heartbeat, "heartbeat", "heartbeats", HeartbeatSerializer, HeartbeatBody, HeartbeatChanges)


class ManagedView(TeamView):
    """What members read and managers change, of one kind."""

    roles = dict.fromkeys(("POST", "PUT", "DELETE"), Role.MANAGER)
    deleting: Callable[..., Any] = staticmethod(lifecycle.destroy)
    kind: Kind

    @property
    def resources(self) -> QuerySet[Any]:
        """The team's monitors, or its heartbeats."""
        found: QuerySet[Any] = getattr(self.team, self.kind.several).all()
        return found

    def show(self, resource: Resource, status: int = 200) -> HttpResponse:
        """The answer to any change of a monitor or heartbeat: it, and its ETag."""
        return ok(self.kind.answer(resource).data, status=status, headers={"ETag": tag(resource)})


def described(words: Callable[[Kind], Any]) -> Callable[[Method], Method]:
    """What the document says of an operation, by a decorator that differs with the kind: see `view_of`."""

    def describe(method: Method) -> Method:
        setattr(method, DESCRIBED, words)
        return method

    return describe


def view_of(view: type[ManagedView], kind: Kind) -> type[ManagedView]:
    """A view for one kind, which its operations are described for."""
    of_kind = {"kind": kind, "called": kind.several, "serializer": kind.answer, "__doc__": view.__doc__}
    made: Any = type(f"{view.__name__}{kind.model.__name__}", (view,), of_kind)
    if issubclass(view, TeamList):
        made = described_list(f"List {kind.several}", LISTED)(made)
    words = {name: getattr(getattr(view, name, None), DESCRIBED, None) for name in view.http_method_names}
    made = extend_schema_view(**{name: each(kind) for name, each in words.items() if each})(made)
    return cast(type[ManagedView], made)


# --- what can be asked ------------------------------------------------------------------------------------------------


class Several(TeamList, ManagedView):
    """`/api/monitors`, `/api/heartbeats`."""

    tagged: tuple[str, ...] = ("POST",)
    filters = ResourceFilters

    def records(self) -> QuerySet[Any]:
        return self.resources

    @described(
        lambda kind: extend_schema(
            operation_id=f"create_{kind.one}",
            summary=f"Create a {kind.one}",
            description=CREATED,
            request=kind.new,
            responses={201: kind.answer},
        )
    )
    def post(self, request: Request) -> HttpResponse:
        body = said(request, self.kind.new)
        return self.show(lifecycle.create(self.kind.model, self.team, by=self.user, at=clock.now(), **body), 201)


class OfResource(ManagedView):
    """The base of endpoints of one monitor or heartbeat, which the path names by its id."""

    tagged: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE")

    resource: Monitor | Heartbeat

    def load(self, request: Request, id: str = "", **kwargs: Any) -> None:
        self.resource = numbered(self.resources, self.kind.one.capitalize(), id)

    def change(self, verb: Callable[..., Any], **details: Any) -> HttpResponse:
        """Call a verb on the resource as the request's `If-Match` knows it, and show what it is then."""
        with unchanged(self.request, lambda: lifecycle.locked(self.resource), lambda: tag(self.resource)):
            verb(self.resource, by=self.user, at=clock.now(), **details)
        return self.show(self.resource)


class One(OfResource):
    """`/api/monitors/{id}`, `/api/heartbeats/{id}`."""

    @described(
        lambda kind: extend_schema(
            operation_id=f"get_{kind.one}",
            summary=f"Get a {kind.one}",
            description="A deleted one too, with its `destroyed_at`.",
            responses={200: kind.answer},
        )
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        return self.show(self.resource)

    @described(
        lambda kind: extend_schema(
            operation_id=f"update_{kind.one}",
            summary=f"Change a {kind.one}",
            description=CHANGED,
            request=kind.changes,
            responses={200: kind.answer},
        )
    )
    def put(self, request: Request, id: str) -> HttpResponse:
        shown = self.kind.answer(self.resource).data
        return self.change(lifecycle.edit, **said(request, self.kind.changes, shown, tag(self.resource)))

    @described(lambda kind: wordless(f"delete_{kind.one}", f"Delete a {kind.one}", DELETED, kind.answer))
    def delete(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        return self.change(self.deleting)


class Pausing(OfResource):
    """`/api/monitors/{id}/pause`, `/api/heartbeats/{id}/pause`."""

    @described(lambda kind: wordless(f"pause_{kind.one}", f"Pause a {kind.one}", PAUSED, kind.answer))
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        return self.change(lifecycle.pause)


class Unpausing(OfResource):
    """`/api/monitors/{id}/unpause`, `/api/heartbeats/{id}/unpause`."""

    @described(lambda kind: wordless(f"unpause_{kind.one}", f"Unpause a {kind.one}", UNPAUSED, kind.answer))
    def post(self, request: Request, id: str) -> HttpResponse:
        say_nothing(request)
        return self.change(lifecycle.unpause)
