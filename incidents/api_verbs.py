"""
The API of working on incidents: declaring, changing, moving, escalating and grouping them, one or several at once.

Not here: what requests may say (incidents.bodies), what the verbs do (incidents.lifecycle and the rooms beside it),
reading (incidents.api).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from config import clock, fields
from config.api import ok, said_if_any, say_nothing
from config.errors import NotFound, ValidationFailed
from config.heavy import AN_INCIDENT, heavy
from config.matching import unchanged
from incidents import details, grouping, keeper, lifecycle
from incidents.bodies import (
    BulkBody,
    ChangesBody,
    DeclarationBody,
    EscalationBody,
    GroupingBody,
    ReopeningBody,
    StatusBody,
)
from incidents.declaring import Declaration, declare
from incidents.models import Incident, IncidentGroup, Severity, Type
from incidents.moves import IllegalMove
from incidents.serializers import BulkAnswer, IncidentSerializer, tag
from monitors.models import Monitor
from teams.api import TeamView, unique, unique_id
from teams.models import Team, User
from timeline.models import TimelineEvent

Verb = Callable[[Incident], TimelineEvent | None]

NO_MONITOR = "No monitor of the team has this id."
NO_GROUP = "No incident group of the team has this id."


def shown(incident: Incident, status: int = 200) -> HttpResponse:
    """The answer to any change of an incident: the incident, and its ETag."""
    return ok(IncidentSerializer(incident).data, status=status, headers={"ETag": tag(incident)})


# --- what a body names ------------------------------------------------------------------------------------------------


def member(team: Team, uuid: UUID | None) -> User | None:
    """The active member with that UUID; None for None. Raises ValidationFailed naming `assignee_id`."""
    if uuid is None:
        return None
    found = team.memberships.filter(user__uuid=uuid, user__is_active=True).select_related("user").first()
    if found is None:
        raise ValidationFailed({"assignee_id": [lifecycle.NOBODY]})
    return found.user


def target(team: Team, kind: str, identity: int | str) -> User | Team:
    """A member, or the team, by either's public id or the log's integer. Raises ValidationFailed naming `targets`."""
    if kind == "team" and identity in (team.pk, team.public_id):
        return team
    if kind == "user":
        named = {"user": identity} if isinstance(identity, int) else {"user__uuid": uuid_in(identity)}
        found = team.memberships.filter(**named, user__is_active=True).select_related("user").first()
        if found:
            return found.user
    raise ValidationFailed({"targets": [lifecycle.ANOTHER_TEAM if kind == "team" else lifecycle.NOBODY]})


def uuid_in(text: str) -> UUID | None:
    """The UUID that a text is; None for any other."""
    try:
        return UUID(text)
    except ValueError:
        return None


def targets_of(team: Team, said: dict[str, Any]) -> list[User | Team]:
    """To whom it is escalated, each once."""
    return list(dict.fromkeys(target(team, each["type"], each["id"]) for each in said["targets"]))


def group_of(team: Team, said: dict[str, Any]) -> IncidentGroup | None:
    """The group that a body names; None where a new one is to be made."""
    if "incident_group_id" not in said:
        return None
    found = team.incident_groups.filter(pk=said["incident_group_id"]).first()
    if found is None:
        raise ValidationFailed({"incident_group_id": [NO_GROUP]})
    return found


def monitors_of(team: Team, name: str, ids: list[int]) -> list[Monitor]:
    """The team's monitors with some ids, in their order. Raises ValidationFailed naming the field."""
    found = {each.pk: each for each in team.monitors.filter(pk__in=ids)}
    if found.keys() != set(ids):
        raise ValidationFailed({name: [NO_MONITOR]})
    return [found[each] for each in ids]


# --- one incident -----------------------------------------------------------------------------------------------------


def declared(view: TeamView, request: Request) -> HttpResponse:
    """Declare an incident."""
    said = fields.said(request, DeclarationBody)
    [about] = (
        monitors_of(view.team, "monitor_id", [said["monitor_id"]]) if said.get("monitor_id") is not None else [None]
    )
    declaration = Declaration(
        severity=Severity(said["severity"]),
        type=Type(said["type"]),
        error_message=said["error_message"],
        title=said.get("title") or "",
        started_at=said.get("started_at"),
        affected_regions=said.get("affected_regions", ()),
        resource=about,
        affected=monitors_of(view.team, "affected_monitor_ids", said.get("affected_monitor_ids", [])),
    )
    return shown(declare(view.team, declaration, by=view.user, at=clock.now()), status=201)


class OfWorkedIncident(TeamView):
    """The base of endpoints that change one incident, which the path names by its UUID."""

    tagged: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE")

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


def as_seen(
    request: Request, incident: Incident, lock: Callable[[Incident], object] = lifecycle.locked
) -> AbstractContextManager[None]:
    """A transaction on an incident as a request's `If-Match` knows it; `lock` is how what is done locks it."""
    return unchanged(request, lambda: lock(incident), lambda: tag(incident))


