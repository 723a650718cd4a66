"""
The API of incidents: the list, one of them, its updates (as the vendor documents them), its notes and its timeline.

Not here: what the answers look like (incidents.serializers, incidents.updates), working on incidents
(incidents.api_verbs).
"""

from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from config import clock
from config.api import listing, ok, say_nothing, wordless
from config.errors import NotFound
from config.fields import ListQuery, QueryInteger, StrictChar, StrictMoment, page_of, query, said
from config.numbers import read_uuid
from config.statements import fetch
from incidents import lifecycle, updates
from incidents.api_verbs import OfWorkedIncident, as_seen, changed, declared, shown
from incidents.bodies import ChangesBody, DeclarationBody, NoteBody
from incidents.filters import GroupFilters, IncidentFilters, in_order
from incidents.models import Incident, IncidentGroup
from incidents.serializers import (
    ALL_UPDATES,
    MOST_UPDATES,
    GroupSerializer,
    IncidentSerializer,
    NoteSerializer,
    TimelineEventSerializer,
    UpdateSerializer,
)
from teams.api import TeamList, TeamView, described_list, numbered
from teams.models import Team

AS_OF = "As it was known at this moment: only what had been recorded by then."


class HistoryQuery(ListQuery):
    """The query string of a timeline."""

    as_of = StrictMoment(required=False, help_text=AS_OF)


class UpdatesQuery(serializers.Serializer):
    """The query string of the updates."""

    limit = QueryInteger(
        min_value=1,
        max_value=MOST_UPDATES,
        required=False,
        help_text=f"Without one all are shown, up to {ALL_UPDATES:,}.",
    )
    cursor = StrictChar(required=False, help_text="As in the `Link` header of the answer before.")
    as_of = StrictMoment(required=False, help_text=AS_OF)


@described_list("List incidents", "Those of the team. Deleted ones are left out unless `destroyed` says otherwise.")
class Incidents(TeamList):
    """`/api/incidents`."""

    tagged: tuple[str, ...] = ("POST",)
    called, filters, serializer = "incidents", IncidentFilters, IncidentSerializer

    def records(self) -> QuerySet[Incident]:
        return in_order(self.team.incidents.select_related("assignee").defer("search"))

    @extend_schema(
        operation_id="declare_incident",
        summary="Declare an incident",
        description="At most one incident of a monitor of ours can be live: a second one is a 409 with the first one's "
        "`incident_id` in `details`.",
        request=DeclarationBody,
        responses={201: IncidentSerializer},
    )
    def post(self, request: Request) -> HttpResponse:
        return declared(self, request)


class OfIncident(TeamView):
    """The base of endpoints of one incident, which the path names by its UUID."""

    incident: Incident

    def load(self, request: Request, uuid: str = "", **kwargs: Any) -> None:
        self.incident = incident_of(self.team, uuid)


class OneIncident(OfWorkedIncident):
    """`/api/incidents/{uuid}`."""

    @extend_schema(
        operation_id="get_incident",
        summary="Get an incident",
        description="A deleted one too, with its `destroyed_at`.",
        responses={200: IncidentSerializer},
    )
    def get(self, request: Request, uuid: str) -> HttpResponse:
        return shown(self.incident)

    @extend_schema(
        operation_id="change_incident",
        summary="Change an incident",
        description="What is not named stays as it is; a value that it has already writes nothing.",
        request=ChangesBody,
        responses={200: IncidentSerializer},
    )
    def put(self, request: Request, uuid: str) -> HttpResponse:
        return changed(self, request)

    @wordless(
        "delete_incident",
        "Delete an incident",
        "It stays in the record with its `destroyed_at`, as does its history; lists leave it out. One that "
        "is deleted already stays so. Of a mirrored one the source hears nothing.",
        IncidentSerializer,
    )
    def delete(self, request: Request, uuid: str) -> HttpResponse:
        say_nothing(request)
        with self.unchanged():
            lifecycle.destroy(self.incident, **self.who_when)
        return shown(self.incident)


@described_list(
    "List groups of incidents",
    "Newest first: those made here, and those that sources put incidents into.",
    answer="Some groups.",
)
class Groups(TeamList):
    """`/api/incident-groups`."""

    called, filters, serializer = "incident_groups", GroupFilters, GroupSerializer

    def records(self) -> QuerySet[IncidentGroup]:
        return self.team.incident_groups.all()


