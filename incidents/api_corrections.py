"""
The API of correcting an incident's history: entries added after the fact, and corrections of one event or of several.

Not here: what a correction does (incidents.corrections), how the timeline is shown (incidents.updates).
"""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from config import clock
from config.api import ok
from config.errors import NotFound
from config.fields import said
from incidents import api, updates
from incidents.api_verbs import as_seen
from incidents.bodies import CorrectionBody, EntryBody, HidingBody
from incidents.corrections import Answer, add, correct, hide, lock
from incidents.models import Incident
from incidents.serializers import RefusalSerializer, TimelineEventSerializer
from teams.api import TeamView, unique


class HidingAnswer(serializers.Serializer):
    """What became of one of several events: an answer as to a request of its own, and its id."""

    id = serializers.CharField(help_text="As it was sent.")
    success = serializers.BooleanField(help_text="Whether it was done, or was so already.")
    data = TimelineEventSerializer(required=False, help_text="The event, if `success`.")  # type: ignore[assignment]
    error = RefusalSerializer(required=False, help_text="What is wrong, if not.")


class OfCorrectedIncident(TeamView):
    """The base of endpoints that correct the history of the incident which the path names by its UUID."""

    conditional = ("POST",)

    incident: Incident

    def load(self, request: Request, uuid: str = "", **kwargs: Any) -> None:
        self.incident = unique(self.team.incidents.defer("search"), "Incident", uuid)


class Timeline(api.Timeline):
    """`/api/incidents/{uuid}/timeline`."""

    conditional = ("POST",)

    @extend_schema(
        operation_id="add_incident_event",
        summary="Add an entry after the fact",
        description="An investigation note with a time of its own, which moves neither the status nor the start.",
        request=EntryBody,
        responses={201: TimelineEventSerializer},
    )
    def post(self, request: Request, uuid: str) -> HttpResponse:
        incident = self.team.incidents.defer("search").get(pk=self.incident.pk)
        body = said(request, EntryBody)
        with as_seen(request, incident):
            entry = add(incident, by=self.user, at=clock.now(), **body)
        return ok(updates.one_event(incident, entry.pk), status=201)


class Corrections(OfCorrectedIncident):
    """`/api/incidents/{uuid}/timeline/{event_id}/corrections`."""

    event: int

    def load(self, request: Request, uuid: str = "", event_id: str = "", **kwargs: Any) -> None:
        super().load(request, uuid)
        self.event = updates.rows_of(self.incident, {event_id}).get(event_id, 0)
        if not self.event:
            raise missing()

    @extend_schema(
        operation_id="correct_incident_event",
        summary="Correct an event",
        description="Its time, its text, or whether it counts at all; status and times of the incident follow. What "
        "was told stays in `payload` and `corrected.was`. Of several corrections the latest holds. What is so already "
        "is a 200. A correction can't be corrected, and an incident's last event can't be hidden: 409.",
        request=CorrectionBody,
        responses={200: TimelineEventSerializer, 201: TimelineEventSerializer},
    )
    def post(self, request: Request, uuid: str, event_id: str) -> HttpResponse:
        body = said(request, CorrectionBody)
        with as_seen(request, self.incident, lock):
            made = correct(self.incident, self.event, by=self.user, at=clock.now(), **body)
        return ok(updates.one_event(self.incident, self.event), status=201 if made else 200)


class Hiding(OfCorrectedIncident):
    """`/api/incidents/{uuid}/timeline/corrections`."""

    @extend_schema(
        operation_id="hide_incident_events",
        summary="Hide several events, or show them again",
        description="Each by itself, in the order of `ids`; one that is refused stops none of the others.",
        request=HidingBody,
        responses={200: HidingAnswer(many=True)},
    )
    def post(self, request: Request, uuid: str) -> HttpResponse:
        body = said(request, HidingBody)
        ids = body.pop("ids")
        rows = updates.rows_of(self.incident, set(ids))
        chosen = [rows[each] for each in ids if each in rows]
        with as_seen(request, self.incident, lock):
            answers = hide(self.incident, chosen, by=self.user, at=clock.now(), **body)
        events = updates.some_events(self.incident, chosen)
        return ok([answered(each, answers.get(rows.get(each, 0)), events.get(rows.get(each, 0))) for each in ids])


def answered(event_id: str, answer: Answer | None, event: dict[str, Any] | None) -> dict[str, Any]:
    """What became of one of several, as HidingAnswer describes it."""
    refused = answer.refused if answer else missing()
    if refused:
        error = {"code": refused.code, "message": refused.message}
        return {"id": event_id, "success": False, "error": error}
    return {"id": event_id, "success": True, "data": event}


def missing() -> NotFound:
    """The answer to an id of no event of the incident."""
    return NotFound("Event not found")
