"""
The API of working on incidents: declaring, changing, moving, escalating and grouping them.

Not here: what requests may say (incidents.bodies), what the verbs do (incidents.verbs), several at once
(incidents.api_bulk), reading (incidents.api).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from config import clock, fields
from config.api import ok, said_if_any, wordless
from config.errors import ValidationFailed
from config.matching import unchanged
from incidents import details, lifecycle
from incidents.bodies import (
    ChangesBody,
    DeclarationBody,
    EscalationBody,
    GroupingBody,
    ReopeningBody,
    StatusBody,
)
from incidents.declaring import Declaration, declare
from incidents.models import Incident
from incidents.moves import IllegalMove
from incidents.serializers import IncidentSerializer, tag
from incidents.verbs import VERBS
from teams.api import TeamView, unique


def shown(incident: Incident, status: int = 200) -> HttpResponse:
    """The answer to any change of an incident: the incident, and its ETag."""
    return ok(IncidentSerializer(incident).data, status=status, headers={"ETag": tag(incident)})


def declared(view: TeamView, request: Request) -> HttpResponse:
    """Declare an incident."""
    declaration = Declaration(**fields.said(request, DeclarationBody))
    return shown(declare(view.team, declaration, by=view.user, at=clock.now()), status=201)


class OfWorkedIncident(TeamView):
    """The base of endpoints that change one incident, which the path names by its UUID."""

    tagged: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE")

    body_is_optional = False

    incident: Incident

    def load(self, request: Request, uuid: str = "", **kwargs: Any) -> None:
        self.incident = unique(self.team.incidents.select_related("assignee").defer("search"), "Incident", uuid)

    @property
    def who_when(self) -> dict[str, Any]:
        """Who acts, and when."""
        return {"by": self.user, "at": clock.now()}

    def unchanged(self) -> AbstractContextManager[None]:
        """A transaction on the incident as the request's `If-Match` knows it."""
        return as_seen(self.request, self.incident)

    def work(self, name: str) -> HttpResponse:
        """Do what a verb does, as the request's body tells it; show what the incident is then."""
        verb, do = VERBS[name], VERBS[name].begin()
        told = (said_if_any if self.body_is_optional else fields.said)(self.request, verb.body)
        with self.unchanged():
            do(self.incident, **told, **self.who_when)
        return shown(self.incident)


def as_seen(
    request: Request, incident: Incident, lock: Callable[[Incident], object] = lifecycle.locked
) -> AbstractContextManager[None]:
    """A transaction on an incident as a request's `If-Match` knows it; `lock` is how what is done locks it."""
    return unchanged(request, lambda: lock(incident), lambda: tag(incident))


def changed(view: OfWorkedIncident, request: Request) -> HttpResponse:
    """Change what is said of an incident: all that is asked for, or nothing."""
    incident, who_when = view.incident, view.who_when
    said = fields.said(request, ChangesBody, IncidentSerializer(incident).data, tag(incident))
    edited = {name: said[name] for name in details.WORDS if name in said}
    with view.unchanged():
        if "severity" in said:
            details.change_severity(incident, severity=said["severity"], **who_when)
        details.edit(incident, **edited, **who_when)
        if "assignee" in said:
            details.assign(incident, assignee=said["assignee"], **who_when)
    return shown(incident)


class StatusOfIncident(OfWorkedIncident):
    """`/api/incidents/{uuid}/status`."""

    @extend_schema(
        operation_id="set_incident_status",
        summary="Acknowledge, resolve or close an incident",
        description="open → acknowledged, resolved; acknowledged → resolved, closed; resolved → closed. Any other move "
        "is a 400 with `details` `{fromStatus, toStatus, validTransitions}`. The status that it has already writes "
        "no move; a note and an assignee that come with it are written.",
        request=StatusBody,
        responses={200: IncidentSerializer},
    )
    def put(self, request: Request, uuid: str) -> HttpResponse:
        said = fields.said(request, StatusBody, IncidentSerializer(self.incident).data, tag(self.incident))
        who_when = self.who_when
        try:
            with self.unchanged():
                lifecycle.set_status(self.incident, said["status"], **who_when)
                if "assignee" in said:
                    details.assign(self.incident, assignee=said["assignee"], **who_when)
                if said.get("note"):
                    lifecycle.comment(self.incident, message=said["note"], **who_when)
        except IllegalMove as refused:
            raise ValidationFailed(message=refused.message, details=refused.details) from refused
        return shown(self.incident)


class Reopening(OfWorkedIncident):
    """`/api/incidents/{uuid}/reopen`."""

    body_is_optional = True

    @extend_schema(
        operation_id="reopen_incident",
        summary="Reopen an incident",
        description="An acknowledged, resolved or closed one; an open one stays as it is.",
        request=ReopeningBody,
        responses={200: IncidentSerializer},
    )
    def post(self, request: Request, uuid: str) -> HttpResponse:
        return self.work("reopen")


class Escalation(OfWorkedIncident):
    """`/api/incidents/{uuid}/escalate`."""

    @extend_schema(
        operation_id="escalate_incident",
        summary="Escalate an incident",
        description="To members of the team, or to the team. One that is resolved or closed can't be. "
        + lifecycle.ONLY_RECORDED,
        request=EscalationBody,
        responses={200: IncidentSerializer},
    )
    def post(self, request: Request, uuid: str) -> HttpResponse:
        return self.work("escalate")


class Grouping(OfWorkedIncident):
    """`/api/incidents/{uuid}/group`."""

    @extend_schema(
        operation_id="group_incident",
        summary="Put an incident into a group",
        description="Into one of the team's, or into a new one, whose id is then the incident's `incident_group_id`.",
        request=GroupingBody,
        responses={200: IncidentSerializer},
    )
    def post(self, request: Request, uuid: str) -> HttpResponse:
        return self.work("group")


class Ungrouping(OfWorkedIncident):
    """`/api/incidents/{uuid}/ungroup`."""

    body_is_optional = True

    @wordless(
        "ungroup_incident",
        "Take an incident out of its group",
        "One that is in none stays so.",
        IncidentSerializer,
    )
    def post(self, request: Request, uuid: str) -> HttpResponse:
        return self.work("ungroup")