def changed(view: OfWorkedIncident, request: Request) -> HttpResponse:
    """Change what is said of an incident: all that is asked for, or nothing."""
    incident = view.incident
    said = fields.said(request, ChangesBody, IncidentSerializer(incident).data, tag(incident))
    assignee = member(view.team, said.get("assignee_id"))
    edited: dict[str, Any] = {name: said[name] for name in details.WORDS if name in said}
    who_when = view.who_when
    with view.unchanged():
        if "severity" in said:
            details.change_severity(incident, severity=Severity(said["severity"]), **who_when)
        details.edit(incident, **edited, **who_when)
        if "assignee_id" in said:
            details.assign(incident, assignee=assignee, **who_when)
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
        assignee, who_when = member(self.team, said.get("assignee_id")), self.who_when
        try:
            with self.unchanged():
                lifecycle.set_status(self.incident, said["status"], **who_when)
                if "assignee_id" in said:
                    details.assign(self.incident, assignee=assignee, **who_when)
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
        said = said_if_any(request, ReopeningBody)
        with self.unchanged():
            lifecycle.reopen(self.incident, note=said.get("note") or "", **self.who_when)
        return shown(self.incident)


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
        targets = targets_of(self.team, fields.said(request, EscalationBody))
        with self.unchanged():
            lifecycle.escalate(self.incident, targets=targets, **self.who_when)
        return shown(self.incident)


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
        said = fields.said(request, GroupingBody)
        put = Into(group_of(self.team, said), said.get("name", ""), self.user, clock.now())
        with self.unchanged():
            put(self.incident)
        return shown(self.incident)


class Ungrouping(OfWorkedIncident):
    """`/api/incidents/{uuid}/ungroup`."""

    @extend_schema(
        operation_id="ungroup_incident",
        summary="Take an incident out of its group",
        description="One that is in none stays so.",
        request=None,
        responses={200: IncidentSerializer},
    )
    def post(self, request: Request, uuid: str) -> HttpResponse:
        say_nothing(request)
        with self.unchanged():
            grouping.ungroup(self.incident, **self.who_when)
        return shown(self.incident)


class Into:
    """Puts incidents into a group; where that is to be a new one, the first of them makes it."""

    def __init__(self, group: IncidentGroup | None, name: str, by: User, at: datetime) -> None:
        self.group, self.name, self.by, self.at = group, name, by, at

    def __call__(self, incident: Incident) -> TimelineEvent | None:
        if self.group is None:
            self.group, fact = grouping.group_anew(incident, self.name, by=self.by, at=self.at)
            return fact
        return grouping.group(incident, self.group, by=self.by, at=self.at)


# --- several at once --------------------------------------------------------------------------------------------------


class Bulk(TeamView):
    """`/api/incidents/bulk`."""

    @extend_schema(
        operation_id="work_on_incidents",
        summary="Do the same with several incidents",
        description="Each by itself, in the order of `ids`; one that is refused stops none of the others. `escalate` "
        "needs `targets`, `assign` an `assignee_id`, `change_severity` a `severity`, `comment` a `message`. "
        + lifecycle.ONLY_RECORDED,
        request=BulkBody,
        responses={200: BulkAnswer(many=True)},
    )
    def post(self, request: Request) -> HttpResponse:
        said = fields.said(request, BulkBody)
        verb = verb_of(self.team, said, self.user, clock.now())
        named = [unique_id(each.strip()) for each in said["ids"]]
        found = {each.uuid: each for each in self.team.incidents.filter(uuid__in=filter(None, named)).defer("search")}
        if connection.in_atomic_block:
            # All is one transaction, so that all is locked first, in the order that everybody keeps to.
            keeper.lock(each.pk for each in found.values())
        with heavy(len(found) * AN_INCIDENT):
            answers = {uuid: self.answer(found.get(uuid), verb) for uuid in dict.fromkeys(filter(None, named))}
        missing = self.answer(None, verb)
        told = zip(said["ids"], named, strict=True)
        return ok([{"id": text} | (answers[uuid] if uuid else missing) for text, uuid in told])

    def answer(self, incident: Incident | None, verb: Verb) -> dict[str, Any]:
        """What became of one of them, as BulkAnswer describes it but for its id."""
        done = grouping.done(incident, verb) if incident else None
        refused = done.refused if done else NotFound("Incident not found")
        if refused is None:
            return {"success": True, "data": IncidentSerializer(incident).data}
        error = {"code": refused.code, "message": refused.message}
        return {
            "success": False,
            "error": error | ({"details": refused.details} if refused.details else {}),
        }


def verb_of(team: Team, said: dict[str, Any], by: User, at: datetime) -> Verb:
    """What is to be done with each of several incidents."""
    action, who_when = said["action"], {"by": by, "at": at}
    if action in MOVES:
        return partial(MOVES[action], note=said.get("note") or "", **who_when)
    return VERBS[action](team, said, who_when)


MOVES: dict[str, Callable[..., TimelineEvent | None]] = {
    "acknowledge": lifecycle.acknowledge,
    "resolve": lifecycle.resolve,
    "close": lifecycle.close,
    "reopen": lifecycle.reopen,
}
VERBS: dict[str, Callable[[Team, dict[str, Any], dict[str, Any]], Verb]] = {
    "escalate": lambda team, said, acts: partial(lifecycle.escalate, targets=targets_of(team, said), **acts),
    "group": lambda team, said, acts: Into(group_of(team, said), said.get("name", ""), **acts),
    "ungroup": lambda team, said, acts: partial(grouping.ungroup, **acts),
    "delete": lambda team, said, acts: partial(lifecycle.destroy, **acts),
    "assign": lambda team, said, acts: partial(details.assign, assignee=member(team, said["assignee_id"]), **acts),
    "change_severity": lambda team, said, acts: partial(
        details.change_severity, severity=Severity(said["severity"]), **acts
    ),
    "comment": lambda team, said, acts: partial(lifecycle.comment, message=said["message"], **acts),
}