class OneGroup(TeamView):
    """`/api/incident-groups/{id}`."""

    group: IncidentGroup

    def load(self, request: Request, id: str = "", **kwargs: Any) -> None:
        self.group = numbered(self.team.incident_groups.all(), "Incident group", id)

    @extend_schema(
        operation_id="get_incident_group",
        summary="Get a group of incidents",
        description="Which incidents are in it is said by their `incident_group_id`.",
        responses={200: GroupSerializer},
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        return ok(GroupSerializer(self.group).data)


class Updates(OfIncident):
    """`/api/incidents/{uuid}/updates`."""

    conditional = ("POST",)

    @extend_schema(
        operation_id="list_incident_updates",
        summary="List an incident's updates",
        description="Its lifecycle and audit trail, newest first by `created_at`, without notes. If there are more "
        'than `limit`, the `Link` header has the next page: `<…>; rel="next"`.',
        parameters=[
            UpdatesQuery,
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="An `ETag` of before."),
            OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200, 304], required=True),
            OpenApiParameter("Link", str, OpenApiParameter.HEADER, response=[200], description="The next page."),
        ],
        responses={
            200: UpdateSerializer(many=True),
            304: OpenApiResponse(description="Nothing changed since the `ETag` in `If-None-Match`."),
        },
    )
    def get(self, request: Request, uuid: str) -> HttpResponse:
        chosen = query(request, UpdatesQuery)
        most = chosen.get("limit", ALL_UPDATES)
        rows, more = updates.updates(self.incident, most, chosen.get("cursor"), chosen.get("as_of"))
        answer = ok(rows, headers={"Link": link(request, more)} if more else None)
        return unless_known(request, answer)

    @extend_schema(
        operation_id="add_incident_note",
        summary="Add an investigation note",
        description="Notes stand in `/comments` and `/timeline`, not in `/updates`.",
        request=NoteBody,
        responses={201: NoteSerializer},
    )
    def post(self, request: Request, uuid: str) -> HttpResponse:
        message = said(request, NoteBody)["message"]
        incident = self.team.incidents.get(pk=self.incident.pk)
        with as_seen(request, incident):
            fact = lifecycle.comment(incident, by=self.user, at=clock.now(), message=message)
        return ok(updates.note(incident, fact, self.user), status=201)


class Comments(OfIncident):
    """`/api/incidents/{uuid}/comments`."""

    @extend_schema(
        operation_id="list_incident_comments",
        summary="List an incident's investigation notes",
        description="Newest first. `POST /api/incidents/{uuid}/updates` adds one.",
        parameters=[ListQuery],
        responses={200: page_of("comments", NoteSerializer, "Some investigation notes.")},
    )
    def get(self, request: Request, uuid: str) -> HttpResponse:
        chosen = query(request, ListQuery)
        rows, more = updates.notes(self.incident, chosen["limit"], chosen.get("cursor"))
        return listing("comments", rows, chosen["limit"], more)


class Timeline(OfIncident):
    """`/api/incidents/{uuid}/timeline`."""

    @extend_schema(
        operation_id="list_incident_events",
        summary="List all events of an incident",
        description="Newest first by `occurred_at`: updates, notes, and what had no effect, each with its whole event.",
        parameters=[HistoryQuery],
        responses={200: page_of("events", TimelineEventSerializer, "Some events of an incident.", "TimelinePage")},
    )
    def get(self, request: Request, uuid: str) -> HttpResponse:
        chosen = query(request, HistoryQuery)
        rows, more = updates.timeline(self.incident, chosen["limit"], chosen.get("cursor"), chosen.get("as_of"))
        return listing("events", rows, chosen["limit"], more)


def incident_of(team: Team, text: str) -> Incident:
    """
    The team's incident with the UUID that a path has as `text`, with no more of it than reading a history needs.

    Raises NotFound. In SQL for the same reason as incidents.updates.STANDING.
    """
    uuid = read_uuid(text)
    asked = "SELECT id FROM incidents_incident WHERE uuid = %s AND team_id = %s"
    found = fetch(asked, [uuid, team.pk]) if uuid else []
    if not found:
        raise NotFound("Incident not found")
    return Incident.from_db(connection.alias, ["id", "uuid", "team_id"], [found[0][0], uuid, team.pk])


def link(request: Request, cursor: str) -> str:
    """The `Link` header to the page behind a cursor (RFC 8288)."""
    asked = request.GET.dict() | {"cursor": cursor}
    return f'<{request.build_absolute_uri(request.path)}?{urlencode(asked)}>; rel="next"'


def unless_known(request: Request, answer: HttpResponse) -> HttpResponse:
    """The answer with its ETag, or a 304 to somebody who has it already (RFC 9110, 13.1.2)."""
    tag = f'"{sha256(answer.content + answer.headers.get("Link", "").encode()).hexdigest()[:32]}"'
    known = {each.removeprefix("W/") for each in parse_etags(request.headers.get("If-None-Match", ""))}
    if not known.isdisjoint({"*", tag}):
        answer = HttpResponse(status=304)
        del answer.headers["Content-Type"]
    answer.headers["ETag"] = tag
    return answer
